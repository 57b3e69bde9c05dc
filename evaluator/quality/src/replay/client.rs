//! The HTTP client of a replay: one attempt to send a body, and the reading of its answer.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, RequestBuilder, Response, Url};

use super::answer::{IngestResponse, ProblemDocument};
use super::retry::{self, RetryStep};

/// Timeout of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of an answer: longer than a cold start and than the deployment's own deadline.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// Sends requests to the replicas of a deployment.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    endpoints: Vec<Url>,
    api_key: Option<String>,
}

/// The answer to one attempt.
pub(super) enum Reply {
    Answered(IngestResponse),
    Failed { partial: IngestResponse, retry_after: Option<Duration>, why: String },
}

impl Client {
    /// A client of the replicas at `urls`.
    pub(super) fn new(urls: &[Url], api_key: Option<String>) -> anyhow::Result<Self> {
        let to_ingest = |url: &Url| {
            let mut endpoint = endpoint(url, "ingest")?;
            endpoint.set_query(Some("verdicts=all"));
            anyhow::Ok(endpoint)
        };
        let endpoints = urls.iter().map(to_ingest).collect::<Result<_, _>>()?;
        Ok(Self { http: http_client()?, endpoints, api_key })
    }

    /// Sends a body once, to replica `turn` modulo their number.
    pub(super) async fn attempt(&self, turn: usize, body: &str) -> anyhow::Result<Reply> {
        let endpoint = &self.endpoints[turn % self.endpoints.len()];
        let request = self
            .http
            .post(endpoint.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(body.to_owned());
        match authorized(request, self.api_key.as_deref()).send().await {
            Ok(response) => read(response, endpoint).await,
            Err(error) => Ok(unreachable(endpoint, error)),
        }
    }
}

/// A client for HTTP and HTTPS, with timeouts, that follows no redirect: a redirected `POST` may become a `GET`, and the key
/// would go to a server that the user did not name.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    // Fails if the process has a TLS provider already, which serves as well.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    // The roots that browsers trust, in addition to the system's: a container of one binary has none.
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let roots = roots.map(|root| Certificate::from_der(root)).collect::<Result<Vec<_>, _>>();
    reqwest::Client::builder()
        .tls_certs_merge(roots.context("read the certificates of this binary")?)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(Policy::none())
        .build()
        .context("make an HTTP client")
}

/// The request with the API key, if there is one.
pub(crate) fn authorized(request: RequestBuilder, api_key: Option<&str>) -> RequestBuilder {
    match api_key {
        Some(key) => request.bearer_auth(key),
        None => request,
    }
}

/// Joins `path` to the path of `url`, and drops the query.
pub(crate) fn endpoint(url: &Url, path: &str) -> anyhow::Result<Url> {
    ensure!(
        matches!(url.scheme(), "http" | "https"),
        "`{url}` is not an address: expected `http://` or `https://`"
    );
    let mut endpoint = url.clone();
    endpoint.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
    endpoint.set_query(None);
    Ok(endpoint)
}

/// Where an answer redirects to, as a reason for a failure.
pub(crate) fn redirect(response: &Response) -> Option<String> {
    let to = response.headers().get(LOCATION)?.to_str().ok()?;
    let is_redirect = response.status().is_redirection();
    is_redirect.then(|| format!("it redirects to `{to}`; give the address that serves requests"))
}

/// Reads an answer to its end.
async fn read(response: Response, endpoint: &Url) -> anyhow::Result<Reply> {
    let status = response.status().as_u16();
    let redirect = redirect(&response);
    let retry_after = retry::retry_after(
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()),
    );
    let text = match response.text().await {
        Ok(text) => text,
        Err(error) => return Ok(unreachable(endpoint, error)),
    };
    match retry::step(status) {
        RetryStep::Done => {
            let answer = serde_json::from_str(&text);
            let answer = answer.with_context(|| {
                format!("`{endpoint}` answered {status}: {}", ProblemDocument::explain(&text))
            })?;
            Ok(Reply::Answered(answer))
        }
        RetryStep::Again => {
            let partial: IngestResponse = serde_json::from_str(&text).unwrap_or_default();
            let cause = match partial.rejected.first() {
                Some(rejected) => rejected.code.clone(),
                None => ProblemDocument::explain(&text),
            };
            let why = format!("`{endpoint}` answered {status}: {cause}");
            Ok(Reply::Failed { partial, retry_after, why })
        }
        RetryStep::Stop => {
            let why = redirect.unwrap_or_else(|| ProblemDocument::explain(&text));
            bail!("`{endpoint}` answered {status}: {why}")
        }
    }
}

fn unreachable(endpoint: &Url, error: reqwest::Error) -> Reply {
    // The error's own text repeats the address and hides the cause, so the chain is printed without the URL.
    let why =
        format!("`{endpoint}` did not answer: {:#}", anyhow::Error::from(error.without_url()));
    Reply::Failed { partial: IngestResponse::default(), retry_after: None, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_ingest_under_the_path_of_the_deployment() {
        let cases = [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/ingest"),
            (
                "http://127.0.0.1:9000/lambda-url/ingest/",
                "http://127.0.0.1:9000/lambda-url/ingest/ingest",
            ),
            ("https://a.example/x?y=1", "https://a.example/x/ingest"),
        ];
        for (url, wanted) in cases {
            assert_eq!(endpoint(&url.parse().unwrap(), "ingest").unwrap().as_str(), wanted);
        }
        assert!(endpoint(&"file:///tmp".parse().unwrap(), "ingest").is_err());
    }

    #[test]
    fn a_client_accepts_http_and_https() {
        let urls = ["http://127.0.0.1:1", "https://127.0.0.1:1"].map(|url| url.parse().unwrap());
        let client = Client::new(&urls, None).unwrap();
        assert_eq!(client.endpoints.len(), 2);
        assert!(client.endpoints[0].as_str().ends_with("/ingest?verdicts=all"));
    }
}
