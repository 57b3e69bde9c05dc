//! The standalone function: `ingest` and `analyze` in one process, in memory unless `REDIS_URL` is set.

use std::process::ExitCode;

use server::Function;

#[tokio::main]
async fn main() -> ExitCode {
    server::run_with_history(Function::Standalone, aws::open).await
}
