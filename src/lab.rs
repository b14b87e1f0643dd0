//! An emulated province: what `vchealth demo` watches and what end-to-end tests break.
//!
//! ```text
//!  host          near namespace                        far namespace
//! ┌───────┐   ┌──────────────────┐   ┌─────────┐   ┌───────────────────────┐
//! │ board │◀──│ daemon, receiver │──▶│  relay  │──▶│ kernel answers pings, │
//! └───────┘   │  (own kernel TCP │◀──│ + world │◀──│ devices SIP, HTTP, …  │
//!  listener   │     and ICMP)    │TUN└─────────┘TUN│ on the sites' addresses│
//!  from before└──────────────────┘                 └───────────────────────┘
//! ```
//! Pings and connections are the kernels' own; only the way between is emulated, because usual
//! kernels lack the module that would do it (netem), and because tests want routers that say why.
//! The pure part ([`world`], [`fault`], [`scenario`]) also serves virtual runs, in which no packet
//! exists and a week of outages takes a second, and is the network of an [echo engine](Engine) that
//! needs no namespace. It uses [`crate::probe`] for its echoes: the engine that sends and judges
//! them is played itself, so that no second one has to be kept like the first.
//!
//! How to use it: bind what the user is to reach, then [`enter`] from the only thread, then
//! [`Entered::start`] and everything else, runtimes included.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use vchealth::{clock::Clock, lab, model::Topology};
//! # fn demo(topology: Arc<Topology>) -> Result<(), Box<dyn std::error::Error>> {
//! let board = std::net::TcpListener::bind("127.0.0.1:9797")?; // stays on the host
//! let lab = lab::enter(&lab::Options::default())?.start(
//!     topology,
//!     lab::world::Nature::default(),
//!     Clock::start(),
//! )?;
//! let runtime = tokio::runtime::Runtime::new()?; // its threads live in the lab
//! # Ok(())
//! # }
//! ```

mod devices;
mod engine;
mod error;
pub mod fault;
mod namespace;
mod receiver;
mod relay;
pub mod scenario;
mod words;
pub mod world;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

pub use engine::Engine;
pub use error::{Forbidden, LabError};
pub use receiver::{Post, Posted, PostedAlert, Receiver};
pub use relay::Tally;

use self::fault::{Fault, FaultKind};
use self::namespace::Namespaces;
use self::relay::Shared;
use self::scenario::{Act, Script, Step};
use self::world::{Nature, Place, World};
use crate::clock::Clock;
use crate::model::{Host, Now, Topology};

/// How emulated devices call themselves.
pub(crate) const SERVER: &str = "vchealth-lab-codec";

/// Our own IPv4 address in the near namespace.
pub const OWN_V4: Ipv4Addr = namespace::OWN_V4;
/// Our own IPv6 address there, where the machine has IPv6.
pub const OWN_V6: Ipv6Addr = namespace::OWN_V6;

/// How the lab is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// MTU of the links on both sides, 1280 to 9000 bytes. Smaller ones are a fault on the path.
    pub mtu: u16,
    /// Whether programs in the near namespace may have unprivileged sockets for echo requests.
    /// Otherwise only raw ones remain, as for the service on a machine that permits them to nobody.
    pub unprivileged_ping: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { mtu: 1500, unprivileged_ping: true }
    }
}

/// Namespaces in which nothing stands yet.
#[must_use = "the province still has to be started"]
pub struct Entered {
    namespaces: Namespaces,
}

/// Moves the calling thread, and every thread it starts from now on, into a network namespace of
/// its own, and makes a second one beside it. There is no way back.
///
/// Unless it runs as root the process must have a single thread: call it first thing in `main`.
/// Sockets that are open already stay on the host.
///
/// # Errors
/// When the machine does not allow it; the message says what it forbids and what to do.
pub fn enter(options: &Options) -> Result<Entered, LabError> {
    let namespaces = namespace::enter(options)?;
    Ok(Entered { namespaces })
}

impl Entered {
    /// Whether root made the namespaces. Otherwise they lie in a user namespace, in which we keep
    /// our user id.
    #[must_use]
    pub const fn as_root(&self) -> bool {
        self.namespaces.as_root
    }

    /// Builds the province and joins the namespaces. Returns when every device answers.
    ///
    /// # Errors
    /// When a thread, a route or a device's port cannot be had, or an address of the topology
    /// cannot stand in a lab.
    pub fn start(
        self,
        topology: Arc<Topology>,
        nature: Nature,
        clock: Clock,
    ) -> Result<Lab, LabError> {
        let began = Instant::now();
        let addresses = addresses(&topology)?;
        let world = World::new(Arc::clone(&topology), nature);
        let shared = Arc::new(Shared::new(world)?);
        let Namespaces { near, far, resident, .. } = self.namespaces;
        let certificates = devices::Certificates::new(clock.now().wall)?;
        let (changes, announced) = mpsc::channel(1);
        let (tell, ready) = std_mpsc::channel();
        let residents = {
            let (shared, topology) = (Arc::clone(&shared), Arc::clone(&topology));
            resident.run(move || {
                let failed = tell.clone();
                let stood = namespace::make_local(addresses.into_iter()).and_then(|()| {
                    let mut runtime = tokio::runtime::Builder::new_current_thread();
                    let runtime = runtime.enable_all().build();
                    runtime.map_err(|error| LabError::failed("start the devices", error))
                });
                match stood {
                    Ok(runtime) => runtime.block_on(devices::run(
                        topology,
                        shared,
                        certificates,
                        announced,
                        move |opened| drop(tell.send(opened)),
                    )),
                    Err(error) => drop(failed.send(Err(error))),
                }
            })
        };
        let ports = match ready.recv() {
            Ok(opened) => opened?,
            Err(error) => return Err(LabError::failed("start the devices", error)),
        };
        let relay = relay::start(Arc::clone(&shared), near, far, clock)?;
        tracing::debug!(ports, took = ?began.elapsed(), "the emulated province stands");
        Ok(Lab {
            topology,
            shared,
            clock,
            ports,
            log: Mutex::default(),
            changes: Some(changes),
            threads: vec![relay, residents],
        })
    }
}

/// The addresses of the topology, if all of them can stand in a lab.
fn addresses(topology: &Topology) -> Result<Vec<IpAddr>, LabError> {
    let mut addresses = Vec::with_capacity(topology.endpoints.len());
    for ix in topology.endpoint_ixs() {
        let endpoint = topology.endpoint(ix);
        let Host::Ip(ip) = endpoint.host else { continue };
        if !devices::can_stand(ip) || ip == IpAddr::V4(OWN_V4) || ip == IpAddr::V6(OWN_V6) {
            let site = &topology.site(endpoint.site).id;
            return Err(LabError::Unsuitable(format!(
                "{site}/{} has the address {ip}, which cannot be emulated",
                endpoint.id
            )));
        }
        addresses.push(ip);
    }
    Ok(addresses)
}

/// A province that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct Lab {
    topology: Arc<Topology>,
    shared: Arc<Shared>,
    clock: Clock,
    ports: usize,
    log: Mutex<Vec<Done>>,
    changes: Option<mpsc::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Something that was done to the province.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// When.
    pub at: Now,
    /// What.
    pub act: Act,
}

impl Lab {
    /// What is emulated.
    #[must_use]
    pub const fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// How many ports the devices have open when all is well.
    #[must_use]
    pub const fn ports(&self) -> usize {
        self.ports
    }

    /// Carries out what concerns the province, at once. What concerns the daemon (restarts,
    /// reloads, people) is for the caller; it is kept in the log all the same.
    pub fn apply(&self, act: &Act) {
        let at = self.clock.now();
        self.shared.world().apply(at, act);
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(Done { at, act: act.clone() });
        self.shared.ring();
        if let Some(changes) = &self.changes {
            // One that waits stands for all: whoever takes it looks at the world as it then is.
            // Without devices nobody needs to know.
            let _ = changes.try_send(());
        }
    }

    /// Places a fault.
    pub fn place(&self, place: Place, fault: Fault) {
        self.apply(&Act::Place { places: vec![place], fault });
    }

    /// Takes a kind of fault, or all of them, away.
    pub fn lift(&self, place: Place, kind: Option<FaultKind>) {
        self.apply(&Act::Lift { places: vec![place], kind });
    }

    /// Everything that is wrong now.
    #[must_use]
    pub fn faults(&self) -> Vec<(Place, Fault)> {
        let world = self.shared.world();
        world.faults().map(|(place, fault)| (place.clone(), *fault)).collect()
    }

    /// Everything that was done, in the order of time.
    #[must_use]
    pub fn log(&self) -> Vec<Done> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the relay did so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Plays a script in real time, from now to its end. `on` is told of every step just after
    /// the province has taken it; steps that concern the daemon are carried out there.
    ///
    /// Dropping the future stops the script and leaves the province as it is.
    pub async fn play(&self, script: &Script, mut on: impl FnMut(&Step)) {
        let start = tokio::time::Instant::now();
        for step in &script.steps {
            tokio::time::sleep_until(start + step.at).await;
            self.apply(&step.act);
            on(step);
        }
        tokio::time::sleep_until(start + script.lasts.max(Duration::ZERO)).await;
    }

    /// Stops everything and waits until it has stopped.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.stop();
        self.changes = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.end();
    }
}
