//! A function of Lambda that does nothing: what every Rust function costs, and what `make cold-start` compares ours with.

use lambda_http::lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_event: LambdaEvent<Value>| Ok::<(), Error>(()))).await
}
