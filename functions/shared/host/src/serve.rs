//! The HTTP host: a router on a socket.
//!
//! Whoever binds the socket passes it in, with the future that ends it, so that tests need neither
//! fixed ports nor signals. hyper is driven here and not by axum, for two bounds: on the time that a
//! request head may take, and on connections.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::EXPECT;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use service::Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tracing::{debug, info, warn};

use crate::app::App;
use crate::linger::Lingering;

/// Most connections at once; more wait in the backlog of the socket until one ends.
const CONNECTIONS_MAX: usize = 10_000;

/// Longest time until a request head has come. It also ends idle connections, so it is longer than proxies keep
/// theirs (ALB 60 s, Knative's queue-proxy 90 s): who closes first must be the one who knows whether he sends.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);

/// Longest request head and largest buffer of a connection, in bytes: a long trace and a cookie jar.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Pause after a failed accept: it failed for want of file descriptors, which others must give back first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much longer than a request may take its answer may be under way when the host ends.
const DRAIN_MARGIN: Duration = Duration::from_secs(1);

/// How often totals are written to the store, and connections and requests told: a process that is killed loses no more than this.
const FLUSH_PERIOD: Duration = Duration::from_secs(1);

/// Longest wait for the store at the end: Knative may kill a process 2 s after it asked it to end.
const LAST_FLUSH_TIMEOUT: Duration = Duration::from_millis(1_800);

/// How often samples that a writer left behind are looked for.
const SWEEP_PERIOD: Duration = Duration::from_secs(30);

/// Serves `router` on `listener` until `shutdown`, then ends what is in flight and writes the totals.
///
/// It returns once all connections are closed, or when the longest request would have been answered.
pub async fn serve_http(
    app: &App,
    router: Router,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(());
    let telling = tokio::spawn(tell_regularly(app.clone(), stopped));
    let sweeping =
        app.function().sweeps().then(|| tokio::spawn(sweep_regularly(app.service().clone())));

    let connections = accept_until(shutdown, listener, app, &router).await;
    info!(n_connections = connections.count(), "shutting down");
    let drain_timeout = app.request_timeout() + DRAIN_MARGIN;
    if timeout(drain_timeout, connections.shutdown()).await.is_err() {
        warn!("connections cut off that did not end in time");
    }

    // A sweep may be left at any point: what waits goes on waiting. A flush may not.
    sweeping.inspect(tokio::task::JoinHandle::abort);
    drop(stop);
    let last_flush = async {
        if let Err(error) = telling.await {
            warn!(%error, "telling of totals panicked");
        }
        tokio::join!(app.service().flush(), app.presence().leave(app.service()));
    };
    if timeout(LAST_FLUSH_TIMEOUT, last_flush).await.is_err() {
        warn!("totals of the last second lost: the store did not answer in time");
    }
}

/// Accepts connections and spawns each; answers those that are still open at the end.
async fn accept_until(
    shutdown: impl Future<Output = ()>,
    listener: TcpListener,
    app: &App,
    router: &Router,
) -> GracefulShutdown {
    let connections = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, slot) = select! {
            biased;
            () = &mut shutdown => return connections,
            accepted = accept(&listener, &slots) => accepted,
        };
        let open = Open::new(app.clone(), slot);
        tokio::spawn(serve_connection(stream, open, router.clone(), connections.watcher()));
    }
}

/// The next connection, as soon as there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // None only when the semaphore is closed, which nobody does.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(error) => {
                warn!(%error, "connection not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection that is open: it has its place among those that may be, and is counted.
struct Open {
    app: App,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Open {
    fn new(app: App, slot: Option<OwnedSemaphorePermit>) -> Self {
        app.presence().open();
        Self { app, _slot: slot }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.presence().close();
    }
}

async fn serve_connection(stream: TcpStream, _open: Open, router: Router, watcher: Watcher) {
    // Without it an answer in two writes waits for the acknowledgement of the first, up to 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "connection without TCP_NODELAY");
    }
    let service = router.map_request(|request: Request<Incoming>| {
        let expects = request.headers().contains_key(EXPECT);
        request.map(|body| if expects { Body::new(body) } else { Body::new(Lingering::new(body)) })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, "connection broken");
    }
}

/// Writes the totals and tells of this process, at once and then again and again.
async fn tell_regularly(app: App, mut stopped: watch::Receiver<()>) {
    loop {
        tokio::join!(app.service().flush(), app.presence().tell(app.service()));
        // The channel never carries a value; it ends when its sender is gone.
        if timeout(FLUSH_PERIOD, stopped.changed()).await.is_ok() {
            return;
        }
    }
}

async fn sweep_regularly(service: Service) {
    loop {
        sleep(SWEEP_PERIOD).await;
        match service.sweep().await {
            Ok(swept) if swept.series == 0 => {}
            Ok(swept) => {
                info!(series = swept.series, failed = swept.failed, "waiting samples judged");
            }
            Err(error) => warn!(code = error.code(), %error, "waiting samples not judged"),
        }
    }
}
