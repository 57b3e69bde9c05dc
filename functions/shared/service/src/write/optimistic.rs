//! Sorts and stamps samples so that they can be judged before they are appended (optimistic concurrency).
//!
//! An optimistic commit counts only if the store finds the series unchanged and its inbox empty. So only samples that
//! will be fresh are judged optimistically; all others go through the inbox.

use detector::Judge;
use domain::{Sample, SeriesKey};
use store::{NewSample, Store};

/// Samples in time order, with their original positions.
#[derive(Debug)]
pub(super) struct OrderedSamples {
    pub(super) samples: Vec<Sample>,
    pub(super) order: Vec<usize>,
}

/// Sorts samples into the order in which they will be judged; `None` unless all of them are fresh to the judge.
///
/// A sample without a time gets the first free microsecond by the clock of the store.
pub(super) fn order_fresh(
    store: &dyn Store,
    key: &SeriesKey,
    judge: &Judge,
    samples: &[NewSample],
) -> Option<OrderedSamples> {
    let mut timed: Vec<(usize, Sample)> = Vec::with_capacity(samples.len());
    for (i, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.at_us.is_some()) {
        timed.push((i, Sample::of_kind(sample.at_us?, sample.value, sample.kind).ok()?));
    }
    timed.sort_by_key(|(_, sample)| sample.at_us());
    if timed.len() < samples.len() {
        stamp(store.store_time_us(key)?, judge, samples, &mut timed)?;
    }
    let has_repeats = timed.windows(2).any(|pair| pair[0].1.at_us() == pair[1].1.at_us());
    let (order, samples): (Vec<usize>, Vec<Sample>) = timed.into_iter().unzip();
    let floor_us = judge.memory().floor_us;
    let is_fresh = |sample: &Sample| {
        // The commit has the configured kind: if the store refuses it, the sample must wait as it was sent.
        judge.is_read_as_sent(*sample)
            && floor_us.is_none_or(|floor_us| sample.at_us() > floor_us)
            && judge.window().at(sample.at_us()).is_none()
    };
    let is_fresh = !has_repeats && samples.iter().all(is_fresh);
    is_fresh.then_some(OrderedSamples { samples, order })
}

/// Inserts the samples without a time into those with one, which are sorted.
fn stamp(
    now_us: i64,
    judge: &Judge,
    samples: &[NewSample],
    timed: &mut Vec<(usize, Sample)>,
) -> Option<()> {
    // As in `append`: after the newest judged sample, so that it is not late.
    let newest_us = judge.memory().floor_us.max(judge.memory().cursor_us);
    let mut free_us = newest_us.map_or(now_us, |newest_us| now_us.max(newest_us + 1));
    for (i, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.at_us.is_none()) {
        let position = loop {
            let position = timed.partition_point(|(_, other)| other.at_us() < free_us);
            let is_taken = timed.get(position).is_some_and(|(_, other)| other.at_us() == free_us);
            if !is_taken && judge.window().at(free_us).is_none() {
                break position;
            }
            free_us += 1;
        };
        timed.insert(position, (i, Sample::of_kind(free_us, sample.value, sample.kind).ok()?));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use detector::Detector;
    use domain::{Series, Tenant};
    use store::EmbeddedStore;

    use super::*;

    fn order(times: &[Option<i64>]) -> Option<(Vec<i64>, Vec<usize>)> {
        let store = EmbeddedStore::new(|| 100);
        let series = Series::new("s", "m", BTreeMap::new()).unwrap();
        let key = SeriesKey::new(Tenant::default(), series);
        let mut judge = Judge::new(Detector::ALL[0]);
        // The window has 128 samples, so the floor is at 9.
        (1..=137).filter(|at| *at != 90).for_each(|at| {
            judge.judge(Sample::new(at, 1.0).unwrap());
        });
        let samples: Vec<NewSample> =
            times.iter().map(|at_us| NewSample::gauge(*at_us, 1.0)).collect();
        let ordered = order_fresh(&store, &key, &judge, &samples)?;
        Some((ordered.samples.iter().map(Sample::at_us).collect(), ordered.order))
    }

    #[test]
    fn fresh_samples_are_sorted_even_late_ones() {
        assert_eq!(
            order(&[Some(200), Some(90), Some(150)]),
            Some((vec![90, 150, 200], vec![1, 2, 0]))
        );
    }

    #[test]
    fn a_sample_without_a_time_gets_the_first_free_one() {
        assert_eq!(order(&[None, None]), Some((vec![138, 139], vec![0, 1])));
        let among = order(&[None, Some(138), None, Some(140)]);
        assert_eq!(among, Some((vec![138, 139, 140, 141], vec![1, 0, 3, 2])));
    }

    #[test]
    fn samples_that_are_not_fresh_are_not_judged_optimistically() {
        assert_eq!(order(&[Some(200), Some(100)]), None, "in the window");
        assert_eq!(order(&[Some(8)]), None, "below the floor");
        assert_eq!(order(&[Some(200), Some(200)]), None, "twice in one batch");
        assert_eq!(order(&[Some(200), Some(-1)]), None, "not a valid time");
    }
}
