//! One multiplexed connection to one Redis, or to each node of a cluster, opened when first needed.
//!
//! Commands sent while others are under way share the connection and its round trips, so callers simply call at
//! once. A process starts without Redis, and finds it again by itself after it was away.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Client, Cmd, FromRedisValue, Pipeline, RedisError, ScriptInvocation};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::credentials::{RedisCredentials, failure};
use crate::StoreError;

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

/// A connection that opens itself.
#[derive(Clone)]
enum Opened {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

/// The way to Redis.
pub(super) struct Connection {
    client: ClientOf,
    timeout: Duration,
    opened: OnceCell<Opened>,
}

enum ClientOf {
    Single(Client, Box<ConnectionManagerConfig>),
    Cluster(ClusterClient),
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
        let nodes: Vec<&str> = options.url.split(',').map(str::trim).collect();
        let client = match (options.topology, nodes.as_slice()) {
            (Topology::Single, [node]) => {
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(options.connect_timeout))
                    .set_response_timeout(Some(options.response_timeout))
                    .set_number_of_retries(1)
                    .set_min_delay(Duration::from_millis(50));
                ClientOf::Single(credentials.client(node).map_err(invalid)?, Box::new(config))
            }
            (Topology::Single, _) => {
                let reason = "one address is wanted, or a cluster".to_owned();
                return Err(StoreError::AddressInvalid { reason });
            }
            (Topology::Cluster, nodes) => ClientOf::Cluster(
                credentials
                    .cluster(ClusterClient::builder(nodes.iter().copied()))
                    .connection_timeout(options.connect_timeout)
                    .response_timeout(options.response_timeout)
                    .retries(3)
                    .build()
                    .map_err(invalid)?,
            ),
        };
        Ok(Self { client, timeout: options.response_timeout, opened: OnceCell::new() })
    }

    async fn opened(&self) -> Result<Opened, RedisError> {
        let open = async || match &self.client {
            ClientOf::Single(client, config) => {
                let manager =
                    ConnectionManager::new_lazy_with_config(client.clone(), (**config).clone())?;
                Ok(Opened::Single(manager))
            }
            ClientOf::Cluster(client) => Ok(Opened::Cluster(client.get_async_connection().await?)),
        };
        self.opened.get_or_try_init(open).await.cloned()
    }

    /// Runs a script, loading it where it is not known.
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        self.within_time(async {
            match self.opened().await? {
                Opened::Single(mut connection) => script.invoke_async(&mut connection).await,
                Opened::Cluster(mut connection) => script.invoke_async(&mut connection).await,
            }
        })
        .await
    }

    /// Runs a command.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.within_time(async {
            match self.opened().await? {
                Opened::Single(mut connection) => command.query_async(&mut connection).await,
                Opened::Cluster(mut connection) => command.query_async(&mut connection).await,
            }
        })
        .await
    }

    /// Runs commands on keys of one slot.
    pub(super) async fn query_all<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> Result<T, StoreError> {
        self.within_time(async {
            match self.opened().await? {
                Opened::Single(mut connection) => commands.query_async(&mut connection).await,
                Opened::Cluster(mut connection) => commands.query_async(&mut connection).await,
            }
        })
        .await
    }

    async fn within_time<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, StoreError> {
        match timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(StoreError::Unavailable {
                reason: format!("no answer within {} ms", self.timeout.as_millis()),
            }),
        }
    }
}
