//! Alerts: an episode of a series becomes an alert by a policy, fires, and is resolved.
//!
//! Pure: policy, stored state and time in, the new state out. The notifier stores the state before it delivers anything, so
//! that a repeated delivery has the same identity.
//!
//! Architecture invariant: no I/O and no clock; the port [`Receiver`] is implemented elsewhere.

mod alert;
mod error;
mod maintenance;
mod message;
mod policy;
mod qualify;
mod receiver_options;
mod series_alerts;
mod spec;

pub use alert::{Alert, AlertChange, AlertDelivery, AlertDetails, AlertPhase};
pub use error::PolicyError;
pub use maintenance::MaintenanceTime;
pub use message::{AlertMessage, Receiver, ReceiverError, rfc3339};
pub use policy::{AlertPolicy, DeviationSide, Severity};
pub use qualify::{past_alerts, qualifies};
pub use receiver_options::{ReceiverOptions, ReceiverTarget};
pub use series_alerts::{SeriesAlerts, SeriesView};
