//! The Redis store: series in sorted sets, written by two atomic scripts.
//!
//! `append` and `commit` are Lua scripts (`redis/*.lua`): each touches the keys of one shard, which share a hash
//! tag and so a slot of a cluster, and of as many series of it as a batch has, within a bound. There are no locks: a
//! commit compares the version that was judged on and sets the next one. `SCAN` and `KEYS` are never used.

mod circuit;
mod clock;
mod connection;
mod credentials;
mod episodes;
mod mirror;
mod nodes;
mod overview;
mod reply;
mod rooms;
mod scripts;

use std::collections::BTreeMap;

use async_trait::async_trait;
use detector::{DeployedDetector, SeriesConfig};
use domain::Judgement;
use redis::{FromRedisValue, Pipeline, Script, Value, cmd};

pub use self::circuit::CircuitOptions;
pub use self::connection::{RedisOptions, Topology};
pub use self::credentials::RedisCredentials;

use self::clock::Clocks;
use self::connection::{Call, Connection};
use self::mirror::unmirrored_index;
use self::overview::oldest_active_us;
use self::rooms::{Rooms, Turn};
use self::scripts::{Appending, Ask, Committing, Novelty, Read};
use crate::embedded::check_detector;
use crate::{
    Append, Circuits, Class, Commit, Committed, Lease, Leased, Listed, Page, Quotas,
    SERIES_MAX_DEFAULT, SeriesStore, State, StoreError, Written, heat, member, series_config,
};
use domain::{SeriesKey, Tenant};

/// Shards asked at a time for a list: most lists end within the first.
const SHARDS_AT_ONCE: usize = 16;

/// Series in a Redis, a Valkey or a cluster of them.
#[derive(Debug)]
pub struct RedisStore {
    connection: Connection,
    n_shards: u16,
    scripts: Scripts,
    rooms: Rooms,
    clocks: Clocks,
}

#[derive(Debug)]
struct Scripts {
    append: Script,
    commit: Script,
    read: Script,
    configure: Script,
    lease: Script,
    report: Script,
    saved: Script,
    mirrored: Script,
    restore: Script,
}

impl RedisStore {
    /// A store at the address of `options`; connects when first asked.
    pub fn new(options: &RedisOptions) -> Result<Self, StoreError> {
        Self::with_credentials(options, &RedisCredentials::default())
    }

    /// The same, with credentials that its address does not hold.
    pub fn with_credentials(
        options: &RedisOptions,
        credentials: &RedisCredentials,
    ) -> Result<Self, StoreError> {
        let of_series = |code: &str| {
            let shared = [include_str!("redis/notes.lua"), include_str!("redis/series.lua")];
            Script::new(&format!("{}\n{code}", shared.join("\n")))
        };
        let scripts = Scripts {
            append: of_series(include_str!("redis/append.lua")),
            commit: of_series(include_str!("redis/commit.lua")),
            read: of_series(include_str!("redis/read.lua")),
            configure: Script::new(include_str!("redis/configure.lua")),
            lease: Script::new(include_str!("redis/lease.lua")),
            report: Script::new(include_str!("redis/report.lua")),
            saved: Script::new(include_str!("redis/saved.lua")),
            mirrored: Script::new(include_str!("redis/mirrored.lua")),
            restore: Script::new(include_str!("redis/restore.lua")),
        };
        Ok(Self {
            connection: Connection::new(options, credentials)?,
            n_shards: options.n_shards,
            scripts,
            rooms: Rooms::new(SERIES_MAX_DEFAULT),
            clocks: Clocks::new(options.n_shards),
        })
    }

    /// The same, with at most so many series of a tenant.
    #[must_use]
    pub fn with_series_max(self, series_max: u64) -> Self {
        Self { rooms: Rooms::new(series_max), ..self }
    }

    fn keys(&self, key: &SeriesKey) -> Keys {
        Keys::of(key, key.shard(self.n_shards))
    }

    /// Asks a script of series.
    async fn ask<A: Ask>(&self, script: &Script, asked: &[A]) -> Vec<Result<Value, StoreError>> {
        let heard = |shard, now_us| self.clocks.heard(shard, now_us);
        scripts::ask(&self.connection, script, asked, self.n_shards, heard).await
    }

    /// Asks each of some shards for the same, and answers what was answered of each.
    async fn ask_shards<T: FromRedisValue>(
        &self,
        shards: impl IntoIterator<Item = u16>,
        write: impl Fn(u16, &mut Pipeline),
    ) -> Result<Vec<T>, StoreError> {
        let commands_of = |shard| {
            let mut commands = redis::pipe();
            write(shard, &mut commands);
            (shard, commands)
        };
        let asked: Vec<(u16, Pipeline)> = shards.into_iter().map(commands_of).collect();
        self.connection.query_each(&asked).await
    }

    fn shards(&self) -> std::ops::Range<u16> {
        0..self.n_shards
    }
}

/// The names of the keys of one series and of its shard.
struct Keys {
    shard: u16,
    series: String,
    tenant: String,
}

impl Keys {
    fn of(key: &SeriesKey, shard: u16) -> Self {
        Self {
            shard,
            series: format!("tm:{{{shard}}}:{}", key.path()),
            tenant: key.tenant().part().to_owned(),
        }
    }

    /// Inbox, window, anomalies and memory.
    fn of_series(&self) -> [String; 4] {
        ["inbox", "window", "anomalies", "memory"].map(|kind| format!("{}:{kind}", self.series))
    }

    /// The configuration, which alone does not expire.
    fn config(&self) -> String {
        format!("{}:config", self.series)
    }

    fn series_index(&self) -> String {
        series_index(self.shard, &self.tenant)
    }

    fn anomalous_index(&self) -> String {
        anomalous_index(self.shard, &self.tenant)
    }

    fn tenants_index(&self) -> String {
        tenants_index(self.shard)
    }

    fn pending_index(&self) -> String {
        pending_index(self.shard)
    }

    fn totals(&self) -> String {
        totals_key(self.shard)
    }
}

fn series_index(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:series/{tenant}")
}

fn anomalous_index(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:anomalous/{tenant}")
}

fn pending_index(shard: u16) -> String {
    format!("tm:{{{shard}}}:pending")
}

/// The names of the indexes of series, one for each tenant that ever had one in the shard.
fn tenants_index(shard: u16) -> String {
    format!("tm:{{{shard}}}:tenants")
}

/// Processes by when their lease ends.
fn leases_key() -> &'static str {
    "tm:{0}:leases"
}

/// What processes told of themselves.
fn instances_key() -> &'static str {
    "tm:{0}:instances"
}

fn totals_key(shard: u16) -> String {
    format!("tm:{{{shard}}}:totals")
}

fn bucket_key(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:bucket/{tenant}")
}

/// The member of the index of pending series, which is one for all tenants.
fn pending_name(key: &SeriesKey) -> String {
    key.to_text()
}

fn unreadable(what: &'static str) -> StoreError {
    StoreError::Unreadable { what }
}

#[async_trait]
impl SeriesStore for RedisStore {
    async fn append_all(&self, appends: &[Append]) -> Vec<Result<Written, StoreError>> {
        let novelties = self.novelties(appends);
        let asked = appends.iter().zip(novelties).map(|(it, novelty)| Appending(it, novelty));
        let asked = asked.collect();
        let mut written = self.written(asked).await;
        let is_refused = |it: &Result<Written, StoreError>| matches!(it, Ok(Written::Appended(it)) if it.classes.contains(&Class::TooManySeries));
        let refused: Vec<usize> = (0..written.len()).filter(|i| is_refused(&written[*i])).collect();
        self.make_room(appends, &refused, &mut written).await;
        written
    }

    async fn commit_all(
        &self,
        commits: &[(SeriesKey, Commit)],
    ) -> Vec<Result<Committed, StoreError>> {
        let asked: Vec<_> = commits.iter().map(|(key, commit)| Committing(key, commit)).collect();
        let answers = self.ask(&self.scripts.commit, &asked).await;
        answers.into_iter().map(|answer| reply::committed(answer?)).collect()
    }

    fn stamp_us(&self, key: &SeriesKey) -> Option<i64> {
        self.clocks.now_us(key.shard(self.n_shards))
    }

    async fn read(&self, key: &SeriesKey) -> Result<Option<State>, StoreError> {
        let answer = self.ask(&self.scripts.read, &[Read(key)]).await.pop();
        let state = reply::state(answer.unwrap_or_else(|| Err(unreadable("answer")))?)?;
        let is_known = !state.has_no_sample() || state.config.is_some();
        Ok(is_known.then_some(state))
    }

    async fn anomalies(
        &self,
        key: &SeriesKey,
        since_us: i64,
        limit: usize,
    ) -> Result<Vec<Judgement>, StoreError> {
        let keys = self.keys(key);
        let [_, _, anomalies, _] = keys.of_series();
        let mut command = cmd("ZREVRANGEBYSCORE");
        command.arg(anomalies).arg("+inf").arg(since_us).arg("LIMIT").arg(0).arg(limit);
        let members: Vec<String> =
            self.connection.query(Call::repeatable(keys.shard), &command).await?;
        let anomalies: Option<Vec<Judgement>> =
            members.iter().map(|text| member::anomaly(text)).collect();
        anomalies.ok_or_else(|| unreadable("anomaly"))
    }

    async fn list(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Listed>, StoreError> {
        let start = cursor.map(Cursor::parse).transpose()?.unwrap_or_default();
        let mut items: Vec<(u16, Listed)> = Vec::new();
        let shards: Vec<u16> = (start.shard..self.n_shards).collect();
        for some in shards.chunks(SHARDS_AT_ONCE) {
            items.extend(self.list_shards(some, tenant, &start, limit + 1).await?);
            if items.len() > limit {
                break;
            }
        }
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|(shard, last)| {
            let (received_us, name) = (last.received_us, last.key.name().to_owned());
            Cursor { shard: *shard, received_us, name }.to_string()
        });
        Ok(Page { items: items.into_iter().map(|(_, listed)| listed).collect(), next })
    }

    async fn worst(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SeriesKey>, StoreError> {
        let after = cursor.map(heat::parse_cursor).transpose()?;
        let mut hot = self.hottest(tenant, after.as_ref(), limit + 1).await?;
        hot.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(&a.1)));
        let has_more = hot.len() > limit;
        hot.truncate(limit);
        let next = hot.last().filter(|_| has_more).map(heat::cursor);
        let items: Result<Vec<SeriesKey>, _> =
            hot.iter().map(|(_, name)| SeriesKey::from_name(tenant, name)).collect();
        Ok(Page { items: items?, next })
    }

    async fn pending(&self, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let of_shards = self.ask_shards(self.shards(), |shard, commands| {
            commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(limit.saturating_sub(1));
            commands.arg("WITHSCORES");
        });
        let mut waiting: Vec<(String, f64)> = in_one(of_shards.await?);
        waiting.sort_by(|a, b| a.1.total_cmp(&b.1));
        waiting.into_iter().take(limit).map(|(name, _)| from_pending_name(&name)).collect()
    }

    async fn configure(&self, key: &SeriesKey, config: &SeriesConfig) -> Result<i64, StoreError> {
        let keys = self.keys(key);
        let mut call = self.scripts.configure.prepare_invoke();
        call.key(keys.config()).key(unmirrored_index(keys.shard));
        call.arg(pending_name(key)).arg(series_config::to_text(config));
        self.connection.invoke(Call::repeatable(keys.shard), &call).await
    }

    async fn unconfigure(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let keys = self.keys(key);
        let mut call = self.scripts.configure.prepare_invoke();
        call.key(keys.config()).key(unmirrored_index(keys.shard)).arg(pending_name(key));
        // The second time there would be nothing to remove.
        let revision: i64 = self.connection.invoke(Call::once(keys.shard), &call).await?;
        Ok(revision != 0)
    }

    async fn forget(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let keys = self.keys(key);
        let mut commands = redis::pipe();
        commands.cmd("DEL").arg(&keys.of_series());
        commands.cmd("ZREM").arg(series_index(keys.shard, &keys.tenant)).arg(key.name()).ignore();
        commands
            .cmd("ZREM")
            .arg(anomalous_index(keys.shard, &keys.tenant))
            .arg(key.name())
            .ignore();
        commands.cmd("ZREM").arg(pending_index(keys.shard)).arg(pending_name(key)).ignore();
        self.forget_episodes(key, &mut commands);
        let (n_keys,): (u64,) =
            self.connection.query_all(Call::once(keys.shard), commands.atomic()).await?;
        // The configuration last: who dies before it is asked to forget again, and history hears of it.
        let had_config = self.unconfigure(key).await?;
        Ok(n_keys > 0 || had_config)
    }

    async fn add_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        if totals.is_empty() {
            return Ok(());
        }
        let mut commands = redis::pipe();
        for (field, n) in totals {
            commands.cmd("HINCRBY").arg(totals_key(0)).arg(field).arg(*n).ignore();
        }
        self.connection.query_all(Call::once(0), commands.atomic()).await
    }

    async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let of_shards =
            self.ask_shards::<(BTreeMap<String, u64>,)>(self.shards(), |shard, commands| {
                commands.cmd("HGETALL").arg(totals_key(shard));
            });
        let mut sum = BTreeMap::new();
        for (field, n) in of_shards.await?.into_iter().flat_map(|(totals,)| totals) {
            *sum.entry(field).or_default() += n;
        }
        Ok(sum)
    }

    async fn answers(&self) -> Result<(), StoreError> {
        let mut command = cmd("HGET");
        command.arg(DEPLOYED_KEY).arg("shards");
        let stored: Option<u16> = self.connection.query(Call::repeatable(0), &command).await?;
        self.check_shards(stored.unwrap_or(self.n_shards))
    }

    async fn ready(&self, deployed: &DeployedDetector) -> Result<(), StoreError> {
        let generation = deployed.generation.to_string();
        let mut commands = redis::pipe();
        commands.cmd("HSETNX").arg(DEPLOYED_KEY).arg("shards").arg(self.n_shards).ignore();
        commands
            .cmd("HSETNX")
            .arg(DEPLOYED_KEY)
            .arg(&generation)
            .arg(deployed.detector.to_string())
            .ignore();
        commands.cmd("HMGET").arg(DEPLOYED_KEY).arg("shards").arg(&generation);
        let ((stored, first),): ((u16, String),) =
            self.connection.query_all(Call::repeatable(0), commands.atomic()).await?;
        self.check_shards(stored)?;
        check_detector(deployed, &first)
    }

    fn circuits(&self) -> Circuits {
        let (n_open, n) = self.connection.n_circuits_open();
        Circuits { n_open, n }
    }
}

/// The number of shards, and the detector of each generation.
const DEPLOYED_KEY: &str = "tm:{0}:deployed";

impl RedisStore {
    /// Another number of shards would look for series where they are not.
    fn check_shards(&self, stored: u16) -> Result<(), StoreError> {
        if stored == self.n_shards {
            return Ok(());
        }
        Err(StoreError::ShardsDiffer { stored, wanted: self.n_shards })
    }

    /// The series of some shards that a page which starts at `start` may still hold, each with its shard.
    async fn list_shards(
        &self,
        shards: &[u16],
        tenant: &Tenant,
        start: &Cursor,
        limit: usize,
    ) -> Result<Vec<(u16, Listed)>, StoreError> {
        let of_shards = self.ask_shards(shards.iter().copied(), |shard, commands| {
            let from = if shard == start.shard { start.received_us } else { i64::MIN };
            commands.cmd("ZRANGEBYSCORE").arg(series_index(shard, tenant.part()));
            // One more, as the series at which the last page ended comes first again.
            commands.arg(from).arg("+inf").arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit + 1);
        });
        let of_shards: Vec<(Vec<(String, f64)>,)> = of_shards.await?;
        let mut listed = Vec::new();
        for (shard, (members,)) in shards.iter().zip(of_shards) {
            let members = members.into_iter().map(|(name, received)| (received as i64, name));
            let last = (start.received_us, start.name.as_str());
            let is_new = |it: &(i64, String)| *shard != start.shard || (it.0, it.1.as_str()) > last;
            for (received_us, name) in members.filter(is_new) {
                let key = SeriesKey::from_name(tenant, &name)?;
                listed.push((*shard, Listed { key, received_us }));
            }
        }
        Ok(listed)
    }
}

impl RedisStore {
    async fn written(&self, asked: Vec<Appending<'_>>) -> Vec<Result<Written, StoreError>> {
        let answers = self.ask(&self.scripts.append, &asked).await;
        let answers = answers.into_iter().zip(&asked);
        answers.map(|(answer, asked)| reply::written(answer?, asked.n_samples())).collect()
    }

    /// Which series may be made at once, since their tenants are known to have room for all that may be new of these.
    fn novelties(&self, appends: &[Append]) -> Vec<Novelty> {
        let mut novelties = vec![Novelty::IsKnown; appends.len()];
        let mut turn: Option<(&Tenant, Option<Turn>)> = None;
        for (append, novelty) in appends.iter().zip(&mut novelties).filter(|it| !it.0.is_known()) {
            let tenant = append.key.tenant();
            if turn.as_ref().is_none_or(|(whose, _)| *whose != tenant) {
                turn = Some((tenant, self.rooms.turn_at_once(tenant.part())));
            }
            if let Some((_, Some(turn))) = &mut turn
                && turn.has_room() == Some(true)
            {
                turn.add();
                *novelty = Novelty::MayBeNew;
            }
        }
        novelties
    }

    /// Appends to series that were refused because they are new, as far as their tenants have room: only such series
    /// cost more than one round trip, once in their life.
    async fn make_room(
        &self,
        appends: &[Append],
        refused: &[usize],
        written: &mut [Result<Written, StoreError>],
    ) {
        let mut roomy: Vec<usize> = Vec::new();
        for i in refused {
            let tenant = appends[*i].key.tenant();
            let mut turn = self.rooms.turn(tenant.part()).await;
            if let Some(has_room) = turn.has_room() {
                if has_room {
                    turn.add();
                    roomy.push(*i);
                }
                continue;
            }
            // Those that were let in must be there to be counted.
            self.let_in(appends, std::mem::take(&mut roomy), written).await;
            match self.count_active(tenant).await {
                Ok(n_series) if turn.counted(n_series) => {
                    self.let_in(appends, vec![*i], written).await;
                    turn.add();
                }
                Ok(_) => {}
                Err(error) => written[*i] = Err(error),
            }
        }
        self.let_in(appends, roomy, written).await;
    }

    async fn let_in(
        &self,
        appends: &[Append],
        places: Vec<usize>,
        written: &mut [Result<Written, StoreError>],
    ) {
        if places.is_empty() {
            return;
        }
        let asked = places.iter().map(|i| Appending(&appends[*i], Novelty::MayBeNew)).collect();
        let answers = self.written(asked).await;
        places.into_iter().zip(answers).for_each(|(i, answer)| written[i] = answer);
    }

    /// How many series of a tenant received a sample within the time that series are kept, in shards that nobody
    /// tidied lately, too.
    async fn count_active(&self, tenant: &Tenant) -> Result<u64, StoreError> {
        let oldest_us = oldest_active_us(self.now_us().await?);
        let of_shards = self.ask_shards::<(u64,)>(self.shards(), |shard, commands| {
            let index = series_index(shard, tenant.part());
            commands.cmd("ZCOUNT").arg(index).arg(oldest_us).arg("+inf");
        });
        Ok(of_shards.await?.into_iter().map(|(n,)| n).sum())
    }
}

#[async_trait]
impl Quotas for RedisStore {
    async fn lease(&self, tenant: &Tenant, wanted: &Lease) -> Result<Leased, StoreError> {
        let Lease { rate_per_s, burst, least, most } = wanted;
        let shard = tenant.shard(self.n_shards);
        let mut call = self.scripts.lease.prepare_invoke();
        call.key(bucket_key(shard, tenant.part()));
        call.arg(rate_per_s).arg(burst).arg(least).arg(most);
        // Tokens that were taken twice come back by themselves; an answer that is lost would be a request that is.
        let (granted, wait_us) = self.connection.invoke(Call::repeatable(shard), &call).await?;
        Ok(Leased { granted, wait_us })
    }
}

/// What shards answered to one command each, one after the other.
fn in_one<T>(of_shards: Vec<(Vec<T>,)>) -> Vec<T> {
    of_shards.into_iter().flat_map(|(some,)| some).collect()
}

fn from_pending_name(name: &str) -> Result<SeriesKey, StoreError> {
    Ok(SeriesKey::from_text(name)?)
}

/// Where a page ended: the shard, and receipt and name of its last series.
#[derive(Debug, Default)]
struct Cursor {
    shard: u16,
    received_us: i64,
    name: String,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, StoreError> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let parsed = match parts.as_slice() {
            [shard, received_us, name] => {
                shard.parse().ok().zip(received_us.parse().ok()).map(|it| (it, *name))
            }
            _ => None,
        };
        let ((shard, received_us), name) =
            parsed.ok_or_else(|| StoreError::CursorInvalid { cursor: text.to_owned() })?;
        Ok(Self { shard, received_us, name: name.to_owned() })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.shard, self.received_us, self.name)
    }
}
