//! Metrics of calls to the store, measured where the call is made: duration, failures, and for EMF what became of the
//! samples.

use domain::Judgement;
use store::{Append, AppendOutcome, Commit, CommitOutcome, SampleClass, StoreError};
use tokio::time::Instant;

use crate::metrics::{MetricName, Totals};

/// Label of a call in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreOperation {
    /// Samples are appended, with or without a commit.
    Append,
    /// Something else is written to series.
    Commit,
    /// Known series are read.
    Read,
    /// Series are searched for.
    List,
    /// Tokens are taken from the bucket of a tenant.
    Lease,
}

impl StoreOperation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Commit => "commit",
            Self::Read => "read",
            Self::List => "list",
            Self::Lease => "lease",
        }
    }
}

/// Outcome of one call, or of a call for several series.
pub(crate) trait StoreReply {
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
    /// Measures a call of the store.
    pub(crate) async fn measure<T: StoreReply>(
        &self,
        operation: StoreOperation,
        call: impl Future<Output = T>,
    ) -> T {
        let start = Instant::now();
        let reply = call.await;
        let seconds = start.elapsed().as_secs_f64();
        self.count_operation(operation.as_str(), seconds, reply.has_failed());
        reply
    }

    /// Notes in the EMF buffer what became of appended samples, as the store counts them.
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
                        emf.note_classes(&all_fresh(&optimistic.commit.judgements));
                        emf.note_judgements(&optimistic.commit.judgements);
                    }
                    _ => {}
                }
            }
        });
    }

    /// Notes in the EMF buffer what became of a commit, as the store counts it.
    pub(crate) fn note_commit(&self, commit: &Commit, outcome: &Result<CommitOutcome, StoreError>) {
        self.note(|emf| match outcome {
            Ok(CommitOutcome::Committed { .. }) => emf.note_judgements(&commit.judgements),
            Ok(CommitOutcome::Conflict(_)) => emf.count(MetricName::CommitConflicts, &[], 1),
            Err(_) => {}
        });
    }
}

fn all_fresh(judgements: &[Judgement]) -> Vec<SampleClass> {
    judgements.iter().map(|it| SampleClass::Fresh { at_us: it.sample.at_us() }).collect()
}
