//! Labels from the answers of people in a deployment: `GET /feedback`.
//!
//! A row within the times of `right` or `missed` is an anomaly, one within those of `false_alarm` is none, whatever its
//! file has as its label. Other rows stay as they are.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use reqwest::Url;
use serde::Deserialize;

use crate::labeled::LabeledSeries;
use crate::replay::{self, ProblemDocument};

/// Pages read at most: 100 series each.
const PAGES_MAX: usize = 10_000;

const MILLISECOND_US: f64 = 1e3;

/// One answer of a person.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FeedbackLabel {
    source: String,
    metric: String,
    labels: BTreeMap<String, String>,
    start: f64,
    end: f64,
    verdict: String,
}

/// Number of answers that were used, and of those left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelCounts {
    /// Answers about rows of the data.
    pub used: usize,
    /// Answers about other series, other times, or series with labels.
    pub left_out: usize,
}

#[derive(Deserialize)]
struct AnswerPage {
    feedback: Vec<FeedbackLabel>,
    next: Option<String>,
}

/// Reads the answers about all series of a deployment.
pub fn fetch(url: &Url, api_key: Option<&str>) -> anyhow::Result<Vec<FeedbackLabel>> {
    let http = replay::http_client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the runtime")?.block_on(async {
        let (mut labels, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = page(&http, url, api_key, cursor.as_deref()).await?;
            labels.extend(page.feedback);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(labels)
    })
}

async fn page(
    http: &reqwest::Client,
    url: &Url,
    api_key: Option<&str>,
    cursor: Option<&str>,
) -> anyhow::Result<AnswerPage> {
    let mut endpoint = replay::endpoint(url, "feedback")?;
    if let Some(cursor) = cursor {
        endpoint.query_pairs_mut().append_pair("cursor", cursor);
    }
    let request = replay::authorized(http.get(endpoint.clone()), api_key);
    let response = request.send().await.map_err(reqwest::Error::without_url);
    let response = response.with_context(|| format!("`{endpoint}` did not answer"))?;
    let status = response.status().as_u16();
    let redirect = replay::redirect(&response);
    let text = response.text().await.map_err(reqwest::Error::without_url)?;
    if status != 200 {
        let cause = redirect.unwrap_or_else(|| ProblemDocument::explain(&text));
        bail!("`{endpoint}` answered {status}: {cause}");
    }
    serde_json::from_str(&text).with_context(|| format!("`{endpoint}` is no list of feedback"))
}

/// Labels the rows of series by answers about them, oldest answer first; `names` has source and metric of each series.
pub fn label(
    series: &mut [LabeledSeries],
    answers: &[FeedbackLabel],
    names: &BTreeMap<String, (String, String)>,
) -> LabelCounts {
    let mut counts = LabelCounts::default();
    let mut is_used = vec![false; answers.len()];
    for one in series {
        let Some((source, metric)) = names.get(&one.name) else { continue };
        let mut is_changed = false;
        for (answer, is_used) in answers.iter().zip(&mut is_used) {
            let is_of_series = (&answer.source, &answer.metric) == (source, metric);
            if is_of_series && answer.labels.is_empty() {
                let n_rows = label_rows(one, answer);
                *is_used |= n_rows > 0;
                is_changed |= n_rows > 0;
            }
        }
        if is_changed {
            let n_cold = one.n_cold;
            let rows = std::mem::take(&mut one.rows);
            *one = LabeledSeries::from_rows(std::mem::take(&mut one.name), rows);
            one.n_cold = n_cold;
        }
    }
    counts.used = is_used.iter().filter(|is_used| **is_used).count();
    counts.left_out = answers.len() - counts.used;
    counts
}

/// Labels the rows within the times of an answer; returns their number.
fn label_rows(series: &mut LabeledSeries, answer: &FeedbackLabel) -> usize {
    let at_us = |ms: f64| (ms * MILLISECOND_US).round() as i64;
    let (start_us, end_us) = (at_us(answer.start), at_us(answer.end));
    let is_anomaly = answer.verdict != "false_alarm";
    let within = series.rows.iter_mut().filter(|row| (start_us..=end_us).contains(&row.at_us));
    within.map(|row| row.label = is_anomaly).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    fn series(name: &str, labeled: &[usize]) -> LabeledSeries {
        let row = |i: usize| LabeledRow {
            at_us: i as i64 * 60_000_000,
            value: 1.0,
            label: labeled.contains(&i),
        };
        LabeledSeries::from_rows(name.to_owned(), (0..100).map(row).collect())
    }

    fn answer(metric: &str, minutes: (u32, u32), verdict: &str) -> FeedbackLabel {
        let ms = |minute| f64::from(minute) * 60_000.0;
        FeedbackLabel {
            source: "s".to_owned(),
            metric: metric.to_owned(),
            labels: BTreeMap::new(),
            start: ms(minutes.0),
            end: ms(minutes.1),
            verdict: verdict.to_owned(),
        }
    }

    #[test]
    fn answers_label_the_rows_within_their_times() {
        let mut all = [series("a", &[10, 20]), series("b", &[30])];
        let names = [("a", "ma"), ("b", "mb")];
        let names =
            names.map(|(name, metric)| (name.to_owned(), ("s".to_owned(), metric.to_owned())));
        let mut labeled = answer("mb", (1, 2), "right");
        labeled.labels.insert("zone".to_owned(), "a".to_owned());
        let answers = [
            answer("ma", (20, 20), "false_alarm"),
            answer("ma", (40, 42), "missed"),
            answer("ma", (10, 10), "right"),
            answer("other", (1, 2), "right"),
            answer("ma", (200, 201), "right"),
            labeled,
        ];
        let counts = label(&mut all, &answers, &names.into());
        assert_eq!(counts, LabelCounts { used: 3, left_out: 3 });
        let events = |series: &LabeledSeries| -> Vec<_> {
            series.events.iter().map(|event| event.rows.clone()).collect()
        };
        assert_eq!(events(&all[0]), [10..11, 40..43]);
        assert_eq!(events(&all[1])[0], 30..31);
        assert_eq!((events(&all[1]).len(), all[0].n_cold), (1, 15));
    }
}
