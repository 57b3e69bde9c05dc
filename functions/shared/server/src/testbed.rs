//! AWS Lambda as a function sees it, for tests of the real binaries: the runtime API on the loopback, and a process
//! in its environment.

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

/// What an invocation comes to: an answer, or what the function says of its error.
pub type Outcome = Result<Value, Value>;

/// How long an invocation may take unless a test says otherwise.
const INVOCATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for an outcome, past the deadline of its invocation.
const PATIENCE: Duration = Duration::from_mins(1);

/// The runtime API of one function.
#[derive(Debug)]
pub struct LambdaService {
    address: String,
    events: mpsc::UnboundedSender<Invocation>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    event: String,
    deadline_ms: i64,
}

#[derive(Debug)]
struct Shared {
    // A Tokio mutex: whoever polls holds it until an event comes.
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    n_running: AtomicUsize,
    next_id: AtomicU64,
}

impl LambdaService {
    /// Starts one that no function polls yet.
    ///
    /// # Panics
    ///
    /// When the loopback has no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let (events, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            waiting: tokio::sync::Mutex::new(waiting),
            running: Mutex::default(),
            n_running: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(done))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It ends with its test.
            let _ended = axum::serve(listener, router).await;
        });
        Self { address, events, shared, server }
    }

    /// Invokes the function, and waits for the outcome.
    pub async fn invoke(&self, event: &Value) -> Outcome {
        self.invoke_within(event, INVOCATION_TIMEOUT).await
    }

    /// Invokes the function with so much time until its deadline, and waits for the outcome.
    ///
    /// # Panics
    ///
    /// When none comes long after the deadline.
    pub async fn invoke_within(&self, event: &Value, left: Duration) -> Outcome {
        let id = format!("invocation-{}", self.shared.next_id.fetch_add(1, SeqCst));
        let (outcome, told) = oneshot::channel();
        self.shared.running().insert(id.clone(), outcome);
        let deadline_ms = now_us() / 1_000 + left.as_millis() as i64;
        let invocation = Invocation { id, event: event.to_string(), deadline_ms };
        self.events.send(invocation).expect("the service runs");
        timeout(left + PATIENCE, told).await.expect("an outcome").expect("the service runs")
    }

    /// How many invocations the function has taken and not answered.
    pub fn n_running(&self) -> usize {
        self.shared.n_running.load(SeqCst)
    }
}

impl Drop for LambdaService {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Outcome>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let invocation = shared.waiting.lock().await.recv().await;
    let Some(Invocation { id, event, deadline_ms }) = invocation else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    shared.n_running.fetch_add(1, SeqCst);
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
    State(shared): State<Arc<Shared>>,
    Path((id, kind)): Path<(String, String)>,
    body: String,
) -> StatusCode {
    let Some(outcome) = shared.running().remove(&id) else { return StatusCode::BAD_REQUEST };
    shared.n_running.fetch_sub(1, SeqCst);
    let value = serde_json::from_str(&body).unwrap_or(Value::String(body));
    // A test that no longer waits has failed already.
    let _is_heard = outcome.send(if kind == "response" { Ok(value) } else { Err(value) });
    StatusCode::ACCEPTED
}

/// A function as a process in the environment of Lambda, which ends with its test.
#[derive(Debug)]
pub struct FunctionProcess {
    child: Child,
    folder: TempDir,
}

impl FunctionProcess {
    /// Starts a binary that polls `service`, with these variables beside Lambda's own and no others.
    ///
    /// # Panics
    ///
    /// When the binary cannot be started.
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
            // Files and not pipes: what was written before an answer is there when the answer is.
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("the binary can be started");
        Self { child, folder }
    }

    /// What it wrote to its standard output so far, line by line.
    pub fn stdout(&self) -> Vec<String> {
        self.lines("stdout")
    }

    /// What it wrote to its standard error so far, line by line.
    pub fn stderr(&self) -> Vec<String> {
        self.lines("stderr")
    }

    /// Asks it to end, and waits for its exit code.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    pub fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let _is_gone = Command::new("kill").args(["-TERM", &id]).status().is_err();
        self.end()
    }

    /// Waits for its exit code.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
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
        // One that has ended cannot be killed, and need not be.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}
