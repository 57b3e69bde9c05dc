//! Detects the platform of the process: Knative, Kubernetes or AWS Lambda.
//!
//! The platform sets these variables itself, so they are no part of the configuration.

use std::collections::BTreeMap;

/// Set by the Lambda runtime only.
pub(crate) const LAMBDA_RUNTIME: &str = "AWS_LAMBDA_RUNTIME_API";

/// Longest instance name in bytes: Kubernetes allows a pod that of a host name.
const NAME_LEN_MAX: usize = 63;

/// Platform of a process, and its names there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platform {
    /// True on AWS Lambda.
    pub is_lambda: bool,
    /// Unique name of the process: its pod or its Lambda environment.
    pub instance: Option<String>,
    /// Knative service.
    pub k_service: Option<String>,
    /// Knative revision.
    pub k_revision: Option<String>,
    /// Knative configuration.
    pub k_configuration: Option<String>,
}

impl Platform {
    /// Reads the variables that the platform sets.
    pub fn of(vars: &BTreeMap<String, String>) -> Self {
        let text =
            |name: &str| vars.get(name).map(|text| plain(text)).filter(|text| !text.is_empty());
        // Outside Kubernetes several processes may share a host name.
        let pod = text("HOSTNAME").filter(|_| vars.contains_key("KUBERNETES_SERVICE_HOST"));
        // `2026/11/21/[$LATEST]<id>`: only the id differs between environments.
        let stream = vars.get("AWS_LAMBDA_LOG_STREAM_NAME");
        let environment = stream.and_then(|name| name.rsplit(']').next()).map(plain);
        Self {
            is_lambda: vars.contains_key(LAMBDA_RUNTIME),
            instance: environment.filter(|name| !name.is_empty()).or(pod),
            k_service: text("K_SERVICE"),
            k_revision: text("K_REVISION"),
            k_configuration: text("K_CONFIGURATION"),
        }
    }
}

/// Removes characters that a log line, a label or a key would have to escape.
fn plain(text: &str) -> String {
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
    fn a_pod_is_named_by_its_host_and_a_laptop_is_unnamed() {
        let host = ("HOSTNAME", "ingest-00001-deployment-abc-x1");
        assert_eq!(platform(&[host]).instance, None);
        let pod = platform(&[host, ("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        assert_eq!(pod.instance.as_deref(), Some(host.1));
    }

    #[test]
    fn a_lambda_environment_is_named_by_its_log_stream() {
        let name = "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef";
        let lambda = platform(&[(LAMBDA_RUNTIME, "x"), ("AWS_LAMBDA_LOG_STREAM_NAME", name)]);
        assert!(lambda.is_lambda);
        assert_eq!(lambda.instance.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn names_have_no_special_characters_and_a_bounded_length() {
        let odd = format!("a b\n\"{}", "x".repeat(100));
        let knative = platform(&[("K_SERVICE", &odd), ("K_REVISION", " \n")]);
        assert_eq!(knative.k_service.unwrap(), format!("ab{}", "x".repeat(61)));
        assert_eq!(knative.k_revision, None);
    }
}
