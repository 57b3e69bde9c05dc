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
mod tests;
