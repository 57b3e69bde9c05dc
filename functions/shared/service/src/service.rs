//! What the use cases share: store, writer, clock, totals.

use std::sync::Arc;

use detector::DeployedDetector;
use domain::Tenant;
use futures_util::future::try_join4;
use intake::Trigger;
use store::{CircuitCounts, EmbeddedStore, History, Instance, RedisStore, Store, StoreError};
use tracing::warn;

use crate::clock::now_us;
use crate::config::{Config, ConfigError};
use crate::error::ServiceError;
use crate::metrics::{
    EmfBuffer, RecordResult, RequestFacts, Totals, render_instances, render_levels, render_process,
    render_totals, render_unsaved,
};
use crate::rate_limit::RateLimit;
use crate::writer::Writer;

/// The use cases over one store. Clones share it.
#[derive(Debug, Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    history: Option<Arc<dyn History>>,
    writer: Writer,
    deployed: DeployedDetector,
    time_ahead_max_us: i64,
    rate_limit: RateLimit,
    totals: Arc<Totals>,
}

/// Processes that must see the series of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreScope {
    /// Several processes: the store must be Redis.
    Shared,
    /// One process: its memory is enough if no Redis is configured.
    Process,
}

/// Creates the store that `config` names.
pub fn store_for(config: &Config, scope: StoreScope) -> Result<Arc<dyn Store>, ConfigError> {
    match (&config.redis, scope) {
        (Some(options), _) => {
            let redis = RedisStore::with_credentials(options, &config.redis_credentials)
                .map_err(|error| ConfigError::one(format!("REDIS_URL: {error}")))?;
            Ok(Arc::new(redis.with_series_max(config.series_max)))
        }
        (None, StoreScope::Process) => {
            Ok(Arc::new(EmbeddedStore::new(now_us).with_series_max(config.series_max)))
        }
        (None, StoreScope::Shared) => Err(ConfigError::one(
            "REDIS_URL is missing: `ingest` and `analyze` in separate processes would not see each other's series; \
             `standalone` runs without it",
        )),
    }
}

impl Service {
    /// The use cases over `store`, where history ends with what it keeps.
    pub fn new(store: Arc<dyn Store>, config: &Config) -> Self {
        Self::with_history(store, None, config)
    }

    /// The use cases over `store` and, where there is one, a durable history.
    pub fn with_history(
        store: Arc<dyn Store>,
        history: Option<Arc<dyn History>>,
        config: &Config,
    ) -> Self {
        let totals = if config.writes_emf() { Totals::with_emf() } else { Totals::default() };
        let totals = Arc::new(totals);
        let writer = Writer::new(Arc::clone(&store), Arc::clone(&totals), config);
        let time_ahead_max_us = config.time_ahead_max_us;
        Self {
            inner: Arc::new(Inner {
                store,
                history,
                writer,
                deployed: config.deployed,
                time_ahead_max_us,
                rate_limit: RateLimit::new(config.samples_per_s_max, config.limits.n_samples_max),
                totals,
            }),
        }
    }

    /// Whether the store answers, and judges with the same detector.
    pub async fn ready(&self) -> Result<(), ServiceError> {
        Ok(self.store().check_deployment(&self.deployed()).await?)
    }

    /// Whether the store answers, and is the one that this deployment means; stores nothing.
    pub async fn is_reached(&self) -> Result<(), ServiceError> {
        Ok(self.store().ping().await?)
    }

    /// How many parts of the store this process leaves alone for a while, as they did not answer.
    pub fn circuits(&self) -> CircuitCounts {
        self.store().circuits()
    }

    /// The totals and gauges of all processes as Prometheus text, version 0.0.4.
    ///
    /// Without the store it still says that the store does not answer.
    pub async fn metrics(&self) -> Result<String, ServiceError> {
        self.flush().await;
        let store = self.store();
        let (levels, unsaved) = (store.gauges(), store.n_unsaved_episodes());
        let read = try_join4(store.totals(), levels, store.instances(), unsaved).await;
        let own = render_process(read.is_ok(), self.circuits())?;
        match read {
            Ok((totals, levels, instances, n_unsaved)) => {
                let shared = [
                    render_totals(&totals)?,
                    render_levels(&levels)?,
                    render_instances(instances)?,
                    render_unsaved(n_unsaved)?,
                ];
                Ok(shared.concat() + &own)
            }
            Err(error) => {
                warn!(code = error.code(), %error, "totals not read");
                Ok(own)
            }
        }
    }

    /// Keeps what this process tells of itself for the time of a lease.
    pub async fn report(&self, instance: &Instance) -> Result<(), StoreError> {
        self.store().renew_lease(instance).await
    }

    /// Forgets this process at once.
    pub async fn withdraw(&self, instance: &Instance) -> Result<(), StoreError> {
        self.store().end_lease(instance).await
    }

    /// Counts the start of this process.
    pub fn count_cold_start(&self, function: &str) {
        self.totals().count_cold_start(function);
    }

    /// Makes a route known, so that its counter starts from 0.
    pub fn declare_request(&self, function: &str, method: &str, route: &str) {
        self.totals().declare_request(function, method, route);
    }

    /// Counts a served request.
    pub fn count_request(&self, facts: &RequestFacts) {
        self.totals().count_request(facts);
    }

    /// Counts records of an event, by what became of them.
    pub fn count_records(&self, trigger: Trigger, result: RecordResult, n: u64) {
        self.totals().count_records(trigger, result, n);
    }

    /// Takes the metrics of this process since the last call; `None` if it writes no EMF.
    pub fn take_emf(&self) -> Option<EmfBuffer> {
        self.totals().take_emf()
    }

    /// Adds what this process counted to the totals in the store; what the store does not take is kept for the next.
    pub async fn flush(&self) {
        let totals = self.totals().take();
        if totals.is_empty() {
            return;
        }
        if let Err(error) = self.store().add_totals(&totals).await {
            warn!(code = error.code(), %error, "totals not saved");
            self.totals().give_back(totals);
        }
    }

    /// Takes `n` samples from the rate limit of a tenant.
    pub async fn admit(&self, tenant: &Tenant, n: usize) -> Result<(), ServiceError> {
        self.inner.rate_limit.admit(self.store(), self.totals(), tenant, n as u64).await
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.inner.store.as_ref()
    }

    pub(crate) fn history(&self) -> Option<&dyn History> {
        self.inner.history.as_deref()
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.inner.totals
    }

    pub(crate) fn deployed(&self) -> DeployedDetector {
        self.inner.deployed
    }

    pub(crate) fn time_ahead_max_us(&self) -> i64 {
        self.inner.time_ahead_max_us
    }
}
