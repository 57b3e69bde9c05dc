//! The operations of alerts.

use serde_json::{Value, json};

use crate::operations::{Operation, READ, problem_content};

pub(crate) fn list() -> Value {
    Operation::new("listAlerts", "analyze", READ, "List alerts, firing ones first")
        .description(
            "An episode is pending until it meets the policy of its series, fires, and is resolved a while after its end. \
             Resolved alerts are listed for seven hours. At most 1,000 series.",
        )
        .answer(200, "The alerts.", "AlertsAnswer")
        .tagged()
        .example(json!({
            "notifies": true, "truncated": false,
            "alerts": [{
                "id": "5f0c1b8d0d5a4f6f9d7f3a6d2b1c0e4f", "source": "checkout", "metric": "rps", "labels": {},
                "phase": "firing", "severity": "warning", "revision": 1, "starts_at": 1_731_974_400_000_i64,
                "changed_at": 1_731_974_401_000_i64, "samples": 3, "signal": "deviation", "score": 5.988,
                "value": 2481.0, "expected": 972.1,
                "reason": "2481 is above the band 341.9 to 1602; 972.1 was expected (score 5.988)",
                "deliveries": { "ops": { "revision": 1, "failures": 0, "given_up": 0 } }
            }]
        }))
        .problems(&[401, 403, 429, 503])
        .0
}

pub(crate) fn preview() -> Value {
    Operation::new("previewAlerts", "analyze", READ, "Try a policy of alerts on the stored past")
        .description(
            "Counts the alerts that the policy would have made of the stored episodes of the 200 series with the most \
             anomalies. Nothing is changed or sent.",
        )
        .body("PreviewRequest", "At most 64 KiB; may be compressed. Unknown fields are rejected.")
        .answer(200, "The counts.", "PreviewAnswer")
        .example(json!({
            "policy": "direction=below,samples=3/5", "days": 7, "series_read": 1, "truncated": false, "episodes": 9,
            "alerts": 2, "alerts_per_week": 2.0,
            "series": [{ "source": "checkout", "metric": "rps", "labels": {}, "episodes": 9, "alerts": 2 }]
        }))
        .problems(&[400, 401, 403, 413, 415, 429, 503])
        .response(
            422,
            "A field is unknown, or its value is invalid; `detail` has the name and what is expected.",
            &[],
            problem_content(),
        )
        .0
}
