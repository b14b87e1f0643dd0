//! Echo engines against real packets.
//!
//! Every test makes a network namespace of its own on a thread of its own, so that nothing
//! outside it is touched and the tests may run side by side.

#[path = "icmp/answers.rs"]
mod answers;
#[path = "icmp/choice.rs"]
mod choice;
#[path = "icmp/engine.rs"]
mod engine;
#[path = "icmp/far.rs"]
mod far;
#[path = "icmp/gateway.rs"]
mod gateway;
#[path = "icmp/hostile.rs"]
mod hostile;
#[path = "icmp/limit.rs"]
mod limit;
#[path = "icmp/loopback.rs"]
mod loopback;
#[path = "icmp/namespace.rs"]
pub(crate) mod namespace;
#[path = "icmp/tun.rs"]
mod tun;
