//! The state that all requests of a process share.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::available_parallelism;

use service::{Config, Service};

use crate::function::Function;
use crate::heartbeat::Heartbeat;
use crate::in_flight::{InFlight, WorkBounds};
use crate::read_limit::ReadLimit;
use crate::request_id::RequestIds;

/// Longest answer on AWS Lambda, in bytes as sent there: 6 MB, less a margin for headers.
pub(crate) const LAMBDA_ANSWER_LEN_MAX: usize = 6_000_000;

/// Long requests that run at once for each processor: one computes while another waits for the store.
const TURNS_PER_PROCESSOR: usize = 2;

/// A function: its use cases, and the bounds within which it serves them. Clones share their state.
#[derive(Debug, Clone)]
pub struct App {
    state: Arc<AppState>,
}

#[derive(Debug)]
struct AppState {
    function: Function,
    service: Service,
    config: Config,
    in_flight: Arc<InFlight>,
    reads: ReadLimit,
    heartbeat: Heartbeat,
    request_ids: RequestIds,
    was_invoked: AtomicBool,
}

impl App {
    /// Serves `service` as `function`, within the bounds of `config`.
    pub fn new(function: Function, service: Service, config: &Config) -> Self {
        let request_ids = RequestIds::new();
        let instance = config.platform.instance.clone().unwrap_or_else(|| request_ids.prefix());
        let state = AppState {
            function,
            service,
            config: config.clone(),
            in_flight: InFlight::new(work_bounds(config)),
            reads: ReadLimit::new(config.reads_per_s_max),
            heartbeat: Heartbeat::new(function.name(), instance),
            request_ids,
            was_invoked: AtomicBool::new(false),
        };
        Self { state: Arc::new(state) }
    }

    /// The function.
    pub fn function(&self) -> Function {
        self.state.function
    }

    /// Its use cases.
    pub fn service(&self) -> &Service {
        &self.state.service
    }

    pub(crate) fn config(&self) -> &Config {
        &self.state.config
    }

    /// True if the process serves the page for people.
    pub(crate) fn serves_ui(&self) -> bool {
        let shows_series = matches!(self.function(), Function::Analyze | Function::Standalone);
        shows_series && self.config().serves_ui
    }

    pub(crate) fn in_flight(&self) -> &Arc<InFlight> {
        &self.state.in_flight
    }

    pub(crate) fn reads(&self) -> &ReadLimit {
        &self.state.reads
    }

    pub(crate) fn heartbeat(&self) -> &Heartbeat {
        &self.state.heartbeat
    }

    pub(crate) fn request_ids(&self) -> &RequestIds {
        &self.state.request_ids
    }

    /// Longest answer that can be sent, in bytes.
    pub(crate) fn answer_len_max(&self) -> usize {
        if self.config().platform.is_lambda { LAMBDA_ANSWER_LEN_MAX } else { usize::MAX }
    }

    /// True if this is the first call: the first invocation of a process on Lambda includes its cold start.
    pub(crate) fn is_first_invocation(&self) -> bool {
        !self.state.was_invoked.swap(true, Relaxed)
    }
}

fn work_bounds(config: &Config) -> WorkBounds {
    let n_processors = available_parallelism().map_or(1, NonZero::get);
    WorkBounds {
        n_requests: config.requests_in_flight_max,
        n_bytes: config.in_flight_bytes_max,
        n_turns: TURNS_PER_PROCESSOR * n_processors,
        is_shared: config.access.n_tenants() > 1,
    }
}
