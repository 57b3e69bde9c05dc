//! Appends and commits in Redis.

use async_trait::async_trait;
use domain::{SeriesKey, Tenant};

use super::capacity;
use super::cardinality_limit::SeriesCount;
use super::connection::Call;
use super::keys::{self, index_member};
use super::reply;
use super::series_calls::{AppendCall, CommitCall, NewSeries, SeriesCall};
use super::store::{RedisStore, oldest_active_us};
use crate::{
    Append, AppendOutcome, Commit, CommitOutcome, ConfigStore, SINGLE_SAMPLE_TTL_S, SampleClass,
    SeriesWriter, StoreError,
};

#[async_trait]
impl SeriesWriter for RedisStore {
    async fn append_all(&self, appends: &[Append]) -> Vec<Result<AppendOutcome, StoreError>> {
        let new_series = self.admit_new_series(appends);
        let calls = appends.iter().zip(new_series).map(|(append, new)| AppendCall(append, new));
        let mut outcomes = self.call_append(calls.collect()).await;
        let refused = (0..outcomes.len()).filter(|i| is_refused(&outcomes[*i])).collect();
        self.retry_refused(appends, refused, &mut outcomes).await;
        outcomes
    }

    async fn commit_all(
        &self,
        commits: &[(SeriesKey, Commit)],
    ) -> Vec<Result<CommitOutcome, StoreError>> {
        let calls: Vec<_> = commits.iter().map(|(key, commit)| CommitCall(key, commit)).collect();
        let replies = self.call_series(&self.scripts.commit, &calls).await;
        replies.into_iter().map(|reply| reply::commit_outcome(reply?)).collect()
    }

    async fn forget(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let (keys, member) = (self.keys(key), index_member(key));
        let shard = keys.shard;
        let mut commands = redis::pipe();
        commands.cmd("DEL").arg(&keys.samples());
        commands.cmd("ZREM").arg(keys.series_index()).arg(key.name()).ignore();
        commands.cmd("ZREM").arg(keys.anomalous_index()).arg(key.name()).ignore();
        commands.cmd("ZREM").arg(keys.single_samples()).arg(key.name()).ignore();
        commands.cmd("DEL").arg(keys.episodes()).ignore();
        let queues = [
            keys::pending_index(shard),
            keys::unsaved_episodes(shard),
            keys::silence_checks(shard),
            keys::expiries(shard),
        ];
        for queue in queues {
            commands.cmd("ZREM").arg(queue).arg(&member).ignore();
        }
        // The notifier resolves the alerts of a removed series.
        commands.cmd("ZADD").arg(keys::alert_checks(shard)).arg("XX").arg(0).arg(&member).ignore();
        let (n_keys,): (u64,) =
            self.connection.query_all(Call::once(shard), commands.atomic()).await?;
        // The configuration last: after a failure before it, the client repeats the request, and the removal reaches
        // the backup.
        let had_config = self.remove_config(key).await?;
        Ok(n_keys > 0 || had_config)
    }

    fn store_time_us(&self, key: &SeriesKey) -> Option<i64> {
        self.clocks.now_us(key.shard(self.n_shards))
    }
}

/// Returns true if a series was refused because it is new.
fn is_refused(outcome: &Result<AppendOutcome, StoreError>) -> bool {
    let Ok(AppendOutcome::Classified(classified)) = outcome else { return false };
    classified.classes.contains(&SampleClass::TooManySeries)
}

impl RedisStore {
    async fn call_append(
        &self,
        calls: Vec<AppendCall<'_>>,
    ) -> Vec<Result<AppendOutcome, StoreError>> {
        let replies = self.call_series(&self.scripts.append, &calls).await;
        let replies = replies.into_iter().zip(&calls);
        replies.map(|(reply, call)| reply::append_outcome(reply?, call.n_samples())).collect()
    }

    /// Admits possibly new series at once if their tenants are counted and far below the limit.
    fn admit_new_series(&self, appends: &[Append]) -> Vec<NewSeries> {
        let mut admitted = vec![NewSeries::Refuse; appends.len()];
        let mut last: Option<(&Tenant, Option<SeriesCount>)> = None;
        for (append, new) in appends.iter().zip(&mut admitted) {
            if append.is_known() {
                continue;
            }
            let tenant = append.key.tenant();
            if last.as_ref().is_none_or(|(of, _)| *of != tenant) {
                last = Some((tenant, self.cardinality.try_count(tenant.part())));
            }
            if let Some((_, Some(count))) = &mut last
                && count.has_room() == Some(true)
            {
                count.add();
                *new = NewSeries::Admit;
            }
        }
        admitted
    }

    /// Appends again to new series that were refused, as far as their tenants have room.
    ///
    /// Only a new series costs more than one round trip, once in its life.
    async fn retry_refused(
        &self,
        appends: &[Append],
        refused: Vec<usize>,
        outcomes: &mut [Result<AppendOutcome, StoreError>],
    ) {
        let mut admitted: Vec<usize> = Vec::new();
        for i in refused {
            let tenant = appends[i].key.tenant();
            let mut count = self.cardinality.count(tenant.part()).await;
            if let Some(has_room) = count.has_room() {
                if has_room {
                    count.add();
                    admitted.push(i);
                }
                continue;
            }
            // Series that were admitted must exist to be counted.
            self.append_admitted(appends, std::mem::take(&mut admitted), outcomes).await;
            let series_max = self.series_limits().of_tenant;
            match self.room(tenant).await {
                Ok(room) if count.set(room, series_max) => {
                    self.append_admitted(appends, vec![i], outcomes).await;
                    count.add();
                }
                Ok(_) => {}
                Err(error) => outcomes[i] = Err(error),
            }
        }
        self.append_admitted(appends, admitted, outcomes).await;
    }

    async fn append_admitted(
        &self,
        appends: &[Append],
        admitted: Vec<usize>,
        outcomes: &mut [Result<AppendOutcome, StoreError>],
    ) {
        if admitted.is_empty() {
            return;
        }
        let calls = admitted.iter().map(|i| AppendCall(&appends[*i], NewSeries::Admit)).collect();
        let again = self.call_append(calls).await;
        admitted.into_iter().zip(again).for_each(|(i, outcome)| outcomes[i] = outcome);
    }

    /// Counts the series that a tenant may add: by those that it has, those of all tenants, and the memory of the store.
    async fn room(&self, tenant: &Tenant) -> Result<u64, StoreError> {
        let memory = self.memory().await?;
        if capacity::is_full(&memory) {
            return Ok(0);
        }
        let now_us = self.now_us().await?;
        let (n_of_tenant, n_of_all) = self.count_active(tenant, now_us).await?;
        Ok(self.limits.series(memory.max_bytes).room(n_of_tenant, n_of_all))
    }

    /// Counts the series of a tenant and of all tenants, without the expired ones that are still in an index.
    async fn count_active(&self, tenant: &Tenant, now_us: i64) -> Result<(u64, u64), StoreError> {
        let counts = self.query_shards::<(u64, u64, u64)>(self.shards(), |shard, commands| {
            let index = keys::series_index(shard, tenant.part());
            commands.cmd("ZCOUNT").arg(index).arg(oldest_active_us(now_us)).arg("+inf");
            let single_samples = keys::single_samples(shard, tenant.part());
            let ended_us = now_us - SINGLE_SAMPLE_TTL_S as i64 * 1_000_000;
            commands.cmd("ZCOUNT").arg(single_samples).arg("-inf").arg(ended_us);
            commands.cmd("ZCOUNT").arg(keys::expiries(shard)).arg(now_us / 1_000_000).arg("+inf");
        });
        let counts = counts.await?;
        let n_of_tenant = counts.iter().map(|(n, n_ended, _)| n.saturating_sub(*n_ended)).sum();
        Ok((n_of_tenant, counts.iter().map(|(_, _, n)| n).sum()))
    }
}
