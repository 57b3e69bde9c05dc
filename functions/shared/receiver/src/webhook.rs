//! Posts each alert to a webhook, by the specification of Standard Webhooks 1.0.0.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use alert::{AlertMessage, Receiver, ReceiverError};
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};

use crate::client::{address, client, send};
use crate::public_address::{PublicResolver, REFUSED, is_public};
use crate::signature::Signer;

/// Messages sent at once.
const CONCURRENCY: usize = 8;

/// A webhook.
pub(crate) struct Webhook {
    name: String,
    url: Url,
    client: Client,
    signer: Signer,
    /// True after an answer 410: no further message is sent.
    is_gone: AtomicBool,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "webhook {}", self.name)
    }
}

impl Webhook {
    pub(crate) fn new(
        name: String,
        url: &str,
        secrets: &[String],
        allows_private: bool,
    ) -> Result<Self, String> {
        let url = address(url)?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_private = host.parse::<IpAddr>().is_ok_and(|address| !is_public(address));
        if is_private && !allows_private {
            return Err(REFUSED.to_owned());
        }
        let client = client((!allows_private).then_some(PublicResolver))?;
        Ok(Self {
            name,
            url,
            client,
            signer: Signer::new(secrets)?,
            is_gone: AtomicBool::new(false),
        })
    }

    async fn post(&self, message: &AlertMessage, now_us: i64) -> Result<(), ReceiverError> {
        if self.is_gone.load(Relaxed) {
            return Err(ReceiverError::Gone { reason: "it answered 410 before".to_owned() });
        }
        let body = message.body().to_string();
        // The same for each repetition, so that the receiver can drop it.
        let id = message.delivery_id();
        let timestamp_s = now_us.div_euclid(1_000_000);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", self.signer.sign(&id, timestamp_s, &body))
            .body(body);
        let sent = send(request).await;
        if matches!(sent, Err(ReceiverError::Gone { .. })) {
            self.is_gone.store(true, Relaxed);
        }
        sent
    }
}

#[async_trait]
impl Receiver for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, messages: &[AlertMessage], now_us: i64) -> Vec<Result<(), ReceiverError>> {
        let posts: Vec<_> = messages.iter().map(|message| self.post(message, now_us)).collect();
        stream::iter(posts).buffered(CONCURRENCY).collect().await
    }
}
