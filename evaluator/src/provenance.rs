//! Origin of a record: the command and the commit that reproduce it.

use std::process::Command;

use crate::redact::redact;

/// The command line of this process, quoted for a shell, with the program name `evaluator` and without passwords.
pub(crate) fn command_line() -> String {
    let quoted = std::env::args().skip(1).map(|argument| quote(&redact(&argument)));
    std::iter::once("evaluator".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

/// The commit that is checked out, with `-dirty` after changes; `None` outside a repository.
pub(crate) fn commit() -> Option<String> {
    let described = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        .output()
        .ok()?;
    let text = String::from_utf8(described.stdout).ok()?;
    (described.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn quote(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        let cases = [
            ("zscore:window=50,threshold=2", "zscore:window=50,threshold=2"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
        ];
        for (argument, quoted) in cases {
            assert_eq!(quote(argument), quoted);
        }
    }
}
