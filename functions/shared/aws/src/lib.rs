//! Connects the functions to the services of AWS.
//!
//! [`RoleCredentials`] are those of the process's role. They sign the tokens of [`ElastiCacheLogin`] and the requests of
//! [`SecretLogin`], which both implement the store's port for credentials. [`HistoryTable`] implements its port for
//! history; it has a feature of its own, because its SDK is larger than all the rest: `ingest`, which writes no history,
//! does not link it.

mod cached;
mod client;
mod role;

mod elasticache;
mod secret_arn;
mod secret_login;

#[cfg(feature = "history")]
mod history;

#[cfg(feature = "receivers")]
mod receivers;

#[cfg(feature = "testbed")]
pub mod testbed;

pub use elasticache::{CacheUser, ElastiCacheLogin};
#[cfg(feature = "history")]
pub use history::{HistoryTable, QualityRow, open};
#[cfg(feature = "receivers")]
pub use receivers::{EventBus, SnsTopic};
pub use role::{Clock, RoleCredentials};
pub use secret_arn::SecretArn;
pub use secret_login::{SecretLogin, StoredPassword};
#[cfg(feature = "history")]
pub use store::HistoryOptions;
