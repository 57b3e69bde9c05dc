//! Runs a function: from the command line and the environment to an exit code.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use service::config::Audience;
use service::{
    Access, Config, ConfigError, History, HistoryOptions, Receiver, ReceiverOptions, RoundWait,
    Service, init_tracing, now_us, store_for,
};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::alerts_command::{AlertsCommand, TestMessageError};
use crate::app::App;
use crate::cli::{self, CliCommand};
use crate::function::Function;
use crate::http::{connections_max, raise_limit, serve_http};
use crate::lambda::{end_lambda, serve_lambda};
use crate::router::router;

/// Opens the configured history, with a clock in microseconds since the Unix epoch.
///
/// The binary passes it in, so that the linker drops the client of DynamoDB from a function without a history.
pub type HistoryOpener =
    fn(HistoryOptions, fn() -> i64) -> Pin<Box<dyn Future<Output = Arc<dyn History>> + Send>>;

/// The error that ends a process. Messages continue "failed to".
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// Variables are invalid.
    #[error("read the configuration:\n{0}")]
    Config(#[from] ConfigError),
    /// The command line is invalid.
    #[error("read the arguments: {0}")]
    Arguments(String),
    /// The address is in use, or not an address of this machine.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The function has no routes, so only Lambda can invoke it.
    #[error(
        "serve `{0}` outside of AWS Lambda: it takes events of queues and streams; `ingest` takes HTTP"
    )]
    LambdaOnly(Function),
    /// A receiver did not take a test message.
    #[error("deliver the test message to receiver `{receiver}`: {reason}")]
    Delivery {
        /// The receiver.
        receiver: String,
        /// The answer, or why there was none.
        reason: String,
    },
    /// A signal handler could not be installed.
    #[error("wait for signals: {0}")]
    Signal(#[source] io::Error),
    /// The Lambda runtime failed.
    #[error("serve the Lambda runtime: {0}")]
    Lambda(#[source] lambda_runtime::Error),
}

impl From<TestMessageError> for RunError {
    fn from(error: TestMessageError) -> Self {
        match error {
            TestMessageError::UnknownReceiver(problem) => Self::Arguments(problem),
            TestMessageError::NotTaken { receiver, reason } => Self::Delivery { receiver, reason },
        }
    }
}

impl RunError {
    /// The code of the error, from a bounded set.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "config_invalid",
            Self::Arguments(_) => "arguments_invalid",
            Self::LambdaOnly(_) => "lambda_only",
            Self::Listen { .. } => "listen_failed",
            Self::Delivery { .. } => "delivery_failed",
            Self::Signal(_) => "signal_failed",
            Self::Lambda(_) => "lambda_failed",
        }
    }

    /// The exit code of the process, from `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            // EX_USAGE
            Self::Config(_) | Self::Arguments(_) | Self::LambdaOnly(_) => 64,
            // EX_UNAVAILABLE
            Self::Listen { .. } | Self::Delivery { .. } => 69,
            // EX_OSERR
            Self::Signal(_) => 71,
            // EX_SOFTWARE
            Self::Lambda(_) => 70,
        }
    }
}

/// Opens the configured receivers of alerts; the error names the one that cannot be opened, and why.
///
/// The binary passes it in, so that the linker drops their clients from a function that does not notify.
pub type ReceiverOpener =
    fn(
        Vec<ReceiverOptions>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Arc<dyn Receiver>>, String>> + Send>>;

/// Adapters that a binary adds to the use cases.
#[derive(Clone, Copy, Debug)]
pub struct Adapters {
    /// Opens the history.
    pub history: HistoryOpener,
    /// Opens the receivers of alerts.
    pub receivers: ReceiverOpener,
}

/// Runs the command line of a function: by default serves it as the environment configures, until SIGTERM or SIGINT.
///
/// `--help` lists the commands and exit codes.
pub async fn run(function: Function) -> ExitCode {
    run_command(function, None).await
}

/// Like [`run`], for a function that saves episodes in a history and delivers alerts, if these are configured.
pub async fn run_with(function: Function, adapters: Adapters) -> ExitCode {
    run_command(function, Some(adapters)).await
}

#[expect(clippy::print_stderr, reason = "the log may not be configured yet")]
async fn run_command(binary: Function, adapters: Option<Adapters>) -> ExitCode {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match cli::parse(binary, &arguments) {
        Ok(CliCommand::Serve(function)) => serve(function, adapters, environment()).await,
        Ok(CliCommand::Alerts(command)) => run_alerts(&command, adapters, environment()).await,
        Ok(CliCommand::Print(text)) => print(&text),
        Err(message) => Err(RunError::Arguments(message)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{binary}: failed to {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs a command about alerts, with the receivers that the environment configures.
async fn run_alerts(
    command: &AlertsCommand,
    adapters: Option<Adapters>,
    vars: Vec<(String, String)>,
) -> Result<(), RunError> {
    let config = Config::read(vars.into_iter(), Audience::Operators)?;
    let receivers = match adapters {
        Some(adapters) => open_receivers(adapters, &config).await?,
        None => Vec::new(),
    };
    if receivers.is_empty() {
        return Err(no_receivers().into());
    }
    init_tracing(&config);
    print(&command.run(&config.alerts, &receivers).await?)
}

async fn open_receivers(
    adapters: Adapters,
    config: &Config,
) -> Result<Vec<Arc<dyn Receiver>>, ConfigError> {
    let receivers = (adapters.receivers)(config.alerts.receivers.clone()).await;
    receivers.map_err(|problem| ConfigError::one(format!("TIDEMARK_ALERTS: {problem}")))
}

fn no_receivers() -> ConfigError {
    ConfigError::one("TIDEMARK_ALERTS has no receivers: expected at least one")
}

fn print(text: &str) -> Result<(), RunError> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| RunError::Arguments(format!("standard output is closed: {error}")))
}

/// Reads the environment, once. Invalid UTF-8 is replaced, so that its variable is rejected.
fn environment() -> Vec<(String, String)> {
    let text = |raw: std::ffi::OsString| raw.to_string_lossy().into_owned();
    env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

async fn serve(
    function: Function,
    adapters: Option<Adapters>,
    vars: Vec<(String, String)>,
) -> Result<(), RunError> {
    let audience = function.audience();
    let config = Config::read(vars.into_iter(), audience)?;
    if audience == Audience::Triggers && !config.platform.is_lambda {
        return Err(RunError::LambdaOnly(function));
    }
    let store = store_for(&config, function.store_scope())?;
    init_tracing(&config);
    let history = match (adapters, &config.history) {
        (Some(adapters), Some(options)) if function.sweeps() => {
            Some((adapters.history)(options.clone(), now_us).await)
        }
        _ => None,
    };
    let mut service = Service::with_history(store, history, &config);
    if let Some(adapters) = adapters.filter(|_| function.sweeps()) {
        let receivers = open_receivers(adapters, &config).await?;
        if !receivers.is_empty() {
            // On Lambda nothing runs between invocations, so a round ends with its deliveries.
            let wait = if config.platform.is_lambda { RoundWait::All } else { RoundWait::Short };
            service = service.with_receivers(receivers, wait);
        } else if function == Function::Notifier {
            return Err(no_receivers().into());
        }
    }
    let app = App::new(function, service, &config);
    let router = router(app.clone());
    app.service().count_cold_start(function.name());
    #[cfg(feature = "profiling")]
    if config.serves_debug {
        crate::profile::start_heap_profiling().await;
    }
    warn_of_open_access(function, &config);
    // Installed before the socket is opened, so that no signal finds the process without a handler.
    let shutdown = Shutdown::new().map_err(RunError::Signal)?;
    if config.platform.is_lambda {
        return select! {
            served = serve_lambda(&app, router) => served.map_err(RunError::Lambda),
            () = shutdown.signaled() => {
                end_lambda(&app).await;
                Ok(())
            }
        };
    }
    listen(&app, router, shutdown).await
}

fn warn_of_open_access(function: Function, config: &Config) {
    let is_reachable = config.platform.is_lambda || !config.listen_host.is_loopback();
    let serves_series = match function.audience() {
        Audience::Tenants => true,
        Audience::Operators => config.exporter_series_max > 0,
        Audience::Triggers => false,
    };
    if is_reachable && serves_series && matches!(config.access, Access::Open) {
        warn!("access is open: every client that can reach this process is trusted");
    }
}

async fn listen(app: &App, router: Router, shutdown: Shutdown) -> Result<(), RunError> {
    let config = app.config();
    raise_limit();
    let n_connections_max = connections_max(app);
    if n_connections_max < config.connections_max {
        let configured = config.connections_max;
        warn!(
            n_connections_max,
            configured, "the limit on file descriptors bounds the connections"
        );
    }
    let address = SocketAddr::new(config.listen_host, config.port);
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        Ok((listener.local_addr()?, listener))
    };
    let (address, listener) = bound.await.map_err(|source| RunError::Listen { address, source })?;
    info!(
        %address,
        function = app.function().name(),
        version = env!("CARGO_PKG_VERSION"),
        store = if config.redis.is_some() { "redis" } else { "memory" },
        detector = %config.deployed.detector,
        access = match config.access { Access::Open => "open", Access::Keys(_) => "keys" },
        instance = app.heartbeat().instance(),
        k_configuration = config.platform.k_configuration,
        n_connections_max,
        "listening"
    );
    serve_http(app, router, listener, shutdown.signaled()).await;
    info!("ended");
    Ok(())
}

/// The signals that end a process gracefully.
struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first signal.
    async fn signaled(mut self) {
        select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn failure(function: Function, vars: &[(&str, &str)]) -> RunError {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        serve(function, None, vars.collect()).await.unwrap_err()
    }

    #[tokio::test]
    async fn functions_that_share_series_refuse_to_start_without_redis() {
        for function in [Function::Ingest, Function::Analyze] {
            let error = failure(function, &[]).await;
            assert_eq!((error.exit_code(), error.code()), (64, "config_invalid"));
            assert!(error.to_string().contains("REDIS_URL is missing"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_function_without_routes_runs_on_lambda_only() {
        let error = failure(Function::IngestStream, &[("REDIS_URL", "redis://127.0.0.1:1")]).await;
        assert_eq!((error.exit_code(), error.code()), (64, "lambda_only"));
    }

    #[tokio::test]
    async fn all_mistakes_are_reported_together() {
        let vars = [("PORT", "http"), ("TIDEMARK_LOG_FORMAT", "xml"), ("TIDEMARK_SPEED", "1")];
        let error = failure(Function::Standalone, &vars).await;
        assert_eq!(error.exit_code(), 64);
        for (name, _) in vars {
            assert!(error.to_string().contains(name), "{name} in {error}");
        }
    }

    #[tokio::test]
    async fn an_address_in_use_has_its_own_exit_code() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let error = failure(Function::Standalone, &[("PORT", &port), ("RUST_LOG", "off")]).await;
        assert_eq!((error.exit_code(), error.code()), (69, "listen_failed"));
        assert!(error.to_string().contains(&port), "{error}");
    }
}
