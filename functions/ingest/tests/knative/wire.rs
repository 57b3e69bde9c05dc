//! Requests as bytes, of both versions of HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

/// A sample that is always new.
pub(crate) const SAMPLE: &str = r#"{"metric":"m","value":1}"#;

/// Sends a request, and reads its answer to the end.
pub(crate) fn ask(stream: TcpStream, what: &str, body: &str) -> String {
    send(stream, &format!("{what} HTTP/1.1"), body)
}

/// The same, with this head, further headers included.
pub(crate) fn send(mut stream: TcpStream, head: &str, body: &str) -> String {
    let len = body.len();
    write!(stream, "{head}\r\nHost: a\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}")
        .unwrap();
    rest_of(stream)
}

/// Reads to the end.
pub(crate) fn rest_of(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Sends the head of a request, and waits for `100 Continue`, so that the request is in flight.
pub(crate) fn begin(mut stream: TcpStream) -> TcpStream {
    let len = SAMPLE.len();
    write!(
        stream,
        "POST /ingest HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len}\r\n\
         Expect: 100-continue\r\n\r\n"
    )
    .unwrap();
    let mut part = [0; 1_024];
    let n_bytes = stream.read(&mut part).unwrap();
    assert!(part[..n_bytes].starts_with(b"HTTP/1.1 100"));
    stream
}

/// Requests `/livez` over HTTP/2 with prior knowledge; returns whether the status is 200.
pub(crate) fn is_live_over_h2c(mut stream: TcpStream) -> bool {
    /// The preface, no settings, and `GET /livez` of the authority `a` as stream 1.
    const REQUEST: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
        \0\0\x0d\x01\x05\0\0\0\x01\x82\x86\x04\x06/livez\x01\x01a";
    /// The frame header of a response, and status 200 in HPACK.
    const HEADERS: u8 = 1;
    const STATUS_200: u8 = 0x88;
    stream.write_all(REQUEST).unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        stream.read_exact(&mut payload).unwrap();
        if head[3] == HEADERS {
            return payload.first() == Some(&STATUS_200);
        }
    }
}
