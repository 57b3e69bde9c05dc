//! Episodes in Redis: a sorted set of each series by start, and two indexes of each shard.

use async_trait::async_trait;
use detector::SilenceCheck;
use redis::cmd;

use super::connection::Call;
use super::{RedisStore, from_pending_name, in_one, pending_name, unreadable};
use crate::episodes::HISTORY_TTL_S;
use crate::{Episodes, PastRange, StoreError, StoredEpisode, Unsaved, member};
use domain::SeriesKey;

fn unsaved_index(shard: u16) -> String {
    format!("tm:{{{shard}}}:unsaved")
}

/// While it is there, commits mark what is unsaved.
fn history_flag(shard: u16) -> String {
    format!("tm:{{{shard}}}:history")
}

pub(super) fn looks_index(shard: u16) -> String {
    format!("tm:{{{shard}}}:looks")
}

impl RedisStore {
    pub(super) fn episodes_key(&self, key: &SeriesKey) -> String {
        format!("{}:episodes", self.keys(key).series)
    }

    /// Removes a series from the indexes of episodes, as part of forgetting it.
    pub(super) fn forget_episodes(&self, key: &SeriesKey, commands: &mut redis::Pipeline) {
        let shard = self.keys(key).shard;
        commands.cmd("DEL").arg(self.episodes_key(key)).ignore();
        for index in [unsaved_index(shard), looks_index(shard)] {
            commands.cmd("ZREM").arg(index).arg(pending_name(key)).ignore();
        }
    }
}

#[async_trait]
impl Episodes for RedisStore {
    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, StoreError> {
        let before = range.before_us.map_or("+inf".to_owned(), |it| format!("({it}"));
        let mut command = cmd("ZREVRANGEBYSCORE");
        command.arg(self.episodes_key(key)).arg(before).arg(range.since_us);
        command.arg("LIMIT").arg(0).arg(range.limit);
        let how = Call::repeatable(self.keys(key).shard);
        let members: Vec<String> = self.connection.query(how, &command).await?;
        let episodes: Option<Vec<_>> =
            members.iter().map(|it| member::stored_episode(it)).collect();
        episodes.ok_or_else(|| unreadable("episode"))
    }

    async fn unsaved(&self, limit: usize) -> Result<Vec<Unsaved>, StoreError> {
        // The flag first: what is marked from then on is found by the next one who asks.
        let of_shards =
            self.ask_shards::<((), Vec<(String, f64)>)>(self.shards(), |shard, commands| {
                commands.cmd("SET").arg(history_flag(shard)).arg(1).arg("EX").arg(HISTORY_TTL_S);
                let last = limit.saturating_sub(1);
                commands.cmd("ZRANGE").arg(unsaved_index(shard)).arg(0).arg(last).arg("WITHSCORES");
            });
        let unsaved = of_shards.await?.into_iter().flat_map(|((), some)| some).take(limit);
        let unsaved = unsaved.map(|(name, saved)| {
            Ok(Unsaved { key: from_pending_name(&name)?, saved: saved as i64 })
        });
        unsaved.collect()
    }

    async fn count_unsaved(&self) -> Result<u64, StoreError> {
        let of_shards = self.ask_shards::<(u64,)>(self.shards(), |shard, commands| {
            commands.cmd("ZCARD").arg(unsaved_index(shard));
        });
        Ok(of_shards.await?.into_iter().map(|(n,)| n).sum())
    }

    async fn saved(&self, key: &SeriesKey, version: i64) -> Result<(), StoreError> {
        let shard = self.keys(key).shard;
        let mut call = self.scripts.saved.prepare_invoke();
        call.key(self.episodes_key(key)).key(unsaved_index(shard));
        call.arg(pending_name(key)).arg(version);
        self.connection.invoke(Call::repeatable(shard), &call).await
    }

    async fn looks(&self, now_us: i64, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let of_shards = self.ask_shards(self.shards(), |shard, commands| {
            commands.cmd("ZRANGEBYSCORE").arg(looks_index(shard)).arg("-inf").arg(now_us);
            commands.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        });
        let mut due: Vec<(String, f64)> = in_one(of_shards.await?);
        due.sort_by(|a, b| a.1.total_cmp(&b.1));
        due.into_iter().take(limit).map(|(name, _)| from_pending_name(&name)).collect()
    }

    async fn look_again(&self, key: &SeriesKey, look: SilenceCheck) -> Result<(), StoreError> {
        let shard = self.keys(key).shard;
        let mut command = match look {
            SilenceCheck::Never => cmd("ZREM"),
            SilenceCheck::At(_) => cmd("ZADD"),
        };
        command.arg(looks_index(shard));
        if let SilenceCheck::At(at_us) = look {
            command.arg("XX").arg(at_us);
        }
        command.arg(pending_name(key));
        self.connection.query::<()>(Call::repeatable(shard), &command).await
    }
}
