//! Echo probes: two engines behind one small trait.
//!
//! `kernel` batches system calls and measures with the time stamps of the kernel, so that a busy
//! machine does not look like a slow network. `surge` is surge-ping; both need Linux, and `surge`
//! needs less of it. An engine is handed jobs, possibly ahead of their time, and hands back exactly
//! one result for each, in batches, from a thread of its own.

mod belated;
mod blind;
mod kernel;
mod manner;
mod own;
mod pacing;
mod refusal;
mod sockopt;
mod surge;
mod tally;

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use kernel::{Coming, Emulated, Network, Request, What};
pub(super) use own::{Own, ip_of};
pub(super) use refusal::local_failure;
use refusal::{errno, refused_by_own_interface};

use crate::clock::Clock;
use crate::config::{IcmpEngine, IcmpSettings};
use crate::model::{EngineHealth, Failure, IcmpCheck, IcmpDetail, Mono, Now};

/// An echo engine. Dropping it answers every job still open with
/// [`LocalFailure::Stopping`](crate::model::LocalFailure::Stopping) and ends its thread.
pub trait Pinger: Send + Sync {
    /// Accepts jobs, in any order of `due`. Never blocks on the network.
    fn submit(&self, jobs: Vec<PingJob>);

    /// How the engine itself does. Reading it resets the figures that say "since the last
    /// reading", so there should be one reader.
    fn health(&self) -> EngineHealth;

    /// Which engine this is, in the word of the settings.
    fn name(&self) -> &'static str;
}

/// One echo probe to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingJob {
    /// Comes back in [`PingDone`]. The engine gives it no meaning, not even that it is unique.
    pub token: u64,
    /// Whom to ask.
    pub address: IpAddr,
    /// What to send.
    pub check: EchoParams,
    /// An echo request without reply after this long is lost. A train of several requests takes
    /// up to `(count - 1) * spacing + timeout`.
    pub timeout: Duration,
    /// When the first request leaves, within a millisecond; up to twelve off where so many leave
    /// (more than 1,500 a second) that a job of one request may wait for company. What is past by
    /// more than that is sent at once, what is past by more than `timeout` is not sent and answered
    /// as late.
    pub due: Mono,
}

/// What an echo probe sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EchoParams {
    /// Echo requests, at least 1.
    pub count: u16,
    /// Time from one request to the next.
    pub spacing: Duration,
    /// Bytes of ICMP payload, 16 to 65,507. Less is raised to 16, which the mark takes.
    pub size: u16,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// Whether routers must not fragment the request (RFC 791, RFC 1191).
    pub dont_fragment: bool,
    /// Whether it is one of several trains that were planned one right behind the other. Of such a
    /// one, requests that are held up for more than half of their spacing are not sent: they would
    /// come as a burst. Of another one they are, and the rest is as late.
    pub planned: bool,
}

impl From<&IcmpCheck> for EchoParams {
    fn from(check: &IcmpCheck) -> Self {
        let &IcmpCheck { count, spacing, size, dscp, dont_fragment } = check;
        Self { count, spacing, size, dscp, dont_fragment, planned: false }
    }
}

/// One echo probe done.
#[derive(Debug, Clone, PartialEq)]
pub struct PingDone {
    /// The token of the job.
    pub token: u64,
    /// When the first request left, or would have.
    pub started: Now,
    /// When the result was known.
    pub finished: Mono,
    /// Requests that left and that nobody answered, while we could see, where there was no reply;
    /// the detail of a reply counts its own.
    pub lost: u16,
    /// When the ICMP error or the late reply came that the failure tells of, where it was about an
    /// earlier request: its sender lived then, which says nothing of now.
    pub heard: Option<Mono>,
    /// What was learned: at least one reply, or why there was none.
    pub result: Result<IcmpDetail, Failure>,
}

/// Where results go: called from the engine's thread with a batch that is never empty. It must
/// not block, and must not submit to the engine's own [`Pinger`] while holding a lock that a
/// submitter holds.
pub type Sink = Box<dyn Fn(Vec<PingDone>) + Send + Sync>;

/// Starts the engine that the settings name, or the better one that can be had.
///
/// # Errors
/// When this machine does not let us send echo requests, or not by this engine.
pub fn start(
    settings: &IcmpSettings,
    clock: Clock,
    sink: Sink,
) -> Result<Arc<dyn Pinger>, StartError> {
    match choose(settings.engine, || kernel::Kernel::can_start(settings).map(drop)) {
        Choice::Kernel => Ok(Arc::new(kernel::Kernel::start(settings, clock, sink)?)),
        Choice::Surge { instead } => {
            let engine = surge::Surge::start(settings, clock, sink)?;
            if let Some(why) = instead {
                let cause = why.source().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(
                    cause,
                    "the kernel engine cannot be had on this machine, so echoes go by surge: a \
                     busy machine adds to its round trips"
                );
            }
            Ok(Arc::new(engine))
        }
    }
}

/// Says that the kernel grants sockets a smaller receive buffer than was asked for. It counts its
/// own bookkeeping in, so that what is granted in full is twice as much.
fn warn_of_small_buffer(asked: u32, granted: u32) {
    if granted < asked.saturating_mul(2) {
        tracing::warn!(
            asked,
            granted = granted / 2,
            "the kernel grants the echo engine a smaller receive buffer than icmp.receive_buffer \
             asks for, so many replies at once may be dropped: raise net.core.rmem_max or give the \
             service CAP_NET_ADMIN"
        );
    }
}

/// Which engine is started.
#[derive(Debug)]
enum Choice {
    Kernel,
    Surge {
        /// Why it is not the kernel's, if nobody asked for that.
        instead: Option<StartError>,
    },
}

/// Which engine to start:
///
/// 1. One that the settings name.
/// 2. Left to choose, the kernel's, where this machine has all that it needs.
/// 3. Else surge, which needs less: some emulated and hardened kernels have sockets for
///    echo requests but no time stamps or filters on them. Where nothing is permitted it is refused
///    as well, and says so.
fn choose(asked: IcmpEngine, kernel: impl FnOnce() -> Result<(), StartError>) -> Choice {
    match asked {
        IcmpEngine::Kernel => Choice::Kernel,
        IcmpEngine::Surge => Choice::Surge { instead: None },
        IcmpEngine::Auto => match kernel() {
            Ok(()) => Choice::Kernel,
            Err(why) => Choice::Surge { instead: Some(why) },
        },
    }
}

/// Why no engine could be started.
#[derive(Debug)]
pub enum StartError {
    /// The kernel allows neither kind of socket. Holds what it said to the unprivileged one.
    NotPermitted(io::Error),
    /// surge opened another kind of socket than it was told to.
    WrongSocket,
    /// A socket could not be made ready.
    Socket(io::Error),
    /// The engine's thread or its timers could not be had.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPermitted(_) => PERMISSION,
            Self::WrongSocket => "surge-ping opened another kind of socket than it was told to",
            Self::Socket(_) => {
                "an ICMP socket could not be made ready; \
                 icmp.engine: surge needs less of the system"
            }
            Self::Thread(_) => "the echo engine's thread could not be started",
        })
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotPermitted(source) | Self::Socket(source) | Self::Thread(source) => {
                Some(source)
            }
            Self::WrongSocket => None,
        }
    }
}

/// How to grant what an engine needs; any one of them is enough.
pub const PERMISSION: &str = "\
this machine does not let us send echo requests; grant it by one of
  unprivileged sockets, for every program:  sysctl -w net.ipv4.ping_group_range='0 2147483647'
      (to keep it, put the setting into /etc/sysctl.d/50-ping.conf)
  raw sockets, for this program:            setcap cap_net_raw+ep /path/to/vchealth
  raw sockets, for the systemd service:     AmbientCapabilities=CAP_NET_RAW";

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden() -> Result<(), StartError> {
        Err(StartError::NotPermitted(io::ErrorKind::PermissionDenied.into()))
    }

    fn lacking() -> Result<(), StartError> {
        Err(StartError::Socket(io::ErrorKind::Unsupported.into()))
    }

    #[test]
    fn an_engine_that_is_named_is_taken_whatever_the_machine_has() {
        for machine in [|| Ok(()), forbidden, lacking] {
            assert!(matches!(choose(IcmpEngine::Kernel, machine), Choice::Kernel));
            let surge = choose(IcmpEngine::Surge, machine);
            assert!(matches!(surge, Choice::Surge { instead: None }));
        }
    }

    #[test]
    fn left_to_choose_surge_stands_in_and_knows_why() {
        assert!(matches!(choose(IcmpEngine::Auto, || Ok(())), Choice::Kernel));
        for machine in [forbidden, lacking] {
            let Choice::Surge { instead: Some(why) } = choose(IcmpEngine::Auto, machine) else {
                panic!("the kernel engine cannot start");
            };
            assert!(why.source().is_some());
        }
    }
}
