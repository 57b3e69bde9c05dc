//! Messages of Prometheus remote write 1.0 and 2.0.

#![expect(missing_docs, reason = "fields are named as in the definitions of Prometheus")]

use std::collections::BTreeMap;

use prost::Message;

/// Value that marks the end of a series.
pub const STALE_MARKER: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

#[derive(Clone, PartialEq, Message)]
pub struct WriteRequestMessage {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<SampleMessage>,
    #[prost(message, repeated, tag = "3")]
    pub exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Label {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A sample of both versions; version 1.0 has no start.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct SampleMessage {
    #[prost(double, tag = "1")]
    pub value: f64,
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
    #[prost(int64, tag = "3")]
    pub start_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub value: f64,
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct MetricMetadata {
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    #[prost(string, tag = "2")]
    pub metric_family_name: String,
    #[prost(string, tag = "4")]
    pub help: String,
    #[prost(string, tag = "5")]
    pub unit: String,
}

/// A native histogram of both versions.
#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub count_int: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub count_float: Option<f64>,
    #[prost(double, tag = "3")]
    pub sum: f64,
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    #[prost(uint64, optional, tag = "6")]
    pub zero_count_int: Option<u64>,
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub custom_values: Vec<f64>,
    #[prost(int64, tag = "17")]
    pub start_timestamp: i64,
}

/// Consecutive buckets of a native histogram.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct BucketSpan {
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct RequestV2 {
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<TimeSeriesV2>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TimeSeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<SampleMessage>,
    #[prost(message, repeated, tag = "3")]
    pub histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub exemplars: Vec<ExemplarV2>,
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<MetadataV2>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ExemplarV2 {
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    pub value: f64,
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct MetadataV2 {
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}

/// Labels of a series, in the given order.
pub fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
    let label = |(name, value): &(&str, &str)| Label {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    pairs.iter().map(label).collect()
}

/// A sample without a start.
pub fn sample(timestamp: i64, value: f64) -> SampleMessage {
    SampleMessage { value, timestamp, start_timestamp: 0 }
}

/// A series of version 1.0.
pub fn series(pairs: &[(&str, &str)], samples: Vec<SampleMessage>) -> TimeSeries {
    TimeSeries { labels: labels(pairs), samples, ..TimeSeries::default() }
}

impl WriteRequestMessage {
    /// A request with these series.
    pub fn of(timeseries: Vec<TimeSeries>) -> Self {
        Self { timeseries, metadata: Vec::new() }
    }

    /// The same samples as a request of version 2.0, of series whose metadata is of the type `metric_type`.
    pub fn to_v2(&self, metric_type: i32) -> RequestV2 {
        let mut table = BTreeMap::from([(String::new(), 0)]);
        let mut symbols = vec![String::new()];
        let mut reference = |text: &str| {
            *table.entry(text.to_owned()).or_insert_with(|| {
                symbols.push(text.to_owned());
                u32::try_from(symbols.len() - 1).expect("tests have few symbols")
            })
        };
        let mut references = |labels: &[Label]| -> Vec<u32> {
            labels
                .iter()
                .flat_map(|label| [reference(&label.name), reference(&label.value)])
                .collect()
        };
        let mut timeseries = Vec::new();
        for series in &self.timeseries {
            let exemplars = series.exemplars.iter().map(|exemplar| ExemplarV2 {
                labels_refs: references(&exemplar.labels),
                value: exemplar.value,
                timestamp: exemplar.timestamp,
            });
            let exemplars = exemplars.collect();
            timeseries.push(TimeSeriesV2 {
                labels_refs: references(&series.labels),
                samples: series.samples.clone(),
                histograms: series.histograms.clone(),
                exemplars,
                metadata: Some(MetadataV2 { r#type: metric_type, ..MetadataV2::default() }),
            });
        }
        RequestV2 { symbols, timeseries }
    }
}

/// Encodes a message, and compresses it as a block of Snappy.
pub fn packed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&bytes).expect("tests send less than 4 GB")
}
