//! Routes for those who look into a running process, where `TIDEMARK_DEBUG` switches them on.
//!
//! Profiles are those of `go tool pprof`; only a binary with the feature `profiling` takes them, since symbols and
//! another allocator would make every other one larger and slower.

use std::time::Duration;

use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::runtime::Handle;

use crate::error::RequestError;
use crate::json;
use crate::query::Params;

/// Seconds of a profile unless asked otherwise: what `go tool pprof` asks for.
const SECONDS: u64 = 30;

/// Longest profile, in seconds.
const SECONDS_MAX: u64 = 300;

/// What the runtime does.
pub(crate) async fn runtime() -> Result<Response, RequestError> {
    let metrics = Handle::current().metrics();
    let workers = 0..metrics.num_workers();
    let workers: Vec<_> = workers
        .map(|i| {
            json!({
                "busy_seconds": metrics.worker_total_busy_duration(i).as_secs_f64(),
                "parks": metrics.worker_park_count(i),
            })
        })
        .collect();
    json::ok(&json!({
        "alive_tasks": metrics.num_alive_tasks(),
        "global_queue_depth": metrics.global_queue_depth(),
        "workers": workers,
    }))
}

/// Where the processors spend their time, for as long as is asked.
pub(crate) async fn profile(uri: Uri) -> Result<Response, RequestError> {
    let params = Params::of(&uri, &["seconds"])?;
    let seconds = params.number("seconds", 1..=SECONDS_MAX)?.unwrap_or(SECONDS);
    cpu(Duration::from_secs(seconds)).await.map(pprof)
}

/// What the heap holds, by who asked for it.
pub(crate) async fn heap() -> Result<Response, RequestError> {
    held().await.map(pprof)
}

#[cfg(feature = "profiling")]
use crate::profile::{cpu, held};

#[cfg(not(feature = "profiling"))]
use self::missing::{cpu, held};

/// What a binary without the feature has in the place of profiles.
#[cfg(not(feature = "profiling"))]
mod missing {
    use std::future::{Ready, ready};
    use std::time::Duration;

    use crate::error::RequestError;

    pub(super) fn cpu(_length: Duration) -> Ready<Result<Vec<u8>, RequestError>> {
        ready(Err(RequestError::ProfilingMissing))
    }

    pub(super) fn held() -> Ready<Result<Vec<u8>, RequestError>> {
        ready(Err(RequestError::ProfilingMissing))
    }
}

fn pprof(packed: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream")], packed).into_response()
}
