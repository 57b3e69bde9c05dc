//! Limits of a tenant.

use domain::Tenant;
use intake::RejectionCode;
use store::testbed::RedisServer;

use crate::deployment::{batch_of, minute, replica, send, service};

#[tokio::test]
async fn replicas_share_the_limits_of_a_tenant() {
    let server = RedisServer::start();
    let url = server.url();
    let replica = || {
        service(&[
            ("REDIS_URL", &url),
            ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1"),
            ("TIDEMARK_SAMPLES_MAX", "1000"),
            ("TIDEMARK_TENANT_SERIES_MAX", "3"),
        ])
    };
    let (one, two) = (replica(), replica());
    let tenant = Tenant::default();
    one.admit(&tenant, 600).await.unwrap();
    two.admit(&tenant, 300).await.unwrap();
    let error = one.admit(&tenant, 500).await.unwrap_err();
    assert_eq!(error.code(), "rate_exceeded");
    one.admit(&Tenant::new("other"), 1_000).await.unwrap();

    let mut codes = Vec::new();
    for i in 0..6_i32 {
        let replica = if i % 2 == 0 { &one } else { &two };
        let answer = send(replica, batch_of(&format!("m{i}"), [(Some(minute(0)), 1.0)])).await;
        codes.extend(answer.rejected.iter().map(|rejected| rejected.code));
    }
    assert_eq!(codes, [RejectionCode::TooManySeries; 3]);
}

#[tokio::test]
async fn small_requests_rarely_call_the_store_for_their_rate() {
    let server = RedisServer::start();
    let replica = replica(&server);
    for _ in 0..500 {
        replica.admit(&Tenant::default(), 1).await.unwrap();
    }
    let stats = server.cli(&["INFO", "commandstats"]);
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    let n_calls: u64 = calls.split(',').next().unwrap().parse().unwrap();
    assert!(n_calls <= 2, "{n_calls}");
}
