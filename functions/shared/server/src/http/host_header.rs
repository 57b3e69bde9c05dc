//! Checks the header `Host`, as RFC 9112 section 3.2 requires of a server.
//!
//! A proxy and a server that disagree on the host of a request can be made to disagree on its meaning.

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request, Version};

use crate::error::MalformedRequest;

const MALFORMED: MalformedRequest =
    MalformedRequest { part: "the header `Host`", expected: "one host, with an optional port" };

/// Fails if the header is invalid, repeated, or missing where HTTP/1.1 requires it.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), MalformedRequest> {
    if request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST) {
        return Err(MALFORMED);
    }
    check_value(request.headers())
}

/// Fails if the header is invalid or repeated.
pub(crate) fn check_value(headers: &HeaderMap) -> Result<(), MalformedRequest> {
    let mut hosts = headers.get_all(HOST).iter();
    let is_valid = match (hosts.next(), hosts.next()) {
        (None, _) => true,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    };
    if is_valid { Ok(()) } else { Err(MALFORMED) }
}

/// True for a host with an optional port; also for an empty value, which the RFC allows.
fn is_host(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|host| {
        let is_plain = !host.contains('@') && !host.starts_with(':');
        host.is_empty() || is_plain && host.parse::<Authority>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_valid_host_is_required() {
        let cases: [(Version, &[&str], bool); 13] = [
            (Version::HTTP_11, &["a"], true),
            (Version::HTTP_11, &["ingest.default.example.com:8080"], true),
            (Version::HTTP_11, &["my_service"], true),
            (Version::HTTP_11, &["[::1]:8080"], true),
            (Version::HTTP_11, &[""], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &["a", "a"], false),
            (Version::HTTP_11, &["a b"], false),
            (Version::HTTP_11, &["user@a"], false),
            (Version::HTTP_11, &[":80"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_2, &[], true),
            (Version::HTTP_2, &["a", "b"], false),
        ];
        for (version, hosts, is_valid) in cases {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            assert_eq!(
                check(&request.body(()).unwrap()).is_ok(),
                is_valid,
                "{version:?} {hosts:?}"
            );
        }
    }
}
