//! Progress bars and warnings on stderr.

use indicatif::{ProgressBar, ProgressStyle};

use crate::redact::redact;

/// A bar of `len` steps; nothing is drawn if stderr is not a terminal.
pub(crate) fn bar(len: usize, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len as u64).with_style(style).with_message(what.to_owned())
}

/// Prints warnings.
#[expect(clippy::print_stderr, reason = "warnings belong on stderr")]
pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {}", redact(warning));
    }
}
