//! Alerts: policies of the deployment, the notifier, the list of alerts, and the preview of a policy.

mod check;
mod delivery;
mod list;
mod notifier;
mod notify;
mod preview;
mod preview_request;
mod rules;
mod test_message;

pub use self::notifier::RoundWait;
pub use self::notify::Notified;
pub use self::preview_request::{PreviewError, PreviewRequest};
pub use self::rules::{AlertRules, AlertRulesError};
pub use self::test_message::send_test_message;

pub(crate) use self::notifier::Notifier;
