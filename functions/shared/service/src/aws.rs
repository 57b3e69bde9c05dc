//! Reads from the environment how Redis on AWS is logged in to.

use std::sync::Arc;
use std::time::Duration;

use aws::{
    CacheUser, Clock, ElastiCacheLogin, RoleCredentials, SecretArn, SecretLogin, StoredPassword,
};

use crate::clock::now_us;

/// Variables of AWS; AWS Lambda sets the first.
const REGION: &str = "AWS_REGION";
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// Part of the time for opening a connection in which its credentials must arrive, so that a fallback comes in time.
fn patience(connect_timeout: Duration) -> Duration {
    connect_timeout / 2
}

fn clock() -> Clock {
    Arc::new(now_us)
}

/// The login of `username` to the cache that `text` names, `serverless:<name>` or `cluster:<name>`, or every mistake.
pub(crate) fn iam_login(
    text: &str,
    username: Option<String>,
    connect_timeout: Duration,
    var: impl Fn(&str) -> Option<String>,
) -> Result<ElastiCacheLogin, Vec<String>> {
    let mut mistakes = Vec::new();
    let (kind, cache) = text.split_once(':').unwrap_or(("", text));
    if !matches!(kind, "serverless" | "cluster") || cache.is_empty() {
        mistakes.push(format!(
            "REDIS_IAM `{text}` is invalid: expected `serverless:<name of the cache>` or `cluster:<name>`"
        ));
    }
    let mut required = |name: &str, value: Option<String>| {
        value.unwrap_or_else(|| {
            mistakes.push(format!("REDIS_IAM is set: it requires {name}"));
            String::new()
        })
    };
    let user = CacheUser {
        // Names of caches are in lower case, and the signature covers the name.
        cache: cache.to_ascii_lowercase(),
        is_serverless: kind == "serverless",
        region: required(REGION, var(REGION)),
        username: required("REDIS_USERNAME", username),
    };
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let role = RoleCredentials::from_env(&user.region, clock());
    Ok(ElastiCacheLogin::new(user, role, patience(connect_timeout)))
}

/// The login of `username` with the password that AWS stores under `arn`.
pub(crate) fn secret_login(
    arn: SecretArn,
    username: Option<String>,
    connect_timeout: Duration,
    var: impl Fn(&str) -> Option<String>,
) -> SecretLogin {
    let endpoint = var(arn.endpoint_variable()).or_else(|| var(ENDPOINT_URL));
    let region = var(REGION).unwrap_or_else(|| arn.region().to_owned());
    let role = RoleCredentials::from_env(&region, clock());
    let password = StoredPassword { arn, username, endpoint };
    SecretLogin::new(password, role, patience(connect_timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

    #[test]
    fn the_name_of_a_cache_is_in_lower_case() {
        let var = |name: &str| (name == REGION).then(|| "eu-west-1".to_owned());
        let username = Some("tidemark".to_owned());
        let login = iam_login("serverless:Tidemark", username, CONNECT_TIMEOUT, var).unwrap();
        let expected = CacheUser {
            cache: "tidemark".to_owned(),
            is_serverless: true,
            region: "eu-west-1".to_owned(),
            username: "tidemark".to_owned(),
        };
        assert_eq!(*login.user(), expected);
    }

    #[test]
    fn the_endpoint_of_a_service_overrides_that_of_all() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:redis-AbCdEf";
        let endpoint = |vars: &[(&str, &str)]| {
            let var = |name: &str| {
                let found = vars.iter().find(|(of, _)| *of == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let login = secret_login(arn.parse().unwrap(), None, CONNECT_TIMEOUT, var);
            login.password().endpoint.clone()
        };
        let all = [(ENDPOINT_URL, "http://all"), ("AWS_ENDPOINT_URL_SSM", "http://other")];
        assert_eq!(endpoint(&[]), None);
        assert_eq!(endpoint(&all).as_deref(), Some("http://all"));
        let this = [("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://this")];
        assert_eq!(endpoint(&[&all[..], &this].concat()).as_deref(), Some("http://this"));
    }
}
