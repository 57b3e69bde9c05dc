//! Admits and answers pages of lists: counted as reads, as bytes, and as long requests if they are long.

use axum::response::Response;
use domain::Tenant;
use serde::Serialize;
use service::{ServiceError, low_priority};

use crate::app::App;
use crate::counted_body::counted;
use crate::error::RequestError;
use crate::in_flight::WorkPermit;
use crate::json;

/// Items that one read includes; each as many more are another read. A longer page is a long request.
const ITEMS_PER_READ: usize = 100;

/// Bytes that an item of a page becomes: its parts as read from the store, and its JSON of about 400 bytes.
const ITEM_BYTES: usize = 1_536;

/// Admits a page of at most `n_items`.
pub(crate) async fn admit(
    app: &App,
    tenant: &Tenant,
    n_items: usize,
) -> Result<WorkPermit, RequestError> {
    // The middleware has counted the first read.
    app.reads().take(tenant, n_items.saturating_sub(1) / ITEMS_PER_READ)?;
    let n_bytes = n_items * ITEM_BYTES;
    if n_items > ITEMS_PER_READ {
        return Ok(app.in_flight().turn(tenant, n_bytes).await);
    }
    app.in_flight().reserve(tenant, n_bytes)
}

/// Answers with a page; a long one is read and serialized on threads of low priority.
pub(crate) async fn answer<T: Serialize + Send + 'static>(
    page: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
    permit: WorkPermit,
) -> Result<Response, RequestError> {
    let is_long = permit.n_bytes() > ITEMS_PER_READ * ITEM_BYTES;
    let response = async { json::tagged_ok(&page.await?) };
    let response = if is_long { low_priority::run(response).await } else { response.await };
    Ok(counted(response?, permit))
}
