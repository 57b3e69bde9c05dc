//! The analyze function: what is normal, what is not, and why.

use std::process::ExitCode;

use host::Function;

#[tokio::main]
async fn main() -> ExitCode {
    host::run_with_history(Function::Analyze, history::open).await
}
