//! Both functions in one process: a laptop, a single pod.
//!
//! Series live in the process unless `REDIS_URL` says where else.

use std::process::ExitCode;

use host::Function;

#[tokio::main]
async fn main() -> ExitCode {
    host::run_with_history(Function::Standalone, history::open).await
}
