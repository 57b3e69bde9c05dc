//! One multiplexed connection to one Redis, or to each node of a cluster, opened when first needed.
//!
//! Concurrent commands share the connection and its round trips. A process starts without Redis, and reconnects after
//! an outage. A connection that times out, or leads to a server that has become a replica, is replaced by a new one,
//! which resolves the address again.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Cmd, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, RedisError, Script, ScriptInvocation,
    ServerErrorKind, Value,
};
use tokio::time::{sleep, timeout};

use super::circuit::{Circuit, CircuitOptions, jittered};
use super::cluster_routing::ClusterRouting;
use super::credentials::{LoginStream, RedisCredentials, failure};
use crate::{CircuitCounts, StoreError};

/// Most attempts of a call, within its timeout: with the pauses between them, about half a second.
const ATTEMPTS_MAX: u32 = 8;

/// Pause before a retry: a connection within a network opens in less.
const REPEAT_PAUSE: Duration = Duration::from_millis(20);

/// Arrangement of the servers behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One server, with or without replicas.
    Single,
    /// A cluster; the address names some of its nodes.
    Cluster,
}

impl Topology {
    /// Number of places where shards are: one server, or a slot of a cluster for each of `n_shards`.
    pub(super) fn n_slots(self, n_shards: u16) -> u16 {
        match self {
            Self::Single => 1,
            Self::Cluster => n_shards,
        }
    }
}

/// Address, timeouts and shards of a Redis.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://` or `rediss://` addresses, separated by commas; several only for a cluster.
    pub url: String,
    /// Arrangement of the servers.
    pub topology: Topology,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a reply, including the connection.
    pub response_timeout: Duration,
    /// Shards, fixed for the life of the store.
    pub n_shards: u16,
    /// When the circuit opens, and for how long.
    pub circuit: CircuitOptions,
}

impl std::fmt::Debug for RedisOptions {
    // An address may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisOptions")
            .field("topology", &self.topology)
            .field("n_shards", &self.n_shards)
            .finish_non_exhaustive()
    }
}

/// Shard of a call, and whether it may be repeated after it was possibly executed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    shard: u16,
    is_repeatable: bool,
}

impl Call {
    /// A call whose second execution changes nothing.
    pub(super) fn repeatable(shard: u16) -> Self {
        Self { shard, is_repeatable: true }
    }

    /// A call that must not be executed twice.
    pub(super) fn once(shard: u16) -> Self {
        Self { shard, is_repeatable: false }
    }
}

/// Connections to the servers of a store.
pub(super) struct Connection {
    topology: Topology,
    timeout: Duration,
    config: ConnectionManagerConfig,
    routing: ClusterRouting,
    /// One for a single server, one for each shard of a cluster, as its nodes fail independently.
    circuits: Vec<Circuit>,
}

impl std::fmt::Debug for Connection {
    // Addresses may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Connection {
    /// Checks the address; does not connect yet.
    pub(super) fn new(
        options: &RedisOptions,
        credentials: &RedisCredentials,
    ) -> Result<Self, StoreError> {
        // Fails if a provider is installed already, which then stays.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let invalid = |error: RedisError| StoreError::AddressInvalid { reason: error.to_string() };
        let addresses = options.url.split(',').map(str::trim);
        let seeds: Result<Vec<ConnectionInfo>, RedisError> =
            addresses.map(ConnectionInfo::from_str).collect();
        let seeds = seeds.map_err(invalid)?;
        if options.topology == Topology::Single && seeds.len() != 1 {
            let reason = "expected one address, or REDIS_TOPOLOGY=cluster".to_owned();
            return Err(StoreError::AddressInvalid { reason });
        }
        let mut config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(Some(options.response_timeout))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50));
        if let Some(provider) = &credentials.provider {
            config = config.set_credentials_provider(LoginStream(Arc::clone(provider)));
        }
        let n_circuits = options.topology.n_slots(options.n_shards);
        Ok(Self {
            topology: options.topology,
            timeout: options.response_timeout,
            config,
            routing: ClusterRouting::new(seeds, credentials.clone()),
            circuits: (0..n_circuits).map(|_| Circuit::new(options.circuit)).collect(),
        })
    }

    pub(super) fn topology(&self) -> Topology {
        self.topology
    }

    pub(super) fn circuits(&self) -> CircuitCounts {
        let n_open = self.circuits.iter().filter(|circuit| circuit.is_open()).count();
        CircuitCounts { n_open, n: self.circuits.len() }
    }

    /// Runs a script; loads it if the server does not have it.
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        call: Call,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        self.call(call, RedisRequest::Script(script)).await
    }

    /// Runs the `EVALSHA` command of a script; loads the script if the server does not have it.
    pub(super) async fn evaluate<T: FromRedisValue>(
        &self,
        call: Call,
        script: &Script,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.call(call, RedisRequest::Evaluation(script, command)).await
    }

    /// Runs a command.
    pub(super) async fn query<T: FromRedisValue>(
        &self,
        call: Call,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.call(call, RedisRequest::Command(command)).await
    }

    /// Runs commands on keys of one slot.
    pub(super) async fn query_all<T: FromRedisValue>(
        &self,
        call: Call,
        commands: &Pipeline,
    ) -> Result<T, StoreError> {
        self.call(call, RedisRequest::Commands(commands)).await
    }

    /// Runs repeatable commands on several shards; returns the reply of each: one pipeline for a single server, one for
    /// each shard of a cluster.
    pub(super) async fn query_each<T: FromRedisValue>(
        &self,
        pipelines: &[(u16, Pipeline)],
    ) -> Result<Vec<T>, StoreError> {
        if self.topology == Topology::Cluster {
            let calls = pipelines
                .iter()
                .map(|(shard, commands)| self.query_all(Call::repeatable(*shard), commands));
            return try_join_all(calls).await;
        }
        let Some((first, _)) = pipelines.first() else { return Ok(Vec::new()) };
        let mut all = redis::pipe();
        for command in pipelines.iter().flat_map(|(_, commands)| commands.cmd_iter()) {
            all.add_command(command.clone());
        }
        let replies: Vec<Value> = self.query_all(Call::repeatable(*first), &all).await?;
        let mut replies = replies.into_iter();
        let each = pipelines.iter().map(|(_, commands)| {
            let reply = replies.by_ref().take(commands.cmd_iter().count()).collect();
            T::from_redis_value(Value::Array(reply)).map_err(|error| failure(&error.into()))
        });
        each.collect()
    }

    /// Makes a call within its timeout, unless the circuit is open, and reports the result to the circuit.
    async fn call<T: FromRedisValue>(
        &self,
        call: Call,
        request: RedisRequest<'_>,
    ) -> Result<T, StoreError> {
        let circuit = &self.circuits[usize::from(call.shard) % self.circuits.len()];
        let Some(permit) = circuit.permit() else {
            let reason = "the circuit is open after several failures".to_owned();
            return Err(StoreError::Unavailable { reason });
        };
        let answer = timeout(self.timeout, self.attempts(call, request)).await;
        let (has_answered, answer) = match answer {
            Ok(Ok(answer)) => (true, Ok(answer)),
            Ok(Err(error)) => {
                let failure = failure(&error);
                // A refusal is an answer, too.
                let is_refused = !matches!(failure, StoreError::Unavailable { .. });
                (is_refused || is_answer(&error), Err(failure))
            }
            Err(_) => {
                let reason = format!("no answer within {} ms", self.timeout.as_millis());
                (false, Err(StoreError::Unavailable { reason }))
            }
        };
        if has_answered {
            permit.succeeded();
        } else if permit.failed() {
            // A dead peer does not close its connection.
            self.routing.drop_connection(call.shard);
        }
        answer
    }

    /// Makes a call, and retries it if that is safe and may help.
    async fn attempts<T: FromRedisValue>(
        &self,
        call: Call,
        request: RedisRequest<'_>,
    ) -> Result<T, RedisError> {
        let mut n_attempts = 0;
        loop {
            n_attempts += 1;
            let node = self.routing.of_shard(call.shard, &self.config)?;
            let error = match request.run((*node.connection).clone()).await {
                Err(error) if n_attempts < ATTEMPTS_MAX => error,
                answer => return answer,
            };
            match remedy(&error) {
                Remedy::Reopen if self.routing.drop_refused(&node) => continue,
                Remedy::None | Remedy::Reopen => return Err(error),
                // It may have been executed before the connection broke.
                Remedy::Repeat if !call.is_repeatable => return Err(error),
                Remedy::Moved => {
                    self.routing.moved(call.shard, &node, &error);
                    continue;
                }
                Remedy::NewConnection => self.routing.drop_connection(call.shard),
                Remedy::OtherNode if self.routing.has_one_address() => return Err(error),
                Remedy::OtherNode | Remedy::Repeat => self.routing.forget_route(call.shard),
                Remedy::Later => {}
            }
            sleep(jittered(REPEAT_PAUSE * n_attempts)).await;
        }
    }
}

/// The commands of a call.
#[derive(Clone, Copy)]
enum RedisRequest<'a> {
    Script(&'a ScriptInvocation<'a>),
    Evaluation(&'a Script, &'a Cmd),
    Command(&'a Cmd),
    Commands(&'a Pipeline),
}

impl RedisRequest<'_> {
    async fn run<T: FromRedisValue>(
        self,
        mut connection: ConnectionManager,
    ) -> Result<T, RedisError> {
        match self {
            Self::Script(script) => script.invoke_async(&mut connection).await,
            Self::Evaluation(script, command) => match command.query_async(&mut connection).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    script.prepare_invoke().load_async(&mut connection).await?;
                    command.query_async(&mut connection).await
                }
                answer => answer,
            },
            Self::Command(command) => command.query_async(&mut connection).await,
            Self::Commands(commands) => commands.query_async(&mut connection).await,
        }
    }
}

/// Remedies of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    None,
    /// The connection broke; the call may have been executed.
    Repeat,
    /// Nothing was done: the server refused the connection.
    Reopen,
    /// Nothing was done; the server may do it soon.
    Later,
    /// Nothing was done; another node may know the owner of the slot.
    OtherNode,
    /// Nothing was done: the server is no longer the primary.
    NewConnection,
    /// Nothing was done; the error names the owner of the slot.
    Moved,
}

fn remedy(error: &RedisError) -> Remedy {
    use ServerErrorKind::{
        Ask, BusyLoading, ClusterDown, MasterDown, Moved, NoScript, ReadOnly, TryAgain,
    };
    match cause(error) {
        ErrorKind::Server(Moved) => Remedy::Moved,
        ErrorKind::AuthenticationFailed => Remedy::Reopen,
        ErrorKind::Server(ReadOnly) => Remedy::NewConnection,
        // Nearly every script names a missing key, so neither node serves it while its slot moves, and ASK would not
        // help. A script may also be flushed between its loading and its execution.
        ErrorKind::Server(Ask | TryAgain | BusyLoading | MasterDown | ClusterDown | NoScript) => {
            Remedy::Later
        }
        ErrorKind::Io if error.is_connection_refusal() => Remedy::OtherNode,
        ErrorKind::Io if error.is_connection_dropped() => Remedy::Repeat,
        _ => Remedy::None,
    }
}

/// The kind of an error; for an aborted transaction that of its first refused command.
fn cause(error: &RedisError) -> ErrorKind {
    let aborted = ServerErrorKind::ExecAbort;
    if error.kind() != ErrorKind::Server(aborted) {
        return error.kind();
    }
    let refused = error.clone().into_server_errors();
    let mut kinds =
        refused.iter().flat_map(|errors| errors.iter()).filter_map(|(_, error)| error.kind());
    ErrorKind::Server(kinds.find(|kind| *kind != aborted).unwrap_or(aborted))
}

/// Returns true if the error is a reply of the server, so that the server is up.
fn is_answer(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType
    )
}
