//! Difference of a memory from one version to the next.
//!
//! A memory has kilobytes, and a sample changes a few of its fields. The difference is calculated on bytes, so it depends
//! only on the offset of the version, which the store sets.

use std::ops::Range;

use detector::memory::VERSION_OFFSET;

/// Offset of the first byte after the version.
const VERSION_END: usize = VERSION_OFFSET + 8;

/// Least number of equal bytes between two slices: a slice costs a store about as much as this many bytes.
const GAP_MIN: usize = 64;

/// Bytes compared at a time.
const STEP: usize = 8;

const ZEROS: [u8; STEP] = [0; STEP];

/// The bytes of a memory, or those that differ from the stored ones, without the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPatch {
    /// Length of the memory that it changes; `None` if it replaces the memory, which is zero between the slices.
    len: Option<usize>,
    /// Offset and length of each slice.
    slices: Vec<(usize, usize)>,
    /// The slices, joined.
    bytes: Vec<u8>,
}

impl MemoryPatch {
    /// Replaces the memory; most of a young one is zero, and omitted.
    pub fn whole(bytes: &[u8]) -> Self {
        let start = bytes.len().min(VERSION_END);
        let mut patch = Self::empty(None);
        let mut last = patch.push_changes(0..start, bytes, |_| &ZEROS);
        // The last byte is always part of a slice, or the memory would be too short.
        if last.end < bytes.len() {
            if last.end + GAP_MIN < bytes.len() {
                patch.push(&last, bytes);
                last.start = bytes.len() - 1;
            }
            last.end = bytes.len();
        }
        patch.push(&last, bytes);
        patch
    }

    /// Changes `before`, the stored bytes, to `after`.
    pub fn between(before: &[u8], after: &[u8]) -> Self {
        let start = VERSION_END + STEP;
        if after.len() < start
            || before.len() != after.len()
            || before[..VERSION_OFFSET] != after[..VERSION_OFFSET]
        {
            return Self::whole(after);
        }
        // The first slice follows the version, so that a store writes both at once.
        let mut patch = Self::empty(Some(after.len()));
        let last = patch.push_changes(VERSION_END..start, after, |at| &before[at..]);
        patch.push(&last, after);
        patch
    }

    fn empty(len: Option<usize>) -> Self {
        Self { len, slices: Vec::new(), bytes: Vec::new() }
    }

    /// Adds the bytes after the slice `open` that differ from `before(offset)`; returns the last slice, which is not
    /// added yet. The first slice begins with `open`.
    fn push_changes<'a>(
        &mut self,
        mut open: Range<usize>,
        after: &[u8],
        before: impl Fn(usize) -> &'a [u8],
    ) -> Range<usize> {
        let mut at = open.end;
        for new in after[at..].chunks(STEP) {
            if *new != before(at)[..new.len()] {
                if at >= open.end + GAP_MIN {
                    self.push(&open, after);
                    open.start = at;
                }
                open.end = at + new.len();
            }
            at += new.len();
        }
        open
    }

    fn push(&mut self, slice: &Range<usize>, of: &[u8]) {
        self.slices.push((slice.start, slice.len()));
        self.bytes.extend_from_slice(&of[slice.clone()]);
    }

    /// Length of the memory that it changes; `None` if it replaces the memory.
    pub fn target_len(&self) -> Option<usize> {
        self.len
    }

    /// Offset and bytes of each slice, in order; the first is at 0 if they replace the memory, and after the version
    /// otherwise.
    pub fn slices(&self) -> impl ExactSizeIterator<Item = (usize, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.slices.iter().map(move |(at, len)| {
            let (slice, behind) = rest.split_at(*len);
            rest = behind;
            (*at, slice)
        })
    }

    /// Returns true if the patch applies to the stored bytes.
    pub(crate) fn fits(&self, stored: &[u8]) -> bool {
        self.len.is_none_or(|len| len == stored.len())
    }

    /// Applies the patch to the stored bytes, which it must fit, and sets the version.
    pub(crate) fn apply(&self, stored: &mut Vec<u8>, version: i64) {
        if self.len.is_none() {
            stored.clear();
            stored.resize(self.slices.last().map_or(0, |(at, len)| at + len), 0);
        }
        for (at, bytes) in self.slices() {
            stored[at..at + bytes.len()].copy_from_slice(bytes);
        }
        if let Some(bytes) = stored.get_mut(VERSION_OFFSET..VERSION_END) {
            bytes.copy_from_slice(&version.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use detector::{Detector, Judge};
    use domain::Sample;
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
            let patch = MemoryPatch::between(&before, &judge.memory().encode());
            n_slices += patch.slices().len();
            most = most.max(patch.slices().map(|(_, bytes)| bytes.len() + 20).sum());
        }
        assert!(most <= 1_024, "{most} bytes");
        // Each slice is a command: scalars, a residual, a season bucket, a minute of the hour, and while an anomaly lasts
        // its episode.
        assert!(n_slices <= 10_000 * 17 / 4, "{n_slices} slices");
    }

    proptest! {
        #[test]
        fn a_patch_changes_one_memory_to_the_other(
            before in prop::collection::vec(any::<u8>(), 0..400),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
            grows in prop::bool::weighted(0.2),
        ) {
            let mut after = before.clone();
            for (at, byte) in edits {
                if let Some(byte_at) = after.get_mut(at.index(before.len().max(1))) {
                    *byte_at = byte;
                }
            }
            if grows {
                after.push(7);
            }
            let patch = MemoryPatch::between(&before, &after);
            prop_assert!(patch.fits(&before));
            let mut stored = before;
            patch.apply(&mut stored, 77);
            if let Some(byte_at) = after.get_mut(8..16) {
                byte_at.copy_from_slice(&77_i64.to_le_bytes());
            }
            prop_assert_eq!(stored, after);
        }
    }
}
