//! Messages of other products, as their own definitions have them: tests send them, and the crate reads them without.

pub mod otlp;
pub mod remote_write;
