//! Answers that are computed at most once a second for all requests, such as those of open pages.
//!
//! Callers that ask at the same time wait for one computation. What a caller itself wrote may be missing for a second.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest time for which an answer is given again.
const AGE_MAX: Duration = Duration::from_secs(1);

/// An answer and the time at which its computation began; none before the first.
type Slot<V> = Arc<tokio::sync::Mutex<Option<(Instant, V)>>>;

/// The last answer for each key. Keys are tenants of the configuration, so there are few.
#[derive(Debug)]
pub(crate) struct RecentAnswers<K, V> {
    // A `std::sync::Mutex` and not a Tokio one: it is never locked across an await.
    slots: Mutex<HashMap<K, Slot<V>>>,
}

impl<K, V> Default for RecentAnswers<K, V> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<K: Eq + Hash, V: Clone> RecentAnswers<K, V> {
    /// Returns the answer of the last second, or computes one; an error is not given to others.
    pub(crate) async fn get<E>(
        &self,
        key: K,
        compute: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        let slot = Arc::clone(
            self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default(),
        );
        // Locked during the computation, so that all others wait for it.
        let mut last = slot.lock().await;
        if let Some((begun_at, answer)) = &*last
            && begun_at.elapsed() < AGE_MAX
        {
            return Ok(answer.clone());
        }
        let begun_at = Instant::now();
        let answer = compute.await?;
        *last = Some((begun_at, answer.clone()));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_callers_cost_one_computation_a_second() {
        let (answers, n_computed) = (RecentAnswers::default(), Cell::new(0));
        let ask = |tenant: &'static str| {
            let (answers, n_computed) = (&answers, &n_computed);
            async move {
                let compute = async {
                    sleep(Duration::from_millis(100)).await;
                    n_computed.set(n_computed.get() + 1);
                    Ok::<_, ()>(n_computed.get())
                };
                answers.get(tenant, compute).await.unwrap()
            }
        };
        assert_eq!(join_all((0..10).map(|_| ask("one"))).await, vec![1; 10]);
        advance(Duration::from_millis(899)).await;
        assert_eq!(ask("one").await, 1);
        assert_eq!(ask("other").await, 2, "each tenant has its own");
        assert_eq!(join_all((0..10).map(|_| ask("one"))).await, vec![3; 10]);
    }

    #[tokio::test]
    async fn an_error_is_computed_again() {
        let answers = RecentAnswers::default();
        assert_eq!(answers.get((), async { Err::<i32, _>("away") }).await, Err("away"));
        assert_eq!(answers.get((), async { Ok::<_, &str>(1) }).await, Ok(1));
    }
}
