//! Conformance suite: every test runs on the embedded store, on a Redis and on a cluster of three.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod alerts;
mod append;
mod commit;
mod config;
mod counter;
mod feedback;
mod fixture;
mod lost;
mod optimistic;
mod read;
mod status;
mod sweep;

use domain::Tenant;
use store::testbed::RedisCluster;
use store::{EmbeddedStore, RedisStore, SeriesReader, SeriesWriter, StoreStatus, Topology};

use fixture::{LIMITS, at, clock, key, options};

fn embedded_store() -> EmbeddedStore {
    EmbeddedStore::new(clock).with_limits(LIMITS)
}

fn redis_store(url: String, topology: Topology) -> RedisStore {
    RedisStore::new(&options(url, topology)).unwrap().with_limits(LIMITS)
}

/// Runs every test of the suite on each store.
macro_rules! conformance {
    ($($file:ident: { $($promise:ident),* $(,)? })*) => {
        mod embedded {
            $($(#[tokio::test]
            async fn $promise() {
                crate::$file::$promise(&crate::embedded_store()).await;
            })*)*
        }
        mod redis {
            $($(#[tokio::test]
            async fn $promise() {
                let server = store::testbed::RedisServer::start();
                crate::$file::$promise(&crate::redis_store(server.url(), store::Topology::Single)).await;
            })*)*
        }
        /// A cluster takes seconds to form, so all tests share one, in turn.
        #[tokio::test]
        async fn cluster_keeps_every_promise() {
            let mut cluster = RedisCluster::start();
            let store = redis_store(cluster.url(), Topology::Cluster);
            $($({
                for node in cluster.nodes() {
                    node.cli(&["FLUSHALL"]);
                }
                eprintln!("{}", stringify!($promise));
                $file::$promise(&store).await;
            })*)*
            a_client_without_routes_finds_every_shard(&cluster.url()).await;
        }
    };
}

/// With scripts, transactions and pipelines: each fails in another way on the wrong node.
async fn a_client_without_routes_finds_every_shard(url: &str) {
    for i in 0..12 {
        let cold = || RedisStore::new(&options(url.to_owned(), Topology::Cluster)).unwrap();
        let key = key(&format!("cold{i}"));
        cold().append(&key, &[at(1, 1.0)], 0).await.unwrap();
        assert!(cold().forget(&key).await.unwrap());
        cold().add_totals(&[("late".to_owned(), 1)].into()).await.unwrap();
        cold().totals().await.unwrap();
        cold().tenant_counts(&Tenant::default()).await.unwrap();
    }
}

conformance! {
    append: {
        fresh_samples_wait_in_time_order,
        a_sample_is_stored_once,
        a_replay_returns_the_stored_verdicts,
        a_replay_of_many_windows_changes_nothing,
        samples_without_a_time_never_conflict,
        samples_without_a_time_are_newest_even_if_others_have_future_times,
        a_cached_version_is_not_returned_again,
        a_full_inbox_refuses_and_drains,
        new_series_above_the_limit_are_refused,
        concurrent_new_series_do_not_exceed_the_limit,
    }
    commit: {
        a_commit_on_another_version_changes_nothing,
        series_of_one_batch_have_their_own_outcomes,
        series_of_several_tenants_share_a_batch,
        two_first_commits_do_not_both_succeed,
        a_stored_series_judges_like_one_in_memory,
        the_band_of_each_judged_sample_is_stored,
        interleaved_writers_that_stop_lose_nothing,
    }
    optimistic: {
        an_optimistic_commit_is_stored_with_its_append,
        an_optimistic_commit_creates_a_new_series,
        an_optimistic_commit_of_a_new_series_is_ignored_if_the_series_exists,
        an_optimistic_commit_on_another_version_is_ignored,
        an_optimistic_commit_is_ignored_while_samples_wait,
        an_optimistic_commit_under_another_configuration_is_ignored,
        an_optimistic_commit_on_a_removed_series_is_ignored,
        a_refused_commit_may_return_the_state_and_store_nothing,
        a_refused_commit_joins_samples_that_wait,
        optimistic_samples_without_a_time_get_the_time_of_the_store,
    }
    feedback: {
        feedback_is_stored_with_its_series,
        a_replacement_of_another_revision_changes_nothing,
        a_commit_judged_before_feedback_is_a_conflict,
        concurrent_answers_are_all_stored,
    }
    counter: {
        a_waiting_sample_keeps_its_kind_and_start,
        a_total_is_identified_by_its_value_alone,
        a_replayed_counter_has_the_rates_of_the_stored_totals,
        an_optimistic_commit_that_is_ignored_keeps_the_kind,
        a_configured_kind_is_committed_instead_of_the_one_that_waits,
        a_long_total_with_a_start_has_no_room_for_a_band,
    }
    read: {
        anomalies_come_newest_first,
        a_list_has_every_series_of_its_tenant_once,
        the_worst_have_the_most_recent_anomalies,
        pages_of_the_worst_list_each_series_once_even_with_equal_scores,
        a_removed_series_is_new,
        the_series_of_a_tenant_are_counted,
        recent_series_come_first_and_have_summaries,
    }
    config: {
        a_configuration_is_read_with_its_series,
        a_configuration_change_between_append_and_commit_is_a_conflict,
        each_configuration_has_a_new_revision,
        a_removed_series_has_no_configuration,
        maintenance_anomalies_are_neither_listed_nor_counted,
        a_changed_configuration_is_marked_until_the_history_holds_it,
        a_configuration_is_restored_only_if_none_is_stored_or_was_removed,
        a_commit_without_a_configuration_conflicts_after_its_restore,
        new_configurations_above_the_limit_are_refused,
        without_a_history_a_removed_configuration_leaves_nothing,
    }
    sweep: {
        a_series_is_pending_until_its_samples_are_judged,
        episodes_come_newest_first_and_the_last_may_be_open,
        episodes_are_marked_until_the_history_holds_them,
        without_a_history_nothing_is_marked,
        a_minor_change_of_an_episode_keeps_its_notable_version,
        the_oldest_episodes_are_dropped_and_counted_if_unsaved,
        silence_checks_are_due_at_their_time,
    }
    alerts: {
        a_changed_episode_queues_its_series_once_a_notifier_runs,
        alerts_are_saved_over_the_version_that_was_read,
        a_forgotten_series_is_checked_again_if_it_has_alerts,
        the_series_with_alerts_are_those_of_their_tenant,
        one_notifier_holds_the_lease,
    }
    status: {
        a_token_bucket_refills_at_its_rate,
        totals_of_processes_add_up,
        gauges_cover_all_tenants,
        leases_list_running_processes,
        one_generation_has_one_detector,
    }
}
