//! Serves one connection: HTTP/1.1, or HTTP/2 with prior knowledge, detected by its first bytes.
//!
//! hyper is driven here and not by axum for its bounds: on request headers, on bytes buffered per connection, on concurrent
//! streams and on time. hyper has a timeout for an HTTP/1.1 request head, but none for HTTP/2 headers or for silent
//! connections, so each connection has a keep-alive timeout of its own.
//!
//! hyper allocates 16 KB of buffers for each HTTP/1.1 connection. With ten thousand clients that send now and then, these
//! would be most of the process's memory. So an idle connection is taken back from hyper, and returned with its next
//! byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::app::App;
use crate::http::connection_service::ConnectionService;
use crate::http::connection_table::{ConnectionEntry, ConnectionKind};
use crate::http::keep_alive::{ConnectionActivity, IDLE_AFTER};
use crate::http::rewind_io::RewindIo;

/// Longest time between two checks whether a connection is idle, during a long request.
const IDLE_CHECK_PERIOD_MAX: Duration = Duration::from_secs(10);

/// Longest wait for the first bytes of a connection: a silent one costs its client nothing.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time to receive the head of an HTTP/1.1 request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// First bytes of an HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest request head and largest buffer of a connection, in bytes: room for a long trace and many cookies.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Most concurrent requests on one connection: a proxy with more opens another connection.
const STREAMS_MAX: u32 = 256;

/// Flow-control window of a connection, in bytes: enough for 200 MB/s at a round trip of 1 ms. It bounds what a
/// connection can make the process buffer before its requests are counted.
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Flow-control window of a stream, in bytes: several streams fit into that of the connection.
const STREAM_WINDOW: u32 = 64 << 10;

/// Most bytes of a response that are buffered for a client that reads slowly.
const SEND_BYTES_MAX: usize = 64 << 10;

/// Most pending streams that the client reset, and streams that the client made the server reset, before the connection
/// is closed: more is an attack (CVE-2023-44487, CVE-2025-8671).
const RESETS_MAX: usize = 64;

/// Period of HTTP/2 pings on a silent connection, and the timeout of their replies.
const PING_PERIOD: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// An accepted connection: counts itself in the heartbeat, and has an entry in the table of connections.
pub(crate) struct OpenConnection {
    app: App,
    entry: ConnectionEntry,
}

impl OpenConnection {
    pub(crate) fn new(app: App, entry: ConnectionEntry) -> Self {
        app.heartbeat().connection_opened();
        Self { app, entry }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.app.heartbeat().connection_closed();
    }
}

/// Serves a connection until the client closes it, its keep-alive timeout passes, or `ending` is signaled; requests that
/// were received are answered.
pub(crate) async fn serve_connection(
    mut stream: TcpStream,
    open: OpenConnection,
    router: Router,
    ending: watch::Receiver<()>,
) {
    // With Nagle's algorithm a response in two writes waits for the acknowledgement of the first, up to 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "connection without TCP_NODELAY");
    }
    let (activity, kind) = (Arc::clone(&open.entry.activity), open.entry.kind);
    let mut server = ConnectionServer { router, ending, activity, kind };
    let first_bytes = timeout(FIRST_BYTES_TIMEOUT, detect_version(&mut stream));
    let first_bytes = async { first_bytes.await.unwrap_or_else(|late| Err(late.into())) };
    let Some(mut read_ahead) = server.while_idle(first_bytes).await else { return };
    if read_ahead == PREFACE {
        return Box::pin(server.http2(stream, read_ahead)).await;
    }
    loop {
        // Boxed: the state of hyper takes a page, which an idle connection must not occupy.
        match Box::pin(server.http1(stream, read_ahead)).await {
            None => return,
            Some(idle) => (stream, read_ahead) = idle,
        }
        let next = async { if read_ahead.is_empty() { stream.readable().await } else { Ok(()) } };
        if server.while_idle(next).await.is_none() {
            return;
        }
    }
}

/// Reads until the bytes are, or differ from, the preface of HTTP/2; returns them.
async fn detect_version(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(PREFACE.len());
    while bytes.len() < PREFACE.len() && PREFACE.starts_with(&bytes) {
        let room = (PREFACE.len() - bytes.len()) as u64;
        if (&mut *stream).take(room).read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes.into())
}

/// Serves the requests of one connection.
struct ConnectionServer {
    router: Router,
    ending: watch::Receiver<()>,
    activity: Arc<ConnectionActivity>,
    kind: ConnectionKind,
}

/// The reason why a connection is no longer driven.
#[derive(Debug, PartialEq, Eq)]
enum ConnectionState {
    Closed,
    Idle,
}

/// Treatment of an idle connection: taken back from hyper, or left to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdlePolicy {
    TakeBack,
    Keep,
}

impl ConnectionServer {
    fn service(&self) -> ConnectionService {
        let (router, activity) = (self.router.clone(), Arc::clone(&self.activity));
        ConnectionService { router, activity, kind: self.kind }
    }

    /// Waits for `next` between two requests; returns `None` if the connection must be closed instead.
    async fn while_idle<T>(&mut self, next: impl Future<Output = io::Result<T>>) -> Option<T> {
        select! {
            // Biased, so that a request that was received is answered.
            biased;
            next = next => next.inspect_err(|error| debug!(%error, "connection broken")).ok(),
            _ = self.ending.changed() => None,
            () = self.activity.evicted() => {
                debug!("idle connection evicted");
                None
            }
            () = sleep_until(self.activity.expires_at()) => {
                debug!("idle connection closed");
                None
            }
        }
    }

    /// Serves requests until the connection is idle; returns its stream and the bytes read ahead, or `None` once closed.
    async fn http1(&mut self, stream: TcpStream, read_ahead: Bytes) -> Option<(TcpStream, Bytes)> {
        let service = self.service();
        let service = service_fn(move |request| service.clone().respond(request));
        let io = RewindIo::new(stream, read_ahead, &self.activity);
        let mut connection = http1_builder().serve_connection(io, service);
        let state = self.drive(&mut connection, IdlePolicy::TakeBack).await;
        (state == ConnectionState::Idle).then(|| {
            let parts = connection.into_parts();
            (parts.io.into_stream(), parts.read_buf)
        })
    }

    /// Serves requests until the connection is closed.
    async fn http2(&mut self, stream: TcpStream, read_ahead: Bytes) {
        let service = self.service();
        let service = service_fn(move |request| service.clone().respond(request));
        let io = RewindIo::new(stream, read_ahead, &self.activity);
        let mut connection = http2_builder().serve_connection(io, service);
        self.drive(&mut connection, IdlePolicy::Keep).await;
    }

    /// Polls a connection of hyper, and shuts it down when it expires or the server ends.
    async fn drive(
        &mut self,
        connection: &mut (impl GracefulConnection<Error = hyper::Error> + Unpin),
        idle_policy: IdlePolicy,
    ) -> ConnectionState {
        let (mut is_ending, mut has_expired, mut period) = (false, false, IDLE_AFTER);
        loop {
            let mut check_at = self.activity.expires_at();
            if idle_policy == IdlePolicy::TakeBack {
                let idle_at = self.activity.idle_at();
                period = if idle_at.is_some() {
                    IDLE_AFTER
                } else {
                    (2 * period).min(IDLE_CHECK_PERIOD_MAX)
                };
                check_at = check_at.min(idle_at.unwrap_or_else(|| Instant::now() + period));
            }
            select! {
                biased;
                closed = &mut *connection => {
                    if let Err(error) = closed {
                        debug!(%error, "connection broken");
                    }
                    return ConnectionState::Closed;
                }
                _ = self.ending.changed(), if !is_ending => {
                    is_ending = true;
                    shut_down(connection);
                }
                () = self.activity.evicted() => {
                    if self.activity.is_evictable() {
                        debug!("idle connection evicted");
                        return ConnectionState::Closed;
                    }
                    // A request has arrived meanwhile.
                    is_ending = true;
                    shut_down(connection);
                }
                () = sleep_until(check_at) => {
                    let is_takeable = idle_policy == IdlePolicy::TakeBack && !is_ending && !has_expired;
                    if is_takeable && self.activity.is_idle() {
                        return ConnectionState::Idle;
                    }
                    if !self.activity.is_expired() {
                        continue;
                    }
                    if has_expired {
                        debug!("connection closed that did not shut down within another keep-alive timeout");
                        return ConnectionState::Closed;
                    }
                    has_expired = true;
                    self.activity.touch();
                    shut_down(connection);
                }
            }
        }
    }
}

/// Lets requests in progress end, and takes no further ones.
fn shut_down(connection: &mut (impl GracefulConnection<Error = hyper::Error> + Unpin)) {
    Pin::new(connection).graceful_shutdown();
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
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

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use service::{Config, Service, StoreScope, store_for};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::function::Function;
    use crate::http::connection_table::ConnectionTable;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";

    /// A client, the accepted stream, and a server that echoes bodies.
    async fn pair() -> (TcpStream, TcpStream, ConnectionServer, watch::Sender<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (end, ending) = watch::channel(());
        let router = Router::new().route("/", post(async |body: String| body));
        (
            client,
            stream,
            ConnectionServer {
                router,
                ending,
                activity: Arc::new(ConnectionActivity::new()),
                kind: ConnectionKind::Ordinary,
            },
            end,
        )
    }

    async fn expect_response(client: &mut TcpStream, body: &str) {
        let mut response = Vec::new();
        while !response.ends_with(body.as_bytes()) {
            let read = timeout(Duration::from_secs(5), client.read_buf(&mut response)).await;
            assert!(read.expect("a response in time").unwrap() > 0, "{response:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_is_taken_back_once_it_is_idle_and_not_before() {
        let (mut client, stream, mut server, _end) = pair().await;
        let (head, rest) = HEAD.split_at(20);
        client.write_all(head).await.unwrap();
        let serving = tokio::spawn(async move { server.http1(stream, Bytes::new()).await });
        for part in [rest, b"o", b"ne"] {
            tokio::time::sleep(3 * IDLE_AFTER).await;
            assert!(!serving.is_finished(), "before {part:?}");
            client.write_all(part).await.unwrap();
        }
        expect_response(&mut client, "\r\n\r\none").await;
        let given = timeout(Duration::from_secs(5), serving)
            .await
            .expect("the connection is idle")
            .unwrap();
        let (_stream, rest) = given.expect("the connection is open");
        assert!(rest.is_empty(), "{rest:?}");
    }

    #[tokio::test]
    async fn no_byte_is_lost_between_idle_periods() {
        let (mut client, stream, server, _end) = pair().await;
        let ConnectionServer { router, ending, .. } = server;
        let config = Config::from_env(std::iter::empty()).unwrap();
        let service = Service::new(store_for(&config, StoreScope::Process).unwrap(), &config);
        let open = OpenConnection::new(
            App::new(Function::Standalone, service, &config),
            ConnectionTable::new(1).admit().unwrap(),
        );
        tokio::spawn(serve_connection(stream, open, router, ending));
        // One and a half requests, then the rest after the connection would be idle.
        let (half, rest) = HEAD.split_at(31);
        client.write_all(&[HEAD, b"one", half].concat()).await.unwrap();
        expect_response(&mut client, "\r\n\r\none").await;
        for (body, next) in [("two", &half[..1]), ("six", &half[..9]), ("ten", half)] {
            tokio::time::sleep(3 * IDLE_AFTER).await;
            client.write_all(&[rest, body.as_bytes(), next].concat()).await.unwrap();
            expect_response(&mut client, body).await;
            client.write_all(&half[next.len()..]).await.unwrap();
        }
    }
}
