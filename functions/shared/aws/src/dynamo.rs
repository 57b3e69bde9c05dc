//! The calls to the table.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use detector::SeriesConfig;
use domain::SeriesKey;
use store::{History, HistoryError, HistoryOptions, Page, PastRange, StoredConfig, StoredEpisode};

use crate::failure::{failure, is_older};
use crate::item;

/// Longest wait for a connection: a table is near, or it is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest wait for one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// Attempts of one call; throttling is told after them, and the next sweep comes again.
const ATTEMPTS_MAX: u32 = 3;

/// Pages that one read follows: expired items that DynamoDB has not dropped yet count towards a page and are not told.
const PAGES_MAX: usize = 8;

/// Items in one request to delete: the bound of DynamoDB.
const DELETED_MAX: usize = 25;

/// Rounds in which a series is forgotten: 25 items each, so more than ten thousand episodes.
const FORGOTTEN_ROUNDS_MAX: usize = 512;

/// Episodes and configurations in a table of DynamoDB, or of whatever answers at `AWS_ENDPOINT_URL_DYNAMODB`.
#[derive(Debug)]
pub struct Dynamo {
    pub(crate) client: Client,
    pub(crate) options: HistoryOptions,
    now_us: fn() -> i64,
}

impl Dynamo {
    /// The table of `options`, with region, credentials and endpoint from the environment; connects when first asked.
    ///
    /// `now_us` is the time in microseconds since the Unix epoch.
    pub async fn new(options: HistoryOptions, now_us: fn() -> i64) -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https_client())
            .timeout_config(timeouts())
            .retry_config(retries())
            .load()
            .await;
        Self::with_client(Client::new(&config), options, now_us)
    }

    /// The same with a client that was made elsewhere.
    pub(crate) fn with_client(
        client: Client,
        options: HistoryOptions,
        now_us: fn() -> i64,
    ) -> Self {
        Self { client, options, now_us }
    }

    /// Writes an item, unless one of a later revision is there.
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
            // It is there already, or a later word on it.
            Err(error) if is_older(&error) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }

    /// The starts of some episodes of a series, as sort keys.
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
            .filter_map(|mut it| it.remove("sk"))
            .collect())
    }
}

/// Trusts what the system trusts, and AWS.
///
/// # Panics
///
/// When the roots of AWS are no certificates.
fn https_client() -> SharedHttpClient {
    let roots = TrustStore::default().with_pem_certificate(https::AMAZON_ROOTS);
    let tls = TlsContext::builder().with_trust_store(roots).build().expect("of this crate");
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https()
}

/// How long a call waits.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// How often a call is made.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_MAX)
        .with_initial_backoff(Duration::from_millis(50))
}

#[async_trait]
impl History for Dynamo {
    async fn save(
        &self,
        key: &SeriesKey,
        episode: &StoredEpisode,
        received_us: i64,
    ) -> Result<(), HistoryError> {
        self.put(item::of(key, episode, received_us, self.options.days), episode.revision).await
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
            next: last.and_then(|it| it.as_s().ok().cloned()),
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
        let mut from: Option<HashMap<String, AttributeValue>> = None;
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
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| failure(&error))?;
            for it in answer.items.unwrap_or_default() {
                if !item::is_expired(&it, now_s) {
                    episodes.push(item::episode(&it).ok_or(HistoryError::Unreadable)?);
                }
            }
            from = answer.last_evaluated_key;
            if from.is_none() || episodes.len() >= range.limit {
                break;
            }
        }
        Ok(episodes)
    }

    async fn forget(&self, key: &SeriesKey) -> Result<(), HistoryError> {
        for _ in 0..FORGOTTEN_ROUNDS_MAX {
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
            // What is not processed is found again in the next round.
            let delete = self.client.batch_write_item().request_items(&self.options.table, writes);
            delete.send().await.map_err(|error| failure(&error))?;
        }
        Err(HistoryError::Unavailable {
            reason: "there is more than could be forgotten".to_owned(),
        })
    }

    async fn ready(&self) -> Result<(), HistoryError> {
        // A read of nothing: the cheapest that needs no right besides those to use it.
        let query = self.client.query().table_name(&self.options.table);
        let query = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S("-".to_owned()))
            .limit(1);
        query.send().await.map(|_| ()).map_err(|error| failure(&error))
    }
}
