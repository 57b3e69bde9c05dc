//! An empty Lambda function: the baseline of `make cold-start`.

use lambda_http::lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_event: LambdaEvent<Value>| Ok::<(), Error>(()))).await
}
