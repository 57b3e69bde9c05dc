//! A process of `ingest` that tests kill, terminate and restart.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::Value;

/// A detector that learns fast, so that there are anomalies to count.
pub(crate) const DETECTOR: &str = "zscore:window=50,threshold=3";

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a process on a free port; returns once it listens, maybe before it has connected to Redis.
    pub(crate) fn start(redis_url: &str, vars: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ingest"))
            .env_clear()
            .envs([("PORT", "0"), ("REDIS_URL", redis_url), ("TIDEMARK_DETECTOR", DETECTOR)])
            .env("RUST_LOG", "error,server::run=info")
            .envs(vars.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (says, addresses) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // Reads until the process exits, as a full pipe would block it.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let told: Option<Value> = serde_json::from_str(&line).ok();
                let address = told.as_ref().and_then(|told| told["address"].as_str());
                // The receiver is dropped once it has the address.
                match address.and_then(|address| address.parse().ok()) {
                    Some(address) => drop(says.send(address)),
                    None if line.contains("\"ERROR\"") || told.is_none() => eprintln!("{line}"),
                    None => {}
                }
            }
        });
        let address = addresses.recv().expect("the process logs its address");
        Self { child, address }
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        // The kill fails if the process has exited.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// The exit status, if the process has exited.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
