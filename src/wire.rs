//! Bytes to messages and back, with no input or output.
//!
//! Everything that arrives here was written by somebody else and may be anything: every parser is
//! bounded, returns what is wrong instead of panicking, has a property test beside it and a fuzz
//! target under `tests/fuzz`.

pub mod date;
pub mod icmp;
pub mod sip;
