//! `evaluator list`: what can be measured, as CSV.

use super::output::write_stdout;
use crate::contender::Contender;
use crate::scenario::Scenario;

/// Arguments of `list`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Prints scenarios and detectors.
pub(super) fn run(_: &Args) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["what", "name", "analysis"])?;
    for scenario in Scenario::catalogue()? {
        writer.write_record(["scenario", &scenario.name, &scenario.analysis])?;
    }
    for contender in Contender::defaults()? {
        writer.write_record(["detector", &contender.to_string(), analysis(&contender)])?;
    }
    for candidate in crate::tune::candidates(detector::Detector::default())? {
        let analysis = "What `tune` chooses from, the default first.";
        writer.write_record(["candidate", &candidate.to_string(), analysis])?;
    }
    write_stdout(&String::from_utf8_lossy(&writer.into_inner()?))?;
    Ok(())
}

fn analysis(contender: &Contender) -> &'static str {
    match contender {
        Contender::Silent => "Never alarms: what accuracy is worth.",
        Contender::Random => {
            "Alarms on one sample in a hundred, whatever comes: what luck is worth."
        }
        Contender::Stored(_) => "Scores of another detector, read from files.",
        Contender::Detector(detector) => match detector.name() {
            "zscore" => {
                "Standard deviations from the mean of the window; with these parameters the ancestor's rule."
            }
            "robust" => "Median absolute deviations from the median of the window.",
            "ewma" => "Deviations from an exponentially weighted mean.",
            "deviation" => {
                "Distance from the window and from the time of day together; the default of production."
            }
            _ => "A detector of production.",
        },
    }
}
