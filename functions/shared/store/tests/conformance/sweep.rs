//! Queues of a sweep: pending series, episodes, silence checks.

use detector::SilenceCheck;
use domain::{EpisodePhase, EpisodeRecord};
use store::{Commit, CommitOutcome, EPISODES_KEPT_MAX, EpisodeUpdate, NewSample, PastRange, Store};

use crate::fixture::{at, commit_of, key, key_of, never_sent, state, wave, write};

pub(crate) async fn a_series_is_pending_until_its_samples_are_judged(store: &dyn Store) {
    let tenants = [key_of("t", "a"), key_of("u v/%", "b")];
    for key in &tenants {
        store.append(key, &[at(1, 1.0)], 0).await.unwrap();
    }
    assert_eq!(store.pending(10).await.unwrap(), tenants);
    assert_eq!(store.pending(1).await.unwrap().len(), 1);
    write(store, &tenants[0], &[at(2, 1.0)]).await;
    assert_eq!(store.pending(10).await.unwrap(), tenants[1..]);
}

const ALL: PastRange = PastRange { since_us: 0, before_us: None, limit: 1_000 };

/// Times of the spikes of [`wave`], in Unix microseconds.
fn spikes(range: std::ops::Range<i64>) -> impl DoubleEndedIterator<Item = i64> {
    range.filter(|i| i % 50 == 49).map(|i| i * 1_000_000)
}

pub(crate) async fn episodes_come_newest_first_and_the_last_may_be_open(store: &dyn Store) {
    /// Time of the last spike.
    const SPIKE_AT_US: i64 = 60 * 249_000_000;
    // So far from each other that no spike joins the episode of another.
    let slow_wave = |range| {
        let slow =
            |sample: NewSample| NewSample { at_us: sample.at_us.map(|at_us| 60 * at_us), ..sample };
        wave(range).into_iter().map(slow).collect::<Vec<_>>()
    };
    let key = key("a");
    write(store, &key, &slow_wave(0..250)).await;
    let stored = store.episodes(&key, ALL).await.unwrap();
    let phases: Vec<(i64, EpisodePhase)> =
        stored.iter().map(|episode| (episode.record.start_us, episode.record.phase)).collect();
    let phase =
        |start_us| if start_us == SPIKE_AT_US { EpisodePhase::Open } else { EpisodePhase::Over };
    let expected: Vec<_> =
        spikes(0..250).rev().map(|at_us| (60 * at_us, phase(60 * at_us))).collect();
    assert_eq!(phases, expected);
    let memory = detector::Memory::decode(&state(store, &key).await.memory.unwrap()).unwrap();
    assert_eq!(Some(stored[0].record), memory.episode_record());

    write(store, &key, &slow_wave(250..260)).await;
    let ended = store.episodes(&key, ALL).await.unwrap();
    assert_eq!((ended.len(), ended[0].record.phase), (5, EpisodePhase::Over));
    assert_eq!(ended[0].record.end_us, SPIKE_AT_US);
    assert!(ended[0].revision > stored[0].revision && ended[1] == stored[1]);
    let range = PastRange { since_us: 60 * 149_000_000, before_us: Some(SPIKE_AT_US), limit: 1 };
    let page = store.episodes(&key, range).await.unwrap();
    assert_eq!(page, [ended[1]]);
    let before = store.episodes(&key, ALL).await.unwrap();
    write(store, &key, &slow_wave(130..260)).await;
    assert_eq!(store.episodes(&key, ALL).await.unwrap(), before, "a replay");
    assert_eq!(store.episodes(&never_sent(), ALL).await.unwrap(), []);
}

pub(crate) async fn episodes_are_marked_until_the_history_holds_them(store: &dyn Store) {
    let key = key("a");
    assert_eq!(store.unsaved_episodes(10).await.unwrap(), []);
    write(store, &key, &wave(0..101)).await;
    let [unsaved] = store.unsaved_episodes(10).await.unwrap().try_into().unwrap();
    assert_eq!((&unsaved.key, store.n_unsaved_episodes().await.unwrap()), (&key, 1));
    let stored = store.episodes(&key, ALL).await.unwrap();
    assert!(
        !stored.is_empty()
            && stored.iter().all(|episode| episode.notable_version > unsaved.saved_version)
    );
    // A notable change during the save stays marked.
    let saved = stored.iter().map(|episode| episode.notable_version).max().unwrap();
    write(store, &key, &wave(101..151)).await;
    store.mark_episodes_saved(&key, saved).await.unwrap();
    let [unsaved] = store.unsaved_episodes(10).await.unwrap().try_into().unwrap();
    assert_eq!(unsaved.saved_version, saved);
    let left = store.episodes(&key, ALL).await.unwrap();
    assert_eq!(left.iter().filter(|episode| episode.notable_version > saved).count(), 1);
    // Marking is idempotent, in any order.
    let newest = left.iter().map(|episode| episode.notable_version).max().unwrap();
    for version in [newest, saved, newest] {
        store.mark_episodes_saved(&key, version).await.unwrap();
        assert_eq!(store.unsaved_episodes(10).await.unwrap(), []);
    }
    write(store, &key, &wave(151..199)).await;
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 0, "nothing notable");
    write(store, &key, &wave(199..200)).await;
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 1);
    assert!(store.forget(&key).await.unwrap());
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 0);
    assert_eq!(store.episodes(&key, ALL).await.unwrap(), []);
}

pub(crate) async fn without_a_history_nothing_is_marked(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..250)).await;
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 0);
    assert_eq!(store.unsaved_episodes(10).await.unwrap(), []);
}

pub(crate) async fn a_minor_change_of_an_episode_keeps_its_notable_version(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..201)).await;
    let mut versions = Vec::new();
    for (n_samples, is_notable) in [(1, true), (2, false), (3, false), (4, true)] {
        let appended = store.append(&key, &[at(201 + n_samples, 1.0)], 0).await.unwrap();
        let record = EpisodeRecord {
            start_us: 300_000_000,
            end_us: 300_000_000,
            n_samples: 1,
            phase: EpisodePhase::Open,
            peak: None,
        };
        let episode_update =
            EpisodeUpdate { episodes: vec![record], is_notable, ..EpisodeUpdate::default() };
        let commit = Commit { episode_update, ..commit_of(&appended.state.unwrap()) };
        let CommitOutcome::Committed { version } = store.commit(&key, &commit).await.unwrap()
        else {
            panic!("no other writer commits")
        };
        let stored = store.episodes(&key, ALL).await.unwrap()[0];
        assert_eq!(stored.revision, version);
        versions.push(stored.notable_version);
    }
    assert!(versions[0] == versions[1] && versions[1] == versions[2] && versions[2] < versions[3]);
}

pub(crate) async fn the_oldest_episodes_are_dropped_and_counted_if_unsaved(store: &dyn Store) {
    let key = key("a");
    store.unsaved_episodes(1).await.unwrap();
    write(store, &key, &wave(0..10)).await;
    let record = |i: i64| EpisodeRecord {
        start_us: i,
        end_us: i,
        n_samples: 1,
        phase: EpisodePhase::Over,
        peak: None,
    };
    let appended = store.append(&key, &[at(10, 1.0)], 0).await.unwrap();
    let episodes = (0..EPISODES_KEPT_MAX as i64 + 3).map(record).collect();
    let episode_update = EpisodeUpdate { episodes, is_notable: true, ..EpisodeUpdate::default() };
    let commit = Commit { episode_update, ..commit_of(&appended.state.unwrap()) };
    assert!(matches!(store.commit(&key, &commit).await.unwrap(), CommitOutcome::Committed { .. }));
    let kept = store.episodes(&key, ALL).await.unwrap();
    assert_eq!((kept.len(), kept.last().unwrap().record.start_us), (EPISODES_KEPT_MAX, 3));
    assert_eq!(store.totals().await.unwrap()["episodes_lost"], 3);
}

pub(crate) async fn silence_checks_are_due_at_their_time(store: &dyn Store) {
    let (one, other) = (key("a"), key("b"));
    for (key, check_us) in [(&one, 5_000), (&other, 4_000)] {
        let appended = store.append(key, &[at(1, 1.0)], 0).await.unwrap();
        let episode_update = EpisodeUpdate {
            silence_check: Some(SilenceCheck::At(check_us)),
            ..EpisodeUpdate::default()
        };
        let commit = Commit { episode_update, ..commit_of(&appended.state.unwrap()) };
        assert!(matches!(
            store.commit(key, &commit).await.unwrap(),
            CommitOutcome::Committed { .. }
        ));
    }
    assert_eq!(store.due_silence_checks(3_999, 10).await.unwrap(), []);
    assert_eq!(store.due_silence_checks(5_000, 10).await.unwrap(), [other.clone(), one.clone()]);
    assert_eq!(store.due_silence_checks(5_000, 1).await.unwrap(), std::slice::from_ref(&other));
    store.reschedule_silence_check(&other, SilenceCheck::At(6_000)).await.unwrap();
    store.reschedule_silence_check(&never_sent(), SilenceCheck::At(1)).await.unwrap();
    assert_eq!(store.due_silence_checks(5_999, 10).await.unwrap(), std::slice::from_ref(&one));
    store.reschedule_silence_check(&one, SilenceCheck::Never).await.unwrap();
    assert!(store.forget(&other).await.unwrap());
    assert_eq!(store.due_silence_checks(i64::MAX >> 11, 10).await.unwrap(), []);
}
