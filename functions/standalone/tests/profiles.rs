//! Profiles of a real process under load are readable, and name its functions.
//!
//! Requires the feature `profiling`: `cargo test --package standalone --features profiling`.

#![cfg(feature = "profiling")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

struct Standalone {
    child: Child,
    address: String,
}

impl Standalone {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_standalone"))
            .env_clear()
            .envs([("PORT", "0"), ("RUST_LOG", "server::run=info"), ("TIDEMARK_DEBUG", "on")])
            .env("_RJEM_MALLOC_CONF", "prof:true,prof_active:false,lg_prof_sample:12")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line =
            lines.find(|line| line.as_ref().unwrap().contains("listening")).unwrap().unwrap();
        let (_, rest) = line.split_once("127.0.0.1:").unwrap();
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        // Reads until the process exits, as a full pipe would block it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: format!("127.0.0.1:{port}") }
    }

    /// The status and the body of an answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let len = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        (head.lines().next().unwrap().to_owned(), bytes[end + 4..].to_vec())
    }

    /// The string table of a profile, which has the function names, and the number of samples.
    fn profile(&self, path: &str) -> (Vec<String>, usize) {
        let (status, packed) = self.ask("GET", path, "");
        assert!(status.contains("200"), "{status}: {}", String::from_utf8_lossy(&packed));
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
        let (mut texts, mut n_samples, mut rest) = (Vec::new(), 0, bytes.as_slice());
        while !rest.is_empty() {
            let tag = varint(&mut rest);
            let len = varint(&mut rest);
            if tag & 7 == 2 {
                let (field, after) = rest.split_at(len as usize);
                rest = after;
                match tag >> 3 {
                    2 => n_samples += 1,
                    6 => texts.push(String::from_utf8(field.to_vec()).unwrap()),
                    _ => {}
                }
            }
        }
        (texts, n_samples)
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}

#[test]
fn profiles_name_the_functions_that_ran_and_that_allocated() {
    let standalone = Standalone::start();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at_us = 1_732_060_800_000_000_i64;
            while !is_over.load(Ordering::Relaxed) {
                let samples: Vec<String> = (0..2_000)
                    .map(|i| {
                        format!(r#"{{"metric":"m{i}","timestamp":{at_us},"value":{}}}"#, i % 7)
                    })
                    .collect();
                let (status, _) =
                    standalone.ask("POST", "/ingest", &format!("[{}]", samples.join(",")));
                assert!(status.contains("200"), "{status}");
                at_us += 60_000_000;
            }
        });
        let profiles = std::panic::catch_unwind(|| {
            [
                standalone.profile("/debug/pprof/profile?seconds=3"),
                standalone.profile("/debug/pprof/heap"),
            ]
        });
        is_over.store(true, Ordering::Relaxed);
        let [cpu, heap] = profiles.unwrap();
        let names = |texts: &[String], wanted: &str| texts.iter().any(|text| text.contains(wanted));
        assert!(cpu.1 > 10 && names(&cpu.0, "nanoseconds"), "{cpu:?}");
        assert!(names(&cpu.0, "detector::") && names(&cpu.0, "intake::"), "{:?}", cpu.0);
        assert!(heap.1 > 10 && names(&heap.0, "inuse_space"), "{heap:?}");
        assert!(names(&heap.0, "store::embedded"), "{:?}", heap.0);
    });
    // Another profile can follow; an invalid length is refused.
    assert!(standalone.ask("GET", "/debug/pprof/profile?seconds=1", "").0.contains("200"));
    assert!(standalone.ask("GET", "/debug/pprof/profile?seconds=x", "").0.contains("400"));
}
