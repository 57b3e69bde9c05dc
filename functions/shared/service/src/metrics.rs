//! Metrics: declared once, counted in this process, shared through the store, rendered for Prometheus and CloudWatch.

mod emf;
mod emf_buffer;
mod exposition;
mod name;
mod totals;

pub use emf::{EmfContext, emf_lines};
pub use emf_buffer::EmfBuffer;
pub(crate) use exposition::{
    encode, family, labeled_gauge, render_instances, render_levels, render_process, render_totals,
    render_unsaved,
};
pub(crate) use name::MetricName;
pub use name::{FUNCTIONS, RecordResult};
pub use totals::RequestFacts;
pub(crate) use totals::Totals;
