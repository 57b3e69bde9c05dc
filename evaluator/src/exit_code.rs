//! Exit codes, and the report of an error on stderr.

use std::process::ExitCode;

use crate::output::OutputError;
use crate::redact::redact;

/// A limit was missed, records or verdicts differ, or a deployment did not answer.
pub(crate) const EXIT_MISSED: u8 = 1;

/// Data, a scenario or a record cannot be read, or a deployment refuses a request; 2 is clap's, for wrong arguments.
pub(crate) const EXIT_INPUT: u8 = 3;

/// A report cannot be written.
pub(crate) const EXIT_OUTPUT: u8 = 4;

/// The exit codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Data and reports go to stdout, warnings and progress to stderr.

Exit codes:
  0  success
  1  a limit was missed, records or verdicts differ, or a deployment did not answer `tune --apply`
  2  wrong arguments
  3  data, a scenario or a record cannot be read, or a deployment refuses a request of `replay` or `tune --apply`
     (401, 400, 413 and the like)
  4  a report cannot be written";

/// Exit code of a command that checks something.
pub(crate) fn passed(is_passed: bool) -> ExitCode {
    if is_passed { ExitCode::SUCCESS } else { ExitCode::from(EXIT_MISSED) }
}

/// Prints an error with its causes to stderr and returns its exit code.
///
/// A reader that closes the pipe (`evaluator list | head -1`) is not an error.
#[expect(clippy::print_stderr, reason = "errors belong on stderr")]
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let output = error.chain().find_map(|cause| cause.downcast_ref::<OutputError>());
    if output.is_some_and(|output| output.source.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {}", redact(&format!("{error:#}")));
    ExitCode::from(if output.is_some() { EXIT_OUTPUT } else { EXIT_INPUT })
}
