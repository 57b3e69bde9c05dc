//! Offloads long computations to the blocking pool.
//!
//! A worker of the runtime serves hundreds of connections, and a body of megabytes would block it for tens of
//! milliseconds. `block_in_place` would save the handover of a few microseconds, but panics on a single-threaded runtime
//! and blocks everything else that the same task awaits.

use std::panic;

use tokio::task::spawn_blocking;

/// Longest body that is processed on the worker, in bytes: about half a millisecond, far above the cost of a handover.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Runs a computation whose duration grows with the `n_bytes` of a body.
pub(crate) async fn offload<T: Send + 'static>(
    n_bytes: usize,
    computation: impl FnOnce() -> T + Send + 'static,
) -> T {
    if n_bytes <= INLINE_BYTES_MAX {
        return computation();
    }
    // A panic is resumed in the request, so that the middleware answers it.
    spawn_blocking(computation)
        .await
        .unwrap_or_else(|error| panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn only_large_bodies_leave_the_worker() {
        let worker = thread::current().id();
        assert_eq!(offload(1 << 10, || thread::current().id()).await, worker);
        assert_ne!(offload(1 << 20, || thread::current().id()).await, worker);
    }
}
