//! Writes the bytes of requests into reused buffers; only times and values differ.
//!
//! Nothing is allocated for a request: the generator shares the machine with the deployment that it measures. All samples
//! in JSON have the same length, so the length of such a body is known in advance.

mod protobuf;
mod sequence;

use std::io::Write;

use reqwest::Url;

use crate::body::sequence::{SERIES_DIGITS, SampleSequence, set_digits};
use crate::format::LoadFormat;
use crate::scenario::LoadRequest;

/// Digits of Unix microseconds until the year 2286.
const TIME_DIGITS: usize = 16;

/// Header by which a proxy sends the requests of a series to one process: the number of the first series of the request.
const AFFINITY_HEADER: &str = "tidemark-affinity";

/// Writes requests.
#[derive(Debug)]
pub(crate) struct RequestWriter {
    format: LoadFormat,
    /// Head of each kind of request, up to the number of the first series.
    head_post: Vec<u8>,
    head_get: Vec<u8>,
    prefix: String,
    source: String,
    /// Start of a sample in JSON, up to the number of its series.
    sample: Vec<u8>,
    sequence: SampleSequence,
    /// A body before its length is known, and before it is compressed.
    message: Vec<u8>,
    packed: Vec<u8>,
    snappy: snap::raw::Encoder,
}

impl RequestWriter {
    /// A writer for the deployment at `url`, with its API key.
    pub(crate) fn new(url: &Url, key: Option<&str>, source: &str, format: LoadFormat) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let key = key.map_or_else(String::new, |key| format!("authorization: Bearer {key}\r\n"));
        let common = format!("host: {host}{port}\r\nuser-agent: tidemark-evaluator\r\n{key}");
        let prefix = url.path().trim_end_matches('/').to_owned();
        let (path, headers) = (format.path(), format.headers());
        let post = format!("POST {prefix}{path} HTTP/1.1\r\n{common}{headers}{AFFINITY_HEADER}: ");
        Self {
            format,
            head_post: post.into_bytes(),
            head_get: format!(" HTTP/1.1\r\n{common}\r\n").into_bytes(),
            prefix,
            source: source.to_owned(),
            sample: format!(r#"{{"source":"{source}","metric":"s"#).into_bytes(),
            sequence: SampleSequence::new(),
            message: Vec::new(),
            packed: Vec::new(),
            snappy: snap::raw::Encoder::new(),
        }
    }

    /// Writes a request into a cleared buffer; returns its number of samples.
    pub(crate) fn write(&mut self, request: &LoadRequest, now_us: i64, out: &mut Vec<u8>) -> u32 {
        out.clear();
        match request {
            LoadRequest::Get { path } => {
                out.extend_from_slice(b"GET ");
                out.extend_from_slice(self.prefix.as_bytes());
                out.extend_from_slice(path.as_bytes());
                out.extend_from_slice(&self.head_get);
                0
            }
            LoadRequest::Samples { batch, n_series, is_timed } => {
                self.sequence.begin(*n_series);
                out.extend_from_slice(&self.head_post);
                digits(self.sequence.next_series(), SERIES_DIGITS, out);
                match self.format {
                    LoadFormat::Json => self.json(*batch, is_timed.then_some(now_us), out),
                    LoadFormat::RemoteWrite => self.remote_write(*batch, now_us, out),
                    LoadFormat::Otlp => self.otlp(*batch, now_us, out),
                }
                *batch
            }
        }
    }

    fn json(&mut self, batch: u32, now_us: Option<i64>, out: &mut Vec<u8>) {
        let time_len = if now_us.is_some() { br#","timestamp":"#.len() + TIME_DIGITS } else { 0 };
        let rest_len = SERIES_DIGITS + br#"","value":123.4}"#.len();
        let sample_len = self.sample.len() + time_len + rest_len;
        let list_len = if batch == 1 { 0 } else { 1 + batch as usize };
        end_head(batch as usize * sample_len + list_len, out);
        // The last sample of a request is the newest of all.
        let mut at_us = self.sequence.begin_us(now_us.unwrap_or_default(), batch);
        for i in 0..batch {
            if batch > 1 {
                out.push(if i == 0 { b'[' } else { b',' });
            }
            at_us += i64::from(now_us.is_some());
            let sample = self.sequence.next(at_us);
            out.extend_from_slice(&self.sample);
            digits(sample.series, SERIES_DIGITS, out);
            out.push(b'"');
            if now_us.is_some() {
                out.extend_from_slice(br#","timestamp":"#);
                digits(sample.at_us as u64, TIME_DIGITS, out);
            }
            out.extend_from_slice(br#","value":"#);
            digits(sample.tenths / 10, 3, out);
            out.push(b'.');
            digits(sample.tenths % 10, 1, out);
            out.push(b'}');
        }
        if batch > 1 {
            out.push(b']');
        }
    }

    fn remote_write(&mut self, batch: u32, now_us: i64, out: &mut Vec<u8>) {
        self.message.clear();
        for _ in 0..batch {
            let sample = self.sequence.next_of_turn(now_us);
            let name = sample.name();
            protobuf::push_time_series(&name, &self.source, sample, &mut self.message);
        }
        self.packed.resize(snap::raw::max_compress_len(self.message.len()), 0);
        let packed = self.snappy.compress(&self.message, &mut self.packed);
        let len = packed.expect("the buffer has room for any message");
        end_head(len, out);
        out.extend_from_slice(&self.packed[..len]);
    }

    fn otlp(&mut self, batch: u32, now_us: i64, out: &mut Vec<u8>) {
        self.message.clear();
        let mut at_us = self.sequence.begin_us(now_us, batch);
        protobuf::push_export(&self.source, &mut self.message, |out| {
            for _ in 0..batch {
                at_us += 1;
                let sample = self.sequence.next(at_us);
                protobuf::push_gauge(&sample.name(), sample, out);
            }
        });
        end_head(self.message.len(), out);
        out.extend_from_slice(&self.message);
    }
}

/// Appends the length of the body and the end of the head.
fn end_head(body_len: usize, out: &mut Vec<u8>) {
    let _infallible = write!(out, "\r\ncontent-length: {body_len}\r\n\r\n");
}

/// Appends a number with exactly `len` digits.
fn digits(number: u64, len: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + len, b'0');
    set_digits(number, &mut out[start..]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use intake::{BodyFormat, RequestLimits};
    use serde_json::Value;

    use super::*;

    const NOW_US: i64 = 1_732_060_800_000_000;

    fn writer() -> RequestWriter {
        writer_of(LoadFormat::Json)
    }

    fn writer_of(format: LoadFormat) -> RequestWriter {
        let url = "http://127.0.0.1:8080/base/".parse().unwrap();
        RequestWriter::new(&url, Some("tmk_1"), "load", format)
    }

    fn body(writer: &mut RequestWriter, request: &LoadRequest) -> Vec<Value> {
        let mut bytes = Vec::new();
        writer.write(request, NOW_US, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("POST /base/ingest HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n"),
            "{head}"
        );
        assert!(head.contains("authorization: Bearer tmk_1\r\n"), "{head}");
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        match serde_json::from_str(body).unwrap() {
            Value::Array(samples) => samples,
            sample => vec![sample],
        }
    }

    #[test]
    fn samples_go_to_the_series_in_turn_and_no_two_have_one_time() {
        let mut writer = writer();
        let request = LoadRequest::Samples { batch: 2, n_series: 3, is_timed: true };
        let all = [body(&mut writer, &request), body(&mut writer, &request)].concat();
        let metrics: Vec<&str> =
            all.iter().filter_map(|sample| sample["metric"].as_str()).collect();
        assert_eq!(metrics, ["s0000000", "s0000001", "s0000002", "s0000000"]);
        let times: Vec<i64> =
            all.iter().filter_map(|sample| sample["timestamp"].as_i64()).collect();
        assert_eq!(times, [NOW_US - 1, NOW_US, NOW_US + 1, NOW_US + 2]);
        assert!(
            all.iter().all(|sample| (400.0..500.0).contains(&sample["value"].as_f64().unwrap()))
        );
        assert_ne!(all[0]["value"], all[1]["value"]);
    }

    #[test]
    fn requests_of_the_same_series_have_the_same_affinity() {
        let mut writer = writer();
        let request = LoadRequest::Samples { batch: 2, n_series: 4, is_timed: true };
        let mut affinity = || {
            let mut bytes = Vec::new();
            writer.write(&request, NOW_US, &mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            let (_, rest) = text.split_once("\r\ntidemark-affinity: ").unwrap();
            rest.split_once("\r\n").unwrap().0.to_owned()
        };
        let four: Vec<String> = (0..4).map(|_| affinity()).collect();
        assert_eq!(four, ["0000000", "0000002", "0000000", "0000002"]);
    }

    #[test]
    fn one_sample_is_an_object_and_may_have_no_time() {
        let request = LoadRequest::Samples { batch: 1, n_series: 1, is_timed: false };
        let samples = body(&mut writer(), &request);
        assert_eq!((samples.len(), samples[0].get("timestamp")), (1, None));
    }

    #[test]
    fn a_path_is_appended_to_that_of_the_deployment() {
        let mut bytes = Vec::new();
        let n =
            writer().write(&LoadRequest::Get { path: "/analyze?a=b".to_owned() }, 0, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("GET /base/analyze?a=b HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n") && n == 0, "{text}");
    }

    /// Series, time in microseconds and value of each sample of a request in a format of other products.
    fn samples(
        writer: &mut RequestWriter,
        request: &LoadRequest,
    ) -> Vec<(String, Option<i64>, f64)> {
        let mut bytes = Vec::new();
        writer.write(request, NOW_US, &mut bytes);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let (head, body) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end..]);
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        let (path, format, encoding) = match writer.format {
            LoadFormat::RemoteWrite => ("api/v1/write", BodyFormat::RemoteWriteV1, Some("snappy")),
            _ => ("v1/metrics", BodyFormat::OtlpBinary, None),
        };
        assert!(head.starts_with(&format!("POST /base/{path} HTTP/1.1\r\n")), "{head}");
        let limits = RequestLimits::default();
        let body = format.unpack(body, encoding, &limits).unwrap();
        let batch = intake::parse(&body, format, &limits).unwrap();
        assert!(batch.rejected.is_empty(), "{:?}", batch.rejected);
        let of = |sample: &intake::IncomingSample| {
            assert_eq!((sample.series.source(), sample.series.labels().len()), ("load", 0));
            (sample.series.metric().to_owned(), sample.at_us, sample.value)
        };
        batch.samples.iter().map(of).collect()
    }

    #[test]
    fn each_format_is_read_as_the_same_series() {
        let request = LoadRequest::Samples { batch: 2, n_series: 3, is_timed: true };
        for format in [LoadFormat::RemoteWrite, LoadFormat::Otlp] {
            let mut writer = writer_of(format);
            let all = [samples(&mut writer, &request), samples(&mut writer, &request)].concat();
            let metrics: Vec<&str> = all.iter().map(|(metric, ..)| metric.as_str()).collect();
            assert_eq!(metrics, ["s0000000", "s0000001", "s0000002", "s0000000"], "{format:?}");
            assert!(all.iter().all(|(_, _, value)| (400.0..500.0).contains(value)));
            let times: Vec<i64> = all.iter().map(|(_, at_us, _)| at_us.unwrap() - NOW_US).collect();
            match format {
                LoadFormat::Otlp => assert_eq!(times, [-1, 0, 1, 2]),
                // The turns of a series are milliseconds apart.
                _ => assert_eq!(times, [0, 0, 0, 1_000]),
            }
        }
    }

    #[test]
    fn a_series_has_no_time_twice_when_the_number_of_series_changes() {
        let mut writer = writer_of(LoadFormat::RemoteWrite);
        let request = |n_series| LoadRequest::Samples { batch: 5, n_series, is_timed: true };
        let mut all = Vec::new();
        for n_series in [7, 3, 100, 2, 5] {
            all.extend(samples(&mut writer, &request(n_series)));
        }
        let times: BTreeSet<_> = all.iter().map(|(metric, at_us, _)| (metric, at_us)).collect();
        assert_eq!(times.len(), all.len());
    }

    #[test]
    fn a_long_message_has_a_long_length() {
        let request = LoadRequest::Samples { batch: 10_000, n_series: 10_000, is_timed: true };
        assert_eq!(samples(&mut writer_of(LoadFormat::Otlp), &request).len(), 10_000);
        assert_eq!(samples(&mut writer_of(LoadFormat::RemoteWrite), &request).len(), 10_000);
    }
}
