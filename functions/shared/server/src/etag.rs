//! Entity tags of answers to `GET`: a client that has the answer already receives 304 without it.
//!
//! A tag is strong: a hash of the bytes. The answer stays `no-store`, so it is the client that keeps tag and answer.

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};

/// Bytes of a hash in a tag: two answers with the same are less likely than a failure of the machine.
const HASH_LEN: usize = 16;

/// The tag of an answer before compression.
pub(crate) fn etag(body: &[u8]) -> HeaderValue {
    quoted(&hash(body, HASH_LEN))
}

/// The conditions of a `GET`, read before the handler consumes it; none of other methods.
#[derive(Debug)]
pub(crate) struct Conditions(Option<GetConditions>);

#[derive(Debug)]
struct GetConditions {
    /// Tags of the answers that the client has.
    has: Option<String>,
    /// Encodings that the client accepts: answers of different compression have different bytes.
    encodings: Option<String>,
}

impl Conditions {
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let text = |name| {
            let values = headers.get_all(name).iter();
            let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        let is_get = method == Method::GET || method == Method::HEAD;
        Self(
            is_get.then(|| GetConditions {
                has: text(IF_NONE_MATCH),
                encodings: text(ACCEPT_ENCODING),
            }),
        )
    }

    /// Completes the tag of a response that has one; 304 without its body if the client has it.
    pub(crate) fn apply(self, mut response: Response) -> Response {
        let Some(GetConditions { has, encodings }) = self.0 else { return response };
        if response.status() != StatusCode::OK {
            return response;
        }
        let Some(tag) = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) else {
            return response;
        };
        let tag = match encodings {
            Some(encodings) => {
                let of_encodings = hash(encodings.as_bytes(), HASH_LEN / 4);
                quoted(&format!("{}-{of_encodings}", tag.trim_matches('"')))
            }
            None => quoted(tag.trim_matches('"')),
        };
        let is_current = has.is_some_and(|has| has_tag(&has, &tag));
        if is_current {
            response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response.headers_mut().insert(ETAG, tag);
        response
    }
}

/// True if a list of tags has this one; `W/` is ignored, as RFC 9110 wants it for `If-None-Match`.
fn has_tag(list: &str, tag: &HeaderValue) -> bool {
    let tags = list.split(',').map(|one| one.trim().trim_start_matches("W/"));
    tags.into_iter().any(|one| one == "*" || one.as_bytes() == tag.as_bytes())
}

fn quoted(tag: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{tag}\"")).expect("hexadecimal digits are visible characters")
}

/// The first `len` bytes of a hash, in hexadecimal digits.
fn hash(bytes: &[u8], len: usize) -> String {
    hex::encode(&Sha256::digest(bytes)[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_of_any_form() {
        let tag = etag(b"answer");
        let text = tag.to_str().unwrap();
        for list in [text.to_owned(), format!("\"a\", W/{text}"), "*".to_owned()] {
            assert!(has_tag(&list, &tag), "{list}");
        }
        for list in ["", "\"\"", "W/", text.trim_matches('"')] {
            assert!(!has_tag(list, &tag), "{list}");
        }
    }
}
