//! How much may be served at once: requests, and bytes of their bodies.
//!
//! Past a bound a request is refused at once and never waits: a queue in front of a busy process only
//! turns overload into timeouts, while a sender that is told to come back keeps its samples.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::RequestError;

/// What is being served, against its bounds.
#[derive(Debug)]
pub(crate) struct InFlight {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Bytes that a request holds until this is dropped.
#[derive(Debug)]
pub(crate) struct ReservedBytes {
    permit: OwnedSemaphorePermit,
    all: Arc<Semaphore>,
}

impl InFlight {
    pub(crate) fn new(n_requests_max: usize, n_bytes_max: usize) -> Self {
        let bounded = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        Self { requests: bounded(n_requests_max), bytes: bounded(n_bytes_max) }
    }

    /// Room for one more request, until the permit is dropped.
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, RequestError> {
        Arc::clone(&self.requests)
            .try_acquire_owned()
            .map_err(|_| RequestError::Overloaded { what: "requests" })
    }

    /// Room for `n_bytes` of a body.
    pub(crate) fn hold(&self, n_bytes: usize) -> Result<ReservedBytes, RequestError> {
        let all = Arc::clone(&self.bytes);
        let permit = acquire(&all, n_bytes)?;
        Ok(ReservedBytes { permit, all })
    }
}

impl ReservedBytes {
    /// How many bytes are held.
    pub(crate) fn n_bytes(&self) -> usize {
        self.permit.num_permits()
    }

    /// Holds `n_bytes`, instead of those that are held now.
    pub(crate) fn resize(&mut self, n_bytes: usize) -> Result<(), RequestError> {
        let held = self.n_bytes();
        if n_bytes > held {
            self.permit.merge(acquire(&self.all, n_bytes - held)?);
        } else {
            drop(self.permit.split(held - n_bytes));
        }
        Ok(())
    }
}

fn acquire(all: &Arc<Semaphore>, n_bytes: usize) -> Result<OwnedSemaphorePermit, RequestError> {
    let n_bytes = u32::try_from(n_bytes).unwrap_or(u32::MAX);
    Arc::clone(all)
        .try_acquire_many_owned(n_bytes)
        .map_err(|_| RequestError::Overloaded { what: "bytes" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_held_up_to_the_bound_and_given_back() {
        let load = InFlight::new(1, 100);
        let mut first = load.hold(60).unwrap();
        assert!(load.hold(41).is_err());
        let second = load.hold(40).unwrap();
        assert!(first.resize(61).is_err());
        assert_eq!(first.n_bytes(), 60);
        drop(second);
        first.resize(100).unwrap();
        first.resize(10).unwrap();
        assert_eq!(load.hold(90).unwrap().n_bytes(), 90);
    }

    #[test]
    fn requests_are_admitted_up_to_the_bound() {
        let load = InFlight::new(1, 1);
        let served = load.admit().unwrap();
        assert_eq!(load.admit().unwrap_err().code(), "overloaded");
        drop(served);
        assert!(load.admit().is_ok());
    }
}
