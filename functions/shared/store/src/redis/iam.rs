//! Tokens by which AWS IAM stands in for the password of an ElastiCache.
//!
//! A token is a request to connect, signed in the query, that is not sent but given as password. It is made of the keys of
//! the process's role, without asking anybody, so it costs a start nothing. ElastiCache takes it for a quarter of an hour,
//! and ends a connection twelve hours after its last token. So each connection gets a token of its own when it is opened,
//! and another one twice in that time.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use redis::RedisResult;
use redis::auth::{BasicAuth, StreamingCredentialsProvider};
use tokio::time::sleep;

use super::aws::{AwsKeys, Clock, Signer, sha256};
use crate::Secret;

/// For how long a token may be used to connect: the longest that ElastiCache takes.
const TOKEN_LIFE_S: u32 = 900;

/// A connection is told a new token after this: half of the time after which ElastiCache would end it.
const RENEW_AFTER_US: i64 = 6 * 3_600 * 1_000_000;

/// How often a connection looks at the clock. A process that was frozen sees by it that hours have gone.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// What a signature leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A user of an ElastiCache whom IAM authenticates.
#[derive(Clone)]
pub struct IamUser {
    /// Name of the cache.
    pub cache: String,
    /// Whether it is a serverless one.
    pub is_serverless: bool,
    /// Where it is, as `AWS_REGION` says.
    pub region: String,
    /// Name of the user, which is also its id.
    pub user: String,
    /// What signs.
    pub keys: AwsKeys,
    /// Says when a token is made, and when the next one is due.
    pub clock: Clock,
}

impl fmt::Debug for IamUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IamUser")
            .field("cache", &self.cache)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl IamUser {
    /// The password of a connection that is opened now.
    pub fn token(&self) -> Secret {
        self.token_at((self.clock)())
    }

    fn token_at(&self, at_us: i64) -> Secret {
        let mut query = vec![("Action", "connect"), ("User", self.user.as_str())];
        if self.is_serverless {
            query.push(("ResourceType", "ServerlessCache"));
        }
        let request = Request {
            host: &self.cache,
            path: "/",
            query,
            // Of an empty body.
            body_sha256: &sha256(b""),
            life_s: TOKEN_LIFE_S,
        };
        let signer = Signer::new(&self.keys, &self.region, "elasticache", at_us);
        Secret::from(request.signed(&signer))
    }

    /// The provider of a connection's credentials, which looks at the clock so often.
    pub(super) fn credentials(&self) -> IamCredentials {
        IamCredentials { user: self.clone(), look_every: LOOK_EVERY }
    }
}

/// A request without headers of its own.
struct Request<'a> {
    host: &'a str,
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
    body_sha256: &'a str,
    life_s: u32,
}

impl Request<'_> {
    /// Its address without the scheme, with the signature in its query.
    fn signed(&self, signer: &Signer<'_>) -> String {
        let (credential, life_s) = (signer.credential(), self.life_s.to_string());
        let mut query = self.query.clone();
        query.extend([
            ("X-Amz-Algorithm", Signer::ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", signer.time()),
            ("X-Amz-Expires", &life_s),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        if let Some(token) = signer.session_token() {
            query.push(("X-Amz-Security-Token", token));
        }
        // The signature is of the parameters in the order of their encoded names.
        query.sort_unstable();
        let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        let pairs = query.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let query = pairs.collect::<Vec<_>>().join("&");
        let Self { host, path, body_sha256, .. } = self;
        let canonical = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\n{body_sha256}");
        format!("{host}{path}?{query}&X-Amz-Signature={}", signer.signature(&canonical))
    }
}

/// Gives each connection a token when it is opened, and then again and again.
pub(super) struct IamCredentials {
    user: IamUser,
    look_every: Duration,
}

impl StreamingCredentialsProvider for IamCredentials {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let (user, look_every) = (self.user.clone(), self.look_every);
        Box::pin(unfold(None, move |last_us: Option<i64>| {
            let user = user.clone();
            async move {
                while last_us.is_some_and(|at_us| (user.clock)() - at_us < RENEW_AFTER_US) {
                    sleep(look_every).await;
                }
                let at_us = (user.clock)();
                let token = user.token_at(at_us).expose().to_owned();
                Some((Ok(BasicAuth::new(user.user.clone(), token)), Some(at_us)))
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use futures_util::StreamExt;

    use super::*;

    /// 2013-05-24, 00:00 UTC.
    const DAY_US: i64 = 1_369_353_600_000_000;

    fn keys() -> AwsKeys {
        AwsKeys {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::from("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: None,
        }
    }

    fn user(clock: Clock) -> IamUser {
        IamUser {
            cache: "tidemark".to_owned(),
            is_serverless: true,
            region: "us-east-1".to_owned(),
            user: "functions".to_owned(),
            keys: keys(),
            clock,
        }
    }

    #[test]
    fn a_signature_is_that_of_the_example_in_the_documentation() {
        // Amazon S3, "Authenticating Requests: Using Query Parameters", the example of `GET /test.txt`.
        let request = Request {
            host: "examplebucket.s3.amazonaws.com",
            path: "/test.txt",
            query: Vec::new(),
            body_sha256: "UNSIGNED-PAYLOAD",
            life_s: 86_400,
        };
        let wanted = "examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
            &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
            &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let keys = keys();
        assert_eq!(request.signed(&Signer::new(&keys, "us-east-1", "s3", DAY_US)), wanted);
    }

    #[test]
    fn a_token_names_cache_user_and_kind_and_lasts_a_quarter_of_an_hour() {
        let mut user = user(Arc::new(|| DAY_US));
        user.keys.session_token = Some(Secret::from("a+b/c=".to_owned()));
        let token = user.token();
        let token = token.expose();
        assert!(
            token.starts_with(
                "tidemark/?Action=connect&ResourceType=ServerlessCache&User=functions&"
            )
        );
        assert!(token.contains("&X-Amz-Expires=900&"), "{token}");
        assert!(token.contains("&X-Amz-Security-Token=a%2Bb%2Fc%3D&"), "{token}");
        user.is_serverless = false;
        assert!(!user.token().expose().contains("ResourceType"));
    }

    #[test]
    fn keys_are_not_told() {
        let told = format!("{:?} {:?}", user(Arc::new(|| 0)), keys());
        assert!(!told.contains("wJalr"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_gets_another_token_well_before_twelve_hours_have_gone() {
        let now_us = Arc::new(AtomicI64::new(DAY_US));
        let clock = Arc::clone(&now_us);
        let user = user(Arc::new(move || clock.load(Ordering::Relaxed)));
        let mut tokens = user.credentials().subscribe();
        let mut next = async || tokens.next().await.unwrap().unwrap().password().to_owned();
        let first = next().await;
        assert_eq!(first, user.token().expose());
        now_us.fetch_add(RENEW_AFTER_US - 1, Ordering::Relaxed);
        assert!(tokio::time::timeout(10 * LOOK_EVERY, next()).await.is_err());
        now_us.fetch_add(1, Ordering::Relaxed);
        let second = tokio::time::timeout(2 * LOOK_EVERY, next()).await.unwrap();
        assert_eq!(second, user.token().expose());
        assert_ne!(first, second);
    }
}
