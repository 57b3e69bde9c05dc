//! Serves AWS Lambda invocations.
//!
//! HTTP events of API Gateway (REST or HTTP API), function URLs and load balancers go through the router. Events of
//! queues, streams, buses and topics are for `ingest-stream`. Any other event, such as that of a schedule, makes
//! `analyze` sweep.

mod error;
mod http;
mod malformed;
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

/// Time of an invocation reserved for what follows its work: Lambda kills the process at the deadline.
const WORK_MARGIN: Duration = Duration::from_millis(750);

/// Time of an invocation reserved for sending its answer; totals may be flushed until then.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// Timeout of the last flush: Lambda kills a process half a second after SIGTERM.
const LAST_FLUSH_TIMEOUT: Duration = Duration::from_millis(400);

/// The answer to an invocation.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum InvocationAnswer {
    /// An HTTP response, in the format of the trigger.
    Http(Box<RawValue>),
    /// The outcome of the records of a queue, stream, bus or topic.
    Stream(StreamAnswer),
    /// The result of a sweep.
    Sweep(SweepAnswer),
}

/// Serves invocations until the Lambda runtime ends the process.
///
/// Serves several concurrently if `AWS_LAMBDA_MAX_CONCURRENCY` is set.
pub async fn serve_lambda(app: &App, router: Router) -> Result<(), lambda_runtime::Error> {
    let app = app.clone();
    let serving =
        lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let (app, router) = (app.clone(), router.clone());
            async move { answer_event(&app, router, event).await }
        }));
    // Spawned on a worker of the runtime: the main thread would have to be woken for each reply of the store.
    tokio::spawn(serving).await?
}

/// Answers one invocation.
///
/// Totals, a heartbeat and EMF metrics are written before it returns, since the process may be frozen for ever afterwards.
pub async fn answer_event(
    app: &App,
    router: Router,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<InvocationAnswer, InvocationError> {
    let deadline = deadline(&event.context);
    let request_id = event.context.request_id.clone();
    let is_cold = app.is_first_invocation();
    if is_cold {
        info!(request_id, cold_start = true, function = app.function().name(), "first invocation");
    }
    let answer = answer(app, router, event, before(deadline, WORK_MARGIN)).await;
    flush(app, before(deadline, ANSWER_MARGIN)).await;
    log_metrics(app, &request_id, is_cold);
    answer
}

/// Writes the metrics since the last invocation to the log, in the embedded metric format of CloudWatch.
fn log_metrics(app: &App, request_id: &str, is_cold: bool) {
    let Some(buffer) = app.service().take_emf() else { return };
    let context = EmfContext {
        namespace: &app.config().emf_namespace,
        function: app.function().name(),
        at_us: now_us(),
        properties: vec![("request_id", json!(request_id)), ("cold_start", json!(is_cold))],
    };
    let lines = emf_lines(&buffer, &context);
    // One write, since concurrent invocations may write, too.
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    if let Err(error) = io::stdout().lock().write_all(text.as_bytes()) {
        warn!(%error, "metrics of this invocation lost: standard output is closed");
    }
}

/// Writes totals and a heartbeat to the store, unless that takes until the deadline: the answer has priority.
async fn flush(app: &App, deadline: Option<Instant>) {
    let (service, heartbeat) = (app.service(), app.heartbeat());
    let flushing = async { tokio::join!(service.flush(), heartbeat.send(service)) };
    let Some(deadline) = deadline else {
        flushing.await;
        return;
    };
    if timeout_at(deadline, flushing).await.is_err() {
        warn!("totals of this invocation lost: the store did not answer in time");
    }
}

/// Ends a process between two invocations. Lambda sends SIGTERM only if an extension is registered.
pub(crate) async fn end_lambda(app: &App) {
    let (service, heartbeat) = (app.service(), app.heartbeat());
    let ending = async { tokio::join!(service.flush(), heartbeat.withdraw(service)) };
    if timeout(LAST_FLUSH_TIMEOUT, ending).await.is_err() {
        warn!("heartbeat not withdrawn: the store did not answer in time");
    }
}

async fn answer(
    app: &App,
    router: Router,
    event: LambdaEvent<Box<RawValue>>,
    deadline: Option<Instant>,
) -> Result<InvocationAnswer, InvocationError> {
    let LambdaEvent { payload, context } = event;
    let function = app.function();
    if is_http(&payload) && function != Function::IngestStream {
        let answer = match serde_json::from_str::<LambdaRequest>(payload.get()) {
            Ok(request) => http::answer(router, request, context, deadline).await?,
            Err(_) if names_a_method(&payload) => http::refuse(router).await?,
            Err(source) => return Err(InvocationError::HttpMalformed { source }),
        };
        return Ok(InvocationAnswer::Http(answer));
    }
    let trace_id = context.xray_trace_id.as_deref().and_then(amazon_trace_id).unwrap_or_default();
    let span = info_span!("invocation", request_id = context.request_id, trace_id);
    let answering = async {
        if function == Function::IngestStream {
            stream::store(app, payload.get(), deadline).await.map(InvocationAnswer::Stream)
        } else if function.sweeps() {
            sweep(app, deadline).await
        } else {
            Err(InvocationError::NotHttp { function })
        }
    };
    answering.instrument(span).await
}

/// Sweeps until the deadline; the next sweep continues where this one stops.
async fn sweep(app: &App, deadline: Option<Instant>) -> Result<InvocationAnswer, InvocationError> {
    let sweeping = app.service().sweep();
    let swept = match deadline {
        Some(deadline) => timeout_at(deadline, sweeping)
            .await
            .map_err(|_| InvocationError::DeadlineExceeded)??,
        None => sweeping.await?,
    };
    info!(series = swept.series, failed = swept.failed, "swept");
    Ok(InvocationAnswer::Sweep(swept))
}

/// True if an event is an HTTP request: those of all four triggers have the key `requestContext`.
fn is_http(event: &RawValue) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct HttpKeys {
        request_context: Option<IgnoredAny>,
    }
    serde_json::from_str::<HttpKeys>(event.get()).is_ok_and(|keys| keys.request_context.is_some())
}

/// True if an event is surely that of a client: its trigger has read a method.
fn names_a_method(event: &RawValue) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct MethodKeys {
        http_method: Option<IgnoredAny>,
        request_context: ContextKeys,
    }
    #[derive(Deserialize)]
    struct ContextKeys {
        http: Option<IgnoredAny>,
    }
    serde_json::from_str::<MethodKeys>(event.get())
        .is_ok_and(|keys| keys.http_method.is_some() || keys.request_context.http.is_some())
}

/// The deadline of an invocation; `None` if it is in the past, as some emulators send.
fn deadline(context: &Context) -> Option<Instant> {
    let left_us = context.deadline.checked_mul(1_000)?.checked_sub(now_us() as u64)?;
    Some(Instant::now() + Duration::from_micros(left_us))
}

/// Subtracts a margin from the deadline, in proportion if little time is left.
fn before(deadline: Option<Instant>, margin: Duration) -> Option<Instant> {
    let at = deadline?;
    let left = at.saturating_duration_since(Instant::now());
    // With exactly twice the margins left, work takes half of the time.
    let scale = left.as_secs_f64() / (2.0 * WORK_MARGIN.as_secs_f64());
    Some(at - margin.mul_f64(scale.min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_in_the_past_is_ignored() {
        let mut context = Context::default();
        assert!(deadline(&context).is_none());
        context.deadline = (now_us() / 1_000 + 3_000) as u64;
        let left = deadline(&context).unwrap() - Instant::now();
        assert!(left > Duration::from_secs(2) && left <= Duration::from_secs(3), "{left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn margins_shrink_if_little_time_is_left() {
        for (left_ms, work_ms, answer_ms) in
            [(3_000, 2_250, 2_750), (1_500, 750, 1_250), (600, 300, 500), (0, 0, 0)]
        {
            let now = Instant::now();
            let deadline = Some(now + Duration::from_millis(left_ms));
            for (margin, expected) in [(WORK_MARGIN, work_ms), (ANSWER_MARGIN, answer_ms)] {
                let left = before(deadline, margin).unwrap() - now;
                assert_eq!(left.as_millis(), expected, "{left_ms} {margin:?}");
            }
        }
    }

    #[test]
    fn an_event_without_a_request_context_is_not_http() {
        let is = |json: &str| is_http(serde_json::from_str(json).unwrap());
        assert!(is(r#"{"requestContext":{"elb":{}},"httpMethod":"GET"}"#));
        for other in ["{}", "null", "[]", "1", r#"{"Records":[]}"#, r#"{"requestContext":null}"#] {
            assert!(!is(other), "{other}");
        }
    }
}
