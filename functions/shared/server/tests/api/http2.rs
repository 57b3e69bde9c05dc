//! The HTTP server over HTTP/2 with prior knowledge, with the promises of HTTP/1.1.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::Stuck;
use crate::socket::Host;

/// The start of an HTTP/2 connection: the preface, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET /livez` of the authority `a`, in HPACK.
const GET_LIVEZ: &[u8] = b"\x82\x86\x04\x06/livez\x01\x01a";

/// Longest wait for an expected event.
const SOON: Duration = Duration::from_secs(10);

struct Client {
    sender: SendRequest<Body>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn of(host: &Host) -> Self {
        let stream = TokioIo::new(host.connect().await);
        let (sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
        Self { sender, connection: tokio::spawn(connection) }
    }

    fn send(
        &self,
        request: Request<Body>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let mut sender = self.sender.clone();
        async move { sender.send_request(request).await }
    }

    async fn get(&self, path: &str) -> StatusCode {
        self.send(request("GET", path, Body::empty())).await.unwrap().status()
    }
}

fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    let request = Request::builder().version(Version::HTTP_2).method(method);
    request.uri(format!("http://a{path}")).body(body).unwrap()
}

async fn text(answer: Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    let head = [&len[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head, payload.to_vec()].concat()
}

/// The types of the frames received until the connection is closed.
async fn frames_until_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset may overtake the last frames; the connection must be closed either way.
    let _is_reset = timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection is closed")
        .is_err();
    let mut kinds = Vec::new();
    let mut rest = bytes.as_slice();
    while let [a, b, c, kind, ..] = *rest {
        kinds.push(kind);
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        rest = rest.get(9 + len..).unwrap_or_default();
    }
    kinds
}

#[tokio::test]
async fn both_versions_are_served_on_one_port() {
    let host = Host::start().await;
    let client = Client::of(&host).await;
    let body = r#"[{"metric":"m","value":1},{"metric":"n","value":2}]"#;
    let answer = client.send(request("POST", "/ingest", Body::from(body))).await.unwrap();
    assert_eq!((answer.version(), answer.status()), (Version::HTTP_2, StatusCode::OK));
    assert!(answer.headers().contains_key("x-request-id"));
    assert!(text(answer).await.contains(r#""accepted":2"#));
    let mut other = host.connect().await;
    other.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let host = Host::start().await;
    let client = Client::of(&host).await;
    let answers: Vec<_> = (0..1_000)
        .map(|i| {
            let body = format!(r#"{{"metric":"m{}","value":{i}}}"#, i % 7);
            tokio::spawn(client.send(request("POST", "/ingest", Body::from(body))))
        })
        .collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    let instances = host.store.totals().await.unwrap();
    assert_eq!(instances["samples accepted"], 1_000);
}

#[tokio::test]
async fn a_request_in_flight_at_shutdown_is_answered_and_the_connection_ends() {
    let host = Host::start().await;
    let idle = Client::of(&host).await;
    assert_eq!(idle.get("/livez").await, 200);
    let busy = Client::of(&host).await;
    // The server reads the body, so the request is in flight.
    let (mut sender, body) = channel();
    let answer = tokio::spawn(busy.send(request("POST", "/ingest", body)));
    sender.send(b"{\"metric\":\"m\",").await;
    while host.store.instances().await.unwrap().iter().all(|instance| instance.n_requests == 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    host.end.send(()).unwrap();
    // The idle connection is closed after GOAWAY, and no other is accepted.
    timeout(SOON, idle.connection).await.expect("GOAWAY is sent").unwrap().unwrap();
    assert!(TcpStream::connect(host.address).await.is_err());
    assert!(busy.send(request("GET", "/livez", Body::empty())).await.is_err());
    sender.send(b"\"value\":1}").await;
    drop(sender);
    let answer = timeout(SOON, answer).await.expect("a response in time").unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(text(answer).await.contains(r#""accepted":1"#));
    timeout(SOON, host.served).await.expect("the server ends").unwrap();
}

/// A body whose parts are sent one by one.
struct Sender(tokio::sync::mpsc::Sender<Bytes>);

impl Sender {
    async fn send(&mut self, part: &'static [u8]) {
        self.0.send(Bytes::from_static(part)).await.unwrap();
    }
}

fn channel() -> (Sender, Body) {
    struct Parts(tokio::sync::mpsc::Receiver<Bytes>);
    impl http_body::Body for Parts {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            self.0.poll_recv(cx).map(|part| part.map(|part| Ok(http_body::Frame::data(part))))
        }
    }
    let (sender, parts) = tokio::sync::mpsc::channel(1);
    (Sender(sender), Body::new(Parts(parts)))
}

#[tokio::test]
async fn a_client_with_a_too_large_body_reads_the_error_and_continues() {
    let host = Host::start().await;
    let client = Client::of(&host).await;
    for _ in 0..3 {
        let body = Body::from(vec![b' '; 8 << 20]);
        let answer = client.send(request("POST", "/ingest", body)).await.unwrap();
        assert_eq!(answer.status(), 413);
        assert!(text(answer).await.contains("body_too_large"));
    }
    assert_eq!(client.get("/livez").await, 200);
}

#[tokio::test]
async fn slow_bodies_time_out_and_delay_no_other_request() {
    let host = Host::start_with(&[("TIDEMARK_REQUEST_TIMEOUT_MS", "300")]).await;
    let client = Client::of(&host).await;
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let body = Body::new(Stuck::after(vec![b' '; 100_000]));
            tokio::spawn(client.send(request("POST", "/ingest", body)))
        })
        .collect();
    // They may exhaust the flow-control window of their connection; another connection has its own.
    let other = Client::of(&host).await;
    let body = Body::from(r#"{"metric":"m","value":1}"#);
    let answer = other.send(request("POST", "/ingest", body)).await.unwrap();
    assert_eq!(answer.status(), 200);
    for slow in slow {
        let answer = timeout(SOON, slow).await.expect("the timeout passes").unwrap().unwrap();
        assert_eq!(answer.status(), 504);
    }
    assert_eq!(client.get("/livez").await, 200);
}

#[tokio::test]
async fn long_headers_are_refused_and_other_requests_served() {
    let host = Host::start().await;
    let client = Client::of(&host).await;
    let mut long = request("GET", "/livez", Body::empty());
    long.headers_mut().insert("x-flood", "a".repeat(200_000).parse().unwrap());
    match timeout(SOON, client.send(long)).await.expect("a response or a reset") {
        Ok(answer) => assert_eq!(answer.status(), 431),
        Err(error) => assert!(error.is_canceled() || !error.is_user(), "{error:?}"),
    }
    assert_eq!(Client::of(&host).await.get("/livez").await, 200);
}

#[tokio::test]
async fn endless_headers_close_the_connection() {
    let host = Host::start().await;
    let mut flooding = host.connect().await;
    flooding.write_all(PREFACE).await.unwrap();
    flooding.write_all(&frame(HEADERS, END_STREAM, 1, GET_LIVEZ)).await.unwrap();
    // `x-flood: aaa...` without an index, repeatedly.
    let part = [b"\x00\x07x-flood\x7f\x80\x01".to_vec(), vec![b'a'; 255]].concat().repeat(20);
    for _ in 0..10_000 {
        // The connection may be closed before everything is sent.
        if flooding.write_all(&frame(CONTINUATION, 0, 1, &part)).await.is_err() {
            break;
        }
    }
    frames_until_the_end(&mut flooding).await;
    assert_eq!(Client::of(&host).await.get("/livez").await, 200);
}

#[tokio::test]
async fn a_client_that_resets_all_streams_receives_goaway() {
    let host = Host::start().await;
    let mut flooding = host.connect().await;
    flooding.write_all(PREFACE).await.unwrap();
    let resets: Vec<u8> = (0..5_000_u32)
        .flat_map(|i| {
            let stream = 2 * i + 1;
            [
                frame(HEADERS, END_STREAM | END_HEADERS, stream, GET_LIVEZ),
                frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
            ]
            .concat()
        })
        .collect();
    // The connection may be closed before everything is sent.
    let _is_cut = flooding.write_all(&resets).await.is_err();
    let frames = frames_until_the_end(&mut flooding).await;
    assert!(frames.is_empty() || frames.contains(&GOAWAY), "{frames:?}");
    assert_eq!(Client::of(&host).await.get("/livez").await, 200);
}

#[tokio::test]
async fn invalid_frames_close_only_their_connection() {
    let host = Host::start().await;
    for rubbish in [
        frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff\xff\xff"),
        frame(HEADERS, END_STREAM | END_HEADERS, 2, GET_LIVEZ),
        frame(CONTINUATION, END_HEADERS, 1, GET_LIVEZ),
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ] {
        let mut stream = host.connect().await;
        stream.write_all(&[PREFACE, &rubbish].concat()).await.unwrap();
        let frames = frames_until_the_end(&mut stream).await;
        assert!(frames.contains(&GOAWAY), "{rubbish:?}: {frames:?}");
    }
    assert_eq!(Client::of(&host).await.get("/livez").await, 200);
}

#[tokio::test(start_paused = true)]
async fn idle_and_silent_connections_are_closed() {
    let host = Host::start().await;
    let whole_and_idle =
        [PREFACE, &frame(HEADERS, END_STREAM | END_HEADERS, 1, GET_LIVEZ)].concat();
    let open_head = [PREFACE, &frame(HEADERS, END_STREAM, 1, GET_LIVEZ)].concat();
    let silent: [&[u8]; 5] =
        [b"", b"PRI * HT", b"GET /livez HTTP/1.1\r\nHost: a\r\n", &whole_and_idle, &open_head];
    for sent in silent {
        let mut stream = host.connect().await;
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let end = timeout(Duration::from_mins(10), stream.read_to_end(&mut answer)).await;
        let _is_reset = end.unwrap_or_else(|_| panic!("{sent:?} is never ended")).is_err();
    }
}
