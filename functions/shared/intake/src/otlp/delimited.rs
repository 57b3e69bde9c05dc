//! Metrics of OpenTelemetry in a record of a stream: messages, each behind its length.
//!
//! CloudWatch metric streams write them so in the format OpenTelemetry 1.0. No header names the format, so the bytes do.

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::otlp::binary;
use crate::protobuf::ProtobufFields;

/// First byte of a message: the key of its field `resource_metrics`.
const FIRST_KEY: u8 = 0x0a;

/// True if the bytes are nothing but messages behind their lengths, and no JSON.
pub(crate) fn is_delimited(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().first();
    let is_json = matches!(first, Some(b'{' | b'[')) && str::from_utf8(bytes).is_ok();
    let begins = |message: &[u8]| message.first() == Some(&FIRST_KEY);
    !bytes.is_empty()
        && !is_json
        && ProtobufFields::messages(bytes).all(|message| message.is_ok_and(begins))
}

/// Reads the samples of all messages.
pub(crate) fn read(bytes: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let mut builder = BatchBuilder::new(limits);
    for message in ProtobufFields::messages(bytes) {
        binary::read_message(message?, &mut builder)?;
    }
    let batch = builder.finish();
    // A record is retried as a whole, so samples above the limit may not be left out.
    if batch.extras.n_unread > 0 {
        return Err(IntakeError::TooManySamples(limits.n_samples_max));
    }
    Ok(batch)
}
