//! The HTTP server over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use server::{App, Function, router, serve_http};
use service::{Service, StoreScope, store_for};
use store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::config;

/// A running server.
pub(crate) struct Host {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) address: SocketAddr,
    pub(crate) end: oneshot::Sender<()>,
    pub(crate) served: JoinHandle<()>,
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[("TIDEMARK_REQUEST_TIMEOUT_MS", "5000")]).await
    }

    pub(crate) async fn start_with(vars: &[(&str, &str)]) -> Self {
        let config = config(vars);
        let store = store_for(&config, StoreScope::Process).unwrap();
        let service = Service::new(Arc::clone(&store), &config);
        let app = App::new(Function::Standalone, service, &config);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let shutdown = async { ended.await.unwrap() };
            serve_http(&app, router(app.clone()), listener, shutdown).await;
        });
        Self { store, address, end, served }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_string(&mut text));
    read.await.expect("a response in time").expect("a complete response");
    text
}

async fn read_answer(stream: &mut TcpStream) -> String {
    let mut part = vec![0; 1 << 16];
    let n_bytes = stream.read(&mut part).await.unwrap();
    String::from_utf8_lossy(part.get(..n_bytes).unwrap()).into_owned()
}

#[tokio::test]
async fn a_request_in_flight_at_shutdown_is_answered() {
    let host = Host::start().await;
    let mut idle = host.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut idle).await.starts_with("HTTP/1.1 200"));
    let mut busy = host.connect().await;
    // With `Expect`, the server confirms that it reads the body.
    let head =
        "POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\nExpect: 100-continue\r\n\r\n";
    busy.write_all(head.as_bytes()).await.unwrap();
    assert!(read_answer(&mut busy).await.starts_with("HTTP/1.1 100"));

    host.end.send(()).unwrap();
    // The idle connection is closed, so the shutdown has begun.
    assert_eq!(read_to_end(idle).await, "");
    assert!(TcpStream::connect(host.address).await.is_err());
    busy.write_all(br#"{"metric":"m","value":1}"#).await.unwrap();
    let answer = read_to_end(busy).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""accepted":1"#), "{answer}");

    host.served.await.unwrap();
    // Its count was written to the store before the server ended.
    let totals = host.store.totals().await.unwrap();
    assert_eq!(totals.get("http_requests standalone POST /ingest 200"), Some(&1), "{totals:?}");
}

#[tokio::test]
async fn an_incomplete_request_does_not_delay_the_shutdown() {
    let host = Host::start_with(&[("TIDEMARK_REQUEST_TIMEOUT_MS", "100")]).await;
    let mut half = host.connect().await;
    half.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    // Served after the other connection was accepted, since connections are accepted in order.
    let mut whole = host.connect().await;
    whole.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut whole).await.starts_with("HTTP/1.1 200"));
    host.end.send(()).unwrap();
    timeout(Duration::from_secs(3), host.served).await.expect("the server ends").unwrap();
}

#[tokio::test]
async fn totals_are_written_each_second() {
    let host = Host::start().await;
    let mut stream = host.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    let written = async {
        while host.store.totals().await.unwrap().get("http_requests standalone GET /livez 200")
            != Some(&1)
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(3), written).await.expect("they are written each second");
}

#[tokio::test]
async fn open_connections_and_requests_are_reported_until_the_end() {
    let host = Host::start().await;
    let expect_report = async |expected: &[(u64, u64)]| {
        let as_expected = async {
            loop {
                let reported = host.store.instances().await.unwrap();
                let reported: Vec<_> = reported
                    .iter()
                    .map(|instance| (instance.n_connections, instance.n_requests))
                    .collect();
                if reported == expected {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), as_expected)
            .await
            .expect("the heartbeat is sent each second");
    };
    expect_report(&[(0, 0)]).await;
    let _idle = host.connect().await;
    let mut busy = host.connect().await;
    let head =
        "POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\nExpect: 100-continue\r\n\r\n";
    busy.write_all(head.as_bytes()).await.unwrap();
    assert!(read_answer(&mut busy).await.starts_with("HTTP/1.1 100"));
    expect_report(&[(2, 1)]).await;
    busy.write_all(br#"{"metric":"m","value":1}"#).await.unwrap();
    assert!(read_answer(&mut busy).await.starts_with("HTTP/1.1 200"));
    drop(busy);
    expect_report(&[(1, 0)]).await;
    host.end.send(()).unwrap();
    host.served.await.unwrap();
    assert!(host.store.instances().await.unwrap().is_empty());
}

#[tokio::test]
async fn connections_are_kept_alive_between_requests() {
    let host = Host::start().await;
    let mut stream = host.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    drop(stream);
    host.end.send(()).unwrap();
    host.served.await.unwrap();
}

#[tokio::test]
async fn a_client_with_a_too_large_body_reads_the_error_and_no_reset() {
    let host = Host::start().await;
    let mut stream = host.connect().await;
    // The client sends everything before it reads, as simple clients do.
    let body = vec![b' '; 8 << 20];
    let head =
        format!("POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("body_too_large"), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_is_bounded_while_it_is_read() {
    let host = Host::start().await;
    let mut stream = host.connect().await;
    let head = "POST /ingest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    for _ in 0..17 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn too_many_headers_are_refused_and_other_requests_served() {
    let host = Host::start().await;
    let many = "X-Flood: a\r\n".repeat(2_000);
    let long = format!("X-Flood: {}\r\n", "a".repeat(200_000));
    let unended = format!("X-Flood: {}", "a".repeat(200_000));
    for headers in [many, long, unended] {
        let mut flooding = host.connect().await;
        let head = format!("GET /livez HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        // The response may arrive, and the connection be closed, before everything is sent.
        let _is_cut = flooding.write_all(head.as_bytes()).await.is_err();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(5), flooding.read_to_end(&mut answer)).await;
        // A reset may overtake the response; the connection must be closed either way.
        let _is_reset = read.expect("the connection is closed").is_err();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        let mut other = host.connect().await;
        other.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert!(read_answer(&mut other).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn headers_that_are_not_text_are_answered() {
    let host = Host::start().await;
    for (head, expected) in [
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), "40"),
        (b"GET /analyze?metric=%ff%fe HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET /analyze?metric=%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: \xff\xfe\r\n\r\n", "200"),
        (b"POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Type: \xff\r\nContent-Length: 2\r\n\r\n[]", "415"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
    ] {
        let mut stream = host.connect().await;
        stream.write_all(head).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{head:?}: {answer}");
    }
}

#[tokio::test]
async fn a_missing_repeated_or_invalid_host_is_refused() {
    let host = Host::start().await;
    for (head, expected) in [
        ("GET /livez HTTP/1.1\r\n\r\n", "400"),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        ("GET /livez HTTP/1.1\r\nHost: a:80\r\n\r\n", "200"),
        ("GET /livez HTTP/1.0\r\n\r\n", "200"),
    ] {
        let mut stream = host.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert_eq!(answer.split(' ').nth(1), Some(expected), "{head:?}: {answer}");
        assert_eq!(answer.contains("request_malformed"), expected == "400", "{answer}");
    }
}

#[tokio::test]
async fn slow_bodies_time_out_and_delay_no_other_request() {
    let host = Host::start_with(&[
        ("TIDEMARK_REQUEST_TIMEOUT_MS", "300"),
        ("TIDEMARK_IN_FLIGHT_REQUESTS_MAX", "9"),
    ])
    .await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = host.connect().await;
        let head = b"POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n[";
        stream.write_all(head).await.unwrap();
        slow.push(stream);
    }
    let mut other = host.connect().await;
    let body = r#"{"metric":"m","value":1}"#;
    let head =
        format!("POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    other.write_all((head + body).as_bytes()).await.unwrap();
    assert!(read_answer(&mut other).await.starts_with("HTTP/1.1 200"));
    for mut stream in slow {
        // One more byte does not extend the timeout.
        stream.write_all(b" ").await.unwrap();
        let answer = timeout(Duration::from_secs(5), read_answer(&mut stream)).await;
        let answer = answer.expect("the timeout passes");
        assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    }
}

#[tokio::test]
async fn a_silent_store_does_not_delay_the_shutdown() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let host = Host::start_with(&[("REDIS_URL", &url)]).await;
    let mut stream = host.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    // A periodic flush is in progress, which opens a connection.
    silent.accept().await.unwrap();
    host.end.send(()).unwrap();
    timeout(Duration::from_secs(2), host.served).await.expect("the server ends in time").unwrap();
}
