//! Receivers of alerts: topics of SNS and buses of EventBridge.

use std::time::Duration;

use alert::{AlertMessage, Receiver, ReceiverError};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::stream::{self, StreamExt};

use crate::client::https_client;

/// Longest time of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Messages published at once.
const CONCURRENCY: usize = 8;

/// Events of one request: the limit of EventBridge.
const ENTRIES_MAX: usize = 10;

/// Longest subject of a message: the limit of SNS, in characters.
const SUBJECT_LEN_MAX: usize = 100;

/// Name of the source in events.
const EVENT_SOURCE: &str = "tidemark";

/// Type of the events.
const EVENT_TYPE: &str = "Tidemark Alert";

/// A topic of SNS, in the region of its ARN.
#[derive(Debug)]
pub struct SnsTopic {
    name: String,
    topic_arn: String,
    client: aws_sdk_sns::Client,
}

/// A bus of EventBridge.
#[derive(Debug)]
pub struct EventBus {
    name: String,
    bus: String,
    client: aws_sdk_eventbridge::Client,
}

/// Region, credentials and endpoint from the environment. The notifier repeats what failed, so one attempt is enough.
async fn load_config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https_client())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        .load()
        .await
}

impl SnsTopic {
    /// The topic with this ARN; connects at the first message.
    pub async fn new(name: String, topic_arn: &str) -> Result<Self, String> {
        let parts: Vec<&str> = topic_arn.split(':').collect();
        let ["arn", _, "sns", region, _, _] = parts[..] else {
            let expected = "expected the ARN of a topic such as `arn:aws:sns:eu-central-1:1:a`";
            return Err(format!("`{topic_arn}` is not valid: {expected}"));
        };
        let config = load_config().await;
        let region = aws_sdk_sns::config::Region::new(region.to_owned());
        let config = aws_sdk_sns::config::Builder::from(&config).region(region).build();
        let client = aws_sdk_sns::Client::from_conf(config);
        Ok(Self { name, topic_arn: topic_arn.to_owned(), client })
    }

    async fn publish(&self, message: &AlertMessage) -> Result<(), ReceiverError> {
        let series = message.key.series();
        let text = |value: &str| {
            let attribute = MessageAttributeValue::builder().data_type("String");
            attribute.string_value(value).build().ok()
        };
        let mut publish = self
            .client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(subject(&message.summary()))
            .message(message.body().to_string());
        // Subscriptions filter by attributes.
        let attributes = [
            ("phase", message.change.phase.as_str()),
            ("severity", message.change.severity.as_str()),
            ("source", series.source()),
            ("metric", series.metric()),
        ];
        for (name, value) in attributes {
            if let Some(value) = text(value) {
                publish = publish.message_attributes(name, value);
            }
        }
        if self.topic_arn.strip_suffix(".fifo").is_some() {
            publish = publish
                .message_group_id(&message.id)
                .message_deduplication_id(message.delivery_id());
        }
        let published = publish.send().await;
        published.map(drop).map_err(|error| failed(&DisplayErrorContext(&error)))
    }
}

#[async_trait]
impl Receiver for SnsTopic {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, messages: &[AlertMessage], _: i64) -> Vec<Result<(), ReceiverError>> {
        let published: Vec<_> = messages.iter().map(|message| self.publish(message)).collect();
        stream::iter(published).buffered(CONCURRENCY).collect().await
    }
}

impl EventBus {
    /// The bus with this name or ARN; connects at the first message.
    pub async fn new(name: String, bus: String) -> Self {
        let client = aws_sdk_eventbridge::Client::new(&load_config().await);
        Self { name, bus, client }
    }

    async fn put(&self, messages: &[AlertMessage]) -> Vec<Result<(), ReceiverError>> {
        let entries = messages.iter().map(|message| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.bus)
                .source(EVENT_SOURCE)
                .detail_type(EVENT_TYPE)
                .time(DateTime::from_secs(message.change.at_us.div_euclid(1_000_000)))
                .detail(message.body().to_string())
                .build()
        });
        let put = self.client.put_events().set_entries(Some(entries.collect())).send().await;
        match put {
            Err(error) => {
                let error = failed(&DisplayErrorContext(&error));
                messages.iter().map(|_| Err(error.clone())).collect()
            }
            Ok(put) => {
                let mut results = put.entries().iter().map(|entry| match entry.error_code() {
                    None => Ok(()),
                    Some(code) => Err(failed(&code)),
                });
                let missing = || Err(failed(&"its answer has no result for this event"));
                messages.iter().map(|_| results.next().unwrap_or_else(missing)).collect()
            }
        }
    }
}

#[async_trait]
impl Receiver for EventBus {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, messages: &[AlertMessage], _: i64) -> Vec<Result<(), ReceiverError>> {
        let mut results = Vec::with_capacity(messages.len());
        for messages in messages.chunks(ENTRIES_MAX) {
            results.extend(self.put(messages).await);
        }
        results
    }
}

fn failed(reason: &dyn std::fmt::Display) -> ReceiverError {
    ReceiverError::Failed { reason: reason.to_string(), retry_after: None }
}

/// A subject as SNS takes it: printable ASCII, at most 100 characters.
fn subject(summary: &str) -> String {
    let printable = summary.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' });
    printable.take(SUBJECT_LEN_MAX).collect()
}
