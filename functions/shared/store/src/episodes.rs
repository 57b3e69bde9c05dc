//! Episodes of a series, those of them that history does not hold yet, and series that may have fallen silent.
//!
//! Episodes are stored by the commit that changed them, so whoever dies later, a sweep finds what is not in history. A
//! store marks it only while somebody keeps history: who does says so with each look at what is unsaved.

use async_trait::async_trait;
use detector::SilenceCheck;
use domain::EpisodeRecord;

use crate::{StoreError, member};
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
    pub news: i64,
    /// The episode.
    pub record: EpisodeRecord,
}

impl StoredEpisode {
    /// The text by which it is stored: `<revision> <news> <start_us>:<end_us>:<samples>:<phase>:<peak>`.
    pub fn to_text(&self) -> String {
        format!("{} {} {}", self.revision, self.news, member::of_episode(&self.record))
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
pub struct Unsaved {
    /// Which series.
    pub key: SeriesKey,
    /// History holds all news up to this version.
    pub saved: i64,
}

/// What a commit tells besides the judged samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Notes {
    /// The episodes that changed, as they are now.
    pub episodes: Vec<EpisodeRecord>,
    /// Whether a change of them is worth telling to history.
    pub is_news: bool,
    /// Silences that were noticed.
    pub n_silences: u64,
    /// When to look next whether the series is silent; none where that stays as it is.
    pub look: Option<SilenceCheck>,
}

impl Notes {
    /// The lines of which `redis/notes.lua` reads them; empty where there is nothing to tell.
    pub(crate) fn to_text(&self) -> String {
        if self.episodes.is_empty() && self.look.is_none() {
            return String::new();
        }
        let look = match self.look {
            None => String::new(),
            Some(SilenceCheck::Never) => "-".to_owned(),
            Some(SilenceCheck::At(at_us)) => at_us.to_string(),
        };
        let head = format!("{look}\n{}\n", u8::from(self.is_news));
        self.episodes.iter().fold(head, |text, it| text + &member::of_episode(it) + "\n")
    }
}

/// What a store keeps of episodes.
#[async_trait]
pub trait Episodes {
    /// Episodes of a series, the newest first.
    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, StoreError>;

    /// Series with episodes that history does not hold, at most `limit`; says that somebody keeps history.
    async fn unsaved(&self, limit: usize) -> Result<Vec<Unsaved>, StoreError>;

    /// How many series have episodes that history does not hold.
    async fn count_unsaved(&self) -> Result<u64, StoreError>;

    /// History holds all news of a series up to this version.
    async fn saved(&self, key: &SeriesKey, version: i64) -> Result<(), StoreError>;

    /// Series to look at by `now_us`, whether they are silent, the longest due first, at most `limit`.
    async fn looks(&self, now_us: i64, limit: usize) -> Result<Vec<SeriesKey>, StoreError>;

    /// Moves the next look at a series that is still to be looked at.
    async fn look_again(&self, key: &SeriesKey, look: SilenceCheck) -> Result<(), StoreError>;
}
