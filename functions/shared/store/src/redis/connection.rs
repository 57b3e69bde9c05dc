//! One multiplexed connection to one Redis, or to each node of a cluster, opened when first needed.
//!
//! Commands sent while others are under way share the connection and its round trips, so callers simply call at
//! once. A process starts without Redis, and finds it again by itself after it was away. A connection on which nothing
//! is heard any more, or that leads to a server that has become a replica, is given up for a new one, which asks anew
//! where the address leads.

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
use super::credentials::{LoginStream, RedisCredentials, failure};
use super::nodes::Nodes;
use crate::StoreError;

/// How often a call is made at most, within its time: with the pauses between them, about half a second.
const ATTEMPTS_MAX: u32 = 8;

/// Pause before a call is repeated: a connection of the same network opens in less.
const REPEAT_PAUSE: Duration = Duration::from_millis(20);

/// How the servers behind an address are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One server, or one in front of its replicas.
    Single,
    /// A cluster, of which the address names some nodes.
    Cluster,
}

/// Where Redis is and how long it may take.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://` or `rediss://` addresses, separated by commas; several only for a cluster.
    pub url: String,
    /// How the servers are arranged.
    pub topology: Topology,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer, connecting included.
    pub response_timeout: Duration,
    /// Shards, fixed for the life of the store.
    pub n_shards: u16,
    /// When to leave Redis alone for a while.
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

/// Which shard a call is for, and whether a call that may have been carried out may be made again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    shard: u16,
    is_repeatable: bool,
}

impl Call {
    /// A call that changes nothing the second time.
    pub(super) fn repeatable(shard: u16) -> Self {
        Self { shard, is_repeatable: true }
    }

    /// A call that must not be carried out twice.
    pub(super) fn once(shard: u16) -> Self {
        Self { shard, is_repeatable: false }
    }
}

/// The way to Redis.
pub(super) struct Connection {
    topology: Topology,
    timeout: Duration,
    config: ConnectionManagerConfig,
    nodes: Nodes,
    /// One for a single server, one for each shard of a cluster: one node that is away says nothing of the others.
    circuits: Vec<Circuit>,
}

impl std::fmt::Debug for Connection {
    // Addresses may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Connection {
    /// Checks the address; connects to nothing yet.
    pub(super) fn new(
        options: &RedisOptions,
        credentials: &RedisCredentials,
    ) -> Result<Self, StoreError> {
        // The first provider wins; the same one may have been installed before.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let invalid = |error: RedisError| StoreError::AddressInvalid { reason: error.to_string() };
        let addresses = options.url.split(',').map(str::trim);
        let seeds: Result<Vec<ConnectionInfo>, RedisError> =
            addresses.map(ConnectionInfo::from_str).collect();
        let seeds = seeds.map_err(invalid)?;
        if options.topology == Topology::Single && seeds.len() != 1 {
            let reason = "one address is wanted, or a cluster".to_owned();
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
        let n_circuits = match options.topology {
            Topology::Single => 1,
            Topology::Cluster => options.n_shards,
        };
        Ok(Self {
            topology: options.topology,
            timeout: options.response_timeout,
            config,
            nodes: Nodes::new(seeds, credentials.clone()),
            circuits: (0..n_circuits).map(|_| Circuit::new(options.circuit)).collect(),
        })
    }

    /// How many circuits are open, of how many.
    pub(super) fn n_circuits_open(&self) -> (usize, usize) {
        (self.circuits.iter().filter(|it| it.is_open()).count(), self.circuits.len())
    }

    /// Runs a script, loading it where it is not known.
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        call: Call,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        self.call(call, What::Script(script)).await
    }

    /// Runs the call of a script, loading it where it is not known.
    pub(super) async fn evaluate<T: FromRedisValue>(
        &self,
        call: Call,
        script: &Script,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.call(call, What::Evaluation(script, command)).await
    }

    /// Runs a command.
    pub(super) async fn query<T: FromRedisValue>(
        &self,
        call: Call,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.call(call, What::Command(command)).await
    }

    /// Runs commands on keys of one slot.
    pub(super) async fn query_all<T: FromRedisValue>(
        &self,
        call: Call,
        commands: &Pipeline,
    ) -> Result<T, StoreError> {
        self.call(call, What::Commands(commands)).await
    }

    /// Runs commands on keys of several slots, all of them repeatable, and answers what was answered of each: one
    /// pipeline for a server that has all of them, one for each slot of a cluster.
    pub(super) async fn query_each<T: FromRedisValue>(
        &self,
        asked: &[(u16, Pipeline)],
    ) -> Result<Vec<T>, StoreError> {
        if self.topology == Topology::Cluster {
            let calls = asked
                .iter()
                .map(|(shard, commands)| self.query_all(Call::repeatable(*shard), commands));
            return try_join_all(calls).await;
        }
        let Some((first, _)) = asked.first() else { return Ok(Vec::new()) };
        let mut all = redis::pipe();
        for command in asked.iter().flat_map(|(_, commands)| commands.cmd_iter()) {
            all.add_command(command.clone());
        }
        let replies: Vec<Value> = self.query_all(Call::repeatable(*first), &all).await?;
        let mut replies = replies.into_iter();
        let each = asked.iter().map(|(_, commands)| {
            let of_one = replies.by_ref().take(commands.cmd_iter().count()).collect();
            T::from_redis_value(Value::Array(of_one)).map_err(|error| failure(&error.into()))
        });
        each.collect()
    }

    /// Makes a call within its time, unless the circuit is open, and tells the circuit what came of it.
    async fn call<T: FromRedisValue>(&self, call: Call, what: What<'_>) -> Result<T, StoreError> {
        let circuit = &self.circuits[usize::from(call.shard) % self.circuits.len()];
        let Some(leave) = circuit.ask() else {
            let reason = "it did not answer lately, and is left alone for a while".to_owned();
            return Err(StoreError::Unavailable { reason });
        };
        let answer = timeout(self.timeout, self.attempts(call, what)).await;
        let (has_answered, answer) = match answer {
            Ok(Ok(answer)) => (true, Ok(answer)),
            Ok(Err(error)) => {
                let failure = failure(&error);
                // Who is refused, or not trusted, has been answered.
                let is_told = !matches!(failure, StoreError::Unavailable { .. });
                (is_told || is_answer(&error), Err(failure))
            }
            Err(_) => {
                let reason = format!("no answer within {} ms", self.timeout.as_millis());
                (false, Err(StoreError::Unavailable { reason }))
            }
        };
        if has_answered {
            leave.answered();
        } else if leave.failed() {
            // A connection may be dead without knowing it.
            self.nodes.give_up(call.shard);
        }
        answer
    }

    /// Makes a call, and makes it again where that is safe and may help.
    async fn attempts<T: FromRedisValue>(
        &self,
        call: Call,
        what: What<'_>,
    ) -> Result<T, RedisError> {
        let mut n_attempts = 0;
        loop {
            n_attempts += 1;
            let node = self.nodes.of_shard(call.shard, &self.config)?;
            let error = match what.run((*node.connection).clone()).await {
                Err(error) if n_attempts < ATTEMPTS_MAX => error,
                answer => return answer,
            };
            match remedy(&error) {
                Remedy::OpenAgain if self.nodes.refused(&node) => continue,
                Remedy::None | Remedy::OpenAgain => return Err(error),
                // It may have been carried out before the connection broke.
                Remedy::Repeat if !call.is_repeatable => return Err(error),
                Remedy::Moved => {
                    self.nodes.moved(call.shard, &node, &error);
                    continue;
                }
                Remedy::NewConnection => self.nodes.give_up(call.shard),
                Remedy::OtherNode if self.nodes.are_one() => return Err(error),
                Remedy::OtherNode | Remedy::Repeat => self.nodes.forget_route(call.shard),
                Remedy::Later => {}
            }
            sleep(jittered(REPEAT_PAUSE * n_attempts)).await;
        }
    }
}

/// What is called.
#[derive(Clone, Copy)]
enum What<'a> {
    Script(&'a ScriptInvocation<'a>),
    Evaluation(&'a Script, &'a Cmd),
    Command(&'a Cmd),
    Commands(&'a Pipeline),
}

impl What<'_> {
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

/// What may help after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    None,
    /// The connection broke; whether the call was carried out is not known.
    Repeat,
    /// Nothing was done, as the connection could not be opened: that was refused.
    OpenAgain,
    /// Nothing was done; it may be soon.
    Later,
    /// Nothing was done; another node may know who does.
    OtherNode,
    /// Nothing was done, by a server that is not the one that is meant any more.
    NewConnection,
    /// Nothing was done, and the server said who does.
    Moved,
}

fn remedy(error: &RedisError) -> Remedy {
    use ServerErrorKind::{
        Ask, BusyLoading, ClusterDown, MasterDown, Moved, NoScript, ReadOnly, TryAgain,
    };
    match cause(error) {
        ErrorKind::Server(Moved) => Remedy::Moved,
        ErrorKind::AuthenticationFailed => Remedy::OpenAgain,
        ErrorKind::Server(ReadOnly) => Remedy::NewConnection,
        // Nearly every script has a key that is not there yet, so that a slot that is being moved serves none in
        // either place; those that are sent to the other one with ASK would fare no better there.
        // A script may also be forgotten between its loading and its run.
        ErrorKind::Server(Ask | TryAgain | BusyLoading | MasterDown | ClusterDown | NoScript) => {
            Remedy::Later
        }
        ErrorKind::Io if error.is_connection_refusal() => Remedy::OtherNode,
        ErrorKind::Io if error.is_connection_dropped() => Remedy::Repeat,
        _ => Remedy::None,
    }
}

/// The kind of an error; of a transaction, of which nothing was done, that of its first command that was refused.
fn cause(error: &RedisError) -> ErrorKind {
    let aborted = ServerErrorKind::ExecAbort;
    if error.kind() != ErrorKind::Server(aborted) {
        return error.kind();
    }
    let refused = error.clone().into_server_errors();
    let mut kinds = refused.iter().flat_map(|it| it.iter()).filter_map(|(_, it)| it.kind());
    ErrorKind::Server(kinds.find(|kind| *kind != aborted).unwrap_or(aborted))
}

/// Whether a server said so itself: then it is there, and others may fare better.
fn is_answer(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType
    )
}
