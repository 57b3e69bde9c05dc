//! The command that makes an API key: `standalone key TENANT RIGHTS`.
//!
//! It is part of each function, so that whoever can run one needs nothing else. It reads no configuration and writes
//! none: the key is for the one who will use it, the entry for those who configure the function.

use std::io::Write;

use service::access::NewApiKey;

use crate::function::Function;
use crate::run::RunError;

/// Makes a key, and prints it with its entry.
pub(crate) fn make_key(
    function: Function,
    arguments: &[String],
    out: &mut impl Write,
) -> Result<(), RunError> {
    let [command, tenant, rights] = arguments else { return Err(usage(function)) };
    if command != "key" {
        return Err(usage(function));
    }
    let NewApiKey { key, entry } =
        NewApiKey::generate(tenant, rights).map_err(RunError::Arguments)?;
    writeln!(out, "key   {key}\nentry {entry}")
        .map_err(|error| RunError::Arguments(format!("the key cannot be printed: {error}")))
}

fn usage(function: Function) -> RunError {
    let modes = if function == Function::Analyze { "none, `exporter`, `sweeper`" } else { "none" };
    RunError::Arguments(format!(
        "{modes}, or `key TENANT RIGHTS` as in `{function} key checkout write+read`, is wanted"
    ))
}
