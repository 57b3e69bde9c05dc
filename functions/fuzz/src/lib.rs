//! Checks what holds for any bytes from outside: bodies, requests, events, settings, and what a store gives back.
//!
//! Each entry point takes bytes and panics where a promise is broken. `tests/stable.rs` feeds them a corpus, and
//! variations of it, on every run of the tests; cargo-fuzz searches for more, see the README of this folder.

mod body;
mod memory;
mod packed;
mod request;
mod stored;
mod text;

pub use body::body;
pub use memory::memory;
pub use packed::packed;
pub use request::{event, request};
pub use stored::stored;
pub use text::text;

/// A check of some bytes; it panics where a promise is broken.
pub type Entry = fn(&[u8]);

/// Every entry point, with the name of its target and of its folder in `corpus`.
pub const ENTRIES: [(&str, Entry); 7] = [
    ("body", body),
    ("packed", packed),
    ("memory", memory),
    ("stored", stored),
    ("text", text),
    ("request", request),
    ("event", event),
];
