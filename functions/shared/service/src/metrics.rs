//! Metrics: declared once, counted in this process, shared through the store, rendered for Prometheus and CloudWatch.

mod emf;
mod emf_buffer;
mod exposition;
mod name;
mod store_calls;
mod totals;

pub use emf::{EmfContext, emf_lines};
pub use emf_buffer::EmfBuffer;
pub(crate) use exposition::{
    encode, family, labeled_gauge, render_gauges, render_instances, render_process, render_totals,
};
pub use name::{FUNCTIONS, RecordResult};
pub(crate) use name::{MetricName, NotificationResult, StoreOperation};
pub(crate) use store_calls::StoreReply;
pub use totals::RequestFacts;
pub(crate) use totals::Totals;
