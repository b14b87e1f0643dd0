//! The hands that probe: one file per kind of check.

pub mod icmp;
