//! The debug routes, which must be enabled and require a right.

use server::Function;
use service::access::NewApiKey;

use crate::client::Client;

const PATHS: [&str; 3] = ["/debug/runtime", "/debug/pprof/profile?seconds=1", "/debug/pprof/heap"];

#[tokio::test]
async fn debug_routes_are_disabled_by_default() {
    for path in PATHS {
        for function in [Function::Ingest, Function::Analyze, Function::Standalone] {
            Client::of(function).raw(path).await.is_problem(404, "route_unknown");
        }
    }
}

#[tokio::test]
async fn debug_routes_require_the_right_admin() {
    let made = ["write+read", "admin"].map(|rights| NewApiKey::generate("one", rights).unwrap());
    let entries = made.each_ref().map(|made| made.entry.as_str()).join(",");
    let nobody = Client::with(&[("TIDEMARK_API_KEYS", &entries), ("TIDEMARK_DEBUG", "on")]);
    for path in PATHS {
        nobody.raw(path).await.is_problem(401, "credential_missing");
        nobody.with_key(&made[0].key).raw(path).await.is_problem(403, "right_missing");
    }
    let runtime = nobody.with_key(&made[1].key).raw(PATHS[0]).await;
    assert_eq!(runtime.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn metrics_of_the_runtime_list_its_workers() {
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
async fn a_binary_without_profiles_names_the_feature() {
    let client = Client::with(&[("TIDEMARK_DEBUG", "on")]);
    for path in &PATHS[1..] {
        let detail = client.raw(path).await.is_problem(501, "profiling_missing");
        assert!(detail.contains("--features profiling"), "{detail}");
    }
}
