//! Removes passwords from texts that are printed or stored.
//!
//! An address such as `redis://user:password@host` reaches records, pages, terminals and error messages; all of them pass
//! through this function.

/// Text in place of a password.
const REDACTED: &str = "***";

/// The text with `***` in place of the password of each address.
///
/// A password may hold an unescaped `/` or `@`, so it ends at the last `@` of its word.
pub(crate) fn redact(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        redacted.push_str(before);
        redacted.push_str("://");
        let is_end = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
        let word = after.get(..after.find(is_end).unwrap_or(after.len())).unwrap_or_default();
        let host_at = word.rfind('@').map_or(0, |at| at + 1);
        let user = word.get(..host_at).unwrap_or_default();
        match user.split_once(':') {
            Some((user, _)) => {
                redacted.push_str(user);
                redacted.push(':');
                redacted.push_str(REDACTED);
                redacted.push('@');
            }
            // A word without a colon is a token, as secret as a password.
            None if !user.is_empty() => {
                redacted.push_str(REDACTED);
                redacted.push('@');
            }
            None => {}
        }
        rest = after.get(host_at..).unwrap_or_default();
    }
    redacted + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_addresses_are_removed() {
        let cases = [
            ("redis://:secret@127.0.0.1:6379", "redis://:***@127.0.0.1:6379"),
            ("--redis=rediss://me:secret@h/0", "--redis=rediss://me:***@h/0"),
            ("redis://:a/b@c@h", "redis://:***@h"),
            ("https://token@h/x", "https://***@h/x"),
            (
                "`redis://u:secret@h` and http://u:secret@g/",
                "`redis://u:***@h` and http://u:***@g/",
            ),
            ("redis://127.0.0.1:6379 failed", "redis://127.0.0.1:6379 failed"),
            ("a@b and c: d", "a@b and c: d"),
            ("://", "://"),
            ("", ""),
        ];
        for (text, wanted) in cases {
            assert_eq!(redact(text), wanted);
        }
    }
}
