//! State shared by all use cases: store, history, writer, limits, metrics.

use std::sync::Arc;

use alert::Receiver;
use detector::DeployedDetector;
use domain::{SeriesKey, Tenant};
use futures_util::future::try_join4;
use intake::Trigger;
use store::{
    CircuitCounts, EmbeddedStore, History, Instance, RedisStore, SeriesState, Store, StoreError,
};
use tracing::warn;

use crate::alerting::{AlertRules, Notifier, RoundWait};
use crate::answers::{AlertsAnswer, SummaryAnswer};
use crate::clock::steady_us;
use crate::config::{Config, ConfigError};
use crate::error::ServiceError;
use crate::metrics::{
    EmfBuffer, RecordResult, RequestFacts, StoreOperation, StoreReply, Totals, render_gauges,
    render_instances, render_process, render_totals,
};
use crate::rate_limit::RateLimit;
use crate::recent_answers::RecentAnswers;
use crate::selection::SelectionRules;
use crate::series_metrics::Listing;
use crate::warnings::Warnings;
use crate::write::WriteBatcher;

/// The use cases over one store. Clones share their state.
#[derive(Debug, Clone)]
pub struct Service {
    store: Arc<dyn Store>,
    history: Option<Arc<dyn History>>,
    notifier: Option<Arc<Notifier>>,
    alert_rules: Arc<AlertRules>,
    writer: WriteBatcher,
    deployed: DeployedDetector,
    time_ahead_max_us: i64,
    rules: Arc<SelectionRules>,
    rate_limit: Arc<RateLimit>,
    totals: Arc<Totals>,
    listing: Arc<Listing>,
    summaries: Arc<RecentAnswers<Tenant, SummaryAnswer>>,
    alert_lists: Arc<RecentAnswers<Tenant, AlertsAnswer>>,
    exposition: Arc<RecentAnswers<(), String>>,
    warnings: Arc<Warnings>,
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
            Ok(Arc::new(redis.with_limits(config.store_limits)))
        }
        (None, StoreScope::Process) => {
            Ok(Arc::new(EmbeddedStore::new(steady_us).with_limits(config.store_limits)))
        }
        (None, StoreScope::Shared) => Err(ConfigError::one(
            "REDIS_URL is missing: `ingest` and `analyze` share series through Redis; `standalone` runs without it",
        )),
    }
}

impl Service {
    /// Creates the use cases over `store`, without a durable history.
    pub fn new(store: Arc<dyn Store>, config: &Config) -> Self {
        Self::with_history(store, None, config)
    }

    /// Creates the use cases over `store` and an optional durable history.
    pub fn with_history(
        store: Arc<dyn Store>,
        history: Option<Arc<dyn History>>,
        config: &Config,
    ) -> Self {
        let totals = if config.writes_emf() { Totals::with_emf() } else { Totals::default() };
        let totals = Arc::new(totals);
        let rules = Arc::new(config.rules.clone());
        let writer =
            WriteBatcher::new(Arc::clone(&store), Arc::clone(&totals), config, Arc::clone(&rules));
        let rate_limit = RateLimit::new(config.samples_per_s_max, config.limits.n_samples_max);
        Self {
            store,
            history,
            notifier: None,
            alert_rules: Arc::new(config.alerts.clone()),
            writer,
            deployed: config.deployed,
            time_ahead_max_us: config.time_ahead_max_us,
            rules,
            rate_limit: Arc::new(rate_limit),
            totals,
            listing: Arc::default(),
            summaries: Arc::default(),
            alert_lists: Arc::default(),
            exposition: Arc::default(),
            warnings: Arc::default(),
        }
    }

    /// The same use cases with receivers of the configured alerts.
    #[must_use]
    pub fn with_receivers(self, receivers: Vec<Arc<dyn Receiver>>, wait: RoundWait) -> Self {
        let names = receivers.iter().map(|receiver| receiver.name());
        names.for_each(|name| self.totals.declare_notifications(name));
        let rules = (*self.alert_rules).clone();
        Self { notifier: Some(Arc::new(Notifier::new(rules, receivers, wait))), ..self }
    }

    /// Checks that the store answers, and that deployments of this generation use the same detector.
    pub async fn ready(&self) -> Result<(), ServiceError> {
        Ok(self.store.check_deployment(&self.deployed).await?)
    }

    /// Checks that the store answers and has the configured number of shards; writes nothing.
    pub async fn ping(&self) -> Result<(), ServiceError> {
        Ok(self.store.ping().await?)
    }

    /// Codes of conditions that need a person, although requests are served.
    pub fn warnings(&self) -> Vec<&'static str> {
        self.warnings.codes()
    }

    /// Counts the circuit breakers of this process, and the open ones.
    pub fn circuits(&self) -> CircuitCounts {
        self.store.circuits()
    }

    /// Renders the metrics of all processes as Prometheus text, version 0.0.4.
    ///
    /// If the store is away, only those of this process.
    pub async fn metrics(&self) -> Result<String, ServiceError> {
        self.flush().await;
        let (totals, gauges) = (self.store.totals(), self.store.gauges());
        let (instances, n_unsaved) = (self.store.instances(), self.store.n_unsaved_episodes());
        let read = try_join4(totals, gauges, instances, n_unsaved).await;
        let process = render_process(read.is_ok(), self.circuits())?;
        match read {
            Ok((totals, gauges, instances, n_unsaved)) => {
                let shared = [
                    render_totals(&totals)?,
                    render_gauges(&gauges, n_unsaved)?,
                    render_instances(instances)?,
                ];
                Ok(shared.concat() + &process)
            }
            Err(error) => {
                warn!(code = error.code(), %error, "totals not read");
                Ok(process)
            }
        }
    }

    /// The same metrics, at most a second old; not while a circuit is open.
    pub async fn recent_metrics(&self) -> Result<String, ServiceError> {
        if self.circuits().n_open > 0 {
            return self.metrics().await;
        }
        self.exposition.get((), self.metrics()).await
    }

    /// Renews the lease of this process, with its current load.
    pub async fn renew_lease(&self, instance: &Instance) -> Result<(), StoreError> {
        self.store.renew_lease(instance).await
    }

    /// Ends the lease of this process.
    pub async fn end_lease(&self, instance: &Instance) -> Result<(), StoreError> {
        self.store.end_lease(instance).await
    }

    /// Counts the start of this process.
    pub fn count_cold_start(&self, function: &str) {
        self.totals.count_cold_start(function);
    }

    /// Starts the counters of a route from 0.
    pub fn declare_request(&self, function: &str, method: &str, route: &str) {
        self.totals.declare_request(function, method, route);
    }

    /// Counts a served request.
    pub fn count_request(&self, facts: &RequestFacts) {
        self.totals.count_request(facts);
    }

    /// Counts records of an event by result.
    pub fn count_records(&self, trigger: Trigger, result: RecordResult, n: u64) {
        self.totals.count_records(trigger, result, n);
    }

    /// Takes the metrics of this process since the last call; `None` if it writes no EMF.
    pub fn take_emf(&self) -> Option<EmfBuffer> {
        self.totals.take_emf()
    }

    /// Adds the counts of this process to the totals in the store; on failure they wait for the next flush.
    pub async fn flush(&self) {
        let loss = self.store.take_loss();
        if loss.n_shards > 0 {
            self.warnings.lost_data(&loss);
            self.totals.count_losses(loss.n_shards);
        }
        let totals = self.totals.take();
        if totals.is_empty() {
            return;
        }
        if let Err(error) = self.store.add_totals(&totals).await {
            warn!(code = error.code(), %error, "totals not saved");
            self.totals.give_back(totals);
        }
    }

    /// Takes `n` samples from the rate limit of a tenant.
    pub async fn admit(&self, tenant: &Tenant, n: usize) -> Result<(), ServiceError> {
        self.rate_limit.admit(&*self.store, &self.totals, (tenant, n as u64)).await
    }

    /// Reads a series that has samples.
    pub(crate) async fn read(&self, key: &SeriesKey) -> Result<SeriesState, ServiceError> {
        let state = self.measure(StoreOperation::Read, self.store.read(key)).await?;
        state.filter(|state| !state.has_no_sample()).ok_or(ServiceError::NotFound)
    }

    /// Measures a call to the store.
    pub(crate) async fn measure<T: StoreReply>(
        &self,
        operation: StoreOperation,
        call: impl Future<Output = T>,
    ) -> T {
        self.totals.measure(operation, call).await
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn history(&self) -> Option<&dyn History> {
        self.history.as_deref()
    }

    /// True if this process can notify receivers.
    pub fn has_receivers(&self) -> bool {
        self.notifier.is_some()
    }

    pub(crate) fn notifier(&self) -> Option<&Notifier> {
        self.notifier.as_deref()
    }

    pub(crate) fn alert_rules(&self) -> &AlertRules {
        &self.alert_rules
    }

    pub(crate) fn writer(&self) -> &WriteBatcher {
        &self.writer
    }

    pub(crate) fn summaries(&self) -> &RecentAnswers<Tenant, SummaryAnswer> {
        &self.summaries
    }

    pub(crate) fn alert_lists(&self) -> &RecentAnswers<Tenant, AlertsAnswer> {
        &self.alert_lists
    }

    pub(crate) fn listing(&self) -> &Listing {
        &self.listing
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(crate) fn deployed(&self) -> DeployedDetector {
        self.deployed
    }

    /// Detector of a series in this deployment.
    pub(crate) fn deployed_for(&self, key: &SeriesKey) -> DeployedDetector {
        self.rules.detector_of(self.deployed, key)
    }

    pub(crate) fn rules(&self) -> &SelectionRules {
        &self.rules
    }

    pub(crate) fn time_ahead_max_us(&self) -> i64 {
        self.time_ahead_max_us
    }
}
