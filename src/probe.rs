//! Asking the devices: every kind of check is a prober here, and [`Probes`] are the hands that run
//! them.
//!
//! The brain orders probes in batches and gets one outcome for each order, whatever happens:
//! a prober that hangs is cut off by its time limit, one that panics, a name that is not resolved,
//! a reload or the end of the daemon answer as a local failure. Echoes go to an engine with a
//! thread of its own ([`icmp`]); everything else is a short conversation in a task. No prober waits
//! for another, and none waits for DNS ([`resolver`]).

mod connect;
mod converse;
mod echoes;
mod error_queue;
pub mod explain;
mod h323;
mod hands;
mod http;
pub mod icmp;
mod kernel_says;
mod mailbox;
mod memory;
mod notes;
mod resolver;
mod sip;
mod survey;
mod tcp;
mod tls;

pub(crate) use echoes::reply as echo_reply;
pub use hands::{ProbeSettings, Probes};
pub use memory::{Explanation, Failed, Record};
pub use resolver::ResolverHealth;
pub use survey::{Progress, survey};
pub use tls::Trust;
