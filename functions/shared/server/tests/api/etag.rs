//! Tags of answers to `GET`: what a client has already is not sent again.

use axum::body::Body;
use axum::http::Method;
use axum::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};

use crate::client::{Answer, Client, request, with_spike};

const PATHS: [&str; 7] = [
    "/analyze",
    "/analyze?source=checkout&metric=rps",
    "/series",
    "/series/samples?source=checkout&metric=rps",
    "/series/config?source=checkout&metric=rps",
    "/anomalies?source=checkout&metric=rps",
    "/episodes?source=checkout&metric=rps",
];

async fn get_unless(client: &Client, path: &str, tags: &str, encoding: Option<&str>) -> Answer {
    let mut request = request(Method::GET, path, Body::empty());
    request.headers_mut().insert(IF_NONE_MATCH, tags.parse().unwrap());
    if let Some(encoding) = encoding {
        request.headers_mut().insert(ACCEPT_ENCODING, encoding.parse().unwrap());
    }
    client.send(request).await
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let client = Client::standalone();
    client.send_values(&with_spike(60)).await;
    for path in PATHS {
        let first = client.get(path).await;
        assert_eq!(first.status, 200, "{path}");
        let tag = tag(&first);
        assert!(tag.starts_with('"') && tag.len() == 34, "{path} {tag}");
        for tags in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let again = get_unless(&client, path, &tags, None).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
            assert_eq!(again.headers["etag"], tag);
            assert_eq!(again.headers["cache-control"], "no-store");
        }
        let other = get_unless(&client, path, "\"other\"", None).await;
        assert_eq!((other.status, &other.body), (200, &first.body), "{path}");
    }
}

#[tokio::test]
async fn a_changed_answer_is_sent_with_another_tag() {
    let client = Client::standalone();
    client.send_values(&with_spike(60)).await;
    let path = "/series/samples?source=checkout&metric=rps";
    let before = tag(&client.get(path).await);
    client.send_values(&with_spike(61)).await;
    let after = get_unless(&client, path, &before, None).await;
    assert_eq!(after.status, 200);
    assert_ne!(tag(&after), before);
}

#[tokio::test]
async fn a_compressed_answer_has_a_tag_of_its_own() {
    let client = Client::standalone();
    client.send_values(&with_spike(60)).await;
    let path = "/series/samples?source=checkout&metric=rps";
    let plain = tag(&client.get(path).await);
    let packed = get_unless(&client, path, &plain, Some("gzip")).await;
    assert_eq!(
        (packed.status, packed.headers["content-encoding"].to_str().unwrap()),
        (200, "gzip")
    );
    assert_ne!(tag(&packed), plain);
    let again = get_unless(&client, path, &tag(&packed), Some("gzip")).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[tokio::test]
async fn what_is_no_answer_to_a_get_has_no_tag() {
    let client = Client::standalone();
    let body = r#"{"metric":"rps","timestamp":1732060800000,"value":1}"#;
    assert!(!client.post("/analyze", body).await.headers.contains_key("etag"));
    let missing = get_unless(&client, "/analyze?metric=none", "*", None).await;
    missing.is_problem(404, "series_unknown");
}
