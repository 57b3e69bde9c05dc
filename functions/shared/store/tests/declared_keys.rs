//! Every key that a script touches is declared: Redis Cluster routes by declared keys, ACLs of proxies check them, and
//! Dragonfly refuses the others.
//!
//! `MONITOR` prints each call of a script with its declared keys, and after it each command of the script.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use detector::{DeployedDetector, Detector, SeriesConfig, SilenceCheck};
use domain::{Series, SeriesKey, Tenant};
use store::testbed::{RedisServer, judged, patient_options};
use store::{
    AlertStore, Append, AppendOutcome, Commit, CommitOutcome, ConfigStore, EpisodeUpdate, Instance,
    InstanceLeases, NewSample, OnRefusal, OptimisticCommit, RateLimiter, ReceiptUpdate, RedisStore,
    Requeue, SeriesReader, SeriesState, SeriesWriter, StoreStatus, StoredAlerts, StoredConfig,
    SweepQueues, TokenRequest, Topology,
};

/// Members of a set of commands that have no key, or whose keys are not their second word.
const WITHOUT_KEY: [&str; 2] = ["TIME", "INFO"];

fn key(metric: &str) -> SeriesKey {
    SeriesKey::new(Tenant::new("t"), Series::new("s", metric, BTreeMap::new()).unwrap())
}

/// The commit of `samples`, with an episode and a silence check.
fn commit_of(state: &SeriesState, samples: &[domain::Sample]) -> Commit {
    let deployed = DeployedDetector { detector: Detector::ALL[1], generation: 1 };
    let (_, commit) = judged(deployed, state, samples);
    let update = EpisodeUpdate {
        is_notable: true,
        n_silences: 1,
        silence_check: Some(SilenceCheck::At(7)),
        ..commit.episode_update
    };
    Commit { episode_update: update, ..commit }
}

/// Runs every script of the store, each on its longest way.
async fn run_all(store: &RedisStore) {
    store.unsaved_episodes(10).await.unwrap(); // From now on, episodes are queued for the history,
    store.due_alerts(0, 10).await.unwrap(); // and for a notifier.
    for metric in ["a", "b"] {
        let key = key(metric);
        for i in 0..40_i64 {
            let spike = if i % 10 == 9 { 900.0 } else { 100.0 };
            let sample = NewSample::gauge(Some(i * 60_000_000), spike);
            let state = store.append(&key, &[sample], 0).await.unwrap().state.unwrap();
            let commit = commit_of(&state, &state.inbox);
            let committed = store.commit(&key, &commit).await.unwrap();
            assert!(matches!(committed, CommitOutcome::Committed { .. }));
        }
        assert!(!store.anomalies(&key, 0, 10).await.unwrap().is_empty());
        let stale = commit_of(&SeriesState::default(), &[domain::Sample::new(1, 1.0).unwrap()]);
        let stale = store.commit(&key, &stale).await.unwrap();
        assert!(matches!(stale, CommitOutcome::Conflict(_)));
        optimistic(store, &key).await;
        store.put_config(&key, &SeriesConfig::default()).await.unwrap();
        let revision = store.read(&key).await.unwrap().unwrap().revision();
        store.mark_config_saved(&key, revision).await.unwrap();
        let revision =
            store.configs(std::slice::from_ref(&key)).await.unwrap()[0].as_ref().unwrap().revision;
        store.replace_config(&key, Some(&SeriesConfig::default()), revision).await.unwrap();
        store.remove_config(&key).await.unwrap();
        store.mark_episodes_saved(&key, 1).await.unwrap();
        let alerts = StoredAlerts { version: 0, text: "alerts".to_owned() };
        let requeue = Some(Requeue { from: -1, to_us: Some(7) });
        assert!(store.save_alerts(&key, &alerts, requeue).await.unwrap());
    }
    assert!(store.lease_notifier("a", Duration::from_secs(9)).await.unwrap());
    store.release_notifier("a").await.unwrap();
    let lost = StoredConfig { revision: 7, config: SeriesConfig::default() };
    store.restore_config(&key("c"), &lost).await.unwrap();
    let request = TokenRequest { rate_per_s: 1, burst: 9, min: 1, max: 2 };
    store.take_tokens(&Tenant::new("t"), &request).await.unwrap();
    let (function, name) = ("ingest".to_owned(), "a".to_owned());
    let instance = Instance { function, name, n_connections: 1, n_requests: 1 };
    store.renew_lease(&instance).await.unwrap();
    store.totals().await.unwrap();
}

async fn optimistic(store: &RedisStore, key: &SeriesKey) {
    let state = store.read(key).await.unwrap().unwrap();
    let at_us = 41 * 60_000_000;
    let commit = commit_of(&state, &[domain::Sample::new(at_us, 900.0).unwrap()]);
    let append = Append {
        key: key.clone(),
        samples: vec![NewSample::gauge(Some(at_us), 900.0)],
        cached_version: 0,
        optimistic: Some(OptimisticCommit {
            commit,
            receipt: ReceiptUpdate::Write,
            on_refusal: OnRefusal::Append,
        }),
    };
    let outcome = store.append_all(&[append]).await.pop().unwrap().unwrap();
    assert!(matches!(outcome, AppendOutcome::Committed { .. }));
}

fn monitor(port: u16, output: &Path) -> Child {
    Command::new("redis-cli")
        .args(["-p", &port.to_string(), "MONITOR"])
        .stdout(Stdio::from(File::create(output).unwrap()))
        .spawn()
        .unwrap()
}

/// The quoted words of a line of `MONITOR`; escaped quotes stay inside their word.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.split_once("] ").map_or("", |(_, rest)| rest).chars();
    while rest.find(|c| *c == '"').is_some() {
        let mut word = String::new();
        while let Some(c) = rest.next().filter(|c| *c != '"') {
            word.push(c);
            if c == '\\' {
                word.extend(rest.next());
            }
        }
        words.push(word);
    }
    words
}

/// Keys of the commands of scripts that the call did not declare, and the number of commands that were checked.
fn undeclared(lines: &str) -> (BTreeSet<String>, usize) {
    let (mut declared, mut undeclared, mut n_checked) = (Vec::new(), BTreeSet::new(), 0);
    for line in lines.lines() {
        let words = words(line);
        let Some(command) = words.first().map(|word| word.to_uppercase()) else { continue };
        if !line.contains(" lua] ") {
            let n: usize = words.get(2).and_then(|n| n.parse().ok()).unwrap_or_default();
            let is_call = command.starts_with("EVAL");
            declared = if is_call { words[3..3 + n].to_vec() } else { Vec::new() };
        } else if !WITHOUT_KEY.contains(&command.as_str()) {
            n_checked += 1;
            if !declared.contains(&words[1]) {
                undeclared.insert(format!("{command} {}", words[1]));
            }
        }
    }
    (undeclared, n_checked)
}

#[tokio::test]
async fn scripts_touch_declared_keys_only() {
    let server = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("monitor");
    let mut monitor = monitor(server.port(), &output);
    let store = RedisStore::new(&patient_options(server.url(), Topology::Single, 1)).unwrap();
    let read = || std::fs::read_to_string(&output).unwrap_or_default();
    while !read().starts_with("OK") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    run_all(&store).await;
    server.cli(&["PING", "the end"]);
    while !read().contains("the end") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    let (undeclared, n_checked) = undeclared(&read());
    assert!(n_checked > 1_000, "{n_checked} commands of scripts were seen");
    assert_eq!(undeclared, BTreeSet::new());
}
