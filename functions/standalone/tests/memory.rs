//! The memory of a process under requests that become much larger than they are sent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// The bound on memory for requests; half of the default, so that few requests pass it.
const BOUND: u64 = 32 << 20;

/// Room for buffers of connections, stacks and what the allocator retains.
const OVERHEAD_MAX: u64 = 24 << 20;

/// A running process; killed when dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_standalone"))
            .env_clear()
            .envs([("PORT", "0"), ("TIDEMARK_REQUEST_TIMEOUT_MS", "300000")])
            .env("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "0")
            .env("TIDEMARK_IN_FLIGHT_BYTES_MAX", BOUND.to_string())
            .env("RUST_LOG", "error,server::run=info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        Self { child, address: line["address"].as_str().unwrap().to_owned() }
    }

    /// The most memory that was resident, in bytes.
    fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Sends a compressed body several times at once; returns the number of answers with each status.
    fn flood(&self, n: usize, path: &str, body: &[u8]) -> BTreeMap<String, usize> {
        let senders: Vec<_> = (0..n)
            .map(|_| {
                let (address, body) = (self.address.clone(), body.to_vec());
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                     Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                thread::spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    stream.write_all(head.as_bytes()).unwrap();
                    stream.write_all(&body).unwrap();
                    let mut answer = Vec::new();
                    stream.read_to_end(&mut answer).unwrap();
                    String::from_utf8_lossy(answer.get(9..12).unwrap()).into_owned()
                })
            })
            .collect();
        let mut statuses = BTreeMap::new();
        for sender in senders {
            *statuses.entry(sender.join().unwrap()).or_default() += 1;
        }
        statuses
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The kill fails if the process has exited.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn samples(series: impl Fn(i64) -> String) -> Vec<u8> {
    let sample =
        |i: i64| json!({ "metric": series(i), "ts": 1_732_060_800_000 + i, "value": i % 7 });
    gzip(json!((0..10_000).map(sample).collect::<Vec<_>>()).to_string().as_bytes())
}

#[test]
fn memory_stays_near_its_bound_whatever_requests_become() {
    let bomb = gzip(&[&b"["[..], &vec![b' '; (8 << 20) - 2], b"]"].concat());
    for (what, n, path, body) in [
        ("samples to judge", 8, "/analyze", samples(|_| "m".to_owned())),
        ("bombs of spaces", 12, "/ingest", bomb),
        ("new series", 3, "/ingest?verdicts=none", samples(|i| format!("m{i}"))),
    ] {
        let process = Process::start();
        let idle = process.peak_bytes();
        let statuses = process.flood(n, path, &body);
        let grown = process.peak_bytes() - idle;
        println!("{what}: {n} of {} bytes, {statuses:?}, {} MiB", body.len(), grown >> 20);
        assert_eq!(statuses.get("200"), Some(&n), "{what}: {statuses:?}");
        // The embedded store keeps the series, about 12 KB each.
        let stored = if what == "new series" { 10_000 * (12 << 10) } else { 0 };
        assert!(grown < BOUND + OVERHEAD_MAX + stored, "{what}: {} MiB", grown >> 20);
    }
}
