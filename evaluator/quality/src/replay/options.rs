//! Options of a replay, and the steps that turn them into an outcome.

use anyhow::Context;
use domain::series::{NAME_LEN_MAX, as_name};
use reqwest::Url;

use super::batch::{self, Destination};
use super::client::Client;
use super::deliver::{self, Answered, Delivery};
use super::outcome::ReplayOutcome;
use super::pace::{self, SpeedUp};
use crate::labeled::{LabeledRow, LabeledSeries};

/// Destination, order and speed of a replay.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// Replicas of the deployment, which take turns.
    pub urls: Vec<Url>,
    /// Key that each request carries.
    pub api_key: Option<String>,
    /// Source name of the samples.
    pub source: String,
    /// Metric name of the samples.
    pub metric: String,
    /// Samples in one request.
    pub batch_len: usize,
    /// Concurrent senders; with 1 the samples arrive in order.
    pub n_writers: usize,
    /// Seed of a random order, and the maximum distance by which it moves a batch.
    pub shuffle: Option<(u64, u32)>,
    /// Speed relative to the recording; `None` sends as fast as possible.
    pub speed_up: Option<SpeedUp>,
}

/// Delivers every batch and gathers the answers; calls `on_answer` after each batch.
pub fn send(
    options: ReplayOptions,
    series: &LabeledSeries,
    mut on_answer: impl FnMut(&Answered),
) -> anyhow::Result<ReplayOutcome> {
    let mut batches = batch::cut(series, options.batch_len);
    let dues = pace::dues(&batches, options.speed_up);
    if let Some((seed, within)) = options.shuffle {
        batch::shuffle(&mut batches, seed, within);
    }
    let delivery = Delivery {
        client: Client::new(&options.urls, options.api_key)?,
        batches,
        dues,
        destination: Destination { source: options.source, metric: options.metric },
        n_writers: options.n_writers,
    };
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let (log, seconds) = runtime.block_on(deliver::all(delivery, &mut on_answer))?;
    Ok(ReplayOutcome::new(series, log, seconds))
}

/// The number of rows that are sent: those with a finite value.
pub fn n_samples(series: &LabeledSeries) -> usize {
    series.rows.iter().filter_map(LabeledRow::sample).count()
}

/// A metric name from the name of a series: characters that `ingest` refuses become `_`.
pub fn metric_of(series: &str) -> String {
    let name: String = as_name(series).chars().take(NAME_LEN_MAX).collect();
    if name.is_empty() { "value".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_series_becomes_a_metric_name() {
        assert_eq!(
            metric_of("realTweets/Twitter volume (AAPL).csv"),
            "realTweets/Twitter_volume__AAPL_.csv"
        );
        assert_eq!(metric_of(""), "value");
        assert_eq!(metric_of(&"x".repeat(500)).len(), NAME_LEN_MAX);
    }
}
