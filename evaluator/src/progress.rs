//! Talk on stderr: a progress bar for a person, warnings for everyone.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `len` steps; nothing is drawn when stderr is no terminal.
pub(crate) fn bar(len: usize, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len as u64).with_style(style).with_message(what.to_owned())
}

/// Prints warnings.
#[expect(clippy::print_stderr, reason = "stderr is where a person is told")]
pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}
