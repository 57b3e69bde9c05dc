//! Turns the bytes of a request into samples.
//!
//! It is pure: no clock, no file, no socket. What a sender may write is decided here and nowhere
//! else, so that the functions, the tests and whatever replays recorded bodies read the same
//! samples from the same bytes.
//!
//! A request goes through three steps: [`BodyFormat::from_content_type`] tells what its body is,
//! [`unpack()`] undoes its content encoding, [`parse()`] reads the samples. Each step either fails
//! for the whole request, with an [`IntakeError`], or leaves good samples untouched by bad ones: what
//! is wrong with one sample becomes a [`RejectedSample`] in the [`IncomingBatch`].
//!
//! ```
//! use intake::{RejectionCode, BodyFormat, Limits, parse, unpack};
//!
//! let limits = Limits::default();
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
//! # What a sender may write
//!
//! JSON: one object, an array of objects, `{"samples":[...]}`, or several objects one after the
//! other, which is NDJSON sent under the wrong content type. NDJSON: one object a line; blank lines
//! are skipped. A byte order mark is skipped, too.
//!
//! | key | holds | when missing or null |
//! |---|---|---|
//! | `source` | a name | [`domain::series::SOURCE_DEFAULT`] |
//! | `metric` | a name | every key that is not in this table is a metric, its number the value |
//! | `value` | a number | `value_not_number` beside `metric` |
//! | `timestamp`, `time`, `ts` | RFC 3339 with an offset, or a number since 1970 | `at_us` is `None` |
//! | `labels` | an object of strings; numbers and booleans become their text | no labels |
//!
//! - An object with `metric` is one sample; keys that are not in the table are the sender's own and
//!   ignored.
//! - An object without `metric` is a sample for each other key. If none of these holds a number,
//!   the object is `metric_missing`; otherwise each key that holds something else is rejected under
//!   its own name.
//! - A key given twice makes the object `sample_malformed`: parsers disagree on which one counts,
//!   and a guess would file a wrong value. `timestamp`, `time` and `ts` are one key.
//! - Numbers since 1970, quoted or not, are told apart by their whole digits: up to 11 are seconds,
//!   14 milliseconds, 17 microseconds, 20 nanoseconds. Fractions are exact to the microsecond;
//!   finer digits are cut.
//! - `NaN`, `Infinity` and `-Infinity`, which Python writes bare although JSON has no such numbers,
//!   reject their sample as `value_not_finite` and no other.

//!
//! # What a trigger delivers
//!
//! [`TriggerEvent::read`] reads the event of a queue, a stream, a bus or a topic; [`EventRecord::samples`] reads
//! what one of its records holds, in the formats above, packed or not: no header says so, so the first
//! bytes do. What EventBridge or SNS put around a message that they send to a queue is taken off. A
//! record of a CloudWatch metric stream (JSON) is a sample for each of its statistics.

mod batch;
mod code;
mod element;
mod entries;
mod error;
mod event;
mod fault;
mod fields;
mod format;
mod json;
mod limits;
mod literal;
mod metric_stream;
mod ndjson;
mod parse;
mod scalar;
mod time;
mod unpack;

pub use crate::batch::{IncomingBatch, IncomingSample, RejectedSample};
pub use crate::code::RejectionCode;
pub use crate::error::{ErrorClass, IntakeError};
pub use crate::event::{EventError, EventRecord, Trigger, TriggerEvent};
pub use crate::format::BodyFormat;
pub use crate::limits::Limits;
pub use crate::parse::parse;
pub use crate::time::time_us;
pub use crate::unpack::unpack;
