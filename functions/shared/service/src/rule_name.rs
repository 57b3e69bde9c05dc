//! Names in rules of the deployment: of rules themselves, of receivers and of policies.

/// Longest name, in bytes; it is a label of a metric.
const NAME_LEN_MAX: usize = 64;

/// Accepts a name that is a readable label; the error names the field and what was expected.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(format!("`name`: expected 1 to {NAME_LEN_MAX} characters of A-Z a-z 0-9 _ - ."))
}
