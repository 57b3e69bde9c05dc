//! A route with one Redis script call per request: the reference for `ingest`.
//!
//! `REDIS_URL=redis://127.0.0.1:6379 PORT=8081 cargo run --release --package server --example one_script`

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router, routing::post};
use redis::aio::MultiplexedConnection;
use redis::{Script, ScriptInvocation};

#[derive(serde::Deserialize)]
struct ScriptSample {
    value: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "an example has no other configuration")]
    let (url, port) = (std::env::var("REDIS_URL")?, std::env::var("PORT")?);
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let script: &Script = Box::leak(Box::new(Script::new(include_str!("one_script.lua"))));
    let invocation = script.prepare_invoke();
    invocation.load_async(&mut connection).await?;
    let router = Router::new().route("/ingest", post(add)).with_state((script, connection));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn add(
    State((script, mut connection)): State<(&'static Script, MultiplexedConnection)>,
    Json(sample): Json<ScriptSample>,
) -> Result<Json<Vec<String>>, StatusCode> {
    let mut call: ScriptInvocation<'_> = script.prepare_invoke();
    let window = call.key("window").arg(sample.value).invoke_async(&mut connection).await;
    window.map(Json).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}
