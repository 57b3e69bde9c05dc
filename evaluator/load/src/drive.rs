//! Sending: an open loop that owes nothing to answers, and a closed one for maxima.
//!
//! In an open loop a thread of its own wakes for every due request, more exactly than a timer of the runtime would, and
//! the latency of a request counts from when it was due: one that had to wait for a connection, or for the answer
//! before it, has waited. A generator that counted from when it got around to sending would leave out just the
//! requests that a stalled server held up (coordinated omission).

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::body::Writer;
use crate::connection::{Answer, Connection, Failure, Target};
use crate::scenario::{LoadScenario, Pace};
use crate::schedule::{self, Due, Life};
use crate::tally::{Outcome, Tally};

/// How often it is looked whether what is under way has ended.
const DRAIN_PERIOD: Duration = Duration::from_millis(20);

/// What everything that sends shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) scenario: LoadScenario,
    pub(crate) target: Target,
    pub(crate) writer: Mutex<Writer>,
    // Both are `std::sync::Mutex`es and not Tokio ones: they are never held over a wait.
    pub(crate) tally: Mutex<Tally>,
    pub(crate) start: Instant,
    /// Microseconds since 1970 at `start`.
    pub(crate) start_us: i64,
    /// Longest wait for a connection and for an answer.
    pub(crate) timeout: Duration,
    /// Most connections of an open loop without clients.
    pub(crate) connections_max: usize,
    /// No request is begun any more.
    pub(crate) is_over: AtomicBool,
    pub(crate) n_under_way: AtomicUsize,
    pub(crate) n_waiting: AtomicUsize,
}

/// A place to send from: its connection, once there is one, and the bytes of its request.
#[derive(Debug, Default)]
struct Wire {
    connection: Option<Connection>,
    request: Vec<u8>,
}

/// Wires that share a queue: all of them in a loop without clients, one for each client otherwise.
#[derive(Debug)]
struct Lane {
    idle: Vec<Wire>,
    n_wires: usize,
    n_wires_max: usize,
    waiting: VecDeque<Due>,
}

impl Shared {
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Sends a request of a stage, which was counted as under way, and counts how it ended.
    async fn send(&self, wire: &mut Wire, stage: usize, due: Instant) {
        let now_us = self.start_us + self.start.elapsed().as_micros() as i64;
        let request = &self.scenario.stages[stage].request;
        let n_samples = {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.write(request, now_us, &mut wire.request)
        };
        let outcome = match timeout(self.timeout, self.exchange(wire)).await {
            Ok(Ok(Answer { status, n_accepted, is_kept })) => {
                if !is_kept {
                    wire.connection = None;
                }
                Outcome::Answered { status, n_accepted: n_accepted.unwrap_or_default() }
            }
            Ok(Err(why)) => {
                wire.connection = None;
                Outcome::Failed(why)
            }
            Err(_) => {
                wire.connection = None;
                Outcome::Failed("timeout")
            }
        };
        self.tally().record(stage, due.elapsed(), n_samples, outcome);
        // After it was counted: who waits for the last one looks at the counts next.
        self.n_under_way.fetch_sub(1, Ordering::Relaxed);
    }

    /// One answer; on a new connection where the old one had been closed for want of requests.
    async fn exchange(&self, wire: &mut Wire) -> Result<Answer, &'static str> {
        loop {
            let connection = match &mut wire.connection {
                Some(connection) => connection,
                none => {
                    let opened = self.target.connect().await.map_err(|_| "not connected")?;
                    none.insert(opened)
                }
            };
            match connection.exchange(&wire.request).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::WasIdle) => wire.connection = None,
                Err(Failure::Broken(error)) => return Err(why(&error)),
            }
        }
    }
}

/// What broke, of a bounded set.
fn why(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset",
        io::ErrorKind::UnexpectedEof => "answer cut off",
        io::ErrorKind::InvalidData => "not HTTP",
        _ => "broken off",
    }
}

/// Sends all of the scenario; returns when everything that was begun has ended.
pub(crate) async fn all(shared: Arc<Shared>) {
    let is_closed = matches!(
        shared.scenario.stages.first().map(|stage| stage.pace),
        Some(Pace::Clients { every_ms: None, .. })
    );
    if is_closed { closed(shared).await } else { open(shared).await }
}

async fn closed(shared: Arc<Shared>) {
    let ends: Arc<[Duration]> = schedule::ends(&shared.scenario).collect();
    let mut clients = tokio::task::JoinSet::new();
    for life in schedule::lives(&shared.scenario) {
        clients.spawn(client(Arc::clone(&shared), Arc::clone(&ends), life));
    }
    while clients.join_next().await.is_some() {}
}

/// A client that sends as soon as it is answered.
async fn client(shared: Arc<Shared>, ends: Arc<[Duration]>, life: Life) {
    sleep_until(shared.start + life.from).await;
    let mut wire = Wire::default();
    while !shared.is_over() {
        let due = Instant::now();
        let at = due - shared.start;
        if at >= life.until {
            return;
        }
        let stage = ends.partition_point(|end| *end <= at).min(ends.len() - 1);
        shared.tally().due(stage);
        shared.n_under_way.fetch_add(1, Ordering::Relaxed);
        shared.send(&mut wire, stage, due).await;
    }
}

async fn open(shared: Arc<Shared>) {
    let is_shared = matches!(shared.scenario.stages[0].pace, Pace::Rate { .. });
    let n_lanes = if is_shared { 1 } else { schedule::lives(&shared.scenario).len() };
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
    // A thread of its own: it sleeps, which a task may not.
    std::thread::spawn(move || pace(&pacing, &pacer));
    while let Some(due) = dues.recv().await {
        shared.tally().due(due.stage);
        dispatch(&shared, &lanes[due.client], due);
    }
    drain(&shared).await;
    let mut tally = shared.tally();
    for due in lanes.iter().flat_map(|lane| std::mem::take(&mut lock(lane).waiting)) {
        tally.record(due.stage, Duration::ZERO, 0, Outcome::Failed("never sent"));
    }
}

/// Tells of each request when it is due.
fn pace(shared: &Shared, dues: &mpsc::UnboundedSender<Due>) {
    for due in schedule::open_loop(&shared.scenario) {
        while let Some(rest) = due.at.checked_sub(shared.start.elapsed()).filter(|it| !it.is_zero())
        {
            if shared.is_over() {
                return;
            }
            // In steps, so that an interrupt need not wait for a rare request.
            std::thread::sleep(rest.min(Duration::from_millis(100)));
        }
        if shared.is_over() || dues.send(due).is_err() {
            return;
        }
    }
}

/// Sends a request at once if a wire is free or may be added; otherwise it waits for one.
fn dispatch(shared: &Arc<Shared>, lane: &Arc<Mutex<Lane>>, due: Due) {
    let wire = {
        let mut lane = lock(lane);
        match lane.idle.pop() {
            Some(wire) => wire,
            None if lane.n_wires < lane.n_wires_max => {
                lane.n_wires += 1;
                Wire::default()
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

/// Sends a request, and then those that waited for its wire.
async fn send_on(shared: Arc<Shared>, lane: Arc<Mutex<Lane>>, mut wire: Wire, mut due: Due) {
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

/// Waits until nothing is under way; what then still waits for a wire has had its time.
async fn drain(shared: &Shared) {
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

    /// How long the server holds everything up, once.
    const STALL: Duration = Duration::from_millis(500);

    /// A server that answers at once, but for one stall of the whole of it after so many requests.
    async fn stalling_server(n_before: usize) -> std::net::SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new((AtomicUsize::new(0), tokio::sync::RwLock::new(())));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let served = Arc::clone(&served);
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    while stream.read(&mut request).await.is_ok_and(|len| len > 0) {
                        if served.0.fetch_add(1, Ordering::Relaxed) == n_before {
                            let _nobody_else = served.1.write().await;
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
    ) -> Arc<Shared> {
        let url = format!("http://{address}").parse().unwrap();
        let scenario = LoadScenario::parse("x", "x", &format!("analysis='a'\n{stages}")).unwrap();
        Arc::new(Shared {
            target: Target::find(&url).await.unwrap(),
            writer: Mutex::new(Writer::new(&url, None, "load")),
            tally: Mutex::new(Tally::new(scenario.stages.len())),
            scenario,
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
        // One connection only: whoever waits for it must count as waiting, too.
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
    async fn a_closed_loop_holds_one_request_of_each_client_under_way() {
        let stages = "[[stage]]\nseconds=1\nclients=4\n[[stage]]\nseconds=1\nclients=4\nbatch=3\n";
        let shared = shared(stalling_server(10).await, stages, 1).await;
        all(Arc::clone(&shared)).await;
        let tally = shared.tally();
        // Only the four that were under way felt the stall.
        let first = &tally.stages[0];
        let slow = first.latency_us.count_between(250_000, 60_000_000);
        assert!((1..=4).contains(&slow), "{slow}");
        assert!(tally.stages[1].n_samples == 3 * tally.stages[1].n_ok && first.n_ok > 100);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_interrupt_ends_it_and_what_was_never_sent_is_an_error() {
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
