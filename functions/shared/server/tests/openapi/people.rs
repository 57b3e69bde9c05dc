//! The operations of explanations and feedback.

use serde_json::{Value, json};

use crate::operations::{Operation, READ, SERIES, problem_content, schema, time_schema};

const FEEDBACK: Option<&str> = Some("feedback");

pub(crate) fn explain() -> Value {
    Operation::new("explain", "analyze", READ, "Explain a sample of a series")
        .description(
            "In numbers, and in `sentences`: value, expected value and band, signals, usual values, learning, the parameter \
             that would silence it, similar series, and the last change of the configuration. Season, recent level and the \
             signals of the newest sample are by the state now.",
        )
        .parameters(&SERIES)
        .parameters(&["Timestamp"])
        .answer(200, "The explanation.", "ExplainAnswer")
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

pub(crate) fn list_feedback() -> Value {
    Operation::new("listFeedback", "analyze", READ, "List feedback")
        .description(
            "With `metric`: that of one series. Otherwise that of all series, page by page; `limit` counts series, so a page \
             may be empty although `next` is not null.",
        )
        .parameters(&["Source"])
        .parameter(json!({
            "name": "metric", "in": "query",
            "description": "Metric of the series; required with `source` or `label`.",
            "schema": schema("Name")
        }))
        .parameters(&["Label", "Cursor"])
        .parameter(json!({
            "name": "limit", "in": "query", "description": "Most series of a page.",
            "schema": { "type": "integer", "minimum": 1, "maximum": 100, "default": 100 }
        }))
        .answer(200, "A page.", "FeedbackPage")
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

pub(crate) fn give_feedback() -> Value {
    let mut operation = Operation::new("giveFeedback", "analyze", FEEDBACK, "Answer to verdicts")
        .description(
            "A false alarm raises the threshold of the signals that raised the alarm, a missed anomaly lowers that of the \
             signal nearest to one, `right` halves the effect of earlier answers. A threshold is at most doubled or halved, \
             and the effect halves every three weeks. Applies to every sample judged after the answer, on all replicas. \
             Repeating an answer changes nothing; another verdict about the same times replaces it. A series stores the \
             newest 100.",
        )
        .answer(200, "The stored answers.", "FeedbackPage")
        .problems(&[400, 401, 403, 404, 413, 415, 429, 503])
        .response(
            422,
            "A field is unknown or invalid, or no anomaly is stored at this time; `detail` has the reason.",
            &[],
            problem_content(),
        );
    operation.0["requestBody"] = json!({
        "required": true,
        "description": "At most 64 KiB; may be compressed. Unknown fields are rejected.",
        "content": { "application/json": { "schema": schema("FeedbackRequest") } }
    });
    operation.0
}

pub(crate) fn withdraw_feedback() -> Value {
    Operation::new("withdrawFeedback", "analyze", FEEDBACK, "Remove feedback")
        .description(
            "Removes the answers of a series that include `timestamp`, or all of them, and their effect. Succeeds also \
             if there are none.",
        )
        .parameters(&SERIES)
        .parameter(json!({
            "name": "timestamp", "in": "query",
            "description": "Time that the removed answers include, as in samples; by default all are removed.",
            "schema": time_schema()
        }))
        .response(204, "The answers are removed.", &[], Value::Null)
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}
