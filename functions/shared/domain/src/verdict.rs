//! Defines the verdict on a sample: learning, constant, normal, anomaly or maintenance, with its reason.

use crate::{ExpectedRange, Sample, SampleKind};

/// Outcome of judging a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerdictKind {
    /// Not judged: too few earlier samples.
    Learning,
    /// Not judged: all earlier samples of the window have the same value.
    Constant,
    /// As expected.
    Normal,
    /// Not as expected.
    Anomaly,
    /// Not as expected, but inside a maintenance window of the series: no alert.
    Maintenance,
}

impl VerdictKind {
    /// All kinds, in the order of their codes in stored memories.
    pub const ALL: [Self; 5] =
        [Self::Learning, Self::Constant, Self::Normal, Self::Anomaly, Self::Maintenance];

    /// Name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Constant => "constant",
            Self::Normal => "normal",
            Self::Anomaly => "anomaly",
            Self::Maintenance => "maintenance",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Output of a detector that has a threshold of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// The value is far from the recent samples and from other days at this time.
    Deviation,
    /// The level has moved.
    Shift,
    /// The values scatter more than usual.
    Variance,
    /// The value does not change any more.
    Flat,
    /// The sample came late after the one before.
    Gap,
    /// No similar value was seen before.
    Novelty,
}

impl Signal {
    /// All signals, in the order of their codes in stored memories.
    pub const ALL: [Self; 6] =
        [Self::Deviation, Self::Shift, Self::Variance, Self::Flat, Self::Gap, Self::Novelty];

    /// Name in answers, metrics and stored members.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deviation => "deviation",
            Self::Shift => "shift",
            Self::Variance => "variance",
            Self::Flat => "flat",
            Self::Gap => "gap",
            Self::Novelty => "novelty",
        }
    }

    /// Inverse of [`Signal::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.as_str() == name)
    }
}

/// Value that a signal expected, and the band of usual values around it.
///
/// The deviation signal reports an anomaly exactly outside its band; other signals also weigh earlier samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// Signal that expects the value.
    pub signal: Signal,
    /// Expected value, in the unit of the samples.
    pub value: f64,
    /// Lower end of the band.
    pub low: f64,
    /// Upper end of the band.
    pub high: f64,
}

impl From<Expectation> for ExpectedRange {
    fn from(expectation: Expectation) -> Self {
        let Expectation { value, low, high, .. } = expectation;
        Self { value, low, high }
    }
}

/// Verdict on one sample, in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Outcome.
    pub kind: VerdictKind,
    /// Distance from the expected value in the detector's own unit, in single precision; 0 if not judged.
    pub score: f64,
    /// Expected value and band; `None` if not judged.
    pub expectation: Option<Expectation>,
}

impl Verdict {
    /// Verdict on a sample that was not judged.
    pub fn unjudged(kind: VerdictKind) -> Self {
        Self { kind, score: 0.0, expectation: None }
    }

    /// Anomaly if `score` is above `threshold`, normal otherwise.
    ///
    /// Rounds the score to single precision, so that a store can keep it in four bytes without changing it.
    pub fn scored(score: f64, threshold: f64, expectation: Expectation) -> Self {
        let score = f64::from(score.min(f64::from(f32::MAX)) as f32);
        let kind = if score > threshold { VerdictKind::Anomaly } else { VerdictKind::Normal };
        Self { kind, score, expectation: Some(expectation) }
    }

    /// An anomaly that only continues, with the score of this sample, which may be below the threshold.
    pub fn continued(score: f64, expectation: Expectation) -> Self {
        Self { kind: VerdictKind::Anomaly, ..Self::scored(score, 0.0, expectation) }
    }

    /// True for an anomaly outside maintenance.
    pub fn is_anomaly(&self) -> bool {
        self.kind == VerdictKind::Anomaly
    }

    /// The signal that raised the anomaly; `None` for any other verdict, and for an anomaly of which only the score is
    /// known.
    pub fn anomaly_signal(&self) -> Option<Signal> {
        self.expectation.filter(|_| self.is_anomaly()).map(|expectation| expectation.signal)
    }

    /// The same verdict inside a maintenance window: an anomaly becomes [`VerdictKind::Maintenance`].
    #[must_use]
    pub fn in_maintenance(self) -> Self {
        let kind = if self.is_anomaly() { VerdictKind::Maintenance } else { self.kind };
        Self { kind, ..self }
    }

    /// Explains the verdict on `value` in one sentence for people: value, band, expected value, score.
    pub fn reason(&self, value: f64) -> String {
        let Some(expectation) = self.expectation else {
            return match self.kind {
                VerdictKind::Learning => "too few samples to judge yet".to_owned(),
                VerdictKind::Constant => "every sample of the window has the same value".to_owned(),
                VerdictKind::Normal | VerdictKind::Anomaly | VerdictKind::Maintenance => {
                    "judged earlier: only the score is stored".to_owned()
                }
            };
        };
        self.comparison(value, expectation.into(), self.explanation(expectation.signal))
    }

    fn comparison(&self, value: f64, range: ExpectedRange, explanation: &str) -> String {
        let ExpectedRange { value: expected, low, high } = range;
        let side = match value {
            value if value > high => "above the band",
            value if value < low => "below the band",
            _ => "within the band",
        };
        format!(
            "{} is {side} {} to {}; {} was expected{explanation} (score {})",
            short(value),
            short(low),
            short(high),
            short(expected),
            short(self.score)
        )
    }

    /// Last part of a reason: the finding of `signal`; empty for a normal sample.
    fn explanation(&self, signal: Signal) -> &'static str {
        match (self.kind, signal) {
            (VerdictKind::Maintenance, _) => "; the series is in maintenance at this time",
            (VerdictKind::Anomaly, Signal::Shift) => "; the level has moved",
            (VerdictKind::Anomaly, Signal::Variance) => "; the values scatter more than before",
            (VerdictKind::Anomaly, Signal::Flat) => {
                "; the value has not changed for longer than ever before"
            }
            (VerdictKind::Anomaly, Signal::Gap) => "; no sample came for a long time before it",
            (VerdictKind::Anomaly, Signal::Novelty) => "; no similar value was seen before",
            _ => "",
        }
    }
}

/// Formats a number for people: four significant digits, or all digits of the integer part.
pub fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-3..1e15).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let n_decimals = match magnitude {
        m if m >= 1000.0 => 0,
        m if m >= 100.0 => 1,
        m if m >= 10.0 => 2,
        _ => 3,
    };
    format!("{value:.n_decimals$}")
}

/// Number that follows from a sample and the one before it, if the sample is one of a counter or of a mean.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Rate {
    /// The sample is one of a gauge: its value is judged.
    #[default]
    NotCounter,
    /// The number is not known, so the sample is not judged: no sample of the counter is known before it, or no observation
    /// of a mean was made since.
    Unknown,
    /// The increase a second since the sample before: it is judged.
    PerSecond(f64),
    /// The mean of the observations since the sample before: it is judged.
    Mean(f64),
}

impl Rate {
    /// The rate a second, if it is known.
    pub fn per_second(self) -> Option<f64> {
        match self {
            Self::PerSecond(rate) => Some(rate),
            Self::NotCounter | Self::Unknown | Self::Mean(_) => None,
        }
    }

    /// The mean of the observations, if it is known.
    pub fn mean(self) -> Option<f64> {
        match self {
            Self::Mean(mean) => Some(mean),
            Self::NotCounter | Self::Unknown | Self::PerSecond(_) => None,
        }
    }

    /// The number, if it is known.
    pub fn number(self) -> Option<f64> {
        self.per_second().or(self.mean())
    }

    /// The number of a sample of this kind; `None` if it is not known.
    pub fn of_number(kind: SampleKind, number: Option<f64>) -> Self {
        match (kind, number) {
            (SampleKind::Gauge, _) => Self::NotCounter,
            (_, None) => Self::Unknown,
            (SampleKind::Counter { .. }, Some(rate)) => Self::PerSecond(rate),
            (SampleKind::Mean(_), Some(mean)) => Self::Mean(mean),
        }
    }
}

/// A sample with its verdict in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The judged sample.
    pub sample: Sample,
    /// Its rate or mean, which the verdict is on, if it is one of a counter or of a mean.
    pub rate: Rate,
    /// Its verdict.
    pub verdict: Verdict,
    /// True if a newer sample had been judged before.
    pub late: bool,
}

impl Judgement {
    /// The number that the verdict is on: the value of a gauge, the rate of a counter or the mean if it is known.
    pub fn judged_value(&self) -> Option<f64> {
        match self.rate {
            Rate::NotCounter => Some(self.sample.value()),
            rate => rate.number(),
        }
    }

    /// Explains the verdict in one sentence for people.
    pub fn reason(&self) -> String {
        match self.rate {
            Rate::NotCounter => self.verdict.reason(self.sample.value()),
            Rate::Unknown if self.sample.kind().is_mean() => {
                "the mean is not known: no earlier sample is, or no observation since".to_owned()
            }
            Rate::Unknown => {
                "the rate is not known: no earlier sample of the counter is".to_owned()
            }
            Rate::PerSecond(number) | Rate::Mean(number) => {
                let reason = self.verdict.reason(number);
                if self.verdict.expectation.is_some() { self.about(&reason) } else { reason }
            }
        }
    }

    /// Explains a verdict of which only the band is stored, in one sentence: `value` is the one that was judged.
    pub fn reason_in_range(&self, value: f64, range: ExpectedRange) -> String {
        self.about(&self.verdict.comparison(value, range, ""))
    }

    /// A reason that begins with the judged value, with the name of that value before it.
    fn about(&self, reason: &str) -> String {
        let what = match self.sample.kind() {
            SampleKind::Gauge => "",
            SampleKind::Counter { .. } => "a rate of ",
            SampleKind::Mean(_) => "a mean of ",
        };
        format!("{what}{reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_names_the_side_of_the_band() {
        let expectation =
            Expectation { signal: Signal::Deviation, value: 420.3, low: 371.2, high: 469.4 };
        let reason = |value| Verdict::scored(6.1, 5.0, expectation).reason(value);
        assert_eq!(
            reason(812.5),
            "812.5 is above the band 371.2 to 469.4; 420.3 was expected (score 6.100)"
        );
        assert!(reason(0.0).starts_with("0.000 is below"));
        assert!(reason(400.0).starts_with("400.0 is within"));
    }

    #[test]
    fn the_reason_of_a_counter_is_about_its_rate() {
        let counter = crate::SampleKind::Counter { started_at_us: None };
        let expectation =
            Expectation { signal: Signal::Deviation, value: 4.0, low: 3.0, high: 5.0 };
        let judgement = |rate, verdict| Judgement {
            sample: Sample::of_kind(7, 9e6, counter).unwrap(),
            rate,
            verdict,
            late: false,
        };
        let judged = judgement(Rate::PerSecond(8.0), Verdict::scored(6.1, 5.0, expectation));
        let sentence =
            "a rate of 8.000 is above the band 3.000 to 5.000; 4.000 was expected (score 6.100)";
        assert_eq!((judged.reason().as_str(), judged.judged_value()), (sentence, Some(8.0)));
        let first = judgement(Rate::Unknown, Verdict::unjudged(VerdictKind::Learning));
        assert!(first.reason().starts_with("the rate is not known"));
        assert_eq!((first.judged_value(), first.judged().judgement()), (None, first));
    }

    #[test]
    fn maintenance_changes_only_anomalies() {
        let expectation =
            Expectation { signal: Signal::Deviation, value: 0.0, low: 0.0, high: 0.0 };
        let maintenance = Verdict::scored(3.0, 2.0, expectation).in_maintenance();
        assert_eq!(
            (maintenance.kind, maintenance.score, maintenance.is_anomaly()),
            (VerdictKind::Maintenance, 3.0, false)
        );
        assert!(maintenance.reason(1.0).contains("; the series is in maintenance at this time"));
        for kind in [VerdictKind::Learning, VerdictKind::Constant, VerdictKind::Normal] {
            assert_eq!(Verdict::unjudged(kind).in_maintenance().kind, kind);
        }
    }

    #[test]
    fn an_anomaly_that_continues_may_score_below_the_threshold() {
        let expectation = Expectation { signal: Signal::Shift, value: 1.0, low: 0.0, high: 2.0 };
        let verdict = Verdict::continued(0.3, expectation);
        assert_eq!((verdict.kind, verdict.score as f32), (VerdictKind::Anomaly, 0.3));
    }

    #[test]
    fn a_score_at_the_threshold_is_normal() {
        let expectation =
            Expectation { signal: Signal::Deviation, value: 0.0, low: 0.0, high: 0.0 };
        assert_eq!(Verdict::scored(2.0, 2.0, expectation).kind, VerdictKind::Normal);
        assert_eq!(Verdict::scored(2.000_001, 2.0, expectation).kind, VerdictKind::Anomaly);
    }
}
