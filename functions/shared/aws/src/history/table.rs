//! The calls to the table.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use detector::SeriesConfig;
use domain::SeriesKey;
use store::{History, HistoryError, HistoryOptions, Page, PastRange, StoredConfig, StoredEpisode};

use super::failure::{failure, is_older};
use super::item;
use crate::client::https_client;

/// Longest wait for a connection: a table is near, or unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest attempt of a call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// Attempts of one call; the next sweep repeats what is throttled even then.
const ATTEMPTS_MAX: u32 = 3;

/// Pages read for one answer: expired items that DynamoDB has not removed yet count towards a page and are left out.
const PAGES_MAX: usize = 8;

/// Items in one request to delete: the limit of DynamoDB.
const DELETED_MAX: usize = 25;

/// Rounds in which a series is deleted: 25 items each, so more than ten thousand episodes.
const DELETE_ROUNDS_MAX: usize = 512;

/// Episodes and configurations in a table of DynamoDB, or of the server at `AWS_ENDPOINT_URL_DYNAMODB`.
#[derive(Debug)]
pub struct HistoryTable {
    pub(super) client: Client,
    pub(super) options: HistoryOptions,
    now_us: fn() -> i64,
}

impl HistoryTable {
    /// The table of `options`, with region, credentials and endpoint from the environment; connects at the first call.
    ///
    /// `now_us` returns the time in microseconds since the Unix epoch.
    pub async fn new(options: HistoryOptions, now_us: fn() -> i64) -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https_client())
            .timeout_config(timeouts())
            .retry_config(retries())
            .load()
            .await;
        Self::with_client(Client::new(&config), options, now_us)
    }

    /// The table of `options`, reached by `client`.
    pub(crate) fn with_client(
        client: Client,
        options: HistoryOptions,
        now_us: fn() -> i64,
    ) -> Self {
        Self { client, options, now_us }
    }

    /// Writes an item, unless it exists in this or a later revision.
    async fn put(
        &self,
        item: HashMap<String, AttributeValue>,
        revision: i64,
    ) -> Result<(), HistoryError> {
        let put = self.client.put_item().table_name(&self.options.table).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(pk) OR #revision < :revision")
            .expression_attribute_names("#revision", item::REVISION)
            .expression_attribute_values(":revision", item::number(revision));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_older(&error) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Sort keys of some episodes of a series.
    async fn starts(&self, key: &SeriesKey) -> Result<Vec<AttributeValue>, HistoryError> {
        let query = self.client.query().table_name(&self.options.table);
        let answer = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", item::pk(key))
            .projection_expression("sk")
            .limit(DELETED_MAX as i32)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(answer
            .items
            .unwrap_or_default()
            .into_iter()
            .filter_map(|mut item| item.remove("sk"))
            .collect())
    }
}

/// The time limits of a call.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// The retries of a call.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_MAX)
        .with_initial_backoff(Duration::from_millis(50))
}

#[async_trait]
impl History for HistoryTable {
    async fn save(
        &self,
        key: &SeriesKey,
        episode: &StoredEpisode,
        received_us: i64,
    ) -> Result<(), HistoryError> {
        let item = item::of_episode(key, episode, received_us, self.options.days);
        self.put(item, episode.revision).await
    }

    async fn mirror(
        &self,
        key: &SeriesKey,
        revision: i64,
        config: Option<&SeriesConfig>,
        received_us: i64,
    ) -> Result<(), HistoryError> {
        self.put(item::of_config(key, revision, config, received_us), revision).await
    }

    async fn configs(
        &self,
        cursor: Option<&str>,
    ) -> Result<Page<(SeriesKey, StoredConfig)>, HistoryError> {
        let after = |path: &str| {
            let key = [("pk", item::pk_of_configs()), ("sk", item::sk_of_config(path))];
            key.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        let answer = self
            .client
            .query()
            .table_name(&self.options.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", item::pk_of_configs())
            .set_exclusive_start_key(cursor.map(after))
            .send()
            .await
            .map_err(|error| failure(&error))?;
        let last = answer.last_evaluated_key.and_then(|mut key| key.remove("sk"));
        Ok(Page {
            items: answer.items.unwrap_or_default().iter().filter_map(item::config).collect(),
            next: last.and_then(|sk| sk.as_s().ok().cloned()),
        })
    }

    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, HistoryError> {
        let now_s = (self.now_us)() / 1_000_000;
        let mut episodes = Vec::new();
        if range.before_us.is_some_and(|before_us| before_us <= range.since_us) {
            return Ok(episodes);
        }
        let last_us = range.before_us.map_or(i64::MAX, |before_us| before_us - 1);
        let mut next: Option<HashMap<String, AttributeValue>> = None;
        for _ in 0..PAGES_MAX {
            let answer = self
                .client
                .query()
                .table_name(&self.options.table)
                .key_condition_expression("pk = :pk AND sk BETWEEN :since AND :last")
                .expression_attribute_values(":pk", item::pk(key))
                .expression_attribute_values(":since", item::sk(range.since_us))
                .expression_attribute_values(":last", item::sk(last_us))
                .scan_index_forward(false)
                .limit(range.limit.saturating_sub(episodes.len()).clamp(1, 1_000) as i32)
                .set_exclusive_start_key(next)
                .send()
                .await
                .map_err(|error| failure(&error))?;
            for found in answer.items.unwrap_or_default() {
                if !item::is_expired(&found, now_s) {
                    episodes.push(item::episode(&found).ok_or(HistoryError::Unreadable)?);
                }
            }
            next = answer.last_evaluated_key;
            if next.is_none() || episodes.len() >= range.limit {
                break;
            }
        }
        Ok(episodes)
    }

    async fn forget(&self, key: &SeriesKey) -> Result<(), HistoryError> {
        for _ in 0..DELETE_ROUNDS_MAX {
            let starts = self.starts(key).await?;
            if starts.is_empty() {
                return Ok(());
            }
            let mut writes = Vec::with_capacity(starts.len());
            for sk in starts {
                let delete = DeleteRequest::builder().key("pk", item::pk(key)).key("sk", sk);
                let delete = delete.build().map_err(|_| HistoryError::Unreadable)?;
                writes.push(WriteRequest::builder().delete_request(delete).build());
            }
            // The next round finds the items that were not processed.
            let delete = self.client.batch_write_item().request_items(&self.options.table, writes);
            delete.send().await.map_err(|error| failure(&error))?;
        }
        Err(HistoryError::Unavailable {
            reason: format!("more than {} items to delete", DELETED_MAX * DELETE_ROUNDS_MAX),
        })
    }

    async fn ready(&self) -> Result<(), HistoryError> {
        // The cheapest call that needs only the rights for its use: a query without result.
        let query = self.client.query().table_name(&self.options.table);
        let query = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S("-".to_owned()))
            .limit(1);
        query.send().await.map(|_| ()).map_err(|error| failure(&error))
    }
}
