//! Restores a judge from what a store returned, by the rules of [`crate::migration`].

use crate::judge::{Judge, window_len};
use crate::migration::{DeployedDetector, MemoryOrigin, Migration, RestoreError, migration};
use crate::window::floor_without_memory;
use crate::{Memory, SeriesConfig, Window};
use domain::JudgedSample;

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
        window: Vec<JudgedSample>,
    ) -> Result<Self, RestoreError> {
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
        // Without the window, judged samples cannot be distinguished from new ones: all of them count as trimmed.
        let floor_us = if window.is_empty() { stored.cursor_us } else { stored.floor_us };
        let window = Window::restore(window_len(&stored.detector), window, floor_us);
        let memory = Memory { floor_us: window.floor_us(), ..stored };
        Ok(Self { memory, window, origin: MemoryOrigin::Stored, config: config.clone() })
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
        Self {
            memory: Memory { has_own_detector: config.detector.is_some(), ..memory },
            window: Window::new(window_len(&detector)),
            origin,
            config: config.clone(),
        }
    }

    /// Learns the samples of a window without judging them again; `stored` is the memory that migrates.
    fn relearn(mut self, mut samples: Vec<JudgedSample>, stored: Option<Memory>) -> Self {
        samples.sort_by_key(|judged| judged.sample.at_us());
        let len = window_len(&self.memory.detector);
        if let Some(stored) = stored {
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
        } else {
            self.memory.floor_us = floor_without_memory(&samples);
        }
        self.window = Window::restore(len, Vec::new(), self.memory.floor_us);
        for judged in samples {
            let assessment = self.assess(judged.sample);
            self.learn(judged.sample, &assessment);
            self.window.insert(judged);
            self.memory.cursor_us = self.memory.cursor_us.max(Some(judged.sample.at_us()));
        }
        self.memory.floor_us = self.window.floor_us();
        self
    }
}
