//! Writes the bytes of requests into reused buffers; only times and values differ.
//!
//! All samples have the same length, so the length of a body is known in advance and nothing is allocated: the generator
//! shares the machine with the deployment that it measures.

use std::io::Write;

use reqwest::Url;

use crate::scenario::LoadRequest;

/// Digits of the number of a series; see [`crate::scenario::SERIES_MAX`].
const SERIES_DIGITS: usize = 7;

/// Digits of Unix microseconds until the year 2286.
const TIME_DIGITS: usize = 16;

/// Header by which a proxy sends the requests of a series to one process: the number of the first series of the request.
const AFFINITY_HEADER: &str = "tidemark-affinity";

/// Writes requests.
#[derive(Debug)]
pub(crate) struct RequestWriter {
    /// Head of each kind of request, up to the number of the first series.
    head_post: Vec<u8>,
    head_get: Vec<u8>,
    prefix: String,
    /// Start of a sample, up to the number of its series.
    sample: Vec<u8>,
    /// Samples written so far; the series get them in turn.
    n_samples: u64,
    /// The newest time so far: all times differ.
    last_us: i64,
    noise: u64,
}

impl RequestWriter {
    /// A writer for the deployment at `url`, with its API key.
    pub(crate) fn new(url: &Url, key: Option<&str>, source: &str) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let key = key.map_or_else(String::new, |key| format!("authorization: Bearer {key}\r\n"));
        let common = format!("host: {host}{port}\r\nuser-agent: tidemark-evaluator\r\n{key}");
        let prefix = url.path().trim_end_matches('/').to_owned();
        let post = format!(
            "POST {prefix}/ingest HTTP/1.1\r\n{common}content-type: application/json\r\n{AFFINITY_HEADER}: "
        );
        Self {
            head_post: post.into_bytes(),
            head_get: format!(" HTTP/1.1\r\n{common}\r\n").into_bytes(),
            prefix,
            sample: format!(r#"{{"source":"{source}","metric":"s"#).into_bytes(),
            n_samples: 0,
            last_us: 0,
            noise: 0x9E37_79B9_7F4A_7C15,
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
                let time_len = if *is_timed { br#","timestamp":"#.len() + TIME_DIGITS } else { 0 };
                let rest_len = SERIES_DIGITS + br#"","value":123.4}"#.len();
                let sample_len = self.sample.len() + time_len + rest_len;
                let list_len = if *batch == 1 { 0 } else { 1 + *batch as usize };
                out.extend_from_slice(&self.head_post);
                digits(self.n_samples % u64::from(*n_series), SERIES_DIGITS, out);
                let length = *batch as usize * sample_len + list_len;
                let _infallible = write!(out, "\r\ncontent-length: {length}\r\n\r\n");
                self.samples(*batch, *n_series, is_timed.then_some(now_us), out);
                *batch
            }
        }
    }

    fn samples(&mut self, batch: u32, n_series: u32, now_us: Option<i64>, out: &mut Vec<u8>) {
        // The last sample of a request is the newest of all.
        let mut at_us = self.last_us.max(now_us.unwrap_or_default() - i64::from(batch));
        for i in 0..batch {
            if batch > 1 {
                out.push(if i == 0 { b'[' } else { b',' });
            }
            out.extend_from_slice(&self.sample);
            digits(self.n_samples % u64::from(n_series), SERIES_DIGITS, out);
            out.push(b'"');
            if now_us.is_some() {
                at_us += 1;
                out.extend_from_slice(br#","timestamp":"#);
                digits(at_us as u64, TIME_DIGITS, out);
            }
            out.extend_from_slice(br#","value":"#);
            let value = 4_000 + self.random() % 1_000;
            digits(value / 10, 3, out);
            out.push(b'.');
            digits(value % 10, 1, out);
            out.push(b'}');
            self.n_samples += 1;
        }
        if batch > 1 {
            out.push(b']');
        }
        self.last_us = self.last_us.max(at_us);
    }

    /// xorshift, since values only have to differ.
    fn random(&mut self) -> u64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        self.noise >> 20
    }
}

/// Appends a number with exactly `len` digits.
fn digits(mut number: u64, len: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + len, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const NOW_US: i64 = 1_732_060_800_000_000;

    fn writer() -> RequestWriter {
        RequestWriter::new(&"http://127.0.0.1:8080/base/".parse().unwrap(), Some("tmk_1"), "load")
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
}
