//! Bounds the work in flight: requests, the bytes that they become, and the long requests that run at once.
//!
//! A short request past a bound is refused at once and never queued: a queue in front of a busy process turns overload
//! into timeouts, while a client that receives 503 keeps its samples and retries. A long request waits for its turn with
//! nothing but its body as sent. Turns go from tenant to tenant, and no tenant takes more of anything than it leaves free.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Tenant;
use tokio::sync::oneshot;

use crate::error::RequestError;

/// The bounds on work in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkBounds {
    pub(crate) n_requests: usize,
    pub(crate) n_bytes: usize,
    /// Long requests that run at once.
    pub(crate) n_turns: usize,
    /// True if several tenants share the process.
    pub(crate) is_shared: bool,
}

/// The work in flight of a process.
#[derive(Debug)]
pub(crate) struct InFlight {
    bounds: WorkBounds,
    // A `std::sync::Mutex` and not a Tokio one: it is never locked across an await.
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    all: Load,
    by_tenant: HashMap<Tenant, Load>,
    /// Long requests that wait, by tenant in the order of their next turns.
    waiting: VecDeque<(Tenant, VecDeque<WaitingTurn>)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "each is a number")]
struct Load {
    n_requests: usize,
    n_bytes: usize,
    n_turns: usize,
}

#[derive(Debug)]
struct WaitingTurn {
    n_bytes: usize,
    turn: oneshot::Sender<Load>,
}

/// A turn that is awaited; one that is granted to a request that has ended is returned.
struct PendingTurn {
    /// `None` once the turn is taken.
    permit: Option<WorkPermit>,
    granted: oneshot::Receiver<Load>,
}

impl PendingTurn {
    async fn take(mut self) -> Option<WorkPermit> {
        let load = (&mut self.granted).await.ok()?;
        self.permit.take().map(|mut permit| {
            permit.load = load;
            permit
        })
    }
}

impl Drop for PendingTurn {
    fn drop(&mut self) {
        self.granted.close();
        if let (Some(permit), Ok(load)) = (&mut self.permit, self.granted.try_recv()) {
            permit.load = load;
        }
    }
}

/// Work in flight, until this is dropped.
#[derive(Debug)]
pub(crate) struct WorkPermit {
    in_flight: Arc<InFlight>,
    /// `None` until the request is authenticated.
    tenant: Option<Tenant>,
    load: Load,
}

impl InFlight {
    pub(crate) fn new(bounds: WorkBounds) -> Arc<Self> {
        Arc::new(Self { bounds, work: Mutex::default() })
    }

    /// Admits one more request.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<WorkPermit, RequestError> {
        let load = Load { n_requests: 1, ..Load::default() };
        let mut work = self.work();
        if work.all.n_requests >= self.bounds.n_requests {
            return Err(RequestError::Overloaded { what: "requests" });
        }
        work.all.n_requests += 1;
        Ok(WorkPermit { in_flight: Arc::clone(self), tenant: None, load })
    }

    /// Reserves `n_bytes` for what a short request becomes.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        tenant: &Tenant,
        n_bytes: usize,
    ) -> Result<WorkPermit, RequestError> {
        let mut permit = self.permit(Some(tenant));
        permit.resize(n_bytes)?;
        Ok(permit)
    }

    /// Waits for the turn of a long request that becomes at most `n_bytes`.
    ///
    /// One that does not fit runs once no other long request does: its own body may be what fills the room.
    pub(crate) async fn turn(self: &Arc<Self>, tenant: &Tenant, n_bytes: usize) -> WorkPermit {
        let (turn, granted) = oneshot::channel();
        let n_bytes = n_bytes.min(self.bounds.n_bytes / 2);
        let pending = PendingTurn { permit: Some(self.permit(Some(tenant))), granted };
        self.enqueue(tenant, WaitingTurn { n_bytes, turn });
        pending.take().await.expect("the queue keeps the sender of a turn that is awaited")
    }

    /// A permit for nothing yet.
    fn permit(self: &Arc<Self>, tenant: Option<&Tenant>) -> WorkPermit {
        let in_flight = Arc::clone(self);
        WorkPermit { in_flight, tenant: tenant.cloned(), load: Load::default() }
    }

    /// Queues a long request, and gives it its turn if one is free.
    fn enqueue(&self, tenant: &Tenant, waiting: WaitingTurn) {
        let mut work = self.work();
        work.enqueue(tenant, waiting);
        self.grant_turns(&mut work);
    }

    /// Bytes that long requests may fill: a quarter is left to short ones.
    fn turn_bytes_max(&self) -> usize {
        self.bounds.n_bytes / 4 * 3
    }

    /// Gives the free turns to those that wait.
    fn grant_turns(&self, work: &mut Work) {
        while let Some((tenant, waiting)) = self.next_turn(work) {
            let load = Load { n_bytes: waiting.n_bytes, n_turns: 1, ..Load::default() };
            work.add(Some(&tenant), load);
            if let Err(returned) = waiting.turn.send(load) {
                work.remove(Some(&tenant), returned);
            }
        }
    }

    /// Takes the next long request from the queue, if it may run now.
    fn next_turn(&self, work: &mut Work) -> Option<(Tenant, WaitingTurn)> {
        let n_free = self.bounds.n_turns.checked_sub(work.all.n_turns).filter(|n| *n > 0)?;
        let bytes_left = self.turn_bytes_max().saturating_sub(work.all.n_bytes);
        for i in 0..work.waiting.len() {
            let (tenant, queue) = &mut work.waiting[i];
            queue.retain(|waiting| !waiting.turn.is_closed());
            let n_turns = work.by_tenant.get(tenant).map_or(0, |load| load.n_turns);
            let Some(next) = queue.front() else { continue };
            if self.bounds.is_shared && n_turns > 0 && n_turns >= n_free {
                continue;
            }
            // Nothing overtakes a larger request, or it would wait for ever.
            if next.n_bytes > bytes_left && work.all.n_turns > 0 {
                return None;
            }
            let next = queue.pop_front()?;
            let (tenant, queue) = work.waiting.remove(i)?;
            if !queue.is_empty() {
                work.waiting.push_back((tenant.clone(), queue));
            }
            return Some((tenant, next));
        }
        work.waiting.retain(|(_, queue)| !queue.is_empty());
        None
    }

    /// True if a tenant that has `used` of a bound may take `wanted` more.
    fn is_fair(&self, used: usize, wanted: usize, n_free: usize) -> bool {
        !self.bounds.is_shared || used == 0 || used + wanted <= n_free
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    fn load(&self, tenant: Option<&Tenant>) -> Load {
        tenant.and_then(|tenant| self.by_tenant.get(tenant)).copied().unwrap_or_default()
    }

    fn add(&mut self, tenant: Option<&Tenant>, load: Load) {
        self.all.add(load);
        if let Some(tenant) = tenant {
            self.by_tenant.entry(tenant.clone()).or_default().add(load);
        }
    }

    fn enqueue(&mut self, tenant: &Tenant, waiting: WaitingTurn) {
        match self.waiting.iter_mut().find(|(name, _)| name == tenant) {
            Some((_, queue)) => queue.push_back(waiting),
            None => self.waiting.push_back((tenant.clone(), VecDeque::from([waiting]))),
        }
    }

    fn remove(&mut self, tenant: Option<&Tenant>, load: Load) {
        self.all.remove(load);
        let Some(tenant) = tenant else { return };
        if let Some(of_tenant) = self.by_tenant.get_mut(tenant) {
            of_tenant.remove(load);
            if *of_tenant == Load::default() {
                self.by_tenant.remove(tenant);
            }
        }
    }
}

impl Load {
    fn add(&mut self, other: Self) {
        self.n_requests += other.n_requests;
        self.n_bytes += other.n_bytes;
        self.n_turns += other.n_turns;
    }

    fn remove(&mut self, other: Self) {
        self.n_requests -= other.n_requests;
        self.n_bytes -= other.n_bytes;
        self.n_turns -= other.n_turns;
    }
}

impl WorkPermit {
    /// The number of reserved bytes.
    pub(crate) fn n_bytes(&self) -> usize {
        self.load.n_bytes
    }

    /// Counts the request as one of its tenant; fails if the tenant has its share of requests in flight.
    pub(crate) fn assign(&mut self, tenant: &Tenant) -> Result<(), RequestError> {
        let mut work = self.in_flight.work();
        let n_free = self.in_flight.bounds.n_requests - work.all.n_requests + 1;
        if !self.in_flight.is_fair(work.load(Some(tenant)).n_requests, 1, n_free) {
            return Err(RequestError::Overloaded { what: "requests of this tenant" });
        }
        work.remove(None, self.load);
        work.add(Some(tenant), self.load);
        drop(work);
        self.tenant = Some(tenant.clone());
        Ok(())
    }

    /// Grows or shrinks the reservation to `n_bytes`.
    pub(crate) fn resize(&mut self, n_bytes: usize) -> Result<(), RequestError> {
        let Some(grown) = n_bytes.checked_sub(self.load.n_bytes) else {
            self.shrink(n_bytes);
            return Ok(());
        };
        let (in_flight, tenant) = (&self.in_flight, self.tenant.as_ref());
        let mut work = in_flight.work();
        let n_free = in_flight.bounds.n_bytes.saturating_sub(work.all.n_bytes);
        if grown > n_free {
            return Err(RequestError::Overloaded { what: "bytes" });
        }
        if !in_flight.is_fair(work.load(tenant).n_bytes, grown, n_free) {
            return Err(RequestError::Overloaded { what: "bytes of this tenant" });
        }
        work.add(tenant, Load { n_bytes: grown, ..Load::default() });
        drop(work);
        self.load.n_bytes = n_bytes;
        Ok(())
    }

    /// Releases all but `n_bytes`.
    pub(crate) fn shrink(&mut self, n_bytes: usize) {
        let n_bytes = self.load.n_bytes.saturating_sub(n_bytes);
        self.release(Load { n_bytes, ..Load::default() });
    }

    /// Ends the turn of a long request; the answer stays counted until this is dropped.
    pub(crate) fn end_turn(&mut self) {
        self.release(Load { n_turns: self.load.n_turns, ..Load::default() });
    }

    fn release(&mut self, load: Load) {
        self.load.remove(load);
        if load == Load::default() {
            return;
        }
        let mut work = self.in_flight.work();
        work.remove(self.tenant.as_ref(), load);
        self.in_flight.grant_turns(&mut work);
    }
}

impl Drop for WorkPermit {
    fn drop(&mut self) {
        self.release(self.load);
    }
}

#[cfg(test)]
mod tests;
