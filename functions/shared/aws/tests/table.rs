//! Promises of the history table, over two stand-ins for DynamoDB: one validates as AWS does, one has time to live.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use aws::HistoryTable;
use aws::testbed::{DynamoServer, StandIn};
use detector::series_config::REASON_LEN_MAX;
use detector::{MaintenanceWindow, SeriesConfig};
use domain::{EpisodePhase, EpisodeRecord};
use domain::{Expectation, Judgement, Rate, Sample, Series, Signal, Verdict, VerdictKind};
use domain::{SeriesKey, Tenant};
use store::{History, HistoryError, HistoryOptions, PastRange, StoredConfig, StoredEpisode};

const NOW_US: i64 = 1_795_000_000_000_000;

const ALL: PastRange = PastRange { since_us: 0, before_us: None, limit: 1_000 };

fn now_us() -> i64 {
    NOW_US
}

fn options(table: &str) -> HistoryOptions {
    HistoryOptions { table: table.to_owned(), days: 400 }
}

fn key(metric: &str) -> SeriesKey {
    SeriesKey::new(Tenant::new("t"), Series::new("checkout", metric, BTreeMap::new()).unwrap())
}

/// An episode that began in this second, with a peak that exceeds the decimal numbers of DynamoDB.
fn episode(start_s: i64, revision: i64) -> StoredEpisode {
    let sample = Sample::new(start_s * 1_000_000, 1e-300).unwrap();
    let band = Expectation { signal: Signal::Shift, value: -0.1, low: -1e300, high: 2.0 / 3.0 };
    let verdict = Verdict { kind: VerdictKind::Anomaly, score: 1.5, expectation: Some(band) };
    let record = EpisodeRecord {
        start_us: start_s * 1_000_000,
        end_us: start_s * 1_000_000 + revision,
        n_samples: revision as u64,
        phase: EpisodePhase::Open,
        peak: Some(Judgement { sample, rate: Rate::NotCounter, verdict, late: false }),
    };
    StoredEpisode { revision, notable_version: revision, record }
}

/// A history in a new table.
async fn history(server: &DynamoServer, table: &str) -> HistoryTable {
    server.create_table(table).await;
    server.history(options(table), now_us)
}

async fn saved_episodes_are_read_exactly_and_newest_first(server: &DynamoServer) {
    let history = history(server, "read").await;
    for start_s in [5, 1, 9_000_000_000, 3, 7] {
        history.save(&key("a"), &episode(start_s, 4), NOW_US).await.unwrap();
    }
    history.save(&key("b"), &episode(4, 4), NOW_US).await.unwrap();
    let all = history.episodes(&key("a"), ALL).await.unwrap();
    assert_eq!(all, [9_000_000_000, 7, 5, 3, 1].map(|start_s| episode(start_s, 4)));
    let range = PastRange { since_us: 3_000_000, before_us: Some(7_000_000), limit: 1 };
    assert_eq!(history.episodes(&key("a"), range).await.unwrap(), [episode(5, 4)]);
    let range = PastRange { before_us: Some(5_000_000), ..range };
    assert_eq!(history.episodes(&key("a"), range).await.unwrap(), [episode(3, 4)]);
    let range = PastRange { before_us: Some(3_000_000), ..range };
    assert_eq!(history.episodes(&key("a"), range).await.unwrap(), []);
}

async fn only_a_later_revision_replaces_an_episode(server: &DynamoServer) {
    let history = history(server, "later").await;
    // In any order, any number of times.
    for revision in [3, 5, 4, 5, 1, 3] {
        history.save(&key("a"), &episode(1, revision), NOW_US).await.unwrap();
    }
    assert_eq!(history.episodes(&key("a"), ALL).await.unwrap(), [episode(1, 5)]);
    assert_eq!(server.keys("later").await.len(), 1);
}

async fn expired_episodes_are_left_out(server: &DynamoServer) {
    let history = history(server, "expired").await;
    let long_ago_us = NOW_US - 401 * 86_400_000_000;
    for start_s in 1..=40 {
        let received_us = if start_s % 2 == 0 { NOW_US } else { long_ago_us };
        history.save(&key("a"), &episode(start_s, 1), received_us).await.unwrap();
    }
    let read = history.episodes(&key("a"), PastRange { limit: 15, ..ALL }).await.unwrap();
    let starts: Vec<i64> = read.iter().map(|episode| episode.record.start_us / 1_000_000).collect();
    assert_eq!(starts, (6..=20).rev().map(|half| 2 * half).collect::<Vec<i64>>());
}

async fn a_deleted_series_has_no_items(server: &DynamoServer) {
    let history = history(server, "forgotten").await;
    for start_s in 0..60 {
        history.save(&key("a"), &episode(start_s, 1), NOW_US).await.unwrap();
    }
    history.save(&key("b"), &episode(1, 1), NOW_US).await.unwrap();
    history.forget(&key("a")).await.unwrap();
    history.forget(&key("a")).await.unwrap();
    assert_eq!(history.episodes(&key("a"), ALL).await.unwrap(), []);
    assert_eq!(server.keys("forgotten").await.len(), 1);
}

async fn a_missing_table_is_refused(server: &DynamoServer) {
    let history = server.history(options("nowhere"), now_us);
    let refused = |result: Result<(), HistoryError>| {
        assert_eq!(result.unwrap_err().code(), "history_refused");
    };
    refused(history.ready().await);
    refused(history.save(&key("a"), &episode(1, 1), NOW_US).await);
    server.create_table("nowhere").await;
    history.ready().await.unwrap();
}

async fn the_longest_names_have_items_of_their_own(server: &DynamoServer) {
    let history = history(server, "names").await;
    let labels = |last: &str| -> BTreeMap<String, String> {
        let label = |i: i32| (format!("{i}{}", "l".repeat(120)), "\u{e4}".repeat(100) + last);
        (0..16).map(label).collect()
    };
    let series = |last| Series::new("s".repeat(128), "m".repeat(128), labels(last)).unwrap();
    let long = |last| SeriesKey::new(Tenant::new("t#".repeat(100)), series(last));
    for last in ["a", "b"] {
        history.save(&long(last), &episode(1, 1), NOW_US).await.unwrap();
        assert_eq!(history.episodes(&long(last), ALL).await.unwrap(), [episode(1, 1)]);
    }
    assert_eq!(server.keys("names").await.len(), 2);
}

fn config(reason: &str) -> SeriesConfig {
    let maintenance = MaintenanceWindow::new(1, 2, reason.to_owned()).unwrap();
    SeriesConfig::new(Some("zscore:window=50,threshold=3".parse().unwrap()), vec![maintenance])
        .unwrap()
}

async fn only_a_later_revision_replaces_a_configuration_or_its_removal(server: &DynamoServer) {
    let history = history(server, "configs").await;
    history.save(&key("a"), &episode(1, 1), NOW_US).await.unwrap();
    let revisions = [(3, Some("c")), (5, Some("e")), (4, None), (1, Some("a")), (5, Some("again"))];
    for (revision, reason) in revisions {
        let config = reason.map(config);
        history.mirror(&key("a"), revision, config.as_ref(), NOW_US).await.unwrap();
    }
    history.mirror(&key("b"), 7, Some(&config("b")), NOW_US).await.unwrap();
    let stored =
        |metric, revision, reason| (key(metric), StoredConfig { revision, config: config(reason) });
    let page = history.configs(None).await.unwrap();
    assert_eq!((page.items, page.next), (vec![stored("a", 5, "e"), stored("b", 7, "b")], None));

    history.mirror(&key("a"), 6, None, NOW_US).await.unwrap();
    history.mirror(&key("a"), 5, Some(&config("e")), NOW_US).await.unwrap();
    assert_eq!(history.configs(None).await.unwrap().items, [stored("b", 7, "b")]);
    history.mirror(&key("a"), 8, Some(&config("h")), NOW_US).await.unwrap();
    assert_eq!(history.configs(None).await.unwrap().items.len(), 2);
    assert_eq!(history.episodes(&key("a"), ALL).await.unwrap(), [episode(1, 1)]);
}

async fn many_configurations_are_read_page_by_page(server: &DynamoServer) {
    let history = history(server, "pages").await;
    let long: Vec<MaintenanceWindow> = (0..16)
        .map(|i| MaintenanceWindow::new(i, i + 1, "l".repeat(REASON_LEN_MAX)).unwrap())
        .collect();
    let long = SeriesConfig::new(None, long).unwrap();
    let n = 1_200_000 / (16 * REASON_LEN_MAX);
    for i in 0..n {
        let key = key(&format!("m{i}"));
        history.mirror(&key, 1, Some(&long), NOW_US).await.unwrap();
    }
    let (mut cursor, mut n_pages, mut keys) = (None, 0, BTreeSet::new());
    loop {
        let page = history.configs(cursor.as_deref()).await.unwrap();
        n_pages += 1;
        keys.extend(page.items.into_iter().map(|(key, _)| key));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(n_pages > 1, "{n_pages} pages");
    assert_eq!(keys.len(), n);
}

/// One server runs all tests in turn, each in a table of its own: it takes seconds to start.
async fn passes_all_tests(which: StandIn) {
    let server = DynamoServer::start(which);
    saved_episodes_are_read_exactly_and_newest_first(&server).await;
    only_a_later_revision_replaces_an_episode(&server).await;
    expired_episodes_are_left_out(&server).await;
    a_deleted_series_has_no_items(&server).await;
    a_missing_table_is_refused(&server).await;
    the_longest_names_have_items_of_their_own(&server).await;
    only_a_later_revision_replaces_a_configuration_or_its_removal(&server).await;
    if which == StandIn::Dynalite {
        many_configurations_are_read_page_by_page(&server).await;
    }
}

#[tokio::test]
async fn dynalite_passes_all_tests() {
    passes_all_tests(StandIn::Dynalite).await;
}

#[tokio::test]
async fn moto_passes_all_tests() {
    passes_all_tests(StandIn::Moto).await;
}

#[tokio::test]
async fn an_unreachable_server_is_reported_in_time() {
    let server = DynamoServer::start(StandIn::Dynalite);
    let history = server.history(options("missing"), now_us);
    drop(server);
    let start = tokio::time::Instant::now();
    assert_eq!(history.ready().await.unwrap_err().code(), "history_unavailable");
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}
