//! The arguments that name the series of the data in a deployment, and the labels that people gave there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use quality::feedback_labels;
use quality::read::Dataset;
use quality::replay;
use reqwest::Url;

use crate::api_key;

/// Names of the series in a deployment, and its key.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "A deployment")]
pub(crate) struct DeployedSeries {
    /// Source name of the series.
    #[arg(long, value_name = "NAME", default_value = "default")]
    source: String,
    /// Metric name, for a single series; by default the name of the series.
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Source and metric of a series in the deployment; repeatable.
    #[arg(long, value_name = "SERIES=SOURCE/METRIC")]
    map: Vec<SeriesMapping>,
    /// File whose first line is the API key.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
}

impl DeployedSeries {
    /// The API key, if a file is named.
    pub(crate) fn api_key(&self) -> anyhow::Result<Option<String>> {
        api_key::read(self.api_key_file.as_deref())
    }

    /// Source and metric of each series, checked before judging.
    pub(crate) fn names(
        &self,
        dataset: &Dataset,
    ) -> anyhow::Result<BTreeMap<String, (String, String)>> {
        let names: Vec<&str> = dataset.series.iter().map(|series| series.name.as_str()).collect();
        if self.metric.is_some() && names.len() > 1 {
            bail!(
                "`--metric` is for one series, but there are {}: use `--map` for each",
                names.len()
            );
        }
        let own = |name: &&str| {
            let metric = self.metric.clone().unwrap_or_else(|| replay::metric_of(name));
            ((*name).to_owned(), (self.source.clone(), metric))
        };
        let mut destinations: BTreeMap<_, _> = names.iter().map(own).collect();
        for SeriesMapping { series, source, metric } in &self.map {
            ensure!(
                destinations.contains_key(series),
                "`--map` names the series `{series}`, which is not in the history"
            );
            destinations.insert(series.clone(), (source.clone(), metric.clone()));
        }
        Ok(destinations)
    }

    /// Labels the rows by the answers of people in a deployment, if one is named.
    pub(crate) fn label(&self, url: Option<&Url>, dataset: &mut Dataset) -> anyhow::Result<()> {
        let Some(url) = url else { return Ok(()) };
        let names = self.names(dataset)?;
        let answers = feedback_labels::fetch(url, self.api_key()?.as_deref())
            .context("read the labels of `--labels-from`")?;
        let counts = feedback_labels::label(&mut dataset.series, &answers, &names);
        let feedback_labels::LabelCounts { used, left_out } = counts;
        dataset.warnings.push(format!(
            "{used} answers of people label rows; {left_out} are of other series, other times, or series with labels"
        ));
        Ok(())
    }
}

/// Source and metric of a series in the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeriesMapping {
    series: String,
    source: String,
    metric: String,
}

impl FromStr for SeriesMapping {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parts = || {
            let (series, name) = text.rsplit_once('=')?;
            let (source, metric) = name.split_once('/')?;
            let is_whole = [series, source, metric].iter().all(|part| !part.trim().is_empty());
            is_whole.then(|| Self {
                series: series.to_owned(),
                source: source.to_owned(),
                metric: metric.to_owned(),
            })
        };
        parts()
            .with_context(|| format!("`{text}` is not a mapping: expected `SERIES=SOURCE/METRIC`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_names_series_source_and_metric() {
        let mapping: SeriesMapping = "a=b.csv=checkout/http/rps".parse().unwrap();
        let wanted = ["a=b.csv", "checkout", "http/rps"].map(str::to_owned);
        assert_eq!([mapping.series, mapping.source, mapping.metric], wanted);
        for text in ["", "a", "a=b", "=b/c", "a=/c", "a=b/"] {
            assert!(text.parse::<SeriesMapping>().is_err(), "{text}");
        }
    }
}
