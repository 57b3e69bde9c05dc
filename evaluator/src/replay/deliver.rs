//! Delivering: senders take batches in turn, wait until each is due, and repeat what failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Certificate, Response, Url};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::{Answer, Problem, Said};
use super::batch::{Batch, Destination};
use super::outcome::{Log, Outcome};
use super::retry::{self, ATTEMPTS_MAX, Step};
use super::tally::Attempts;
use crate::labeled::Labeled;

/// A replica that does not even accept a connection for this long is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for an answer: longer than a cold start and than the deployment's own deadline.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// Where requests go.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    endpoints: Vec<Url>,
    api_key: Option<String>,
}

/// What is to be delivered, and when.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) batches: Vec<Batch>,
    /// By place in the order of sending, counted from the start.
    pub(super) dues: Vec<Duration>,
    pub(super) destination: Destination,
    pub(super) progress: ProgressBar,
    /// Whether each anomaly is told of as it comes.
    pub(super) is_talkative: bool,
}

/// What one attempt came to.
enum Reply {
    Answered(Answer),
    Failed { partial: Answer, retry_after: Option<Duration>, why: String },
}

impl Client {
    /// A client of the deployments at `urls`, which take turns.
    pub(super) fn new(urls: &[Url], api_key: Option<String>) -> anyhow::Result<Self> {
        let to_ingest = |url: &Url| {
            let mut endpoint = endpoint(url, "ingest")?;
            endpoint.set_query(Some("verdicts=all"));
            anyhow::Ok(endpoint)
        };
        let endpoints = urls.iter().map(to_ingest).collect::<Result<_, _>>()?;
        Ok(Self { http: http_client()?, endpoints, api_key })
    }

    /// Sends a body once, to the replica whose turn it is.
    async fn attempt(&self, turn: usize, body: &str) -> anyhow::Result<Reply> {
        let endpoint = &self.endpoints[turn % self.endpoints.len()];
        let request = self
            .http
            .post(endpoint.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(body.to_owned());
        let request = match &self.api_key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        match request.send().await {
            Ok(response) => read(response, endpoint).await,
            Err(error) => Ok(unreachable(endpoint, error)),
        }
    }
}

/// A client that speaks plain and encrypted HTTP and does not wait forever.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    // TLS needs a provider in the process; when there is one already, that one is as good.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    // What browsers trust, beside what the system does: a container of one binary has no system to ask.
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let roots = roots.map(|root| Certificate::from_der(root)).collect::<Result<Vec<_>, _>>();
    reqwest::Client::builder()
        .tls_certs_merge(roots.context("read the certificates of this binary")?)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .build()
        .context("make an HTTP client")
}

/// `<url>/<path>`, whatever path the deployment lies under.
pub(crate) fn endpoint(url: &Url, path: &str) -> anyhow::Result<Url> {
    ensure!(
        matches!(url.scheme(), "http" | "https"),
        "`{url}` is not an address: `http://` or `https://` is wanted"
    );
    let mut endpoint = url.clone();
    endpoint.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
    endpoint.set_query(None);
    Ok(endpoint)
}

/// Reads an answer to its end.
async fn read(response: Response, endpoint: &Url) -> anyhow::Result<Reply> {
    let status = response.status().as_u16();
    let retry_after = retry::retry_after(
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()),
    );
    let text = match response.text().await {
        Ok(text) => text,
        Err(error) => return Ok(unreachable(endpoint, error)),
    };
    match retry::step(status) {
        Step::Done => {
            let answer = serde_json::from_str(&text);
            let answer = answer.with_context(|| {
                format!("`{endpoint}` answered {status}: {}", Problem::explain(&text))
            })?;
            Ok(Reply::Answered(answer))
        }
        Step::Again => {
            let partial: Answer = serde_json::from_str(&text).unwrap_or_default();
            let cause = match partial.rejected.first() {
                Some(rejected) => rejected.code.clone(),
                None => Problem::explain(&text),
            };
            let why = format!("`{endpoint}` answered {status}: {cause}");
            Ok(Reply::Failed { partial, retry_after, why })
        }
        Step::Stop => bail!("`{endpoint}` answered {status}: {}", Problem::explain(&text)),
    }
}

fn unreachable(endpoint: &Url, error: reqwest::Error) -> Reply {
    // The error's own text repeats the address and hides the cause; its chain has both.
    let why =
        format!("`{endpoint}` gave no answer: {:#}", anyhow::Error::from(error.without_url()));
    Reply::Failed { partial: Answer::default(), retry_after: None, why }
}

/// What the senders share.
struct Shared {
    client: Client,
    plan: Plan,
    next: AtomicUsize,
    start: Instant,
}

/// Delivers every batch with that many senders; fails as soon as the deployment refuses a request for good.
pub(super) async fn all(
    client: Client,
    plan: Plan,
    series: &Labeled,
    n_writers: usize,
) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let shared = Arc::new(Shared { client, plan, next: AtomicUsize::new(0), start });
    let mut writers = JoinSet::new();
    for _ in 0..n_writers {
        writers.spawn(write(Arc::clone(&shared)));
    }
    let mut log = Log::default();
    while let Some(part) = writers.join_next().await {
        // Leaving early drops the set, which stops the other senders.
        log += part.context("a sender stopped")??;
    }
    Ok(Outcome::new(series, log, start.elapsed().as_secs_f64()))
}

/// One sender: takes the next batch until there is none.
async fn write(shared: Arc<Shared>) -> anyhow::Result<Log> {
    let mut log = Log::default();
    loop {
        let turn = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(batch) = shared.plan.batches.get(turn) else {
            return Ok(log);
        };
        tokio::time::sleep_until(shared.start + shared.plan.dues[turn]).await;
        deliver(&shared, turn, batch, &mut log).await?;
        shared.plan.progress.inc(batch.len() as u64);
    }
}

/// Sends one batch until it is answered or the attempts are used up; each goes to the next replica.
async fn deliver(shared: &Shared, turn: usize, batch: &Batch, log: &mut Log) -> anyhow::Result<()> {
    let body = batch.body(&shared.plan.destination);
    let n_samples = batch.len() as u64;
    let mut attempts = Attempts::default();
    for n_attempt in 1..=ATTEMPTS_MAX {
        let sent = Instant::now();
        let reply = shared.client.attempt(turn + n_attempt as usize - 1, &body).await?;
        log.latencies_ms.push(sent.elapsed().as_secs_f64() * 1e3);
        match reply {
            Reply::Answered(answer) => {
                log.counts += attempts.answered(n_samples, &answer);
                if shared.plan.is_talkative {
                    tell(&shared.plan.progress, &answer);
                }
                log.said.extend(answer.verdicts);
                return Ok(());
            }
            Reply::Failed { partial, retry_after, why } => {
                attempts.failed(&partial);
                log.said.extend(partial.verdicts);
                log.failure = Some(why);
                if n_attempt < ATTEMPTS_MAX {
                    log.n_retries += 1;
                    tokio::time::sleep(retry::wait(n_attempt, retry_after)).await;
                }
            }
        }
    }
    log.counts += attempts.given_up(n_samples);
    Ok(())
}

/// Tells of the anomalies of an answer, above the bar.
#[expect(clippy::print_stderr, reason = "stderr is where the talk goes")]
fn tell(progress: &ProgressBar, answer: &Answer) {
    let lines = answer.verdicts.iter().filter_map(Said::anomaly);
    progress.suspend(|| lines.for_each(|line| eprintln!("  {line}")));
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
    fn a_client_speaks_both_plain_and_encrypted() {
        let urls = ["http://127.0.0.1:1", "https://127.0.0.1:1"].map(|url| url.parse().unwrap());
        let client = Client::new(&urls, None).unwrap();
        assert_eq!(client.endpoints.len(), 2);
        assert!(client.endpoints[0].as_str().ends_with("/ingest?verdicts=all"));
    }
}
