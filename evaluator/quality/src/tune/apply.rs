//! Configures the detectors of series in a deployment: `PUT /series/config`.

use anyhow::Context;
use reqwest::Url;
use serde_json::json;

use crate::replay::{self, ProblemDocument};

/// Attempts for one series while the deployment is overloaded or unavailable.
const ATTEMPTS_MAX: u32 = 3;

/// A series of a deployment with its new detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectorAssignment {
    /// Source name of the series.
    pub source: String,
    /// Metric name of the series.
    pub metric: String,
    /// Text spec of the detector.
    pub detector: String,
}

/// The result of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// The deployment stored it.
    Stored,
    /// The deployment refused it, and would refuse a repetition; with its reason.
    Refused(String),
    /// The deployment did not answer, or was overloaded at each attempt.
    Unreached(String),
}

/// Sends the assignments one after the other.
pub fn apply(
    url: &Url,
    api_key: Option<&str>,
    assignments: &[DetectorAssignment],
) -> anyhow::Result<Vec<ApplyOutcome>> {
    let http = replay::http_client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the runtime")?.block_on(async {
        let mut outcomes = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            outcomes.push(one(&http, url, api_key, assignment).await?);
        }
        Ok(outcomes)
    })
}

async fn one(
    http: &reqwest::Client,
    url: &Url,
    api_key: Option<&str>,
    assignment: &DetectorAssignment,
) -> anyhow::Result<ApplyOutcome> {
    let mut endpoint = replay::endpoint(url, "series/config")?;
    endpoint
        .query_pairs_mut()
        .append_pair("source", &assignment.source)
        .append_pair("metric", &assignment.metric);
    let mut outcome = ApplyOutcome::Unreached(String::new());
    for n_failed in 0..ATTEMPTS_MAX {
        if n_failed > 0 {
            tokio::time::sleep(replay::wait(n_failed, None)).await;
        }
        let request = http.put(endpoint.clone()).json(&json!({ "detector": assignment.detector }));
        outcome = match replay::authorized(request, api_key).send().await {
            Ok(response) => read(response, &endpoint).await,
            Err(error) => {
                let cause = anyhow::Error::from(error.without_url());
                ApplyOutcome::Unreached(format!("`{endpoint}` did not answer: {cause:#}"))
            }
        };
        if !matches!(outcome, ApplyOutcome::Unreached(_)) {
            break;
        }
    }
    Ok(outcome)
}

async fn read(response: reqwest::Response, endpoint: &Url) -> ApplyOutcome {
    let status = response.status().as_u16();
    if status == 200 {
        return ApplyOutcome::Stored;
    }
    let redirect = replay::redirect(&response);
    let text = response.text().await.unwrap_or_default();
    let cause = redirect.unwrap_or_else(|| ProblemDocument::explain(&text));
    let why = format!("`{endpoint}` answered {status}: {cause}");
    if replay::is_worth_repeating(status) {
        ApplyOutcome::Unreached(why)
    } else {
        ApplyOutcome::Refused(why)
    }
}
