//! An emulated province: what `vchealth demo` watches and what end-to-end tests break.
//!
//! Its pure part (what is wrong, what becomes of a packet, what happens when) also serves virtual
//! runs, in which a week of outages takes a second.

pub mod fault;
pub mod scenario;
pub mod world;

/// How emulated devices call themselves.
pub(crate) const SERVER: &str = "vchealth-lab-codec";
