//! The history of series in DynamoDB: one table, billed on demand.
//!
//! An episode is an item of its series, identified by its start. It is written only over an earlier revision of itself,
//! so a replay, or two sweeps at once, change nothing. It expires a number of days after its last write. The
//! configurations of all series are items of one partition, read whole after a loss of Redis, and written under the same
//! condition. A removal is an item too, for a week, so that no slow writer restores the configuration.
//!
//! | attribute | type | content |
//! |---|---|---|
//! | `pk` | S | `<tenant>#<series>`, as in the keys of the store |
//! | `sk` | S | start of the episode, microseconds, 16 digits |
//! | `revision` | N | rises with each change of the episode |
//! | `episode` | S | the whole episode, exactly: see `store::StoredEpisode` |
//! | `series`, `state`, `signal`, `samples`, `start`, `end` | S, S, S, N, N, N | for human readers of the table; times in milliseconds |
//! | `pk`, `sk` of a configuration | S, S | `configs`, `<tenant>/<series>` as above |
//! | `key`, `config` | S, S | series and configuration, exactly: see `store::StoredConfig`; a removal has no `config` |
//! | `pk`, `sk` of a row of the evaluator | S, S | `quality`, data set, detector, commit and seed |
//! | `dataset`, `detector`, `commit`, `seed`, `command`, `kept`, `row` | S, S, S, N, S, N, S | the row: see `quality.rs` |
//! | `expires_at` | N | Unix seconds after which DynamoDB removes the item |

mod failure;
mod item;
mod quality;
mod table;

use std::pin::Pin;
use std::sync::Arc;

use store::{History, HistoryOptions};

pub use quality::QualityRow;
pub use table::HistoryTable;
#[cfg(feature = "testbed")]
pub(crate) use table::{retries, timeouts};

/// Opens the table of `options`, as [`HistoryTable::new`] does.
pub fn open(
    options: HistoryOptions,
    now_us: fn() -> i64,
) -> Pin<Box<dyn Future<Output = Arc<dyn History>> + Send>> {
    Box::pin(async move { Arc::new(HistoryTable::new(options, now_us).await) as Arc<dyn History> })
}
