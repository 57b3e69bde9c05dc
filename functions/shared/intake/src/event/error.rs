//! Errors of a whole event.

use thiserror::Error;

use crate::sample_fault::{clip, quoted};

/// Longest name of a trigger that an error quotes, in bytes.
const TRIGGER_LEN_MAX: usize = 64;

/// Reasons why no record of an event was read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EventError {
    /// No trigger has such events.
    #[error(
        "event is malformed: {0}: wanted an event of SQS, Kinesis, Firehose, EventBridge or SNS"
    )]
    Malformed(String),
    /// The trigger is unknown.
    #[error("trigger {} is unknown: wanted SQS, Kinesis, Firehose, EventBridge or SNS", quoted(_0))]
    TriggerUnknown(String),
    /// A record lacks a required field.
    #[error("record {index} of the event lacks `{field}`")]
    RecordIncomplete {
        /// Index of the record, from 0.
        index: usize,
        /// Missing field.
        field: &'static str,
    },
}

impl EventError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "event_malformed",
            Self::TriggerUnknown(_) => "trigger_unknown",
            Self::RecordIncomplete { .. } => "record_incomplete",
        }
    }

    pub(super) fn trigger_unknown(trigger: &str) -> Self {
        Self::TriggerUnknown(clip(trigger.to_owned(), TRIGGER_LEN_MAX))
    }
}
