//! Text of a stored configuration.
//!
//! `<revision> <detector>`, then a line `policy <policy of alerts>` if there is one, and a line
//! `<from_us> <until_us> <reason>` for each maintenance window. The detector is empty
//! if the series follows its deployment. A space and `gauge` or `counter` follow it, if the kind is configured. A line
//! `!<given_us> <start_us> <end_us> <verdict> <signals>` for each answer of a person comes last. At most about 15 KB, by the
//! limits of a configuration.

use detector::{Feedback, FeedbackList, FeedbackVerdict, MaintenanceWindow, SeriesConfig};
use domain::SampleKind;

/// Beginning of the line of the policy.
const POLICY: &str = "policy ";

/// The stored configuration of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredConfig {
    /// Grows with each change of the configuration, including its removal.
    pub revision: i64,
    /// The configuration.
    pub config: SeriesConfig,
}

impl StoredConfig {
    /// The text of a configuration without its revision, which the store prepends.
    pub fn text_of(config: &SeriesConfig) -> String {
        let mut detector = config.detector.map(|detector| detector.to_string()).unwrap_or_default();
        if let Some(kind) = config.kind {
            detector = format!("{detector} {}", kind.as_str());
        }
        let policy = config.alert_policy().map(|policy| format!("\n{POLICY}{policy}"));
        let windows = config.maintenance().iter().map(|window| {
            format!("\n{} {} {}", window.from_us(), window.until_us(), window.reason())
        });
        let answers = config.feedback().given().iter().map(|feedback| {
            let Feedback { verdict, start_us, end_us, given_us, signals } = feedback;
            format!("\n!{given_us} {start_us} {end_us} {} {signals}", verdict.as_str())
        });
        std::iter::once(detector).chain(policy).chain(windows).chain(answers).collect()
    }

    /// The stored text.
    pub fn to_text(&self) -> String {
        format!("{} {}", self.revision, Self::text_of(&self.config))
    }

    /// Reads the stored text; `None` for other text, or for a detector of a later version.
    pub fn from_text(text: &str) -> Option<Self> {
        let (revision, text) = text.split_once(' ')?;
        let mut lines = text.split('\n');
        let first = lines.next()?;
        let (detector, kind) = match first.split_once(' ') {
            Some((detector, kind)) => (detector, Some(SampleKind::from_name(kind)?)),
            None => (first, None),
        };
        let detector = match detector {
            "" => None,
            spec => Some(spec.parse().ok()?),
        };
        let mut lines = lines.peekable();
        let policy = lines.next_if(|line| line.starts_with(POLICY));
        let policy = policy.map(|line| line.trim_start_matches(POLICY).parse().ok());
        // A policy of a later version is not read as none: the series would alert as its deployment.
        let policy = match policy {
            Some(policy) => Some(policy?),
            None => None,
        };
        let (mut windows, mut answers) = (Vec::new(), Vec::new());
        for line in lines {
            match line.strip_prefix('!') {
                Some(answer) => answers.push(feedback(answer)?),
                None => windows.push(maintenance(line)?),
            }
        }
        let config = SeriesConfig::new(detector, windows).ok()?.with_kind(kind);
        let config = config.with_alert_policy(policy).with_feedback(FeedbackList::new(answers));
        Some(Self { revision: revision.parse().ok()?, config })
    }
}

fn maintenance(line: &str) -> Option<MaintenanceWindow> {
    let mut parts = line.splitn(3, ' ');
    let (from_us, until_us) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    MaintenanceWindow::new(from_us, until_us, parts.next()?.to_owned()).ok()
}

fn feedback(line: &str) -> Option<Feedback> {
    let mut parts = line.split(' ');
    let mut time = || parts.next()?.parse::<i64>().ok();
    let (given_us, start_us, end_us) = (time()?, time()?, time()?);
    let verdict = FeedbackVerdict::from_name(parts.next()?)?;
    let signals = parts.next()?.parse().ok()?;
    Some(Feedback { verdict, start_us, end_us, given_us, signals })
}

#[cfg(test)]
mod tests {
    use detector::series_config::{MAINTENANCE_WINDOWS_MAX, REASON_LEN_MAX};
    use detector::{Detector, SignalSet};
    use proptest::prelude::*;

    use super::*;

    /// Longest text of a configuration, in bytes.
    const TEXT_LEN_MAX: usize = 16_384;

    /// Longest policy of alerts, in bytes.
    const POLICY_LEN_MAX: usize = 1_024;

    #[test]
    fn the_largest_configuration_stays_within_its_bound() {
        let last_us = domain::sample::AT_US_MAX;
        let maintenance =
            MaintenanceWindow::new(last_us - 1, last_us, "ä".repeat(REASON_LEN_MAX / 2)).unwrap();
        let maintenance = vec![maintenance; MAINTENANCE_WINDOWS_MAX];
        let config = SeriesConfig::new(Some(Detector::default()), maintenance).unwrap();
        let answer = |i| Feedback {
            verdict: FeedbackVerdict::FalseAlarm,
            start_us: last_us - i,
            end_us: last_us,
            given_us: last_us,
            signals: SignalSet::ALL,
        };
        let answers = (0..200).map(answer).collect();
        let config = config.with_feedback(FeedbackList::new(answers));
        let len = StoredConfig::text_of(&config).len();
        assert!(len + detector::spec::SPEC_LEN_MAX + POLICY_LEN_MAX < TEXT_LEN_MAX);
    }

    proptest! {
        #[test]
        fn a_configuration_reads_back(
            which in 0..=Detector::ALL.len(),
            kind in prop::option::of(prop::sample::select(vec![SampleKind::Gauge, SampleKind::Counter { started_at_us: None }])),
            policy in prop::option::of(prop::sample::select(vec!["", "off", "samples=3/5,receivers=a"])),
            answers in prop::collection::vec((0i64..1 << 53, 0i64..1 << 53, 0i64..1 << 40, 0..3usize), 0..20),
            maintenance in prop::collection::vec((0i64..1 << 53, 1i64..1 << 40, "[ -~äß]{0,40}"), 0..=MAINTENANCE_WINDOWS_MAX),
        ) {
            let maintenance = maintenance.into_iter().map(|(from_us, len, reason)| {
                MaintenanceWindow::new(from_us, from_us + len, reason).unwrap()
            });
            let detector = Detector::ALL.get(which).copied();
            let config = SeriesConfig::new(detector, maintenance.collect()).unwrap().with_kind(kind);
            let policy = policy.map(|policy| policy.parse().unwrap());
            let config = config.with_alert_policy(policy);
            let answers = answers.into_iter().map(|(given_us, start_us, len, which)| Feedback {
                verdict: FeedbackVerdict::ALL[which],
                start_us,
                end_us: start_us + len,
                given_us,
                signals: SignalSet::TRAFFIC,
            });
            let config = config.with_feedback(FeedbackList::new(answers.collect()));
            let text = format!("1732060800000000 {}", StoredConfig::text_of(&config));
            let stored = StoredConfig { revision: 1_732_060_800_000_000, config };
            prop_assert_eq!(StoredConfig::from_text(&text), Some(stored));
        }

        #[test]
        fn other_text_is_not_read(text in "\\PC{0,80}") {
            let _read = StoredConfig::from_text(&text);
        }
    }
}
