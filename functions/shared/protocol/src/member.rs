//! Texts of samples and verdicts, the members of sorted sets.
//!
//! `<at_us>:<value>` in an inbox, `<at_us>:<value>:<verdict>:<score>:<band>` in a window; among the anomalies signal and
//! exact band instead of the last. Values have their shortest exact form with exponent, so that equal values have equal
//! texts, and members of a window stay within the 64 bytes of Redis' compact encoding.
//!
//! A sample of a counter has a mark: `+`, and if its sender gave a start, the start in microseconds to the base 36. It
//! follows the value in an inbox (`<at_us>:<value>:<mark>`), and the letter of the verdict in a window
//! (`<at_us>:<value>:<verdict><mark>:<score>`). Among the anomalies the rate comes last.
//!
//! A sum of observations has a mark as well: `+~`, their number to the base 36, and if its sender gave a start, `.` and
//! the number of the start to the base 36. Among the anomalies its mean comes last.

use domain::{EpisodePhase, EpisodeRecord};
use domain::{
    Expectation, JudgedSample, Judgement, ObservationCount, Rate, Sample, SampleKind, Signal,
    StoredBand, Verdict, VerdictKind,
};

/// First character of the mark of a counter.
const COUNTER: char = '+';

/// Second character of the mark of a sum of observations.
const MEAN: char = '~';

/// Separates the number of observations from that of their start.
const START: char = '.';

/// Base of the numbers in a mark: short texts of digits and lower case letters.
const BASE: u32 = 36;

/// Longest member of a window: Redis stores longer ones in several times the memory (`zset-max-listpack-value`).
const JUDGED_LEN_MAX: usize = 64;

/// Characters of a band: so many printable ones, to the base [`BAND_BASE`], exceed [`StoredBand::CODES`].
const BAND_LEN: usize = 4;

/// Printable ASCII without the separator and the mark of a counter, which the scripts search.
const BAND_BASE: u32 = 92;

/// `<at_us>:<value>`, for a counter followed by `:<mark>`.
pub fn of_sample(sample: &Sample) -> String {
    format!("{}:{}", sample.at_us(), of_value(sample.value(), sample.kind()))
}

/// The part of a member of an inbox after its time.
pub fn of_value(value: f64, kind: SampleKind) -> String {
    match mark(kind) {
        mark if mark.is_empty() => float(value),
        mark => format!("{}:{mark}", float(value)),
    }
}

/// Mark of a kind; empty for a gauge.
fn mark(kind: SampleKind) -> String {
    match kind {
        SampleKind::Gauge => String::new(),
        SampleKind::Counter { started_at_us: None } => COUNTER.to_string(),
        SampleKind::Counter { started_at_us: Some(started_at_us) } => {
            format!("{COUNTER}{}", to_base_36(started_at_us.unsigned_abs()))
        }
        SampleKind::Mean(observations) => {
            let count = to_base_36(observations.count());
            match observations.start_number() {
                0 => format!("{COUNTER}{MEAN}{count}"),
                start => format!("{COUNTER}{MEAN}{count}{START}{}", to_base_36(start)),
            }
        }
    }
}

/// Kind of a mark.
fn kind_of(mark: &str) -> Option<SampleKind> {
    if mark.is_empty() {
        return Some(SampleKind::Gauge);
    }
    let mark = mark.strip_prefix(COUNTER)?;
    if let Some(observations) = mark.strip_prefix(MEAN) {
        let (count, start) = observations.split_once(START).unwrap_or((observations, "0"));
        let [count, start] = [count, start].map(of_base_36);
        return ObservationCount::from_parts(count?, start?).map(SampleKind::Mean);
    }
    let started_at_us = match mark {
        "" => None,
        digits => Some(i64::try_from(of_base_36(digits)?).ok()?),
    };
    Some(SampleKind::Counter { started_at_us })
}

fn of_base_36(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    u64::from_str_radix(digits, BASE).ok().filter(|_| is_plain)
}

fn to_base_36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = (number % u64::from(BASE)) as u32;
        digits.push(char::from_digit(digit, BASE).unwrap_or('0'));
        number /= u64::from(BASE);
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// The shortest text with exponent that reads back as `value`.
pub fn float(value: f64) -> String {
    format!("{value:e}")
}

/// `<at_us>:<value>:<verdict>:<score>:<band>`; the verdict is one letter, upper case when late, and the mark of a counter.
///
/// Without the band if there is none, or no room for it.
pub fn of_judged(judged: &JudgedSample) -> String {
    let mut member = without_band(judged);
    if let Some(band) = judged.band().filter(|_| has_room(&member)) {
        member.push(':');
        push_band(&mut member, band);
    }
    member
}

/// A judged sample as its member reads back: without its band if the member has no room for it.
pub fn as_stored(judged: JudgedSample) -> JudgedSample {
    // Of the others the longest has room.
    let may_be_long = matches!(
        judged.sample.kind(),
        SampleKind::Counter { started_at_us: Some(_) } | SampleKind::Mean(_)
    );
    if may_be_long && !has_room(&without_band(&judged)) {
        return judged.with_band(None);
    }
    judged
}

fn has_room(member: &str) -> bool {
    member.len() + 1 + BAND_LEN <= JUDGED_LEN_MAX
}

/// `<at_us>:<value>:<verdict>:<score>`.
fn without_band(judged: &JudgedSample) -> String {
    let (sample, letter) = (judged.sample, letter(judged.kind(), judged.late()));
    let (value, mark) = (float(sample.value()), mark(sample.kind()));
    format!("{}:{value}:{letter}{mark}:{}", sample.at_us(), score(judged.score))
}

/// The shortest text that reads back as a score: that of most has no exponent, and no zero in front.
fn score(score: f32) -> String {
    if score != 0.0 && !(1e-3..1e7).contains(&score.abs()) {
        return format!("{score:e}");
    }
    let text = score.to_string();
    text.strip_prefix("0.").map_or(text.clone(), |fraction| format!(".{fraction}"))
}

fn push_band(member: &mut String, band: StoredBand) {
    let mut code = band.code();
    for _ in 0..BAND_LEN {
        member.push(band_character(code % BAND_BASE));
        code /= BAND_BASE;
    }
}

/// Characters from `!` to `~`, without `+` and `:`.
fn band_character(digit: u32) -> char {
    let code = digit as u8 + b'!';
    let code = code + u8::from(code >= b'+');
    char::from(code + u8::from(code >= b':'))
}

/// Reads what [`push_band`] wrote.
fn band(text: &str) -> Option<StoredBand> {
    let digit = |character: u8| -> Option<u32> {
        let is_digit = matches!(character, b'!'..=b'~') && !matches!(character, b'+' | b':');
        let n_skipped = u8::from(character > b'+') + u8::from(character > b':');
        is_digit.then(|| u32::from(character - n_skipped - b'!'))
    };
    if text.len() != BAND_LEN {
        return None;
    }
    let code = text
        .bytes()
        .rev()
        .try_fold(0, |code, character| Some(code * BAND_BASE + digit(character)?));
    StoredBand::from_code(code?)
}

/// `<at_us>:<value>:<verdict>:<score>:<signal>:<expected>:<low>:<high>`, for a counter followed by `:<rate>`.
pub fn of_anomaly(judgement: &Judgement) -> Option<String> {
    let Expectation { signal, value, low, high } = judgement.verdict.expectation?;
    let judged = without_band(&judgement.judged());
    let rate = judgement.rate.number().map(|rate| format!(":{rate:e}")).unwrap_or_default();
    Some(format!("{judged}:{}:{value:e}:{low:e}:{high:e}{rate}", signal.as_str()))
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
    let (value, mark) = value.split_once(':').unwrap_or((value, ""));
    Sample::of_kind(at_us.parse().ok()?, value.parse().ok()?, kind_of(mark)?).ok()
}

/// Reads a member of a window.
pub fn judged(member: &str) -> Option<JudgedSample> {
    let mut parts = member.split(':');
    let (at_us, value) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let (letter, mark) = parts.next()?.split_at_checked(1)?;
    let sample = Sample::of_kind(at_us, value, kind_of(mark)?).ok()?;
    let (kind, late) = kind(letter)?;
    let score = parts.next()?.parse().ok().filter(|score: &f32| score.is_finite())?;
    // Members of earlier versions have no band, and later versions may add more.
    let band = parts.next().and_then(band);
    Some(JudgedSample::new(sample, kind, score, late).with_band(band))
}

/// Reads a member of the anomalies.
pub fn anomaly(member: &str) -> Option<Judgement> {
    let judged = judged(member)?;
    let mut parts = member.split(':').skip(4);
    let signal = Signal::from_name(parts.next()?)?;
    let mut number = || finite(parts.next()?.parse().ok()?);
    let (value, low, high) = (number()?, number()?, number()?);
    let expectation = Some(Expectation { signal, value, low, high });
    let verdict = Verdict { kind: judged.kind(), score: judged.score.into(), expectation };
    let unknown = judged.judgement();
    let rate = match parts.next() {
        Some(rate) => Rate::of_number(judged.sample.kind(), Some(finite(rate.parse().ok()?)?)),
        None => unknown.rate,
    };
    Some(Judgement { rate, verdict, ..unknown })
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
                rate: Rate::NotCounter,
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

    /// The same judgement of a counter.
    fn of_counter(judgement: Judgement, started_at_us: Option<i64>, rate: f64) -> Judgement {
        let (at_us, total) = (judgement.sample.at_us(), judgement.sample.value().abs());
        let kind = SampleKind::Counter { started_at_us };
        let sample = Sample::of_kind(at_us, total, kind).unwrap();
        Judgement { sample, rate: Rate::PerSecond(rate), ..judgement }
    }

    #[test]
    fn a_counter_has_a_mark_with_its_start() {
        let counter = |started_at_us| SampleKind::Counter { started_at_us };
        let member = |kind| of_sample(&Sample::of_kind(7, 12.5, kind).unwrap());
        assert_eq!(member(SampleKind::Gauge), "7:1.25e1");
        assert_eq!(member(counter(None)), "7:1.25e1:+");
        assert_eq!(member(counter(Some(36 * 36 + 35))), "7:1.25e1:+10z");
        for other in
            ["7:1e0:", "7:1e0:-", "7:1e0:+-1", "7:1e0:++1", "7:1e0:+é", "7:1e0:+1:", "7:1:n"]
        {
            assert_eq!(sample(other).filter(Sample::is_counter), None, "{other}");
        }
    }

    #[test]
    fn a_sum_of_observations_has_a_mark_with_their_number() {
        let kind =
            |count, start| SampleKind::Mean(ObservationCount::from_parts(count, start).unwrap());
        let member = |kind| of_sample(&Sample::of_kind(7, -12.5, kind).unwrap());
        assert_eq!(member(kind(36, 0)), "7:-1.25e1:+~10");
        assert_eq!(member(kind(0, 37)), "7:-1.25e1:+~0.11");
        for other in
            ["7:1e0:+~", "7:1e0:+~.", "7:1e0:+~1.", "7:1e0:+~-1", "7:1e0:+~1.zz", "7:1e0:~1"]
        {
            assert_eq!(sample(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn members_of_means_read_back_exactly(
            judgement in any_judgement(),
            count in 0..1_u64 << 53,
            start in 0..512_u64,
            mean in -1e15..1e15_f64,
        ) {
            let kind = SampleKind::Mean(ObservationCount::from_parts(count, start).unwrap());
            let (at_us, sum) = (judgement.sample.at_us(), judgement.sample.value());
            let sample_of_mean = Sample::of_kind(at_us, sum, kind).unwrap();
            let counted = Judgement { sample: sample_of_mean, rate: Rate::Mean(mean), ..judgement };
            prop_assert_eq!(sample(&of_sample(&counted.sample)), Some(counted.sample));
            prop_assert_eq!(judged(&of_judged(&counted.judged())), Some(counted.judged()));
            prop_assert_eq!(anomaly(&of_anomaly(&counted).unwrap()), Some(counted));
            let unknown = Judgement { rate: Rate::Unknown, ..counted };
            prop_assert_eq!(anomaly(&of_anomaly(&unknown).unwrap()), Some(unknown));
        }

        #[test]
        fn members_of_counters_read_back_exactly(
            judgement in any_judgement(),
            started_at_us in prop::option::of(0i64..=1 << 53),
            rate in 0.0..1e15_f64,
        ) {
            let counted = of_counter(judgement, started_at_us, rate);
            prop_assert_eq!(sample(&of_sample(&counted.sample)), Some(counted.sample));
            prop_assert_eq!(judged(&of_judged(&counted.judged())), Some(as_stored(counted.judged())));
            prop_assert_eq!(anomaly(&of_anomaly(&counted).unwrap()), Some(counted));
            let unknown = Judgement { rate: Rate::Unknown, ..counted };
            prop_assert_eq!(anomaly(&of_anomaly(&unknown).unwrap()), Some(unknown));
        }

        #[test]
        fn a_windows_member_of_a_whole_total_stays_within_the_compact_encoding(
            at_us in 0i64..=1 << 53,
            total in 0i64..=1 << 53,
            // Until 2085, ten digits.
            started_at_us in 0i64..3_656_158_440_062_976,
            score in 0.0..f32::MAX,
        ) {
            let kind = SampleKind::Counter { started_at_us: Some(started_at_us) };
            let sample = Sample::of_kind(at_us, total as f64, kind).unwrap();
            let counted = JudgedSample::new(sample, VerdictKind::Normal, score, false)
                .with_band(StoredBand::from_code(StoredBand::CODES - 1));
            let member = of_judged(&counted);
            prop_assert!(member.len() <= 64, "{member}");
            prop_assert_eq!(judged(&member), Some(as_stored(counted)));
        }

        #[test]
        fn members_read_back_exactly(judgement in any_judgement()) {
            let all = judgement.sample;
            prop_assert_eq!(sample(&of_sample(&all)), Some(all));
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
            let judged = judgement.judged();
            prop_assert!(of_judged(&judged).len() <= 64);
            prop_assert_eq!(as_stored(judged), judged);
        }

        #[test]
        fn other_text_is_not_read(member in "\\PC{0,80}") {
            let _read = (sample(&member), judged(&member), anomaly(&member), StoredEpisode::from_text(&member));
        }
    }
}
