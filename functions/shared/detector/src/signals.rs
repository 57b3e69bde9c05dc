//! The signals that a composite detector listens to.

use std::fmt;
use std::str::FromStr;

use domain::Signal;

/// A set of signals, at least one; its text is `deviation+shift`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signals(u8);

impl Signals {
    /// What `traffic` listens to: all but novelty, for which a value never seen before is an alarm.
    pub const TRAFFIC: Self = Self(0b01_1111);

    /// What `novelty` listens to.
    pub const NOVELTY: Self = Self(0b10_0000);

    /// All of them.
    pub const ALL: Self = Self(0b11_1111);

    /// Whether `signal` is one of them.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & bit(signal) != 0
    }

    /// Whether any of `signals` is one of them.
    pub fn contains_any(self, signals: Self) -> bool {
        self.0 & signals.0 != 0
    }

    /// Its signals, in the order of [`Signal::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL.into_iter().filter(move |signal| self.contains(*signal))
    }
}

fn bit(signal: Signal) -> u8 {
    1 << signal as u8
}

impl fmt::Display for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, signal) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { "+" };
            write!(f, "{separator}{}", signal.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signals {
    type Err = HeadUnknown;

    fn from_str(text: &str) -> Result<Self, HeadUnknown> {
        text.split('+').try_fold(Self(0), |signals, name| {
            let signal = Signal::from_name(name).ok_or(HeadUnknown)?;
            Ok(Self(signals.0 | bit(signal)))
        })
    }
}

/// A name that is no signal's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadUnknown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_read_back_in_any_order() {
        for bits in 1..=Signals::ALL.0 {
            assert_eq!(Signals(bits).to_string().parse(), Ok(Signals(bits)));
        }
        assert_eq!("gap+deviation".parse::<Signals>().unwrap().to_string(), "deviation+gap");
        for text in ["", "deviation+", "shfit"] {
            assert_eq!(text.parse::<Signals>(), Err(HeadUnknown));
        }
    }
}
