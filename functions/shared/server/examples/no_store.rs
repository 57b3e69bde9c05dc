//! A route that echoes a sample: the upper bound of this HTTP server, and so of `ingest`.
//!
//! `PORT=8082 cargo run --release --package server --example no_store`

use axum::{Json, Router, routing::post};

#[derive(serde::Deserialize, serde::Serialize)]
struct ParsedSample {
    value: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "an example has no other configuration")]
    let port = std::env::var("PORT")?;
    let router =
        Router::new().route("/ingest", post(|sample: Json<ParsedSample>| async { sample }));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}
