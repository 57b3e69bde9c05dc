//! The bound on connections: silent clients do not exclude others, and probes are served under load.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::socket::Host;

/// A bound on connections that the tests reach.
const N_MAX: usize = 4;

const BOUND: (&str, &str) = ("TIDEMARK_CONNECTIONS_MAX", "4");

/// Requests a path on a new connection, and returns the status.
async fn status(host: &Host, head: &str) -> String {
    let mut stream = host.connect().await;
    stream.write_all(format!("{head} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; 1 << 12];
    let read = timeout(Duration::from_secs(5), stream.read(&mut answer)).await;
    let n_bytes = read.expect("an answer in time").unwrap();
    let answer = String::from_utf8_lossy(answer.get(..n_bytes).unwrap()).into_owned();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// A connection whose request waits for the rest of its body.
async fn busy(host: &Host) -> TcpStream {
    let mut stream = host.connect().await;
    let head =
        "POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 100"));
    stream
}

#[tokio::test]
async fn silent_connections_give_way_to_new_ones() {
    let host = Host::start_with(&[BOUND]).await;
    let mut silent = Vec::new();
    for _ in 0..10 * N_MAX {
        silent.push(host.connect().await);
        assert_eq!(status(&host, "GET /livez").await, "200");
        assert_eq!(status(&host, "GET /series").await, "200");
    }
    // The first was closed long ago.
    let closed = timeout(Duration::from_secs(1), silent[0].read(&mut [0])).await;
    assert_eq!(closed.expect("it is closed").unwrap(), 0);
}

#[tokio::test]
async fn an_incomplete_head_gives_way_to_new_connections() {
    let host = Host::start_with(&[BOUND]).await;
    let mut incomplete = Vec::new();
    for _ in 0..2 * N_MAX {
        let mut stream = host.connect().await;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost:").await.unwrap();
        incomplete.push(stream);
    }
    assert_eq!(status(&host, "GET /series").await, "200");
}

#[tokio::test]
async fn probes_are_served_while_all_connections_are_busy() {
    let host = Host::start_with(&[BOUND]).await;
    let mut all_busy = Vec::new();
    for _ in 0..N_MAX {
        all_busy.push(busy(&host).await);
    }
    for _ in 0..100 {
        assert_eq!(status(&host, "GET /livez").await, "200");
        assert_eq!(status(&host, "GET /readyz").await, "200");
        assert_eq!(status(&host, "GET /metrics").await, "200");
        assert_eq!(status(&host, "GET /series").await, "503");
    }
    for mut stream in all_busy {
        stream.write_all(br#"{"metric":"m","value":1}"#).await.unwrap();
        let mut answer = vec![0; 1 << 12];
        let n_bytes = stream.read(&mut answer).await.unwrap();
        assert!(answer.get(..n_bytes).unwrap().starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(status(&host, "GET /series").await, "200");
}

#[tokio::test]
async fn a_connection_without_a_first_byte_is_closed_within_seconds() {
    let host = Host::start().await;
    let mut silent = host.connect().await;
    let closed = timeout(Duration::from_secs(30), silent.read(&mut [0])).await;
    assert_eq!(closed.expect("it is closed in time").unwrap(), 0);
}
