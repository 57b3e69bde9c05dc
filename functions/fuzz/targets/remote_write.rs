//! The entry point `remote_write` for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::remote_write(bytes));
