//! Checks that the documents contain the configuration table generated from the declaration.
//!
//! `UPDATE_DOCS=1 cargo test --package service --test documents` rewrites the table.

use std::fs;
use std::path::Path;

use service::config::Variable;

const BEGIN: &str = "<!-- variables:begin -->\n";
const END: &str = "<!-- variables:end -->";

/// Documents that may contain the table, between the markers.
const DOCUMENTS: [&str; 2] = ["docs/configuration.md", "README.md"];

#[test]
fn the_documents_list_every_variable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut n_tables = 0;
    for path in DOCUMENTS.map(|document| root.join(document)) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let Some((before, rest)) = text.split_once(BEGIN) else { continue };
        let (table, after) = rest.split_once(END).unwrap();
        n_tables += 1;
        #[expect(clippy::disallowed_methods, reason = "only this test reads the switch")]
        if std::env::var("UPDATE_DOCS").is_ok() {
            let table = Variable::markdown_table();
            fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        } else {
            assert_eq!(table, Variable::markdown_table(), "UPDATE_DOCS=1 rewrites it");
        }
    }
    assert_eq!(n_tables, 1, "one document contains the table");
}
