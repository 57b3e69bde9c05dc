//! Response types of the API. Serde writes them as JSON, so their field names are the API's.
//!
//! Field names are stable; new fields may be added. Times are Unix milliseconds, fractional if needed.

mod alerts;
mod explain;
mod feedback;
mod history;
mod milliseconds;
mod operation;
mod parts;
mod sample;
mod series;

pub use alerts::{AlertAnswer, AlertsAnswer, DeliveryAnswer, PreviewAnswer, PreviewSeriesAnswer};
pub use explain::{
    ConfigChange, ExplainAnswer, SignalAnswer, SilenceAnswer, SimilarSeries, UsualAnswer,
};
pub use feedback::{FeedbackAnswer, FeedbackPage};
pub use history::{AnomaliesPage, AnomalyAnswer, EpisodeAnswer, EpisodeSpan, EpisodesPage};
pub use operation::{ConfigAnswer, MaintenanceAnswer, SweepAnswer};
pub use parts::{LearningAnswer, SeriesName};
pub use sample::{BodyAnswer, IngestAnswer, SampleAnswer, VerdictAnswer, VerdictFilter};
pub use series::{
    AnalyzeAnswer, SamplesAnswer, SeriesAnswer, SeriesPage, SummaryAnswer, WindowAnswer,
    WorstAnswer,
};
