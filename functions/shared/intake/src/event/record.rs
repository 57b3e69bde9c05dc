//! Records of an event, and the samples that they contain.

use std::borrow::Cow;

use crate::batch::IncomingBatch;
use crate::error::IntakeError;
use crate::event::envelope::unwrapped;
use crate::event::payload::Payload;
use crate::event::trigger::{SendTime, Trigger};
use crate::limits::RequestLimits;

/// One event: records of one trigger, in the order of delivery.
#[derive(Debug)]
pub struct TriggerEvent<'a> {
    /// Trigger that delivered the event.
    pub trigger: Trigger,
    /// Records of the event.
    pub records: Vec<EventRecord<'a>>,
}

/// One record: a message, an entry of a stream, an event of a bus.
#[derive(Debug)]
pub struct EventRecord<'a> {
    /// Identifier of the trigger: the id of a message, the sequence number in a shard.
    pub id: Cow<'a, str>,
    /// Message group in a first-in-first-out queue, within which the order matters.
    pub group: Option<Cow<'a, str>>,
    /// Time of sending, if the trigger gives it.
    pub(super) sent: Option<SendTime>,
    pub(super) payload: Payload<'a>,
}

impl EventRecord<'_> {
    /// Reads the samples of the record; each has a time if the trigger gives one.
    ///
    /// A sample without a time gets that of its record, so that a second delivery contains the same samples. Triggers give
    /// times in milliseconds or seconds; within these, the id of the record and the index in it distinguish samples.
    pub fn samples(&self, limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
        let unpacked = self.payload.unpack(limits)?;
        unwrapped(&unpacked, &self.id, self.sent).samples(limits)
    }

    /// Payload as delivered: base64 if the trigger encodes it.
    pub fn data(&self) -> &str {
        self.payload.as_str()
    }
}
