//! Login to ElastiCache by IAM: a token signed by the process's role replaces the password.
//!
//! A token is a presigned request `connect` that is not sent, but given as password. Signing needs no network, so it
//! delays no start. ElastiCache accepts a token for 15 minutes, and closes a connection 12 hours after its last token
//! (<https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html>). So each connection gets a token when it
//! opens, and again every six hours.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_http::query_writer::QueryWriter;
use store::{CredentialsError, CredentialsProvider, Login, Secret};
use tokio::time::sleep;

use crate::role::RoleCredentials;

/// Validity of a token for connecting: the longest that ElastiCache accepts.
const TOKEN_VALIDITY: Duration = Duration::from_mins(15);

/// Time until a connection gets its next token: half of the time until ElastiCache would close it.
const RENEWAL_INTERVAL: Duration = Duration::from_hours(6);

/// Interval between two reads of the clock while waiting for a renewal. A timer would not count the time during which
/// the process was frozen.
const CLOCK_INTERVAL: Duration = Duration::from_mins(1);

/// A user of a cache that IAM authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheUser {
    /// Name of the cache, in lower case.
    pub cache: String,
    /// True for a serverless cache.
    pub is_serverless: bool,
    /// Region of the cache.
    pub region: String,
    /// Name of the user, which is also its id.
    pub username: String,
}

/// Supplies tokens for a user of ElastiCache.
#[derive(Clone)]
pub struct ElastiCacheLogin {
    user: CacheUser,
    role: RoleCredentials,
    patience: Duration,
}

impl fmt::Debug for ElastiCacheLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElastiCacheLogin").field("user", &self.user).finish_non_exhaustive()
    }
}

impl ElastiCacheLogin {
    /// Tokens for `user`, signed by `role`, whose credentials a connection awaits for at most `patience`.
    pub fn new(user: CacheUser, role: RoleCredentials, patience: Duration) -> Self {
        Self { user, role, patience }
    }

    /// The user of the login.
    pub fn user(&self) -> &CacheUser {
        &self.user
    }
}

#[async_trait]
impl CredentialsProvider for ElastiCacheLogin {
    async fn login(&self) -> Result<Login, CredentialsError> {
        let credentials = self.role.get(self.patience).await?;
        let token = token(&self.user, credentials, self.role.now());
        let password =
            token.map_err(|error| CredentialsError::Refused { reason: error.to_string() })?;
        Ok(Login { username: self.user.username.clone(), password })
    }

    async fn renewal(&self) {
        let start = self.role.now();
        while self.role.now().duration_since(start).unwrap_or_default() < RENEWAL_INTERVAL {
            sleep(CLOCK_INTERVAL).await;
        }
    }
}

/// Signs a token at this time.
pub(crate) fn token(
    user: &CacheUser,
    credentials: Credentials,
    at: SystemTime,
) -> Result<Secret, Box<dyn std::error::Error>> {
    let mut query = QueryWriter::new_from_string(&format!("http://{}/", user.cache))?;
    query.insert("Action", "connect");
    query.insert("User", &user.username);
    if user.is_serverless {
        query.insert("ResourceType", "ServerlessCache");
    }
    let mut request = http::Request::get(query.build_uri()).body(())?;
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(TOKEN_VALIDITY);
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&user.region)
        .name("elasticache")
        .time(at)
        .settings(settings)
        .build()?;
    let signable = SignableRequest::new(
        "GET",
        request.uri().to_string(),
        std::iter::empty(),
        SignableBody::empty(),
    )?;
    let (instructions, _signature) = sign(signable, &params.into())?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    let signed = request.uri().to_string();
    Ok(Secret::from(signed.trim_start_matches("http://").to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use tokio::time::timeout;

    use super::*;
    use crate::role::Clock;

    /// 2013-05-24, 00:00 UTC.
    const NOW_US: i64 = 1_369_353_600_000_000;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn user(is_serverless: bool) -> CacheUser {
        CacheUser {
            cache: "tidemark".to_owned(),
            is_serverless,
            region: "us-east-1".to_owned(),
            username: "functions".to_owned(),
        }
    }

    fn credentials(session_token: Option<&str>) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let session_token = session_token.map(str::to_owned);
        Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, session_token, None, "test")
    }

    fn login(now_us: &Arc<AtomicI64>) -> ElastiCacheLogin {
        let now_us = Arc::clone(now_us);
        let clock: Clock = Arc::new(move || now_us.load(Ordering::Relaxed));
        let role = RoleCredentials::of(credentials(None), clock);
        ElastiCacheLogin::new(user(true), role, PATIENCE)
    }

    #[tokio::test]
    async fn a_token_equals_that_of_the_python_sdk() {
        let signed = |is_serverless, session_token| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_micros(NOW_US.unsigned_abs());
            token(&user(is_serverless), credentials(session_token), at).unwrap().expose().to_owned()
        };
        let date = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Felasticache%2Faws4_request\
            &X-Amz-Date=20130524T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host";
        assert_eq!(
            signed(true, None),
            format!(
                "tidemark/?Action=connect&User=functions&ResourceType=ServerlessCache&{date}&X-Amz-Signature=\
                 1ac23693ae315ba0348a0b54c225bfcd1c87e9abdf0bbe201a078124790f2684"
            )
        );
        assert_eq!(
            signed(false, Some("a+b/c=")),
            format!(
                "tidemark/?Action=connect&User=functions&{date}&X-Amz-Signature=\
                 2e4b800fb45b7f3883832b7394c009ef5d9a1b2692750d0b20d8c2f44ab96d57\
                 &X-Amz-Security-Token=a%2Bb%2Fc%3D"
            )
        );
    }

    #[test]
    fn debug_output_has_no_credentials() {
        let login = login(&Arc::default());
        assert_eq!(
            format!("{login:?}"),
            "ElastiCacheLogin { user: CacheUser { cache: \"tidemark\", is_serverless: true, \
             region: \"us-east-1\", username: \"functions\" }, .. }"
        );
        assert_eq!(format!("{:?}", login.role), "RoleCredentials");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_renews_its_token_after_six_hours() {
        let now_us = Arc::new(AtomicI64::new(NOW_US));
        let login = login(&now_us);
        let first = login.login().await.unwrap();
        let renewal = login.renewal();
        tokio::pin!(renewal);
        assert!(timeout(CLOCK_INTERVAL, &mut renewal).await.is_err());
        now_us.fetch_add(RENEWAL_INTERVAL.as_micros() as i64 - 1, Ordering::Relaxed);
        assert!(timeout(10 * CLOCK_INTERVAL, &mut renewal).await.is_err());
        now_us.fetch_add(1, Ordering::Relaxed);
        timeout(2 * CLOCK_INTERVAL, &mut renewal).await.unwrap();
        assert_ne!(login.login().await.unwrap(), first);
    }
}
