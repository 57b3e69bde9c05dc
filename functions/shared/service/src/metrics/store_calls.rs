//! Measures calls to the store where they are made: duration, failures, and the outcomes of samples for EMF.

use store::{Append, AppendOutcome, Commit, CommitOutcome, StoreError};
use tokio::time::Instant;

use crate::metrics::name::{MetricName, StoreOperation};
use crate::metrics::totals::Totals;

/// Reply of a call, for one series or several.
pub(crate) trait StoreReply {
    /// Returns whether the call failed for a series.
    fn has_failed(&self) -> bool;
}

impl<T> StoreReply for Result<T, StoreError> {
    fn has_failed(&self) -> bool {
        self.is_err()
    }
}

impl<T> StoreReply for Vec<Result<T, StoreError>> {
    fn has_failed(&self) -> bool {
        self.iter().any(Result::is_err)
    }
}

impl Totals {
    /// Measures a call to the store.
    pub(crate) async fn measure<T: StoreReply>(
        &self,
        operation: StoreOperation,
        call: impl Future<Output = T>,
    ) -> T {
        let start = Instant::now();
        let reply = call.await;
        self.count_operation(operation, start.elapsed().as_secs_f64(), reply.has_failed());
        reply
    }

    /// Counts the outcomes of appended samples for EMF; for all processes, the store counts them itself.
    pub(crate) fn note_appends(
        &self,
        appends: &[Append],
        outcomes: &[Result<AppendOutcome, StoreError>],
    ) {
        self.note(|emf| {
            for (append, outcome) in appends.iter().zip(outcomes) {
                match (outcome, &append.optimistic) {
                    (Ok(AppendOutcome::Classified(classified)), _) => {
                        emf.note_classes(&classified.classes);
                    }
                    (Ok(AppendOutcome::Committed { .. }), Some(optimistic)) => {
                        let judgements = &optimistic.commit.judgements;
                        let n = judgements.len() as u64;
                        emf.count(MetricName::Samples, &[("outcome", "accepted")], n);
                        emf.note_judgements(judgements);
                    }
                    _ => {}
                }
            }
        });
    }

    /// Counts the outcome of a commit for EMF.
    pub(crate) fn note_commit(&self, commit: &Commit, outcome: &Result<CommitOutcome, StoreError>) {
        self.note(|emf| match outcome {
            Ok(CommitOutcome::Committed { .. }) => emf.note_judgements(&commit.judgements),
            Ok(CommitOutcome::Conflict(_)) => emf.count(MetricName::CommitConflicts, &[], 1),
            Err(_) => {}
        });
    }
}
