//! Calls of the scripts on series: series of one server, or of one shard of a cluster, share a call, and the calls of a
//! batch a round trip.
//!
//! `series.lua` and the scripts on top of it describe KEYS, ARGV and replies.

use std::collections::BTreeMap;

use domain::{Judgement, SeriesKey};
use redis::{Cmd, Script, ToRedisArgs, Value, cmd};

use super::call_turns::{BatchSize, CallTurns};
use super::connection::{Call, Connection, Topology};
use super::keys::{
    SeriesKeys, alert_checks, expiries, history_enabled, index_member, pending_index,
    silence_checks, totals as totals_key, unsaved_episodes,
};
use super::reply::{self, CallReply, unreadable};
use protocol::admission::SeriesLimits;
use protocol::limits::{EPISODES_KEPT_MAX, INBOX_LEN_MAX, INBOX_READ_MAX, STORED_LEN_MIN};
use protocol::{decayed_score, member, totals};

use crate::{
    ANOMALIES_AGE_MAX_US, ANOMALIES_KEPT_MAX, Append, Commit, NewSample, OnRefusal, ReceiptUpdate,
    SERIES_TTL_S, SINGLE_SAMPLE_TTL_S, StoreError,
};

/// Most series of one call: a script blocks its Redis while it runs, and so many take less than half a millisecond.
const SERIES_MAX: usize = 32;

/// Most samples of one call with several series, for the same reason.
const SAMPLES_MAX: usize = 128;

/// Longest time after the last receipt until a series expires, in seconds: 1 % more than promised, so that not every
/// receipt writes the expiry.
const SERIES_TTL_MAX_S: u64 = SERIES_TTL_S + SERIES_TTL_S / 100;

/// Most series of a tenant that are ranked by their anomalies.
const RANKED_MAX: usize = 1_000;

/// Keys of a call that all of its series share.
const SHARED_KEYS: usize = 10;

/// Keys of each series of a call.
const SERIES_KEYS: usize = 6;

/// Arguments of a commit that precede slices, totals, samples and anomalies.
const COMMIT_HEADER_LEN: usize = 12;

/// Admission of a series that does not exist yet, by `append.lua`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewSeries {
    Refuse,
    Admit,
}

/// Part of a call that concerns one series.
pub(super) trait SeriesCall {
    fn key(&self) -> &SeriesKey;

    fn n_samples(&self) -> usize;

    /// Returns true if a second execution changes nothing.
    fn is_repeatable(&self) -> bool {
        true
    }

    /// Writes the number of its arguments, and the arguments.
    fn write(&self, command: &mut Cmd);
}

/// Groups series into calls; returns the positions of the series of each.
///
/// A single server runs one script on keys of any shards. On a cluster each shard is a slot of its own.
fn group<C: SeriesCall>(calls: &[C], topology: Topology, n_shards: u16) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    // The last group of each slot, and its number of samples. One series that must not be written twice would prevent
    // the retry of the others.
    let mut open: BTreeMap<(u16, bool), (usize, usize)> = BTreeMap::new();
    let n_slots = topology.n_slots(n_shards);
    for (i, call) in calls.iter().enumerate() {
        let slot = (call.key().shard(n_shards) % n_slots, call.is_repeatable());
        let n_samples = call.n_samples();
        if let Some((position, n)) = open.get_mut(&slot) {
            let group = &mut groups[*position];
            if group.len() < SERIES_MAX && *n + n_samples <= SAMPLES_MAX {
                group.push(i);
                *n += n_samples;
                continue;
            }
        }
        open.insert(slot, (groups.len(), n_samples));
        groups.push(vec![i]);
    }
    // Series of one shard and tenant share keys, so they are adjacent.
    for group in &mut groups {
        group.sort_by_key(|i| owner(&calls[*i], n_shards));
    }
    groups
}

/// A batch is short if one call to a single server carries it.
fn batch_size<C: SeriesCall>(calls: &[C]) -> BatchSize {
    let n_samples: usize = calls.iter().map(SeriesCall::n_samples).sum();
    let is_short = calls.len() <= SERIES_MAX && n_samples <= SAMPLES_MAX;
    if is_short { BatchSize::Short } else { BatchSize::Long }
}

/// Shard and tenant of a series.
fn owner<C: SeriesCall>(call: &C, n_shards: u16) -> (u16, &str) {
    (call.key().shard(n_shards), call.key().tenant().as_str())
}

/// Shards on which scripts run, with the limits of series of each.
pub(super) struct ShardCalls<'a> {
    pub(super) connection: &'a Connection,
    pub(super) turns: &'a CallTurns,
    pub(super) n_shards: u16,
    pub(super) limits: SeriesLimits,
}

impl ShardCalls<'_> {
    /// Runs a script on several series; returns the reply for each, in order.
    ///
    /// Passes the first shard of each call and its reply to `on_reply`.
    pub(super) async fn run<C: SeriesCall>(
        &self,
        script: &Script,
        calls: &[C],
        on_reply: impl Fn(u16, &CallReply),
    ) -> Vec<Result<Value, StoreError>> {
        let groups = group(calls, self.connection.topology(), self.n_shards);
        let replies = groups.iter().map(|positions| {
            let calls: Vec<&C> = positions.iter().map(|i| &calls[*i]).collect();
            let shard = calls[0].key().shard(self.n_shards);
            let command = self.command(script, &calls);
            let is_repeatable = calls.iter().all(|call| call.is_repeatable());
            let how = if is_repeatable { Call::repeatable(shard) } else { Call::once(shard) };
            async move { (shard, self.connection.evaluate::<Value>(how, script, &command).await) }
        });
        let replies = self.turns.make_all(batch_size(calls), replies.collect()).await;
        let missing = || Err(unreadable("answer"));
        let mut by_call: Vec<Result<Value, StoreError>> = calls.iter().map(|_| missing()).collect();
        for (positions, (shard, reply)) in groups.iter().zip(replies) {
            match reply.and_then(|reply| reply::of_call(reply, positions.len())) {
                Ok(reply) => {
                    on_reply(shard, &reply);
                    let replies = positions.iter().zip(reply.by_series);
                    replies.for_each(|(i, reply)| by_call[*i] = Ok(reply));
                }
                Err(error) => positions.iter().for_each(|i| by_call[*i] = Err(error.clone())),
            }
        }
        by_call
    }

    /// The command that runs a script on series of one server, those of one shard and tenant adjacent.
    fn command<C: SeriesCall>(&self, script: &Script, calls: &[&C]) -> Cmd {
        let same_owner = |a: &&C, b: &&C| owner(*a, self.n_shards) == owner(*b, self.n_shards);
        let groups: Vec<&[&C]> = calls.chunk_by(same_owner).collect();
        let mut command = cmd("EVALSHA");
        command.arg(script.get_hash());
        command.arg(SHARED_KEYS * groups.len() + SERIES_KEYS * calls.len());
        for group in &groups {
            write_keys(&mut command, group, self.n_shards);
        }
        let limits = &self.limits;
        command.arg(SERIES_TTL_S).arg(SERIES_TTL_MAX_S).arg(INBOX_LEN_MAX).arg(INBOX_READ_MAX);
        command.arg(ANOMALIES_KEPT_MAX).arg(STORED_LEN_MIN).arg(RANKED_MAX).arg(EPISODES_KEPT_MAX);
        let of_all = limits.of_all.unwrap_or(u64::MAX);
        command.arg(SINGLE_SAMPLE_TTL_S).arg(limits.of_tenant).arg(of_all);
        command.arg(groups.len());
        for group in &groups {
            command.arg(group.len());
        }
        for call in calls {
            call.write(&mut command);
        }
        command
    }
}

/// Writes the keys of series of one shard and tenant.
fn write_keys<C: SeriesCall>(command: &mut Cmd, group: &[&C], n_shards: u16) {
    for (i, call) in group.iter().enumerate() {
        let keys = SeriesKeys::new(call.key(), call.key().shard(n_shards));
        if i == 0 {
            let shard = keys.shard;
            command.arg(keys.series_index()).arg(pending_index(shard)).arg(totals_key(shard));
            command.arg(keys.anomalous_index()).arg(expiries(shard)).arg(silence_checks(shard));
            command.arg(unsaved_episodes(shard)).arg(history_enabled(shard));
            command.arg(keys.single_samples()).arg(alert_checks(shard));
        }
        command.arg(&keys.samples()).arg(keys.config()).arg(keys.episodes());
    }
}

/// Reads a series.
pub(super) struct ReadCall<'a>(pub(super) &'a SeriesKey);

impl SeriesCall for ReadCall<'_> {
    fn key(&self) -> &SeriesKey {
        self.0
    }

    fn n_samples(&self) -> usize {
        0
    }

    fn write(&self, command: &mut Cmd) {
        command.arg(0);
    }
}

/// Appends samples to a series.
pub(super) struct AppendCall<'a>(pub(super) &'a Append, pub(super) NewSeries);

impl SeriesCall for AppendCall<'_> {
    fn key(&self) -> &SeriesKey {
        &self.0.key
    }

    fn n_samples(&self) -> usize {
        self.0.samples.len()
    }

    fn is_repeatable(&self) -> bool {
        // A sample without a time would be a new one the second time.
        self.0.samples.iter().all(|sample| sample.at_us.is_some())
    }

    fn write(&self, command: &mut Cmd) {
        let Append { key, samples, cached_version, optimistic } = self.0;
        let commit = optimistic.as_ref().map(|optimistic| {
            (CommitArguments::of(&optimistic.commit), optimistic.receipt == ReceiptUpdate::Write)
        });
        let returns =
            optimistic.as_ref().is_some_and(|commit| commit.on_refusal == OnRefusal::Return);
        let n_more = commit.as_ref().map_or(2 * samples.len(), |(commit, _)| 3 + commit.len());
        command.arg(5 + n_more).arg(key.name()).arg(index_member(key)).arg(*cached_version);
        command.arg(if self.1 == NewSeries::Admit { "1" } else { "0" });
        match commit {
            None => {
                command.arg(samples.len());
                for sample in samples {
                    command.arg(sample.at_us.map_or_else(String::new, |at_us| at_us.to_string()));
                    command.arg(member::of_value(sample.value, sample.kind));
                }
            }
            Some((commit, writes_receipt)) => {
                command.arg("judged").arg(u8::from(writes_receipt)).arg(u8::from(returns));
                command.arg(untimed(samples));
                commit.write(command);
            }
        }
    }
}

/// `1` for each sample without a time, `0` for each with one; empty if all have one.
fn untimed(samples: &[NewSample]) -> String {
    if samples.iter().all(|sample| sample.at_us.is_some()) {
        return String::new();
    }
    samples.iter().map(|sample| if sample.at_us.is_none() { '1' } else { '0' }).collect()
}

/// Commits judged samples of a series; a second execution finds its own version, and changes nothing.
pub(super) struct CommitCall<'a>(pub(super) &'a SeriesKey, pub(super) &'a Commit);

impl SeriesCall for CommitCall<'_> {
    fn key(&self) -> &SeriesKey {
        self.0
    }

    fn n_samples(&self) -> usize {
        self.1.judgements.len()
    }

    fn write(&self, command: &mut Cmd) {
        let commit = CommitArguments::of(self.1);
        command.arg(2 + commit.len()).arg(self.0.name()).arg(index_member(self.0));
        commit.write(command);
    }
}

/// Arguments of a commit.
struct CommitArguments<'a> {
    commit: &'a Commit,
    totals: Vec<totals::Count>,
    /// Time and member of each anomaly.
    anomalies: Vec<(i64, String)>,
}

impl<'a> CommitArguments<'a> {
    fn of(commit: &'a Commit) -> Self {
        let anomalies = commit.judgements.iter().filter(|judgement| judgement.verdict.is_anomaly());
        let anomalies = anomalies
            .filter_map(|anomaly| Some((anomaly.sample.at_us(), member::of_anomaly(anomaly)?)));
        Self { commit, totals: totals::of_commit(commit), anomalies: anomalies.collect() }
    }

    fn len(&self) -> usize {
        let Commit { memory, judgements, .. } = self.commit;
        let n_pairs =
            memory.slices().len() + self.totals.len() + judgements.len() + self.anomalies.len();
        COMMIT_HEADER_LEN + 2 * n_pairs
    }

    fn write(self, command: &mut Cmd) {
        let Self { commit, totals, anomalies } = self;
        let Commit { version, revision, memory, cursor_us, floor_us, judgements, episode_update } =
            commit;
        command.arg(*version).arg(*revision);
        or_empty(command, memory.target_len());
        command.arg(floor_us.unwrap_or(-1)).arg(cursor_us - ANOMALIES_AGE_MAX_US);
        or_empty(command, decayed_score::of(judgements).map(member::float));
        command.arg(memory.slices().len()).arg(totals.len()).arg(judgements.len());
        // In time order, so those at or below the floor come first.
        let is_kept = |judgement: &&Judgement| {
            floor_us.is_none_or(|floor_us| judgement.sample.at_us() > floor_us)
        };
        command.arg(judgements.iter().rev().take_while(is_kept).count());
        command.arg(anomalies.len()).arg(episode_update.to_text());
        for (offset, bytes) in memory.slices() {
            command.arg(offset).arg(bytes);
        }
        for (name, label, n) in totals {
            command.arg(totals::field(name, label)).arg(n);
        }
        for judgement in judgements {
            command.arg(judgement.sample.at_us()).arg(member::of_judged(&judgement.judged()));
        }
        for (at_us, anomaly) in anomalies {
            command.arg(at_us).arg(anomaly);
        }
    }
}

fn or_empty(command: &mut Cmd, argument: Option<impl ToRedisArgs>) {
    match argument {
        Some(argument) => command.arg(argument),
        None => command.arg(""),
    };
}
