//! Authenticates requests by API key, and authorizes them for their route.
//!
//! Handlers receive the tenant of the key as a request extension.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::app::App;
use crate::error::RequestError;
use crate::routes::Route;

/// Adds the tenant to a request if its key has the right that the route requires.
pub(crate) fn authenticate(
    app: &App,
    route: &Route,
    request: &mut Request,
) -> Result<(), RequestError> {
    let Some(right) = route.right(request.method()) else { return Ok(()) };
    let tenant = app.config().access.admit(bearer(request.headers()), right)?;
    request.extensions_mut().insert(tenant);
    Ok(())
}

/// The key of the header `Authorization`; `None` if the header is repeated, as it is ambiguous then.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_is_read_from_exactly_one_bearer_header() {
        assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&headers(&["bearer  abc "])), Some("abc"));
        for values in
            [&[] as &[&str], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer a"]]
        {
            assert_eq!(bearer(&headers(values)), None, "{values:?}");
        }
    }
}
