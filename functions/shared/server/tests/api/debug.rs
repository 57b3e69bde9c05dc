//! What looks into a process is there when switched on, for those who may.

use server::Function;
use service::access::NewApiKey;

use crate::client::Client;

const PATHS: [&str; 3] = ["/debug/runtime", "/debug/pprof/profile?seconds=1", "/debug/pprof/heap"];

#[tokio::test]
async fn nothing_is_there_unless_switched_on() {
    for path in PATHS {
        for function in [Function::Ingest, Function::Analyze, Function::Standalone] {
            Client::of(function).raw(path).await.is_problem(404, "route_unknown");
        }
    }
}

#[tokio::test]
async fn only_an_admin_may_look() {
    let made = ["write+read", "admin"].map(|rights| NewApiKey::generate("one", rights).unwrap());
    let entries = made.each_ref().map(|it| it.entry.as_str()).join(",");
    let nobody = Client::with(&[("TIDEMARK_API_KEYS", &entries), ("TIDEMARK_DEBUG", "on")]);
    for path in PATHS {
        nobody.raw(path).await.is_problem(401, "credential_missing");
        nobody.with_key(&made[0].key).raw(path).await.is_problem(403, "right_missing");
    }
    let runtime = nobody.with_key(&made[1].key).raw(PATHS[0]).await;
    assert_eq!(runtime.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_runtime_tells_of_its_workers() {
    let client = Client::with(&[("TIDEMARK_DEBUG", "on")]);
    let runtime = client.raw("/debug/runtime").await.json();
    assert_eq!(runtime["workers"].as_array().unwrap().len(), 3, "{runtime}");
    assert!(
        runtime["workers"][0]["parks"].is_u64() && runtime["alive_tasks"].is_u64(),
        "{runtime}"
    );
    let odd = client.raw("/debug/pprof/profile?seconds=0").await;
    odd.is_problem(400, "parameter_invalid");
}

#[cfg(not(feature = "profiling"))]
#[tokio::test]
async fn a_binary_without_profiles_says_which_one_has_them() {
    let client = Client::with(&[("TIDEMARK_DEBUG", "on")]);
    for path in &PATHS[1..] {
        let detail = client.raw(path).await.is_problem(501, "profiling_missing");
        assert!(detail.contains("--features profiling"), "{detail}");
    }
}
