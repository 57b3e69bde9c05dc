//! The analyze function: answers queries, and sweeps.

use std::process::ExitCode;

use server::{Adapters, Function};

#[tokio::main]
async fn main() -> ExitCode {
    let adapters = Adapters { history: aws::open, receivers: receiver::open };
    server::run_with(Function::Analyze, adapters).await
}
