//! The ingest-stream function: samples in, from queues and streams.

use std::process::ExitCode;

use server::Function;

#[tokio::main]
async fn main() -> ExitCode {
    server::run(Function::IngestStream).await
}
