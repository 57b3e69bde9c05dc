//! Who judges a series after what is stored: the same detector, or another one that learns again.
//!
//! Deployments of several generations and a configuration that comes and goes may all want a series at once. These
//! rules let each change cost one migration, and none be undone by the next writer.

use std::cmp::Ordering;

use crate::{DeployedDetector, Memory, RestoreError, SeriesConfig};

/// What becomes of a stored memory.
pub(crate) enum Succession {
    /// It goes on.
    Keeps,
    /// It goes on under the same detector, which is the series' own now or is so no more.
    ChangesHands { generation: u32 },
    /// Another detector learns from the window.
    Migrates { generation: u32 },
}

/// Who judges a series next, by its configuration before its deployment.
pub(crate) fn succession(
    deployed: &DeployedDetector,
    config: &SeriesConfig,
    stored: &Memory,
) -> Result<Succession, RestoreError> {
    let is_own = config.detector.is_some();
    let is_same = stored.detector == config.detector.unwrap_or(deployed.detector);
    if !is_own && !stored.has_own_detector {
        return by_generation(deployed, stored, is_same);
    }
    // Of an own detector the generation says only who can read the memory: what a newer deployment wrote stays so.
    let generation =
        if is_own { stored.generation.max(deployed.generation) } else { deployed.generation };
    Ok(match (is_same, stored.has_own_detector == is_own) {
        (true, true) => Succession::Keeps,
        (true, false) => Succession::ChangesHands { generation },
        (false, _) => Succession::Migrates { generation },
    })
}

/// Who judges a series next that follows its deployments.
fn by_generation(
    deployed: &DeployedDetector,
    stored: &Memory,
    is_same: bool,
) -> Result<Succession, RestoreError> {
    match stored.generation.cmp(&deployed.generation) {
        _ if is_same => Ok(Succession::Keeps),
        Ordering::Greater => Ok(Succession::Keeps),
        Ordering::Less => Ok(Succession::Migrates { generation: deployed.generation }),
        Ordering::Equal => Err(RestoreError::Mismatch {
            stored: stored.detector,
            deployed: deployed.detector,
            generation: deployed.generation,
        }),
    }
}
