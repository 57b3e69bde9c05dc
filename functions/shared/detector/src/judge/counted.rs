//! Kind of a series: what its detector reads of each sample, and the change from one kind to the other.
//!
//! The window holds totals as they were sent, so that a repeated sample is recognized; the detector of a counter reads
//! rates, or the means of observations. They follow from the window alone: a judge that was restored reads what one in
//! memory reads.

#[cfg(test)]
mod tests;

use crate::counter;
use crate::detector_state::DetectorState;
use crate::judge::{Judge, window_len};
use crate::{Memory, Window};
use domain::{JudgedSample, Rate, Sample};

/// Reading of a sample by the detector of its series.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadSample {
    /// The rate or mean that is shown with the verdict.
    pub(super) rate: Rate,
    /// The sample of a gauge, or the rate or mean of a counter; `None` if there is nothing to judge.
    pub(super) sample: Option<Sample>,
}

/// Reads a sample after `before` for the detector of a series of this kind.
fn read_after(is_counter: bool, before: Option<Sample>, sample: Sample) -> ReadSample {
    let rate = counter::rate(before, sample);
    let read = match rate {
        Rate::NotCounter if !is_counter => Some(sample),
        Rate::PerSecond(number) | Rate::Mean(number) if is_counter => {
            Sample::new(sample.at_us(), number).ok()
        }
        _ => None,
    };
    // A sample of another kind than its series is not judged, so no rate is shown.
    let rate = if read.is_none() && sample.is_counter() { Rate::Unknown } else { rate };
    ReadSample { rate, sample: read }
}

impl Judge {
    /// Reads a sample for the detector.
    #[inline]
    pub(super) fn read(&self, sample: Sample) -> ReadSample {
        if !sample.is_counter() && !self.memory.is_counter {
            return ReadSample { rate: Rate::NotCounter, sample: Some(sample) };
        }
        read_after(self.memory.is_counter, self.sample_before(sample.at_us()), sample)
    }

    /// The sample before a time: of the window, or the last judged one if the window was lost.
    fn sample_before(&self, at_us: i64) -> Option<Sample> {
        if self.window.judged().is_empty() {
            return self.memory.last.map(|last| last.sample);
        }
        self.window.before(at_us, 1).last().map(|judged| judged.sample)
    }

    /// Changes the kind of the series to that of its newest sample, unless it is configured.
    pub(super) fn follow_kind(&mut self, newest: Sample) {
        if newest.is_counter() != self.memory.is_counter && self.config.kind.is_none() {
            let (samples, floor_us) = (self.window.judged().to_vec(), self.window.floor_us());
            self.forget_learned(newest.is_counter());
            self.learn_again(samples, floor_us);
        }
    }

    /// Removes what was learned from samples of another kind, their judgement and their episode included.
    pub(super) fn forget_learned(&mut self, is_counter: bool) {
        let memory = &mut self.memory;
        memory.state = DetectorState::new(&memory.detector);
        (memory.is_counter, memory.last, memory.episode) = (is_counter, None, None);
    }

    /// Learns judged samples in time order, without judging them again.
    pub(super) fn learn_again(&mut self, samples: Vec<JudgedSample>, floor_us: Option<i64>) {
        self.window = Window::restore(window_len(&self.memory.detector), Vec::new(), floor_us);
        let has_rates =
            self.memory.is_counter || samples.iter().any(|judged| judged.sample.is_counter());
        self.rates = has_rates.then(|| self.window.clone());
        for judged in samples {
            let read = self.read(judged.sample).sample;
            if let Some(read) = read {
                let assessment = self.assess(read);
                self.learn(read, &assessment);
            }
            self.window.insert(judged);
            self.update_rates(read, false);
            self.memory.cursor_us = self.memory.cursor_us.max(Some(judged.sample.at_us()));
        }
        self.memory.floor_us = self.window.floor_us();
        self.rates = rates_of(&self.memory, &self.window);
    }

    /// Follows an insertion into the window by the rates; `read` is what the detector reads of the newest sample.
    #[inline]
    pub(super) fn update_rates(&mut self, read: Option<Sample>, late: bool) {
        let Some(rates) = &mut self.rates else { return };
        if late {
            // The rate of the sample after a late one changes, too.
            self.rates = rates_of(&self.memory, &self.window);
            return;
        }
        let Some((oldest, newest)) = self.window.judged().first().zip(self.window.judged().last())
        else {
            return;
        };
        if let Some(sample) = read {
            rates.insert(newest.with_sample(sample));
        }
        // A judge that is restored from the window does not know the rate of the oldest sample either.
        let oldest_us = oldest.sample.at_us();
        rates.drop_until(if self.memory.is_counter { oldest_us } else { oldest_us - 1 });
    }
}

/// Samples that the detector reads; `None` if they are those of the window.
pub(super) fn rates_of(memory: &Memory, window: &Window) -> Option<Window> {
    let judged = window.judged();
    if !memory.is_counter && judged.iter().all(|judged| !judged.sample.is_counter()) {
        return None;
    }
    let before = |i: usize| i.checked_sub(1).map(|i| judged[i].sample);
    let read = judged.iter().enumerate().filter_map(|(i, judged)| {
        let sample = read_after(memory.is_counter, before(i), judged.sample).sample?;
        Some(judged.with_sample(sample))
    });
    Some(Window::restore(window_len(&memory.detector), read.collect(), None))
}
