//! Tests of the texts of samples, verdicts and episodes.

use proptest::prelude::*;

use super::*;
use crate::StoredEpisode;

fn any_judgement() -> impl Strategy<Value = Judgement> {
    let numbers =
        (0i64..=1 << 53, -1e15..=1e15_f64, any::<f32>().prop_filter("finite", |s| s.is_finite()));
    let band = (any::<f64>(), any::<f64>(), any::<f64>());
    let band = band.prop_filter("finite", |band| (band.0 + band.1 + band.2).is_finite());
    (numbers, 0..VerdictKind::ALL.len(), any::<bool>(), band).prop_map(
        |((at_us, value, score), kind, late, band)| Judgement {
            sample: Sample::new(at_us, value).unwrap(),
            rate: Rate::NotCounter,
            verdict: Verdict {
                kind: VerdictKind::ALL[kind],
                score: f64::from(score),
                expectation: Some(Expectation {
                    signal: Signal::Deviation,
                    value: band.0,
                    low: band.1,
                    high: band.2,
                }),
            },
            late,
        },
    )
}

/// The same judgement of a counter.
fn of_counter(judgement: Judgement, started_at_us: Option<i64>, rate: f64) -> Judgement {
    let (at_us, total) = (judgement.sample.at_us(), judgement.sample.value().abs());
    let kind = SampleKind::Counter { started_at_us };
    let sample = Sample::of_kind(at_us, total, kind).unwrap();
    Judgement { sample, rate: Rate::PerSecond(rate), ..judgement }
}

#[test]
fn a_counter_has_a_mark_with_its_start() {
    let counter = |started_at_us| SampleKind::Counter { started_at_us };
    let member = |kind| of_sample(&Sample::of_kind(7, 12.5, kind).unwrap());
    assert_eq!(member(SampleKind::Gauge), "7:1.25e1");
    assert_eq!(member(counter(None)), "7:1.25e1:+");
    assert_eq!(member(counter(Some(36 * 36 + 35))), "7:1.25e1:+10z");
    for other in ["7:1e0:", "7:1e0:-", "7:1e0:+-1", "7:1e0:++1", "7:1e0:+é", "7:1e0:+1:", "7:1:n"]
    {
        assert_eq!(sample(other).filter(Sample::is_counter), None, "{other}");
    }
}

#[test]
fn a_sum_of_observations_has_a_mark_with_their_number() {
    let kind = |count, start| SampleKind::Mean(ObservationCount::from_parts(count, start).unwrap());
    let member = |kind| of_sample(&Sample::of_kind(7, -12.5, kind).unwrap());
    assert_eq!(member(kind(36, 0)), "7:-1.25e1:+~10");
    assert_eq!(member(kind(0, 37)), "7:-1.25e1:+~0.11");
    for other in ["7:1e0:+~", "7:1e0:+~.", "7:1e0:+~1.", "7:1e0:+~-1", "7:1e0:+~1.zz", "7:1e0:~1"] {
        assert_eq!(sample(other), None, "{other}");
    }
}

/// Checks all members of a judgement of a counter or a mean, also if its rate is not known.
fn counted_reads_back(counted: Judgement) -> Result<(), TestCaseError> {
    prop_assert_eq!(sample(&of_sample(&counted.sample)), Some(counted.sample));
    prop_assert_eq!(judged(&of_judged(&counted.judged())), Some(as_stored(counted.judged())));
    prop_assert_eq!(anomaly(&of_anomaly(&counted).unwrap()), Some(counted));
    let unknown = Judgement { rate: Rate::Unknown, ..counted };
    prop_assert_eq!(anomaly(&of_anomaly(&unknown).unwrap()), Some(unknown));
    Ok(())
}

proptest! {
    #[test]
    fn members_of_means_read_back_exactly(
        judgement in any_judgement(),
        count in 0..1_u64 << 53,
        start in 0..512_u64,
        mean in -1e15..1e15_f64,
    ) {
        let kind = SampleKind::Mean(ObservationCount::from_parts(count, start).unwrap());
        let (at_us, sum) = (judgement.sample.at_us(), judgement.sample.value());
        let sample_of_mean = Sample::of_kind(at_us, sum, kind).unwrap();
        let counted = Judgement { sample: sample_of_mean, rate: Rate::Mean(mean), ..judgement };
        counted_reads_back(counted)?;
    }

    #[test]
    fn members_of_counters_read_back_exactly(
        judgement in any_judgement(),
        started_at_us in prop::option::of(0i64..=1 << 53),
        rate in 0.0..1e15_f64,
    ) {
        let counted = of_counter(judgement, started_at_us, rate);
        counted_reads_back(counted)?;
    }

    #[test]
    fn a_windows_member_of_a_whole_total_stays_within_the_compact_encoding(
        at_us in 0i64..=1 << 53,
        total in 0i64..=1 << 53,
        // Until 2085, ten digits.
        started_at_us in 0i64..3_656_158_440_062_976,
        score in 0.0..f32::MAX,
    ) {
        let kind = SampleKind::Counter { started_at_us: Some(started_at_us) };
        let sample = Sample::of_kind(at_us, total as f64, kind).unwrap();
        let counted = JudgedSample::new(sample, VerdictKind::Normal, score, false)
            .with_band(StoredBand::from_code(StoredBand::CODES - 1));
        let member = of_judged(&counted);
        prop_assert!(member.len() <= 64, "{member}");
        prop_assert_eq!(judged(&member), Some(as_stored(counted)));
    }

    #[test]
    fn members_read_back_exactly(judgement in any_judgement()) {
        let all = judgement.sample;
        prop_assert_eq!(sample(&of_sample(&all)), Some(all));
        prop_assert_eq!(judged(&of_judged(&judgement.judged())), Some(judgement.judged()));
        prop_assert_eq!(anomaly(&of_anomaly(&judgement).unwrap()), Some(judgement));
    }

    #[test]
    fn episodes_read_back_exactly(peak in prop::option::of(any_judgement()), phase in 0..3_usize) {
        let phase = EpisodePhase::ALL[phase];
        let record = EpisodeRecord { start_us: 7, end_us: 1 << 53, n_samples: 9, phase, peak };
        prop_assert_eq!(episode(&of_episode(&record)), Some(record));
        let stored = StoredEpisode { revision: 1 << 53, notable_version: 1, record };
        prop_assert_eq!(StoredEpisode::from_text(&stored.to_text()), Some(stored));
    }

    #[test]
    fn a_windows_member_stays_within_the_compact_encoding(judgement in any_judgement()) {
        let judged = judgement.judged();
        prop_assert!(of_judged(&judged).len() <= 64);
        prop_assert_eq!(as_stored(judged), judged);
    }

    #[test]
    fn other_text_is_not_read(member in "\\PC{0,80}") {
        let _read = (sample(&member), judged(&member), anomaly(&member), StoredEpisode::from_text(&member));
    }
}
