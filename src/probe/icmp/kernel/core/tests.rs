//! Histories of the engine over virtual time.
