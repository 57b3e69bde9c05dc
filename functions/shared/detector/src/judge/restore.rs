//! Restores a judge from what a store returned, by the rules of [`crate::migration`].

use crate::judge::counted::rates_of;
use crate::judge::{Judge, window_len};
use crate::migration::{DeployedDetector, MemoryOrigin, Migration, RestoreError, migration};
use crate::window::floor_without_memory;
use crate::{Memory, SeriesConfig, Window};
use domain::{JudgedSample, SampleKind};

impl Judge {
    /// Restores a judge from stored bytes of a memory and judged samples, either of them possibly lost.
    ///
    /// A memory of a higher generation keeps its detector; one of a lower generation migrates; one of the same generation
    /// with another detector is an error, since two deployments would overwrite each other's learning.
    pub fn restore(
        deployed: DeployedDetector,
        memory: Option<&[u8]>,
        window: Vec<JudgedSample>,
    ) -> Result<Self, RestoreError> {
        Self::restore_configured(deployed, &SeriesConfig::default(), memory, window)
    }

    /// Restores the judge of a series with a configuration.
    ///
    /// Its own detector applies in every generation: a memory of another detector migrates. If the configuration no longer
    /// names a detector, the memory migrates to that of the deployment. Each change costs one migration; none is an error.
    pub fn restore_configured(
        deployed: DeployedDetector,
        config: &SeriesConfig,
        memory: Option<&[u8]>,
        mut window: Vec<JudgedSample>,
    ) -> Result<Self, RestoreError> {
        if config.kind.is_some() {
            for judged in &mut window {
                judged.sample = config.as_configured(judged.sample);
            }
        }
        let Some(stored) = memory.and_then(Memory::decode) else {
            return Self::restore_lost(deployed, config, memory, window);
        };
        let stored = match migration(&deployed, config, &stored)? {
            Migration::Keep => stored,
            Migration::Reassign { generation } => {
                Memory { has_own_detector: config.detector.is_some(), generation, ..stored }
            }
            Migration::Relearn { generation } => {
                let deployed = DeployedDetector { generation, ..deployed };
                let fresh = Self::fresh(deployed, config, MemoryOrigin::Migrated);
                return Ok(fresh.relearn(window, Some(stored)));
            }
        };
        if config.kind.is_some_and(|kind| kind.is_counter() != stored.is_counter) {
            let deployed =
                DeployedDetector { detector: stored.detector, generation: stored.generation };
            let fresh = Self::fresh(deployed, config, MemoryOrigin::Migrated);
            return Ok(fresh.relearn(window, Some(stored)));
        }
        // Without the window, judged samples cannot be distinguished from new ones: all of them count as trimmed.
        let floor_us = if window.is_empty() { stored.cursor_us } else { stored.floor_us };
        let window = Window::restore(window_len(&stored.detector), window, floor_us);
        let memory = Memory { floor_us: window.floor_us(), ..stored };
        let rates = rates_of(&memory, &window);
        Ok(Self { memory, window, rates, origin: MemoryOrigin::Stored, config: config.clone() })
    }

    /// Restores a judge without a readable memory.
    fn restore_lost(
        deployed: DeployedDetector,
        config: &SeriesConfig,
        memory: Option<&[u8]>,
        window: Vec<JudgedSample>,
    ) -> Result<Self, RestoreError> {
        // The memory of a newer deployment must not be replaced, even if it is unreadable here.
        let stored = memory.and_then(Memory::generation_of).unwrap_or_default();
        if stored > deployed.generation {
            return Err(RestoreError::Newer { stored, deployed: deployed.generation });
        }
        let is_new = memory.is_none() && window.is_empty();
        let origin = if is_new { MemoryOrigin::New } else { MemoryOrigin::Relearned };
        Ok(Self::fresh(deployed, config, origin).relearn(window, None))
    }

    pub(super) fn fresh(
        deployed: DeployedDetector,
        config: &SeriesConfig,
        origin: MemoryOrigin,
    ) -> Self {
        let detector = config.detector.unwrap_or(deployed.detector);
        let memory = Memory::new(detector, deployed.generation);
        let is_counter = config.kind.is_some_and(SampleKind::is_counter);
        Self {
            memory: Memory { has_own_detector: config.detector.is_some(), is_counter, ..memory },
            window: Window::new(window_len(&detector)),
            rates: None,
            origin,
            config: config.clone(),
        }
    }

    /// Learns the samples of a window without judging them again; `stored` is the memory that migrates.
    fn relearn(mut self, mut samples: Vec<JudgedSample>, stored: Option<Memory>) -> Self {
        samples.sort_by_key(|judged| judged.sample.at_us());
        let newest_is_counter = samples.last().is_some_and(|newest| newest.sample.is_counter());
        let followed = stored.as_ref().map_or(newest_is_counter, |stored| stored.is_counter);
        let is_counter = self.config.kind.map_or(followed, SampleKind::is_counter);
        if let Some(stored) = stored {
            let was_counter = stored.is_counter;
            let fresh = self.memory;
            self.memory = Memory {
                generation: fresh.generation,
                detector: fresh.detector,
                has_own_detector: fresh.has_own_detector,
                state: fresh.state,
                ..stored
            };
            if samples.is_empty() {
                self.memory.floor_us = self.memory.cursor_us;
            }
            if was_counter != is_counter {
                self.forget_learned(is_counter);
            }
        } else {
            self.memory.floor_us = floor_without_memory(&samples);
        }
        self.memory.is_counter = is_counter;
        let floor_us = self.memory.floor_us;
        self.learn_again(samples, floor_us);
        self
    }
}
