//! Measures contenders: each judges every series, each scoring rule counts the verdicts, a record keeps the counts.
//!
//! The command chooses series, contenders and rules.

mod inputs;
mod judge;
mod plan;
mod promise;
mod row;
mod scenario;
pub mod sweep;
mod trace;

pub use self::judge::{ScoredSeries, judge};
pub use self::plan::{MeasurePlan, RecordExtras, ScoringRule};
pub use self::promise::{PromiseScore, promise};
pub use self::scenario::{MeasuredScenario, measure};
