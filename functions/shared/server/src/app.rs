//! What all requests of a process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use domain::Tenant;
use intake::RequestLimits;
use service::{Access, Config, PoisonPolicy, Service};

use crate::function::Function;
use crate::heartbeat::Heartbeat;
use crate::load_shed::InFlight;
use crate::request_id::RequestIds;
use crate::response_limit::LAMBDA_ANSWER_LEN_MAX;

/// The use cases with the bounds within which they are served. Clones share it.
#[derive(Debug, Clone)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    function: Function,
    service: Service,
    access: Access,
    limits: RequestLimits,
    request_timeout: Duration,
    serves_debug: bool,
    load: InFlight,
    heartbeat: Heartbeat,
    exporter_series_max: usize,
    answer_len_max: usize,
    request_ids: RequestIds,
    stream_tenant: Tenant,
    stream_poisoned: PoisonPolicy,
    emf_namespace: String,
    is_invoked: AtomicBool,
}

impl App {
    /// `service` as `function`, within the bounds of `config`.
    pub fn new(function: Function, service: Service, config: &Config) -> Self {
        let request_ids = RequestIds::new();
        let name = config.platform.instance.clone().unwrap_or_else(|| request_ids.prefix());
        let inner = Inner {
            function,
            heartbeat: Heartbeat::new(function.name(), name),
            exporter_series_max: config.exporter_series_max,
            answer_len_max: if config.platform.is_lambda {
                LAMBDA_ANSWER_LEN_MAX
            } else {
                usize::MAX
            },
            service,
            access: config.access.clone(),
            limits: config.limits,
            request_timeout: config.request_timeout,
            serves_debug: config.serves_debug,
            load: InFlight::new(config.requests_in_flight_max, config.in_flight_bytes_max),
            request_ids,
            stream_tenant: config.stream_tenant.clone(),
            stream_poisoned: config.stream_poisoned,
            emf_namespace: config.emf_namespace.clone(),
            is_invoked: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Which function it is.
    pub fn function(&self) -> Function {
        self.inner.function
    }

    /// The use cases.
    pub fn service(&self) -> &Service {
        &self.inner.service
    }

    /// Who is served.
    pub(crate) fn access(&self) -> &Access {
        &self.inner.access
    }

    /// Bounds of one request.
    pub(crate) fn limits(&self) -> RequestLimits {
        self.inner.limits
    }

    /// Longest time for one request.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.inner.request_timeout
    }

    /// Whether profiles are served.
    pub(crate) fn serves_debug(&self) -> bool {
        self.inner.serves_debug
    }

    /// What is being served.
    pub(crate) fn load(&self) -> &InFlight {
        &self.inner.load
    }

    /// What this process tells of itself.
    pub(crate) fn heartbeat(&self) -> &Heartbeat {
        &self.inner.heartbeat
    }

    /// Series of which an exporter tells; 0 for none.
    pub(crate) fn exporter_series_max(&self) -> usize {
        self.inner.exporter_series_max
    }

    /// Longest answer that the host may send, in bytes.
    pub(crate) fn answer_len_max(&self) -> usize {
        self.inner.answer_len_max
    }

    /// Ids for requests that bring none.
    pub(crate) fn request_ids(&self) -> &RequestIds {
        &self.inner.request_ids
    }

    /// Whose series come from queues and streams.
    pub(crate) fn stream_tenant(&self) -> &Tenant {
        &self.inner.stream_tenant
    }

    /// What becomes of a record of a shard that can never be stored.
    pub(crate) fn stream_poisoned(&self) -> PoisonPolicy {
        self.inner.stream_poisoned
    }

    /// The namespace of the metrics in the log.
    pub(crate) fn emf_namespace(&self) -> &str {
        &self.inner.emf_namespace
    }

    /// Whether no invocation came before this one: its caller waited for the process to start.
    pub(crate) fn is_first_invocation(&self) -> bool {
        !self.inner.is_invoked.swap(true, Relaxed)
    }
}
