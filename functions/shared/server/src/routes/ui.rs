//! `/ui`: a page on which people see series, their anomalies and episodes, and configure detectors.
//!
//! The page and its files are public: they hold no data, and ask the API with the key that their user enters. Charts
//! are drawn by the uPlot of the reports.

use axum::http::HeaderName;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};

/// Allows the files of this process only; the chart sets styles of its elements by script, which needs no permission.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn page() -> impl IntoResponse {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("../ui/page.html")))
}

pub(crate) async fn script() -> impl IntoResponse {
    (JAVASCRIPT, include_str!("../ui/app.js"))
}

pub(crate) async fn plot_script() -> impl IntoResponse {
    (JAVASCRIPT, include_str!("../ui/plot.js"))
}

pub(crate) async fn why_script() -> impl IntoResponse {
    (JAVASCRIPT, include_str!("../ui/why.js"))
}

pub(crate) async fn alerts_script() -> impl IntoResponse {
    (JAVASCRIPT, include_str!("../ui/alerts.js"))
}

pub(crate) async fn style() -> impl IntoResponse {
    (CSS, include_str!("../ui/app.css"))
}

pub(crate) async fn chart_script() -> impl IntoResponse {
    (JAVASCRIPT, ::page::UPLOT_SCRIPT)
}

pub(crate) async fn chart_style() -> impl IntoResponse {
    (CSS, ::page::UPLOT_STYLE)
}

const JAVASCRIPT: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "text/javascript; charset=utf-8")];
const CSS: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "text/css; charset=utf-8")];
