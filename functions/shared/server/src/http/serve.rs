//! The HTTP host: a router on a socket.
//!
//! Whoever binds the socket passes it in, with the future that ends it, so that tests need neither
//! fixed ports nor signals. Connections are accepted here and not by axum, since their number is bounded.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use service::Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::app::App;
use crate::http::connection::{OpenConnection, serve_connection};

/// Most connections at once; more wait in the backlog of the socket until one ends.
const CONNECTIONS_MAX: usize = 10_000;

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
    info!(n_connections = connections.receiver_count(), "shutting down");
    // Nobody listens where there is no connection; each drops its receiver when it has ended.
    let _nobody_listens = connections.send(()).is_err();
    let drain_timeout = app.request_timeout() + DRAIN_MARGIN;
    if timeout(drain_timeout, connections.closed()).await.is_err() {
        warn!("connections cut off that did not end in time");
    }

    // A sweep may be left at any point: what waits goes on waiting. A flush may not.
    sweeping.inspect(tokio::task::JoinHandle::abort);
    drop(stop);
    let last_flush = async {
        if let Err(error) = telling.await {
            warn!(%error, "telling of totals panicked");
        }
        tokio::join!(app.service().flush(), app.heartbeat().leave(app.service()));
    };
    if timeout(LAST_FLUSH_TIMEOUT, last_flush).await.is_err() {
        warn!("totals of the last second lost: the store did not answer in time");
    }
}

/// Accepts connections and spawns each; answers with what ends those that are still open.
async fn accept_until(
    shutdown: impl Future<Output = ()>,
    listener: TcpListener,
    app: &App,
    router: &Router,
) -> watch::Sender<()> {
    let connections = watch::Sender::new(());
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, slot) = select! {
            biased;
            () = &mut shutdown => return connections,
            accepted = accept(&listener, &slots) => accepted,
        };
        let open = OpenConnection::new(app.clone(), slot);
        tokio::spawn(serve_connection(stream, open, router.clone(), connections.subscribe()));
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

/// Writes the totals and tells of this process, at once and then again and again.
async fn tell_regularly(app: App, mut stopped: watch::Receiver<()>) {
    loop {
        tokio::join!(app.service().flush(), app.heartbeat().tell(app.service()));
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
            Ok(swept) if swept.is_idle() => {}
            Ok(swept) => info!(
                judged = swept.judged,
                failed = swept.failed,
                silent = swept.silent,
                episodes_saved = swept.episodes_saved,
                unsaved = swept.unsaved,
                "swept"
            ),
            Err(error) => warn!(code = error.code(), %error, "not swept"),
        }
    }
}
