//! One connection: HTTP/1.1, or HTTP/2 with prior knowledge, as its first bytes say.
//!
//! hyper is driven here and not by axum, for its bounds: on heads, on what a connection may hold, on streams at once,
//! and on time. HTTP/1.1 has a timeout for a head that never ends; HTTP/2 has none, nor has a connection that says
//! nothing at all, so each connection has a pulse, and one without is ended.
//!
//! hyper holds 16 KB of buffers for each connection of HTTP/1.1. Where ten thousand senders send now and then, that
//! would be most of the process, so hyper has a connection only while something passes: one that is quiet is taken back,
//! and given to hyper again with its next byte.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::Version;
use axum::http::header::EXPECT;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;
use tracing::debug;

use crate::app::App;
use crate::http::keep_alive::{
    BodyGuard, ConnectionActivity, IDLE_TIMEOUT, QUIET_AFTER, RequestGuard,
};
use crate::http::lingering_close::LingeringBody;
use crate::http::rewind_io::RewindIo;

/// Longest time until it is looked again whether a connection is quiet, where something has been under way for long.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What a connection of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
pub(crate) struct OpenConnection {
    app: App,
    _slot: Option<OwnedSemaphorePermit>,
}

impl OpenConnection {
    pub(crate) fn new(app: App, slot: Option<OwnedSemaphorePermit>) -> Self {
        app.heartbeat().open();
        Self { app, _slot: slot }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.app.heartbeat().close();
    }
}

/// Serves a connection until its peer, its silence or the host ends it; requests that have come are answered.
pub(crate) async fn serve_connection(
    mut stream: TcpStream,
    _open: OpenConnection,
    router: Router,
    ending: watch::Receiver<()>,
) {
    // Without it an answer in two writes waits for the acknowledgement of the first, up to 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "connection without TCP_NODELAY");
    }
    let pulse = Arc::new(ConnectionActivity::new());
    let mut served = ConnectionServer { router, ending, pulse };
    let Some(mut begun) = served.while_quiet(begin(&mut stream)).await else { return };
    if begun == PREFACE {
        return Box::pin(served.http2(stream, begun)).await;
    }
    loop {
        // In a box: what is under way takes a page, and a connection that is quiet shall not.
        match Box::pin(served.http1(stream, begun)).await {
            None => return,
            Some(quiet) => (stream, begun) = quiet,
        }
        let next = async { if begun.is_empty() { stream.readable().await } else { Ok(()) } };
        if served.while_quiet(next).await.is_none() {
            return;
        }
    }
}

/// Reads what tells the version, and no more than the preface of HTTP/2.
async fn begin(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(PREFACE.len());
    while bytes.len() < PREFACE.len() && PREFACE.starts_with(&bytes) {
        let room = (PREFACE.len() - bytes.len()) as u64;
        if (&mut *stream).take(room).read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes.into())
}

/// What serves a connection.
struct ConnectionServer {
    router: Router,
    ending: watch::Receiver<()>,
    pulse: Arc<ConnectionActivity>,
}

impl ConnectionServer {
    /// Waits for what comes next between two requests; none where the connection is to end.
    async fn while_quiet<T>(&mut self, next: impl Future<Output = io::Result<T>>) -> Option<T> {
        select! {
            // In this order: a request that has come is answered.
            biased;
            next = next => next.inspect_err(|error| debug!(%error, "connection broken")).ok(),
            _ = self.ending.changed() => None,
            () = sleep_until(self.pulse.idle_at()) => {
                debug!("connection ended that was idle");
                None
            }
        }
    }

    /// Serves requests until the connection is quiet; answers with it, and with what was read of it in vain, or with
    /// none where it has ended.
    async fn http1(&mut self, stream: TcpStream, begun: Bytes) -> Option<(TcpStream, Bytes)> {
        let (router, pulse) = (self.router.clone(), Arc::clone(&self.pulse));
        let service = service_fn(move |it| answer(router.clone(), Arc::clone(&pulse), it));
        let wire = RewindIo::new(stream, begun, &self.pulse);
        let mut connection = http1_builder().serve_connection(wire, service);
        let (mut is_ending, mut was_idle, mut pause) = (false, false, QUIET_AFTER);
        loop {
            let quiet_at = self.pulse.quiet_at();
            pause = if quiet_at.is_some() { QUIET_AFTER } else { (2 * pause).min(LOOK_PAUSE_MAX) };
            let look_at = quiet_at.unwrap_or_else(|| Instant::now() + pause);
            let look_at = look_at.min(self.pulse.idle_at());
            select! {
                biased;
                ended = &mut connection => {
                    if let Err(error) = ended {
                        debug!(%error, "connection broken");
                    }
                    return None;
                }
                _ = self.ending.changed(), if !is_ending => {
                    is_ending = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                () = sleep_until(look_at) => {
                    if self.pulse.is_quiet() && !is_ending && !was_idle {
                        let parts = connection.into_parts();
                        return Some((parts.io.into_stream(), parts.read_buf));
                    }
                    if !self.pulse.is_idle() {
                        continue;
                    }
                    if was_idle {
                        debug!("connection cut off that did not end");
                        return None;
                    }
                    was_idle = true;
                    self.pulse.beat();
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        }
    }

    /// Serves requests until the connection ends.
    async fn http2(&mut self, stream: TcpStream, begun: Bytes) {
        let (router, pulse) = (self.router.clone(), Arc::clone(&self.pulse));
        let service = service_fn(move |it| answer(router.clone(), Arc::clone(&pulse), it));
        let wire = RewindIo::new(stream, begun, &self.pulse);
        let mut connection = http2_builder().serve_connection(wire, service);
        let (mut is_ending, mut was_idle) = (false, false);
        loop {
            select! {
                ended = &mut connection => {
                    if let Err(error) = ended {
                        debug!(%error, "connection broken");
                    }
                    return;
                }
                _ = self.ending.changed(), if !is_ending => {
                    is_ending = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                () = sleep_until(self.pulse.idle_at()) => {
                    if !self.pulse.is_idle() {
                        continue;
                    }
                    if was_idle {
                        debug!("connection cut off that did not end");
                        return;
                    }
                    was_idle = true;
                    self.pulse.beat();
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        }
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
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

async fn answer(
    router: Router,
    pulse: Arc<ConnectionActivity>,
    request: Request<Incoming>,
) -> Result<Response<GuardedBody>, Infallible> {
    let _busy = RequestGuard::new(&pulse);
    // A stream that is not read to its end is reset alone, a connection of HTTP/1.1 would be as a whole.
    let is_stream = request.version() == Version::HTTP_2;
    let lingers = !is_stream && !request.headers().contains_key(EXPECT);
    let body = |body| Body::new(LingeringBody::new(body, BodyGuard::new(&pulse), lingers));
    let response = router.oneshot(request.map(body)).await?;
    Ok(response.map(|body| GuardedBody { body, _held: BodyGuard::new(&pulse) }))
}

/// The body of an answer: until it has been taken over to its end the connection is not quiet.
struct GuardedBody {
    body: Body,
    _held: BodyGuard,
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";

    /// A sender, and what serves it: its bodies are sent back.
    async fn pair() -> (TcpStream, TcpStream, ConnectionServer, watch::Sender<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (end, ending) = watch::channel(());
        let router = Router::new().route("/", post(async |body: String| body));
        (
            sender,
            stream,
            ConnectionServer { router, ending, pulse: Arc::new(ConnectionActivity::new()) },
            end,
        )
    }

    async fn answered(sender: &mut TcpStream, body: &str) {
        let mut answer = Vec::new();
        while !answer.ends_with(body.as_bytes()) {
            let read = timeout(Duration::from_secs(5), sender.read_buf(&mut answer)).await;
            assert!(read.expect("it is answered").unwrap() > 0, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_is_given_back_when_it_is_quiet_and_not_before() {
        let (mut sender, stream, mut served, _end) = pair().await;
        let (head, rest) = HEAD.split_at(20);
        sender.write_all(head).await.unwrap();
        let serving = tokio::spawn(async move { served.http1(stream, Bytes::new()).await });
        for part in [rest, b"o", b"ne"] {
            tokio::time::sleep(3 * QUIET_AFTER).await;
            assert!(!serving.is_finished(), "before {part:?}");
            sender.write_all(part).await.unwrap();
        }
        answered(&mut sender, "\r\n\r\none").await;
        let given = timeout(Duration::from_secs(5), serving).await.expect("it is quiet").unwrap();
        let (_stream, rest) = given.expect("it has not ended");
        assert!(rest.is_empty(), "{rest:?}");
    }

    #[tokio::test]
    async fn nothing_is_lost_of_what_comes_before_between_and_after() {
        let (mut sender, stream, served, _end) = pair().await;
        let ConnectionServer { router, ending, .. } = served;
        let open = async {
            let config = [("REDIS_URL".to_owned(), "redis://127.0.0.1:1".to_owned())];
            let config =
                service::Config::read(config.into_iter(), service::config::Audience::Tenants)
                    .unwrap();
            let store = Arc::new(store::EmbeddedStore::new(service::now_us));
            let service = service::Service::new(store, &config);
            OpenConnection::new(App::new(crate::Function::Ingest, service, &config), None)
        };
        tokio::spawn(serve_connection(stream, open.await, router, ending));
        // One and a half requests, and the rest when the connection would long be quiet.
        let (half, rest) = HEAD.split_at(31);
        sender.write_all(&[HEAD, b"one", half].concat()).await.unwrap();
        answered(&mut sender, "\r\n\r\none").await;
        for (body, next) in [("two", &half[..1]), ("six", &half[..9]), ("ten", half)] {
            tokio::time::sleep(3 * QUIET_AFTER).await;
            sender.write_all(&[rest, body.as_bytes(), next].concat()).await.unwrap();
            answered(&mut sender, body).await;
            sender.write_all(&half[next.len()..]).await.unwrap();
        }
    }
}
