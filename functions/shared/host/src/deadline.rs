//! The longest time for one request.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time;

use crate::app::App;
use crate::error::RequestError;

/// Answers in the place of a request that takes too long.
///
/// A slow sender counts as well: its body is read within the same time.
pub(crate) async fn within(State(app): State<App>, request: Request, next: Next) -> Response {
    let timeout = app.request_timeout();
    time::timeout(timeout, next.run(request))
        .await
        .unwrap_or_else(|_| RequestError::DeadlineExceeded { timeout }.into_response())
}
