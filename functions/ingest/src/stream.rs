//! The ingest-stream function: stores and judges the samples of queues and streams.

use std::process::ExitCode;

use server::Function;

#[tokio::main]
async fn main() -> ExitCode {
    server::run(Function::IngestStream).await
}
