//! The samples of a load: series in turn, times that differ, and values that are random.

/// Digits of the number of a series; see [`crate::scenario::SERIES_MAX`].
pub(super) const SERIES_DIGITS: usize = 7;

/// Length of the name of a series: an `s` and its number.
const NAME_LEN: usize = 1 + SERIES_DIGITS;

/// Microseconds of a millisecond.
const MS_US: i64 = 1_000;

/// A sample to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadSample {
    /// Number of its series.
    pub(super) series: u64,
    pub(super) at_us: i64,
    /// Its value, times ten.
    pub(super) tenths: u64,
}

impl LoadSample {
    pub(super) fn value(self) -> f64 {
        self.tenths as f64 / 10.0
    }

    /// The name of the series.
    pub(super) fn name(self) -> [u8; NAME_LEN] {
        let mut name = [b's'; NAME_LEN];
        set_digits(self.series, &mut name[1..]);
        name
    }
}

/// The samples of a load, one after the other.
#[derive(Debug)]
pub(super) struct SampleSequence {
    /// Samples so far; the series get them in turn.
    n_samples: u64,
    /// The newest time so far.
    last_us: i64,
    n_series: u64,
    noise: u64,
}

impl SampleSequence {
    pub(super) fn new() -> Self {
        Self { n_samples: 0, last_us: 0, n_series: 0, noise: 0x9E37_79B9_7F4A_7C15 }
    }

    /// Begins a request.
    pub(super) fn begin(&mut self, n_series: u32) {
        // With other series, the turn of a series may come sooner.
        if u64::from(n_series) != self.n_series {
            self.last_us += MS_US;
        }
        self.n_series = n_series.into();
    }

    /// The time before those of a request, one microsecond each, of which the last is not before `now_us`.
    pub(super) fn begin_us(&self, now_us: i64, batch: u32) -> i64 {
        self.last_us.max(now_us - i64::from(batch))
    }

    pub(super) fn next_series(&self) -> u64 {
        self.n_samples % self.n_series
    }

    /// The next sample, at a time that no other has.
    pub(super) fn next(&mut self, at_us: i64) -> LoadSample {
        let series = self.next_series();
        self.n_samples += 1;
        self.last_us = self.last_us.max(at_us);
        LoadSample { series, at_us, tenths: 4_000 + self.random() % 1_000 }
    }

    /// The next sample, at a whole millisecond that no other of its series has: all series have a turn at one time.
    pub(super) fn next_of_turn(&mut self, now_us: i64) -> LoadSample {
        let now_us = now_us - now_us % MS_US;
        let turn_us = self.last_us - self.last_us % MS_US;
        let at_us = if self.next_series() == 0 { turn_us + MS_US } else { turn_us };
        self.next(at_us.max(now_us))
    }

    /// xorshift, since values only have to differ.
    fn random(&mut self) -> u64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        self.noise >> 20
    }
}

/// Sets all bytes to the digits of a number.
pub(super) fn set_digits(mut number: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
