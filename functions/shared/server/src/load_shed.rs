//! Sheds load: bounds the requests in flight and the bytes of their bodies.
//!
//! Past a bound a request is refused at once and never queued: a queue in front of a busy process turns overload into
//! timeouts, while a client that receives 503 keeps its samples and retries.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::RequestError;

/// The requests and bytes in flight, and their bounds.
#[derive(Debug)]
pub(crate) struct InFlight {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Bytes reserved for the body of one request, until this is dropped.
#[derive(Debug)]
pub(crate) struct ReservedBytes {
    permit: OwnedSemaphorePermit,
    bytes: Arc<Semaphore>,
}

impl InFlight {
    pub(crate) fn new(n_requests_max: usize, n_bytes_max: usize) -> Self {
        let bounded = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        Self { requests: bounded(n_requests_max), bytes: bounded(n_bytes_max) }
    }

    /// Admits one more request, which is in flight until the permit is dropped.
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, RequestError> {
        Arc::clone(&self.requests)
            .try_acquire_owned()
            .map_err(|_| RequestError::Overloaded { what: "requests" })
    }

    /// Reserves `n_bytes` for a body.
    pub(crate) fn reserve(&self, n_bytes: usize) -> Result<ReservedBytes, RequestError> {
        let bytes = Arc::clone(&self.bytes);
        let permit = acquire(&bytes, n_bytes)?;
        Ok(ReservedBytes { permit, bytes })
    }
}

impl ReservedBytes {
    /// The number of reserved bytes.
    pub(crate) fn n_bytes(&self) -> usize {
        self.permit.num_permits()
    }

    /// Grows or shrinks the reservation to `n_bytes`.
    pub(crate) fn resize(&mut self, n_bytes: usize) -> Result<(), RequestError> {
        let reserved = self.n_bytes();
        if n_bytes > reserved {
            self.permit.merge(acquire(&self.bytes, n_bytes - reserved)?);
        } else {
            drop(self.permit.split(reserved - n_bytes));
        }
        Ok(())
    }
}

fn acquire(bytes: &Arc<Semaphore>, n_bytes: usize) -> Result<OwnedSemaphorePermit, RequestError> {
    let n_bytes = u32::try_from(n_bytes).unwrap_or(u32::MAX);
    Arc::clone(bytes)
        .try_acquire_many_owned(n_bytes)
        .map_err(|_| RequestError::Overloaded { what: "bytes" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_reserved_up_to_the_bound_and_released() {
        let in_flight = InFlight::new(1, 100);
        let mut first = in_flight.reserve(60).unwrap();
        assert!(in_flight.reserve(41).is_err());
        let second = in_flight.reserve(40).unwrap();
        assert!(first.resize(61).is_err());
        assert_eq!(first.n_bytes(), 60);
        drop(second);
        first.resize(100).unwrap();
        first.resize(10).unwrap();
        assert_eq!(in_flight.reserve(90).unwrap().n_bytes(), 90);
    }

    #[test]
    fn requests_are_admitted_up_to_the_bound() {
        let in_flight = InFlight::new(1, 1);
        let permit = in_flight.admit().unwrap();
        assert_eq!(in_flight.admit().unwrap_err().code(), "overloaded");
        drop(permit);
        assert!(in_flight.admit().is_ok());
    }
}
