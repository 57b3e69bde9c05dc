//! The runtime contract of Knative, one test for each requirement.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use store::testbed::RedisServer;

use crate::pod::Pod;
use crate::wire::{SAMPLE, ask, begin, is_live_over_h2c, rest_of, send};

/// Runs a command as an unknown user without write access, as the admission of a cluster may choose.
///
/// All file systems are mounted read-only in a private namespace, which the command verifies.
const CONFINED: [&str; 7] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    "awk '$2 !~ \"^/(proc|sys|dev)\" { print $2 }' /proc/self/mounts | while read -r at; do \
       mount -o remount,bind,ro \"$at\" 2>/dev/null; done; \
     if touch ./probe 2>/dev/null || touch /tmp/probe 2>/dev/null; then echo writable >&2; exit 1; fi; \
     exec unshare --user --map-user=65532 --map-group=65532 \"$0\"",
];

fn is_ok(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200")
}

#[test]
fn both_versions_of_http_are_served_on_the_configured_port() {
    let redis = RedisServer::start();
    let pod = Pod::start(&redis);
    let line = pod.line_with("listening");
    assert_eq!(line["address"], format!("0.0.0.0:{}", pod.port));
    assert!(is_ok(&ask(pod.connect(), "POST /ingest", SAMPLE)));
    assert!(is_live_over_h2c(pod.connect()));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a real process starts in real time")]
fn the_process_is_ready_within_a_second() {
    let redis = RedisServer::start();
    // Other tests run concurrently, so the fastest of several starts counts.
    let starts = (0..5).map(|_| {
        let begin = Instant::now();
        let pod = Pod::start(&redis);
        pod.line_with("listening");
        assert!(is_ok(&ask(pod.connect(), "GET /readyz", "")));
        begin.elapsed()
    });
    let quickest = starts.min().unwrap();
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a real process ends in real time")]
fn a_request_in_flight_is_answered_after_sigterm_and_the_process_exits_quickly_with_code_0() {
    let redis = RedisServer::start();
    let mut pod = Pod::start(&redis);
    pod.line_with("listening");
    let mut busy = begin(pod.connect());
    // An idle keep-alive connection does not delay the exit.
    let _idle = pod.connect();
    pod.terminate();
    pod.line_with("shutting down");
    let begun = Instant::now();
    busy.write_all(SAMPLE.as_bytes()).unwrap();
    let answer = rest_of(busy);
    assert!(is_ok(&answer) && answer.contains(r#""accepted":1"#), "{answer}");
    assert_eq!(pod.end(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // The totals are in the store, and the heartbeat is withdrawn.
    let totals = redis.cli(&["HGET", "tm:{0}:totals", "http_requests ingest POST /ingest 200"]);
    assert_eq!(totals, "1");
    assert_eq!(redis.cli(&["HGET", "tm:{0}:totals", "cold_starts ingest"]), "1");
    assert_eq!(redis.cli(&["HLEN", "tm:{0}:instances"]), "0");
}

#[test]
fn the_process_is_ready_only_while_redis_is_available() {
    let mut redis = RedisServer::start();
    let pod = Pod::start(&redis);
    pod.line_with("listening");
    assert!(is_ok(&ask(pod.connect(), "GET /readyz", "")));
    redis.stop();
    let answer = ask(pod.connect(), "GET /readyz", "");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("store_unavailable"), "{answer}");
    // It is alive: a restart would not help.
    assert!(is_ok(&ask(pod.connect(), "GET /livez", "")));
    redis.start_again();
    let is_back = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        is_ok(&ask(pod.connect(), "GET /readyz", ""))
    });
    assert!(is_back);
    assert!(is_ok(&ask(pod.connect(), "POST /ingest", SAMPLE)));
}

#[test]
fn an_unknown_user_without_write_access_can_run_it() {
    let redis = RedisServer::start();
    let mut pod = Pod::start_by(&CONFINED, &redis);
    pod.line_with("listening");
    assert!(is_ok(&ask(pod.connect(), "POST /ingest", SAMPLE)));
    assert!(is_ok(&ask(pod.connect(), "GET /readyz", "")));
    // Outside of the namespace the process has the user of the test; inside it has no capability.
    assert_eq!(pod.status("CapEff"), "0000000000000000");
    pod.terminate();
    assert_eq!(pod.end(), Some(0));
}

#[test]
fn every_log_line_has_service_and_revision() {
    let redis = RedisServer::start();
    let mut pod = Pod::start(&redis);
    let first = pod.line_with("listening");
    assert_eq!(first["k_configuration"], "ingest");
    assert_eq!(first["instance"], "ingest-00007-deployment-5d8f9c7b6-x2x4z");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let head = format!(
        "GET /livez HTTP/1.1\r\nX-Request-Id: r-1\r\nTraceparent: 00-{trace}-00f067aa0ba902b7-01"
    );
    assert!(is_ok(&send(pod.connect(), &head, "")));
    let line = pod.line_with("request served");
    assert_eq!(
        (&line["span"]["trace_id"], &line["span"]["request_id"]),
        (&trace.into(), &"r-1".into())
    );
    assert_eq!(line["k_revision"], "ingest-00007");
    pod.terminate();
    assert_eq!(pod.end(), Some(0));
    let rest = pod.lines_to_the_end();
    assert!(rest.iter().any(|line| line.contains("ended")), "{rest:?}");
    for line in rest {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["k_service"], &line["k_revision"]),
            (&"ingest".into(), &"ingest-00007".into())
        );
    }
}

#[test]
fn one_process_serves_many_requests_concurrently() {
    const N: usize = 300;
    let redis = RedisServer::start();
    let pod = Pod::start(&redis);
    pod.line_with("listening");
    // All of them are in flight before the first is answered.
    let busy: Vec<_> = (0..N).map(|_| begin(pod.connect())).collect();
    let answers: Vec<String> = thread::scope(|scope| {
        let asked = busy.into_iter().map(|mut stream| {
            scope.spawn(move || {
                stream.write_all(SAMPLE.as_bytes()).unwrap();
                rest_of(stream)
            })
        });
        let asked: Vec<_> = asked.collect();
        asked.into_iter().map(|request| request.join().unwrap()).collect()
    });
    let n_accepted =
        answers.iter().filter(|answer| is_ok(answer) && answer.contains(r#""accepted":1"#)).count();
    assert_eq!(n_accepted, N, "{answers:?}");
    assert_eq!(redis.cli(&["ZCARD", "tm:{0}:leases"]), "1");
}
