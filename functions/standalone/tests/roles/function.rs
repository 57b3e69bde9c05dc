//! The function as a process, with all that it logs.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use crate::account::{CONTAINER_TOKEN, WEB_IDENTITY};

pub(crate) struct Function {
    child: Child,
    address: String,
    output: String,
    rest: Option<JoinHandle<String>>,
}

impl Function {
    /// Starts it with the most verbose log.
    pub(crate) fn start(variables: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
        command.env_clear().env("PORT", "0").env("RUST_LOG", "trace");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut output = String::new();
        let address = loop {
            let start = output.len();
            assert!(stderr.read_line(&mut output).unwrap() > 0, "{output}");
            if let Some((_, rest)) = output.get(start..).unwrap().split_once(r#""address":""#) {
                break rest.split('"').next().unwrap().to_owned();
            }
        };
        // Reads on, or the pipe would fill.
        let rest = thread::spawn(move || {
            let mut rest = String::new();
            stderr.read_to_string(&mut rest).unwrap();
            rest
        });
        Self { child, address, output, rest: Some(rest) }
    }

    /// Sends a request; returns the response, which counts as output.
    pub(crate) fn request(&mut self, line: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        writeln!(self.output, "{response}").unwrap();
        response
    }

    /// Ends it, and searches its output for credentials.
    pub(crate) fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let rest = self.rest.take().unwrap().join().unwrap();
        self.output.push_str(&rest);
        assert!(
            [r#""level":"TRACE""#, r#""level":"DEBUG""#]
                .iter()
                .any(|level| self.output.contains(level)),
            "the log is verbose"
        );
        let secrets =
            ["ASIAGENERATION", "KeyMaterial", "SessionMaterial", "InstanceToken", "PassworD"];
        for secret in secrets.into_iter().chain([WEB_IDENTITY, CONTAINER_TOKEN]) {
            let line = self.output.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "`{secret}` is logged");
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}
