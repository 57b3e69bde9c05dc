//! Parses the bytes of a request or event as samples.
//!
//! Architecture invariant: pure, without clock, file or socket. All rules of the accepted formats are in this crate, so
//! that functions, tests and replays of recorded bodies read the same samples from the same bytes.
//!
//! A request takes three steps: [`BodyFormat::from_content_type`] determines its format, [`unpack()`] decodes its content
//! encoding, [`parse()`] reads the samples. Each step returns an [`IntakeError`] for the whole request, except that an
//! invalid sample does not affect valid ones: it becomes a [`RejectedSample`] of the [`IncomingBatch`].
//!
//! ```
//! use intake::{BodyFormat, RequestLimits, RejectionCode, parse, unpack};
//!
//! let limits = RequestLimits::default();
//! let sent = br#"[{"source":"checkout","metric":"rps","timestamp":1732060800000,"value":812.5},
//!                 {"source":"checkout","ts":"2024-11-20T00:00:00Z","cpu":41.0,"memory":"high"}]"#;
//! let format = BodyFormat::from_content_type(Some("application/json"))?;
//! let batch = parse(&unpack(sent, None, &limits)?, format, &limits)?;
//!
//! let read: Vec<_> = batch.samples.iter().map(|s| (s.index, s.series.metric())).collect();
//! assert_eq!(read, [(0, "rps"), (1, "cpu")]);
//! assert_eq!(batch.samples[0].at_us, Some(1_732_060_800_000_000));
//! assert_eq!(batch.rejected[0].code, RejectionCode::ValueNotNumber);
//! # Ok::<(), intake::IntakeError>(())
//! ```
//!
//! # Formats of a body
//!
//! - JSON: one object, an array of objects, `{"samples":[...]}`, or several consecutive objects, which is NDJSON under the
//!   wrong content type.
//! - NDJSON: one object per line; blank lines are skipped.
//!
//! Both skip a byte order mark.
//!
//! Other products send formats of their own: [`BodyFormat::of_remote_write`] and [`BodyFormat::of_otlp`] determine them by
//! their content types, [`BodyFormat::unpack`] decodes the encodings that they allow. Their rules are in `remote_write`,
//! `otlp` and `line_protocol`; the keys below are those of JSON.
//!
//! | key | value | if missing or null |
//! |---|---|---|
//! | `source` | a name | [`domain::series::SOURCE_DEFAULT`] |
//! | `metric` | a name | every key outside this table is a metric with its value |
//! | `value` | a number | `value_not_number`, if there is a `metric` |
//! | `timestamp`, `time`, `ts`, `date`, `datetime`, `ds`, `@timestamp`, `_time`, in any case | RFC 3339 with an offset, or a number since 1970 | `at_us` is `None` |
//! | `kind` | `"gauge"`, or `"counter"` for a total that only grows | a gauge; a number is a metric of that name |
//! | `started_at` | of a counter: the time at which it was zero, as `timestamp` | not known; without `"kind":"counter"` it is no field |
//! | `labels`, `tags`, `dimensions`, `attributes` | an object of strings; numbers and booleans become their texts | no labels |
//!
//! - An object with `metric` is one sample. Keys outside the table are ignored, except those below.
//! - An object without `metric` is one sample per other key. If no such key has a number, or the object has a `value`, it
//!   is rejected as `metric_missing`; else each key without a number is rejected under its name.
//! - Nothing is guessed: an object is rejected as a whole, as `time_key_unknown`, if it has no time but a key that seems
//!   to be one, such as `clock`; and as `key_unknown`, if another key holds an array or an object, names a host, or is
//!   the name or the setting of another format, such as `metricName` or `interval` beside numbers.
//! - A key given twice rejects the object as `sample_malformed`: parsers disagree on which one counts, and a guess could
//!   store a wrong value. All keys of a time are the same key, and so are those of labels.
//! - A number may be in quotes, as a time and as a value.
//! - The number of whole digits of a time, quoted or not, determines its unit: up to 11 are seconds, 14 milliseconds, 17
//!   microseconds, 20 nanoseconds. Fractions are exact to the microsecond; finer digits are truncated.
//! - Bare `NaN`, `Infinity` and `-Infinity`, which are not JSON but which Python writes, reject only their own sample, as
//!   `value_not_finite`.
//!
//! # Events of a trigger
//!
//! [`TriggerEvent::read`] reads the event of a queue, a stream, a bus or a topic; [`EventRecord::samples`] reads the content
//! of one record, in the formats above. The first bytes of a record determine its compression, since it has no header.
//! Envelopes that EventBridge or SNS add to a message for a queue are removed. A record of a CloudWatch metric stream (JSON or
//! OpenTelemetry 1.0) is one sample per statistic.
//!
//! CloudEvents over HTTP ([`BodyFormat::of_cloud_event`]) and the HTTP requests of Firehose carry the same records.

mod batch;
mod cloud_event;
mod code;
mod entries;
mod error;
mod event;
mod firehose;
mod format;
mod json;
mod kind;
mod limits;
mod line_protocol;
mod literal;
mod metric_stream;
mod ndjson;
mod object;
mod object_fields;
mod otlp;
mod parse;
mod protobuf;
mod remote_write;
mod sample_fault;
mod scalar;
mod snappy;
mod source;
mod text_body;
mod time;
mod time_keys;
mod unknown_keys;
mod unpack;

#[cfg(any(test, feature = "testbed"))]
pub mod testbed;

pub use crate::batch::{BatchExtras, IncomingBatch, IncomingSample, RejectedSample};
pub use crate::cloud_event::{EventAttributes, EventIdentity};
pub use crate::code::RejectionCode;
pub use crate::error::{ErrorClass, IntakeError};
pub use crate::event::{EventError, EventRecord, Trigger, TriggerEvent};
pub use crate::format::BodyFormat;
pub use crate::limits::RequestLimits;
pub use crate::line_protocol::TimePrecision;
pub use crate::parse::parse;
pub use crate::time::time_us;
pub use crate::unpack::unpack;
