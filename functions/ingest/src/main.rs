//! The ingest function: stores and judges samples.

use std::process::ExitCode;

use server::Function;

#[tokio::main]
async fn main() -> ExitCode {
    server::run(Function::Ingest).await
}
