//! Why an emulated province cannot be made here, and what to do about it.
//!
//! Machines differ in what they allow an ordinary user. Whoever types `vchealth demo` should read
//! one message that names the obstacle and the command that removes it, not "operation not
//! permitted".

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// What stops the lab.
#[derive(Debug)]
pub enum LabError {
    /// The machine does not allow what the lab is made of.
    Forbidden {
        /// What was tried.
        step: Forbidden,
        /// What can be done about it, most likely first.
        advice: Vec<String>,
        /// What the kernel said.
        source: io::Error,
    },
    /// Allowed, and yet it failed.
    Failed {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The province cannot be emulated as it is configured.
    Unsuitable(String),
}

/// What a machine may forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// A network namespace, with a user namespace around it for those who are not root.
    Namespace,
    /// `/dev/net/tun`.
    Tun,
    /// Setting up interfaces within our own namespace.
    Configure,
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden { step, advice, .. } => {
                f.write_str(match step {
                    Forbidden::Namespace => {
                        "this machine does not let us make a network namespace of our own"
                    }
                    Forbidden::Tun => "this machine does not let us use /dev/net/tun",
                    Forbidden::Configure => {
                        "this machine gave us a network namespace but no rights within it"
                    }
                })?;
                for (n, line) in advice.iter().enumerate() {
                    write!(f, "{} {line}", if n == 0 { "; try:\n  -" } else { "\n  -" })?;
                }
                Ok(())
            }
            Self::Failed { what, .. } => write!(f, "the lab could not {what}"),
            Self::Unsuitable(why) => f.write_str(why),
        }
    }
}

impl Error for LabError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Forbidden { source, .. } => Some(source),
            Self::Failed { source, .. } => Some(&**source),
            Self::Unsuitable(_) => None,
        }
    }
}

impl LabError {
    pub(super) fn forbidden(step: Forbidden, source: io::Error) -> Self {
        let advice = advice(step, source.raw_os_error(), &Machine::look());
        Self::Forbidden { step, advice, source }
    }

    pub(super) fn failed(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { what: what.into(), source: source.into() }
    }
}

/// What about this machine may stand in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Machine {
    /// Debian's switch: `kernel.unprivileged_userns_clone`.
    userns_clone: Option<u64>,
    /// Ubuntu's switch: `kernel.apparmor_restrict_unprivileged_userns`.
    apparmor: Option<u64>,
    /// `user.max_user_namespaces`.
    max_user: Option<u64>,
    /// `user.max_net_namespaces`.
    max_net: Option<u64>,
    /// Whether we run in a container.
    container: bool,
    /// Whether `/dev/net/tun` exists.
    tun: bool,
    /// Whether we are root, as far as we can see.
    root: bool,
}

impl Machine {
    fn look() -> Self {
        let number = |name: &str| {
            let text = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
            text.trim().parse().ok()
        };
        Self {
            userns_clone: number("kernel/unprivileged_userns_clone"),
            apparmor: number("kernel/apparmor_restrict_unprivileged_userns"),
            max_user: number("user/max_user_namespaces"),
            max_net: number("user/max_net_namespaces"),
            container: Path::new("/.dockerenv").exists()
                || Path::new("/run/.containerenv").exists(),
            tun: Path::new("/dev/net/tun").exists(),
            root: nix::unistd::geteuid().is_root(),
        }
    }
}

const CONTAINER: &str = "in a container, start it with `--cap-add NET_ADMIN --cap-add SYS_ADMIN \
                         --device /dev/net/tun --security-opt seccomp=unconfined \
                         --security-opt apparmor=unconfined`";

/// What to try, most likely first.
fn advice(step: Forbidden, errno: Option<i32>, machine: &Machine) -> Vec<String> {
    let errno = errno.map_or(nix::errno::Errno::UnknownErrno, nix::errno::Errno::from_raw);
    let mut list = Vec::new();
    let mut say = |text: &str| list.push(text.to_owned());
    match step {
        Forbidden::Namespace | Forbidden::Configure => {
            if errno == nix::errno::Errno::EINVAL {
                say("enter the lab before any thread is started: only a process with a single \
                     thread may leave its user namespace");
            }
            if errno == nix::errno::Errno::ENOSYS {
                say("a kernel with CONFIG_USER_NS and CONFIG_NET_NS");
            }
            if machine.max_user == Some(0) {
                say("`sudo sysctl -w user.max_user_namespaces=10000`");
            }
            if machine.max_net == Some(0) {
                say("`sudo sysctl -w user.max_net_namespaces=10000`");
            }
            if errno == nix::errno::Errno::ENOSPC && list.is_empty() {
                list.push(
                    "`sudo sysctl -w user.max_net_namespaces=10000 \
                     user.max_user_namespaces=10000`: the limit is reached"
                        .to_owned(),
                );
            }
            let mut say = |text: &str| list.push(text.to_owned());
            if machine.userns_clone == Some(0) {
                say("`sudo sysctl -w kernel.unprivileged_userns_clone=1`");
            }
            if machine.apparmor == Some(1) {
                say("`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`");
            }
        }
        Forbidden::Tun => {
            if machine.tun {
                say("`sudo chmod 666 /dev/net/tun`");
            } else {
                say("`sudo modprobe tun`");
            }
        }
    }
    let mut say = |text: &str| list.push(text.to_owned());
    if machine.container {
        say(CONTAINER);
    }
    if !machine.root {
        say("run it as root: `sudo vchealth demo`");
    } else if !machine.container {
        say(CONTAINER);
    }
    list
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    fn first(step: Forbidden, errno: Errno, machine: &Machine) -> String {
        advice(step, Some(errno as i32), machine).remove(0)
    }

    #[test]
    fn each_obstacle_is_answered_by_the_command_that_removes_it() {
        let usual = Machine { tun: true, ..Machine::default() };
        let cases = [
            (Machine { userns_clone: Some(0), ..usual.clone() }, "unprivileged_userns_clone=1"),
            (Machine { apparmor: Some(1), ..usual.clone() }, "restrict_unprivileged_userns=0"),
            (Machine { max_user: Some(0), ..usual.clone() }, "user.max_user_namespaces"),
            (Machine { max_net: Some(0), ..usual.clone() }, "user.max_net_namespaces"),
            (Machine { container: true, ..usual.clone() }, "--cap-add NET_ADMIN"),
            (usual.clone(), "sudo vchealth demo"),
        ];
        for (machine, wanted) in cases {
            let said = first(Forbidden::Namespace, Errno::EPERM, &machine);
            assert!(said.contains(wanted), "{machine:?}: {said}");
        }
        assert!(first(Forbidden::Tun, Errno::EACCES, &usual).contains("chmod 666"));
        assert!(first(Forbidden::Namespace, Errno::EINVAL, &usual).contains("single thread"));
        assert!(first(Forbidden::Namespace, Errno::ENOSPC, &usual).contains("limit is reached"));
        let missing = Machine { tun: false, ..usual };
        assert!(first(Forbidden::Tun, Errno::ENOENT, &missing).contains("modprobe tun"));
    }

    #[test]
    fn the_message_says_what_is_forbidden_and_what_to_do() {
        let error = LabError::Forbidden {
            step: Forbidden::Tun,
            advice: vec!["`sudo modprobe tun`".to_owned()],
            source: io::Error::from(io::ErrorKind::NotFound),
        };
        assert_eq!(
            error.to_string(),
            "this machine does not let us use /dev/net/tun; try:\n  - `sudo modprobe tun`"
        );
        assert!(error.source().is_some());
    }
}
