//! Episodes of a series as they are stored, and as a commit changes them.
//!
//! The commit that changes an episode stores it, so that a sweep can save it to the history after any failure.

use detector::SilenceCheck;
use domain::EpisodeRecord;

use crate::member;

/// A stored episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredEpisode {
    /// Version of the series that last changed it.
    pub revision: i64,
    /// Version of its last notable change, which the history must hold.
    pub notable_version: i64,
    /// The episode.
    pub record: EpisodeRecord,
}

impl StoredEpisode {
    /// The stored text: `<revision> <notable version> <start_us>:<end_us>:<samples>:<phase>:<peak>`.
    pub fn to_text(&self) -> String {
        format!("{} {} {}", self.revision, self.notable_version, member::of_episode(&self.record))
    }

    /// Reads the stored text; `None` for other text.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let revision = parts.next()?.parse().ok()?;
        let notable_version = parts.next()?.parse().ok()?;
        Some(Self { revision, notable_version, record: member::episode(parts.next()?)? })
    }
}

/// Changes of episodes and silence in a commit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EpisodeUpdate {
    /// The episodes that changed, as they are now.
    pub episodes: Vec<EpisodeRecord>,
    /// True if the history must hold the change: an episode began, ended, fell silent or doubled its samples.
    pub is_notable: bool,
    /// Number of silences detected.
    pub n_silences: u64,
    /// When to check for silence next; `None` if that is unchanged.
    pub silence_check: Option<SilenceCheck>,
}

impl EpisodeUpdate {
    /// The lines that `episodes.lua` parses; empty if nothing changed.
    pub fn to_text(&self) -> String {
        if self.episodes.is_empty() && self.silence_check.is_none() {
            return String::new();
        }
        let check = match self.silence_check {
            None => String::new(),
            Some(SilenceCheck::Never) => "-".to_owned(),
            Some(SilenceCheck::At(at_us)) => at_us.to_string(),
        };
        let header = format!("{check}\n{}\n", u8::from(self.is_notable));
        self.episodes.iter().fold(header, |text, record| text + &member::of_episode(record) + "\n")
    }
}
