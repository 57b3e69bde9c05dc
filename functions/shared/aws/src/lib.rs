//! Keeps episodes, configurations and rows of the evaluator in DynamoDB.
//!
//! One table, on demand: an episode is an item of its series, known by its start, and written only over an earlier
//! revision of itself, so that a replay, or two sweeps at once, change nothing. It is kept for so many days after the
//! last time that something was heard of it. The configurations of all series are items of one partition, read whole by
//! whoever lost them, and written under the same condition; that one was removed is an item, too, for a week, so that no
//! slow writer brings it back.
//!
//! A crate of its own, since the SDK is larger than all else together: only functions that sweep and answer link it,
//! and `ingest`, which never waits for history, does not.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `pk` | S | `<tenant>#<series>`, as in the keys of the store |
//! | `sk` | S | start of the episode, microseconds, 16 digits |
//! | `revision` | N | by which a later word on the episode is told from an earlier one |
//! | `episode` | S | all that is known, exactly: see `store::StoredEpisode` |
//! | `series`, `state`, `head`, `samples`, `start`, `end` | S, S, S, N, N, N | for people who read the table; times in milliseconds |
//! | `pk`, `sk` of a configuration | S, S | `configs`, `<tenant>/<series>` as above |
//! | `key`, `config` | S, S | series and configuration, exactly: see `store::StoredConfig`; none where it was removed |
//! | `pk`, `sk` of a row of the evaluator | S, S | `quality`, data set, detector, commit and seed |
//! | `dataset`, `detector`, `commit`, `seed`, `command`, `kept`, `row` | S, S, S, N, S, N, S | the row: see `quality.rs` |
//! | `expires_at` | N | Unix seconds after which DynamoDB drops it |

mod dynamo;
mod failure;
mod item;
mod quality;

#[cfg(feature = "testbed")]
pub mod testbed;

use std::pin::Pin;
use std::sync::Arc;

use store::History;

pub use dynamo::Dynamo;
pub use quality::QualityRow;
pub use store::HistoryOptions;

/// The history of `options`, as [`Dynamo::new`] makes it.
pub fn open(
    options: HistoryOptions,
    now_us: fn() -> i64,
) -> Pin<Box<dyn Future<Output = Arc<dyn History>> + Send>> {
    Box::pin(async move { Arc::new(Dynamo::new(options, now_us).await) as Arc<dyn History> })
}
