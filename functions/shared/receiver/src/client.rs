//! HTTP client of the receivers: with timeouts, without redirects and proxies.

use std::sync::Arc;
use std::time::Duration;

use alert::ReceiverError;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, StatusCode, Url};

use crate::public_address::PublicResolver;

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest time from the request to the end of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait that a receiver may ask for: an hour.
const RETRY_AFTER_MAX_S: u64 = 3_600;

/// Makes a client; with `PublicResolver`, it refuses names of private addresses.
pub(crate) fn client(resolver: Option<PublicResolver>) -> Result<Client, String> {
    // Fails if the process has a TLS provider already, which serves as well.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    // The roots that browsers trust, in addition to the system's: a container of one binary has none.
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let roots = roots.map(|root| Certificate::from_der(root)).collect::<Result<Vec<_>, _>>();
    let mut builder = Client::builder()
        .tls_certs_merge(roots.map_err(|error| error.to_string())?)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .user_agent(concat!("tidemark/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        // A redirect would take the message, and its signature, to an address that is not configured.
        .redirect(Policy::none());
    if let Some(resolver) = resolver {
        builder = builder.dns_resolver(Arc::new(resolver));
    }
    builder.build().map_err(|error| error.to_string())
}

/// Parses an address of HTTP or HTTPS.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    let expected = "expected an address such as `https://example.org/alerts`";
    let url: Url =
        text.parse().map_err(|error| format!("the address is not valid ({error}): {expected}"))?;
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_http { Ok(url) } else { Err(expected.to_owned()) }
}

/// Sends a request; succeeds if the answer is a success.
pub(crate) async fn send(request: RequestBuilder) -> Result<(), ReceiverError> {
    let response = request.send().await.map_err(|error| ReceiverError::Failed {
        // The address may have a secret in its path.
        reason: cause(&error.without_url()),
        retry_after: None,
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let reason = format!("it answered {status}");
    if status == StatusCode::GONE {
        return Err(ReceiverError::Gone { reason });
    }
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds: Option<u64> = seconds.and_then(|seconds| seconds.trim().parse().ok());
    let retry_after = seconds.map(|seconds| Duration::from_secs(seconds.min(RETRY_AFTER_MAX_S)));
    Err(ReceiverError::Failed { reason, retry_after })
}

/// The innermost reason of an error, which names what happened.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("it was not reached: {cause}")
}
