//! The heads that a composite detector listens to.

use std::fmt;
use std::str::FromStr;

use crate::Head;

/// A set of heads, at least one; its text is `deviation+shift`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Heads(u8);

impl Heads {
    /// What `traffic` listens to: all but novelty, for which a value never seen before is an alarm.
    pub const TRAFFIC: Self = Self(0b01_1111);

    /// What `novelty` listens to.
    pub const NOVELTY: Self = Self(0b10_0000);

    /// All of them.
    pub const ALL: Self = Self(0b11_1111);

    /// Whether `head` is one of them.
    pub fn contains(self, head: Head) -> bool {
        self.0 & bit(head) != 0
    }

    /// Whether any of `heads` is one of them.
    pub fn contains_any(self, heads: Self) -> bool {
        self.0 & heads.0 != 0
    }

    /// Its heads, in the order of [`Head::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Head> {
        Head::ALL.into_iter().filter(move |head| self.contains(*head))
    }
}

fn bit(head: Head) -> u8 {
    1 << head as u8
}

impl fmt::Display for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, head) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { "+" };
            write!(f, "{separator}{}", head.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Heads {
    type Err = HeadUnknown;

    fn from_str(text: &str) -> Result<Self, HeadUnknown> {
        text.split('+').try_fold(Self(0), |heads, name| {
            let head = Head::from_name(name).ok_or(HeadUnknown)?;
            Ok(Self(heads.0 | bit(head)))
        })
    }
}

/// A name that is no head's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadUnknown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_back_in_any_order() {
        for bits in 1..=Heads::ALL.0 {
            assert_eq!(Heads(bits).to_string().parse(), Ok(Heads(bits)));
        }
        assert_eq!("gap+deviation".parse::<Heads>().unwrap().to_string(), "deviation+gap");
        for text in ["", "deviation+", "shfit"] {
            assert_eq!(text.parse::<Heads>(), Err(HeadUnknown));
        }
    }
}
