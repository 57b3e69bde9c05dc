//! Routes each shard to its server: a single server has all shards; a cluster names the owner in its redirects.
//!
//! A shard is one slot, so a route is one address per shard, and a node answers a call for a slot of another node with
//! its address. There is no slot map to refresh, and nothing that every call waits for: a node that is away affects its
//! own shards only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ConnectionAddr, ConnectionInfo, RedisError, ServerErrorKind};
use tokio::time::Instant;

use super::credentials::RedisCredentials;

/// Pause before a refused connection is opened again: every call would otherwise open one.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// The servers, and the route of each shard.
pub(super) struct ClusterRouting {
    seeds: Vec<ConnectionInfo>,
    credentials: RedisCredentials,
    // A `std::sync::Mutex`: it is never locked across an await.
    routes: Mutex<RouteTable>,
}

#[derive(Default)]
struct RouteTable {
    /// By address, `host:port`, with the time of creation.
    connections: HashMap<String, (Arc<ConnectionManager>, Instant)>,
    addresses: HashMap<u16, String>,
    /// Counts the shards without a route, so that each server is asked in turn.
    n_unrouted: usize,
}

/// A server with the connection to it.
pub(super) struct RedisNode {
    address: String,
    pub(super) connection: Arc<ConnectionManager>,
}

impl ClusterRouting {
    pub(super) fn new(seeds: Vec<ConnectionInfo>, credentials: RedisCredentials) -> Self {
        Self { seeds, credentials, routes: Mutex::default() }
    }

    /// Returns true if there is a single address, so that no other server can be asked.
    pub(super) fn has_one_address(&self) -> bool {
        self.addresses(&self.table()).len() == 1
    }

    /// The server of a shard by its route, or the next server in turn.
    pub(super) fn of_shard(
        &self,
        shard: u16,
        config: &ConnectionManagerConfig,
    ) -> Result<RedisNode, RedisError> {
        let mut table = self.table();
        let address = table.addresses.get(&shard).cloned().unwrap_or_else(|| {
            let mut addresses = self.addresses(&table);
            table.n_unrouted += 1;
            let next = addresses.swap_remove(table.n_unrouted % addresses.len());
            table.addresses.insert(shard, next.clone());
            next
        });
        if let Some((connection, _)) = table.connections.get(&address) {
            return Ok(RedisNode { address, connection: Arc::clone(connection) });
        }
        let client = self.credentials.client(self.info_of(&address))?;
        let manager = ConnectionManager::new_lazy_with_config(client, config.clone())?;
        let connection = Arc::new(manager);
        table.connections.insert(address.clone(), (Arc::clone(&connection), Instant::now()));
        Ok(RedisNode { address, connection })
    }

    /// Updates the route of a shard from a redirect of `node`.
    pub(super) fn moved(&self, shard: u16, node: &RedisNode, error: &RedisError) {
        let mut table = self.table();
        let owner = moved_to(error);
        match owner.as_deref().and_then(|address| address.rsplit_once(':')) {
            // An empty host is the one that the node was reached by.
            Some(("", port)) => {
                let host = node.address.rsplit_once(':').map_or("", |(host, _)| host);
                table.addresses.insert(shard, format!("{host}:{port}"));
            }
            Some((host, port)) => {
                table.addresses.insert(shard, format!("{host}:{port}"));
            }
            None => {
                table.addresses.remove(&shard);
            }
        }
    }

    /// Makes the next call of a shard ask another server.
    pub(super) fn forget_route(&self, shard: u16) {
        self.table().addresses.remove(&shard);
    }

    /// Makes the next call of a shard open a new connection, which resolves the address again; running calls keep
    /// theirs.
    pub(super) fn drop_connection(&self, shard: u16) {
        let mut table = self.table();
        if let Some(address) = table.addresses.remove(&shard) {
            table.connections.remove(&address);
        }
    }

    /// Drops a connection that the server refused to open, as for an old password or one client too many: a manager
    /// reconnects by itself after a network failure, but never after a refusal.
    ///
    /// Returns whether the call may try another connection now.
    pub(super) fn drop_refused(&self, node: &RedisNode) -> bool {
        let mut table = self.table();
        match table.connections.get(&node.address) {
            Some((connection, created)) if Arc::ptr_eq(connection, &node.connection) => {
                let is_old = created.elapsed() >= REOPEN_PAUSE;
                if is_old {
                    table.connections.remove(&node.address);
                }
                is_old
            }
            _ => true,
        }
    }

    /// The configured servers, and those of redirects.
    fn addresses(&self, table: &RouteTable) -> Vec<String> {
        let seeds = self.seeds.iter().map(|seed| seed.addr().to_string());
        let mut addresses: Vec<String> = seeds.chain(table.connections.keys().cloned()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Connection settings of an address: those of its seed, or else of the first seed.
    fn info_of(&self, address: &str) -> ConnectionInfo {
        if let Some(seed) = self.seeds.iter().find(|seed| seed.addr().to_string() == address) {
            return seed.clone();
        }
        let first = self.seeds[0].clone();
        let Some((host, port)) = address.rsplit_once(':') else { return first };
        let (host, Ok(port)) = (host.to_owned(), port.parse()) else { return first };
        let addr = match first.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        first.set_addr(addr)
    }

    fn table(&self) -> MutexGuard<'_, RouteTable> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address in a redirect: of a command, or of the first redirected command of a pipeline.
fn moved_to(error: &RedisError) -> Option<String> {
    let errors = error.clone().into_server_errors()?;
    let moved = errors.iter().find(|(_, error)| error.kind() == Some(ServerErrorKind::Moved))?;
    // The slot, and the address.
    moved.1.details()?.split_ascii_whitespace().nth(1).map(str::to_owned)
}
