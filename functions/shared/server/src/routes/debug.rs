//! `/debug`: metrics of the runtime and profiles in the format of `go tool pprof`.
//!
//! Only a binary with the feature `profiling` has profiles: symbols and another allocator would make every binary larger
//! and slower.

use std::time::Duration;

use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::runtime::Handle;

use crate::error::RequestError;
use crate::json;
use crate::query::QueryParams;

/// Default length of a CPU profile, in seconds: that of `go tool pprof`.
const PROFILE_S: u64 = 30;

/// Longest CPU profile, in seconds.
const PROFILE_S_MAX: u64 = 300;

/// Metrics of the tokio runtime.
pub(crate) async fn runtime() -> Result<Response, RequestError> {
    let metrics = Handle::current().metrics();
    let worker = |i| {
        json!({
            "busy_seconds": metrics.worker_total_busy_duration(i).as_secs_f64(),
            "parks": metrics.worker_park_count(i),
        })
    };
    let workers: Vec<_> = (0..metrics.num_workers()).map(worker).collect();
    json::ok(&json!({
        "alive_tasks": metrics.num_alive_tasks(),
        "global_queue_depth": metrics.global_queue_depth(),
        "workers": workers,
    }))
}

/// A CPU profile of the next `seconds`.
pub(crate) async fn profile(uri: Uri) -> Result<Response, RequestError> {
    let params = QueryParams::parse(&uri, &["seconds"])?;
    let seconds = params.number("seconds", 1..=PROFILE_S_MAX)?.unwrap_or(PROFILE_S);
    cpu_profile(Duration::from_secs(seconds)).await.map(pprof)
}

/// A profile of the allocations in use.
pub(crate) async fn heap() -> Result<Response, RequestError> {
    heap_profile().await.map(pprof)
}

#[cfg(feature = "profiling")]
use crate::profile::{cpu_profile, heap_profile};

#[cfg(not(feature = "profiling"))]
use self::missing::{cpu_profile, heap_profile};

/// Stand-ins for profiles without the feature.
#[cfg(not(feature = "profiling"))]
mod missing {
    use std::future::{Ready, ready};
    use std::time::Duration;

    use crate::error::RequestError;

    pub(super) fn cpu_profile(_length: Duration) -> Ready<Result<Vec<u8>, RequestError>> {
        ready(Err(RequestError::ProfilingMissing))
    }

    pub(super) fn heap_profile() -> Ready<Result<Vec<u8>, RequestError>> {
        ready(Err(RequestError::ProfilingMissing))
    }
}

fn pprof(gzipped: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream")], gzipped).into_response()
}
