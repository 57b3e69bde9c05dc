//! A process of `standalone`: environment, signals, exit codes, HTTP and Lambda.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running process; killed when dropped.
struct Process(Child);

impl Process {
    /// Starts the process with only these variables.
    fn start(vars: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
        command.env_clear().envs(vars.iter().copied()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Runs the command line; returns exit code, standard output and standard error.
    fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
        let output = command.env_clear().args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// The address in the log.
    fn address(&mut self) -> String {
        let mut stderr = BufReader::new(self.0.stderr.as_mut().unwrap()).lines();
        let line =
            stderr.by_ref().map(Result::unwrap).find(|line| line.contains("listening")).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["address"].as_str().unwrap().to_owned()
    }

    /// Waits for the exit; returns the exit code and standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.0.wait().unwrap().code(), stderr)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The kill fails if the process has exited.
        let _has_ended = self.0.kill().and_then(|()| self.0.wait()).is_err();
    }
}

fn request(address: &str, head: &str, body: &str) -> String {
    send(address, &format!("{head} HTTP/1.1"), body)
}

/// Sends a request with this head, further headers included.
fn send(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let len = body.len();
    write!(stream, "{head}\r\nHost: a\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_start_is_logged_and_sigterm_exits_with_code_0() {
    let mut process = Process::start(&[("PORT", "0")]);
    let mut stderr = BufReader::new(process.0.stderr.as_mut().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let expected = [
        ("message", "listening"),
        ("function", "standalone"),
        ("store", "memory"),
        ("access", "open"),
    ];
    for (name, value) in expected {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(line["detector"].as_str().unwrap().starts_with("traffic"), "{line}");
    let address = line["address"].as_str().unwrap();
    let answer = request(address, "POST /ingest", r#"{"metric":"rps","value":1}"#);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""accepted":1"#), "{answer}");
    let answer = request(address, "GET /analyze?metric=rps", "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let id = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(process.end().0, Some(0));
}

#[test]
fn all_mistakes_of_the_environment_are_reported() {
    let (code, stderr) = Process::start(&[("PORT", "http"), ("TIDEMARK_DETECTOR", "zscor")]).end();
    assert_eq!(code, Some(64));
    assert!(stderr.starts_with("standalone: failed to read the configuration:\n"), "{stderr}");
    assert!(stderr.contains("PORT `http`") && stderr.contains("TIDEMARK_DETECTOR"), "{stderr}");
}

#[test]
fn a_made_key_has_the_rights_of_its_entry() {
    let (code, out, _) = Process::run(&["key", "checkout", "write"]);
    assert_eq!(code, Some(0));
    let of = |name: &str| {
        out.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
    };
    let (key, entry) = (of("key"), of("entry"));
    let mut process =
        Process::start(&[("PORT", "0"), ("LISTEN_HOST", "0.0.0.0"), ("TIDEMARK_API_KEYS", &entry)]);
    let address = process.address();
    let body = r#"{"metric":"rps","value":1}"#;
    let with_key = |route: &str| format!("{route} HTTP/1.1\r\nAuthorization: Bearer {key}");
    let post = |head: &str| request(&address, head, body);
    assert!(post("POST /ingest").starts_with("HTTP/1.1 401"));
    assert!(send(&address, &with_key("POST /ingest"), body).starts_with("HTTP/1.1 200"));
    assert!(send(&address, &with_key("GET /series"), "").starts_with("HTTP/1.1 403"));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert!(
            request(&address, &format!("GET {path}"), "").starts_with("HTTP/1.1 200"),
            "{path}"
        );
    }
}

#[test]
fn a_reachable_process_does_not_start_without_keys() {
    for vars in [("LISTEN_HOST", "0.0.0.0"), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")] {
        let (code, stderr) = Process::start(&[("PORT", "0"), vars]).end();
        assert_eq!(code, Some(64));
        assert!(stderr.contains("TIDEMARK_API_KEYS is missing"), "{stderr}");
        assert!(stderr.contains("TIDEMARK_ACCESS=open"), "{stderr}");
    }
    let open = [("PORT", "0"), ("LISTEN_HOST", "0.0.0.0"), ("TIDEMARK_ACCESS", "open")];
    let mut process = Process::start(&open);
    let address = process.address();
    assert!(request(&address, "GET /series", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn invalid_arguments_are_refused() {
    for arguments in [
        &["serve"][..],
        &["key"],
        &["key", "checkout"],
        &["key", "a/b", "read"],
        &["key", "a", "all"],
    ] {
        let (code, out, stderr) = Process::run(arguments);
        assert_eq!((code, out.as_str()), (Some(64), ""), "{arguments:?}");
        assert!(stderr.starts_with("standalone: failed to read the arguments: "), "{stderr}");
    }
}

#[test]
fn help_and_version_are_printed_and_exit_with_code_0() {
    for argument in ["--help", "-h"] {
        let (code, help, error) = Process::run(&[argument]);
        assert_eq!((code, error.as_str()), (Some(0), ""));
        for part in
            ["standalone key TENANT RIGHTS", "REDIS_URL", "Example:", "PORT=8080 standalone"]
        {
            assert!(help.contains(part), "{part} in {help}");
        }
    }
    let version = format!("standalone {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Process::run(&["--version"]), (Some(0), version, String::new()));
}

#[test]
fn an_event_of_the_lambda_runtime_is_answered() {
    let runtime = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = runtime.local_addr().unwrap().to_string();
    let _process = Process::start(&[
        ("TIDEMARK_ACCESS", "open"),
        ("AWS_LAMBDA_RUNTIME_API", &address),
        ("AWS_LAMBDA_FUNCTION_NAME", "standalone"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "group"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
    ]);
    let answer = invoke(&runtime, &event("prod", r#"{"metric":"rps","value":1}"#));
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["headers"]["x-request-id"], "invocation-1");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["accepted"], 1);
}

/// An event of a named stage of an HTTP API.
fn event(stage: &str, body: &str) -> Value {
    let path = format!("/{stage}/ingest");
    json!({
        "version": "2.0",
        "routeKey": "POST /ingest",
        "rawPath": path,
        "rawQueryString": "verdicts=all",
        "headers": { "content-type": "application/json", "host": "api.example.com" },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1",
            "domainName": "api.example.com",
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test"
            },
            "requestId": "r1",
            "routeKey": "POST /ingest",
            "stage": stage,
            "timeEpoch": 1_732_060_800_000_i64
        },
        "body": body,
        "isBase64Encoded": false
    })
}

/// Emulates the Lambda runtime for one invocation; returns the answer.
fn invoke(runtime: &TcpListener, event: &Value) -> Value {
    let (stream, _) = runtime.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let (path, _) = read_request(&mut reader);
    assert_eq!(path, "/2018-06-01/runtime/invocation/next");
    let event = event.to_string();
    write!(
        reader.get_mut(),
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nLambda-Runtime-Aws-Request-Id: invocation-1\r\n\
         Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: arn\r\n\r\n{event}",
        event.len()
    )
    .unwrap();
    let (path, body) = read_request(&mut reader);
    assert_eq!(path, "/2018-06-01/runtime/invocation/invocation-1/response");
    serde_json::from_slice(&body).unwrap()
}

/// Reads a request with a declared length; returns its path and body.
fn read_request(reader: &mut BufReader<TcpStream>) -> (String, Vec<u8>) {
    let mut lines = reader.by_ref().lines().map(Result::unwrap);
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let len = head
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; len.unwrap_or_default()];
    reader.read_exact(&mut body).unwrap();
    (path, body)
}
