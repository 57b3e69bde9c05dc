//! Reads an API key from a file, so that it appears in no command line.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

/// The first line of the file; `None` if no file is named.
pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(path) = file else {
        return Ok(None);
    };
    let text = fs::read_to_string(path).with_context(|| format!("read `{}`", path.display()))?;
    let key = text.lines().next().unwrap_or_default().trim();
    ensure!(!key.is_empty(), "`{}` holds no API key: expected one line", path.display());
    Ok(Some(key.to_owned()))
}
