//! Set of signals that a composite detector uses.

use std::fmt;
use std::str::FromStr;

use domain::Signal;

/// Set of at least one signal; its text is `deviation+shift`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignalSet(u8);

impl SignalSet {
    /// Signals of the profile `traffic`: all but novelty.
    pub const TRAFFIC: Self = Self(0b01_1111);

    /// Signals of the profile `novelty`.
    pub const NOVELTY: Self = Self(0b10_0000);

    /// All signals.
    pub const ALL: Self = Self(0b11_1111);

    /// Set of one signal.
    pub fn only(signal: Signal) -> Self {
        Self(bit(signal))
    }

    /// The signals of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if the set contains `signal`.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & bit(signal) != 0
    }

    /// True if the set contains any of `signals`.
    pub fn contains_any(self, signals: Self) -> bool {
        self.0 & signals.0 != 0
    }

    /// Signals of the set, in the order of [`Signal::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL.into_iter().filter(move |signal| self.contains(*signal))
    }
}

fn bit(signal: Signal) -> u8 {
    1 << signal as u8
}

impl fmt::Display for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, signal) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { "+" };
            write!(f, "{separator}{}", signal.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SignalSet {
    type Err = SignalUnknown;

    fn from_str(text: &str) -> Result<Self, SignalUnknown> {
        text.split('+').try_fold(Self(0), |signals, name| {
            let signal = Signal::from_name(name).ok_or(SignalUnknown)?;
            Ok(Self(signals.0 | bit(signal)))
        })
    }
}

/// Error for an unknown name of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalUnknown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_sets_round_trip_in_any_order() {
        for bits in 1..=SignalSet::ALL.0 {
            assert_eq!(SignalSet(bits).to_string().parse(), Ok(SignalSet(bits)));
        }
        assert_eq!("gap+deviation".parse::<SignalSet>().unwrap().to_string(), "deviation+gap");
        for text in ["", "deviation+", "shfit"] {
            assert_eq!(text.parse::<SignalSet>(), Err(SignalUnknown));
        }
    }
}
