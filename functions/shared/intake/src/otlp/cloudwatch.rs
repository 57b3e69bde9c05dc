//! Summaries of CloudWatch metric streams in the format OpenTelemetry 1.0.
//!
//! Number and sum are those of one minute, and not totals as in other summaries. Series and times are those of the
//! JSON format, so that a stream may change its format.

use std::collections::BTreeMap;

use domain::SampleKind;

use crate::batch::IncomingSample;
use crate::code::RejectionCode;
use crate::metric_stream;
use crate::sample_fault::SampleFault;

/// Resource attribute with the name of the exporter.
const EXPORTER: &str = "aws.exporter.arn";

/// Part of that name if it is a metric stream.
const METRIC_STREAM: &str = ":metric-stream/";

/// Attributes by name.
type AttributeMap = BTreeMap<String, String>;

/// One metric in one minute.
#[derive(Debug)]
pub(super) struct MinuteSummary<'a> {
    pub(super) resource: &'a AttributeMap,
    pub(super) attributes: &'a AttributeMap,
    /// Start of the minute.
    pub(super) at_us: i64,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) quantiles: &'a [(f64, f64)],
}

/// True if the metrics of a resource come from a metric stream.
pub(super) fn is_metric_stream(resource: &AttributeMap) -> bool {
    resource.get(EXPORTER).is_some_and(|arn| arn.contains(METRIC_STREAM))
}

impl MinuteSummary<'_> {
    /// One sample for each statistic, with index 0.
    pub(super) fn samples(&self) -> Result<Vec<IncomingSample>, SampleFault> {
        let attribute = |name: &str| {
            self.attributes.get(name).ok_or_else(|| {
                let detail = format!("a data point of a metric stream has no attribute `{name}`");
                SampleFault::new(RejectionCode::SampleMalformed, detail)
            })
        };
        let (namespace, metric) = (attribute("Namespace")?, attribute("MetricName")?);
        let dimensions = self.attributes.get("Dimensions").map_or("{}", String::as_str);
        let dimensions: AttributeMap = serde_json::from_str(dimensions).map_err(|_| {
            let detail = "the attribute `Dimensions` is no map of strings";
            SampleFault::new(RejectionCode::SampleMalformed, detail)
        })?;
        let resource = |name: &str| self.resource.get(name).map(String::as_str);
        let place =
            [("account_id", resource("cloud.account.id")), ("region", resource("cloud.region"))];
        let mut samples = Vec::new();
        for (statistic, value) in self.statistics() {
            let metric = format!("{metric}.{statistic}");
            let series = metric_stream::series(namespace, &metric, &dimensions, &place)?;
            let kind = SampleKind::Gauge;
            let value = kind.check_value(value)?;
            samples.push(IncomingSample { index: 0, series, at_us: Some(self.at_us), value, kind });
        }
        Ok(samples)
    }

    /// The statistics by name, as in the JSON format, and the average.
    fn statistics(&self) -> Vec<(String, f64)> {
        let mut statistics = vec![("count".to_owned(), self.count as f64)];
        statistics.extend(self.sum.map(|sum| ("sum".to_owned(), sum)));
        for (quantile, value) in self.quantiles {
            let name = match *quantile {
                0.0 => "min".to_owned(),
                1.0 => "max".to_owned(),
                // Without rounding, 0.57 times 100 has a tail of digits.
                quantile => format!("p{}", (quantile * 1e8).round() / 1e6),
            };
            statistics.push((name, *value));
        }
        if let Some(sum) = self.sum.filter(|_| self.count > 0) {
            statistics.push(("average".to_owned(), sum / self.count as f64));
        }
        statistics
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use crate::batch::IncomingBatch;
    use crate::event::unwrapped;
    use crate::limits::RequestLimits;
    use crate::testbed::otlp::*;

    /// 2021-01-29T10:14:00Z.
    const AT_NS: u64 = 1_611_915_240_000_000_000;
    const MINUTE_NS: u64 = 60_000_000_000;

    const JSON: &str = r#"{"metric_stream_name":"all","account_id":"1234567890","region":"us-east-1","namespace":"AWS/EC2","metric_name":"DiskWriteOps","dimensions":{"InstanceId":"i-1"},"timestamp":1611915240000,"value":{"count":4.0,"sum":20.0,"min":0.0,"max":18.0,"p99.9":17.5},"unit":"Seconds"}"#;

    fn point() -> SummaryPoint {
        let dimensions = KeyValueList { values: vec![attribute("InstanceId", "i-1")] };
        let quantile = |quantile, value| QuantileValue { quantile, value };
        SummaryPoint {
            attributes: vec![
                attribute("Namespace", "AWS/EC2"),
                attribute("MetricName", "DiskWriteOps"),
                attribute_of("Dimensions", AnyValueKind::Map(dimensions)),
            ],
            start_time_unix_nano: AT_NS,
            time_unix_nano: AT_NS + MINUTE_NS,
            count: 4,
            sum: 20.0,
            quantile_values: vec![quantile(0.0, 0.0), quantile(1.0, 18.0), quantile(0.999, 17.5)],
        }
    }

    fn message(point: SummaryPoint) -> Vec<u8> {
        let summary = MetricKind::Summary(Summaries { data_points: vec![point] });
        let resource = [
            ("cloud.account.id", "1234567890"),
            ("cloud.region", "us-east-1"),
            ("aws.exporter.arn", "arn:aws:cloudwatch:us-east-1:1234567890:metric-stream/all"),
        ];
        export(&resource, vec![metric("amazonaws.com/AWS/EC2/DiskWriteOps", summary)])
            .encode_length_delimited_to_vec()
    }

    fn read(record: &[u8]) -> IncomingBatch {
        unwrapped(record, "", None).samples(&RequestLimits::default()).unwrap()
    }

    #[test]
    fn both_formats_of_a_metric_stream_are_the_same_samples() {
        let (of_json, of_otlp) = (read(JSON.as_bytes()), read(&message(point())));
        assert_eq!(of_otlp.samples.len(), 6);
        assert_eq!(of_otlp.samples, of_json.samples);
    }

    #[test]
    fn a_record_holds_several_messages() {
        let later = SummaryPoint { start_time_unix_nano: AT_NS + MINUTE_NS, ..point() };
        let record = [message(point()), message(later)].concat();
        assert_eq!(read(&record).samples.len(), 12);
        for len in 1..record.len() {
            // A truncated record is an error, or the messages before.
            let read = unwrapped(&record[..len], "", None).samples(&RequestLimits::default());
            assert!(read.is_err() || len == record.len() / 2, "{len}");
        }
    }

    #[test]
    fn a_data_point_without_the_attributes_of_a_metric_stream_is_rejected() {
        let mut lacking = point();
        lacking.attributes.remove(1);
        let mut other = point();
        other.attributes[2] = attribute("Dimensions", "InstanceId");
        for point in [lacking, other] {
            let batch = read(&message(point));
            assert_eq!((batch.samples.len(), batch.rejected.len()), (0, 1));
            assert_eq!(batch.rejected[0].code.as_str(), "sample_malformed");
        }
    }

    #[test]
    fn samples_above_the_limit_fail_the_record() {
        let limits = RequestLimits { n_samples_max: 3, ..RequestLimits::default() };
        let error = unwrapped(&message(point()), "", None).samples(&limits).unwrap_err();
        assert_eq!(error.code(), "too_many_samples");
    }
}
