//! Migration: decides which detector judges a stored series next.
//!
//! Deployments of several generations, and a configuration that is set and removed, may require different detectors of one
//! series at once. By these rules each change costs one migration, and the next writer does not undo it.

use std::cmp::Ordering;

use thiserror::Error;

use crate::{Detector, Memory, SeriesConfig};

/// Detector of a deployment, and the generation that orders its changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeployedDetector {
    /// Detector of series without their own.
    pub detector: Detector,
    /// Incremented with each change of the detector; a higher generation migrates a series once.
    pub generation: u32,
}

/// Source of a judge's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOrigin {
    /// None: the series is new.
    New,
    /// The store.
    Stored,
    /// The window, since the stored memory was lost or did not decode.
    Relearned,
    /// The window, since the memory belonged to a lower generation or to another configuration of the series.
    Migrated,
}

/// Action on a stored memory.
pub(crate) enum Migration {
    /// Keep the memory.
    Keep,
    /// Keep what the detector has learned, but change whether the series owns it, and the generation.
    Reassign { generation: u32 },
    /// Let the required detector learn from the window.
    Relearn { generation: u32 },
}

/// Action for a series with this configuration and stored memory; the configuration takes precedence.
pub(crate) fn migration(
    deployed: &DeployedDetector,
    config: &SeriesConfig,
    stored: &Memory,
) -> Result<Migration, RestoreError> {
    let has_own = config.detector.is_some();
    let is_same = stored.detector == config.detector.unwrap_or(deployed.detector);
    if !has_own && !stored.has_own_detector {
        return by_generation(deployed, stored, is_same);
    }
    // For an own detector, the generation only shows which deployments can read the memory, so it never decreases.
    let generation =
        if has_own { stored.generation.max(deployed.generation) } else { deployed.generation };
    Ok(match (is_same, stored.has_own_detector == has_own) {
        (true, true) => Migration::Keep,
        (true, false) => Migration::Reassign { generation },
        (false, _) => Migration::Relearn { generation },
    })
}

/// Action for a series without its own detector, now or before.
fn by_generation(
    deployed: &DeployedDetector,
    stored: &Memory,
    is_same: bool,
) -> Result<Migration, RestoreError> {
    match stored.generation.cmp(&deployed.generation) {
        _ if is_same => Ok(Migration::Keep),
        Ordering::Greater => Ok(Migration::Keep),
        Ordering::Less => Ok(Migration::Relearn { generation: deployed.generation }),
        Ordering::Equal => Err(RestoreError::Mismatch {
            stored: stored.detector,
            deployed: deployed.detector,
            generation: deployed.generation,
        }),
    }
}

/// Reasons why this deployment cannot judge a stored series.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Two deployments of one generation judge the series with different detectors.
    #[error(
        "series is judged by `{stored}` in generation {generation}, but this deployment has `{deployed}`: \
         increment the generation with each change of the detector"
    )]
    Mismatch {
        /// Detector of the stored memory.
        stored: Detector,
        /// Detector of this deployment.
        deployed: Detector,
        /// Generation of both.
        generation: u32,
    },
    /// A newer deployment wrote a memory that this one cannot read.
    #[error(
        "series is judged in generation {stored}, and this deployment of generation {deployed} cannot read its memory: \
         deploy a newer version"
    )]
    Newer {
        /// Generation of the stored memory.
        stored: u32,
        /// Generation of this deployment.
        deployed: u32,
    },
}
