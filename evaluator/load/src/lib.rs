//! Generates load against a deployment, and measures rates, latencies and cost.
//!
//! A `scenario` describes the load; `schedule` computes when requests are due and `body` their bytes in a `format`; `drive`
//! sends them over `connection`s, and `tally` counts the answers. Meanwhile `watch` reads the usage of the processes.
//! `measure` joins these into a `record`, which `table` and `html` render. `capacity` extrapolates measured costs.

mod body;
pub mod capacity;
mod connection;
mod drive;
mod format;
pub mod html;
mod limits;
mod measure;
mod process;
mod record;
mod scenario;
mod schedule;
pub mod table;
mod tally;
mod watch;

pub use self::format::LoadFormat;
pub use self::limits::LoadLimits;
pub use self::measure::{LoadOptions, measure};
pub use self::record::{Check, Cost, Figures, Latency, LoadRecord, Tick};
pub use self::scenario::{LoadPace, LoadRequest, LoadScenario, Stage};
