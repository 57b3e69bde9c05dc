//! What is said of a sample: learning, constant, normal, anomaly or maintenance, and why.

use crate::Sample;

/// What can be said of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerdictKind {
    /// Too few samples before it; not judged.
    Learning,
    /// Every sample before it in the window has the same value; not judged.
    Constant,
    /// JudgedSample, and as expected.
    Normal,
    /// JudgedSample, and not as expected.
    Anomaly,
    /// JudgedSample, and not as expected, in a time for which the series is maintenance: no anomaly to be told of.
    Maintenance,
}

impl VerdictKind {
    /// All kinds, in the order of their codes in a memory.
    pub const ALL: [Self; 5] =
        [Self::Learning, Self::Constant, Self::Normal, Self::Anomaly, Self::Maintenance];

    /// The word used in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Constant => "constant",
            Self::Normal => "normal",
            Self::Anomaly => "anomaly",
            Self::Maintenance => "maintenance",
        }
    }
}

/// Which output of a detector spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Far from the last hour and from this time on other days.
    Deviation,
    /// The level has moved.
    Shift,
    /// The values scatter more or less than usual.
    Variance,
    /// The same value again and again.
    Flat,
    /// No sample came for long.
    Gap,
    /// A value never seen before.
    Novelty,
}

impl Signal {
    /// All signals, in the order of their codes in a memory.
    pub const ALL: [Self; 6] =
        [Self::Deviation, Self::Shift, Self::Variance, Self::Flat, Self::Gap, Self::Novelty];

    /// The word used in answers, metrics and stored members.
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

    /// The signal of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.as_str() == name)
    }
}

/// What a signal expected of a sample: a value, and the band of values that are usual.
///
/// A deviation is an anomaly exactly outside its band; other signals also weigh what came before the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// The signal whose expectation it is.
    pub signal: Signal,
    /// The expected value, in the unit of the samples.
    pub value: f64,
    /// Lower end of the band.
    pub low: f64,
    /// Upper end of the band.
    pub high: f64,
}

/// What is said of one sample, in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Which of these things.
    pub kind: VerdictKind,
    /// Distance from the expectation in the detector's own unit, in single precision; 0 when nothing was judged.
    pub score: f64,
    /// What was expected; none when nothing was judged.
    pub expectation: Option<Expectation>,
}

impl Verdict {
    /// A verdict that judges nothing.
    pub fn unjudged(kind: VerdictKind) -> Self {
        Self { kind, score: 0.0, expectation: None }
    }

    /// An anomaly when `score` is above `threshold`, normal otherwise.
    ///
    /// The score is rounded to single precision, so that a store can keep it in few bytes without changing it.
    pub fn scored(score: f64, threshold: f64, expectation: Expectation) -> Self {
        let score = f64::from(score.min(f64::from(f32::MAX)) as f32);
        let kind = if score > threshold { VerdictKind::Anomaly } else { VerdictKind::Normal };
        Self { kind, score, expectation: Some(expectation) }
    }

    /// Whether it is an anomaly.
    pub fn is_anomaly(&self) -> bool {
        self.kind == VerdictKind::Anomaly
    }

    /// The verdict on a sample of a maintenance time: an anomaly is maintenance, all else stays.
    #[must_use]
    pub fn in_maintenance(self) -> Self {
        let kind = if self.is_anomaly() { VerdictKind::Maintenance } else { self.kind };
        Self { kind, ..self }
    }

    /// One sentence for a person: what came, what was expected, how far apart they are.
    pub fn reason(&self, value: f64) -> String {
        let Some(expectation) = self.expectation else {
            return match self.kind {
                VerdictKind::Learning => "too few samples to judge yet".to_owned(),
                VerdictKind::Constant => "every sample of the window has the same value".to_owned(),
                VerdictKind::Normal | VerdictKind::Anomaly | VerdictKind::Maintenance => {
                    "judged earlier; only the score is kept".to_owned()
                }
            };
        };
        let Expectation { value: expected, low, high, .. } = expectation;
        let side = match value {
            value if value > high => "above the band",
            value if value < low => "below the band",
            _ => "within the band",
        };
        let news = match expectation.signal {
            _ if self.kind == VerdictKind::Maintenance => {
                "; the series is maintenance at this time"
            }
            Signal::Shift if self.is_anomaly() => "; the level has moved",
            Signal::Variance if self.is_anomaly() => "; the values scatter as they did not before",
            Signal::Flat if self.is_anomaly() => {
                "; the same value came for longer than ever before"
            }
            Signal::Gap if self.is_anomaly() => "; no sample came for long before it",
            Signal::Novelty if self.is_anomaly() => "; nothing like it was seen before",
            _ => "",
        };
        format!(
            "{} is {side} {} to {}; {} was expected{news} (score {})",
            short(value),
            short(low),
            short(high),
            short(expected),
            short(self.score)
        )
    }
}

/// A number with four significant digits or all of its integer part, for people.
fn short(value: f64) -> String {
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

/// A sample with its verdict, in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// What was judged.
    pub sample: Sample,
    /// What is said of it.
    pub verdict: Verdict,
    /// Whether a newer sample had been judged before it.
    pub late: bool,
}

impl Judgement {
    /// What a window keeps of it.
    pub fn judged(&self) -> JudgedSample {
        JudgedSample {
            sample: self.sample,
            kind: self.verdict.kind,
            score: self.verdict.score as f32,
            late: self.late,
        }
    }
}

/// What a window keeps of a judged sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedSample {
    /// What was judged.
    pub sample: Sample,
    /// Which of these things was said of it.
    pub kind: VerdictKind,
    /// The score it was given, which is a single in any verdict.
    pub score: f32,
    /// Whether a newer sample had been judged before it.
    pub late: bool,
}

impl JudgedSample {
    /// What is known of the judgement: all but signal and band.
    pub fn judgement(&self) -> Judgement {
        let score = f64::from(self.score);
        let verdict = Verdict { kind: self.kind, score, expectation: None };
        Judgement { sample: self.sample, verdict, late: self.late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_says_on_which_side_of_the_band_a_value_lies() {
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
    fn only_an_anomaly_is_in_maintenance() {
        let expectation =
            Expectation { signal: Signal::Deviation, value: 0.0, low: 0.0, high: 0.0 };
        let maintenance = Verdict::scored(3.0, 2.0, expectation).in_maintenance();
        assert_eq!(
            (maintenance.kind, maintenance.score, maintenance.is_anomaly()),
            (VerdictKind::Maintenance, 3.0, false)
        );
        assert!(maintenance.reason(1.0).contains("; the series is maintenance at this time"));
        for kind in [VerdictKind::Learning, VerdictKind::Constant, VerdictKind::Normal] {
            assert_eq!(Verdict::unjudged(kind).in_maintenance().kind, kind);
        }
    }

    #[test]
    fn a_score_at_the_threshold_is_normal() {
        let expectation =
            Expectation { signal: Signal::Deviation, value: 0.0, low: 0.0, high: 0.0 };
        assert_eq!(Verdict::scored(2.0, 2.0, expectation).kind, VerdictKind::Normal);
        assert_eq!(Verdict::scored(2.000_001, 2.0, expectation).kind, VerdictKind::Anomaly);
    }
}
