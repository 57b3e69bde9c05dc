//! A TCP proxy that injects faults: delays, stalls, cut connections, refused connections, another server.
//!
//! Two threads pump each direction of each connection: one stamps the bytes that arrive, one forwards them when they are
//! due, so that a delay does not limit throughput. Threads, since a task would sleep to the next millisecond.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at a time.
const CHUNK_LEN: usize = 64 << 10;

/// Target of the proxy, and its injected faults.
#[derive(Debug)]
struct Faults {
    target: u16,
    delay: Duration,
    is_stalled: bool,
    is_refusing: bool,
    /// Bytes of replies until the connection that carries them is cut, once.
    reply_bytes_left: Option<usize>,
    /// Bytes received and not forwarded yet.
    n_held: usize,
    n_cut: usize,
    open: Vec<TcpStream>,
    is_over: bool,
}

#[derive(Debug)]
struct ProxyState {
    // A `std::sync::Mutex`: it is never held while bytes are read or written.
    faults: Mutex<Faults>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Reply,
}

/// A port of the loopback that forwards to another port.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<ProxyState>,
}

impl Proxy {
    /// Starts a proxy to `target` without faults.
    ///
    /// # Panics
    ///
    /// If the loopback has no free port.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let faults = Faults {
            target,
            delay: Duration::ZERO,
            is_stalled: false,
            is_refusing: false,
            reply_bytes_left: None,
            n_held: 0,
            n_cut: 0,
            open: Vec::new(),
            is_over: false,
        };
        let shared = Arc::new(ProxyState { faults: Mutex::new(faults), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &of_thread));
        Self { port, shared }
    }

    /// Its address, for a Redis client.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Delays all bytes, requests and replies each, from now on.
    pub fn delay(&self, each_way: Duration) {
        self.shared.faults().delay = each_way;
    }

    /// Forwards nothing until [`Proxy::heal`]; connections stay open.
    pub fn stall(&self) {
        self.shared.faults().is_stalled = true;
    }

    /// Cuts all connections, and each new one.
    pub fn refuse(&self) {
        self.shared.faults().is_refusing = true;
        self.cut();
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        let mut faults = self.shared.faults();
        for stream in std::mem::take(&mut faults.open) {
            faults.n_cut += 1;
            // One that has ended need not be cut.
            let _has_ended = stream.shutdown(Shutdown::Both).is_err();
        }
    }

    /// Cuts one connection within a reply, after `n_bytes` more bytes of replies.
    pub fn cut_mid_reply(&self, n_bytes: usize) {
        self.shared.faults().reply_bytes_left = Some(n_bytes);
    }

    /// Forwards new connections to another port; open ones stay.
    pub fn lead_to(&self, target: u16) {
        self.shared.faults().target = target;
    }

    /// Removes all faults, and forwards stalled bytes.
    pub fn heal(&self) {
        let mut faults = self.shared.faults();
        faults.delay = Duration::ZERO;
        faults.is_stalled = false;
        faults.is_refusing = false;
        faults.reply_bytes_left = None;
        self.shared.changed.notify_all();
    }

    /// Bytes received and not forwarded yet.
    pub fn n_held(&self) -> usize {
        self.shared.faults().n_held
    }

    /// Connections that were cut.
    pub fn n_cut(&self) -> usize {
        self.shared.faults().n_cut
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.shared.faults().is_over = true;
        self.shared.changed.notify_all();
        // Wakes the thread that accepts.
        let _is_closed = TcpStream::connect(("127.0.0.1", self.port)).is_err();
    }
}

impl ProxyState {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<ProxyState>) {
    for client in listener.incoming().map_while(Result::ok) {
        let (is_over, is_refusing, target) = {
            let faults = shared.faults();
            (faults.is_over, faults.is_refusing, faults.target)
        };
        if is_over {
            return;
        }
        if is_refusing {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
        // A connection that broke at once is ignored.
        let _is_broken = connect(&client, &server, shared).is_err();
    }
}

fn connect(
    client: &TcpStream,
    server: &TcpStream,
    shared: &Arc<ProxyState>,
) -> std::io::Result<()> {
    for stream in [client, server] {
        stream.set_nodelay(true)?;
    }
    pump(Direction::Request, client.try_clone()?, server.try_clone()?, shared);
    pump(Direction::Reply, server.try_clone()?, client.try_clone()?, shared);
    let mut faults = shared.faults();
    faults.open.push(client.try_clone()?);
    Ok(())
}

/// Starts the two threads of a direction.
fn pump(direction: Direction, from: TcpStream, to: TcpStream, shared: &Arc<ProxyState>) {
    let (sender, receiver) = mpsc::channel();
    let (of_reader, of_writer) = (Arc::clone(shared), Arc::clone(shared));
    thread::spawn(move || read(from, &sender, &of_reader));
    thread::spawn(move || write(direction, to, &receiver, &of_writer));
}

#[expect(clippy::disallowed_methods, reason = "a network is slow in real time")]
fn read(mut from: TcpStream, sender: &Sender<(Instant, Vec<u8>)>, shared: &ProxyState) {
    let mut chunk = vec![0; CHUNK_LEN];
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        let due = {
            let mut faults = shared.faults();
            faults.n_held += n;
            Instant::now() + faults.delay
        };
        if sender.send((due, chunk.iter().take(n).copied().collect())).is_err() {
            break;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a network is slow in real time")]
fn write(
    direction: Direction,
    mut to: TcpStream,
    receiver: &Receiver<(Instant, Vec<u8>)>,
    shared: &ProxyState,
) {
    while let Ok((due, bytes)) = receiver.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let n_passed = pass(direction, bytes.len(), shared);
        let is_whole = n_passed == bytes.len();
        if to.write_all(bytes.get(..n_passed).unwrap_or(&bytes)).is_err() || !is_whole {
            break;
        }
    }
    // The other side may have ended it already.
    let _has_ended = to.shutdown(Shutdown::Both).is_err();
}

/// Waits until bytes may pass; returns the number to forward. The connection ends if that is less than all.
fn pass(direction: Direction, n_bytes: usize, shared: &ProxyState) -> usize {
    let mut faults = shared.faults();
    while faults.is_stalled && !faults.is_over {
        faults = shared.changed.wait(faults).unwrap_or_else(PoisonError::into_inner);
    }
    faults.n_held -= n_bytes;
    match faults.reply_bytes_left {
        Some(left) if direction == Direction::Reply && left <= n_bytes => {
            faults.reply_bytes_left = None;
            faults.n_cut += 1;
            left.saturating_sub(1)
        }
        Some(left) if direction == Direction::Reply => {
            faults.reply_bytes_left = Some(left - n_bytes);
            n_bytes
        }
        _ => n_bytes,
    }
}
