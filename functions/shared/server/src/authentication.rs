//! Asks each request for users who sends it.
//!
//! What a handler knows of the sender is the tenant that is put into the request here; a route that is not asked for has
//! no tenant, and so no answer.

use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use service::AccessError;

use crate::app::App;
use crate::error::RequestError;
use crate::routes::Route;

/// Puts its tenant into a request, if its key has the right that the route needs.
pub(crate) fn check(app: &App, route: &Route, request: &mut Request) -> Result<(), RequestError> {
    let Some(right) = route.right(request.method()) else { return Ok(()) };
    let tenant = app.access().admit(bearer(request.headers()), right);
    request.extensions_mut().insert(tenant.map_err(RequestError::Access)?);
    Ok(())
}

/// The key of the header `Authorization`; none where there are several, of which it would be unclear which counts.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// What RFC 6750 answers to a request whose key is missing, unknown, or not for this.
pub(crate) fn challenge(error: &RequestError) -> Option<HeaderValue> {
    let RequestError::Access(error) = error else { return None };
    Some(HeaderValue::from_static(match error {
        AccessError::CredentialMissing => "Bearer",
        AccessError::RightMissing { .. } => r#"Bearer error="insufficient_scope""#,
        _ => r#"Bearer error="invalid_token""#,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_is_read_from_one_bearer_header() {
        assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&headers(&["bearer  abc "])), Some("abc"));
        for odd in
            [&[] as &[&str], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer a"]]
        {
            assert_eq!(bearer(&headers(odd)), None, "{odd:?}");
        }
    }
}
