//! `alerts check` and `alerts test`: what receivers and policies are configured, and whether a receiver gets messages.

use std::fmt::Write;
use std::sync::Arc;

use service::{AlertRules, Receiver, send_test_message};

/// A command about the alerts that the environment configures.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AlertsCommand {
    /// Lists the receivers and counts the policies, which are valid.
    Check,
    /// Sends a test message to the receiver of that name.
    Test(String),
}

/// Reasons why no test message was delivered.
#[derive(Debug)]
pub(crate) enum TestMessageError {
    /// No receiver has the name; with what was expected.
    UnknownReceiver(String),
    /// The receiver did not take it.
    NotTaken {
        /// The receiver.
        receiver: String,
        /// Its answer, or why there was none.
        reason: String,
    },
}

impl AlertsCommand {
    /// Runs the command; returns what it prints.
    pub(crate) async fn run(
        &self,
        rules: &AlertRules,
        receivers: &[Arc<dyn Receiver>],
    ) -> Result<String, TestMessageError> {
        match self {
            Self::Check => Ok(list(rules)),
            Self::Test(name) => test(name, receivers).await,
        }
    }
}

fn list(rules: &AlertRules) -> String {
    let mut text = String::new();
    for receiver in &rules.receivers {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "receiver {receiver:?}");
    }
    let _infallible = writeln!(text, "policies {}", rules.n_policies());
    text
}

async fn test(name: &str, receivers: &[Arc<dyn Receiver>]) -> Result<String, TestMessageError> {
    let Some(receiver) = receivers.iter().find(|receiver| receiver.name() == name) else {
        let names: Vec<&str> = receivers.iter().map(|receiver| receiver.name()).collect();
        let expected = names.join(", ");
        let problem = format!("receiver `{name}` is unknown: expected one of {expected}");
        return Err(TestMessageError::UnknownReceiver(problem));
    };
    let sent = send_test_message(receiver.as_ref()).await;
    let not_taken = |reason| TestMessageError::NotTaken { receiver: name.to_owned(), reason };
    sent.map_err(not_taken)?;
    Ok(format!("receiver {name} took the test message\n"))
}
