//! Reads what the scripts of series answer.
//!
//! A key may hold what nobody of this project wrote: then that series cannot be read, and the others of the call can.

use redis::Value;

use super::unreadable;
use crate::{
    Appended, Class, Committed, State, StoreError, StoredConfig, Written, member, series_config,
};

/// The time of an answer, and what it says of each of `n` series.
pub(super) fn of_each(answer: Value, n: usize) -> Result<(i64, Vec<Value>), StoreError> {
    let mut answers = array(answer)?;
    if answers.len() != n + 1 {
        return Err(unreadable("answer"));
    }
    let now_us = number(&answers[0])?;
    answers.remove(0);
    Ok((now_us, answers))
}

/// What `append.lua` says of a series with so many samples.
pub(super) fn written(answer: Value, n_samples: usize) -> Result<Written, StoreError> {
    let mut answer = array(answer)?.into_iter();
    match (answer.next(), answer.next()) {
        (Some(version), None) => Ok(Written::Stored { version: number(&version)? }),
        (Some(Value::Array(classes)), Some(state)) => {
            let classes: Option<Vec<Class>> = classes.iter().map(class).collect();
            let classes = classes.filter(|classes| classes.len() == n_samples);
            let classes = classes.ok_or_else(|| unreadable("class"))?;
            let state = if state == Value::Nil { None } else { Some(self::state(state)?) };
            Ok(Written::Appended(Appended { classes, state }))
        }
        _ => Err(unreadable("key")),
    }
}

/// What `commit.lua` says of a series.
pub(super) fn committed(answer: Value) -> Result<Committed, StoreError> {
    let mut answer = array(answer)?.into_iter();
    match (answer.next(), answer.next()) {
        (Some(version), None) => Ok(Committed::Done { version: number(&version)? }),
        (_, Some(now @ Value::Array(_))) => Ok(Committed::Conflict(state(now)?)),
        _ => Err(unreadable("key")),
    }
}

/// What `state` of `series.lua` says: version, whether it was known, memory, window, inbox, configuration.
pub(super) fn state(answer: Value) -> Result<State, StoreError> {
    let parts = <[Value; 6]>::try_from(array(answer)?).map_err(|_| unreadable("key"))?;
    let [version, is_known, memory, window, inbox, config] = parts;
    let window: Option<Vec<_>> =
        array(window)?.iter().map(|it| member::judged(text(it)?)).collect();
    let inbox: Option<Vec<_>> = array(inbox)?.iter().map(|it| member::sample(text(it)?)).collect();
    let memory = match memory {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    Ok(State {
        version: number(&version)?,
        is_known: number(&is_known)? == 1,
        memory,
        window: window.ok_or_else(|| unreadable("window"))?,
        inbox: inbox.ok_or_else(|| unreadable("inbox"))?,
        config: match &config {
            Value::Nil => None,
            config => Some(config_from(config)?),
        },
    })
}

/// A configuration of a later version may name a detector that is not known here: such a series is not judged.
fn config_from(config: &Value) -> Result<StoredConfig, StoreError> {
    text(config).and_then(series_config::from_text).ok_or_else(|| unreadable("configuration"))
}

fn class(answer: &Value) -> Option<Class> {
    let Value::Array(parts) = answer else { return None };
    let parts: Vec<&str> = parts.iter().map(text).collect::<Option<_>>()?;
    match parts[..] {
        ["fresh", at] => Some(Class::Fresh { at_us: at.parse().ok()? }),
        ["duplicate", at, ""] => {
            Some(Class::Duplicate { at_us: at.parse().ok()?, judgement: None })
        }
        ["duplicate", at, judged] => {
            let judgement =
                member::anomaly(judged).or_else(|| Some(member::judged(judged)?.judgement()))?;
            Some(Class::Duplicate { at_us: at.parse().ok()?, judgement: Some(judgement) })
        }
        ["conflict", value] => Some(Class::Conflict { stored: value.parse().ok()? }),
        ["too_old"] => Some(Class::TooOld),
        ["too_many_series"] => Some(Class::TooManySeries),
        ["full"] => Some(Class::Full),
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
        value => text(value).and_then(|it| it.parse().ok()),
    };
    number.ok_or_else(|| unreadable("answer"))
}
