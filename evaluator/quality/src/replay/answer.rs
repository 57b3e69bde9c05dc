//! Parses the answers of `ingest` strictly: an unknown verdict is an error, not a normal sample.

use domain::VerdictKind;
use serde::{Deserialize, Deserializer, de};

/// The answer to one request.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct IngestResponse {
    /// Samples that are new in the store.
    pub(super) accepted: u64,
    /// Accepted samples that are older than a judged one.
    #[serde(default)]
    pub(super) late: u64,
    /// Samples that were in the store already.
    #[serde(default)]
    pub(super) duplicates: u64,
    /// Samples that are older than the window.
    #[serde(default)]
    pub(super) too_old: u64,
    /// Refused samples.
    #[serde(default)]
    pub(super) rejected: Vec<Rejected>,
    /// Verdicts on the samples.
    #[serde(default)]
    pub(super) verdicts: Vec<ReplayedSample>,
}

/// A refused sample.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Rejected {
    /// Code of the reason, of a bounded set.
    pub(super) code: String,
}

/// The answer to one sample.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ReplayedSample {
    /// Unix milliseconds, possibly with a fraction.
    timestamp: f64,
    /// The sample's value.
    pub(super) value: f64,
    /// `None` if another writer judged the sample and the window no longer holds it.
    #[serde(default, deserialize_with = "kind")]
    pub(super) verdict: Option<VerdictKind>,
    /// The score; `None` if the sample was not judged.
    #[serde(default)]
    pub(super) score: Option<f64>,
    /// True if a newer sample was judged before it.
    #[serde(default)]
    pub(super) late: Option<bool>,
    /// One sentence for a person.
    #[serde(default)]
    reason: Option<String>,
}

impl ReplayedSample {
    /// Unix microseconds.
    pub(super) fn at_us(&self) -> i64 {
        (self.timestamp * 1e3).round() as i64
    }

    /// A line for stderr; `None` unless the verdict is an anomaly.
    pub(super) fn anomaly(&self) -> Option<String> {
        let reason = self.reason.as_ref().filter(|_| self.verdict == Some(VerdictKind::Anomaly))?;
        let at = jiff::Timestamp::from_microsecond(self.at_us()).ok()?;
        Some(format!("anomaly  {}  {reason}", at.strftime("%F %H:%M")))
    }
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<VerdictKind>, D::Error> {
    let Some(word) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    VerdictKind::from_name(&word).map(Some).ok_or_else(|| {
        let known = VerdictKind::ALL.map(VerdictKind::as_str).join(", ");
        de::Error::custom(format!("verdict `{word}` is unknown: expected one of {known}"))
    })
}

/// The problem document of a refused request (`application/problem+json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ProblemDocument {
    /// Code of the reason, of a bounded set.
    code: Option<String>,
    /// One sentence.
    title: Option<String>,
    /// Details in one sentence.
    detail: Option<String>,
}

impl ProblemDocument {
    /// The problem in one line; an excerpt of `text` if it is not a problem document.
    pub(crate) fn explain(text: &str) -> String {
        /// Maximum excerpt, in characters.
        const EXCERPT_MAX: usize = 200;
        let problem: Self = serde_json::from_str(text).unwrap_or_default();
        let parts: Vec<String> =
            [problem.code, problem.title, problem.detail].into_iter().flatten().collect();
        if parts.is_empty() {
            text.trim().chars().take(EXCERPT_MAX).collect()
        } else {
            parts.join(": ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"accepted":2,"late":1,"duplicates":3,"too_old":4,
        "rejected":[{"index":3,"metric":"rps","code":"value_not_finite","detail":"..."}],
        "verdicts":[
            {"source":"checkout","metric":"rps","labels":{},"timestamp":1732060800000.001,"value":812.5,
             "verdict":"anomaly","signal":"deviation","score":6.1,"expected":420.3,"band":[371.2,469.4],"late":false,"reason":"..."},
            {"source":"checkout","metric":"rps","labels":{},"timestamp":1732060860000,"value":1,"verdict":null}]}"#;

    #[test]
    fn the_answer_of_the_contract_is_read() {
        let answer: IngestResponse = serde_json::from_str(ANSWER).unwrap();
        assert_eq!((answer.accepted, answer.late, answer.duplicates, answer.too_old), (2, 1, 3, 4));
        assert_eq!(answer.rejected[0].code, "value_not_finite");
        let [anomaly, unknown] = &answer.verdicts[..] else { panic!("two verdicts") };
        assert_eq!(
            (anomaly.at_us(), anomaly.verdict),
            (1_732_060_800_000_001, Some(VerdictKind::Anomaly))
        );
        assert_eq!((anomaly.score, anomaly.late), (Some(6.1), Some(false)));
        assert_eq!((unknown.verdict, unknown.score), (None, None));
    }

    #[test]
    fn an_unknown_verdict_is_an_error() {
        let error =
            serde_json::from_str::<IngestResponse>(&ANSWER.replace("anomaly", "odd")).unwrap_err();
        assert!(error.to_string().contains("`odd`"));
    }

    #[test]
    fn milliseconds_keep_every_microsecond() {
        for at_us in
            [0, 1, 999, 1_732_060_800_000_001, 1_732_060_800_999_999, domain::sample::AT_US_MAX]
        {
            let text =
                format!(r#"{{"timestamp":{}.{:03},"value":0}}"#, at_us / 1_000, at_us % 1_000);
            assert_eq!(serde_json::from_str::<ReplayedSample>(&text).unwrap().at_us(), at_us);
        }
    }

    #[test]
    fn a_problem_is_explained_in_one_line() {
        let problem =
            r#"{"type":"about:blank","title":"Unauthorized","status":401,"code":"key_unknown"}"#;
        assert_eq!(ProblemDocument::explain(problem), "key_unknown: Unauthorized");
        assert_eq!(ProblemDocument::explain(" <html>no</html> "), "<html>no</html>");
    }
}
