//! Events of queues, streams, buses and topics: records, each with a body of samples.
//!
//! Records are independent: each is decoded when it is read, so that an invalid record does not affect others, and a
//! batch of megabytes is never decoded at once.

mod delivery;
mod envelope;
mod error;
mod payload;
mod record;
mod shape;
#[cfg(test)]
mod tests;
mod trigger;

pub(crate) use crate::event::delivery::{DeliveryBuilder, require_times};
pub(crate) use crate::event::envelope::unwrapped;
pub(crate) use crate::event::trigger::SendTime;

pub use crate::event::error::EventError;
pub use crate::event::record::{EventRecord, TriggerEvent};
pub use crate::event::trigger::Trigger;
