//! One connection: HTTP/1.1, or HTTP/2 with prior knowledge, as its first bytes say.
//!
//! hyper is driven here and not by axum, for its bounds: on heads, on what a connection may hold, on streams at once,
//! and on time. HTTP/1.1 has a timeout for a head that never ends; HTTP/2 has none, nor has a connection that says
//! nothing at all, so each connection has a pulse, and one without is ended.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Version;
use axum::http::header::EXPECT;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;
use tracing::debug;

use crate::app::App;
use crate::linger::Lingering;

/// Longest time without a request. It is longer than proxies keep idle connections (ALB 60 s, Knative's queue-proxy
/// 90 s): who closes first must be the one who knows whether he sends.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// Longest request head and largest buffer of a connection, in bytes: a long trace and a cookie jar.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Most requests at once on one connection: a proxy that has more to send opens another.
const STREAMS_MAX: u32 = 256;

/// Bytes of bodies that a connection may send unasked: enough for 200 MB/s at a millisecond, and all that it can make
/// the process hold before requests are counted.
const CONNECTION_WINDOW: u32 = 256 << 10;

/// The same of one stream: another one must get through.
const STREAM_WINDOW: u32 = 64 << 10;

/// Bytes of an answer that wait for a reader that is slow.
const SEND_BYTES_MAX: usize = 64 << 10;

/// Streams that a sender may reset before they were looked at, and streams that it may make us reset, until the
/// connection is ended: who hangs up on his requests all the time is no sender (CVE-2023-44487, CVE-2025-8671).
const RESETS_MAX: usize = 64;

/// How often a silent peer is asked whether it is there, and how long it may think about it.
const PING_PERIOD: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is open: it has its place among those that may be, and is counted.
pub(crate) struct Open {
    app: App,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Open {
    pub(crate) fn new(app: App, slot: Option<OwnedSemaphorePermit>) -> Self {
        app.presence().open();
        Self { app, _slot: slot }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.presence().close();
    }
}

/// Serves a connection until its peer, its silence or the host ends it; requests that have come are answered.
pub(crate) async fn serve_connection(
    stream: TcpStream,
    _open: Open,
    router: Router,
    mut ending: watch::Receiver<()>,
) {
    // Without it an answer in two writes waits for the acknowledgement of the first, up to 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "connection without TCP_NODELAY");
    }
    let pulse = Arc::new(Pulse::new());
    let of_service = Arc::clone(&pulse);
    let service = service_fn(move |request| {
        let busy = Busy::new(&of_service);
        let router = router.clone();
        async move {
            let answer = answer(router, request).await;
            drop(busy);
            answer
        }
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let (mut is_ending, mut was_idle) = (false, false);
    loop {
        select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(%error, "connection broken");
                }
                return;
            }
            _ = ending.changed(), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(pulse.idle_at()) => {
                if !pulse.is_idle() {
                    continue;
                }
                if was_idle {
                    debug!("connection cut off that did not end");
                    return;
                }
                was_idle = true;
                pulse.beat();
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .keep_alive_interval(PING_PERIOD)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    // A stream that is not read to its end is reset alone, a connection of HTTP/1.1 would be as a whole.
    let is_stream = request.version() == Version::HTTP_2;
    let is_read = is_stream || request.headers().contains_key(EXPECT);
    let body = |body| if is_read { Body::new(body) } else { Body::new(Lingering::new(body)) };
    router.oneshot(request.map(body)).await
}

/// Whether a connection is of use to anybody: the requests that are being answered, and when it last had one.
struct Pulse {
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    state: Mutex<(usize, Instant)>,
}

impl Pulse {
    fn new() -> Self {
        Self { state: Mutex::new((0, Instant::now())) }
    }

    /// Takes the connection for one that has just been used.
    fn beat(&self) {
        self.change(|n_requests| n_requests);
    }

    fn change(&self, change: impl Fn(usize) -> usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (change(state.0), Instant::now());
    }

    /// When it would be idle if nothing came; while it is busy, when to look again.
    fn idle_at(&self) -> Instant {
        let (n_requests, last) = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if n_requests > 0 { Instant::now() + IDLE_TIMEOUT } else { last + IDLE_TIMEOUT }
    }

    fn is_idle(&self) -> bool {
        let (n_requests, last) = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        n_requests == 0 && last.elapsed() >= IDLE_TIMEOUT
    }
}

/// A request that is being answered.
struct Busy(Arc<Pulse>);

impl Busy {
    fn new(pulse: &Arc<Pulse>) -> Self {
        pulse.change(|n_requests| n_requests + 1);
        Self(Arc::clone(pulse))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(|n_requests| n_requests - 1);
    }
}
