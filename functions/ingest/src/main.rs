//! The ingest function: samples in, verdicts out.

use std::process::ExitCode;

use server::Function;

#[tokio::main]
async fn main() -> ExitCode {
    server::run(Function::Ingest).await
}
