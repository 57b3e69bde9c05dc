//! The Lambda host: what invokes a function, and what it is answered.
//!
//! HTTP comes from API Gateway (REST or HTTP API), a function URL or a load balancer, and goes through the
//! router. Queues, streams, buses and topics are `ingest-stream`'s; whatever else invokes `analyze`, such as a
//! schedule, asks it to look after what waits.

mod error;
mod http;
mod stream;

use std::io::{self, Write};
use std::time::Duration;

use axum::Router;
use lambda_http::Context;
use lambda_http::request::LambdaRequest;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use service::answers::SweepAnswer;
use service::{EmfContext, emf_lines, now_us};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, info, info_span, warn};

use crate::app::App;
use crate::function::Function;
use crate::request_id::amazon_trace_id;

pub use error::InvocationError;
pub use stream::StreamAnswer;

/// Time kept of an invocation for what comes after its work: past the deadline the process is ended.
const WORK_MARGIN: Duration = Duration::from_millis(750);

/// Time kept of an invocation for its answer; until then totals may be written.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// Longest wait for the store at the end: Lambda kills a process half a second after it asked it to end.
const END_TIMEOUT: Duration = Duration::from_millis(400);

/// Serves the Lambda runtime until the runtime ends the process.
///
/// Totals are written before each invocation ends: after it the process may be frozen for good. Several
/// invocations at once are served where `AWS_LAMBDA_MAX_CONCURRENCY` says so.
pub async fn serve_lambda(app: &App, router: Router) -> Result<(), lambda_runtime::Error> {
    let app = app.clone();
    let serving =
        lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let (app, router) = (app.clone(), router.clone());
            async move { answer_event(&app, router, event).await }
        }));
    // By a worker of the runtime: the thread that waits for all of it would be woken for every answer of the store.
    tokio::spawn(serving).await?
}

/// Answers one invocation.
///
/// As its process may be frozen for good after it, totals and, now and then, that this process serves are written to the
/// store, and its metrics into the log, before it ends.
pub async fn answer_event(
    app: &App,
    router: Router,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Answer, InvocationError> {
    let deadline = deadline(&event.context);
    let request_id = event.context.request_id.clone();
    let is_cold = app.is_first_invocation();
    if is_cold {
        info!(request_id, cold_start = true, function = app.function().name(), "first invocation");
    }
    let answer = answer(app, router, event, before(deadline, WORK_MARGIN)).await;
    flush(app, before(deadline, ANSWER_MARGIN)).await;
    tell(app, &request_id, is_cold);
    answer
}

/// Writes what this process did since the last invocation ended into the log, for CloudWatch.
fn tell(app: &App, request_id: &str, is_cold: bool) {
    let Some(buffer) = app.service().take_emf() else { return };
    let context = EmfContext {
        namespace: app.emf_namespace(),
        function: app.function().name(),
        at_us: now_us(),
        properties: vec![("request_id", json!(request_id)), ("cold_start", json!(is_cold))],
    };
    let lines = emf_lines(&buffer, &context);
    // In one piece: other invocations may be writing, too.
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    if let Err(error) = io::stdout().lock().write_all(text.as_bytes()) {
        warn!(%error, "metrics of this invocation lost: standard output is closed");
    }
}

/// Writes the totals and, now and then, that this process serves, if the store takes them in time: the answer matters more.
async fn flush(app: &App, deadline: Option<Instant>) {
    let (service, heartbeat) = (app.service(), app.heartbeat());
    let flushing = async { tokio::join!(service.flush(), heartbeat.tell(service)) };
    let Some(deadline) = deadline else {
        flushing.await;
        return;
    };
    if timeout_at(deadline, flushing).await.is_err() {
        warn!("totals of this invocation lost: the store did not answer in time");
    }
}

/// Ends a process between two invocations, which is told so only where an extension is registered, too.
///
/// All that invocations did has been written; but for a start that no invocation followed, only the lease is left.
pub(crate) async fn end_lambda(app: &App) {
    let (service, heartbeat) = (app.service(), app.heartbeat());
    let ending = async { tokio::join!(service.flush(), heartbeat.leave(service)) };
    if timeout(END_TIMEOUT, ending).await.is_err() {
        warn!("ended without a word to the store");
    }
}

/// What an invocation is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To HTTP, in the shape that its trigger wants.
    Http(Box<RawValue>),
    /// To a queue, a stream, a bus or a topic.
    Stream(StreamAnswer),
    /// To a schedule.
    Swept(SweepAnswer),
}

async fn answer(
    app: &App,
    router: Router,
    event: LambdaEvent<Box<RawValue>>,
    deadline: Option<Instant>,
) -> Result<Answer, InvocationError> {
    let LambdaEvent { payload, context } = event;
    if is_http(&payload) && app.function() != Function::IngestStream {
        let request: LambdaRequest = serde_json::from_str(payload.get())
            .map_err(|source| InvocationError::HttpMalformed { source })?;
        return Ok(Answer::Http(http::answer(router, request, context).await?));
    }
    let function = app.function();
    let trace_id = context.xray_trace_id.as_deref().and_then(amazon_trace_id).unwrap_or_default();
    let span = info_span!("invocation", request_id = context.request_id, trace_id);
    let answering = async {
        if function == Function::IngestStream {
            let answer = stream::store(app, payload.get(), deadline).await?;
            Ok(Answer::Stream(answer))
        } else if function.sweeps() {
            sweep(app, deadline).await
        } else {
            Err(InvocationError::NotHttp { function })
        }
    };
    answering.instrument(span).await
}

/// Looks after what waits; a sweep may be left at any point, and the next one goes on.
async fn sweep(app: &App, deadline: Option<Instant>) -> Result<Answer, InvocationError> {
    let sweeping = app.service().sweep();
    let swept = match deadline {
        Some(deadline) => timeout_at(deadline, sweeping)
            .await
            .map_err(|_| InvocationError::DeadlineExceeded)??,
        None => sweeping.await?,
    };
    info!(series = swept.series, failed = swept.failed, "swept");
    Ok(Answer::Swept(swept))
}

/// Whether an event is a request over HTTP: those of all four triggers have a context of this name.
fn is_http(event: &RawValue) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Keys {
        request_context: Option<IgnoredAny>,
    }
    serde_json::from_str::<Keys>(event.get()).is_ok_and(|it| it.request_context.is_some())
}

/// When an invocation must have been answered; none where that is no time to come, as with some emulators.
fn deadline(context: &Context) -> Option<Instant> {
    let left_us = context.deadline.checked_mul(1_000)?.checked_sub(now_us() as u64)?;
    Some(Instant::now() + Duration::from_micros(left_us))
}

/// A time before another; that one where the clock, which begins with the machine, knows no earlier one.
fn before(deadline: Option<Instant>, margin: Duration) -> Option<Instant> {
    deadline.map(|it| it.checked_sub(margin).unwrap_or(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_has_passed_is_none() {
        let mut context = Context::default();
        assert!(deadline(&context).is_none());
        context.deadline = (now_us() / 1_000 + 3_000) as u64;
        let left = deadline(&context).unwrap() - Instant::now();
        assert!(left > Duration::from_secs(2) && left <= Duration::from_secs(3), "{left:?}");
    }

    #[test]
    fn what_has_no_request_context_is_not_http() {
        let is = |json: &str| is_http(serde_json::from_str(json).unwrap());
        assert!(is(r#"{"requestContext":{"elb":{}},"httpMethod":"GET"}"#));
        for other in ["{}", "null", "[]", "1", r#"{"Records":[]}"#, r#"{"requestContext":null}"#] {
            assert!(!is(other), "{other}");
        }
    }
}
