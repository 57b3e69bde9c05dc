//! Parses the kind of the samples of an object: `kind`, and of a counter `started_at`.

use domain::SampleKind;

use crate::code::RejectionCode;
use crate::object_fields::{ObjectFields, is_counter};
use crate::sample_fault::{SampleFault, quoted};
use crate::time;

/// Kind of the samples of an object.
pub(crate) fn of_object(fields: &ObjectFields<'_>) -> Result<SampleKind, SampleFault> {
    match fields.kind {
        None | Some(r#""gauge""#) => Ok(SampleKind::Gauge),
        Some(raw) if is_counter(raw) => {
            let started_at_us = fields.started_at.map(time::at_us).transpose()?;
            Ok(SampleKind::Counter { started_at_us })
        }
        Some(raw) => {
            let detail = format!("kind {} is unknown: wanted `gauge` or `counter`", quoted(raw));
            Err(SampleFault::new(RejectionCode::KeyUnknown, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BodyFormat, IncomingBatch, RequestLimits, parse};

    fn batch(text: &str) -> IncomingBatch {
        parse(text.as_bytes(), BodyFormat::Json, &RequestLimits::default()).unwrap()
    }

    #[test]
    fn the_kind_applies_to_all_values_of_an_object() {
        let kinds = |text: &str| -> Vec<(f64, SampleKind)> {
            batch(text).samples.iter().map(|sample| (sample.value, sample.kind)).collect()
        };
        let counter = |started_at_us| SampleKind::Counter { started_at_us };
        let named =
            r#"{"metric":"requests","kind":"counter","value":5e15,"started_at":1732060800}"#;
        assert_eq!(kinds(named), [(5e15, counter(Some(1_732_060_800_000_000)))]);
        let keyed = r#"{"kind":"counter","requests":5,"errors":1,"ts":1732060800}"#;
        assert_eq!(kinds(keyed), [(5.0, counter(None)), (1.0, counter(None))]);
        assert_eq!(kinds(r#"{"kind":"gauge","cpu":-5}"#), [(-5.0, SampleKind::Gauge)]);
        assert_eq!(kinds(r#"{"kind":3}"#), [(3.0, SampleKind::Gauge)]);
    }

    #[test]
    fn a_kind_that_is_not_known_or_not_that_of_the_value_is_refused() {
        let cases = [
            (r#"{"metric":"rps","kind":"delta","value":1}"#, "key_unknown"),
            (r#"{"kind":"absolute","rps":1}"#, "key_unknown"),
            (r#"{"metric":"rps","kind":"counter","value":-1}"#, "counter_invalid"),
            (r#"{"metric":"rps","kind":"counter","value":1e20}"#, "counter_invalid"),
            (r#"{"metric":"rps","kind":"counter","value":1,"started_at":"noon"}"#, "time_invalid"),
            (r#"{"metric":"rps","value":1,"started_at":1732060800}"#, "time_key_unknown"),
            (r#"{"metric":"rps","kind":"counter","kind":"gauge","value":1}"#, "sample_malformed"),
        ];
        for (text, code) in cases {
            let rejected = batch(text).rejected;
            assert_eq!(
                rejected.iter().map(|rejected| rejected.code.as_str()).collect::<Vec<_>>(),
                [code],
                "{text}"
            );
        }
    }
}
