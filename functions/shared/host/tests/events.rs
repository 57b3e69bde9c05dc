//! Every file in `events/` is answered as its snapshot says; one without a snapshot fails.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::fs;
use std::path::{Path, PathBuf};

use host::{App, Function};
use lambda_http::Body;
use serde_json::{Value, json};
use service::{Config, Role, Service, store_for};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../events");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    files.sort();
    files
}

fn app(function: Function, service: &Service, config: &Config) -> App {
    App::new(function, service.clone(), config)
}

async fn answer(app: &App, event: &str) -> Value {
    let event = lambda_http::request::from_str(event).unwrap();
    let response = host::answer_event(app, host::router(app.clone()), event).await.unwrap();
    let (parts, body) = response.into_parts();
    let Body::Text(text) = body else {
        panic!("an answer that was not asked to be packed is text")
    };
    let mut body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if let Some(revision) = body.get_mut("revision").filter(|it| it.as_i64() != Some(0)) {
        *revision = json!("of the time of the test");
    }
    json!({
        "status": parts.status.as_u16(),
        "content-type": parts.headers.get("content-type").map(|it| it.to_str().unwrap()),
        "body": body,
    })
}

/// The function that the event of a file is for: the second or third word of its name says so.
fn function_of(name: &str) -> Function {
    if name.contains("-ingest") { Function::Ingest } else { Function::Analyze }
}

#[tokio::test]
async fn each_event_is_answered_as_its_snapshot_says() {
    let spike =
        files().into_iter().find(|path| path.ends_with("apigw-v2-ingest-spike.json")).unwrap();
    let spike = fs::read_to_string(spike).unwrap();
    for path in files() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let config = Config::from_env(std::iter::empty()).unwrap();
        let service = Service::new(store_for(&config, Role::Alone).unwrap(), &config);
        if function_of(&name) == Function::Analyze {
            // What there is to analyze.
            answer(&app(Function::Ingest, &service, &config), &spike).await;
        }
        let event = fs::read_to_string(&path).unwrap();
        let answer = answer(&app(function_of(&name), &service, &config), &event).await;
        insta::with_settings!({ omit_expression => true, sort_maps => true }, {
            insta::assert_json_snapshot!(name, answer);
        });
    }
}
