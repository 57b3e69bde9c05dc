//! Alerts in Redis: a text for each series that has some, and a queue of checks in each shard.

use std::time::Duration;

use async_trait::async_trait;
use domain::{SeriesKey, Tenant};
use redis::cmd;

use super::connection::Call;
use super::keys::{NOTIFIER_KEY, alert_checks, alerting, index_member, key_of_member};
use super::store::{RedisStore, flatten};
use crate::{ALERTS_TTL_S, AlertStore, DueAlerts, Requeue, SERIES_TTL_S, StoreError, StoredAlerts};

/// Member that keeps the queue of a shard in existence while a notifier runs; it is never due.
const QUEUE_MARK: &str = "";

/// Members of a queue with their places.
type Queued = Vec<(String, f64)>;

#[async_trait]
impl AlertStore for RedisStore {
    async fn lease_notifier(&self, holder: &str, lease: Duration) -> Result<bool, StoreError> {
        let mut call = self.scripts.lease_notifier.prepare_invoke();
        call.key(NOTIFIER_KEY).arg(holder).arg(lease.as_millis() as u64);
        self.connection.invoke(Call::repeatable(0), &call).await
    }

    async fn release_notifier(&self, holder: &str) -> Result<(), StoreError> {
        let mut call = self.scripts.release_notifier.prepare_invoke();
        call.key(NOTIFIER_KEY).arg(holder);
        self.connection.invoke(Call::repeatable(0), &call).await
    }

    async fn due_alerts(&self, now_us: i64, limit: usize) -> Result<Vec<DueAlerts>, StoreError> {
        // The mark first: the next call finds what commits add from then on. Changes and times have parts of their own, so
        // that neither displaces the other.
        let (n_changed, n_timed) = (limit - limit / 4, limit / 4);
        let replies =
            self.query_shards::<(u64, u64, Queued, Queued)>(self.shards(), |shard, commands| {
                let queue = alert_checks(shard);
                commands.cmd("ZADD").arg(&queue).arg("+inf").arg(QUEUE_MARK);
                commands.cmd("EXPIRE").arg(&queue).arg(ALERTS_TTL_S);
                commands.cmd("ZRANGEBYSCORE").arg(&queue).arg("-inf").arg("(0");
                commands.arg("WITHSCORES").arg("LIMIT").arg(0).arg(n_changed);
                commands.cmd("ZRANGEBYSCORE").arg(&queue).arg(0).arg(now_us);
                commands.arg("WITHSCORES").arg("LIMIT").arg(0).arg(n_timed);
            });
        let (mut changed, mut timed) = (Queued::new(), Queued::new());
        for (_, _, of_shard_changed, of_shard_timed) in replies.await? {
            changed.extend(of_shard_changed);
            timed.extend(of_shard_timed);
        }
        for (part, n_max) in [(&mut changed, n_changed), (&mut timed, n_timed)] {
            part.sort_by(|a, b| a.1.total_cmp(&b.1));
            part.truncate(n_max);
        }
        let due = changed.into_iter().chain(timed).map(|(member, place)| {
            Ok(DueAlerts { key: key_of_member(&member)?, place: place as i64 })
        });
        due.collect()
    }

    async fn alerts(&self, key: &SeriesKey) -> Result<StoredAlerts, StoreError> {
        let keys = self.keys(key);
        let command = cmd("GET").arg(keys.alerts()).to_owned();
        let stored: Option<String> =
            self.connection.query(Call::repeatable(keys.shard), &command).await?;
        Ok(stored.map(|stored| StoredAlerts::from_text(&stored)).unwrap_or_default())
    }

    async fn save_alerts(
        &self,
        key: &SeriesKey,
        alerts: &StoredAlerts,
        requeue: Option<Requeue>,
    ) -> Result<bool, StoreError> {
        let keys = self.keys(key);
        let mut call = self.scripts.save_alerts.prepare_invoke();
        call.key(keys.alerts()).key(alert_checks(keys.shard)).key(keys.alerting());
        call.arg(index_member(key)).arg(alerts.version).arg(&alerts.text).arg(SERIES_TTL_S);
        let place = |place: Option<i64>| place.map_or_else(String::new, |place| place.to_string());
        call.arg(place(requeue.map(|requeue| requeue.from)));
        call.arg(place(requeue.and_then(|requeue| requeue.to_us))).arg(key.name());
        // Not repeatable: the second time finds the version of the first, and reports another notifier.
        self.connection.invoke(Call::once(keys.shard), &call).await
    }

    async fn alerting_series(
        &self,
        tenant: &Tenant,
        limit: usize,
    ) -> Result<Vec<SeriesKey>, StoreError> {
        let replies = self.query_shards(self.shards(), |shard, commands| {
            // One shard may have all of them.
            commands.cmd("ZRANGE").arg(alerting(shard, tenant.part())).arg(0).arg(limit - 1);
        });
        let names: Vec<String> = flatten(replies.await?);
        let keys = names.iter().take(limit).map(|name| SeriesKey::from_name(tenant, name));
        Ok(keys.collect::<Result<_, _>>()?)
    }
}
