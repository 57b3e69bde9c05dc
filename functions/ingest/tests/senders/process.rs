//! Processes of a test, and HTTP requests to them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use store::testbed::RedisServer;

/// Pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(100);

/// Checks of a condition before a test fails: a minute, as a loaded machine may take seconds.
const CHECKS_MAX: usize = 600;

/// A process that is killed when dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Starts `ingest` on this port.
    pub(crate) fn ingest(port: u16, redis: &RedisServer) -> Self {
        Self::start(
            Command::new(env!("CARGO_BIN_EXE_ingest"))
                .env_clear()
                .env("PORT", port.to_string())
                .env("LISTEN_HOST", "127.0.0.1")
                .env("REDIS_URL", redis.url()),
        )
    }

    /// Sends SIGTERM, and waits for the exit.
    pub(crate) fn terminate(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The kill fails if the process has exited.
        let _has_ended = self.0.kill().and_then(|()| self.0.wait()).is_err();
    }
}

/// The body of the answer to a `GET`; `None` if there is no connection.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    // HTTP/1.0 has no chunks, and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..CHECKS_MAX {
        if condition() {
            return;
        }
        thread::sleep(PAUSE);
    }
    panic!("timeout: {what}");
}
