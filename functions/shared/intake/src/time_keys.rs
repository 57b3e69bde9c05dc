//! Recognizes keys that look like a time, but are not read as one.
//!
//! The name decides together with the value: `response_time` holds a duration, `start` may hold a count.

use std::ops::Range;

use crate::scalar::JsonKind;

/// Words of keys that are a time, whatever they hold: no metric of a load is called so.
const TIME_WORDS: [&str; 4] = ["timestamp", "timestamps", "datetime", "unixtime"];

/// First or last words of keys that are a time if their number can be one.
const TIME_EDGES: [&str; 28] = [
    "time",
    "ts",
    "date",
    "day",
    "hour",
    "minute",
    "month",
    "clock",
    "epoch",
    "when",
    "at",
    "t",
    "x",
    "index",
    "start",
    "begin",
    "end",
    "from",
    "to",
    "until",
    "since",
    "created",
    "eventtime",
    "starttime",
    "endtime",
    "logtime",
    "localtime",
    "servertime",
];

/// Words of keys that hold a duration or a total, such as `cpu_time`, however large their number is.
const DURATION_WORDS: [&str; 24] = [
    "cpu",
    "response",
    "request",
    "wait",
    "waiting",
    "processing",
    "process",
    "execution",
    "load",
    "idle",
    "busy",
    "elapsed",
    "total",
    "latency",
    "run",
    "system",
    "user",
    "io",
    "gc",
    "sleep",
    "blocked",
    "queue",
    "sum",
    "bytes",
];

/// Instants in seconds that a number under a key of a time may hold: from 2001 to 2065.
const INSTANT_S: Range<f64> = 1e9..3e9;

/// Units of instants per second: seconds, milliseconds, microseconds, nanoseconds.
const UNITS_PER_S: [f64; 4] = [1.0, 1e3, 1e6, 1e9];

/// True for a key that is not read, but looks like a time.
pub(crate) fn looks_like_time(key: &str, raw: &str) -> bool {
    let kind = JsonKind::of(raw);
    if !matches!(kind, JsonKind::Number | JsonKind::String) {
        return false;
    }
    if kind == JsonKind::String && holds_date(raw) {
        return true;
    }
    let words = words(key);
    let is_among = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let edges = [words.first(), words.last()].into_iter().flatten();
    let may_be_time = edges.into_iter().any(|word| TIME_EDGES.contains(&word.as_str()))
        && !is_among(&DURATION_WORDS);
    is_among(&TIME_WORDS) || (may_be_time && holds_instant(raw))
}

/// True for a number that may be seconds, milliseconds, microseconds or nanoseconds since 1970.
fn holds_instant(raw: &str) -> bool {
    let number: Option<f64> = raw.trim_matches('"').trim_ascii().parse().ok();
    number.is_some_and(|number| UNITS_PER_S.iter().any(|unit| INSTANT_S.contains(&(number / unit))))
}

/// True for a string that begins like `2024-11-20`, `2024/11/20` or `20.11.2024`.
fn holds_date(raw: &str) -> bool {
    let text = raw.trim_start_matches('"').trim_ascii_start();
    let mut parts = text.split(['-', '/', '.']);
    let mut next = || parts.next().map(|part| part.bytes().take_while(u8::is_ascii_digit).count());
    let (first, second, third) = (next(), next(), next());
    matches!((first, second, third), (Some(4), Some(2), Some(2)) | (Some(2), Some(2), Some(4)))
        && text.as_bytes().iter().take(10).filter(|byte| byte.is_ascii_digit()).count() == 8
}

/// Words of a key, in lower case: `eventTime`, `event_time` and `Event-Time` are `event` and `time`.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous = ' ';
    for c in key.chars() {
        let begins = !previous.is_ascii_alphanumeric()
            || (c.is_ascii_uppercase() && !previous.is_ascii_uppercase());
        if c.is_ascii_alphanumeric() {
            if begins {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(c.to_ascii_lowercase());
            }
        }
        previous = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_split_into_words() {
        let cases = [
            ("eventTime", "event time"),
            ("Event-Time", "event time"),
            ("timeUnixNano", "time unix nano"),
            ("UTCTime", "utctime"),
            ("p99", "p99"),
            ("_", ""),
            ("é", ""),
        ];
        for (key, wanted) in cases {
            assert_eq!(words(key).join(" "), wanted, "{key}");
        }
    }
}
