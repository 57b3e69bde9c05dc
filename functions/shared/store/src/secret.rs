//! A text that is redacted in logs.
//!
//! It has no `Display`, and its `Debug` is redacted, so that a structure with a secret can be logged.

use std::fmt;

/// A password, or an address that may contain one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, to be sent to a server and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_is_redacted() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{:?}", Some(&secret)), "Some([secret])");
        assert_eq!(secret.expose(), "hunter2");
    }
}
