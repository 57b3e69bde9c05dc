//! Tests of judging, restoring and migrating one series.

use super::*;
use crate::{Feedback, FeedbackList, FeedbackVerdict, RestoreError};
use domain::VerdictKind;

const DEPLOYED: DeployedDetector = DeployedDetector { detector: Detector::ALL[0], generation: 3 };

fn sample(i: i64) -> Sample {
    Sample::new(i * 60_000_000, 100.0 + (i % 7) as f64).unwrap()
}

fn learned(deployed: DeployedDetector, n: i64) -> Judge {
    let mut judge = Judge::restore(deployed, None, Vec::new()).unwrap();
    (0..n).for_each(|i| _ = judge.judge(sample(i)));
    judge
}

fn restored(deployed: DeployedDetector, judge: &Judge) -> Result<Judge, RestoreError> {
    Judge::restore(deployed, Some(&judge.memory().encode()), judge.window().judged().to_vec())
}

#[test]
fn a_judge_restored_after_each_sample_returns_the_same_verdicts() {
    for detector in Detector::ALL {
        let deployed = DeployedDetector { detector, generation: 0 };
        let mut judge = learned(deployed, 0);
        let mut stored = judge.clone();
        for i in 0..600 {
            let spike = if i % 50 == 49 { 300.0 } else { 0.0 };
            let sample = Sample::new(i * 60_000_000, sample(i).value() + spike).unwrap();
            stored = restored(deployed, &stored).unwrap();
            assert_eq!(stored.judge(sample), judge.judge(sample));
            assert_eq!(stored.memory(), judge.memory());
        }
    }
}

#[test]
fn a_late_sample_joins_the_window_and_changes_no_scalar() {
    let mut judge = learned(DEPLOYED, 100);
    let before = judge.memory().clone();
    let judgement = judge.judge(Sample::new(sample(80).at_us() + 1, 5_000.0).unwrap());
    assert!(judgement.late && judgement.verdict.is_anomaly());
    assert!(judge.window().at(sample(80).at_us() + 1).is_some());
    assert_eq!(judge.memory().cursor_us, before.cursor_us);
    assert_eq!(judge.memory().last, before.last);
    assert_eq!(judge.memory().counters.late, 1);
}

#[test]
fn a_time_that_was_judged_changes_nothing() {
    let mut judge = learned(DEPLOYED, 300);
    let (memory, n_judged) = (judge.memory().clone(), judge.window().judged().len());
    for i in [299, 250, 172] {
        assert!(judge.judge(Sample::new(sample(i).at_us(), 9_000.0).unwrap()).late);
    }
    assert_eq!(judge.memory(), &memory);
    assert_eq!(judge.window().judged().len(), n_judged);
}

#[test]
fn a_sample_below_the_floor_is_counted_but_not_stored() {
    let mut judge = learned(DEPLOYED, 300);
    let floor_us = judge.memory().floor_us;
    assert!(judge.judge(Sample::new(sample(3).at_us() + 1, 100.0).unwrap()).late);
    assert_eq!((judge.memory().counters.judged, judge.memory().floor_us), (301, floor_us));
    assert!(judge.window().at(sample(3).at_us() + 1).is_none());
}

#[test]
fn consecutive_anomalies_are_one_episode() {
    let mut judge = learned(DEPLOYED, 100);
    for (i, value) in [(100, 200.0), (101, 1e9)] {
        judge.judge(Sample::new(sample(i).at_us(), value).unwrap());
    }
    let episode = judge.memory().episode.unwrap();
    assert_eq!((episode.start_us, episode.n_samples), (sample(100).at_us(), 2));
    assert_eq!(episode.peak.unwrap().sample.value(), 1e9);
    judge.judge(sample(102));
    assert_eq!(judge.memory().episode_record(), None);
}

#[test]
fn an_anomaly_within_a_quarter_of_an_hour_of_the_last_one_joins_its_episode() {
    for (pause, n_samples) in [(2, 2), (14, 2), (16, 1)] {
        let mut judge = learned(DEPLOYED, 300);
        let spike = |i: i64| Sample::new(sample(i).at_us(), 1e9).unwrap();
        judge.judge(spike(300));
        for i in 301..300 + pause {
            // Stored bytes hold what a later process needs to join.
            let bytes = judge.memory().encode();
            judge =
                Judge::restore(DEPLOYED, Some(&bytes), judge.window().judged().to_vec()).unwrap();
            assert!(!judge.judge(sample(i)).verdict.is_anomaly());
            assert_eq!(judge.memory().episode_record(), None);
        }
        assert!(judge.judge(spike(300 + pause)).verdict.is_anomaly());
        let record = judge.memory().episode_record().unwrap();
        let start = if n_samples == 2 { 300 } else { 300 + pause };
        assert_eq!((record.start_us, record.n_samples), (sample(start).at_us(), n_samples));
    }
}

#[test]
fn a_lost_memory_is_learned_again_from_the_window() {
    let judge = learned(DEPLOYED, 300);
    for memory in [None, Some(&b"rubbish"[..])] {
        let again = Judge::restore(DEPLOYED, memory, judge.window().judged().to_vec()).unwrap();
        assert_eq!(again.origin(), MemoryOrigin::Relearned);
        assert_eq!(again.memory().cursor_us, judge.memory().cursor_us);
        assert!(again.memory().floor_us >= judge.memory().floor_us);
        assert_eq!(again.verdict(sample(300)).kind, VerdictKind::Normal);
    }
}

#[test]
fn after_a_lost_window_replayed_samples_are_not_judged_again() {
    let judge = learned(DEPLOYED, 300);
    let again = Judge::restore(DEPLOYED, Some(&judge.memory().encode()), Vec::new()).unwrap();
    assert_eq!(again.memory().floor_us, judge.memory().cursor_us);
    assert_eq!(again.verdict(sample(300)).kind, VerdictKind::Learning);
}

#[test]
fn the_higher_generation_chooses_the_detector() {
    let zscore = Detector::ALL[1];
    let judge = learned(DEPLOYED, 300);
    let higher = restored(DeployedDetector { detector: zscore, generation: 4 }, &judge).unwrap();
    assert_eq!((higher.origin(), higher.memory().detector), (MemoryOrigin::Migrated, zscore));
    assert_eq!(higher.memory().counters, judge.memory().counters);
    let lower = restored(DeployedDetector { detector: zscore, generation: 2 }, &judge).unwrap();
    assert_eq!(
        (lower.origin(), lower.memory().detector),
        (MemoryOrigin::Stored, DEPLOYED.detector)
    );
    assert_eq!(lower.memory().generation, 3);
    assert!(restored(DeployedDetector { detector: zscore, generation: 3 }, &judge).is_err());
}

#[test]
fn an_unreadable_memory_of_a_newer_deployment_is_an_error() {
    let mut memory = learned(DeployedDetector { generation: 9, ..DEPLOYED }, 50).memory().encode();
    // A detector of a later version.
    let spec_at = memory.len() - 4;
    memory[spec_at..].copy_from_slice(b"next");
    let error = Judge::restore(DEPLOYED, Some(&memory), Vec::new()).unwrap_err();
    assert_eq!(error, RestoreError::Newer { stored: 9, deployed: 3 });
    let own = DeployedDetector { generation: 9, ..DEPLOYED };
    assert_eq!(
        Judge::restore(own, Some(&memory), Vec::new()).unwrap().origin(),
        MemoryOrigin::Relearned
    );
}

fn configured(deployed: DeployedDetector, config: &SeriesConfig, judge: &Judge) -> Judge {
    let memory = judge.memory().encode();
    let window = judge.window().judged().to_vec();
    Judge::restore_configured(deployed, config, Some(&memory), window).unwrap()
}

fn own(spec: &str) -> SeriesConfig {
    SeriesConfig::new(Some(spec.parse().unwrap()), Vec::new()).unwrap()
}

#[test]
fn an_own_detector_applies_in_every_generation_and_migrates_once() {
    let config = own("zscore:window=40,threshold=3");
    let judge = configured(DEPLOYED, &config, &learned(DEPLOYED, 300));
    assert_eq!((judge.origin(), judge.memory().has_own_detector), (MemoryOrigin::Migrated, true));
    assert_eq!(Some(judge.memory().detector), config.detector);
    assert_eq!(judge.memory().counters.judged, 300);
    for generation in [0, 3, 9] {
        for detector in Detector::ALL {
            let again = configured(DeployedDetector { detector, generation }, &config, &judge);
            assert_eq!(again.origin(), MemoryOrigin::Stored);
            assert_eq!(again.memory(), judge.memory());
        }
    }
}

#[test]
fn without_its_configuration_a_series_migrates_to_its_deployment_once() {
    let config = own("zscore:window=40,threshold=3");
    let judge = configured(DEPLOYED, &config, &learned(DEPLOYED, 300));
    let lower = DeployedDetector { generation: 2, ..DEPLOYED };
    for deployed in [lower, DEPLOYED] {
        let back = restored(deployed, &judge).unwrap();
        assert_eq!(
            (back.origin(), back.memory().has_own_detector),
            (MemoryOrigin::Migrated, false)
        );
        assert_eq!(back.memory().counters, judge.memory().counters);
        assert_eq!(restored(deployed, &back).unwrap().origin(), MemoryOrigin::Stored);
    }
}

#[test]
fn configuring_the_deployed_detector_does_not_relearn() {
    let config = SeriesConfig::new(Some(DEPLOYED.detector), Vec::new()).unwrap();
    let judge = configured(DEPLOYED, &config, &learned(DEPLOYED, 300));
    assert_eq!((judge.origin(), judge.memory().has_own_detector), (MemoryOrigin::Stored, true));
    let back = restored(DEPLOYED, &judge).unwrap();
    assert_eq!((back.origin(), back.memory().has_own_detector), (MemoryOrigin::Stored, false));
}

#[test]
fn an_anomaly_in_maintenance_is_learned_but_not_counted() {
    let spike = |judge: &mut Judge| {
        let judged = judge.judge(Sample::new(sample(300).at_us(), 9_000.0).unwrap());
        let next = judge.judge(sample(301));
        (judged, next)
    };
    let mut normal = learned(DEPLOYED, 300);
    let at_us = sample(300).at_us();
    let maintenance = crate::MaintenanceWindow::new(at_us, at_us + 1, String::new()).unwrap();
    let config = SeriesConfig::new(None, vec![maintenance]).unwrap();
    let mut maintained = configured(DEPLOYED, &config, &normal);
    assert_eq!(maintained.origin(), MemoryOrigin::Stored);
    let (alert, suppressed) = (spike(&mut normal), spike(&mut maintained));
    assert_eq!(
        (alert.0.verdict.kind, suppressed.0.verdict.kind),
        (VerdictKind::Anomaly, VerdictKind::Maintenance)
    );
    assert_eq!(alert.0.verdict.in_maintenance(), suppressed.0.verdict);
    assert_eq!(alert.1, suppressed.1);
    let (alert, suppressed) = (normal.memory(), maintained.memory());
    assert_eq!((alert.counters.anomalies, suppressed.counters.anomalies), (1, 0));
    assert_eq!((&alert.state, suppressed.episode), (&suppressed.state, None));
    assert_eq!(maintained.window().at(at_us).unwrap().kind(), VerdictKind::Maintenance);
}

#[test]
fn readiness_is_predicted_from_the_sampling_interval() {
    let at = |minutes: &[i64]| {
        let mut judge = Judge::new("zscore:min=30".parse().unwrap());
        for minute in minutes {
            judge.judge(sample(*minute));
        }
        judge.learning().ready_at_us
    };
    assert_eq!((at(&[]), at(&[7])), (None, None));
    assert_eq!(at(&[0, 1]), Some(sample(29).at_us()));
    // One night without samples does not change the median interval.
    assert_eq!(at(&[0, 1, 2, 602, 603]), Some(sample(628).at_us()));
    assert_eq!(at(&(0..30).collect::<Vec<_>>()), None);
}

#[test]
fn learning_reports_its_progress() {
    let progress = learned(DEPLOYED, 4).learning();
    assert_eq!((progress.seen, progress.needed, progress.is_ready()), (4, 10, false));
    assert!(learned(DEPLOYED, 10).learning().is_ready());
}

/// The judge with these answers about each signal, restored from its memory and window.
fn answered(judge: &Judge, verdicts: &[FeedbackVerdict], signals: &str) -> Judge {
    let answer = |(i, verdict): (i64, &FeedbackVerdict)| Feedback {
        verdict: *verdict,
        start_us: i,
        end_us: i,
        given_us: 400 * 60_000_000,
        signals: signals.parse().unwrap(),
    };
    let given = (0..).zip(verdicts).map(answer).collect();
    let config = SeriesConfig::default().with_feedback(FeedbackList::new(given));
    let deployed = DeployedDetector { detector: judge.memory().detector, generation: 0 };
    let (memory, window) = (judge.memory().encode(), judge.window().judged().to_vec());
    Judge::restore_configured(deployed, &config, Some(&memory), window).unwrap()
}

#[test]
fn feedback_moves_the_score_or_the_band_of_its_signal_only() {
    use FeedbackVerdict::{FalseAlarm, Missed};
    for detector in Detector::ALL.into_iter().chain([Detector::PROFILES[1].1]) {
        let judge = learned(DeployedDetector { detector, generation: 0 }, 400);
        let spike = Sample::new(400 * 60_000_000, 128.0).unwrap();
        let signal = if detector == Detector::PROFILES[1].1 { "novelty" } else { "deviation" };
        let share = |judge: &Judge| {
            let signals = judge.explain(spike).signals;
            let score = signals.iter().find(|score| score.signal.as_str() == signal).unwrap();
            score.score / score.threshold
        };
        let usual = share(&judge);
        let doubled = share(&answered(&judge, &[FalseAlarm; 3], signal));
        let halved = share(&answered(&judge, &[Missed; 3], signal));
        assert!((doubled * 2.0 / usual - 1.0).abs() < 1e-6, "{detector}");
        assert!((halved / 2.0 / usual - 1.0).abs() < 1e-6, "{detector}");
        assert_eq!(share(&answered(&judge, &[FalseAlarm; 3], "shift+gap")), usual, "{detector}");
        assert_eq!(share(&answered(&judge, &[], signal)), usual, "{detector}");
    }
}

#[test]
fn a_false_alarm_on_a_gap_makes_silence_later() {
    let judge = learned(DeployedDetector { detector: Detector::default(), generation: 0 }, 400);
    let silent = |judge: &Judge| judge.silent_from_us().unwrap() - 399 * 60_000_000;
    let raised = answered(&judge, &[FeedbackVerdict::FalseAlarm; 2], "gap");
    assert!(silent(&raised) > silent(&judge) * 3 / 2, "{} {}", silent(&raised), silent(&judge));
}
