//! The analyze function: answers queries, and sweeps.

use std::process::ExitCode;

use server::Function;

#[tokio::main]
async fn main() -> ExitCode {
    server::run_with_history(Function::Analyze, aws::open).await
}
