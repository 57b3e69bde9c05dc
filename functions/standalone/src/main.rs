//! Both functions in one process: a laptop, a single pod.
//!
//! Series live in the process unless `REDIS_URL` says where else.

use std::process::ExitCode;

use server::Function;

#[tokio::main]
async fn main() -> ExitCode {
    server::run_with_history(Function::Standalone, aws::open).await
}
