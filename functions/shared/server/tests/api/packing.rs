//! Compression of bodies and answers with gzip and zstd.

use std::io::{Read, Write};

use axum::body::Body;
use axum::http::Method;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::client::{Answer, Client, request, with_spike};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut body).unwrap();
    body
}

async fn send_packed(client: &Client, encoding: &str, body: Vec<u8>) -> Answer {
    let mut request = request(Method::POST, "/ingest", Body::from(body));
    request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
    client.send(request).await
}

#[tokio::test]
async fn compressed_samples_are_decompressed() {
    let client = Client::standalone();
    let body = |metric: &str| format!(r#"{{"metric":"{metric}","value":1}}"#).into_bytes();
    for (encoding, body) in [
        ("gzip", gzip(&body("gzip"))),
        ("zstd", zstd::stream::encode_all(&*body("zstd"), 0).unwrap()),
        ("identity", body("identity")),
        ("gzip, zstd", zstd::stream::encode_all(&*gzip(&body("both")), 0).unwrap()),
    ] {
        let answer = send_packed(&client, encoding, body).await;
        assert_eq!((answer.status, &answer.json()["accepted"]), (200, &1.into()), "{encoding}");
    }
}

#[tokio::test]
async fn corrupt_and_unknown_encodings_are_refused() {
    let client = Client::standalone();
    let mut corrupt = gzip(b"[]");
    let at = corrupt.len() - 6;
    corrupt[at] ^= 1;
    send_packed(&client, "gzip", corrupt).await.is_problem(400, "encoding_corrupt");
    send_packed(&client, "zstd", b"[]".to_vec()).await.is_problem(400, "encoding_corrupt");
    send_packed(&client, "br", b"[]".to_vec()).await.is_problem(415, "encoding_unknown");
}

#[tokio::test]
async fn answers_are_compressed_as_the_client_accepts() {
    let client = Client::standalone();
    client.send_values(&with_spike(60)).await;
    let plain = client.get("/openapi.json").await;
    assert!(!plain.headers.contains_key("content-encoding"));
    for (accepted, encoding) in [("gzip", "gzip"), ("zstd", "zstd"), ("br, zstd;q=0.5", "zstd")] {
        // A compressed body is not JSON, so only its headers are checked against the document.
        let mut request = request(Method::GET, "/openapi.json", Body::empty());
        request.headers_mut().insert("accept-encoding", accepted.parse().unwrap());
        let answer = client.send(request).await;
        assert_eq!(answer.headers["content-encoding"], encoding);
        assert!(answer.body.len() < plain.body.len() / 2, "{}", answer.body.len());
        let unpacked = match encoding {
            "gzip" => gunzip(&answer.body),
            _ => zstd::stream::decode_all(&*answer.body).unwrap(),
        };
        assert_eq!(unpacked, plain.body);
        assert_eq!(answer.headers["vary"], "accept-encoding");
    }
}

#[tokio::test]
async fn short_answers_are_not_compressed() {
    let mut request = request(Method::GET, "/livez", Body::empty());
    request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let answer = Client::standalone().send(request).await;
    assert!(!answer.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn a_body_too_large_after_decompression_is_refused() {
    let client = Client::standalone();
    let bomb = vec![b' '; 9 << 20];
    let packed = gzip(&bomb);
    send_packed(&client, "gzip", packed).await.is_problem(413, "unpacked_too_large");
    let packed = zstd::stream::encode_all(&*bomb, 0).unwrap();
    send_packed(&client, "zstd", packed).await.is_problem(413, "unpacked_too_large");
}
