//! What AWS wants to see of who asks it for something: Signature Version 4.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::Secret;

/// Tells the time, in microseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The keys of a role, as AWS gives them to its processes.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`; keys of a user have none.
    pub session_token: Option<Secret>,
}

/// Signs requests to one service of a region, at one time.
pub(super) struct Signer<'a> {
    keys: &'a AwsKeys,
    time: String,
    scope: String,
    key: Vec<u8>,
}

impl<'a> Signer<'a> {
    /// What a signature is made by.
    pub(super) const ALGORITHM: &'static str = "AWS4-HMAC-SHA256";

    pub(super) fn new(keys: &'a AwsKeys, region: &str, service: &str, at_us: i64) -> Self {
        let time = Timestamp::from_microsecond(at_us).unwrap_or_default();
        let (time, day) =
            (time.strftime("%Y%m%dT%H%M%SZ").to_string(), time.strftime("%Y%m%d").to_string());
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let secret = format!("AWS4{}", keys.secret_access_key.expose()).into_bytes();
        let parts = [day.as_str(), region, service, "aws4_request"];
        let key = parts.iter().fold(secret, |key, part| keyed(&key, part));
        Self { keys, time, scope, key }
    }

    /// Who signs, for what.
    pub(super) fn credential(&self) -> String {
        format!("{}/{}", self.keys.access_key_id, self.scope)
    }

    /// The time, as AWS writes it.
    pub(super) fn time(&self) -> &str {
        &self.time
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.keys.session_token.as_ref().map(Secret::expose)
    }

    /// The signature of a request in its canonical form.
    pub(super) fn signature(&self, canonical: &str) -> String {
        let Self { time, scope, key, .. } = self;
        let canonical = sha256(canonical.as_bytes());
        hex(&keyed(key, &format!("{}\n{time}\n{scope}\n{canonical}", Self::ALGORITHM)))
    }

    /// The header `Authorization` of `POST /` with these headers, sorted by their names, and this body.
    pub(super) fn authorization(&self, headers: &[(&str, &str)], body: &[u8]) -> String {
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        let lines = lines.join("\n");
        let canonical = format!("POST\n/\n\n{lines}\n\n{names}\n{}", sha256(body));
        let (credential, signature) = (self.credential(), self.signature(&canonical));
        format!(
            "{} Credential={credential}, SignedHeaders={names}, Signature={signature}",
            Self::ALGORITHM
        )
    }
}

/// The digest of bytes, in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// HMAC-SHA256 of `text`.
fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorization_is_that_of_the_test_suite_of_aws() {
        // "Signature Version 4 test suite", `post-vanilla`.
        let keys = AwsKeys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: None,
        };
        let signer = Signer::new(&keys, "us-east-1", "service", 1_440_938_160_000_000);
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", signer.time())];
        let wanted = "AWS4-HMAC-SHA256 \
            Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
            SignedHeaders=host;x-amz-date, \
            Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert_eq!(signer.authorization(&headers, b""), wanted);
    }
}
