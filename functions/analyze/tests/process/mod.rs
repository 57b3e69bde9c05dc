//! A process of `analyze`, for tests of the history.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use store::testbed::RedisServer;

pub(crate) const DETECTOR: &str = "zscore:window=50,threshold=3";

/// A running process; killed when dropped.
pub(crate) struct Analyze {
    pub(crate) child: Child,
    address: String,
}

impl Analyze {
    pub(crate) fn start(redis: &RedisServer, vars: &[(&'static str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_analyze"));
        command.env_clear().env("PORT", "0").env("REDIS_URL", redis.url());
        command.env("TIDEMARK_DETECTOR", DETECTOR).env("RUST_LOG", "error,server::run=info");
        command.envs(vars.iter().map(|(name, value)| (name, value))).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.as_mut().unwrap();
        let line = BufReader::new(stderr).lines().map(Result::unwrap).next().unwrap();
        let log: Value = serde_json::from_str(&line).expect(&line);
        Self { child, address: log["address"].as_str().unwrap().to_owned() }
    }

    /// The JSON body of the response; `None` if there is none, or the process was killed.
    pub(crate) fn ask(&self, head: &str) -> Option<Value> {
        self.send(head, "")
    }

    /// Like `ask`, for a request with a body.
    pub(crate) fn send(&self, head: &str, body: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    pub(crate) fn sweep(&self) -> Option<Value> {
        self.ask("POST /sweep")
    }
}

impl Drop for Analyze {
    fn drop(&mut self) {
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}
