//! Reads the samples of one JSON object, by the rules of the sample format.
//!
//! The rules are the same for every format of the body: which keys are metrics, which fields apply to all values of the
//! object, and which error rejects which sample.

use std::collections::BTreeMap;

use domain::series::SOURCE_DEFAULT;
use domain::{SampleKind, Series};

use crate::batch::{BatchBuilder, IncomingSample};
use crate::code::RejectionCode;
use crate::error::{IntakeError, problem};
use crate::kind;
use crate::object_fields::ObjectFields;
use crate::sample_fault::{SampleFault, quoted};
use crate::{scalar, time, unknown_keys};

/// Adds the samples of a JSON value to the batch; a value that is not an object is rejected.
pub(crate) fn read(text: &str, builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
    if let Some(fault) = not_an_object(text) {
        let index = builder.next_index();
        return builder.reject(index, None, fault);
    }
    match ObjectFields::parse(text, builder.n_samples_max()) {
        Ok(fields) => push(&fields, builder),
        Err(error) => {
            let index = builder.next_index();
            builder.reject(
                index,
                None,
                SampleFault::new(RejectionCode::SampleMalformed, problem(&error)),
            )
        }
    }
}

/// Fault of a JSON value of another type, such as `[1732060800, 5]`.
pub(crate) fn not_an_object(text: &str) -> Option<SampleFault> {
    let text = text.trim_ascii();
    let kind = scalar::JsonKind::of(text);
    (kind != scalar::JsonKind::Object).then(|| {
        let is_number = text.parse::<f64>().is_ok();
        let what = if kind == scalar::JsonKind::Number && !is_number {
            "not JSON".to_owned()
        } else {
            kind.to_string()
        };
        let detail = format!(
            "{} is {what}: wanted an object with `metric`, `timestamp` and `value`",
            quoted(text)
        );
        SampleFault::new(RejectionCode::SampleMalformed, detail)
    })
}

/// Adds the samples of an object to the batch.
pub(crate) fn push(
    fields: &ObjectFields<'_>,
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let index = builder.next_index();
    if let Some(key) = &fields.repeated {
        return builder.reject(index, None, repeated(key));
    }
    match fields.metric {
        Some(raw) => push_named(index, raw, fields, builder),
        None => push_several(index, fields, builder),
    }
}

/// Fields that apply to all values of one object.
#[derive(Debug, Clone)]
struct SharedFields {
    source: String,
    labels: BTreeMap<String, String>,
    at_us: Option<i64>,
    kind: SampleKind,
}

impl SharedFields {
    fn parse(fields: &ObjectFields<'_>) -> Result<Self, SampleFault> {
        let source = match fields.source {
            Some(raw) => scalar::text("source", raw)?.into_owned(),
            None => SOURCE_DEFAULT.to_owned(),
        };
        let labels = fields.labels.map(scalar::labels).transpose()?.unwrap_or_default();
        let at_us = fields.time.map(time::at_us).transpose()?;
        Ok(Self { source, labels, at_us, kind: kind::of_object(fields)? })
    }

    fn sample(self, index: usize, metric: &str, raw: &str) -> Result<IncomingSample, SampleFault> {
        let value = scalar::value(raw, self.kind)?;
        let series = Series::new(self.source, metric, self.labels)?;
        Ok(IncomingSample { index, series, at_us: self.at_us, value, kind: self.kind })
    }
}

/// Adds the sample of an object with `metric`.
fn push_named(
    index: usize,
    raw_metric: &str,
    fields: &ObjectFields<'_>,
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let metric = match scalar::text("metric", raw_metric) {
        Ok(metric) => metric,
        Err(fault) => return builder.reject(index, None, fault),
    };
    if let Err(fault) = unknown_keys::check_named(fields) {
        return builder.reject(index, Some(&metric), fault);
    }
    let Some(raw) = fields.value else {
        let fault = SampleFault::new(
            RejectionCode::ValueNotNumber,
            "`value` is missing or null: wanted a number",
        );
        return builder.reject(index, Some(&metric), fault);
    };
    match SharedFields::parse(fields).and_then(|shared| shared.sample(index, &metric, raw)) {
        Ok(incoming) => builder.accept(incoming),
        Err(fault) => builder.reject(index, Some(&metric), fault),
    }
}

/// Adds the samples of an object without `metric`: one for each key that is not a known field.
fn push_several(
    index: usize,
    fields: &ObjectFields<'_>,
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let n_samples_max = builder.n_samples_max();
    if fields.others.len() > n_samples_max {
        return Err(IntakeError::TooManySamples(n_samples_max));
    }
    if let Some(key) = fields.repeated_other() {
        return builder.reject(index, None, repeated(key));
    }
    if fields.value.is_some() {
        let detail = "`value` is given without `metric`: wanted the name of its metric as `metric`";
        let fault = SampleFault::new(RejectionCode::MetricMissing, detail);
        return builder.reject(index, None, fault);
    }
    if !fields.others.iter().any(|(_, raw)| scalar::is_number(raw)) {
        return builder.reject(index, None, metric_missing(fields));
    }
    if let Err(fault) = unknown_keys::check_keyed(fields) {
        return builder.reject(index, None, fault);
    }
    let shared = SharedFields::parse(fields);
    for (metric, raw) in &fields.others {
        match shared.clone().and_then(|shared| shared.sample(index, metric, raw)) {
            Ok(incoming) => builder.accept(incoming)?,
            Err(fault) => builder.reject(index, Some(metric), fault)?,
        }
    }
    Ok(())
}

fn repeated(key: &str) -> SampleFault {
    let detail = format!(
        "key {} is given twice, or beside another key of its meaning: wanted one",
        quoted(key)
    );
    SampleFault::new(RejectionCode::SampleMalformed, detail)
}

fn metric_missing(fields: &ObjectFields<'_>) -> SampleFault {
    let wanted = "wanted `metric` and `value`, or each metric as a key with a number";
    let detail = match fields.others.first() {
        Some((key, raw)) => {
            format!(
                "`metric` is missing, {} is {}: {wanted}",
                quoted(key),
                scalar::JsonKind::of(raw)
            )
        }
        None => format!("`metric` is missing: {wanted}"),
    };
    SampleFault::new(RejectionCode::MetricMissing, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::IncomingBatch;
    use crate::limits::RequestLimits;

    fn batch(text: &str) -> IncomingBatch {
        let limits = RequestLimits::default();
        let mut builder = BatchBuilder::new(&limits);
        read(text, &mut builder).unwrap();
        builder.finish()
    }

    type Accepted = Vec<(String, f64)>;
    type Rejected = Vec<(Option<String>, &'static str)>;

    /// Metrics with value or code, in the order of the keys within each half.
    fn outcome(text: &str) -> (Accepted, Rejected) {
        let batch = batch(text);
        let accepted =
            batch.samples.iter().map(|s| (s.series.metric().to_owned(), s.value)).collect();
        let rejected = batch.rejected.into_iter().map(|r| (r.metric, r.code.as_str())).collect();
        (accepted, rejected)
    }

    #[test]
    fn an_object_with_metric_and_value_is_one_sample() {
        let text = r#"{"source":"checkout","metric":"rps","timestamp":1732060800000,"value":812.5,
                       "labels":{"zone":"a"}}"#;
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
        let series = Series::new("checkout", "rps", labels).unwrap();
        let wanted = IncomingSample {
            index: 0,
            series,
            at_us: Some(1_732_060_800_000_000),
            value: 812.5,
            kind: SampleKind::Gauge,
        };
        assert_eq!(
            batch(text),
            IncomingBatch { samples: vec![wanted], ..IncomingBatch::default() }
        );
    }

    #[test]
    fn several_values_share_source_time_and_labels() {
        let text = r#"{"source":"checkout","timestamp":"2026-11-20T10:00:00Z",
                       "rps":812.5,"cpu":41.0,"labels":{"zone":"a"}}"#;
        let batch = batch(text);
        assert_eq!(batch.samples.len(), 2);
        for (sample, metric) in batch.samples.iter().zip(["rps", "cpu"]) {
            assert_eq!(
                (sample.index, sample.series.source(), sample.series.metric()),
                (0, "checkout", metric)
            );
            assert_eq!(sample.at_us, Some(1_795_168_800_000_000));
            assert_eq!(sample.series.labels()["zone"], "a");
        }
    }

    #[test]
    fn missing_fields_have_their_defaults() {
        for text in [
            r#"{"rps":1}"#,
            r#"{"source":null,"timestamp":null,"labels":null,"metric":null,"rps":1}"#,
        ] {
            let sample = batch(text).samples.remove(0);
            assert_eq!((sample.series.source(), sample.at_us), (SOURCE_DEFAULT, None), "{text}");
            assert!(sample.series.labels().is_empty());
        }
    }

    #[test]
    fn each_alias_of_the_time_is_read() {
        for key in [
            "timestamp",
            "time",
            "ts",
            "date",
            "datetime",
            "ds",
            "@timestamp",
            "_time",
            "Timestamp",
        ] {
            assert_eq!(
                batch(&format!(r#"{{"{key}":1,"rps":1}}"#)).samples[0].at_us,
                Some(1_000_000)
            );
        }
    }

    #[test]
    fn each_fault_has_its_code() {
        let long = "n".repeat(257);
        let cases = [
            (r#"{"metric":"rps","value":"12 ms"}"#.to_owned(), Some("rps"), "value_not_number"),
            (r#"{"metric":"rps","value":null}"#.to_owned(), Some("rps"), "value_not_number"),
            (r#"{"metric":"rps"}"#.to_owned(), Some("rps"), "value_not_number"),
            (r#"{"metric":"rps","cpu":1}"#.to_owned(), Some("rps"), "value_not_number"),
            (r#"{"metric":"rps","value":1e400}"#.to_owned(), Some("rps"), "value_not_finite"),
            (r#"{"metric":"rps","value":"NaN"}"#.to_owned(), Some("rps"), "value_not_finite"),
            (r#"{"metric":"rps","value":1e21}"#.to_owned(), Some("rps"), "value_too_large"),
            (r#"{"metric":"r\u0000ps","value":1}"#.to_owned(), Some("r\0ps"), "name_invalid"),
            (r#"{"metric":"","value":1}"#.to_owned(), Some(""), "name_invalid"),
            (r#"{"source":"","rps":1}"#.to_owned(), Some("rps"), "name_invalid"),
            (format!(r#"{{"source":"{long}","rps":1}}"#), Some("rps"), "name_too_long"),
            (
                format!(r#"{{"rps":1,"labels":{{"a":"{}"}}}}"#, "v".repeat(2_049)),
                Some("rps"),
                "label_too_long",
            ),
            (r#"{"rps":1,"labels":{"a":null}}"#.to_owned(), Some("rps"), "sample_malformed"),
            (r#"{"rps":1,"labels":"a=b"}"#.to_owned(), Some("rps"), "sample_malformed"),
            (r#"{"rps":1,"source":7}"#.to_owned(), Some("rps"), "sample_malformed"),
            (r#"{"rps":1,"timestamp":"noon"}"#.to_owned(), Some("rps"), "time_invalid"),
            (r#"{"rps":1,"timestamp":-1}"#.to_owned(), Some("rps"), "time_invalid"),
            (r#"{"rps":1,"timestamp":true}"#.to_owned(), Some("rps"), "time_invalid"),
            (r#"{"metric":7,"value":1}"#.to_owned(), None, "sample_malformed"),
            (r#"{"rps":1,"rps":1}"#.to_owned(), None, "sample_malformed"),
            (r#"{"metric":"rps","value":1,"value":2}"#.to_owned(), None, "sample_malformed"),
            (r#"{"rps":1,"time":1,"ts":1}"#.to_owned(), None, "sample_malformed"),
            ("{}".to_owned(), None, "metric_missing"),
            (r#"{"source":"checkout","value":1}"#.to_owned(), None, "metric_missing"),
            (r#"{"message":"hello","level":"info"}"#.to_owned(), None, "metric_missing"),
            (r#"{"interval":10,"value":1,"name":"cpu"}"#.to_owned(), None, "metric_missing"),
            (r#"{"average":1,"name":"cpu"}"#.to_owned(), None, "key_unknown"),
            (r#"{"cpu":1,"value":1}"#.to_owned(), None, "metric_missing"),
            (r#"{"cpu":1,"clock":1732060800}"#.to_owned(), None, "time_key_unknown"),
            (r#"{"metric":"rps","value":1,"points":[1]}"#.to_owned(), Some("rps"), "key_unknown"),
            ("[1]".to_owned(), None, "sample_malformed"),
        ];
        for (text, metric, code) in cases {
            assert_eq!(outcome(&text), (vec![], vec![(metric.map(str::to_owned), code)]), "{text}");
        }
    }

    #[test]
    fn values_of_one_object_fail_one_by_one() {
        let text = r#"{"rps":1,"cpu":"high","up":true,"lost":null,"load":"NaN","a\tb":2,
                       "quoted":"3.5","tail":4}"#;
        let (accepted, rejected) = outcome(text);
        assert_eq!(
            accepted,
            [("rps", 1.0), ("quoted", 3.5), ("tail", 4.0)].map(|(m, v)| (m.to_owned(), v))
        );
        let rejected: Vec<_> =
            rejected.iter().map(|(metric, code)| (metric.as_deref(), *code)).collect();
        let wanted = [
            (Some("cpu"), "value_not_number"),
            (Some("up"), "value_not_number"),
            (Some("lost"), "value_not_number"),
            (Some("load"), "value_not_finite"),
            (Some("a\tb"), "name_invalid"),
        ];
        assert_eq!(rejected, wanted);
    }

    #[test]
    fn an_invalid_shared_field_rejects_every_value() {
        let (accepted, rejected) = outcome(r#"{"timestamp":"noon","rps":1,"cpu":2}"#);
        assert!(accepted.is_empty());
        let wanted = ["rps", "cpu"].map(|metric| (Some(metric.to_owned()), "time_invalid"));
        assert_eq!(rejected, wanted);
    }

    #[test]
    fn other_keys_beside_metric_are_ignored() {
        let text = r#"{"metric":"rps","value":1,"unit":"1/s","interval":10,"interval":10}"#;
        assert_eq!(outcome(text), (vec![("rps".to_owned(), 1.0)], vec![]));
    }

    #[test]
    fn one_object_cannot_exceed_the_bounds() {
        let limits =
            RequestLimits { n_samples_max: 3, unpacked_bytes_max: 100, ..RequestLimits::default() };
        let too_many =
            read(r#"{"a":1,"b":1,"c":1,"d":1}"#, &mut BatchBuilder::new(&limits)).unwrap_err();
        assert_eq!(too_many.code(), "too_many_samples");
        let long = format!(r#"{{"a":1,"b":1,"labels":{{"l":"{}"}}}}"#, "v".repeat(60));
        assert_eq!(
            read(&long, &mut BatchBuilder::new(&limits)).unwrap_err().code(),
            "unpacked_too_large"
        );
    }
}
