//! Lost keys: any key of a series may be missing alone, after eviction, expiry or a restart.

use std::time::Duration;

use domain::SeriesKey;
use store::testbed::{RedisServer, judged};
use store::{
    Append, AppendOutcome, CommitOutcome, ConfigStore, DataLoss, EmbeddedStore, INSTANCE_LEASE_S,
    Instance, InstanceLeases, RedisOptions, RedisStore, SampleClass, SeriesState, SeriesWriter,
    Store, StoreStatus, SweepQueues, Topology,
};

use crate::fixture::{
    DEPLOYED, append_one, appended, at, clock, commit_of, key, optimistic_append, options,
    own_config, state, wave, write,
};

async fn after_losing(kind: &str) -> (RedisServer, RedisStore, SeriesKey) {
    let server = RedisServer::start();
    let store = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
    let key = key("a");
    write(&store, &key, &wave(0..300)).await;
    store.append(&key, &[at(300, 1.0)], 0).await.unwrap();
    let shard = key.shard(8);
    assert_eq!(server.cli(&["DEL", &format!("tm:{{{shard}}}:t/checkout/a:{kind}")]), "1");
    (server, store, key)
}

#[tokio::test]
async fn without_its_memory_a_series_learns_from_its_window() {
    let (_server, store, key) = after_losing("memory").await;
    let classes = write(&store, &key, &[at(301, 1.0), at(299, 900.0)]).await;
    assert!(matches!(classes[..], [SampleClass::Fresh { .. }, SampleClass::Duplicate { .. }]));
    let state = state(&store, &key).await;
    assert!(state.version > 1_000_000 && state.inbox.is_empty());
    assert_eq!(state.window.len(), 128);
    // The new floor covers all times that the lost one covered.
    assert_eq!(write(&store, &key, &wave(0..170)).await, vec![SampleClass::TooOld; 170]);
}

#[tokio::test]
async fn without_its_memory_a_series_judges_no_replay_again() {
    let (_server, store, key) = after_losing("memory").await;
    let classes = write(&store, &key, &wave(0..300)).await;
    let is_fresh = |class: &&SampleClass| matches!(class, SampleClass::Fresh { .. });
    assert_eq!(classes.iter().filter(is_fresh).count(), 0);
}

#[tokio::test]
async fn a_lost_inbox_is_no_longer_pending_after_an_empty_append() {
    let (_server, store, key) = after_losing("inbox").await;
    assert_eq!(store.pending(10).await.unwrap(), std::slice::from_ref(&key));
    store.append(&key, &[], 0).await.unwrap();
    assert!(store.pending(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cached_version_is_returned_again_if_its_window_is_lost() {
    let (server, store, key) = after_losing("anomalies").await;
    let before = state(&store, &key).await;
    server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:window", key.shard(8))]);
    let after = store.append(&key, &[at(400, 1.0)], before.version).await.unwrap().state.unwrap();
    assert!(!after.is_cached);
    let CommitOutcome::Conflict(_) = store.commit(&key, &commit_of(&before)).await.unwrap() else {
        panic!("a commit on a lost window");
    };
}

#[tokio::test]
async fn without_its_window_a_series_judges_no_replay_again() {
    let (_server, store, key) = after_losing("window").await;
    assert_eq!(write(&store, &key, &wave(0..300)).await, vec![SampleClass::TooOld; 300]);
    let state = state(&store, &key).await;
    assert_eq!(state.window.len(), 1);
    assert_eq!(state.window[0].kind(), domain::VerdictKind::Learning);
}

#[tokio::test]
async fn without_its_inbox_a_series_continues_and_a_resend_is_fresh() {
    let (_server, store, key) = after_losing("inbox").await;
    assert!(matches!(write(&store, &key, &[at(300, 1.0)]).await[..], [SampleClass::Fresh { .. }]));
}

#[tokio::test]
async fn without_its_anomalies_a_replay_still_returns_its_verdict() {
    let (_server, store, key) = after_losing("anomalies").await;
    let classes = write(&store, &key, &wave(299..300)).await;
    let [SampleClass::Duplicate { judgement: Some(judgement), .. }] = classes[..] else {
        panic!("{classes:?}")
    };
    assert!(judgement.verdict.is_anomaly() && judgement.verdict.expectation.is_none());
}

#[tokio::test]
async fn a_sample_lost_between_append_and_commit_is_still_committed() {
    let (server, store, key) = after_losing("anomalies").await;
    let waiting = state(&store, &key).await;
    server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:inbox", key.shard(8))]);
    assert!(matches!(
        store.commit(&key, &commit_of(&waiting)).await.unwrap(),
        CommitOutcome::Committed { .. }
    ));
    assert!(
        state(&store, &key).await.window.iter().any(|judged| judged.sample.at_us() == 300_000_000)
    );
}

#[tokio::test]
async fn a_version_from_before_a_loss_never_matches() {
    let (server, store, key) = after_losing("anomalies").await;
    let old = commit_of(&state(&store, &key).await);
    server.cli(&["FLUSHALL"]);
    write(&store, &key, &wave(0..300)).await;
    assert!(matches!(store.commit(&key, &old).await.unwrap(), CommitOutcome::Conflict(_)));
}

#[tokio::test]
async fn an_optimistic_commit_is_ignored_after_a_loss() {
    for lost in ["window", "memory", "config", "inbox", "anomalies"] {
        let (server, store, key) = after_losing("inbox").await;
        store.put_config(&key, &own_config("ewma")).await.unwrap();
        let ahead = optimistic_append(&key, &state(&store, &key).await, &[at(400, 1.0)]);
        server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:{lost}", key.shard(8))]);
        let is_stored = matches!(append_one(&store, &ahead).await, AppendOutcome::Committed { .. });
        assert_eq!(is_stored, ["inbox", "anomalies"].contains(&lost), "without its {lost}");
    }
}

#[tokio::test]
async fn an_optimistic_commit_creates_no_series_while_one_key_is_left() {
    for left in ["window", "memory", "config", "inbox"] {
        let (server, store, key) = after_losing("episodes").await;
        store.append(&key, &[at(399, 1.0)], 0).await.unwrap();
        store.put_config(&key, &own_config("ewma")).await.unwrap();
        for lost in ["window", "memory", "config", "inbox"].iter().filter(|kind| **kind != left) {
            server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:{lost}", key.shard(8))]);
        }
        let new = optimistic_append(&key, &SeriesState::default(), &[at(400, 1.0)]);
        let outcome = append_one(&store, &new).await;
        assert!(matches!(outcome, AppendOutcome::Classified(_)), "with its {left}: {outcome:?}");
    }
    // The memory of a later version is not replaced.
    let (server, store, key) = after_losing("window").await;
    let name = format!("tm:{{{}}}:t/checkout/a:memory", key.shard(8));
    server.cli(&["SET", &name, "TMm3 and more"]);
    let outcome =
        append_one(&store, &optimistic_append(&key, &SeriesState::default(), &[at(400, 1.0)]))
            .await;
    assert!(matches!(outcome, AppendOutcome::Classified(_)), "{outcome:?}");
    assert!(server.cli(&["GET", &name]).starts_with("TMm3"));
}

#[tokio::test]
async fn a_patch_is_not_applied_to_a_truncated_memory() {
    let (server, store, key) = after_losing("inbox").await;
    let before = state(&store, &key).await;
    let ahead = optimistic_append(&key, &before, &[at(400, 1.0)]);
    let name = format!("tm:{{{}}}:t/checkout/a:memory", key.shard(8));
    let header = server.cli(&["--raw", "GETRANGE", &name, "0", "127"]);
    assert!(header.starts_with("TMm2"));
    let cut = "redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 399))";
    server.cli(&["EVAL", cut, "1", &name]);
    let waiting = appended(&store, &ahead).await.state.unwrap();
    assert_eq!(waiting.memory.as_ref().map(Vec::len), Some(400));
    // The memory is returned, learned again from the window, and replaced.
    let committed = store.commit(&key, &commit_of(&waiting)).await.unwrap();
    assert!(matches!(committed, CommitOutcome::Committed { .. }));
    assert!(detector::Memory::decode(&state(&store, &key).await.memory.unwrap()).is_some());
}

#[tokio::test]
async fn a_key_of_the_wrong_type_fails_only_its_series() {
    let (server, store, key) = after_losing("inbox").await;
    let mut keys = (0..1_000).map(|i| crate::fixture::key(&format!("b{i}")));
    let twin = keys.find(|other| other.shard(8) == key.shard(8));
    let name = format!("tm:{{{}}}:t/checkout/a:inbox", key.shard(8));
    server.cli(&["SET", &name, "something else"]);
    let of = |key: &SeriesKey| Append {
        key: key.clone(),
        samples: vec![at(400, 1.0)],
        cached_version: 0,
        optimistic: None,
    };
    let written = store.append_all(&[of(&key), of(&twin.unwrap())]).await;
    let [Err(error), Ok(AppendOutcome::Classified(appended))] = &written[..] else {
        panic!("{written:?}")
    };
    assert_eq!(error.code(), "store_unreadable");
    assert_eq!(appended.classes, [SampleClass::Fresh { at_us: 400_000_000 }]);
}

#[tokio::test]
async fn a_lost_key_expires_again_after_it_is_written_again() {
    for lost in ["window", "anomalies", "memory"] {
        let (server, store, key) = after_losing(lost).await;
        write(&store, &key, &wave(400..500)).await;
        let name = format!("tm:{{{}}}:t/checkout/a:{lost}", key.shard(8));
        let ttl_s: i64 = server.cli(&["TTL", &name]).parse().unwrap();
        assert!(ttl_s > 0, "{lost}: {ttl_s}");
    }
}

#[tokio::test]
async fn a_flushed_script_cache_is_filled_again() {
    let (server, store, key) = after_losing("anomalies").await;
    server.cli(&["SCRIPT", "FLUSH"]);
    assert!(matches!(write(&store, &key, &[at(400, 1.0)]).await[..], [SampleClass::Fresh { .. }]));
}

#[tokio::test]
async fn a_restarted_store_is_used_again() {
    let (mut server, store, key) = after_losing("anomalies").await;
    server.stop();
    let error = store.append(&key, &[at(400, 1.0)], 0).await.unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
    server.start_again();
    let mut answer = store.append(&key, &[at(400, 1.0)], 0).await;
    for _ in 0..100 {
        if answer.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = store.append(&key, &[at(400, 1.0)], 0).await;
    }
    answer.unwrap();
}

#[tokio::test]
async fn without_its_configuration_a_series_is_judged_by_its_deployment() {
    let (server, store, key) = after_losing("anomalies").await;
    store.put_config(&key, &own_config("ewma")).await.unwrap();
    let waiting = state(&store, &key).await;
    assert_eq!(server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:config", key.shard(8))]), "1");
    let CommitOutcome::Conflict(now) = store.commit(&key, &commit_of(&waiting)).await.unwrap()
    else {
        panic!("a commit under a lost configuration");
    };
    assert_eq!(commit_of(&now).revision, 0);
    assert!(!judged(DEPLOYED, &now, &now.inbox).0.memory().has_own_detector);
}

#[tokio::test]
async fn an_unreadable_configuration_is_an_error_and_can_be_replaced() {
    let (server, store, key) = after_losing("anomalies").await;
    let name = format!("tm:{{{}}}:t/checkout/a:config", key.shard(8));
    server.cli(&["SET", &name, "7 detector-of-tomorrow"]);
    let error = store.append(&key, &[at(400, 1.0)], 0).await.unwrap_err();
    assert_eq!(error.code(), "store_unreadable");
    assert!(store.put_config(&key, &own_config("ewma")).await.unwrap() > 7);
    assert!(state(&store, &key).await.config.is_some());
}

#[tokio::test]
async fn a_configuration_does_not_expire() {
    let (server, store, key) = after_losing("anomalies").await;
    store.put_config(&key, &own_config("ewma")).await.unwrap();
    write(&store, &key, &wave(400..410)).await;
    let name = format!("tm:{{{}}}:t/checkout/a:config", key.shard(8));
    assert_eq!(server.cli(&["TTL", &name]), "-1");
}

#[tokio::test]
async fn all_keys_of_a_series_expire_together() {
    let (server, _store, key) = after_losing("anomalies").await;
    let shard = key.shard(8);
    for kind in ["inbox", "window", "memory"] {
        let ttl_s: i64 =
            server.cli(&["TTL", &format!("tm:{{{shard}}}:t/checkout/a:{kind}")]).parse().unwrap();
        // Not earlier than promised, and at most 2 % later.
        let promised_s = store::SERIES_TTL_S as i64 - 60;
        assert!((promised_s..=promised_s / 100 * 102).contains(&ttl_s), "{kind}: {ttl_s}");
    }
}

#[tokio::test]
async fn another_number_of_shards_is_refused() {
    let (server, store, _key) = after_losing("anomalies").await;
    store.check_deployment(&DEPLOYED).await.unwrap();
    let other =
        RedisStore::new(&RedisOptions { n_shards: 16, ..options(server.url(), Topology::Single) })
            .unwrap();
    assert_eq!(other.check_deployment(&DEPLOYED).await.unwrap_err().code(), "shards_differ");
    assert_eq!(other.ping().await.unwrap_err().code(), "shards_differ");
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_ping_writes_nothing() {
    let server = RedisServer::start();
    let store = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
    store.ping().await.unwrap();
    store.gauges().await.unwrap();
    store.instances().await.unwrap();
    assert_eq!(server.cli(&["DBSIZE"]), "0");
}

#[tokio::test]
async fn a_process_is_removed_when_its_lease_ends() {
    let server = RedisServer::start();
    let store = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
    let instance = |name: &str| Instance {
        function: "ingest".to_owned(),
        name: name.to_owned(),
        n_connections: 1,
        n_requests: 1,
    };
    store.renew_lease(&instance("frozen")).await.unwrap();
    let lease = |name: &str| server.cli(&["ZSCORE", "tm:{0}:leases", &format!("ingest {name}")]);
    let ends_us: f64 = lease("frozen").parse().unwrap();
    let now: Vec<String> = server.cli(&["TIME"]).lines().map(str::to_owned).collect();
    let left_s = ends_us / 1e6 - now[0].parse::<f64>().unwrap();
    assert!((left_s - INSTANCE_LEASE_S as f64).abs() < 3.0, "{left_s}");
    // As if the lease had ended.
    server.cli(&["ZADD", "tm:{0}:leases", "1", "ingest frozen"]);
    assert!(store.instances().await.unwrap().is_empty());
    store.renew_lease(&instance("running")).await.unwrap();
    assert_eq!(server.cli(&["HKEYS", "tm:{0}:instances"]), "ingest running");
    // The keys expire after the last process.
    for key in ["tm:{0}:leases", "tm:{0}:instances"] {
        let ttl_s: u64 = server.cli(&["TTL", key]).parse().unwrap();
        assert!((1..=2 * INSTANCE_LEASE_S).contains(&ttl_s), "{key}: {ttl_s}");
    }
}

#[tokio::test]
async fn windows_stay_in_the_compact_encoding() {
    let (server, _store, key) = after_losing("anomalies").await;
    let window = format!("tm:{{{}}}:t/checkout/a:window", key.shard(8));
    assert_eq!(server.cli(&["OBJECT", "ENCODING", &window]), "listpack");
}

/// Asserts the floor of a series with a window of 1,000 and `n` judged samples, after the loss of its memory.
async fn check_floor_after_lost_memory(store: &dyn Store, n: i64, lose: impl Fn(&SeriesKey)) {
    let key = key(&format!("n{n}"));
    store.put_config(&key, &own_config("zscore:window=1000,threshold=3")).await.unwrap();
    write(store, &key, &wave(1_000..1_000 + n)).await;
    lose(&key);
    let has_floor = n >= 128;
    let samples = [at(999, 1.0), wave(1_000..1_001)[0], at(1_000 + n, 1.0)];
    let appended = store.append(&key, &samples, 0).await.unwrap();
    assert_eq!(appended.classes[0] == SampleClass::TooOld, has_floor, "{n}");
    assert!(matches!(appended.classes[1], SampleClass::Duplicate { judgement: Some(_), .. }));
    assert!(matches!(appended.classes[2], SampleClass::Fresh { .. }));
    // The judge calculates the same floor, and the commit stores it.
    let commit = commit_of(&appended.state.unwrap());
    assert_eq!(commit.floor_us, has_floor.then_some(999_999_999), "{n}");
    assert!(matches!(store.commit(&key, &commit).await.unwrap(), CommitOutcome::Committed { .. }));
    let again = store.append(&key, &samples[..1], 0).await.unwrap();
    assert_eq!(again.classes[0] == SampleClass::TooOld, has_floor, "{n}");
}

#[tokio::test]
async fn a_window_of_1000_with_a_lost_memory_behaves_alike_on_both_stores() {
    let server = RedisServer::start();
    let redis = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
    let embedded = EmbeddedStore::new(clock);
    for n in [127, 128, 500] {
        let lose_key = |key: &SeriesKey| {
            let memory = format!("tm:{{{}}}:t/{}:memory", key.shard(8), key.name());
            assert_eq!(server.cli(&["DEL", &memory]), "1");
        };
        let lose_part = |key: &SeriesKey| embedded.lose(key, protocol::SeriesPart::Memory);
        check_floor_after_lost_memory(&redis, n, lose_key).await;
        check_floor_after_lost_memory(&embedded, n, lose_part).await;
    }
}

#[tokio::test]
async fn a_delayed_first_commit_judges_no_sample_twice_after_a_lost_memory() {
    let server = RedisServer::start();
    let store = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
    let key = key("a");
    let delayed = store.append(&key, &wave(0..10), 0).await.unwrap().state.unwrap();
    write(&store, &key, &[at(10, 1.0)]).await;
    let name = format!("tm:{{{}}}:t/checkout/a:memory", key.shard(8));
    assert_eq!(server.cli(&["DEL", &name]), "1");
    let CommitOutcome::Conflict(now) = store.commit(&key, &commit_of(&delayed)).await.unwrap()
    else {
        panic!("samples in the window were judged again");
    };
    assert_eq!((now.version, now.window.len(), now.inbox.len()), (0, 11, 0));
}

#[tokio::test]
async fn a_loss_of_acknowledged_samples_is_seen_by_the_next_call() {
    let mut server = RedisServer::start();
    let store = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
    let key = key("a");
    write(&store, &key, &wave(0..100)).await;
    store.totals().await.unwrap();
    assert_eq!(store.take_loss(), DataLoss::default());
    server.start_again(); // It persists nothing.
    write(&store, &key, &wave(100..110)).await;
    assert_eq!(store.take_loss(), DataLoss { n_shards: 1, n_samples_min: 90 });
    assert_eq!(store.take_loss(), DataLoss::default());
    // A process that only reads sees it, too.
    server.start_again();
    store.totals().await.unwrap();
    assert_eq!(store.take_loss(), DataLoss { n_shards: 1, n_samples_min: 10 });
}

#[tokio::test]
async fn a_series_that_lost_all_of_its_parts_is_not_deleted_again() {
    let server = RedisServer::start();
    let redis = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
    let embedded = EmbeddedStore::new(clock);
    let key = key("a");
    for store in [&redis as &dyn Store, &embedded] {
        store.append(&key, &[at(1, 1.0)], 0).await.unwrap();
    }
    server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:inbox", key.shard(8))]);
    embedded.lose(&key, protocol::SeriesPart::Inbox);
    for store in [&redis as &dyn Store, &embedded] {
        assert!(!store.forget(&key).await.unwrap());
    }
}
