//! Limits that the figures of a load are checked against, for CI.

use crate::record::{Check, Figures};

/// Limits of a load.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Checks (exit code 1 when one is missed; warm-ups do not count)")]
pub struct LoadLimits {
    /// Maximum latency of 99 % of the answers, in milliseconds.
    #[arg(long, value_name = "MS")]
    max_p99: Option<f64>,
    /// Maximum share of requests without a 2xx answer, such as 0.001.
    #[arg(long, value_name = "SHARE")]
    max_error_rate: Option<f64>,
    /// Minimum 2xx answers a second.
    #[arg(long, value_name = "N")]
    min_rate: Option<f64>,
    /// Minimum samples a second in requests with a 2xx answer.
    #[arg(long, value_name = "N")]
    min_samples: Option<f64>,
}

impl LoadLimits {
    /// Checks figures against each limit that is set.
    pub(crate) fn check(&self, figures: &Figures) -> Vec<Check> {
        let p99 = figures.latency_ms.map(|latency| latency.p99);
        let checks = [
            // Without any answer the check fails.
            self.max_p99.map(|max| Check {
                wanted: format!("p99 at most {max} ms"),
                measured: p99.map_or("no answer".to_owned(), |p99| format!("{p99:.2} ms")),
                is_met: p99.is_some_and(|p99| p99 <= max),
            }),
            self.max_error_rate.map(|max| Check {
                wanted: format!("error rate at most {max}"),
                measured: format!("{:.6}", figures.error_rate),
                is_met: figures.error_rate <= max && (figures.ok > 0 || figures.due == 0),
            }),
            self.min_rate.map(|min| Check {
                wanted: format!("at least {min} answers/s"),
                measured: format!("{:.1}", figures.ok_per_s),
                is_met: figures.ok_per_s >= min,
            }),
            self.min_samples.map(|min| Check {
                wanted: format!("at least {min} samples/s"),
                measured: format!("{:.1}", figures.samples_per_s),
                is_met: figures.samples_per_s >= min,
            }),
        ];
        checks.into_iter().flatten().collect()
    }
}
