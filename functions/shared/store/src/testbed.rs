//! Real servers for tests: a Redis, or a cluster of three, on free ports of the loopback, killed when dropped.

mod judged;
mod proxy;
mod stored;

use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

pub use judged::judged;
pub use proxy::Proxy;
pub use stored::read_stored;

use crate::{CircuitOptions, RedisOptions, Topology};

/// Options of a test: timeouts so long that only a server that is down exceeds them.
pub fn patient_options(url: String, topology: Topology, n_shards: u16) -> RedisOptions {
    let timeout = Duration::from_secs(5);
    RedisOptions {
        url,
        topology,
        connect_timeout: timeout,
        response_timeout: timeout,
        n_shards,
        circuit: CircuitOptions::default(),
    }
}

/// Longest wait for a server to answer; a loaded machine may take seconds.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running `redis-server` with nothing in it.
#[derive(Debug)]
pub struct RedisServer {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts one that persists nothing.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more arguments.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { child: None, folder, port: free_port(), arguments };
        server.spawn();
        server
    }

    fn spawn(&mut self) {
        let child = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        self.child = Some(child);
        wait_until("redis-server answers", || self.cli(&["PING"]) == "PONG");
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs `redis-cli` against it; returns the output.
    pub fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, arguments)
    }

    /// Ends it with SIGTERM, as a restart of its container does.
    pub fn terminate(&mut self) {
        self.signal("-TERM");
        if let Some(mut child) = self.child.take() {
            assert!(child.wait().is_ok_and(|status| status.success()), "redis-server ends");
        }
    }

    /// Kills it; its data is lost, unless its arguments persist it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = child.kill().and_then(|()| child.wait());
        }
    }

    /// Suspends the process: it accepts connections, but does not reply, until [`RedisServer::thaw`].
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Resumes the process.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
            assert!(
                sent.is_ok_and(|status| status.success()),
                "the server of port {} runs",
                self.port
            );
        }
    }

    /// Starts it again on the same port, with what its arguments persisted.
    pub fn start_again(&mut self) {
        self.stop();
        self.spawn();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A running `redis-server` with TLS, and a certificate of an authority of its own.
#[derive(Debug)]
pub struct TlsRedisServer {
    server: RedisServer,
    folder: TempDir,
    tls_port: u16,
}

impl TlsRedisServer {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed, or was built without TLS.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        write_certificates(folder.path()).expect("certificates can be made");
        let tls_port = free_port().to_string();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let server = RedisServer::start_with(&[
            "--tls-port",
            &tls_port,
            "--tls-cert-file",
            &file("server.pem"),
            "--tls-key-file",
            &file("server.key"),
            "--tls-ca-cert-file",
            &file("ca.pem"),
            "--tls-auth-clients",
            "no",
        ]);
        let tls_port = tls_port.parse().expect("a port is a number");
        Self { server, folder, tls_port }
    }

    /// Its address with TLS.
    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.tls_port)
    }

    /// The certificate of the authority that signed its own.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The certificate of another authority.
    pub fn other_ca_file(&self) -> PathBuf {
        self.folder.path().join("other.pem")
    }

    /// Runs `redis-cli` against it, without TLS, as the user that may do all.
    pub fn cli(&self, arguments: &[&str]) -> String {
        self.server.cli(arguments)
    }
}

/// Writes two authorities, and a certificate of 127.0.0.1 that the first signed.
fn write_certificates(folder: &Path) -> Result<(), Box<dyn Error>> {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate()?)
    };
    let ca = authority("an authority")?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &ca)?;
    fs::write(folder.join("ca.pem"), ca.pem())?;
    fs::write(folder.join("other.pem"), authority("another authority")?.pem())?;
    fs::write(folder.join("server.pem"), server.pem())?;
    fs::write(folder.join("server.key"), key.serialize_pem())?;
    Ok(())
}

/// A cluster of three masters, with or without a replica each.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one without replicas.
    ///
    /// # Panics
    ///
    /// If `redis-server` or `redis-cli` is not installed, or the cluster does not form.
    pub fn start() -> Self {
        Self::start_with(0)
    }

    /// Starts one whose masters have a replica each, which takes over a second after its master is down; the masters
    /// come first among the nodes.
    ///
    /// # Panics
    ///
    /// As [`RedisCluster::start`].
    pub fn start_with_replicas() -> Self {
        let cluster = Self::start_with(1);
        for node in &cluster.nodes[3..] {
            wait_until("the replica has all", || {
                node.cli(&["INFO", "replication"]).contains("master_link_status:up")
            });
        }
        cluster
    }

    fn start_with(n_replicas: usize) -> Self {
        let node = |_| {
            RedisServer::start_with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-config-file",
                "nodes.conf",
                "--cluster-node-timeout",
                if n_replicas == 0 { "15000" } else { "1000" },
            ])
        };
        let nodes: Vec<RedisServer> = (0..3 + 3 * n_replicas).map(node).collect();
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", &n_replicas.to_string(), "--cluster-yes"])
            .output()
            .expect("redis-cli is installed");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        for node in &nodes {
            wait_until("the cluster is whole", || {
                node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
            });
        }
        Self { nodes }
    }

    /// The addresses of its nodes, separated by commas.
    pub fn url(&self) -> String {
        self.nodes.iter().map(RedisServer::url).collect::<Vec<_>>().join(",")
    }

    /// Its nodes.
    pub fn nodes(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }
}

/// A port that was free a moment ago, with room above for the bus of a cluster, which uses the port 10,000 higher.
///
/// # Panics
///
/// If the loopback has no free port.
pub fn free_port() -> u16 {
    (0..100)
        .map(|_| TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()))
        .filter_map(|address| address.ok().map(|address| address.port()))
        .find(|port| *port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok())
        .expect("the loopback has a free port")
}

fn cli(port: u16, arguments: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(arguments)
        .output()
        .expect("redis-cli is installed");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a test waits in real time for a real process")]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < START_TIMEOUT, "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
