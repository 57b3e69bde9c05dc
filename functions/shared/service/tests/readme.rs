//! The table of variables in the README is the one that the configuration declares.
//!
//! `UPDATE_README=1 cargo test --package service --test readme` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use service::config::Variable;

const BEGIN: &str = "<!-- variables:begin -->\n";
const END: &str = "<!-- variables:end -->";

fn table() -> String {
    let mut table = "| variable | default | what it sets |\n|---|---|---|\n".to_owned();
    for Variable { name, default, doc } in Variable::ALL {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        writeln!(table, "| `{name}` | {default} | {doc} |").unwrap();
    }
    table
}

#[test]
fn the_readme_lists_every_variable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a switch of this test, not of the service")]
    if std::env::var("UPDATE_README").is_ok() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(listed, table(), "UPDATE_README=1 writes it anew");
}
