//! Emulates AWS Lambda for tests of the binaries: the runtime API on loopback, and a process in its environment.

use std::collections::HashMap;
use std::fs::{self, File};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use service::now_us;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The answer of an invocation, or the error that the function reported.
pub type InvocationResult = Result<Value, Value>;

/// Default time until the deadline of an invocation.
const INVOCATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for a result after the deadline of its invocation.
const RESULT_TIMEOUT: Duration = Duration::from_mins(1);

/// An emulated runtime API for one function.
#[derive(Debug)]
pub struct LambdaService {
    address: String,
    events: mpsc::UnboundedSender<Invocation>,
    queue: Arc<InvocationQueue>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    event: String,
    deadline_ms: i64,
}

#[derive(Debug)]
struct InvocationQueue {
    // A Tokio mutex, as a poll locks it until an event is queued.
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<InvocationResult>>>,
    n_running: AtomicUsize,
    next_id: AtomicU64,
}

impl LambdaService {
    /// Starts the runtime API, before any function polls it.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let (events, waiting) = mpsc::unbounded_channel();
        let queue = Arc::new(InvocationQueue {
            waiting: tokio::sync::Mutex::new(waiting),
            running: Mutex::default(),
            n_running: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(done))
            .with_state(Arc::clone(&queue));
        let server = tokio::spawn(async move {
            // Aborted on drop.
            let _ended = axum::serve(listener, router).await;
        });
        Self { address, events, queue, server }
    }

    /// Invokes the function, and waits for the result.
    pub async fn invoke(&self, event: &Value) -> InvocationResult {
        self.invoke_within(event, INVOCATION_TIMEOUT).await
    }

    /// Invokes the function with the time `left` until its deadline, and waits for the result.
    ///
    /// # Panics
    ///
    /// If no result arrives long after the deadline.
    pub async fn invoke_within(&self, event: &Value, left: Duration) -> InvocationResult {
        let id = format!("invocation-{}", self.queue.next_id.fetch_add(1, SeqCst));
        let (sender, result) = oneshot::channel();
        self.queue.running().insert(id.clone(), sender);
        let deadline_ms = now_us() / 1_000 + left.as_millis() as i64;
        let invocation = Invocation { id, event: event.to_string(), deadline_ms };
        self.events.send(invocation).expect("the service runs");
        timeout(left + RESULT_TIMEOUT, result).await.expect("a result").expect("the service runs")
    }

    /// The number of invocations in progress.
    pub fn n_running(&self) -> usize {
        self.queue.n_running.load(SeqCst)
    }
}

impl Drop for LambdaService {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl InvocationQueue {
    fn running(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<InvocationResult>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(State(queue): State<Arc<InvocationQueue>>) -> Response {
    let invocation = queue.waiting.lock().await.recv().await;
    let Some(Invocation { id, event, deadline_ms }) = invocation else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    queue.n_running.fetch_add(1, SeqCst);
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:1:function:f".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1".to_owned(),
        ),
    ];
    (headers, event).into_response()
}

async fn done(
    State(queue): State<Arc<InvocationQueue>>,
    Path((id, kind)): Path<(String, String)>,
    body: String,
) -> StatusCode {
    let Some(sender) = queue.running().remove(&id) else { return StatusCode::BAD_REQUEST };
    queue.n_running.fetch_sub(1, SeqCst);
    let value = serde_json::from_str(&body).unwrap_or(Value::String(body));
    // The send fails if the test has stopped waiting, and so failed.
    let _is_received = sender.send(if kind == "response" { Ok(value) } else { Err(value) });
    StatusCode::ACCEPTED
}

/// A process of a function in the environment of Lambda, killed on drop.
#[derive(Debug)]
pub struct FunctionProcess {
    child: Child,
    folder: TempDir,
}

impl FunctionProcess {
    /// Starts a binary that polls `service`, with only Lambda's variables and `vars`.
    ///
    /// # Panics
    ///
    /// If the binary cannot be started.
    pub fn start(binary: &str, service: &LambdaService, vars: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = |name| File::create(folder.path().join(name)).expect("a file can be made");
        let child = Command::new(binary)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", &service.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "f")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .envs(vars.iter().copied())
            // Files and not pipes: output that precedes an answer is readable once the answer is.
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("the binary can be started");
        Self { child, folder }
    }

    /// The lines of its standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.lines("stdout")
    }

    /// The lines of its standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.lines("stderr")
    }

    /// Sends SIGTERM, and waits for the exit code.
    ///
    /// # Panics
    ///
    /// If the process cannot be waited for.
    pub fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let _is_missing = Command::new("kill").args(["-TERM", &id]).status().is_err();
        self.end()
    }

    /// Waits for the exit code.
    ///
    /// # Panics
    ///
    /// If the process cannot be waited for.
    pub fn end(&mut self) -> Option<i32> {
        self.child.wait().expect("a child can be waited for").code()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for FunctionProcess {
    fn drop(&mut self) {
        // The kill fails if the process has exited.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}
