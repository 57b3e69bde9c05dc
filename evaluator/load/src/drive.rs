//! Sends requests: in an open loop independent of the answers, or in a closed loop for maximum throughput.
//!
//! In an open loop a separate thread wakes for every due request, more exactly than a timer of the runtime. Latency
//! counts from the due time, so it includes the wait for a connection or for an earlier answer. Counting from the time of
//! sending would omit just the requests that a stalled server delays (coordinated omission).

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::body::RequestWriter;
use crate::connection::{ExchangeFailure, LoadAnswer, LoadConnection, Target};
use crate::format::LoadFormat;
use crate::scenario::{LoadPace, LoadScenario};
use crate::schedule::{self, ClientPeriod, Due};
use crate::tally::{RequestOutcome, Tally};

/// Interval of the check for outstanding requests.
const DRAIN_PERIOD: Duration = Duration::from_millis(20);

/// A load in progress, shared by all senders.
#[derive(Debug)]
pub(crate) struct LoadRun {
    pub(crate) scenario: LoadScenario,
    pub(crate) format: LoadFormat,
    /// The replicas of the deployment: each request goes to one of them at random.
    pub(crate) targets: Vec<Target>,
    pub(crate) writer: Mutex<RequestWriter>,
    // `std::sync::Mutex`, since the locks are never held over an await.
    pub(crate) tally: Mutex<Tally>,
    pub(crate) start: Instant,
    /// Unix microseconds at `start`.
    pub(crate) start_us: i64,
    /// Timeout of a connection and of an answer.
    pub(crate) timeout: Duration,
    /// Maximum connections of an open loop without clients.
    pub(crate) connections_max: usize,
    /// True if no further request may start.
    pub(crate) is_over: AtomicBool,
    pub(crate) n_under_way: AtomicUsize,
    pub(crate) n_waiting: AtomicUsize,
}

/// A connection to each replica, if it is open, and the bytes of its request.
#[derive(Debug)]
struct Wire {
    connections: Vec<Option<LoadConnection>>,
    request: Vec<u8>,
}

/// Wires with a common queue: one wire per client, or all wires of a rate.
#[derive(Debug)]
struct Lane {
    idle: Vec<Wire>,
    n_wires: usize,
    n_wires_max: usize,
    waiting: VecDeque<Due>,
}

impl LoadRun {
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn wire(&self) -> Wire {
        Wire { connections: self.targets.iter().map(|_| None).collect(), request: Vec::new() }
    }

    /// Sends a request of a stage, already counted as outstanding, and counts its outcome.
    async fn send(&self, wire: &mut Wire, stage: usize, due: Instant) {
        let now_us = self.start_us + self.start.elapsed().as_micros() as i64;
        let request = &self.scenario.stages[stage].request;
        let n_samples = {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.write(request, now_us, &mut wire.request)
        };
        let target = fastrand::usize(..self.targets.len());
        let outcome = match timeout(self.timeout, self.exchange(wire, target)).await {
            Ok(Ok(answer)) => {
                if !answer.is_kept {
                    wire.connections[target] = None;
                }
                let n_accepted = self.format.n_accepted(&answer, n_samples);
                RequestOutcome::Answered { status: answer.status, n_accepted }
            }
            Ok(Err(why)) => {
                wire.connections[target] = None;
                RequestOutcome::Failed(why)
            }
            Err(_) => {
                wire.connections[target] = None;
                RequestOutcome::Failed("timeout")
            }
        };
        self.tally().record(stage, due.elapsed(), n_samples, outcome);
        // Decrement after counting: the end of the load waits for zero and then reads the counts.
        self.n_under_way.fetch_sub(1, Ordering::Relaxed);
    }

    /// One answer; retries on a new connection if the server closed an idle one.
    async fn exchange(&self, wire: &mut Wire, target: usize) -> Result<LoadAnswer, &'static str> {
        let slot = &mut wire.connections[target];
        loop {
            let connection = match &mut *slot {
                Some(connection) => connection,
                none => {
                    let opened = self.targets[target].connect().await;
                    none.insert(opened.map_err(|_| "not connected")?)
                }
            };
            match connection.exchange(&wire.request).await {
                Ok(answer) => return Ok(answer),
                Err(ExchangeFailure::WasIdle) => *slot = None,
                Err(ExchangeFailure::Broken(error)) => return Err(why(&error)),
            }
        }
    }
}

/// Name of the failure, of a bounded set.
fn why(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset",
        io::ErrorKind::UnexpectedEof => "answer cut off",
        io::ErrorKind::InvalidData => "not HTTP",
        _ => "broken off",
    }
}

/// Sends the scenario; returns when all started requests have ended.
pub(crate) async fn all(shared: Arc<LoadRun>) {
    let is_closed = matches!(
        shared.scenario.stages.first().map(|stage| stage.pace),
        Some(LoadPace::Clients { every_ms: None, .. })
    );
    if is_closed { closed(shared).await } else { open(shared).await }
}

async fn closed(shared: Arc<LoadRun>) {
    let ends: Arc<[Duration]> = schedule::ends(&shared.scenario).collect();
    let mut clients = tokio::task::JoinSet::new();
    for period in schedule::client_periods(&shared.scenario) {
        clients.spawn(client(Arc::clone(&shared), Arc::clone(&ends), period));
    }
    while clients.join_next().await.is_some() {}
}

/// A client that sends after each answer.
async fn client(shared: Arc<LoadRun>, ends: Arc<[Duration]>, period: ClientPeriod) {
    sleep_until(shared.start + period.from).await;
    let mut wire = shared.wire();
    while !shared.is_over() {
        let due = Instant::now();
        let at = due - shared.start;
        if at >= period.until {
            return;
        }
        let stage = ends.partition_point(|end| *end <= at).min(ends.len() - 1);
        shared.tally().due(stage);
        shared.n_under_way.fetch_add(1, Ordering::Relaxed);
        shared.send(&mut wire, stage, due).await;
    }
}

async fn open(shared: Arc<LoadRun>) {
    let is_shared = matches!(shared.scenario.stages[0].pace, LoadPace::Rate { .. });
    let n_lanes = if is_shared { 1 } else { schedule::client_periods(&shared.scenario).len() };
    let n_wires_max = if is_shared { shared.connections_max } else { 1 };
    let lanes: Vec<Arc<Mutex<Lane>>> = (0..n_lanes)
        .map(|_| {
            Arc::new(Mutex::new(Lane {
                idle: Vec::new(),
                n_wires: 0,
                n_wires_max,
                waiting: VecDeque::new(),
            }))
        })
        .collect();
    let (pacer, mut dues) = mpsc::unbounded_channel();
    let pacing = Arc::clone(&shared);
    // A separate thread, since it sleeps.
    std::thread::spawn(move || pace(&pacing, &pacer));
    while let Some(due) = dues.recv().await {
        shared.tally().due(due.stage);
        dispatch(&shared, &lanes[due.client], due);
    }
    drain(&shared).await;
    let mut tally = shared.tally();
    for due in lanes.iter().flat_map(|lane| std::mem::take(&mut lock(lane).waiting)) {
        tally.record(due.stage, Duration::ZERO, 0, RequestOutcome::Failed("never sent"));
    }
}

/// Passes on each request at its due time.
fn pace(shared: &LoadRun, dues: &mpsc::UnboundedSender<Due>) {
    for due in schedule::open_loop(&shared.scenario) {
        while let Some(rest) =
            due.at.checked_sub(shared.start.elapsed()).filter(|rest| !rest.is_zero())
        {
            if shared.is_over() {
                return;
            }
            // Sleep in steps, so that an interrupt does not wait for a rare request.
            std::thread::sleep(rest.min(Duration::from_millis(100)));
        }
        if shared.is_over() || dues.send(due).is_err() {
            return;
        }
    }
}

/// Sends a request at once if a wire is idle or may be added; otherwise queues it.
fn dispatch(shared: &Arc<LoadRun>, lane: &Arc<Mutex<Lane>>, due: Due) {
    let wire = {
        let mut lane = lock(lane);
        match lane.idle.pop() {
            Some(wire) => wire,
            None if lane.n_wires < lane.n_wires_max => {
                lane.n_wires += 1;
                shared.wire()
            }
            None => {
                shared.n_waiting.fetch_add(1, Ordering::Relaxed);
                lane.waiting.push_back(due);
                return;
            }
        }
    };
    shared.n_under_way.fetch_add(1, Ordering::Relaxed);
    tokio::spawn(send_on(Arc::clone(shared), Arc::clone(lane), wire, due));
}

/// Sends a request, and then the queued requests of its lane.
async fn send_on(shared: Arc<LoadRun>, lane: Arc<Mutex<Lane>>, mut wire: Wire, mut due: Due) {
    loop {
        shared.send(&mut wire, due.stage, shared.start + due.at).await;
        let mut lane = lock(&lane);
        let next = if shared.is_over() { None } else { lane.waiting.pop_front() };
        let Some(next) = next else {
            lane.idle.push(wire);
            return;
        };
        shared.n_under_way.fetch_add(1, Ordering::Relaxed);
        shared.n_waiting.fetch_sub(1, Ordering::Relaxed);
        due = next;
    }
}

/// Waits until no request is outstanding or queued, at most for the timeout.
async fn drain(shared: &LoadRun) {
    let last = Instant::now() + shared.timeout;
    let busy = || shared.n_under_way.load(Ordering::Relaxed) > 0;
    let waiting = || shared.n_waiting.load(Ordering::Relaxed) > 0 && !shared.is_over();
    while busy() || waiting() {
        if Instant::now() >= last {
            shared.is_over.store(true, Ordering::Relaxed);
        }
        sleep(DRAIN_PERIOD).await;
    }
}

fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Duration of the stall.
    const STALL: Duration = Duration::from_millis(500);

    /// A server that answers at once, except for one stall of all connections after `n_before` requests.
    async fn stalling_server(n_before: usize) -> std::net::SocketAddr {
        counting_server(n_before, Arc::default()).await
    }

    /// The same, which counts its requests.
    async fn counting_server(n_before: usize, n_served: Arc<AtomicUsize>) -> std::net::SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new((n_served, tokio::sync::RwLock::new(())));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let served = Arc::clone(&served);
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    while stream.read(&mut request).await.is_ok_and(|len| len > 0) {
                        if served.0.fetch_add(1, Ordering::Relaxed) == n_before {
                            let _exclusive = served.1.write().await;
                            sleep(STALL).await;
                        }
                        let _not_stalled = served.1.read().await;
                        let body = r#"{"accepted":1,"late":0}"#;
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        address
    }

    async fn shared(
        address: std::net::SocketAddr,
        stages: &str,
        connections_max: usize,
    ) -> Arc<LoadRun> {
        let url = format!("http://{address}").parse().unwrap();
        let scenario = LoadScenario::parse("x", &format!("analysis='a'\n{stages}")).unwrap();
        Arc::new(LoadRun {
            targets: vec![Target::find(&url).await.unwrap()],
            writer: Mutex::new(RequestWriter::new(&url, None, "load", LoadFormat::Json)),
            tally: Mutex::new(Tally::new(scenario.stages.len())),
            scenario,
            format: LoadFormat::Json,
            start: Instant::now(),
            start_us: 1_732_060_800_000_000,
            timeout: Duration::from_secs(10),
            connections_max,
            is_over: AtomicBool::new(false),
            n_under_way: AtomicUsize::new(0),
            n_waiting: AtomicUsize::new(0),
        })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stall_counts_for_every_request_that_was_due_in_it() {
        // A single connection: waiting for it is part of the latency.
        let shared =
            shared(stalling_server(100).await, "[[stage]]\nseconds=2\nrate=200\n", 1).await;
        all(Arc::clone(&shared)).await;
        let total = shared.tally().sum(|_| true);
        assert_eq!((total.n_due, total.n_ok, total.n_accepted), (400, 400, 400), "{total:?}");
        // 200 a second were due for half a second: 100 of 400, of which half waited for more than half of it.
        let slow = |ms: u64| total.latency_us.count_between(ms * 1_000, 60_000_000);
        assert!((35..=200).contains(&slow(250)), "{} waited for 250 ms", slow(250));
        assert!(total.latency_us.max() >= 480_000, "{}", total.latency_us.max());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_closed_loop_has_one_outstanding_request_per_client() {
        let stages = "[[stage]]\nseconds=1\nclients=4\n[[stage]]\nseconds=1\nclients=4\nbatch=3\n";
        let shared = shared(stalling_server(10).await, stages, 1).await;
        all(Arc::clone(&shared)).await;
        let tally = shared.tally();
        // The stall delayed only the four outstanding requests.
        let first = &tally.stages[0];
        let slow = first.latency_us.count_between(250_000, 60_000_000);
        assert!((1..=4).contains(&slow), "{slow}");
        assert!(tally.stages[1].n_samples == 3 * tally.stages[1].n_ok && first.n_ok > 100);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_replica_gets_its_share() {
        let counts = [(); 3].map(|()| Arc::<AtomicUsize>::default());
        let mut targets = Vec::new();
        for n_served in &counts {
            let address = counting_server(usize::MAX, Arc::clone(n_served)).await;
            let url = format!("http://{address}").parse().unwrap();
            targets.push(Target::find(&url).await.unwrap());
        }
        let shared = shared(targets[0].address(), "[[stage]]\nseconds=1\nrate=300\n", 10).await;
        let shared = Arc::new(LoadRun { targets, ..Arc::into_inner(shared).unwrap() });
        all(Arc::clone(&shared)).await;
        let counts = counts.map(|n_served| n_served.load(Ordering::Relaxed));
        assert_eq!(counts.iter().sum::<usize>(), 300);
        // 100 each on average, with a standard deviation of 8.
        assert!(counts.iter().all(|n| (50..=150).contains(n)), "{counts:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_interrupt_ends_the_load_and_unsent_requests_are_errors() {
        let shared = shared(stalling_server(0).await, "[[stage]]\nseconds=60\nrate=100\n", 1).await;
        let sending = tokio::spawn(all(Arc::clone(&shared)));
        sleep(Duration::from_millis(300)).await;
        shared.is_over.store(true, Ordering::Relaxed);
        timeout(Duration::from_secs(5), sending).await.unwrap().unwrap();
        let total = shared.tally().sum(|_| true);
        assert_eq!(total.n_due, total.n_ok + total.n_errors(), "{total:?}");
        assert!(total.errors.keys().any(|fault| fault.to_string() == "never sent"), "{total:?}");
    }
}
