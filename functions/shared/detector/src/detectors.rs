//! Detectors that a spec can name: three textbook rules, and the composite detector of several signals.
//!
//! The deviation signal is also a detector by itself; see [`crate::signals::deviation`].

pub mod ewma;
pub mod robust;
pub mod tidemark;
pub mod zscore;
