//! Triggers that deliver events, and the time at which they received a record.

use serde_json::value::RawValue;

use crate::batch::IncomingBatch;
use crate::time;

/// Service that delivers events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// SQS queue, first-in-first-out or standard.
    Sqs,
    /// Shard of a Kinesis data stream.
    Kinesis,
    /// Firehose stream with a transformation.
    Firehose,
    /// EventBridge bus.
    EventBridge,
    /// SNS topic.
    Sns,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 5] =
        [Self::Sqs, Self::Kinesis, Self::Firehose, Self::EventBridge, Self::Sns];

    /// Name in logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Kinesis => "kinesis",
            Self::Firehose => "firehose",
            Self::EventBridge => "eventbridge",
            Self::Sns => "sns",
        }
    }

    /// Resolution of the time of a record, in microseconds.
    fn resolution_us(self) -> u64 {
        match self {
            Self::EventBridge => 1_000_000,
            Self::Sqs | Self::Kinesis | Self::Firehose | Self::Sns => 1_000,
        }
    }
}

/// Time at which a record was sent, in the resolution of its trigger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendTime {
    at_us: i64,
    resolution_us: u64,
}

impl SendTime {
    /// Parses the time that a trigger gives; `None` if it is missing or invalid.
    pub(super) fn read(trigger: Trigger, time: Option<&RawValue>) -> Option<Self> {
        let at_us = time::time_us(time?.get())?;
        Some(Self { at_us, resolution_us: trigger.resolution_us() })
    }

    /// A time in the resolution of milliseconds.
    pub(crate) fn of_milliseconds(at_us: i64) -> Self {
        Self { at_us, resolution_us: 1_000 }
    }

    /// Sets the time of samples without one: spread over the resolution by the id of their record.
    pub(crate) fn assign(self, id: &str, batch: &mut IncomingBatch) {
        let first_us = self.at_us + (fnv1a(id) % self.resolution_us) as i64;
        for sample in &mut batch.samples {
            sample.at_us = sample.at_us.or(Some(first_us + sample.index as i64));
        }
    }
}

/// FNV-1a hash (Fowler, Noll and Vo, 64 bits): equal in every version and on every machine.
fn fnv1a(text: &str) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    text.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
