//! Runs long work on threads of low priority.
//!
//! The workers of the runtime serve all connections, and a request of thousands of samples would occupy one for tens of
//! milliseconds. On threads of their own, such requests use the processor time that short ones leave.

use std::cell::Cell;
use std::num::NonZero;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::thread::{self, available_parallelism};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

/// Difference in niceness from the workers: the scheduler gives them about nine times the time of such a thread.
const NICENESS: i32 = 10;

type Computation = Box<dyn FnOnce() + Send>;

/// The queue of the computing threads, one for each processor.
///
/// They are few and always the same: the allocator retains memory for each thread, and computations need megabytes.
static COMPUTATIONS: LazyLock<mpsc::Sender<Computation>> = LazyLock::new(|| {
    let (queue, computations) = mpsc::channel::<Computation>();
    let computations = Arc::new(Mutex::new(computations));
    for _ in 0..available_parallelism().map_or(1, NonZero::get) {
        let computations = Arc::clone(&computations);
        thread::spawn(move || {
            lower_priority();
            loop {
                let next = computations.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(computation) = next else { return };
                computation();
            }
        });
    }
    queue
});

/// Runs a computation; a panic continues in the caller.
pub async fn compute<T: Send + 'static>(computation: impl FnOnce() -> T + Send + 'static) -> T {
    let (reply, result) = oneshot::channel();
    let computation = Box::new(move || {
        // The request may have ended meanwhile.
        drop(reply.send(catch_unwind(AssertUnwindSafe(computation))));
    });
    COMPUTATIONS.send(computation).expect("the computing threads live as long as the process");
    let result = result.await.expect("a computation replies, even if it panics");
    result.unwrap_or_else(|panic| panic::resume_unwind(panic))
}

/// Runs a future that computes much between its awaits; a panic continues in the caller.
pub async fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    spawn(future).await.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()))
}

/// Starts a task that computes much between its awaits.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let runtime = Handle::current();
    spawn_blocking(move || {
        lower_priority();
        runtime.block_on(task)
    })
}

/// Lowers the priority of this thread, once: threads are reused, and niceness adds up.
fn lower_priority() {
    thread_local! { static IS_LOW: Cell<bool> = const { Cell::new(false) } }
    if IS_LOW.replace(true) {
        return;
    }
    // On Linux niceness is that of a thread, elsewhere that of the process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "priority of a thread not lowered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_work_leaves_the_workers() {
        let worker = thread::current().id();
        assert_ne!(compute(|| thread::current().id()).await, worker);
        assert_ne!(spawn(async { thread::current().id() }).await.unwrap(), worker);
    }

    #[tokio::test]
    async fn a_panic_ends_its_computation_only() {
        for _ in 0..100 {
            let panicking = tokio::spawn(compute(|| panic!("of the test")));
            assert!(panicking.await.unwrap_err().is_panic());
        }
        assert_eq!(compute(|| 1).await, 1);
    }
}
