//! Debian's `HAProxy` in front of two processes, as `docs/affinity.md` configures it: requests with one affinity reach one
//! process, so that no process has to judge again what the other one changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use store::testbed::{RedisServer, free_port};

use crate::process::{Process, get, wait_until};

/// The page with the configuration that is tested.
const PAGE: &str = include_str!("../../../../docs/affinity.md");

const N_SERIES: usize = 16;

/// Samples of each series, one in each request.
const N_SAMPLES: usize = 12;

/// The calls and processes that a load needed.
struct Outcome {
    /// Appends and reads of series, each a call to the store.
    n_calls: u64,
    /// The processes that served each series.
    servers: BTreeMap<usize, BTreeSet<String>>,
}

/// The configuration of the page, with the ports of a test.
fn config(port: u16, ingest: [u16; 2]) -> String {
    let (_, rest) = PAGE.split_once("```haproxy\n").unwrap();
    let (config, _) = rest.split_once("```").unwrap();
    let replace = |text: &str, from: &str, to: String| {
        assert!(text.contains(from), "{from} in {text}");
        text.replace(from, &to)
    };
    let config = replace(config, "bind :8080", format!("bind 127.0.0.1:{port}"));
    let config = replace(&config, "10.0.0.1:8080", format!("127.0.0.1:{}", ingest[0]));
    let config = replace(&config, "10.0.0.2:8080", format!("127.0.0.1:{}", ingest[1]));
    config + "    http-response set-header served-by %s\n"
}

/// Posts a sample with its affinity; returns the name of the process that served it.
fn post(port: u16, series: usize, at_s: usize) -> String {
    let body = format!(r#"{{"metric":"m{series}","timestamp":{at_s},"value":1}}"#);
    let request = format!(
        "POST /ingest HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTidemark-Affinity: m{series}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let header = answer.lines().find_map(|line| line.strip_prefix("served-by: "));
    header.unwrap().to_owned()
}

fn n_calls(port: u16) -> u64 {
    let metrics = get(port, "/metrics").unwrap();
    let of = |operation| {
        let name = format!(r#"store_command_duration_seconds_count{{operation="{operation}"}} "#);
        let line = metrics.lines().find_map(|line| line.strip_prefix(&*name));
        line.map_or(0, |n| n.parse::<u64>().unwrap())
    };
    of("append") + of("read")
}

/// Sends the samples of each series in turn through a proxy with this change of its configuration.
fn load(change: impl Fn(String) -> String) -> Outcome {
    let redis = RedisServer::start();
    let ports = [free_port(), free_port()];
    let _processes = ports.map(|port| Process::ingest(port, &redis));
    let is_ready = |port| get(port, "/readyz").is_some_and(|text| text.contains("ready"));
    // Before the proxy checks them: one that it finds down takes no request for seconds.
    for port in ports {
        wait_until("the processes are ready", || is_ready(port));
    }
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, change(config(port, ports))).unwrap();
    let _proxy = Process::start(Command::new("haproxy").arg("-db").arg("-f").arg(&file));
    wait_until("the proxy forwards", || is_ready(port));
    let mut servers: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for i in 0..N_SAMPLES {
        for series in 0..N_SERIES {
            let server = post(port, series, 1_732_060_800 + i);
            servers.entry(series).or_default().insert(server);
        }
    }
    // The first read of a process saves its counts.
    for port in ports {
        get(port, "/metrics").unwrap();
    }
    wait_until("the last totals are a second old", || {
        ports.iter().map(|port| n_calls(*port)).collect::<BTreeSet<_>>().len() == 1
    });
    Outcome { n_calls: n_calls(ports[0]), servers }
}

#[test]
fn with_affinity_each_series_has_one_process_and_each_sample_one_call() {
    let outcome = load(|config| config);
    assert!(outcome.servers.values().all(|servers| servers.len() == 1), "{:?}", outcome.servers);
    let all: BTreeSet<&String> = outcome.servers.values().flatten().collect();
    assert_eq!(all.len(), 2, "{:?}", outcome.servers);
    assert_eq!(outcome.n_calls, (N_SERIES * N_SAMPLES) as u64);
}

#[test]
fn without_affinity_a_process_needs_a_second_call_after_the_other_one() {
    let in_turn = |config: String| {
        let hashed = "balance hdr(Tidemark-Affinity)";
        assert!(config.contains(hashed));
        config.replace(hashed, "balance random(1)").replace("hash-type consistent", "")
    };
    let outcome = load(in_turn);
    assert!(outcome.servers.values().any(|servers| servers.len() == 2), "{:?}", outcome.servers);
    let n_more = outcome.n_calls - (N_SERIES * N_SAMPLES) as u64;
    assert!(n_more > N_SERIES as u64, "{n_more}");
}
