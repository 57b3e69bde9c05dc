//! Fuzzing entry points for all bytes from outside: bodies, requests, events, settings, and stored data.
//!
//! Each entry point takes bytes and panics if a property does not hold. `tests/stable.rs` runs them on a corpus and
//! variations of it; cargo-fuzz searches further, see the README of this folder.

mod body;
mod memory;
mod packed;
mod request;
mod senders;
mod stored;
mod text;

pub use body::body;
pub use memory::memory;
pub use packed::packed;
pub use request::{event, http_event, request};
pub use senders::{delivery, line_protocol, otlp, remote_write};
pub use stored::stored;
pub use text::text;

/// Checks some bytes; panics if a property does not hold.
pub type EntryPoint = fn(&[u8]);

/// Entry points by the name of their target and of their folder in `corpus`.
pub const ENTRY_POINTS: [(&str, EntryPoint); 12] = [
    ("body", body),
    ("packed", packed),
    ("remote_write", remote_write),
    ("otlp", otlp),
    ("line_protocol", line_protocol),
    ("delivery", delivery),
    ("memory", memory),
    ("stored", stored),
    ("text", text),
    ("request", request),
    ("event", event),
    ("http_event", http_event),
];
