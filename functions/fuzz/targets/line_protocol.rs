//! The entry point `line_protocol` for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::line_protocol(bytes));
