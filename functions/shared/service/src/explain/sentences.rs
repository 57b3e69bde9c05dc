//! The sentences of an explanation, as a colleague would write them. Units are ASCII, times are UTC.

use domain::{Judgement, Rate, VerdictKind, verdict::short};

use crate::answers::{ExplainAnswer, SignalAnswer, SimilarSeries};
use crate::utc::rfc3339;

/// Similar series that a sentence names; the others are counted.
const NAMED_MAX: usize = 3;

/// Adaptive factor from which a sentence mentions it.
const FACTOR_NOTABLE: f64 = 1.05;

/// The sentences of an answer, whose own are still empty.
pub(super) fn of(answer: &ExplainAnswer, judgement: &Judgement, is_newest: bool) -> Vec<String> {
    let mut sentences = vec![value(answer, judgement), expected(answer, judgement)];
    sentences.extend(signals(answer, judgement, is_newest));
    sentences.extend(usual(answer));
    sentences.push(learning(answer));
    sentences.extend(adaptive(answer));
    sentences.extend(feedback(answer));
    sentences.extend(silence(answer));
    sentences.push(similar(&answer.similar, &answer.series.source));
    sentences.push(config(answer));
    sentences
}

fn value(answer: &ExplainAnswer, judgement: &Judgement) -> String {
    let value = short(judgement.judged_value().unwrap_or(judgement.sample.value()));
    let value = match judgement.rate {
        Rate::NotCounter => value,
        Rate::Mean(_) => format!("a mean of {value}"),
        Rate::PerSecond(_) => format!("{value} a second"),
        Rate::Unknown => format!("a total of {value}"),
    };
    let time = rfc3339(judgement.sample.at_us());
    let late = if judgement.late { ", which arrived late" } else { "" };
    format!("At {time} {} of {} was {value}{late}.", answer.series.metric, answer.series.source)
}

fn expected(answer: &ExplainAnswer, judgement: &Judgement) -> String {
    let verdict = &judgement.verdict;
    let Some((expected, [low, high])) = answer.sample.expected.zip(answer.sample.band) else {
        return match verdict.kind {
            _ if judgement.rate == Rate::Unknown && judgement.sample.kind().is_mean() => {
                "It was not judged: no earlier sample is known, or there was no observation since."
                    .to_owned()
            }
            _ if judgement.rate == Rate::Unknown => {
                "It was not judged: no earlier sample of the counter is known.".to_owned()
            }
            VerdictKind::Learning => {
                "It was not judged: too few samples came before it.".to_owned()
            }
            VerdictKind::Constant => {
                "It was not judged: all samples before it had the same value.".to_owned()
            }
            kind => format!(
                "It was judged {}, with a score of {}; the value expected then is no longer stored.",
                kind.as_str(),
                short(verdict.score)
            ),
        };
    };
    let value = judgement.judged_value().unwrap_or(judgement.sample.value());
    let side = match value {
        value if value > high => format!("{} above that range", short(value - high)),
        value if value < low => format!("{} below that range", short(low - value)),
        _ => "within that range".to_owned(),
    };
    format!(
        "{} was expected, and {} to {} was usual: the value is {side}.",
        short(expected),
        short(low),
        short(high)
    )
}

fn signals(answer: &ExplainAnswer, judgement: &Judgement, is_newest: bool) -> Option<String> {
    let verdict = &judgement.verdict;
    let signal = verdict.expectation?.signal.as_str();
    let judged = answer.signals.iter().find(|score| score.signal == signal);
    let share = judged.map(|judged| short(judged.score / judged.threshold)).unwrap_or_default();
    match verdict.kind {
        VerdictKind::Anomaly if answer.silence.is_none() => {
            Some(format!("An anomaly of the signal `{signal}` that began earlier continues."))
        }
        VerdictKind::Anomaly => Some(format!(
            "The signal `{signal}` raised the alarm: it reached {share} times its threshold."
        )),
        VerdictKind::Maintenance => Some(format!(
            "The signal `{signal}` would have alarmed, but the series was in maintenance."
        )),
        _ if is_newest => nearest(&answer.signals),
        _ => None,
    }
}

fn nearest(signals: &[SignalAnswer]) -> Option<String> {
    let share = |signal: &SignalAnswer| signal.score / signal.threshold;
    let nearest = signals.iter().max_by(|a, b| share(a).total_cmp(&share(b)))?;
    let share = short(share(nearest));
    Some(format!(
        "The signal nearest to an alarm is `{}`: {share} of its threshold.",
        nearest.signal
    ))
}

fn usual(answer: &ExplainAnswer) -> Option<String> {
    let season = answer.season.map(|season| {
        let (value, deviation) = (short(season.value), short(season.deviation));
        format!("at this time of the day or week {value} is usual, give or take {deviation}")
    });
    let recent = answer.recent.map(|recent| {
        let (value, deviation) = (short(recent.value), short(recent.deviation));
        format!("the samples just before had a level of {value}, give or take {deviation}")
    });
    let text = match (season, recent) {
        (Some(season), Some(recent)) => format!("{season}; {recent}"),
        (season, recent) => season.or(recent)?,
    };
    Some(format!("By what is known now, {text}."))
}

fn learning(answer: &ExplainAnswer) -> String {
    let learning = &answer.learning;
    if !learning.ready {
        let (seen, needed) = (learning.seen, learning.needed);
        return format!("The series is still learning: {seen} of {needed} samples.");
    }
    let n = answer.judged_count;
    match answer.false_alarms_per_day {
        Some(budget) => format!(
            "The series has learned from {n} samples; {} false alarms a day are accepted.",
            short(budget)
        ),
        None => format!("The series has learned from {n} samples."),
    }
}

fn adaptive(answer: &ExplainAnswer) -> Option<String> {
    let notable = answer.signals.iter().filter(|signal| signal.adaptive_factor >= FACTOR_NOTABLE);
    let raised: Vec<String> = notable
        .map(|signal| format!("`{}` to {} times", signal.signal, short(signal.adaptive_factor)))
        .collect();
    (!raised.is_empty()).then(|| {
        let raised = raised.join(", ");
        format!("To keep that number, the series has raised thresholds: {raised} the usual one.")
    })
}

fn feedback(answer: &ExplainAnswer) -> Option<String> {
    let moved = |signal: &&SignalAnswer| {
        !(FACTOR_NOTABLE.recip()..FACTOR_NOTABLE).contains(&signal.feedback_factor)
    };
    let moved: Vec<String> = answer
        .signals
        .iter()
        .filter(moved)
        .map(|signal| format!("`{}` to {} times", signal.signal, short(signal.feedback_factor)))
        .collect();
    let given = answer.feedback.last().map(|given| match given.verdict {
        "false_alarm" => "This was answered to be a false alarm",
        "missed" => "This was answered to be a missed anomaly",
        _ => "This was answered to be right",
    });
    let moved = moved.join(", ");
    match (given, moved.as_str()) {
        (None, "") => None,
        (Some(given), "") => Some(format!("{given}.")),
        (Some(given), moved) => Some(format!("{given}; feedback moved thresholds: {moved}.")),
        (None, moved) => Some(format!("Feedback of people moved thresholds: {moved}.")),
    }
}

fn silence(answer: &ExplainAnswer) -> Option<String> {
    let silence = answer.silence?;
    let (parameter, now) = (silence.parameter, short(silence.now));
    Some(match silence.needed {
        Some(needed) => format!(
            "No alarm would have been raised with `{parameter}={}`; it is {now}.",
            short(needed)
        ),
        None => format!("No value of `{parameter}` would have prevented the alarm; it is {now}."),
    })
}

fn similar(similar: &[SimilarSeries], source: &str) -> String {
    if similar.is_empty() {
        return format!("No other series of {source} is known to have been anomalous then.");
    }
    let metrics: Vec<&str> =
        similar.iter().take(NAMED_MAX).map(|other| other.series.metric.as_str()).collect();
    let more = match similar.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("Of {source} these were anomalous at the same time: {}{more}.", metrics.join(", "))
}

fn config(answer: &ExplainAnswer) -> String {
    match answer.config.changed {
        Some(changed_us) => {
            format!("The configuration of the series changed last at {}.", rfc3339(changed_us))
        }
        None => "The series follows the configuration of the deployment.".to_owned(),
    }
}
