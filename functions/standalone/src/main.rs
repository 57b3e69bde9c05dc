//! The standalone function: `ingest` and `analyze` in one process, in memory unless `REDIS_URL` is set.

use std::process::ExitCode;

use server::{Adapters, Function};

#[tokio::main]
async fn main() -> ExitCode {
    let adapters = Adapters { history: aws::open, receivers: receiver::open };
    server::run_with(Function::Standalone, adapters).await
}
