//! `ingest` as the container of a pod runs it.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use store::testbed::{RedisServer, free_port};

const BINARY: &str = env!("CARGO_BIN_EXE_ingest");

/// Longest wait for an expected event; a loaded machine may take seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running container; killed when dropped.
#[derive(Debug)]
pub(crate) struct Pod {
    child: Child,
    lines: Receiver<String>,
    pub(crate) port: u16,
}

impl Pod {
    /// Starts the binary with the variables that Knative sets.
    pub(crate) fn start(redis: &RedisServer) -> Self {
        Self::start_by(&[], redis)
    }

    /// Starts the binary through a command that removes the privileges that a container lacks.
    pub(crate) fn start_by(command: &[&str], redis: &RedisServer) -> Self {
        let port = free_port();
        let mut words = command.iter().chain([&BINARY]);
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("PORT", port.to_string())
            .env("K_SERVICE", "ingest")
            .env("K_REVISION", "ingest-00007")
            .env("K_CONFIGURATION", "ingest")
            .env("HOSTNAME", "ingest-00007-deployment-5d8f9c7b6-x2x4z")
            .env("KUBERNETES_SERVICE_HOST", "10.96.0.1")
            .env("LISTEN_HOST", "0.0.0.0")
            .env("TIDEMARK_ACCESS", "open")
            .env("REDIS_URL", redis.url())
            .env("RUST_LOG", "debug,h2=info,hyper=info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (says, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // Reads until the process exits, as a full pipe would block it, even if the test reads no more lines.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _is_heard = says.send(line).is_ok();
            }
        });
        Self { child, lines, port }
    }

    /// The first log line with this text.
    pub(crate) fn line_with(&self, text: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {text}"));
            if line.contains(text) {
                return serde_json::from_str(&line)
                    .unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
    }

    /// The remaining log lines, until the process exits.
    pub(crate) fn lines_to_the_end(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for the exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// A field of `/proc/<id>/status`.
    pub(crate) fn status(&self, name: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // The kill fails if the process has exited.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}
