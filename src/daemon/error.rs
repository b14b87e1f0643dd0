//! What can stop the daemon from starting.

use std::path::PathBuf;
use std::{fmt, io};

use crate::config::Diagnostics;
use crate::store::StoreError;

/// Why the daemon does not start. Once it runs, nothing of this kind stops it.
#[derive(Debug)]
pub enum DaemonError {
    /// A file of the configuration cannot be read.
    Read {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration is wrong. The display text lists everything that is.
    Configuration(Diagnostics),
    /// The web server cannot listen.
    Listen {
        /// Where it should.
        address: String,
        /// Why it cannot.
        source: io::Error,
    },
    /// The state directory cannot be used.
    Store(StoreError),
    /// Echo requests cannot be sent. Says why and how to permit it.
    Icmp(String),
    /// The operating system refuses a thread or a timer.
    System(io::Error),
}

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotADirectory => {
                write!(f, "{} is no directory; give the one that holds the files", path.display())
            }
            Self::Read { path, .. } => write!(f, "cannot read {}", path.display()),
            Self::Configuration(diagnostics) => diagnostics.fmt(f),
            Self::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: another program does; stop it or set `listen` to a free port"
                )
            }
            Self::Listen { address, .. } => write!(f, "cannot listen on {address}"),
            Self::Store(_) => f.write_str("cannot use the state directory"),
            Self::Icmp(why) => write!(f, "cannot send echo requests: {why}"),
            Self::System(_) => f.write_str("the operating system refuses what the daemon needs"),
        }
    }
}

impl std::error::Error for DaemonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Listen { source, .. } => Some(source),
            Self::Configuration(_) | Self::Icmp(_) => None,
            Self::Store(error) => Some(error),
            Self::System(error) => Some(error),
        }
    }
}
