//! What the environment says of a user of an ElastiCache whom IAM authenticates.

use std::sync::Arc;

use store::{AwsKeys, IamUser, Secret};

use crate::clock::now_us;

/// What AWS calls its own variables; nobody sets them on Lambda.
const REGION: &str = "AWS_REGION";
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// The user `username` of the cache that `text` names, `serverless:<name>` or `cluster:<name>`, or every mistake.
pub(crate) fn iam_user(
    text: &str,
    username: Option<String>,
    var: impl Fn(&str) -> Option<String>,
) -> Result<IamUser, Vec<String>> {
    let mut mistakes = Vec::new();
    let (kind, cache) = text.split_once(':').unwrap_or(("", text));
    if !matches!(kind, "serverless" | "cluster") || cache.is_empty() {
        mistakes.push(format!(
            "REDIS_IAM `{text}` is not possible: `serverless:<name of the cache>` or `cluster:<name>` is wanted"
        ));
    }
    let mut wanted = |name: &str, value: Option<String>| {
        value.unwrap_or_else(|| {
            mistakes.push(format!("REDIS_IAM is set: {name} is wanted"));
            String::new()
        })
    };
    let user = IamUser {
        // Names of caches are of small letters, whatever is written, and the signature is of the name.
        cache: cache.to_ascii_lowercase(),
        is_serverless: kind == "serverless",
        user: wanted("REDIS_USERNAME", username),
        keys: AwsKeys {
            region: wanted(REGION, var(REGION)),
            access_key_id: wanted(ACCESS_KEY_ID, var(ACCESS_KEY_ID)),
            secret_access_key: Secret::from(wanted(SECRET_ACCESS_KEY, var(SECRET_ACCESS_KEY))),
            session_token: var(SESSION_TOKEN).map(Secret::from),
        },
        clock: Arc::new(now_us),
    };
    if mistakes.is_empty() { Ok(user) } else { Err(mistakes) }
}
