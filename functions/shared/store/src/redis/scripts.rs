//! Calls of the scripts of series: several series of one shard share a call, and all calls of a batch a round trip.
//!
//! What KEYS and ARGV hold, and what comes back, is said in `series.lua` and the scripts behind it.

use std::collections::BTreeMap;

use domain::Judgement;
use futures_util::future::join_all;
use redis::{Cmd, Script, ToRedisArgs, Value, cmd};

use super::connection::{Call, Connection};
use super::reply;
use super::{Keys, pending_name};
use crate::embedded::judgement_counts;
use crate::state::{INBOX_LEN_MAX, INBOX_READ_MAX};
use crate::{
    ANOMALIES_AGE_MAX_US, ANOMALIES_KEPT_MAX, Ahead, Append, Commit, NewSample, Receipt,
    SERIES_TTL_S, StoreError, heat, member, totals,
};
use domain::SeriesKey;

/// Most series of one call: a script blocks its Redis for as long as it runs, and so many take less than half a
/// millisecond.
const SERIES_MAX: usize = 32;

/// Most samples of one call that has several series, for the same reason.
const SAMPLES_MAX: usize = 256;

/// Keys of a call that belong to all of its series.
const SHARED_KEYS: usize = 5;

/// Arguments of what was judged that precede slices, totals, samples and anomalies.
const JUDGED_HEAD: usize = 12;

/// What `append.lua` is told of a series: refuse it if it is new, or take it in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Novelty {
    IsKnown,
    MayBeNew,
}

/// What is asked of one series.
pub(super) trait Ask {
    fn key(&self) -> &SeriesKey;

    fn n_samples(&self) -> usize;

    /// Whether it changes nothing the second time.
    fn is_repeatable(&self) -> bool {
        true
    }

    /// Adds the number of its arguments, and the arguments.
    fn write(&self, call: &mut Cmd);
}

/// The places of series that share a call.
fn calls<A: Ask>(asked: &[A], n_shards: u16) -> Vec<(u16, Vec<usize>)> {
    let mut calls: Vec<(u16, Vec<usize>)> = Vec::new();
    // The last call of each shard and tenant, and how many samples it has.
    let mut open: BTreeMap<(u16, &str), (usize, usize)> = BTreeMap::new();
    for (i, one) in asked.iter().enumerate() {
        let shard = one.key().shard(n_shards);
        let whose = (shard, one.key().tenant().as_str());
        let n_samples = one.n_samples();
        if let Some((place, n)) = open.get_mut(&whose) {
            let call = &mut calls[*place].1;
            if call.len() < SERIES_MAX && *n + n_samples <= SAMPLES_MAX {
                call.push(i);
                *n += n_samples;
                continue;
            }
        }
        open.insert(whose, (calls.len(), n_samples));
        calls.push((shard, vec![i]));
    }
    calls
}

/// Asks for each series, and answers what was answered of each, in order.
///
/// The time that comes with each answer goes to `heard`, with the shard.
pub(super) async fn ask<A: Ask>(
    connection: &Connection,
    script: &Script,
    asked: &[A],
    n_shards: u16,
    heard: impl Fn(u16, i64),
) -> Vec<Result<Value, StoreError>> {
    let calls = calls(asked, n_shards);
    let answers = calls.iter().map(|(shard, places)| {
        let some: Vec<&A> = places.iter().map(|i| &asked[*i]).collect();
        let call = eval(script, *shard, &some);
        let is_repeatable = some.iter().all(|one| one.is_repeatable());
        let how = if is_repeatable { Call::repeatable(*shard) } else { Call::once(*shard) };
        async move { connection.evaluate::<Value>(how, script, &call).await }
    });
    let answers = join_all(answers).await;
    let mut told: Vec<Option<Result<Value, StoreError>>> = asked.iter().map(|_| None).collect();
    for ((shard, places), answer) in calls.iter().zip(answers) {
        match answer.and_then(|answer| reply::of_each(answer, places.len())) {
            Ok((now_us, answers)) => {
                heard(*shard, now_us);
                places.iter().zip(answers).for_each(|(i, it)| told[*i] = Some(Ok(it)));
            }
            Err(error) => {
                for i in places {
                    told[*i] = Some(Err(error.clone()));
                }
            }
        }
    }
    let unasked = || Err(StoreError::Unreadable { what: "answer" });
    told.into_iter().map(|it| it.unwrap_or_else(unasked)).collect()
}

/// The call of a script for series of one shard and tenant.
fn eval<A: Ask>(script: &Script, shard: u16, asked: &[&A]) -> Cmd {
    let keys: Vec<Keys> = asked.iter().map(|one| Keys::of(one.key(), shard)).collect();
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(SHARED_KEYS + 5 * keys.len());
    if let Some(keys) = keys.first() {
        call.arg(keys.series_index()).arg(keys.pending_index()).arg(keys.totals());
        call.arg(keys.anomalous_index()).arg(keys.tenants_index());
    }
    for keys in &keys {
        call.arg(&keys.of_series()).arg(keys.config());
    }
    call.arg(SERIES_TTL_S).arg(INBOX_LEN_MAX).arg(INBOX_READ_MAX).arg(ANOMALIES_KEPT_MAX);
    for one in asked {
        one.write(&mut call);
    }
    call
}

/// A series to read.
pub(super) struct Read<'a>(pub(super) &'a SeriesKey);

impl Ask for Read<'_> {
    fn key(&self) -> &SeriesKey {
        self.0
    }

    fn n_samples(&self) -> usize {
        0
    }

    fn write(&self, call: &mut Cmd) {
        call.arg(0);
    }
}

/// Samples to append to a series that may be new, or not.
pub(super) struct Appending<'a>(pub(super) &'a Append, pub(super) Novelty);

impl Ask for Appending<'_> {
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

    fn write(&self, call: &mut Cmd) {
        let Append { key, samples, known_version, ahead } = self.0;
        let n_more = match ahead {
            None => 2 * samples.len(),
            Some(ahead) => 2 + n_judged_arguments(&ahead.commit),
        };
        call.arg(5 + n_more).arg(key.name()).arg(pending_name(key)).arg(*known_version);
        call.arg(if self.1 == Novelty::MayBeNew { "1" } else { "0" });
        match ahead {
            None => {
                call.arg(samples.len());
                for sample in samples {
                    call.arg(sample.at_us.map_or_else(String::new, |at_us| at_us.to_string()));
                    call.arg(member::float(sample.value));
                }
            }
            Some(Ahead { commit, receipt }) => {
                call.arg("judged").arg(if *receipt == Receipt::Noted { "1" } else { "0" });
                call.arg(untimed(samples));
                write_judged(call, commit);
            }
        }
    }
}

/// `1` for each sample without a time, `0` for each with one; nothing where all have one.
fn untimed(samples: &[NewSample]) -> String {
    if samples.iter().all(|sample| sample.at_us.is_some()) {
        return String::new();
    }
    samples.iter().map(|sample| if sample.at_us.is_none() { '1' } else { '0' }).collect()
}

/// What was judged of a series, to be stored.
pub(super) struct Committing<'a>(pub(super) &'a SeriesKey, pub(super) &'a Commit);

impl Ask for Committing<'_> {
    fn key(&self) -> &SeriesKey {
        self.0
    }

    fn n_samples(&self) -> usize {
        self.1.judgements.len()
    }

    // A commit that was carried out finds its own version, and changes nothing.

    fn write(&self, call: &mut Cmd) {
        call.arg(2 + n_judged_arguments(self.1)).arg(self.0.name()).arg(pending_name(self.0));
        write_judged(call, self.1);
    }
}

fn n_judged_arguments(commit: &Commit) -> usize {
    let n_pairs = commit.memory.slices().len() + totals_of(commit).len() + commit.judgements.len();
    JUDGED_HEAD + 2 * (n_pairs + anomalies_of(commit).count())
}

/// Time and member of each anomaly.
fn anomalies_of(commit: &Commit) -> impl Iterator<Item = (i64, String)> {
    let anomalies = commit.judgements.iter().filter(|it| it.verdict.is_anomaly());
    anomalies.filter_map(|it| Some((it.sample.at_us(), member::of_anomaly(it)?)))
}

fn totals_of(commit: &Commit) -> Vec<(&'static str, &'static str, u64)> {
    let mut counts = judgement_counts(&commit.judgements);
    if commit.notes.n_silences > 0 {
        counts.push((totals::SILENCES, "", commit.notes.n_silences));
    }
    counts
}

fn write_judged(call: &mut Cmd, commit: &Commit) {
    let Commit { version, revision, memory, cursor_us, floor_us, judgements, notes } = commit;
    let totals = totals_of(commit);
    call.arg(*version).arg(*revision);
    or_nothing(call, memory.len());
    call.arg(floor_us.unwrap_or(-1)).arg(cursor_us - ANOMALIES_AGE_MAX_US);
    or_nothing(call, heat::of(judgements).map(member::float));
    call.arg(memory.slices().len()).arg(totals.len()).arg(judgements.len());
    // In time order, so that those at or below the floor come first.
    let is_kept = |it: &&Judgement| floor_us.is_none_or(|floor_us| it.sample.at_us() > floor_us);
    call.arg(judgements.iter().rev().take_while(is_kept).count());
    call.arg(anomalies_of(commit).count()).arg(notes.to_text());
    for (offset, bytes) in memory.slices() {
        call.arg(offset).arg(bytes);
    }
    for (name, label, n) in totals {
        call.arg(format!("{name} {label}").trim_end()).arg(n);
    }
    for judgement in judgements {
        call.arg(judgement.sample.at_us()).arg(member::of_judged(&judgement.judged()));
    }
    for (at_us, anomaly) in anomalies_of(commit) {
        call.arg(at_us).arg(anomaly);
    }
}

fn or_nothing(call: &mut Cmd, argument: Option<impl ToRedisArgs>) {
    match argument {
        Some(argument) => call.arg(argument),
        None => call.arg(""),
    };
}
