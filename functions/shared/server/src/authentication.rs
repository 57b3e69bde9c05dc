//! Authenticates requests by API key, and authorizes them for their route.
//!
//! Handlers receive the tenant of the key as a request extension.

use axum::extract::{Query, Request};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::prelude::{BASE64_STANDARD, Engine};

use crate::app::App;
use crate::dialect::Dialect;
use crate::error::RequestError;
use crate::routes::Route;

/// Adds the tenant to a request if its key has the right that the route requires.
pub(crate) fn authenticate(
    app: &App,
    route: &Route,
    request: &mut Request,
) -> Result<(), RequestError> {
    let Some(right) = route.right(request.method()) else { return Ok(()) };
    let influx = route.dialect.is_influx().then(|| influx_key(request)).flatten();
    let firehose = (route.dialect == Dialect::Firehose).then(|| firehose_key(request.headers()));
    let key = bearer(request.headers()).or(influx.as_deref()).or(firehose.flatten());
    let tenant = app.config().access.admit(key, right)?;
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

/// The key in the forms of InfluxDB: `Token`, the password of `Basic`, or the parameter `p` of version 1.
fn influx_key(request: &Request) -> Option<String> {
    let mut values = request.headers().get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return query_key(request) };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    if values.next().is_some() {
        return None;
    }
    if scheme.eq_ignore_ascii_case("token") {
        return Some(key.trim().to_owned());
    }
    let credentials = BASE64_STANDARD.decode(key.trim()).ok()?;
    let credentials = String::from_utf8(credentials).ok()?;
    let (_, password) = credentials.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| password.to_owned())
}

/// The access key of a stream of Amazon Data Firehose.
fn firehose_key(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("x-amz-firehose-access-key").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok().map(str::trim)
}

fn query_key(request: &Request) -> Option<String> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
    pairs.into_iter().find(|(name, _)| name == "p").map(|(_, password)| password)
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
