//! Judges samples before they are appended, where the process still knows their series.
//!
//! What is judged ahead counts only if the store finds the series as it was known, with nothing waiting. So only
//! samples are judged ahead that will be fresh then; all others take the way over the inbox.

use detector::Judge;
use domain::Sample;
use domain::SeriesKey;
use store::{NewSample, Store};

/// Samples in time order, and where each stood.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) samples: Vec<Sample>,
    pub(crate) order: Vec<usize>,
}

/// The samples as they will be judged, if all of them are fresh to a series as its judge knows it.
///
/// One without a time gets the first free microsecond by the clock of the store.
pub(crate) fn fresh_in_order(
    store: &dyn Store,
    key: &SeriesKey,
    judge: &Judge,
    samples: &[NewSample],
) -> Option<Ordered> {
    let mut timed: Vec<(usize, Sample)> = Vec::with_capacity(samples.len());
    for (i, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.at_us.is_some()) {
        timed.push((i, Sample::new(sample.at_us?, sample.value).ok()?));
    }
    timed.sort_by_key(|(_, sample)| sample.at_us());
    if timed.len() < samples.len() {
        stamp(store.store_time_us(key)?, judge, samples, &mut timed)?;
    }
    let is_twice = timed.windows(2).any(|two| two[0].1.at_us() == two[1].1.at_us());
    let (order, samples): (Vec<usize>, Vec<Sample>) = timed.into_iter().unzip();
    let floor_us = judge.memory().floor_us;
    let is_fresh = |sample: &Sample| {
        floor_us.is_none_or(|floor_us| sample.at_us() > floor_us)
            && judge.window().at(sample.at_us()).is_none()
    };
    (!is_twice && samples.iter().all(is_fresh)).then_some(Ordered { samples, order })
}

/// Adds the samples without a time to those with one, which are in time order.
fn stamp(
    now_us: i64,
    judge: &Judge,
    samples: &[NewSample],
    timed: &mut Vec<(usize, Sample)>,
) -> Option<()> {
    let mut free_us = judge.memory().floor_us.map_or(now_us, |floor_us| now_us.max(floor_us + 1));
    for (i, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.at_us.is_none()) {
        let place = loop {
            let place = timed.partition_point(|(_, other)| other.at_us() < free_us);
            let is_taken = timed.get(place).is_some_and(|(_, other)| other.at_us() == free_us);
            if !is_taken && judge.window().at(free_us).is_none() {
                break place;
            }
            free_us += 1;
        };
        timed.insert(place, (i, Sample::new(free_us, sample.value).ok()?));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use detector::Detector;
    use domain::Series;
    use domain::Tenant;
    use store::EmbeddedStore;

    use super::*;

    fn of(times: &[Option<i64>]) -> Option<(Vec<i64>, Vec<usize>)> {
        let store = EmbeddedStore::new(|| 100);
        let series = Series::new("s", "m", BTreeMap::new()).unwrap();
        let key = SeriesKey::new(Tenant::default(), series);
        let mut judge = Judge::new(Detector::ALL[0]);
        // A window keeps 128: the floor is at 9.
        (1..=137).filter(|at| *at != 90).for_each(|at| {
            judge.judge(Sample::new(at, 1.0).unwrap());
        });
        let samples: Vec<NewSample> =
            times.iter().map(|at_us| NewSample { at_us: *at_us, value: 1.0 }).collect();
        let ordered = fresh_in_order(&store, &key, &judge, &samples)?;
        Some((ordered.samples.iter().map(Sample::at_us).collect(), ordered.order))
    }

    #[test]
    fn fresh_samples_come_in_time_order_late_ones_too() {
        assert_eq!(
            of(&[Some(200), Some(90), Some(150)]),
            Some((vec![90, 150, 200], vec![1, 2, 0]))
        );
    }

    #[test]
    fn a_sample_without_a_time_gets_the_first_free_one() {
        assert_eq!(of(&[None, None]), Some((vec![138, 139], vec![0, 1])));
        let among = of(&[None, Some(138), None, Some(140)]);
        assert_eq!(among, Some((vec![138, 139, 140, 141], vec![1, 0, 3, 2])));
    }

    #[test]
    fn what_is_not_fresh_is_not_judged_ahead() {
        assert_eq!(of(&[Some(200), Some(100)]), None, "in the window");
        assert_eq!(of(&[Some(8)]), None, "below the floor");
        assert_eq!(of(&[Some(200), Some(200)]), None, "twice in one batch");
        assert_eq!(of(&[Some(200), Some(-1)]), None, "no sample at all");
    }
}
