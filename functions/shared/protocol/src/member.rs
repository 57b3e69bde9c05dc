//! Texts of samples and verdicts, the members of sorted sets.
//!
//! `<at_us>:<value>` in an inbox, `<at_us>:<value>:<verdict>:<score>` in a window, followed by signal and band among the
//! anomalies. Floats have their shortest exact form with exponent, so that equal values have equal texts, and members
//! of a window stay within the 64 bytes of Redis' compact encoding.

use domain::{EpisodePhase, EpisodeRecord};
use domain::{Expectation, JudgedSample, Judgement, Sample, Signal, Verdict, VerdictKind};

/// `<at_us>:<value>`.
pub fn of_sample(at_us: i64, value: f64) -> String {
    format!("{at_us}:{}", float(value))
}

/// The shortest text with exponent that reads back as `value`.
pub fn float(value: f64) -> String {
    format!("{value:e}")
}

/// `<at_us>:<value>:<verdict>:<score>`; the verdict is one letter, upper case when late.
pub fn of_judged(judged: &JudgedSample) -> String {
    let letter = letter(judged.kind, judged.late);
    let sample = judged.sample;
    format!("{}:{letter}:{:e}", of_sample(sample.at_us(), sample.value()), judged.score)
}

/// `<at_us>:<value>:<verdict>:<score>:<signal>:<expected>:<low>:<high>`.
pub fn of_anomaly(judgement: &Judgement) -> Option<String> {
    let Expectation { signal, value, low, high } = judgement.verdict.expectation?;
    let judged = of_judged(&judgement.judged());
    Some(format!("{judged}:{}:{value:e}:{low:e}:{high:e}", signal.as_str()))
}

/// `<start_us>:<end_us>:<samples>:<phase>:<peak>`; the peak as among the anomalies, or empty.
pub fn of_episode(record: &EpisodeRecord) -> String {
    let EpisodeRecord { start_us, end_us, n_samples, phase, peak } = record;
    let peak = peak.as_ref().and_then(of_anomaly).unwrap_or_default();
    format!("{start_us}:{end_us}:{n_samples}:{}:{peak}", phase.as_str())
}

/// Reads what [`of_episode`] wrote.
pub fn episode(text: &str) -> Option<EpisodeRecord> {
    let mut parts = text.splitn(5, ':');
    let (start_us, end_us) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let n_samples = parts.next()?.parse().ok()?;
    let phase = EpisodePhase::from_name(parts.next()?)?;
    let peak = match parts.next()? {
        "" => None,
        peak => Some(anomaly(peak)?),
    };
    Some(EpisodeRecord { start_us, end_us, n_samples, phase, peak })
}

/// Reads a member of an inbox.
pub fn sample(member: &str) -> Option<Sample> {
    let (at_us, value) = member.split_once(':')?;
    Sample::new(at_us.parse().ok()?, value.parse().ok()?).ok()
}

/// Reads a member of a window.
pub fn judged(member: &str) -> Option<JudgedSample> {
    let mut parts = member.split(':');
    let sample = Sample::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?).ok()?;
    let (kind, late) = kind(parts.next()?)?;
    let score = parts.next()?.parse().ok().filter(|score: &f32| score.is_finite())?;
    Some(JudgedSample { sample, kind, score, late })
}

/// Reads a member of the anomalies.
pub fn anomaly(member: &str) -> Option<Judgement> {
    let judged = judged(member)?;
    let mut parts = member.split(':').skip(4);
    let signal = Signal::from_name(parts.next()?)?;
    let mut number = || finite(parts.next()?.parse().ok()?);
    let expectation = Expectation { signal, value: number()?, low: number()?, high: number()? };
    let verdict =
        Verdict { kind: judged.kind, score: judged.score.into(), expectation: Some(expectation) };
    Some(Judgement { sample: judged.sample, verdict, late: judged.late })
}

/// A number that is not finite would poison every comparison with it.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

fn letter(kind: VerdictKind, late: bool) -> char {
    let letter = match kind {
        VerdictKind::Learning => 'l',
        VerdictKind::Constant => 'c',
        VerdictKind::Normal => 'n',
        VerdictKind::Anomaly => 'a',
        VerdictKind::Maintenance => 'm',
    };
    if late { letter.to_ascii_uppercase() } else { letter }
}

fn kind(letter: &str) -> Option<(VerdictKind, bool)> {
    let kind = match letter.to_ascii_lowercase().as_str() {
        "l" => VerdictKind::Learning,
        "c" => VerdictKind::Constant,
        "n" => VerdictKind::Normal,
        "a" => VerdictKind::Anomaly,
        "m" => VerdictKind::Maintenance,
        _ => return None,
    };
    Some((kind, letter.starts_with(|c: char| c.is_ascii_uppercase())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::StoredEpisode;

    fn any_judgement() -> impl Strategy<Value = Judgement> {
        let numbers = (
            0i64..=1 << 53,
            -1e15..=1e15_f64,
            any::<f32>().prop_filter("finite", |s| s.is_finite()),
        );
        let band = (any::<f64>(), any::<f64>(), any::<f64>());
        let band = band.prop_filter("finite", |band| (band.0 + band.1 + band.2).is_finite());
        (numbers, 0..VerdictKind::ALL.len(), any::<bool>(), band).prop_map(
            |((at_us, value, score), kind, late, band)| Judgement {
                sample: Sample::new(at_us, value).unwrap(),
                verdict: Verdict {
                    kind: VerdictKind::ALL[kind],
                    score: f64::from(score),
                    expectation: Some(Expectation {
                        signal: Signal::Deviation,
                        value: band.0,
                        low: band.1,
                        high: band.2,
                    }),
                },
                late,
            },
        )
    }

    proptest! {
        #[test]
        fn members_read_back_exactly(judgement in any_judgement()) {
            let all = judgement.sample;
            prop_assert_eq!(sample(&of_sample(all.at_us(), all.value())), Some(all));
            prop_assert_eq!(judged(&of_judged(&judgement.judged())), Some(judgement.judged()));
            prop_assert_eq!(anomaly(&of_anomaly(&judgement).unwrap()), Some(judgement));
        }

        #[test]
        fn episodes_read_back_exactly(peak in prop::option::of(any_judgement()), phase in 0..3_usize) {
            let phase = EpisodePhase::ALL[phase];
            let record = EpisodeRecord { start_us: 7, end_us: 1 << 53, n_samples: 9, phase, peak };
            prop_assert_eq!(episode(&of_episode(&record)), Some(record));
            let stored = StoredEpisode { revision: 1 << 53, notable_version: 1, record };
            prop_assert_eq!(StoredEpisode::from_text(&stored.to_text()), Some(stored));
        }

        #[test]
        fn a_windows_member_stays_within_the_compact_encoding(judgement in any_judgement()) {
            prop_assert!(of_judged(&judgement.judged()).len() <= 64);
        }

        #[test]
        fn other_text_is_not_read(member in "\\PC{0,80}") {
            let _read = (sample(&member), judged(&member), anomaly(&member), StoredEpisode::from_text(&member));
        }
    }
}
