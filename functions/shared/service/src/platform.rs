//! Where a process runs, as the platform tells it: Knative, Kubernetes or AWS Lambda.
//!
//! These variables are set by the platform and by nobody else, so they are no part of the configuration.

use std::collections::BTreeMap;

/// The variable by which the Lambda runtime says that it is one.
pub(crate) const LAMBDA_RUNTIME: &str = "AWS_LAMBDA_RUNTIME_API";

/// Longest name that is taken over, in bytes: what Kubernetes allows a pod's is a host name's.
const NAME_LEN_MAX: usize = 63;

/// What the platform tells of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platform {
    /// Whether it is AWS Lambda.
    pub is_lambda: bool,
    /// The name that no other process of the function has: of a pod, or of a Lambda environment.
    pub instance: Option<String>,
    /// The Knative service.
    pub k_service: Option<String>,
    /// Its revision.
    pub k_revision: Option<String>,
    /// Its configuration.
    pub k_configuration: Option<String>,
}

impl Platform {
    /// Reads what the platform tells.
    pub fn of(vars: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| vars.get(name).map(|text| word(text)).filter(|it| !it.is_empty());
        // The name of a host says nothing elsewhere: any number of processes may run on it.
        let pod = text("HOSTNAME").filter(|_| vars.contains_key("KUBERNETES_SERVICE_HOST"));
        // `2026/11/21/[$LATEST]<id>`: only the id tells environments apart.
        let stream = vars.get("AWS_LAMBDA_LOG_STREAM_NAME").and_then(|it| it.rsplit(']').next());
        Self {
            is_lambda: vars.contains_key(LAMBDA_RUNTIME),
            instance: stream.map(word).filter(|it| !it.is_empty()).or(pod),
            k_service: text("K_SERVICE"),
            k_revision: text("K_REVISION"),
            k_configuration: text("K_CONFIGURATION"),
        }
    }
}

/// A name that can stand in a log line, a label and a key without an escape.
fn word(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
    text.chars().filter(is_plain).take(NAME_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(vars: &[(&str, &str)]) -> Platform {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Platform::of(&vars.collect())
    }

    #[test]
    fn a_pod_has_the_name_of_its_host_and_a_laptop_none() {
        let host = ("HOSTNAME", "ingest-00001-deployment-abc-x1");
        assert_eq!(platform(&[host]).instance, None);
        let pod = platform(&[host, ("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        assert_eq!(pod.instance.as_deref(), Some(host.1));
    }

    #[test]
    fn a_lambda_environment_has_the_name_of_its_log() {
        let name = "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef";
        let lambda = platform(&[(LAMBDA_RUNTIME, "x"), ("AWS_LAMBDA_LOG_STREAM_NAME", name)]);
        assert!(lambda.is_lambda);
        assert_eq!(lambda.instance.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn names_are_words() {
        let odd = format!("a b\n\"{}", "x".repeat(100));
        let knative = platform(&[("K_SERVICE", &odd), ("K_REVISION", " \n")]);
        assert_eq!(knative.k_service.unwrap(), format!("ab{}", "x".repeat(61)));
        assert_eq!(knative.k_revision, None);
    }
}
