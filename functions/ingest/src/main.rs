//! The ingest function: samples in, verdicts out.

use std::process::ExitCode;

use host::Function;

#[tokio::main]
async fn main() -> ExitCode {
    host::run(Function::Ingest).await
}
