//! One HTTP/1.1 connection: one request and its answer at a time.
//!
//! Written on the socket without a client library: at tens of thousands of requests a second a library would use more
//! processor time than the deployment. `httparse` parses the head of an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, ensure};
use reqwest::Url;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Maximum headers of an answer.
const HEADERS_MAX: usize = 64;

/// Maximum head of an answer, in bytes.
const HEAD_LEN_MAX: usize = 64 << 10;

/// Header with the number of samples that a request of Prometheus remote write has stored.
const WRITTEN_HEADER: &str = "x-prometheus-remote-write-samples-written";

/// Bytes per read.
const READ_LEN: usize = 16 << 10;

/// Address of the deployment.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A stream of bytes, encrypted or not.
trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An open connection.
pub(crate) struct LoadConnection {
    stream: Pin<Box<dyn ByteStream>>,
    /// Bytes of the current answer.
    bytes: Vec<u8>,
    /// True after an answer: then the server may have closed the idle connection.
    is_used: bool,
}

impl std::fmt::Debug for LoadConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadConnection").field("is_used", &self.is_used).finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoadAnswer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `accepted` of the body, or the number of written samples in the header of remote write, if it has one of them.
    pub(crate) n_accepted: Option<u64>,
    /// Length of the body; of one in chunks, that of the first.
    pub(crate) body_len: usize,
    /// True if the connection can be reused.
    pub(crate) is_kept: bool,
}

/// Cause of a missing answer.
#[derive(Debug)]
pub(crate) enum ExchangeFailure {
    /// A reused connection was closed before the first byte of the answer.
    WasIdle,
    /// The connection broke, or the answer is not HTTP.
    Broken(io::Error),
}

impl Target {
    /// Resolves the host of `url`.
    pub(crate) async fn find(url: &Url) -> anyhow::Result<Self> {
        ensure!(
            matches!(url.scheme(), "http" | "https"),
            "`{url}` is not an address: expected `http://` or `https://`"
        );
        let host = url.host_str().with_context(|| format!("`{url}` names no host"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let bare = host.trim_matches(['[', ']']);
        let mut addresses = tokio::net::lookup_host((bare, port))
            .await
            .with_context(|| format!("find `{host}`"))?;
        let address = addresses.next().with_context(|| format!("`{host}` has no address"))?;
        let tls = (url.scheme() == "https").then(|| encrypted(bare)).transpose()?;
        Ok(Self { address, tls })
    }

    /// The address of the deployment.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> io::Result<LoadConnection> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let stream: Pin<Box<dyn ByteStream>> = match &self.tls {
            None => Box::pin(tcp),
            Some((connector, name)) => Box::pin(connector.connect(name.clone(), tcp).await?),
        };
        Ok(LoadConnection { stream, bytes: Vec::new(), is_used: false })
    }
}

fn encrypted(host: &str) -> anyhow::Result<(TlsConnector, ServerName<'static>)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .with_context(|| format!("`{host}` is not a valid name for a certificate"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

impl LoadConnection {
    /// Sends a request and reads its answer to the end.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<LoadAnswer, ExchangeFailure> {
        self.bytes.clear();
        let sent = self.stream.write_all(request).await;
        if let Err(error) = sent {
            return Err(self.broken(error));
        }
        let head = loop {
            if self.read_more().await? == 0 {
                return Err(self.broken(io::ErrorKind::UnexpectedEof.into()));
            }
            if let Some(head) = ResponseHead::parse(&self.bytes).map_err(ExchangeFailure::Broken)? {
                break head;
            }
        };
        self.is_used = true;
        let body = match head.body {
            ResponseBody::Sized(len) => self.read_sized(head.len, len).await?,
            ResponseBody::Chunked => self.read_chunks(head.len).await?,
        };
        let (n_accepted, body_len) = (accepted(body).or(head.n_written), body.len());
        Ok(LoadAnswer { status: head.status, n_accepted, body_len, is_kept: head.is_kept })
    }

    /// Classifies a failed write or an early end.
    fn broken(&self, error: io::Error) -> ExchangeFailure {
        if self.is_used && self.bytes.is_empty() {
            ExchangeFailure::WasIdle
        } else {
            ExchangeFailure::Broken(error)
        }
    }

    async fn read_more(&mut self) -> Result<usize, ExchangeFailure> {
        self.bytes.reserve(READ_LEN);
        let read = self.stream.read_buf(&mut self.bytes).await;
        read.map_err(|error| self.broken(error))
    }

    async fn read_sized(&mut self, start: usize, len: usize) -> Result<&[u8], ExchangeFailure> {
        while self.bytes.len() < start + len {
            if self.read_more().await? == 0 {
                return Err(ExchangeFailure::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(&self.bytes[start..start + len])
    }

    /// Reads all chunks; returns the first, which contains `accepted`.
    async fn read_chunks(&mut self, start: usize) -> Result<&[u8], ExchangeFailure> {
        let (mut at, mut first) = (start, start..start);
        loop {
            match httparse::parse_chunk_size(&self.bytes[at..]) {
                Ok(httparse::Status::Complete((line_len, len))) => {
                    let from = at + line_len;
                    let end = from + len as usize + 2;
                    while self.bytes.len() < end {
                        if self.read_more().await? == 0 {
                            return Err(ExchangeFailure::Broken(
                                io::ErrorKind::UnexpectedEof.into(),
                            ));
                        }
                    }
                    if first.is_empty() {
                        first = from..end - 2;
                    }
                    if len == 0 {
                        return Ok(&self.bytes[first]);
                    }
                    at = end;
                }
                Ok(httparse::Status::Partial) => {
                    if self.read_more().await? == 0 {
                        return Err(ExchangeFailure::Broken(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
                Err(_) => return Err(ExchangeFailure::Broken(invalid("a chunk has no length"))),
            }
        }
    }
}

/// The head of an answer.
struct ResponseHead {
    len: usize,
    status: u16,
    body: ResponseBody,
    /// Number of samples that remote write has written.
    n_written: Option<u64>,
    is_kept: bool,
}

enum ResponseBody {
    Sized(usize),
    Chunked,
}

impl ResponseHead {
    /// The head at the start of `bytes`; `None` while it is incomplete.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let len = match response.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_LEN_MAX => return Ok(None),
            Ok(httparse::Status::Partial) => {
                return Err(invalid("the head of the answer is too long"));
            }
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let value = |name: &str| {
            let header =
                response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            header.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let body = match (value("transfer-encoding"), value("content-length")) {
            (Some(_), _) => ResponseBody::Chunked,
            (None, Some(len)) => ResponseBody::Sized(
                len.trim().parse().map_err(|_| invalid("content-length is not a number"))?,
            ),
            (None, None) => ResponseBody::Sized(0),
        };
        let is_kept = !value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let n_written = value(WRITTEN_HEADER).and_then(|n| n.trim().parse().ok());
        let status = response.code.unwrap_or_default();
        Ok(Some(Self { len, status, body, n_written, is_kept }))
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The number at the start of an answer of `ingest`.
fn accepted(body: &[u8]) -> Option<u64> {
    let rest = body.strip_prefix(br#"{"accepted":"#)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers each request with the next of these bytes.
    async fn server(answers: &'static [&'static [u8]]) -> Target {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut request = [0; 1_024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                // In two writes, since a network may split an answer anywhere.
                let (first, rest) = answer.split_at(answer.len() / 2);
                stream.write_all(first).await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(rest).await.unwrap();
            }
        });
        Target { address, tls: None }
    }

    #[tokio::test]
    async fn answers_of_every_form_are_read_to_their_end() {
        let target = server(&[
            b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"accepted\":17,\"late\":0,\"a\":1}",
            b"HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: 7\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        ])
        .await;
        let mut connection = target.connect().await.unwrap();
        let wanted = [
            (200, Some(17), 30, true),
            (503, None, 3, true),
            (204, Some(7), 0, true),
            (200, None, 0, false),
        ];
        for (status, n_accepted, body_len, is_kept) in wanted {
            let answer = connection.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            assert_eq!(answer, LoadAnswer { status, n_accepted, body_len, is_kept });
        }
        // The server closed the connection after its answers, so this request may be unread.
        let closed = connection.exchange(b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(matches!(closed, Err(ExchangeFailure::WasIdle)), "{closed:?}");
    }

    #[tokio::test]
    async fn a_malformed_answer_is_an_error() {
        for bytes in
            [b"SSH-2.0-x\r\n\r\n".as_slice(), b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
        {
            let answers: &'static [&'static [u8]] = Box::leak(Box::new([bytes]));
            let mut connection = server(answers).await.connect().await.unwrap();
            let failed = connection.exchange(b"GET / HTTP/1.1\r\n\r\n").await;
            assert!(matches!(failed, Err(ExchangeFailure::Broken(_))), "{failed:?}");
        }
    }
}
