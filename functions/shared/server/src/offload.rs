//! Where work that waits for nothing is done.
//!
//! A worker of the runtime serves hundreds of connections; a body of megabytes would keep it for tens
//! of milliseconds. Such work goes to the blocking pool. `block_in_place` would spare the handover of
//! some microseconds, but it panics on a runtime of one thread and stalls whatever else its own task
//! awaits at once.

use std::panic;

use tokio::task::spawn_blocking;

/// Longest body worked on in place, in bytes: about half a millisecond, far above the handover's cost.
const IN_PLACE_BYTES_MAX: usize = 64 << 10;

/// Does work that grows with the `n_bytes` of a body.
pub(crate) async fn offload<T: Send + 'static>(
    n_bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if n_bytes <= IN_PLACE_BYTES_MAX {
        return work();
    }
    let done = spawn_blocking(work).await;
    // A panic goes on where the work was asked for, so that the request is answered.
    done.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn only_large_work_leaves_the_thread() {
        let here = thread::current().id();
        assert_eq!(offload(1 << 10, || thread::current().id()).await, here);
        assert_ne!(offload(1 << 20, || thread::current().id()).await, here);
    }
}
