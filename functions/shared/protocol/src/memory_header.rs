//! Fields of a stored memory that the protocol reads.
//!
//! They have fixed offsets (see `detector::memory`). A memory that is missing, cut off or of another layout counts as
//! version 0; the next commit replaces it.

use detector::memory::{MAGIC, VERSION_OFFSET};

/// Version, cursor and floor of a stored memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MemoryHeader {
    /// Version for the compare-and-set of a commit; 0 without a readable memory.
    pub(crate) version: i64,
    /// The newest judged time, in Unix microseconds.
    pub(crate) cursor_us: Option<i64>,
    /// The newest time ever trimmed from the window, in Unix microseconds.
    pub(crate) floor_us: Option<i64>,
}

impl MemoryHeader {
    /// Reads the header of a stored memory.
    pub(crate) fn read(memory: Option<&[u8]>) -> Self {
        memory.and_then(Self::decode).unwrap_or_default()
    }

    fn decode(memory: &[u8]) -> Option<Self> {
        memory.strip_prefix(MAGIC)?;
        let field = |i: usize| {
            let at = VERSION_OFFSET + 8 * i;
            let bytes = memory.get(at..at + 8)?.try_into().ok()?;
            Some(i64::from_le_bytes(bytes))
        };
        let time = |i| Some(Some(field(i)?).filter(|at_us| *at_us >= 0));
        Some(Self { version: field(0)?, cursor_us: time(1)?, floor_us: time(2)? })
    }
}
