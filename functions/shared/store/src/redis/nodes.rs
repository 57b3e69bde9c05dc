//! Which server has which shard: one server has all; of a cluster it is learned from what its nodes answer.
//!
//! A shard is one slot, so all that is to be known of a cluster is an address for each shard, and a node that is asked
//! for a slot of another one says whose it is. There is no map of slots to be read anew, and no step that all calls wait
//! for: a node that is away concerns its own shards only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ConnectionAddr, ConnectionInfo, RedisError, ServerErrorKind};
use tokio::time::Instant;

use super::credentials::RedisCredentials;

/// How long a connection that was refused is not opened again: all calls would ask for it.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// The servers that are known, and who has which shard.
pub(super) struct Nodes {
    seeds: Vec<ConnectionInfo>,
    credentials: RedisCredentials,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By address, `host:port`; with when they were made.
    connections: HashMap<String, (Arc<ConnectionManager>, Instant)>,
    routes: HashMap<u16, String>,
    /// Counts the shards of which no route was known, so that each server is asked in turn.
    n_asked: usize,
}

/// A server with the connection to it.
pub(super) struct Node {
    address: String,
    pub(super) connection: Arc<ConnectionManager>,
}

impl Nodes {
    pub(super) fn new(seeds: Vec<ConnectionInfo>, credentials: RedisCredentials) -> Self {
        Self { seeds, credentials, known: Mutex::default() }
    }

    /// Whether there is one address only, so that no other can be asked.
    pub(super) fn are_one(&self) -> bool {
        self.addresses(&self.known()).len() == 1
    }

    /// The server to ask for a shard: the one that has it, as far as is known.
    pub(super) fn of_shard(
        &self,
        shard: u16,
        config: &ConnectionManagerConfig,
    ) -> Result<Node, RedisError> {
        let mut known = self.known();
        let address = known.routes.get(&shard).cloned().unwrap_or_else(|| {
            let mut addresses = self.addresses(&known);
            known.n_asked += 1;
            let asked = addresses.swap_remove(known.n_asked % addresses.len());
            known.routes.insert(shard, asked.clone());
            asked
        });
        if let Some((connection, _)) = known.connections.get(&address) {
            return Ok(Node { address, connection: Arc::clone(connection) });
        }
        let client = self.credentials.client(self.info_of(&address))?;
        let manager = ConnectionManager::new_lazy_with_config(client, config.clone())?;
        let connection = Arc::new(manager);
        known.connections.insert(address.clone(), (Arc::clone(&connection), Instant::now()));
        Ok(Node { address, connection })
    }

    /// Notes who has a shard, as `node` said.
    pub(super) fn moved(&self, shard: u16, node: &Node, error: &RedisError) {
        let mut known = self.known();
        let told = moved_to(error);
        match told.as_deref().and_then(|address| address.rsplit_once(':')) {
            // A node that does not know its own name means the one by which it was reached.
            Some(("", port)) => {
                let host = node.address.rsplit_once(':').map_or("", |(host, _)| host);
                known.routes.insert(shard, format!("{host}:{port}"));
            }
            Some((host, port)) => {
                known.routes.insert(shard, format!("{host}:{port}"));
            }
            None => {
                known.routes.remove(&shard);
            }
        }
    }

    /// Lets the next call of a shard ask another server who has it.
    pub(super) fn forget_route(&self, shard: u16) {
        self.known().routes.remove(&shard);
    }

    /// Lets the next call of a shard open a new connection, which looks anew where the address leads; calls under way
    /// keep theirs.
    pub(super) fn give_up(&self, shard: u16) {
        let mut known = self.known();
        if let Some(address) = known.routes.remove(&shard) {
            known.connections.remove(&address);
        }
    }

    /// Gives up a connection that was refused when it was opened: a manager opens it again by itself where the network
    /// failed, but never after a refusal, which may have been of an old password, or of one client too many.
    ///
    /// Answers whether there is, or may be, another one to be tried now.
    pub(super) fn refused(&self, node: &Node) -> bool {
        let mut known = self.known();
        match known.connections.get(&node.address) {
            Some((connection, made)) if Arc::ptr_eq(connection, &node.connection) => {
                let is_old = made.elapsed() >= REFUSED_FOR;
                if is_old {
                    known.connections.remove(&node.address);
                }
                is_old
            }
            _ => true,
        }
    }

    /// The servers that were named, and those that were told of.
    fn addresses(&self, known: &Known) -> Vec<String> {
        let seeds = self.seeds.iter().map(|seed| seed.addr().to_string());
        let mut addresses: Vec<String> = seeds.chain(known.connections.keys().cloned()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// How to connect to an address: as to the seed of that address, or else as to the first one.
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

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that an error names: of a command, or of the first of several that was sent elsewhere.
fn moved_to(error: &RedisError) -> Option<String> {
    let errors = error.clone().into_server_errors()?;
    let moved = errors.iter().find(|it| it.1.kind() == Some(ServerErrorKind::Moved))?;
    // The slot, and the address.
    moved.1.details()?.split_ascii_whitespace().nth(1).map(str::to_owned)
}
