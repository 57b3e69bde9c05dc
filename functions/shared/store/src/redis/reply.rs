//! Parses the replies of the scripts on series.
//!
//! A key may hold what another program wrote: then that series is unreadable, and the others of the call are not.

use detector::counter;
use protocol::member;
use redis::Value;

use crate::{
    AppendOutcome, ClassifiedSamples, CommitOutcome, SampleClass, SeriesState, SeriesSummary,
    StoreError, StoredConfig,
};

pub(super) fn unreadable(what: &'static str) -> StoreError {
    StoreError::Unreadable { what }
}

/// Reply of a call of a script.
pub(super) struct CallReply {
    /// Server time in Unix microseconds.
    pub(super) now_us: i64,
    /// Samples that the shard ever accepted, if this call added some.
    pub(super) n_accepted: Option<u64>,
    /// The reply for each series.
    pub(super) by_series: Vec<Value>,
}

/// Reads the reply of a call for `n` series.
pub(super) fn of_call(reply: Value, n: usize) -> Result<CallReply, StoreError> {
    let mut replies = array(reply)?.into_iter();
    let (Some(now), Some(n_accepted)) = (replies.next(), replies.next()) else {
        return Err(unreadable("answer"));
    };
    let by_series: Vec<Value> = replies.collect();
    if by_series.len() != n {
        return Err(unreadable("answer"));
    }
    let n_accepted = text(&n_accepted).and_then(|text| text.parse().ok());
    Ok(CallReply { now_us: number(&now)?, n_accepted, by_series })
}

/// Reply of `append.lua` for a series with `n_samples` samples.
pub(super) fn append_outcome(reply: Value, n_samples: usize) -> Result<AppendOutcome, StoreError> {
    let mut parts = array(reply)?.into_iter();
    match (parts.next(), parts.next()) {
        (Some(version), None) => Ok(AppendOutcome::Committed { version: number(&version)? }),
        (Some(Value::Array(classes)), Some(state)) => {
            let classes: Option<Vec<SampleClass>> = classes.iter().map(class).collect();
            let classes = classes.filter(|classes| classes.len() == n_samples);
            let classes = classes.ok_or_else(|| unreadable("class"))?;
            let state = if state == Value::Nil { None } else { Some(self::state(state)?) };
            Ok(AppendOutcome::Classified(ClassifiedSamples { classes, state }))
        }
        (Some(Value::Nil), Some(now @ Value::Array(_))) => Ok(AppendOutcome::Refused(state(now)?)),
        _ => Err(unreadable("key")),
    }
}

/// Reply of `commit.lua` for a series.
pub(super) fn commit_outcome(reply: Value) -> Result<CommitOutcome, StoreError> {
    let mut parts = array(reply)?.into_iter();
    match (parts.next(), parts.next()) {
        (Some(version), None) => Ok(CommitOutcome::Committed { version: number(&version)? }),
        (_, Some(now @ Value::Array(_))) => Ok(CommitOutcome::Conflict(state(now)?)),
        _ => Err(unreadable("key")),
    }
}

/// Reply of `state` in `series.lua`: version, whether it is cached, memory, window, inbox, configuration.
pub(super) fn state(reply: Value) -> Result<SeriesState, StoreError> {
    let parts = <[Value; 6]>::try_from(array(reply)?).map_err(|_| unreadable("key"))?;
    let [version, is_cached, memory, window, inbox, config] = parts;
    let window: Option<Vec<_>> =
        array(window)?.iter().map(|judged| member::judged(text(judged)?)).collect();
    let inbox: Option<Vec<_>> =
        array(inbox)?.iter().map(|sample| member::sample(text(sample)?)).collect();
    let memory = match memory {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    Ok(SeriesState {
        version: number(&version)?,
        is_cached: number(&is_cached)? == 1,
        memory,
        window: window.ok_or_else(|| unreadable("window"))?,
        inbox: inbox.ok_or_else(|| unreadable("inbox"))?,
        config: match &config {
            Value::Nil => None,
            config => Some(stored_config(config)?),
        },
    })
}

/// Replies of `GET memory` and `ZCARD anomalies`.
pub(super) fn summary(replies: &[Value]) -> Result<SeriesSummary, StoreError> {
    let [memory, n_anomalies] = replies else { return Err(unreadable("summary")) };
    let unreadable = |_| unreadable("summary");
    Ok(SeriesSummary {
        memory: redis::from_redis_value_ref(memory).map_err(unreadable)?,
        n_anomalies: redis::from_redis_value_ref(n_anomalies).map_err(unreadable)?,
    })
}

/// Fails for a detector that only a later version has: then this version does not judge the series.
fn stored_config(config: &Value) -> Result<StoredConfig, StoreError> {
    text(config).and_then(StoredConfig::from_text).ok_or_else(|| unreadable("configuration"))
}

fn class(reply: &Value) -> Option<SampleClass> {
    let Value::Array(parts) = reply else { return None };
    let parts: Vec<&str> = parts.iter().map(text).collect::<Option<_>>()?;
    match parts[..] {
        ["fresh", at] => Some(SampleClass::Fresh { at_us: at.parse().ok()? }),
        ["duplicate", at, ""] => {
            Some(SampleClass::Duplicate { at_us: at.parse().ok()?, judgement: None })
        }
        ["duplicate", at, judged, before] => {
            let judged = member::judged(judged)?;
            let before = member::judged(before).map(|before| before.sample);
            let judgement = Some(counter::judgement(before, &judged));
            Some(SampleClass::Duplicate { at_us: at.parse().ok()?, judgement })
        }
        ["duplicate", at, judged] => {
            let judgement =
                member::anomaly(judged).or_else(|| Some(member::judged(judged)?.judgement()))?;
            Some(SampleClass::Duplicate { at_us: at.parse().ok()?, judgement: Some(judgement) })
        }
        ["conflict", value] => Some(SampleClass::Conflict { stored: value.parse().ok()? }),
        ["too_old"] => Some(SampleClass::TooOld),
        ["too_many_series"] => Some(SampleClass::TooManySeries),
        ["full"] => Some(SampleClass::Full),
        _ => None,
    }
}

fn array(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(unreadable("key")),
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

fn number(value: &Value) -> Result<i64, StoreError> {
    let number = match value {
        Value::Int(number) => Some(*number),
        value => text(value).and_then(|text| text.parse().ok()),
    };
    number.ok_or_else(|| unreadable("answer"))
}
