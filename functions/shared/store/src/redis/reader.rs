//! Reads series from Redis: one of them, or lists over all shards.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use domain::{Judgement, SeriesKey, Tenant};
use redis::{Pipeline, cmd};

use super::connection::Call;
use super::keys::{anomalous_index, pending_index, series_index};
use super::reply::{self, unreadable};
use super::series_calls::ReadCall;
use super::store::{RedisStore, flatten};
use protocol::member;

use crate::status::{PENDING_COUNTED_MAX, parse_score_cursor, score_cursor};
use crate::{
    ListedSeries, Page, PastRange, SeriesReader, SeriesState, SeriesSummary, StoreError,
    StoredEpisode, TenantCounts,
};

/// Shards read at a time for a list: most lists end within the first.
const SHARDS_AT_ONCE: usize = 16;

#[async_trait]
impl SeriesReader for RedisStore {
    async fn read_all(&self, keys: &[&SeriesKey]) -> Vec<Result<Option<SeriesState>, StoreError>> {
        let calls: Vec<ReadCall<'_>> = keys.iter().map(|key| ReadCall(key)).collect();
        let replies = self.call_series(&self.scripts.read, &calls).await;
        let state = |reply: Result<redis::Value, StoreError>| {
            let state = reply::state(reply?)?;
            let exists = !state.has_no_sample() || state.config.is_some();
            Ok(exists.then_some(state))
        };
        replies.into_iter().map(state).collect()
    }

    async fn anomalies(
        &self,
        key: &SeriesKey,
        since_us: i64,
        limit: usize,
    ) -> Result<Vec<Judgement>, StoreError> {
        let keys = self.keys(key);
        let [_, _, anomalies, _] = keys.samples();
        let mut command = cmd("ZREVRANGEBYSCORE");
        command.arg(anomalies).arg("+inf").arg(since_us).arg("LIMIT").arg(0).arg(limit);
        let members: Vec<String> =
            self.connection.query(Call::repeatable(keys.shard), &command).await?;
        let anomalies: Option<Vec<_>> = members.iter().map(|text| member::anomaly(text)).collect();
        anomalies.ok_or_else(|| unreadable("anomaly"))
    }

    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, StoreError> {
        let keys = self.keys(key);
        let before = range.before_us.map_or("+inf".to_owned(), |before_us| format!("({before_us}"));
        let mut command = cmd("ZREVRANGEBYSCORE");
        command.arg(keys.episodes()).arg(before).arg(range.since_us);
        command.arg("LIMIT").arg(0).arg(range.limit);
        let members: Vec<String> =
            self.connection.query(Call::repeatable(keys.shard), &command).await?;
        let episodes: Option<Vec<_>> =
            members.iter().map(|text| StoredEpisode::from_text(text)).collect();
        episodes.ok_or_else(|| unreadable("episode"))
    }

    async fn summaries(&self, keys: &[SeriesKey]) -> Result<Vec<SeriesSummary>, StoreError> {
        let mut by_shard: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (i, key) in keys.iter().enumerate() {
            by_shard.entry(key.shard(self.n_shards)).or_default().push(i);
        }
        let pipelines: Vec<(u16, Pipeline)> = by_shard
            .iter()
            .map(|(shard, positions)| {
                let mut commands = redis::pipe();
                for i in positions {
                    let [_, _, anomalies, memory] = self.keys(&keys[*i]).samples();
                    commands.cmd("GET").arg(memory).cmd("ZCARD").arg(anomalies);
                }
                (*shard, commands)
            })
            .collect();
        let replies: Vec<Vec<redis::Value>> = self.connection.query_each(&pipelines).await?;
        let mut summaries = vec![SeriesSummary::default(); keys.len()];
        for (replies, positions) in replies.iter().zip(by_shard.values()) {
            for (i, reply) in positions.iter().zip(replies.chunks(2)) {
                summaries[*i] = reply::summary(reply)?;
            }
        }
        Ok(summaries)
    }

    async fn list(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ListedSeries>, StoreError> {
        let start = cursor.map(ListCursor::parse).transpose()?.unwrap_or_default();
        let mut items: Vec<(u16, ListedSeries)> = Vec::new();
        let shards: Vec<u16> = (start.shard..self.n_shards).collect();
        for shards in shards.chunks(SHARDS_AT_ONCE) {
            items.extend(self.list_shards(shards, tenant, &start, limit + 1).await?);
            if items.len() > limit {
                break;
            }
        }
        let page = Page::cut(items, limit, |(shard, last)| {
            let (received_us, name) = (last.received_us, last.key.name().to_owned());
            ListCursor { shard: *shard, received_us, name }.to_string()
        });
        Ok(page.map(|(_, listed)| listed))
    }

    async fn worst(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SeriesKey>, StoreError> {
        let after = cursor.map(parse_score_cursor).transpose()?;
        let mut worst = self.worst_of_shards(tenant, after.as_ref(), limit + 1).await?;
        worst.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(&a.1)));
        let Page { items, next } =
            Page::cut(worst, limit, |(score, name)| score_cursor(*score, name));
        let items = items.iter().map(|(_, name)| SeriesKey::from_name(tenant, name));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next })
    }

    async fn recent(&self, tenant: &Tenant, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let replies = self.query_shards(self.shards(), |shard, commands| {
            commands.cmd("ZREVRANGE").arg(series_index(shard, tenant.part())).arg(0);
            commands.arg(limit.saturating_sub(1)).arg("WITHSCORES");
        });
        let mut last: Vec<(String, f64)> = flatten(replies.await?);
        last.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let names = last.iter().take(limit);
        let keys = names.map(|(name, _)| SeriesKey::from_name(tenant, name));
        Ok(keys.collect::<Result<_, _>>()?)
    }

    async fn tenant_counts(&self, tenant: &Tenant) -> Result<TenantCounts, StoreError> {
        let oldest_us = self.oldest_active_us().await?;
        let replies = self.query_shards(self.shards(), |shard, commands| {
            let all = series_index(shard, tenant.part());
            commands.cmd("ZCOUNT").arg(all).arg(oldest_us).arg("+inf");
            commands.cmd("ZCARD").arg(anomalous_index(shard, tenant.part()));
            let last = PENDING_COUNTED_MAX - 1;
            commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(last);
        });
        let replies: Vec<(u64, u64, Vec<String>)> = replies.await?;
        let escaped = tenant.escaped();
        let is_theirs =
            |member: &&String| member.split_once(' ').is_some_and(|(tenant, _)| tenant == escaped);
        let mut counts = TenantCounts::default();
        for (n_series, n_anomalous, pending) in replies {
            counts.n_series += n_series;
            counts.n_anomalous += n_anomalous;
            counts.n_pending += pending.iter().filter(is_theirs).count() as u64;
        }
        Ok(counts)
    }
}

impl RedisStore {
    /// The next `limit` series of several shards from `start` on, each with its shard.
    async fn list_shards(
        &self,
        shards: &[u16],
        tenant: &Tenant,
        start: &ListCursor,
        limit: usize,
    ) -> Result<Vec<(u16, ListedSeries)>, StoreError> {
        let replies = self.query_shards(shards.iter().copied(), |shard, commands| {
            let from = if shard == start.shard { start.received_us } else { i64::MIN };
            commands.cmd("ZRANGEBYSCORE").arg(series_index(shard, tenant.part()));
            // One more: the last series of the previous page is the first of this reply.
            commands.arg(from).arg("+inf").arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit + 1);
        });
        let replies: Vec<(Vec<(String, f64)>,)> = replies.await?;
        let mut listed = Vec::new();
        for (shard, (members,)) in shards.iter().zip(replies) {
            let last = (start.received_us, start.name.as_str());
            for (name, received) in members {
                let received_us = received as i64;
                // Of thousands that the shards return, the first are listed.
                if listed.len() == limit {
                    return Ok(listed);
                }
                if *shard != start.shard || (received_us, name.as_str()) > last {
                    let key = SeriesKey::from_name(tenant, &name)?;
                    listed.push((*shard, ListedSeries { key, received_us }));
                }
            }
        }
        Ok(listed)
    }

    /// Decayed score and name of the worst series of each shard after `after`.
    ///
    /// Redis orders series of the same score by name, descending.
    async fn worst_of_shards(
        &self,
        tenant: &Tenant,
        after: Option<&(f64, String)>,
        limit: usize,
    ) -> Result<Vec<(f64, String)>, StoreError> {
        let replies = self.query_shards(self.shards(), |shard, commands| {
            let index = anomalous_index(shard, tenant.part());
            let Some((score, _)) = after else {
                commands.cmd("ZREVRANGE").arg(index).arg(0).arg(limit - 1).arg("WITHSCORES");
                return;
            };
            let score = member::float(*score);
            commands.cmd("ZREVRANGEBYSCORE").arg(&index).arg(&score).arg(&score).arg("WITHSCORES");
            commands.cmd("ZREVRANGEBYSCORE").arg(&index).arg(format!("({score}")).arg("-inf");
            commands.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        });
        let replies: Vec<Vec<Vec<(String, f64)>>> = replies.await?;
        let is_after = |name: &str, score: f64| {
            after.is_none_or(|(last, last_name)| score < *last || name < last_name.as_str())
        };
        let members = replies.into_iter().flatten().flatten();
        let worst = members.filter(|(name, score)| is_after(name, *score));
        Ok(worst.map(|(name, score)| (score, name)).collect())
    }
}

/// End of a page: the shard, receipt and name of its last series.
#[derive(Debug, Default)]
struct ListCursor {
    shard: u16,
    received_us: i64,
    name: String,
}

impl ListCursor {
    fn parse(text: &str) -> Result<Self, StoreError> {
        let invalid = || StoreError::CursorInvalid;
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next().ok_or_else(invalid);
        let (shard, received_us, name) = (part()?, part()?, part()?);
        Ok(Self {
            shard: shard.parse().map_err(|_| invalid())?,
            received_us: received_us.parse().map_err(|_| invalid())?,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.shard, self.received_us, self.name)
    }
}
