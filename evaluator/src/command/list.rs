//! `evaluator list`: scenarios and detectors, as CSV.

use quality::contender::Contender;
use quality::scenario::Scenario;

use crate::output::write_csv;

/// Prints scenarios, detectors, and the candidates of `tune`.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["what", "name", "analysis"])?;
    for scenario in Scenario::all()? {
        writer.write_record(["scenario", &scenario.name, &scenario.analysis])?;
    }
    for contender in Contender::defaults()? {
        writer.write_record(["detector", &contender.to_string(), analysis(&contender)])?;
    }
    for candidate in quality::tune::candidates(detector::Detector::default())? {
        let analysis = "A candidate of `tune`, the default first.";
        writer.write_record(["candidate", &candidate.to_string(), analysis])?;
    }
    write_csv(writer)
}

fn analysis(contender: &Contender) -> &'static str {
    match contender {
        Contender::Silent => "Never alarms: the worth of accuracy.",
        Contender::Random => "Alarms on one sample in a hundred, at random: the worth of luck.",
        Contender::StoredScores(_) => "Scores of another detector, read from files.",
        Contender::Detector(detector) => match detector.name() {
            "zscore" => {
                "Standard deviations from the mean of the window; with these parameters the rolling z-score \
                 (window 50, 2 sigma)."
            }
            "robust" => "Median absolute deviations from the median of the window.",
            "ewma" => "Deviations from an exponentially weighted mean.",
            "deviation" => "Distance from the window and from the time of day together.",
            _ => "A detector of production.",
        },
    }
}
