//! Accepts connections on a listener, and runs the periodic work of a process that listens.
//!
//! The caller binds the socket and passes the future that ends the server, so tests need neither fixed ports nor signals.
//! Connections are accepted here and not by axum, which has no limit on their number.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use service::Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::app::App;
use crate::http::connection::{OpenConnection, serve_connection};
use crate::http::connection_table::{ConnectionKind, ConnectionTable};
use crate::http::descriptors;

/// The response to a connection that is refused, sent before its request is read.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n\
    Content-Length: 0\r\n\r\n";

/// Shortest time between two warnings that the bound on connections is reached.
const WARNING_PERIOD: Duration = Duration::from_secs(10);

/// Pause after a failed accept: it fails for lack of file descriptors, which other connections must release first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time that a response may need at shutdown beyond the request timeout.
const DRAIN_MARGIN: Duration = Duration::from_secs(1);

/// Period at which totals and the heartbeat are written to the store: a killed process loses at most one period.
const FLUSH_PERIOD: Duration = Duration::from_secs(1);

/// Timeout of the last flush: Knative may kill a process 2 s after SIGTERM.
const LAST_FLUSH_TIMEOUT: Duration = Duration::from_millis(1_800);

/// Period at which alerts are checked and delivered.
const NOTIFY_PERIOD: Duration = Duration::from_secs(1);

/// Period at which samples that a crashed writer left unjudged are swept.
const SWEEP_PERIOD: Duration = Duration::from_secs(30);

/// Serves `router` on `listener` until `shutdown`, then drains requests in flight and writes the totals.
///
/// Returns once all connections are closed, at the latest when the request timeout has passed.
pub async fn serve_http(
    app: &App,
    router: Router,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(());
    let flushing = tokio::spawn(flush_periodically(app.clone(), stopped));
    let sweeping =
        app.function().sweeps().then(|| tokio::spawn(sweep_periodically(app.service().clone())));

    let notifies = app.function().sweeps() && app.service().has_receivers();
    let notifying = notifies.then(|| tokio::spawn(notify_periodically(app.service().clone())));

    let connections = accept_until(shutdown, listener, app, &router).await;
    info!(n_connections = connections.receiver_count(), "shutting down");
    // The send fails if no connection is open. Each connection drops its receiver when it is closed.
    let _has_none = connections.send(()).is_err();
    let drain_timeout = app.config().request_timeout + DRAIN_MARGIN;
    if timeout(drain_timeout, connections.closed()).await.is_err() {
        warn!("connections aborted that did not close in time");
    }

    // A sweep may be aborted at any point, as the next one continues. A flush may not.
    sweeping.inspect(JoinHandle::abort);
    if let Some(notifying) = notifying {
        notifying.abort();
        app.service().stop_notifying().await;
    }
    drop(stop);
    let last_flush = async {
        if let Err(error) = flushing.await {
            warn!(%error, "the periodic flush panicked");
        }
        tokio::join!(app.service().flush(), app.heartbeat().withdraw(app.service()));
    };
    if timeout(LAST_FLUSH_TIMEOUT, last_flush).await.is_err() {
        warn!("totals of the last second lost: the store did not answer in time");
    }
}

/// The bound on connections of a process.
pub(crate) fn connections_max(app: &App) -> usize {
    descriptors::connections_max(app.config().connections_max, descriptors::limit())
}

/// Accepts connections and spawns a task for each; returns the channel that closes the open ones.
async fn accept_until(
    shutdown: impl Future<Output = ()>,
    listener: TcpListener,
    app: &App,
    router: &Router,
) -> watch::Sender<()> {
    let connections = watch::Sender::new(());
    let n_max = connections_max(app);
    let table = ConnectionTable::new(n_max);
    let mut warned_at: Option<Instant> = None;
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = select! {
            biased;
            () = &mut shutdown => return connections,
            accepted = accept(&listener) => accepted,
        };
        let entry = table.admit();
        if entry.as_ref().is_none_or(|entry| entry.kind == ConnectionKind::Reserved)
            && warned_at.is_none_or(|at| at.elapsed() >= WARNING_PERIOD)
        {
            warned_at = Some(Instant::now());
            warn!(n_max, "all connections have requests in progress: new ones are refused");
        }
        let Some(entry) = entry else {
            // A client that does not receive it sees a closed connection.
            let _is_unsent = stream.try_write(REFUSAL).is_err();
            continue;
        };
        let open = OpenConnection::new(app.clone(), entry);
        tokio::spawn(serve_connection(stream, open, router.clone(), connections.subscribe()));
    }
}

/// Accepts the next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                warn!(%error, "connection not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Writes the totals and the heartbeat, at once and then every [`FLUSH_PERIOD`].
async fn flush_periodically(app: App, mut stopped: watch::Receiver<()>) {
    loop {
        tokio::join!(app.service().flush(), app.heartbeat().send(app.service()));
        // The channel carries no value; `changed` returns when its sender is dropped.
        if timeout(FLUSH_PERIOD, stopped.changed()).await.is_ok() {
            return;
        }
    }
}

/// Delivers alerts every [`NOTIFY_PERIOD`].
async fn notify_periodically(service: Service) {
    loop {
        match service.notify().await {
            Ok(notified) => {
                if notified.delivered > 0 || notified.failed > 0 {
                    info!(delivered = notified.delivered, failed = notified.failed, "notified");
                }
                if notified.more {
                    continue;
                }
            }
            Err(error) => warn!(code = error.code(), %error, "alerts not checked"),
        }
        sleep(NOTIFY_PERIOD).await;
    }
}

async fn sweep_periodically(service: Service) {
    loop {
        sleep(SWEEP_PERIOD).await;
        match service.sweep().await {
            Ok(swept) if swept.is_idle() => {}
            Ok(swept) => info!(
                judged = swept.judged,
                notified = swept.notified,
                failed = swept.failed,
                silent = swept.silent,
                episodes_saved = swept.episodes_saved,
                unsaved = swept.unsaved,
                "swept"
            ),
            Err(error) => warn!(code = error.code(), %error, "sweep failed"),
        }
    }
}
