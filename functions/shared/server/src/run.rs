//! From the environment to a served function, and from its end to an exit code.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use service::config::Audience;
use service::{Access, Config, ConfigError, Service, init_tracing, now_us, store_for};
use store::{History, HistoryOptions};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::app::App;
use crate::function::Function;
use crate::http::serve_http;
use crate::lambda::{end_lambda, serve_lambda};
use crate::make_key::make_key;
use crate::router::router;

/// Opens the history that a configuration names, with a clock in microseconds since the Unix epoch.
///
/// A function brings it along, so that one that needs none does not link what it takes.
pub type HistoryOpener =
    fn(HistoryOptions, fn() -> i64) -> Pin<Box<dyn Future<Output = Arc<dyn History>> + Send>>;

/// Why a function is not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The environment holds mistakes.
    #[error("read the configuration:\n{0}")]
    Config(#[from] ConfigError),
    /// The command line is not one.
    #[error("read the arguments: {0}")]
    Arguments(String),
    /// The address to listen on cannot be had.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The function has no routes, and nobody but Lambda invokes it.
    #[error(
        "serve `{0}` outside of AWS Lambda: it takes the events of queues and streams; `ingest` takes HTTP"
    )]
    LambdaOnly(Function),
    /// Signals cannot be waited for.
    #[error("wait for signals: {0}")]
    Signal(#[source] io::Error),
    /// The Lambda runtime ended.
    #[error("serve the Lambda runtime: {0}")]
    Lambda(#[source] lambda_runtime::Error),
}

impl RunError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "config_invalid",
            Self::Arguments(_) => "arguments_invalid",
            Self::LambdaOnly(_) => "lambda_only",
            Self::Listen { .. } => "listen_failed",
            Self::Signal(_) => "signal_failed",
            Self::Lambda(_) => "lambda_failed",
        }
    }

    /// The exit code of the process, as `sysexits.h` names them.
    pub fn exit_code(&self) -> u8 {
        match self {
            // EX_USAGE
            Self::Config(_) | Self::Arguments(_) | Self::LambdaOnly(_) => 64,
            // EX_UNAVAILABLE
            Self::Listen { .. } => 69,
            // EX_OSERR
            Self::Signal(_) => 71,
            // EX_SOFTWARE
            Self::Lambda(_) => 70,
        }
    }
}

/// Serves a function as the environment says, until it is told to end; or, with the arguments `key TENANT RIGHTS`,
/// makes an API key and ends. `analyze` has two more modes, the arguments `exporter` and `sweeper`.
///
/// Exit codes: 0 after SIGTERM or an interrupt, 64 on a bad configuration or command line, 69 when the address to listen on
/// cannot be had, 70 when the Lambda runtime fails, 71 when signals cannot be waited for.
pub async fn run(function: Function) -> ExitCode {
    run_with(function, None).await
}

/// The same for a function that brings episodes to a durable history, where one is configured.
pub async fn run_with_history(function: Function, open: HistoryOpener) -> ExitCode {
    run_with(function, Some(open)).await
}

#[expect(clippy::print_stderr, reason = "the log may not be configured yet")]
async fn run_with(function: Function, open: Option<HistoryOpener>) -> ExitCode {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
    let done = match arguments.as_slice() {
        [] => serve(function, open, environment()).await,
        [mode] if mode == "exporter" && function == Function::Analyze => {
            serve(Function::Exporter, None, environment()).await
        }
        [mode] if mode == "sweeper" && function == Function::Analyze => {
            serve(Function::Sweeper, open, environment()).await
        }
        _ => make_key(function, &arguments, &mut io::stdout()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{function}: failed to {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The one look at the environment. What is no text is read as such text as will be refused.
fn environment() -> Vec<(String, String)> {
    let text = |raw: std::ffi::OsString| raw.to_string_lossy().into_owned();
    env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

async fn serve(
    function: Function,
    open: Option<HistoryOpener>,
    vars: Vec<(String, String)>,
) -> Result<(), RunError> {
    let audience = function.audience();
    let config = Config::read(vars.into_iter(), audience)?;
    let is_lambda = config.platform.is_lambda;
    if audience == Audience::Triggers && !is_lambda {
        return Err(RunError::LambdaOnly(function));
    }
    let store = store_for(&config, function.role())?;
    init_tracing(&config);
    let history = match (open, &config.history) {
        (Some(open), Some(options)) => Some(open(options.clone(), now_us).await),
        _ => None,
    };
    let app = App::new(function, Service::with_history(store, history, &config), &config);
    let router = router(app.clone());
    app.service().count_cold_start(function.name());
    #[cfg(feature = "profiling")]
    if app.serves_debug() {
        crate::profile::watch_heap().await;
    }
    let is_reached = is_lambda || !config.listen_host.is_loopback();
    let is_private = match audience {
        Audience::Tenants => true,
        Audience::Operators => config.exporter_series_max > 0,
        Audience::Triggers => false,
    };
    if is_reached && is_private && matches!(config.access, Access::Open) {
        warn!("access is open: whoever can reach it is trusted");
    }
    // Before the socket is open, so that no signal finds the process without its handler.
    let shutdown = Shutdown::new().map_err(RunError::Signal)?;
    if is_lambda {
        return select! {
            served = serve_lambda(&app, router) => served.map_err(RunError::Lambda),
            () = shutdown.signaled() => {
                end_lambda(&app).await;
                Ok(())
            }
        };
    }
    let address = SocketAddr::new(config.listen_host, config.port);
    let listening =
        async { TcpListener::bind(address).await.and_then(|it| Ok((it.local_addr()?, it))) };
    let (address, listener) =
        listening.await.map_err(|source| RunError::Listen { address, source })?;
    info!(
        %address,
        function = function.name(),
        instance = app.heartbeat().name(),
        k_configuration = config.platform.k_configuration,
        "listening"
    );
    serve_http(&app, router, listener, shutdown.signaled()).await;
    info!("ended");
    Ok(())
}

/// The signals that end a process in good order.
struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first of them.
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
    async fn a_function_without_routes_is_for_lambda_only() {
        let error = failure(Function::IngestStream, &[("REDIS_URL", "redis://127.0.0.1:1")]).await;
        assert_eq!((error.exit_code(), error.code()), (64, "lambda_only"));
    }

    #[tokio::test]
    async fn every_mistake_is_named() {
        let vars = [("PORT", "http"), ("TIDEMARK_LOG_FORMAT", "xml"), ("TIDEMARK_SPEED", "1")];
        let error = failure(Function::Standalone, &vars).await;
        assert_eq!(error.exit_code(), 64);
        for (name, _) in vars {
            assert!(error.to_string().contains(name), "{name} in {error}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_taken_has_its_exit_code() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let error = failure(Function::Standalone, &[("PORT", &port), ("RUST_LOG", "off")]).await;
        assert_eq!((error.exit_code(), error.code()), (69, "listen_failed"));
        assert!(error.to_string().contains(&port), "{error}");
    }
}
