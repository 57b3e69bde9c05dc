//! The HTTPS client of all requests to AWS, and the trust it needs.

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The root certificates of AWS in PEM, for a container without certificate store
/// (<https://www.amazontrust.com/repository>).
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// TLS by ring: aws-lc would need a C build.
const TLS: Provider = Provider::Rustls(CryptoMode::Ring);

/// The certificates of the system, and those of AWS.
fn trusted_roots() -> TrustStore {
    TrustStore::default().with_pem_certificate(AMAZON_ROOTS)
}

/// The certificates of AWS only.
pub(crate) fn amazon_roots() -> TrustStore {
    TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
}

fn tls_context(roots: TrustStore) -> TlsContext {
    TlsContext::builder().with_trust_store(roots).build().expect("the certificates are constants")
}

/// The client of the SDK, which loads the certificates when a service client is built.
pub(crate) fn https_client() -> SharedHttpClient {
    Builder::new().tls_provider(TLS).tls_context(tls_context(trusted_roots())).build_https()
}

/// A client for single requests; loads certificates at once.
///
/// It keeps no idle connection: that of a frozen process would be dead.
pub(crate) fn connector(roots: TrustStore) -> Connector {
    let builder = Connector::builder().tls_provider(TLS).tls_context(tls_context(roots));
    builder.pool_max_idle_per_host(0).build()
}
