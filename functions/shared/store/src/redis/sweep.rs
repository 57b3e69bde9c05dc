//! Queues of a sweep in Redis: each is one sorted set per shard.

use async_trait::async_trait;
use detector::SilenceCheck;
use domain::SeriesKey;
use redis::cmd;

use super::connection::Call;
use super::keys::{
    history_enabled, index_member, key_of_member, pending_index, silence_checks, unsaved_episodes,
};
use super::store::{RedisStore, flatten};
use crate::episodes::HISTORY_TTL_S;
use crate::{StoreError, SweepQueues, UnsavedEpisodes};

#[async_trait]
impl SweepQueues for RedisStore {
    async fn pending(&self, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let replies = self.query_shards(self.shards(), |shard, commands| {
            commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(limit.saturating_sub(1));
            commands.arg("WITHSCORES");
        });
        first_by_score(flatten(replies.await?), limit)
    }

    async fn due_silence_checks(
        &self,
        now_us: i64,
        limit: usize,
    ) -> Result<Vec<SeriesKey>, StoreError> {
        let replies = self.query_shards(self.shards(), |shard, commands| {
            commands.cmd("ZRANGEBYSCORE").arg(silence_checks(shard)).arg("-inf").arg(now_us);
            commands.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        });
        first_by_score(flatten(replies.await?), limit)
    }

    async fn reschedule_silence_check(
        &self,
        key: &SeriesKey,
        check: SilenceCheck,
    ) -> Result<(), StoreError> {
        let shard = self.keys(key).shard;
        let mut command = match check {
            SilenceCheck::Never => cmd("ZREM"),
            SilenceCheck::At(_) => cmd("ZADD"),
        };
        command.arg(silence_checks(shard));
        if let SilenceCheck::At(at_us) = check {
            command.arg("XX").arg(at_us);
        }
        command.arg(index_member(key));
        self.connection.query::<()>(Call::repeatable(shard), &command).await
    }

    async fn unsaved_episodes(&self, limit: usize) -> Result<Vec<UnsavedEpisodes>, StoreError> {
        let last = limit.saturating_sub(1);
        // The flag first: the next call finds what commits add from then on.
        let replies =
            self.query_shards::<((), Vec<(String, f64)>)>(self.shards(), |shard, commands| {
                commands.cmd("SET").arg(history_enabled(shard)).arg(1);
                commands.arg("EX").arg(HISTORY_TTL_S);
                commands.cmd("ZRANGE").arg(unsaved_episodes(shard)).arg(0).arg(last);
                commands.arg("WITHSCORES");
            });
        let unsaved = replies.await?.into_iter().flat_map(|((), unsaved)| unsaved).take(limit);
        let unsaved = unsaved.map(|(member, version)| {
            Ok(UnsavedEpisodes { key: key_of_member(&member)?, saved_version: version as i64 })
        });
        unsaved.collect()
    }

    async fn n_unsaved_episodes(&self) -> Result<u64, StoreError> {
        let replies = self.query_shards::<(u64,)>(self.shards(), |shard, commands| {
            commands.cmd("ZCARD").arg(unsaved_episodes(shard));
        });
        Ok(replies.await?.into_iter().map(|(n,)| n).sum())
    }

    async fn mark_episodes_saved(&self, key: &SeriesKey, version: i64) -> Result<(), StoreError> {
        let keys = self.keys(key);
        let mut call = self.scripts.mark_episodes_saved.prepare_invoke();
        call.key(keys.episodes()).key(unsaved_episodes(keys.shard));
        call.arg(index_member(key)).arg(version);
        self.connection.invoke(Call::repeatable(keys.shard), &call).await
    }
}

/// The series with the lowest scores over all shards.
fn first_by_score(
    mut members: Vec<(String, f64)>,
    limit: usize,
) -> Result<Vec<SeriesKey>, StoreError> {
    members.sort_by(|a, b| a.1.total_cmp(&b.1));
    members.iter().take(limit).map(|(member, _)| key_of_member(member)).collect()
}
