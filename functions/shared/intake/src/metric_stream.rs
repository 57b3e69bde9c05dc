//! JSON format of CloudWatch metric streams.
//!
//! Each line is one metric of one minute with its statistics. Each statistic becomes a sample of a series of its own,
//! `<metric>.<statistic>`, and so does the average, which the format lacks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::series::as_name;
use domain::{SampleKind, Series};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::{BatchBuilder, IncomingBatch, IncomingSample};
use crate::code::RejectionCode;
use crate::entries;
use crate::error::{IntakeError, problem};
use crate::limits::RequestLimits;
use crate::sample_fault::SampleFault;
use crate::{scalar, time};

/// Key that identifies a metric stream; as the key of a sample it would need a number.
const KEY: &str = r#""metric_stream_name""#;

/// True if the first line has the key of a metric stream.
pub(crate) fn is_metric_stream(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    str::from_utf8(first).is_ok_and(|line| line.starts_with('{') && line.contains(KEY))
}

/// Reads the samples of all lines.
pub(crate) fn read(bytes: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let mut builder = BatchBuilder::new(limits);
    for line in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() {
            continue;
        }
        let index = builder.next_index();
        match serde_json::from_slice::<MetricStreamLine<'_>>(line) {
            Ok(datum) => datum.push(index, &mut builder)?,
            Err(error) => {
                builder.reject(
                    index,
                    None,
                    SampleFault::new(RejectionCode::SampleMalformed, problem(&error)),
                )?;
            }
        }
    }
    Ok(builder.finish())
}

/// One metric at one time.
#[derive(Deserialize)]
struct MetricStreamLine<'a> {
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    metric_name: Cow<'a, str>,
    #[serde(borrow)]
    account_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    region: Option<Cow<'a, str>>,
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
    #[serde(borrow)]
    timestamp: &'a RawValue,
    /// Statistics by name.
    #[serde(borrow)]
    value: &'a RawValue,
}

impl MetricStreamLine<'_> {
    fn push(&self, index: usize, builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
        let at_us = match time::at_us(self.timestamp.get()) {
            Ok(at_us) => at_us,
            Err(fault) => return builder.reject(index, Some(&self.metric_name), fault),
        };
        let (mut statistics, mut sum, mut count) = (Vec::new(), None, None);
        let read = entries::read(self.value.get(), |name, raw| {
            let value = scalar::value(raw, SampleKind::Gauge);
            match &*name {
                "sum" => sum = value.as_ref().ok().copied(),
                "count" => count = value.as_ref().ok().copied(),
                _ => {}
            }
            statistics.push((name.into_owned(), value));
        });
        if let Err(error) = read {
            let fault = SampleFault::new(RejectionCode::SampleMalformed, problem(&error));
            return builder.reject(index, Some(&self.metric_name), fault);
        }
        if let (Some(sum), Some(count)) = (sum, count)
            && count > 0.0
        {
            statistics.push(("average".to_owned(), Ok(sum / count)));
        }
        for (statistic, value) in statistics {
            let metric = format!("{}.{statistic}", self.metric_name);
            let sample = value.and_then(|value| {
                let series = self.series(&metric)?;
                Ok(IncomingSample {
                    index,
                    series,
                    at_us: Some(at_us),
                    value,
                    kind: SampleKind::Gauge,
                })
            });
            match sample {
                Ok(sample) => builder.accept(sample)?,
                Err(fault) => builder.reject(index, Some(&metric), fault)?,
            }
        }
        Ok(())
    }

    fn series(&self, metric: &str) -> Result<Series, SampleFault> {
        let place =
            [("account_id", self.account_id.as_deref()), ("region", self.region.as_deref())];
        series(&self.namespace, metric, &self.dimensions, &place)
    }
}

/// Series of a statistic: the namespace is the source; dimensions, account and region are labels.
pub(crate) fn series(
    namespace: &str,
    metric: &str,
    dimensions: &BTreeMap<String, String>,
    place: &[(&str, Option<&str>)],
) -> Result<Series, SampleFault> {
    let mut labels: BTreeMap<String, String> =
        dimensions.iter().map(|(name, value)| (as_name(name), value.clone())).collect();
    for (name, value) in place {
        if let Some(value) = value {
            labels.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
        }
    }
    Ok(Series::new(as_name(namespace), as_name(metric), labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"metric_stream_name":"all","account_id":"1234567890","region":"us-east-1","namespace":"AWS/EC2","metric_name":"DiskWriteOps","dimensions":{"Instance Id":"i-1"},"timestamp":1611929698000,"value":{"count":4.0,"sum":20.0,"max":18.0,"min":0.0,"p99.9":17.8764,"TM(25%:75%)":16.43},"unit":"Seconds"}"#;

    fn batch(lines: &str) -> IncomingBatch {
        assert!(is_metric_stream(lines.as_bytes()));
        read(lines.as_bytes(), &RequestLimits::default()).unwrap()
    }

    #[test]
    fn each_statistic_is_a_series() {
        let batch = batch(&format!("{LINE}\n\n"));
        assert_eq!(batch.rejected, []);
        let read: Vec<_> =
            batch.samples.iter().map(|sample| (sample.series.metric(), sample.value)).collect();
        let wanted = [
            ("DiskWriteOps.count", 4.0),
            ("DiskWriteOps.sum", 20.0),
            ("DiskWriteOps.max", 18.0),
            ("DiskWriteOps.min", 0.0),
            ("DiskWriteOps.p99.9", 17.8764),
            ("DiskWriteOps.TM_25_:75__", 16.43),
            ("DiskWriteOps.average", 5.0),
        ];
        assert_eq!(read, wanted);
        let first = &batch.samples[0];
        assert_eq!((first.series.source(), first.at_us), ("AWS/EC2", Some(1_611_929_698_000_000)));
        let labels: Vec<_> =
            first.series.labels().iter().map(|(name, value)| (&**name, &**value)).collect();
        let wanted =
            [("Instance_Id", "i-1"), ("account_id", "1234567890"), ("region", "us-east-1")];
        assert_eq!(labels, wanted);
    }

    #[test]
    fn an_invalid_line_rejects_only_itself() {
        let broken = LINE.replace("1611929698000", r#""noon""#);
        let batch = batch(&format!("{LINE}\n{{\"namespace\":1}}\n{broken}\n{LINE}"));
        let codes: Vec<_> = batch
            .rejected
            .iter()
            .map(|rejected| (rejected.index, rejected.code.as_str()))
            .collect();
        assert_eq!(codes, [(1, "sample_malformed"), (2, "time_invalid")]);
        assert_eq!(batch.samples.last().unwrap().index, 3);
    }

    #[test]
    fn samples_are_not_a_metric_stream() {
        for body in ["", "[]", r#"{"rps":1}"#, "{\"rps\":1}\n{\"metric_stream_name\":1}"] {
            assert!(!is_metric_stream(body.as_bytes()), "{body}");
        }
    }
}
