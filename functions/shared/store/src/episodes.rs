//! Episodes of a series, those of them that history does not hold yet, and series that may have fallen silent.
//!
//! Episodes are stored by the commit that changed them, so whoever dies later, a sweep finds what is not in history. A
//! store marks it only while somebody keeps history: who does says so with each look at what is unsaved.

use detector::SilenceCheck;
use domain::EpisodeRecord;

use crate::member;
use domain::SeriesKey;

/// Most episodes kept of one series: as many as one commit can bring.
pub const EPISODES_KEPT_MAX: usize = 512;

/// How long after the last look at what is unsaved a store goes on to mark it: seven days, in seconds.
pub const HISTORY_TTL_S: u64 = 7 * 86_400;

/// An episode as it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredEpisode {
    /// The version of the series with which it last changed.
    pub revision: i64,
    /// The version with which a change of it was last worth telling to history.
    pub notable_version: i64,
    /// The episode.
    pub record: EpisodeRecord,
}

impl StoredEpisode {
    /// The text by which it is stored: `<revision> <news> <start_us>:<end_us>:<samples>:<phase>:<peak>`.
    pub fn to_text(&self) -> String {
        format!("{} {} {}", self.revision, self.notable_version, member::of_episode(&self.record))
    }

    /// Reads back what [`StoredEpisode::to_text`] wrote; none when it is anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        member::stored_episode(text)
    }
}

/// Which part of the past of a series is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastRange {
    /// What began at or after this time, in microseconds.
    pub since_us: i64,
    /// What began before this time, in microseconds; none for all.
    pub before_us: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// A series with episodes that history does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsavedEpisodes {
    /// Which series.
    pub key: SeriesKey,
    /// History holds all news up to this version.
    pub saved_version: i64,
}

/// What a commit tells besides the judged samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EpisodeUpdate {
    /// The episodes that changed, as they are now.
    pub episodes: Vec<EpisodeRecord>,
    /// Whether a change of them is worth telling to history.
    pub is_notable: bool,
    /// Silences that were noticed.
    pub n_silences: u64,
    /// When to look next whether the series is silent; none where that stays as it is.
    pub silence_check: Option<SilenceCheck>,
}

impl EpisodeUpdate {
    /// The lines of which `redis/notes.lua` reads them; empty where there is nothing to tell.
    pub(crate) fn to_text(&self) -> String {
        if self.episodes.is_empty() && self.silence_check.is_none() {
            return String::new();
        }
        let look = match self.silence_check {
            None => String::new(),
            Some(SilenceCheck::Never) => "-".to_owned(),
            Some(SilenceCheck::At(at_us)) => at_us.to_string(),
        };
        let head = format!("{look}\n{}\n", u8::from(self.is_notable));
        self.episodes.iter().fold(head, |text, it| text + &member::of_episode(it) + "\n")
    }
}
