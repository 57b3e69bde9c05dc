//! `GET /`: introduces the function, as a page for browsers and as JSON for other clients.

use axum::extract::State;
use axum::http::header::{ACCEPT, HOST, VARY};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;
use service::Access;

use crate::app::App;
use crate::error::RequestError;
use crate::function::Function;
use crate::json;

const DESCRIPTION: &str =
    "Tidemark detects anomalies in load metrics: send samples, and each gets a verdict.";

/// Host of the example if the header `Host` is missing or unusual.
const HOST_DEFAULT: &str = "127.0.0.1:8080";

const UI_LINK: &str = "<li><a href=\"/ui\">Series and their anomalies, as a page</a></li>\n";

const VARY_ACCEPT: [(HeaderName, &str); 1] = [(VARY, "accept")];

/// The introduction, in the format that the client accepts.
pub(crate) async fn root(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, RequestError> {
    let (function, version) = (app.function().name(), env!("CARGO_PKG_VERSION"));
    let example = example(&app, &headers);
    if accepts_html(&headers) {
        let page = include_str!("root.html")
            .replace("{description}", DESCRIPTION)
            .replace("{function}", function)
            .replace("{version}", version)
            .replace("{example}", &escaped(&example))
            .replace("{ui}", if app.serves_ui() { UI_LINK } else { "" });
        return Ok((VARY_ACCEPT, Html(page)).into_response());
    }
    let response = json::ok(&json!({
        "name": "tidemark",
        "description": DESCRIPTION,
        "function": function,
        "version": version,
        "next": example,
        "openapi": "/openapi.json",
    }))?;
    Ok((VARY_ACCEPT, response).into_response())
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// A `curl` command for the first request.
fn example(app: &App, headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| is_plain(host)).unwrap_or(HOST_DEFAULT);
    let scheme = if app.config().platform.is_lambda { "https" } else { "http" };
    let key = match app.config().access {
        Access::Keys(_) => " -H 'Authorization: Bearer YOUR_KEY'",
        Access::Open => "",
    };
    if app.function() == Function::Analyze {
        return format!("curl{key} {scheme}://{host}/analyze");
    }
    let sample = r#"{"source":"checkout","metric":"rps","value":812.5}"#;
    format!("curl{key} '{scheme}://{host}/ingest?verdicts=all' -d '{sample}'")
}

/// True if a host can be part of a command: anything else could be an injection.
fn is_plain(host: &str) -> bool {
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
