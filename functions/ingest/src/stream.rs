//! The ingest-stream function: samples in, from queues and streams.

use std::process::ExitCode;

use host::Function;

#[tokio::main]
async fn main() -> ExitCode {
    host::run(Function::IngestStream).await
}
