//! What Knative wants of a container, promise by promise.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use store::testbed::RedisServer;

use crate::pod::Pod;
use crate::wire::{SAMPLE, ask, begin, is_live_over_h2c, rest_of, send};

/// A user that no system knows, as a cluster's admission may choose one, who can write nothing.
///
/// All file systems are made read-only in a namespace of the process' own, and it is tried that they are.
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
fn it_serves_the_port_that_it_is_told_in_both_versions_of_http() {
    let redis = RedisServer::start();
    let pod = Pod::start(&redis);
    let said = pod.line_with("listening");
    assert_eq!(said["address"], format!("0.0.0.0:{}", pod.port));
    assert!(is_ok(&ask(pod.connect(), "POST /ingest", SAMPLE)));
    assert!(is_live_over_h2c(pod.connect()));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a real process starts in real time")]
fn it_is_ready_within_a_second_of_its_start() {
    let redis = RedisServer::start();
    // Other tests run beside it, so the quickest start of some says what it takes.
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
fn a_request_in_flight_is_answered_after_sigterm_and_the_end_is_quick_and_good() {
    let redis = RedisServer::start();
    let mut pod = Pod::start(&redis);
    pod.line_with("listening");
    let mut busy = begin(pod.connect());
    // A connection that is kept open does not hold up the end either.
    let _idle = pod.connect();
    pod.terminate();
    pod.line_with("shutting down");
    let begun = Instant::now();
    busy.write_all(SAMPLE.as_bytes()).unwrap();
    let answer = rest_of(busy);
    assert!(is_ok(&answer) && answer.contains(r#""accepted":1"#), "{answer}");
    assert_eq!(pod.end(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // What it counted is in the store, and it is not among those that serve.
    let totals = redis.cli(&["HGET", "tm:{0}:totals", "requests ingest POST /ingest 200"]);
    assert_eq!(totals, "1");
    assert_eq!(redis.cli(&["HGET", "tm:{0}:totals", "cold_starts ingest"]), "1");
    assert_eq!(redis.cli(&["HLEN", "tm:{0}:instances"]), "0");
}

#[test]
fn it_is_not_ready_while_redis_is_away_and_ready_when_it_is_back() {
    let mut redis = RedisServer::start();
    let pod = Pod::start(&redis);
    pod.line_with("listening");
    assert!(is_ok(&ask(pod.connect(), "GET /readyz", "")));
    redis.stop();
    let answer = ask(pod.connect(), "GET /readyz", "");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("store_unavailable"), "{answer}");
    // It lives: to start it again would help nobody.
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
fn an_unknown_user_who_can_write_nothing_can_run_it() {
    let redis = RedisServer::start();
    let mut pod = Pod::start_by(&CONFINED, &redis);
    pod.line_with("listening");
    assert!(is_ok(&ask(pod.connect(), "POST /ingest", SAMPLE)));
    assert!(is_ok(&ask(pod.connect(), "GET /readyz", "")));
    // Seen from outside it is who started the test; inside it has no right at all.
    assert_eq!(pod.status("CapEff"), "0000000000000000");
    pod.terminate();
    assert_eq!(pod.end(), Some(0));
}

#[test]
fn every_line_says_of_which_service_and_revision_it_is() {
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
fn one_process_serves_many_requests_at_once() {
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
        asked.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let n_accepted =
        answers.iter().filter(|it| is_ok(it) && it.contains(r#""accepted":1"#)).count();
    assert_eq!(n_accepted, N, "{answers:?}");
    assert_eq!(redis.cli(&["ZCARD", "tm:{0}:leases"]), "1");
}
