//! What the environment says of the process's role on AWS, and of what stands in for the password of Redis there.

use std::sync::Arc;

use store::{AwsKeys, IamUser, KeptPassword, PasswordArn, Secret};

use crate::clock::now_us;

/// What AWS calls its own variables; nobody sets them on Lambda.
const REGION: &str = "AWS_REGION";
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// Variables of AWS that one of this project wants.
struct Wanted<V> {
    by: &'static str,
    var: V,
    mistakes: Vec<String>,
}

impl<V: Fn(&str) -> Option<String>> Wanted<V> {
    fn new(by: &'static str, var: V) -> Self {
        Self { by, var, mistakes: Vec::new() }
    }

    fn text(&mut self, name: &str) -> String {
        let value = (self.var)(name);
        self.given(name, value)
    }

    fn given(&mut self, name: &str, value: Option<String>) -> String {
        value.unwrap_or_else(|| {
            self.mistakes.push(format!("{} is set: {name} is wanted", self.by));
            String::new()
        })
    }

    fn keys(&mut self) -> AwsKeys {
        AwsKeys {
            access_key_id: self.text(ACCESS_KEY_ID),
            secret_access_key: Secret::from(self.text(SECRET_ACCESS_KEY)),
            session_token: (self.var)(SESSION_TOKEN).map(Secret::from),
        }
    }

    fn or_mistakes<T>(self, it: T) -> Result<T, Vec<String>> {
        if self.mistakes.is_empty() { Ok(it) } else { Err(self.mistakes) }
    }
}

/// The user `username` of the cache that `text` names, `serverless:<name>` or `cluster:<name>`, or every mistake.
pub(crate) fn iam_user(
    text: &str,
    username: Option<String>,
    var: impl Fn(&str) -> Option<String>,
) -> Result<IamUser, Vec<String>> {
    let mut wanted = Wanted::new("REDIS_IAM", var);
    let (kind, cache) = text.split_once(':').unwrap_or(("", text));
    if !matches!(kind, "serverless" | "cluster") || cache.is_empty() {
        wanted.mistakes.push(format!(
            "REDIS_IAM `{text}` is not possible: `serverless:<name of the cache>` or `cluster:<name>` is wanted"
        ));
    }
    let user = IamUser {
        // Names of caches are of small letters, whatever is written, and the signature is of the name.
        cache: cache.to_ascii_lowercase(),
        is_serverless: kind == "serverless",
        user: wanted.given("REDIS_USERNAME", username),
        region: wanted.text(REGION),
        keys: wanted.keys(),
        clock: Arc::new(now_us),
    };
    wanted.or_mistakes(user)
}

/// The password of `username` that AWS keeps under the name `arn`, or every mistake.
pub(crate) fn kept_password(
    arn: PasswordArn,
    username: Option<String>,
    var: impl Fn(&str) -> Option<String>,
) -> Result<KeptPassword, Vec<String>> {
    let endpoint = var(arn.endpoint_variable()).or_else(|| var(ENDPOINT_URL));
    let mut wanted = Wanted::new("REDIS_PASSWORD_ARN", var);
    let (keys, clock) = (wanted.keys(), Arc::new(now_us));
    wanted.or_mistakes(KeptPassword { arn, username, keys, endpoint, clock })
}
