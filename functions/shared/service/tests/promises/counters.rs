//! Counters: each rate follows from the stored samples alone, whichever replica judges them, and in which order they arrive.
//!
//! So does each mean of a cumulative histogram: every third replica sends one.

use std::collections::BTreeMap;

use detector::counter;
use domain::{ObservationCount, Rate, Sample, SampleKind, Series, Tenant};
use intake::{IncomingBatch, IncomingSample};
use service::{ConfigRequest, IngestAnswer, Service};
use store::testbed::RedisServer;

use crate::deployment::{minute, replica, send, service};

const N_SERIES: usize = 50;

/// Samples of each series: fewer than a window has, so that none is too old.
const N_SAMPLES: usize = 120;

/// Samples that are shuffled together.
const SHUFFLED: usize = 40;

/// A generator of pseudorandom numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

fn replica_series(i: usize) -> Series {
    let labels = [("replica".to_owned(), i.to_string())].into();
    Series::new("checkout", "requests_total", labels).unwrap()
}

/// True for the replicas that send sums of observations instead of totals.
fn is_of_means(i: usize) -> bool {
    i % 3 == 2
}

/// Totals of a replica, or sums of a quarter second for each observation: steady traffic, standstills, restarts with and without a start, gaps and large totals.
fn totals(random: &mut Random, i: usize) -> Vec<Sample> {
    let has_start = i.is_multiple_of(2);
    let (mut total, mut started_at_us) =
        (if i.is_multiple_of(5) { 9.1e15 } else { 0.0 }, minute(0) - 1);
    let mut minute_of_sample = 0_i32;
    (0..N_SAMPLES)
        .map(|_| {
            minute_of_sample += if random.below(20) == 0 { 30 } else { 1 };
            let at_us = minute(minute_of_sample.into()) + random.below(1_000) as i64;
            if random.below(25) == 0 {
                // After a restart more may be counted than ever before: then only the start shows it.
                total = if has_start && random.below(2) == 0 { total } else { 0.0 };
                started_at_us = at_us - 5_000_000;
            }
            total += [0.0, 6_000.0, 6_060.0, 5_940.0][random.below(4)];
            let started_at_us = has_start.then_some(started_at_us);
            if is_of_means(i) {
                let count = ObservationCount::new((total / 64.0) as u64, started_at_us).unwrap();
                let sum = total * 0.25 + f64::from(minute_of_sample % 7);
                return Sample::of_kind(at_us, sum, SampleKind::Mean(count)).unwrap();
            }
            Sample::of_kind(at_us, total, SampleKind::Counter { started_at_us }).unwrap()
        })
        .collect()
}

fn incoming(series: &Series, sample: Sample) -> IncomingSample {
    let (at_us, value, kind) = (Some(sample.at_us()), sample.value(), sample.kind());
    IncomingSample { index: 0, series: series.clone(), at_us, value, kind }
}

fn batch(samples: Vec<IncomingSample>) -> IncomingBatch {
    let samples = samples.into_iter().enumerate();
    let samples = samples.map(|(index, sample)| IncomingSample { index, ..sample }).collect();
    IncomingBatch { samples, ..IncomingBatch::default() }
}

/// Rates of the samples in time order, by time; `None` if a rate is not known.
fn rates(sorted: &BTreeMap<i64, Sample>) -> BTreeMap<i64, Option<f64>> {
    let mut before = None;
    let rate = |sample: &Sample| counter::rate(before.replace(*sample), *sample).number();
    sorted.values().map(Sample::at_us).zip(sorted.values().map(rate)).collect()
}

/// Rates of an answer, by replica and time.
fn answered(answer: &IngestAnswer) -> Vec<(usize, i64, Option<f64>)> {
    let verdicts = answer.verdicts.iter();
    let answered = verdicts.map(|verdict| {
        let replica = verdict.series.labels["replica"].parse().unwrap();
        let sample = &verdict.sample;
        let is_absent = if is_of_means(replica) { sample.rate } else { sample.mean };
        assert_eq!(is_absent, None);
        (replica, sample.timestamp, sample.rate.or(sample.mean))
    });
    answered.collect()
}

/// The promise: every answer has the rates of the samples that were stored then, and in the end every rate is that of
/// the sorted series.
async fn shuffled_counters_have_the_rates_of_the_sorted_series(replicas: &[Service]) {
    let mut random = Random(7);
    let series: Vec<Series> = (0..N_SERIES).map(replica_series).collect();
    let sent: Vec<Vec<Sample>> = (0..N_SERIES).map(|i| totals(&mut random, i)).collect();
    let mut queue: Vec<(usize, Sample)> = Vec::new();
    for block in 0..N_SAMPLES / SHUFFLED {
        let range = block * SHUFFLED..(block + 1) * SHUFFLED;
        let mut shuffled: Vec<(usize, Sample)> = sent
            .iter()
            .enumerate()
            .flat_map(|(i, samples)| samples[range.clone()].iter().map(move |sample| (i, *sample)))
            .collect();
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, random.below(i + 1));
        }
        queue.extend(shuffled);
    }
    let mut stored: Vec<BTreeMap<i64, Sample>> = vec![BTreeMap::new(); N_SERIES];
    let mut n_unknown = 0;
    for part in queue.chunks(200) {
        // A part of each request was sent before.
        let again: Vec<(usize, Sample)> =
            (0..20).map(|_| queue[random.below(queue.len())]).collect();
        let again =
            again.into_iter().filter(|(i, sample)| stored[*i].contains_key(&sample.at_us()));
        let request: Vec<(usize, Sample)> = part.iter().copied().chain(again).collect();
        let samples = request.iter().map(|(i, sample)| incoming(&series[*i], *sample)).collect();
        let answer = send(&replicas[random.below(replicas.len())], batch(samples)).await;
        assert_eq!((answer.too_old, answer.rejected.len()), (0, 0));
        for (i, sample) in part {
            stored[*i].insert(sample.at_us(), *sample);
        }
        let fresh: Vec<(usize, i64)> =
            part.iter().map(|(i, sample)| (*i, sample.at_us())).collect();
        for (i, at_us, rate) in answered(&answer) {
            // The samples of a request are judged in time order, so each has the rate that all of them give.
            if fresh.contains(&(i, at_us)) {
                assert_eq!(rate, rates(&stored[i])[&at_us], "replica {i} at {at_us}");
                // Without an observation there is no mean, as while a total stands still.
                n_unknown += usize::from(rate.is_none() && !is_of_means(i));
            }
        }
    }
    assert!(n_unknown < N_SERIES * 8, "{n_unknown} samples had no earlier one");
    // Every sample once more, to a replica that may never have seen its series.
    for (i, samples) in sent.iter().enumerate() {
        let samples = samples.iter().map(|sample| incoming(&series[i], *sample)).collect();
        let answer = send(&replicas[i % replicas.len()], batch(samples)).await;
        assert_eq!(answer.duplicates, N_SAMPLES);
        let wanted = rates(&stored[i]);
        for (verdict, (_, at_us, rate)) in answer.verdicts.iter().zip(answered(&answer)) {
            // An anomaly has the rate that it was judged by.
            if verdict.sample.verdict != Some("anomaly") {
                assert_eq!(rate, wanted[&at_us], "replica {i} at {at_us}");
            }
        }
    }
}

#[tokio::test]
async fn rates_over_redis_do_not_depend_on_the_replica_or_the_order() {
    let server = RedisServer::start();
    let replicas = [replica(&server), replica(&server), replica(&server)];
    shuffled_counters_have_the_rates_of_the_sorted_series(&replicas).await;
}

#[tokio::test]
async fn rates_over_redis_do_not_depend_on_a_cache() {
    let server = RedisServer::start();
    let url = server.url();
    let cold = || service(&[("REDIS_URL", &url), ("TIDEMARK_JUDGE_CACHE_BYTES_MAX", "0")]);
    shuffled_counters_have_the_rates_of_the_sorted_series(&[cold(), replica(&server)]).await;
}

#[tokio::test]
async fn rates_with_the_memory_store_do_not_depend_on_the_order() {
    shuffled_counters_have_the_rates_of_the_sorted_series(&[service(&[])]).await;
}

/// Sends totals of minutes, one request each; returns verdict and rate of each.
async fn send_each(
    service: &Service,
    samples: &[(i64, f64)],
) -> Vec<(Option<&'static str>, Option<f64>)> {
    let mut answers = Vec::new();
    for (i, total) in samples {
        let kind = SampleKind::Counter { started_at_us: None };
        let sample = Sample::of_kind(minute(*i), *total, kind).unwrap();
        let answer = send(service, batch(vec![incoming(&replica_series(0), sample)])).await;
        let verdict = &answer.verdicts[0].sample;
        assert_eq!(verdict.value, *total);
        answers.push((verdict.verdict, verdict.rate));
    }
    answers
}

#[tokio::test]
async fn the_first_sample_of_a_counter_is_never_a_rate_of_zero() {
    let server = RedisServer::start();
    let first = send_each(&replica(&server), &[(0, 6e6)]).await;
    assert_eq!(first, [(Some("learning"), None)]);
    // A process that has just started finds the total in the store.
    let second = send_each(&replica(&server), &[(1, 6e6 + 120.0)]).await;
    assert_eq!(second, [(Some("learning"), Some(2.0))]);
}

#[tokio::test]
async fn the_verdict_of_a_counter_is_on_its_rate() {
    let service = service(&[]);
    let total = |i: i64| 6_000.0 * i as f64 + (i % 7) as f64 * 60.0;
    let usual: Vec<(i64, f64)> = (0..60).map(|i| (i, total(i))).collect();
    let answers = send_each(&service, &usual).await;
    assert!(answers[30..].iter().all(|(verdict, _)| *verdict == Some("normal")), "{answers:?}");
    let burst = send_each(&service, &[(60, total(60) + 60_000.0)]).await;
    assert_eq!(burst, [(Some("anomaly"), Some((total(60) - total(59) + 60_000.0) / 60.0))]);
    let analyzed = service.analyze(&Tenant::default(), replica_series(0)).await.unwrap();
    let (last, window) = (analyzed.last.unwrap(), analyzed.window.unwrap());
    assert_eq!((last.rate, last.value), (burst[0].1, total(60) + 60_000.0));
    assert!(last.reason.unwrap().starts_with("a rate of 1"));
    assert!(window.max < 1_200.0 && window.min > 90.0, "{window:?}");
    assert_eq!(analyzed.anomalies[0].rate, burst[0].1);
}

#[tokio::test]
async fn a_configured_kind_holds_for_every_sample() {
    let server = RedisServer::start();
    let service = replica(&server);
    let series = || replica_series(0);
    let gauge = |i: i64, value: f64| {
        let sample = Sample::new(minute(i), value).unwrap();
        batch(vec![incoming(&series(), sample)])
    };
    send(&service, gauge(0, 100.0)).await;
    let request = ConfigRequest::parse(br#"{"kind":"counter"}"#).unwrap();
    let configured = service.configure(&Tenant::default(), series(), request).await.unwrap();
    assert_eq!(configured.kind, Some("counter"));
    // The sample before the configuration counts, too: its value is stored as it was sent.
    let answer = send(&service, gauge(1, 220.0)).await;
    assert_eq!(answer.verdicts[0].sample.rate, Some(2.0));
    let again = send(&replica(&server), gauge(1, 220.0)).await;
    assert_eq!((again.duplicates, again.verdicts[0].sample.value), (1, 220.0));
    service.unconfigure(&Tenant::default(), series()).await.unwrap();
    let answer = send(&service, gauge(2, 100.0)).await;
    assert_eq!(
        (answer.verdicts[0].sample.rate, answer.verdicts[0].sample.verdict),
        (None, Some("learning"))
    );
    assert_eq!(Rate::default(), Rate::NotCounter);
}
