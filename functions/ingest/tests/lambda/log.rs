//! What an invocation leaves in the log.
