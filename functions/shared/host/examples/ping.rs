//! A bare route that does one PING to Redis for each request: what `ingest` is measured against.
//!
//! `REDIS_URL=redis://127.0.0.1:6379 PORT=8081 cargo run --release --package host --example ping`

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::any;
use redis::aio::ConnectionManager;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "an example has no other configuration")]
    let (url, port) = (std::env::var("REDIS_URL")?, std::env::var("PORT")?);
    let connection = ConnectionManager::new(redis::Client::open(url)?).await?;
    let router = Router::new().route("/ping", any(ping)).with_state(connection);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn ping(State(mut connection): State<ConnectionManager>) -> Result<String, StatusCode> {
    redis::cmd("PING")
        .query_async(&mut connection)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}
