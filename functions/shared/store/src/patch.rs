//! What changes of a memory from one version to the next.
//!
//! A memory is kilobytes and a sample touches a few fields of it. The difference of the bytes is taken and not named by
//! the detector, so nothing here knows a layout but for the place of the version, which the store itself writes.

use detector::memory::VERSION_OFFSET;

/// The first byte behind the version.
const BEHIND_VERSION: usize = VERSION_OFFSET + 8;

/// Equal bytes between two changes from which on they are two slices: a slice of its own costs a store about as much
/// as so many bytes.
const GAP_MIN: usize = 64;

/// Bytes compared at a time.
const STEP: usize = 8;

/// The bytes of a memory, or those of them that differ from the ones stored. The version is never among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The length of the memory that it applies to; none where it is the whole memory.
    len: Option<usize>,
    /// Where each slice goes, and how long it is.
    slices: Vec<(usize, usize)>,
    /// The slices, one behind the other.
    bytes: Vec<u8>,
}

impl From<Vec<u8>> for Patch {
    /// The whole memory, whatever is stored.
    fn from(bytes: Vec<u8>) -> Self {
        Self { len: None, slices: vec![(0, bytes.len())], bytes }
    }
}

impl Patch {
    /// What makes `after` of `before`, the bytes that are stored.
    pub fn between(before: &[u8], after: &[u8]) -> Self {
        let is_short = after.len() < BEHIND_VERSION + STEP;
        if is_short
            || before.len() != after.len()
            || before[..VERSION_OFFSET] != after[..VERSION_OFFSET]
        {
            return after.to_vec().into();
        }
        // The first slice follows the version, so that a store writes both at once.
        let (mut from, mut end) = (BEHIND_VERSION, BEHIND_VERSION + STEP);
        let mut patch = Self { len: Some(after.len()), slices: Vec::new(), bytes: Vec::new() };
        let mut at = end;
        for (old, new) in before[end..].chunks(STEP).zip(after[end..].chunks(STEP)) {
            if old != new {
                if at >= end + GAP_MIN {
                    patch.push(from, &after[from..end]);
                    from = at;
                }
                end = at + new.len();
            }
            at += new.len();
        }
        patch.push(from, &after[from..end]);
        patch
    }

    fn push(&mut self, at: usize, slice: &[u8]) {
        self.slices.push((at, slice.len()));
        self.bytes.extend_from_slice(slice);
    }

    /// The length of the memory that it applies to; none where it replaces any.
    pub(crate) fn len(&self) -> Option<usize> {
        self.len
    }

    /// Offset and bytes of each slice: the first is at 0 and alone, or behind the version.
    pub(crate) fn slices(&self) -> impl ExactSizeIterator<Item = (usize, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.slices.iter().map(move |(at, len)| {
            let (slice, behind) = rest.split_at(*len);
            rest = behind;
            (*at, slice)
        })
    }

    /// Whether it applies to what is stored.
    pub(crate) fn fits(&self, stored: &[u8]) -> bool {
        self.len.is_none_or(|len| len == stored.len())
    }

    /// Puts it, and the version, into what is stored, which it must fit.
    pub(crate) fn apply(&self, stored: &mut Vec<u8>, version: i64) {
        if self.len.is_none() {
            stored.clone_from(&self.bytes);
        } else {
            for (at, bytes) in self.slices() {
                stored[at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
        if let Some(place) = stored.get_mut(VERSION_OFFSET..BEHIND_VERSION) {
            place.copy_from_slice(&version.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use detector::{Detector, Judge, Sample};
    use proptest::prelude::*;

    use super::*;

    fn sample(i: i64) -> Sample {
        let value = if i % 41 == 40 { 900.0 } else { 100.0 + (i % 7) as f64 };
        Sample::new(i * 60_000_000, value).unwrap()
    }

    #[test]
    fn a_judged_sample_changes_less_than_a_kilobyte() {
        let mut judge = Judge::new(Detector::default());
        let (mut most, mut n_slices) = (0, 0);
        for i in 0..10_000 {
            let before = judge.memory().encode();
            judge.judge(sample(i));
            let patch = Patch::between(&before, &judge.memory().encode());
            n_slices += patch.slices().len();
            most = most.max(patch.slices().map(|(_, bytes)| bytes.len() + 20).sum());
        }
        assert!(most <= 1_024, "{most} bytes");
        // Each slice is a command: scalars, a residual, a season bucket, and while an anomaly lasts its episode.
        assert!(n_slices <= 10_000 * 13 / 4, "{n_slices} slices");
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_one_of_the_other(
            before in prop::collection::vec(any::<u8>(), 0..400),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
            grows in prop::bool::weighted(0.2),
        ) {
            let mut after = before.clone();
            for (at, byte) in edits {
                if let Some(place) = after.get_mut(at.index(before.len().max(1))) {
                    *place = byte;
                }
            }
            if grows {
                after.push(7);
            }
            let patch = Patch::between(&before, &after);
            prop_assert!(patch.fits(&before));
            let mut stored = before;
            patch.apply(&mut stored, 77);
            if let Some(place) = after.get_mut(8..16) {
                place.copy_from_slice(&77_i64.to_le_bytes());
            }
            prop_assert_eq!(stored, after);
        }
    }
}
