//! Feedback of people, which is part of a series' configuration.

use detector::{Feedback, FeedbackList, FeedbackVerdict, SeriesConfig, SignalSet};
use store::{CommitOutcome, Store, StoredConfig};

use crate::fixture::{at, commit_of, key, own_config, state, wave};

fn config(n_answers: i64) -> SeriesConfig {
    let answer = |i| Feedback {
        verdict: FeedbackVerdict::FalseAlarm,
        start_us: i,
        end_us: i + 1,
        given_us: i + 2,
        signals: SignalSet::TRAFFIC,
    };
    let given = (0..n_answers).map(answer).collect();
    SeriesConfig::default().with_feedback(FeedbackList::new(given))
}

pub(crate) async fn feedback_is_stored_with_its_series(store: &dyn Store) {
    let (given, other) = (key("given"), key("other"));
    store.append(&given, &wave(0..60), 0).await.unwrap();
    let revision = store.replace_config(&given, Some(&config(100)), 0).await.unwrap().unwrap();
    let stored = Some(StoredConfig { revision, config: config(100) });
    assert_eq!(state(store, &given).await.config, stored);
    let configs = store.configs(&[other.clone(), given.clone()]).await.unwrap();
    assert_eq!(configs, [None, stored]);
    assert_eq!(store.configs(&[]).await.unwrap(), []);
    assert!(store.forget(&given).await.unwrap());
    assert_eq!(store.configs(&[given]).await.unwrap(), [None]);
}

pub(crate) async fn a_replacement_of_another_revision_changes_nothing(store: &dyn Store) {
    let key = key("a");
    let first = store.replace_config(&key, Some(&config(1)), 0).await.unwrap().unwrap();
    for stale in [0, first - 1, first + 1] {
        assert_eq!(store.replace_config(&key, Some(&config(2)), stale).await.unwrap(), None);
        assert_eq!(store.replace_config(&key, None, stale).await.unwrap(), None);
    }
    let own = own_config("ewma");
    let second = store.replace_config(&key, Some(&own), first).await.unwrap().unwrap();
    assert!(second > first);
    let stored = Some(StoredConfig { revision: second, config: own });
    assert_eq!(store.configs(std::slice::from_ref(&key)).await.unwrap(), [stored]);
    assert!(store.replace_config(&key, None, second).await.unwrap().is_some());
    assert_eq!(store.configs(std::slice::from_ref(&key)).await.unwrap(), [None]);
    let third = store.replace_config(&key, Some(&config(1)), 0).await.unwrap().unwrap();
    assert!(third >= second);
}

pub(crate) async fn a_commit_judged_before_feedback_is_a_conflict(store: &dyn Store) {
    let key = key("a");
    let waiting = store.append(&key, &wave(0..60), 0).await.unwrap().state.unwrap();
    let revision = store.replace_config(&key, Some(&config(1)), 0).await.unwrap().unwrap();
    let stale = store.commit(&key, &commit_of(&waiting)).await.unwrap();
    let CommitOutcome::Conflict(now) = stale else { panic!("feedback was given") };
    assert_eq!(
        (now.revision(), now.config.as_ref().map(|stored| &stored.config)),
        (revision, Some(&config(1)))
    );
    let fresh = store.commit(&key, &commit_of(&now)).await.unwrap();
    assert!(matches!(fresh, CommitOutcome::Committed { .. }));
    // The same between two commits, and for the removal of the answer.
    let waiting = store.append(&key, &[at(60, 1.0)], 0).await.unwrap().state.unwrap();
    store.replace_config(&key, None, revision).await.unwrap().unwrap();
    let stale = store.commit(&key, &commit_of(&waiting)).await.unwrap();
    assert!(matches!(stale, CommitOutcome::Conflict(_)));
}

pub(crate) async fn concurrent_answers_are_all_stored(store: &dyn Store) {
    let key = key("a");
    let give = |i: i64| {
        let key = key.clone();
        async move {
            loop {
                let stored = store.configs(std::slice::from_ref(&key)).await.unwrap().remove(0);
                let (before, revision) =
                    stored.map_or_else(Default::default, |stored| (stored.config, stored.revision));
                let answer = config(20).feedback().given()[i as usize];
                let feedback = before.feedback().with(answer).unwrap();
                let config = before.with_feedback(feedback);
                let replaced = store.replace_config(&key, Some(&config), revision).await.unwrap();
                if replaced.is_some() {
                    return;
                }
            }
        }
    };
    futures_util::future::join_all((0..20).map(give)).await;
    let stored = state(store, &key).await.config.unwrap();
    assert_eq!(stored.config, config(20));
}
