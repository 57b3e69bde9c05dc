//! Signs messages by the specification of Standard Webhooks 1.0.0.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// Beginning of a secret.
const PREFIX: &str = "whsec_";

/// Lengths of a secret, in bytes.
const LEN_MIN: usize = 24;
const LEN_MAX: usize = 64;

/// Secrets of a webhook, newest first.
pub(crate) struct Signer {
    keys: Vec<hmac::Key>,
}

impl Signer {
    /// Reads secrets in base64, with the prefix `whsec_` or without.
    pub(crate) fn new(secrets: &[String]) -> Result<Self, String> {
        if secrets.is_empty() {
            return Err("there is no secret: expected at least one".to_owned());
        }
        let keys = secrets.iter().map(|secret| {
            let bytes = STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(secret));
            let bytes = bytes.ok().filter(|bytes| (LEN_MIN..=LEN_MAX).contains(&bytes.len()));
            let bytes = bytes.ok_or_else(|| {
                format!("a secret is not valid: expected `{PREFIX}` and {LEN_MIN} to {LEN_MAX} bytes in base64")
            })?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        });
        Ok(Self { keys: keys.collect::<Result<_, String>>()? })
    }

    /// Value of `webhook-signature`: one signature for each secret.
    pub(crate) fn sign(&self, id: &str, timestamp_s: i64, body: &str) -> String {
        let content = format!("{id}.{timestamp_s}.{body}");
        let signatures: Vec<String> = self
            .keys
            .iter()
            .map(|key| hmac::sign(key, content.as_bytes()))
            .map(|tag| format!("v1,{}", STANDARD.encode(tag)))
            .collect();
        signatures.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_has_its_signature() {
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()];
        let signer = Signer::new(&secrets).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = signer.sign(id, 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs_and_weak_ones_are_refused() {
        let secret = |byte: u8| format!("whsec_{}", STANDARD.encode([byte; 24]));
        let both = Signer::new(&[secret(1), secret(2)]).unwrap().sign("a", 1, "{}");
        let of = |byte| Signer::new(&[secret(byte)]).unwrap().sign("a", 1, "{}");
        assert_eq!(both, format!("{} {}", of(1), of(2)));
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, but long enough"] {
            assert!(Signer::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(Signer::new(&[]).is_err());
    }
}
