//! Login with a password that AWS Secrets Manager or the Parameter Store of AWS Systems Manager stores.
//!
//! The password is fetched when a connection opens, so it is in no variable, and a rotated one is used by the next
//! connection. While its service is away, the last password remains in use.
//!
//! Both services take one `POST` (the JSON protocols of AWS), so a signature is enough: their SDKs would double the size
//! of `ingest`.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::display::DisplayErrorContext;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use store::{CredentialsError, CredentialsProvider, Login, Secret};
use tokio::time::Instant;

use crate::cached::{Cached, Source};
use crate::client::{amazon_roots, connector};
use crate::role::RoleCredentials;
use crate::secret_arn::{SecretArn, SecretService};

/// Time for which a password is not fetched again: connections that open together share one request.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Longest response: a secret has at most 64 KB, and JSON may double it.
const RESPONSE_BYTES_MAX: usize = 256 * 1024;

/// The user of a password that comes without one.
const DEFAULT_USER: &str = "default";

/// A stored password, and its user.
///
/// The secret is the password itself, or JSON with `password` and optionally `username`.
#[derive(Debug, Clone)]
pub struct StoredPassword {
    /// The name of the secret.
    pub arn: SecretArn,
    /// The user; overrides that of the secret.
    pub username: Option<String>,
    /// The address of the service, if it is not that of AWS.
    pub endpoint: Option<String>,
}

/// Supplies the login of a [`StoredPassword`].
#[derive(Clone)]
pub struct SecretLogin {
    cached: Arc<Cached<SecretRequest>>,
    patience: Duration,
}

impl fmt::Debug for SecretLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arn = self.password().arn.text();
        f.debug_struct("SecretLogin").field("arn", &arn).finish_non_exhaustive()
    }
}

impl SecretLogin {
    /// The login of `password`, fetched with the credentials of `role`; a connection awaits it for at most `patience`.
    pub fn new(password: StoredPassword, role: RoleCredentials, patience: Duration) -> Self {
        let request = SecretRequest { password, role, connector: OnceLock::new() };
        Self { cached: Cached::new(request), patience }
    }

    /// The password that is fetched.
    pub fn password(&self) -> &StoredPassword {
        &self.cached.source.password
    }
}

#[async_trait]
impl CredentialsProvider for SecretLogin {
    async fn login(&self) -> Result<Login, CredentialsError> {
        self.cached.get(self.patience).await.map(|(_, login)| login)
    }
}

struct SecretRequest {
    password: StoredPassword,
    role: RoleCredentials,
    connector: OnceLock<Connector>,
}

#[async_trait]
impl Source for SecretRequest {
    /// With the time of the fetch.
    type Value = (Instant, Login);

    async fn fetch(&self) -> Result<Self::Value, CredentialsError> {
        let (status, body) = self.send().await?;
        let response: SecretResponse = serde_json::from_slice(&body).unwrap_or_default();
        let text = self.text(status, response)?;
        Ok((Instant::now(), login(text.expose(), self.password.username.as_deref())))
    }

    fn is_fresh(&self, (at, _): &Self::Value) -> bool {
        at.elapsed() < FRESH_FOR
    }

    fn is_usable(&self, _: &Self::Value) -> bool {
        true
    }
}

impl SecretRequest {
    /// The secret in a response, or the cause of its absence.
    fn text(
        &self,
        status: StatusCode,
        response: SecretResponse,
    ) -> Result<Secret, CredentialsError> {
        let (service, name) = (self.password.arn.service().name(), self.password.arn.text());
        if status.is_success() {
            let value = response.secret.or(response.parameter.map(|parameter| parameter.value));
            let missing = || CredentialsError::Refused { reason: format!("{name} is not a text") };
            return value.map(Secret::from).ok_or_else(missing);
        }
        let fault = response.fault.unwrap_or_default();
        let reason = format!("{service} responded {status} {fault} for {name}");
        let is_temporary = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || fault.contains("Throttl");
        Err(if is_temporary {
            CredentialsError::Unavailable { reason }
        } else {
            CredentialsError::Refused { reason }
        })
    }

    async fn send(&self) -> Result<(StatusCode, Vec<u8>), CredentialsError> {
        let unavailable = |error: &(dyn Error + 'static)| {
            let service = self.password.arn.service().name();
            let reason = format!("request to {service} failed: {}", DisplayErrorContext(error));
            CredentialsError::Unavailable { reason }
        };
        let request = self.signed().await?;
        let connector = self.connector.get_or_init(|| connector(amazon_roots()));
        let request = request.try_into().map_err(|error| unavailable(&error))?;
        let response = connector.call(request).await.map_err(|error| unavailable(&error))?;
        let status: StatusCode = response.status().into();
        let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
        let body = body.map_err(|error| unavailable(error.as_ref()))?;
        Ok((status, body.to_bytes().to_vec()))
    }

    /// The request, signed with the credentials of the role.
    async fn signed(&self) -> Result<Request<SdkBody>, CredentialsError> {
        let credentials = self.role.get(Duration::MAX).await?;
        let refused =
            |error: Box<dyn Error>| CredentialsError::Refused { reason: error.to_string() };
        let mut request = self.unsigned().map_err(|error| refused(error.into()))?;
        let identity = credentials.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.password.arn.region())
            .name(self.password.arn.service().name())
            .time(self.role.now())
            .settings(SigningSettings::default());
        let params = params.build().map_err(|error| refused(error.into()))?;
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("")));
        let body = SignableBody::Bytes(request.body().bytes().unwrap_or_default());
        let signable = SignableRequest::new("POST", request.uri().to_string(), headers, body);
        let signed = signable.and_then(|signable| sign(signable, &params.into()));
        let signed = signed.map_err(|error| refused(error.into()))?;
        signed.into_parts().0.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    fn unsigned(&self) -> Result<Request<SdkBody>, http::Error> {
        let arn = &self.password.arn;
        let endpoint = self.password.endpoint.clone().unwrap_or_else(|| arn.endpoint());
        let name = arn.text();
        let (target, body) = match arn.service() {
            SecretService::SecretsManager => {
                ("secretsmanager.GetSecretValue", SecretQuery::Secret { name })
            }
            SecretService::ParameterStore => {
                ("AmazonSSM.GetParameter", SecretQuery::Parameter { name, with_decryption: true })
            }
        };
        Request::post(endpoint)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(SdkBody::from(serde_json::to_string(&body).unwrap_or_default()))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum SecretQuery<'a> {
    Secret {
        #[serde(rename = "SecretId")]
        name: &'a str,
    },
    Parameter {
        #[serde(rename = "Name")]
        name: &'a str,
        #[serde(rename = "WithDecryption")]
        with_decryption: bool,
    },
}

/// The response of either service, of success or failure.
#[derive(Deserialize, Default)]
struct SecretResponse {
    #[serde(rename = "SecretString")]
    secret: Option<String>,
    #[serde(rename = "Parameter")]
    parameter: Option<StoredParameter>,
    #[serde(rename = "__type")]
    fault: Option<String>,
}

#[derive(Deserialize)]
struct StoredParameter {
    #[serde(rename = "Value")]
    value: String,
}

/// A secret in JSON.
#[derive(Deserialize)]
struct SecretJson {
    username: Option<String>,
    password: String,
}

/// User and password of a secret; `username` overrides its user.
fn login(text: &str, username: Option<&str>) -> Login {
    let secret = serde_json::from_str(text)
        .unwrap_or_else(|_| SecretJson { username: None, password: text.trim_end().to_owned() });
    let username = username.map(str::to_owned).or(secret.username);
    Login {
        username: username.unwrap_or_else(|| DEFAULT_USER.to_owned()),
        password: Secret::from(secret.password),
    }
}

#[cfg(test)]
mod tests;
