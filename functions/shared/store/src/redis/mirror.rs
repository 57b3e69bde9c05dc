//! The mirror of configurations in Redis: an index of each shard, and a key that is there while all of them are.

use async_trait::async_trait;

use super::connection::Call;
use super::{RedisStore, from_pending_name, pending_name};
use crate::mirror::CONFIGS_HERE_TTL_S;
use crate::{Mirrored, Mirroring, StoreError, StoredConfig, Unmirrored};
use domain::SeriesKey;

pub(super) fn unmirrored_index(shard: u16) -> String {
    format!("tm:{{{shard}}}:unmirrored")
}

/// While it is there, the shard has all configurations that history holds.
fn complete_flag(shard: u16) -> String {
    format!("tm:{{{shard}}}:mirrored")
}

#[async_trait]
impl Mirrored for RedisStore {
    async fn mirroring(&self, limit: usize) -> Result<Mirroring, StoreError> {
        let of_shards =
            self.ask_shards::<(bool, Vec<(String, f64)>)>(self.shards(), |shard, commands| {
                commands.cmd("EXISTS").arg(complete_flag(shard));
                let last = limit.saturating_sub(1);
                commands
                    .cmd("ZRANGE")
                    .arg(unmirrored_index(shard))
                    .arg(0)
                    .arg(last)
                    .arg("WITHSCORES");
            });
        let mut mirroring = Mirroring { unmirrored: Vec::new(), is_complete: true };
        for (is_complete, marked) in of_shards.await? {
            mirroring.is_complete &= is_complete;
            for (name, revision) in marked {
                let (key, revision) = (from_pending_name(&name)?, revision as i64);
                mirroring.unmirrored.push(Unmirrored { key, revision });
            }
        }
        mirroring.unmirrored.truncate(limit);
        Ok(mirroring)
    }

    async fn mirrored(&self, key: &SeriesKey, revision: i64) -> Result<(), StoreError> {
        let shard = self.keys(key).shard;
        let mut call = self.scripts.mirrored.prepare_invoke();
        call.key(unmirrored_index(shard)).arg(pending_name(key)).arg(revision);
        self.connection.invoke(Call::repeatable(shard), &call).await
    }

    async fn restore(&self, key: &SeriesKey, stored: &StoredConfig) -> Result<bool, StoreError> {
        let keys = self.keys(key);
        let mut call = self.scripts.restore.prepare_invoke();
        call.key(keys.config()).key(unmirrored_index(keys.shard));
        call.arg(pending_name(key)).arg(stored.to_text());
        self.connection.invoke(Call::once(keys.shard), &call).await
    }

    async fn complete(&self) -> Result<(), StoreError> {
        let of_shards = self.ask_shards::<((),)>(self.shards(), |shard, commands| {
            commands.cmd("SET").arg(complete_flag(shard)).arg(1).arg("EX").arg(CONFIGS_HERE_TTL_S);
        });
        of_shards.await.map(|_| ())
    }
}
