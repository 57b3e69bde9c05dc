//! Asks a server one question, over a connection of its own.
//!
//! What asks once a connection or less needs no pool, no redirects and no cookies. It is a crate of its own because it is
//! built to be small (`Cargo.toml` of the workspace), which holds for all that is made of a library within it: a start
//! on AWS Lambda reads what it weighs.

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, client};
pub use hyper::{StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The roots that certificates of AWS go back to, in PEM, for a container that has none of its own
/// (<https://www.amazontrust.com/repository>).
pub const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Those roots, to be trusted.
///
/// # Panics
///
/// When they are no certificates.
pub fn amazon_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(AMAZON_ROOTS) {
        roots.add(root.expect("of this crate")).expect("of this crate");
    }
    roots
}

/// The header `Host` of a request to this address, with its port where one is named.
pub fn host(uri: &Uri) -> &str {
    uri.authority().map_or("", |it| it.as_str())
}

/// Posts `body` with these headers, [`Host`](host) among them, to an address `http://` or `https://`; reads an answer of at
/// most so many bytes.
///
/// The process has a default provider of cryptography (`rustls::crypto::CryptoProvider`).
pub async fn post(
    uri: &Uri,
    roots: RootCertStore,
    headers: &[(&str, &str)],
    body: String,
    answer_bytes_max: usize,
) -> io::Result<(StatusCode, Vec<u8>)> {
    let name = uri.host().ok_or_else(|| io::Error::other("the address has no host"))?;
    let is_tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::from(body)).map_err(io::Error::other)?;
    let stream = TcpStream::connect((name, port)).await?;
    let stream: Box<dyn Stream> = if is_tls {
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    } else {
        Box::new(stream)
    };
    let handshake = client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
    // Ends with the answer, or with the sender.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), answer_bytes_max).collect().await;
    Ok((status, body.map_err(io::Error::other)?.to_bytes().to_vec()))
}

/// With TLS, or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
