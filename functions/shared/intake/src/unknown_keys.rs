//! Refuses an object whose unknown keys could change the meaning of its samples.
//!
//! A sample without a readable time would be stored at its receipt, the number of points in an envelope would become a
//! metric, and two hosts would become one series. All of these are answered with success, and found weeks later. So an
//! object is refused as a whole if one of its keys looks like a time, a name, a setting, or holds further objects.

use crate::code::RejectionCode;
use crate::object_fields::ObjectFields;
use crate::sample_fault::{SampleFault, quoted};
use crate::scalar::{JsonKind, is_number};
use crate::time_keys;

/// Keys that name the metric or the unit of the numbers of an object. With a text, they mean that the numbers beside
/// them are parts of one measurement, not metrics of their own.
const METRIC_KEYS: [&str; 19] = [
    "name",
    "metricname",
    "measurement",
    "itemid",
    "key",
    "label",
    "unit",
    "units",
    "type",
    "kind",
    "stat",
    "statistic",
    "statistics",
    "aggregation",
    "timegrain",
    "resourceid",
    "dsname",
    "plugin",
    "queryid",
];

/// Keys that name the owner of the numbers of an object. Ignored, they would merge the series of several hosts into one.
const OWNER_KEYS: [&str; 25] = [
    "host",
    "hostname",
    "node",
    "instance",
    "pod",
    "container",
    "device",
    "server",
    "service",
    "servicename",
    "job",
    "cluster",
    "region",
    "zone",
    "namespace",
    "application",
    "app",
    "agent",
    "entity",
    "environment",
    "env",
    "machine",
    "vm",
    "queue",
    "topic",
];

/// Keys that no metric has: settings and page numbers of other interfaces, and versions of a format.
const SETTING_KEYS: [&str; 24] = [
    "period",
    "interval",
    "year",
    "month",
    "weekday",
    "step",
    "granularity",
    "resolution",
    "sensitivity",
    "maxanomalyratio",
    "custominterval",
    "took",
    "page",
    "perpage",
    "pagesize",
    "pagenumber",
    "specversion",
    "schemaversion",
    "apiversion",
    "version",
    "formatversion",
    "nextpage",
    "windowsize",
    "samplingrate",
];

/// The form that is read, for the details of rejections.
const WANTED: &str =
    "wanted an object of its own for each sample, with `metric`, `timestamp` and `value`";

/// Checks an object with `metric`.
pub(crate) fn check_named(fields: &ObjectFields<'_>) -> Result<(), SampleFault> {
    check_nested(fields)?;
    check_times(fields)?;
    check_owners(fields, is_text)
}

/// Checks an object without `metric`, whose numbers are metrics.
pub(crate) fn check_keyed(fields: &ObjectFields<'_>) -> Result<(), SampleFault> {
    check_nested(fields)?;
    check_times(fields)?;
    check_owners(fields, is_text)?;
    for (key, raw) in &fields.others {
        let detail = if is_text(raw) && is_one_of(key, &METRIC_KEYS) {
            format!("key {} names the numbers beside it: {WANTED}", quoted(key))
        } else if is_number(raw) && is_one_of(key, &SETTING_KEYS) {
            format!("key {} is a setting of another format, not a metric: {WANTED}", quoted(key))
        } else {
            continue;
        };
        return Err(unknown(detail));
    }
    Ok(())
}

/// Checks the keys beside `samples`, which apply to no sample.
pub(crate) fn check_envelope(fields: &ObjectFields<'_>) -> Result<(), SampleFault> {
    check_times(fields)?;
    check_owners(fields, |raw| JsonKind::of(raw) != JsonKind::Null)
}

/// True for a string that is not a number.
fn is_text(raw: &str) -> bool {
    JsonKind::of(raw) == JsonKind::String && !is_number(raw)
}

/// Refuses objects and arrays under an unknown key: samples, times or names may be in them.
fn check_nested(fields: &ObjectFields<'_>) -> Result<(), SampleFault> {
    for (key, raw) in &fields.others {
        let kind = JsonKind::of(raw);
        let is_empty =
            raw.get(1..raw.len() - 1).is_some_and(|inside| inside.trim_ascii().is_empty());
        if matches!(kind, JsonKind::Array | JsonKind::Object) && !is_empty {
            return Err(unknown(format!(
                "key {} holds {kind} of another format: {WANTED}",
                quoted(key)
            )));
        }
    }
    Ok(())
}

/// Refuses an unknown key that looks like the time of an object without a known one.
fn check_times(fields: &ObjectFields<'_>) -> Result<(), SampleFault> {
    if fields.time.is_some() {
        return Ok(());
    }
    let Some((key, _)) =
        fields.others.iter().find(|(key, raw)| time_keys::looks_like_time(key, raw))
    else {
        return Ok(());
    };
    let detail =
        format!("key {} looks like a time, but is not read: wanted `timestamp`", quoted(key));
    Err(SampleFault::new(RejectionCode::TimeKeyUnknown, detail))
}

fn check_owners(
    fields: &ObjectFields<'_>,
    names_an_owner: impl Fn(&str) -> bool,
) -> Result<(), SampleFault> {
    for (key, raw) in &fields.others {
        if names_an_owner(raw) && is_one_of(key, &OWNER_KEYS) {
            let detail = format!(
                "key {} is not part of the series: wanted its text as `source` or in `labels`",
                quoted(key)
            );
            return Err(unknown(detail));
        }
    }
    Ok(())
}

fn unknown(detail: String) -> SampleFault {
    SampleFault::new(RejectionCode::KeyUnknown, detail)
}

/// True for a key that differs from a known one only in case and punctuation: `metricName` and `metric_name` are one.
fn is_one_of(key: &str, known: &[&str]) -> bool {
    let letters =
        || key.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
    known.iter().any(|known| letters().eq(known.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<RejectionCode> {
        let fields = ObjectFields::parse(text, 100).unwrap();
        let checked =
            if fields.metric.is_some() { check_named(&fields) } else { check_keyed(&fields) };
        checked.err().map(|fault| fault.code)
    }

    #[test]
    fn a_key_that_looks_like_a_time_is_refused_if_no_time_is_read() {
        let refused = [
            r#"{"clock":1732060800,"cpu":1}"#,
            r#"{"eventTime":1732060800000,"cpu":1}"#,
            r#"{"created_at":"1732060800","cpu":1}"#,
            r#"{"t":1732060800000000,"cpu":1}"#,
            r#"{"index":1732060800000000000,"cpu":1}"#,
            r#"{"event_timestamp":5,"cpu":1}"#,
            r#"{"timestampMs":1,"cpu":1}"#,
            r#"{"at":"2024-11-20T00:00:00Z","cpu":1}"#,
            r#"{"seen":"20.11.2024 10:00","cpu":1}"#,
            r#"{"metric":"cpu","value":1,"sampled_at":1732060800}"#,
            r#"{"metric":"cpu","value":1,"first":"2024/11/20"}"#,
        ];
        for text in refused {
            assert_eq!(code(text), Some(RejectionCode::TimeKeyUnknown), "{text}");
        }
        let read = [
            r#"{"clock":1732060800,"ts":1,"cpu":1}"#,
            r#"{"metric":"cpu","value":1,"ts":1,"sampled_at":1732060800}"#,
            r#"{"response_time":120}"#,
            r#"{"cpu_time":1732060800}"#,
            r#"{"uptime":1732060800}"#,
            r#"{"memory_bytes":1732060800000}"#,
            r#"{"time_in_queue":1732060800}"#,
            r#"{"t":21.5}"#,
            r#"{"index":7}"#,
            r#"{"start":null,"cpu":1}"#,
            r#"{"cpu":1,"build":"1.20.3000"}"#,
        ];
        for text in read {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn objects_and_arrays_of_other_formats_are_refused() {
        let refused = [
            r#"{"period":24,"series":[{"timestamp":1,"value":2}]}"#,
            r#"{"cpu":1,"meta":{"time":1}}"#,
            r#"{"metric":"cpu","value":1,"points":[[1,2]]}"#,
            r#"{"status":200,"data":{"result":[]}}"#,
            r#"{"cpu":{"value":1}}"#,
        ];
        for text in refused {
            assert_eq!(code(text), Some(RejectionCode::KeyUnknown), "{text}");
        }
        for text in [r#"{"cpu":1,"errors":[],"meta":{ }}"#, r#"{"cpu":1,"tags":{"zone":"a"}}"#] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn names_owners_and_settings_are_refused() {
        let refused = [
            r#"{"metricName":"cpu","average":3,"time":1}"#,
            r#"{"Timestamp":1,"Average":3,"Unit":"Percent"}"#,
            r#"{"host":"a","cpu":1}"#,
            r#"{"service_name":"a","cpu":1}"#,
            r#"{"metric":"cpu","value":1,"host":"a"}"#,
            r#"{"interval":60,"cpu":1}"#,
            r#"{"maxAnomalyRatio":0.25}"#,
        ];
        for text in refused {
            assert_eq!(code(text), Some(RejectionCode::KeyUnknown), "{text}");
        }
        let read = [
            r#"{"host_id":173,"pid":4,"cpu":1}"#,
            r#"{"instance":3,"cpu":1}"#,
            r#"{"metric":"cpu","value":1,"unit":"%","type":"gauge","interval":10,"host":null,"zone":1}"#,
        ];
        for text in read {
            assert_eq!(code(text), None, "{text}");
        }
    }
}
