//! Computes the due times of requests from the stages of a scenario, independent of the answers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::scenario::{LoadPace, LoadScenario};

/// A request that is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Due {
    /// Time from the start.
    pub(crate) at: Duration,
    /// Index of its stage.
    pub(crate) stage: usize,
    /// Index of its client; 0 for a rate.
    pub(crate) client: usize,
}

/// The requests of an open loop, in the order of their times.
pub(crate) fn open_loop(scenario: &LoadScenario) -> Box<dyn Iterator<Item = Due> + Send> {
    match scenario.stages.first().map(|stage| stage.pace) {
        Some(LoadPace::Rate { .. }) => Box::new(at_rates(scenario.clone())),
        _ => Box::new(by_clients(scenario)),
    }
}

/// Requests at the rate of each stage.
fn at_rates(scenario: LoadScenario) -> impl Iterator<Item = Due> {
    let mut begin_s = 0.0;
    scenario.stages.into_iter().enumerate().flat_map(move |(stage, definition)| {
        let LoadPace::Rate { per_s: [from, to] } = definition.pace else {
            unreachable!("all stages have one kind")
        };
        let (start_s, seconds) = (begin_s, definition.seconds);
        begin_s += seconds;
        let n = (f64::midpoint(from, to) * seconds).round() as u64;
        (0..n).map(move |k| {
            let at_s = start_s + time_of(k as f64, [from, to], seconds);
            Due { at: Duration::from_secs_f64(at_s), stage, client: 0 }
        })
    })
}

/// Time of the `k`-th request at a linearly changing rate: the root of `from t + (to - from) t^2 / 2T = k`.
fn time_of(k: f64, [from, to]: [f64; 2], seconds: f64) -> f64 {
    let slope = (to - from) / seconds;
    if slope == 0.0 {
        return k / from;
    }
    // This form is precise for small slopes.
    2.0 * k / (from + (from * from + 2.0 * slope * k).max(0.0).sqrt()).max(f64::MIN_POSITIVE)
}

/// The requests of clients with an interval: each sends at its start, and then at every interval.
fn by_clients(scenario: &LoadScenario) -> impl Iterator<Item = Due> + use<> {
    let client_periods = client_periods(scenario);
    let mut next: BinaryHeap<Reverse<(Duration, usize)>> = client_periods
        .iter()
        .enumerate()
        .map(|(client, life)| Reverse((life.from, client)))
        .collect();
    let stages: Vec<(Duration, Duration)> = ends(scenario)
        .zip(&scenario.stages)
        .map(|(end, stage)| {
            let LoadPace::Clients { every_ms, .. } = stage.pace else {
                unreachable!("all stages have one kind")
            };
            (end, Duration::from_secs_f64(every_ms.unwrap_or_default() / 1_000.0))
        })
        .collect();
    std::iter::from_fn(move || {
        let Reverse((at, client)) = next.pop()?;
        let stage = stages.iter().position(|(end, _)| at < *end)?;
        let again = at + stages[stage].1;
        if again < client_periods[client].until {
            next.push(Reverse((again, client)));
        }
        Some(Due { at, stage, client })
    })
}

/// Start and end of a client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClientPeriod {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// The clients of a scenario; the i-th is active from the first to the last time with more than i clients.
pub(crate) fn client_periods(scenario: &LoadScenario) -> Vec<ClientPeriod> {
    let mut client_periods: Vec<ClientPeriod> = Vec::new();
    let mut begin_s = 0.0;
    for stage in &scenario.stages {
        let LoadPace::Clients { n: [from, to], .. } = stage.pace else { return client_periods };
        for i in 0..from.max(to).ceil() as usize {
            // The share of the stage at which the number of clients crosses i.
            let crossing =
                if from == to { 0.0 } else { ((i as f64 - from) / (to - from)).max(0.0) };
            let (first, last) = if to >= from { (crossing, 1.0) } else { (0.0, crossing) };
            let at = |share: f64| Duration::from_secs_f64(begin_s + share * stage.seconds);
            match client_periods.get_mut(i) {
                Some(life) => life.until = life.until.max(at(last)),
                None => client_periods.push(ClientPeriod { from: at(first), until: at(last) }),
            }
        }
        begin_s += stage.seconds;
    }
    client_periods
}

/// End of each stage, from the start.
pub(crate) fn ends(scenario: &LoadScenario) -> impl Iterator<Item = Duration> {
    scenario.stages.iter().scan(0.0, |end_s, stage| {
        *end_s += stage.seconds;
        Some(Duration::from_secs_f64(*end_s))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(stages: &str) -> LoadScenario {
        LoadScenario::parse("x", &format!("analysis='a'\n{stages}")).unwrap()
    }

    fn dues(stages: &str) -> Vec<Due> {
        open_loop(&scenario(stages)).collect()
    }

    #[test]
    fn a_steady_rate_has_equal_distances_across_stages() {
        let dues = dues("[[stage]]\nseconds=2\nrate=10\n[[stage]]\nseconds=1\nrate=20\n");
        assert_eq!(dues.len(), 40);
        assert_eq!(dues[19].at, Duration::from_millis(1_900));
        assert_eq!((dues[20].at, dues[20].stage), (Duration::from_secs(2), 1));
        assert_eq!(dues[39].at, Duration::from_millis(2_950));
    }

    #[test]
    fn a_rising_and_a_falling_rate_have_their_mean_and_stay_in_order() {
        for ends in ["[0,100]", "[100,0]", "[40,60]"] {
            let dues = dues(&format!("[[stage]]\nseconds=4\nrate={ends}\n"));
            assert_eq!(dues.len(), 200, "{ends}");
            assert!(dues.is_sorted_by_key(|due| due.at), "{ends}");
            assert!(dues[199].at < Duration::from_secs(4), "{ends}: {:?}", dues[199]);
        }
        // A rate that rises from zero has a quarter of its requests in the first half.
        let first = dues("[[stage]]\nseconds=4\nrate=[0,100]\n");
        assert_eq!(first.iter().filter(|due| due.at < Duration::from_secs(2)).count(), 50);
    }

    #[test]
    fn clients_start_one_after_the_other_and_end_in_reverse_order() {
        let client_periods = client_periods(&scenario(
            "[[stage]]\nseconds=10\nclients=[0,10]\n[[stage]]\nseconds=10\nclients=[10,0]\n",
        ));
        let seconds = |life: &ClientPeriod| (life.from.as_secs_f64(), life.until.as_secs_f64());
        assert_eq!(client_periods.len(), 10);
        assert_eq!(seconds(&client_periods[0]), (0.0, 20.0));
        assert_eq!(seconds(&client_periods[9]), (9.0, 11.0));
    }

    #[test]
    fn a_client_keeps_its_interval_from_its_start() {
        let dues = dues("[[stage]]\nseconds=4\nclients=[0,2]\nevery_ms=1000\n");
        let of = |client| {
            let own = dues.iter().filter(move |due| due.client == client);
            own.map(|due| due.at.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!((of(0), of(1)), (vec![0, 1_000, 2_000, 3_000], vec![2_000, 3_000]));
        assert!(dues.is_sorted_by_key(|due| due.at));
    }
}
