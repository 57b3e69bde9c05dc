//! The longest time for one request.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use tokio::time;

use crate::error::RequestError;

/// Answers in the place of a request that takes too long.
///
/// A slow sender counts as well: its body is read within the same time.
pub(crate) async fn within(timeout: Duration, call: impl Future<Output = Response>) -> Response {
    time::timeout(timeout, call)
        .await
        .unwrap_or_else(|_| RequestError::DeadlineExceeded { timeout }.into_response())
}
