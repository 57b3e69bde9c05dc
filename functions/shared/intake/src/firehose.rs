//! Requests of the delivery of Amazon Data Firehose to an HTTP endpoint.
//!
//! Each record is what a record of a stream is: samples as JSON or NDJSON, or a metric stream. Firehose has no time of a
//! record, and that of the request changes with each attempt: each sample must have a time.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;

use crate::batch::IncomingBatch;
use crate::error::{IntakeError, problem};
use crate::event::{DeliveryBuilder, require_times, unwrapped};
use crate::limits::RequestLimits;

#[derive(Debug, Deserialize)]
struct FirehoseDelivery<'a> {
    #[serde(borrow)]
    records: Vec<DeliveredData<'a>>,
}

#[derive(Debug, Deserialize)]
struct DeliveredData<'a> {
    /// Bytes in base64.
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Reads the samples of all records.
pub(crate) fn read(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let request: FirehoseDelivery<'_> = serde_json::from_slice(body)
        .map_err(|error| IntakeError::MessageMalformed(problem(&error)))?;
    let mut builder = DeliveryBuilder::new(limits);
    for record in request.records {
        let samples = record.samples(&builder.limits());
        builder.add(samples)?;
    }
    Ok(builder.finish())
}

impl DeliveredData<'_> {
    fn samples(&self, limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
        let bytes = BASE64_STANDARD.decode(self.data.as_bytes()).map_err(|_| {
            IntakeError::MessageMalformed("the data of a record is not base64".to_owned())
        })?;
        let mut batch = unwrapped(&bytes, "", None).samples(limits)?;
        require_times(&mut batch, "`timestamp`");
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read_records(records: &[&str]) -> IncomingBatch {
        let records: Vec<Value> =
            records.iter().map(|text| json!({ "data": BASE64_STANDARD.encode(text) })).collect();
        let body =
            json!({ "requestId": "1", "timestamp": 1_732_060_800_000_i64, "records": records });
        read(body.to_string().as_bytes(), &RequestLimits::default()).unwrap()
    }

    #[test]
    fn records_are_read_one_by_one() {
        let batch = read_records(&[
            r#"{"timestamp":1,"rps":7}"#,
            "no samples",
            "{\"timestamp\":1,\"rps\":8,\"source\":\"b\"}\n{\"timestamp\":2,\"rps\":9,\"source\":\"b\"}\n",
            r#"{"rps":7}"#,
        ]);
        let indexes: Vec<usize> = batch.samples.iter().map(|sample| sample.index).collect();
        let rejected: Vec<_> = batch.rejected.iter().map(|s| (s.index, s.code.as_str())).collect();
        assert_eq!(indexes, [0, 2, 2]);
        assert_eq!(rejected, [(1, "sample_malformed"), (3, "time_invalid")]);
    }

    #[test]
    fn another_request_is_an_error() {
        for body in ["{}", "[]", r#"{"records":[{}]}"#, r#"{"records":[{"data":7}]}"#, "x"] {
            let error = read(body.as_bytes(), &RequestLimits::default()).unwrap_err();
            assert_eq!(error.code(), "body_malformed", "{body}");
        }
        let batch = read(br#"{"records":[{"data":"%"}]}"#, &RequestLimits::default()).unwrap();
        assert_eq!(batch.rejected.len(), 1);
    }
}
