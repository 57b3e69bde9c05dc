//! Request ids and trace ids.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header of the request id, in requests and responses.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header of a trace on AWS.
pub(crate) const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Longest id that is accepted from a client, in bytes; a UUID has 36.
const REQUEST_ID_LEN_MAX: usize = 128;

/// Generates ids for requests without one: a random prefix per process and a counter.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        // The keys of a hasher are random, and ids need not be hard to guess.
        Self { prefix: RandomState::new().hash_one(0), next: AtomicU64::new(1) }
    }

    /// The id that the client sent, if it is valid, or else a new one.
    pub(crate) fn id_of(&self, headers: &HeaderMap) -> String {
        let sent = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
        sent.filter(|id| is_valid(id)).map_or_else(|| self.next(), str::to_owned)
    }

    fn next(&self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{n}", self.prefix)
    }

    /// The prefix of all ids of this process.
    pub(crate) fn prefix(&self) -> String {
        format!("{:016x}", self.prefix)
    }
}

/// True if an id needs no escape in a log or header.
fn is_valid(id: &str) -> bool {
    (1..=REQUEST_ID_LEN_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte))
}

/// Sets the id of a response.
pub(crate) fn set_request_id(id: &str, headers: &mut HeaderMap) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(X_REQUEST_ID, id);
    }
}

/// The trace id of a request, as 32 hexadecimal digits.
///
/// W3C `traceparent` has priority over `X-Amzn-Trace-Id`. The root of the latter is written without its version and
/// separators, as OpenTelemetry does.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let w3c = text("traceparent").and_then(w3c_trace_id);
    w3c.or_else(|| text(X_AMZN_TRACE_ID.as_str()).and_then(amazon_trace_id))
}

fn w3c_trace_id(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
    let is_valid = is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16);
    let is_zero = trace.bytes().all(|digit| digit == b'0');
    (is_valid && !is_zero).then(|| trace.to_owned())
}

/// The trace id of an `X-Amzn-Trace-Id`, as 32 hexadecimal digits.
pub(crate) fn amazon_trace_id(text: &str) -> Option<String> {
    let root = text.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
    let (epoch, random) = root.strip_prefix("1-")?.split_once('-')?;
    (is_hex(epoch, 8) && is_hex(random, 24)).then(|| format!("{epoch}{random}"))
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn a_valid_id_is_accepted_and_an_invalid_one_is_replaced() {
        let ids = RequestIds::new();
        let sent = "4bf92f35-77b3:Root=1.2_3/@+";
        assert_eq!(ids.id_of(&headers("x-request-id", sent)), sent);
        for invalid in ["", "a b", "a\"b", "a\tb", &"a".repeat(129)] {
            let id = ids.id_of(&headers("x-request-id", invalid));
            assert!(is_valid(&id) && id != invalid, "{id}");
        }
        assert_ne!(ids.id_of(&HeaderMap::new()), ids.id_of(&HeaderMap::new()));
    }

    #[test]
    fn a_trace_is_continued_from_either_header() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let w3c = |text: &str| trace_id(&headers("traceparent", text));
        let parent = "00f067aa0ba902b7";
        assert_eq!(w3c(&format!("00-{trace}-{parent}-01")).as_deref(), Some(trace));
        assert_eq!(w3c(&format!("cc-{trace}-{parent}-01-more")).as_deref(), Some(trace));
        for malformed in [
            String::new(),
            "00-abc-def-01".to_owned(),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
        ] {
            assert_eq!(w3c(&malformed), None, "{malformed}");
        }
        let amazon = |text: &str| trace_id(&headers("x-amzn-trace-id", text));
        let root =
            "Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(amazon(root).as_deref(), Some("5759e988bd862e3fe1be46a994272793"));
        assert_eq!(amazon("Root=1-5759e988-bd86;Sampled=1"), None);
    }
}
