//! Alerts: policies of the deployment, the notifier, the list of alerts, and the preview of a policy.

mod check;
mod list;
mod notifier;
mod notify;
mod preview;
mod preview_request;
mod rules;

pub use self::notify::Notified;
pub use self::preview_request::{PreviewError, PreviewRequest};
pub use self::rules::{AlertRules, AlertRulesError};

pub(crate) use self::notifier::Notifier;
