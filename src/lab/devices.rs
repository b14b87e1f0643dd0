//! The devices of the emulated province: whatever the checks of an endpoint ask for answers
//! there, on the endpoint's own address.
//!
//! Each port of each address has a listener of its own. Closing one leaves the rest alone, and
//! the kernel refuses connections to it by itself, as a real device's would. How a service
//! behaves is looked up at every request, so that a fault shows at once.

mod http;
mod sip;
mod tls;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::LabError;
use super::relay::Shared;
use super::world::{HttpState, Service, SipState};
use crate::model::{CheckKind, EndpointIx, Host, SipTransport, Topology};

pub(super) use tls::Certificates;

/// A conversation that takes longer than this is over.
const PATIENCE: Duration = Duration::from_secs(60);
/// Descriptors that are not the devices'.
const HEADROOM: u64 = 4096;

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Talk {
    /// Takes connections and waits for them to be closed, as a call-signalling port does.
    Plain,
    H323,
    Http,
    Https,
    SipUdp,
    SipTcp,
    SipTls,
}

impl Talk {
    /// Whether anything listens there now.
    fn listens(self, service: &Service) -> bool {
        service.listening
            && match self {
                Self::Plain => true,
                Self::H323 => service.h323,
                Self::Http | Self::Https => service.http != HttpState::Closed,
                Self::SipUdp | Self::SipTcp | Self::SipTls => service.sip != SipState::Closed,
            }
    }
}

/// How one endpoint behaves now, shared with its listeners.
type Behaviour = Arc<Mutex<Service>>;

/// The port of an endpoint and whoever listens on it.
struct Port {
    address: SocketAddr,
    talk: Talk,
    listener: Option<JoinHandle<()>>,
}

struct Device {
    endpoint: EndpointIx,
    behaviour: Behaviour,
    ports: Vec<Port>,
}

/// Opens every port of the province, then opens and closes them as the world changes, until no
/// more changes are announced. Runs in the far namespace. `ready` is told when all are open, or
/// why they are not.
pub(super) async fn run(
    topology: Arc<Topology>,
    shared: Arc<Shared>,
    certificates: Certificates,
    mut changes: mpsc::Receiver<()>,
    ready: impl FnOnce(Result<usize, LabError>),
) {
    let mut devices = devices(&topology);
    let ports = devices.iter().map(|device| device.ports.len()).sum();
    if let Err(error) = raise_limit(ports) {
        return ready(Err(error));
    }
    let tls = Arc::new(certificates);
    if let Err(error) = follow(&mut devices, &shared, &tls) {
        return ready(Err(LabError::failed("open the devices' ports", error)));
    }
    ready(Ok(ports));
    while changes.recv().await.is_some() {
        if let Err(error) = follow(&mut devices, &shared, &tls) {
            tracing::warn!(%error, "an emulated device could not open a port again");
        }
    }
}

/// Which ports each endpoint of the topology has, by its checks.
fn devices(topology: &Topology) -> Vec<Device> {
    let mut devices = Vec::new();
    let mut taken = BTreeMap::new();
    for endpoint in topology.endpoint_ixs() {
        // What has only a name is not on the map: there is no resolver here.
        let Host::Ip(ip) = topology.endpoint(endpoint).host else { continue };
        let mut ports = Vec::new();
        for target in &topology.endpoint(endpoint).targets {
            for (port, talk) in wants(&topology.check_of(*target).kind) {
                let udp = talk == Talk::SipUdp;
                // A port that several checks ask for speaks what says more than "open".
                let talks: &mut Talk = taken.entry((ip, udp, port)).or_insert_with(|| {
                    ports.push((port, udp));
                    talk
                });
                *talks = (*talks).max(talk);
            }
        }
        let ports: Vec<Port> = ports
            .into_iter()
            .map(|(port, udp)| Port {
                address: SocketAddr::new(ip, port),
                talk: taken[&(ip, udp, port)],
                listener: None,
            })
            .collect();
        if !ports.is_empty() {
            devices.push(Device { endpoint, behaviour: Behaviour::default(), ports });
        }
    }
    devices
}

/// The ports that a check of this kind asks for.
fn wants(kind: &CheckKind) -> Vec<(u16, Talk)> {
    match kind {
        CheckKind::Icmp(_) => Vec::new(),
        CheckKind::Tcp(check) => vec![(check.port, usual(check.port))],
        CheckKind::H323(check) => vec![(check.port, Talk::H323)],
        CheckKind::Http(check) if check.tls => vec![(check.port, Talk::Https)],
        CheckKind::Http(check) => vec![(check.port, Talk::Http)],
        CheckKind::Sip(check) => match check.transport {
            // Devices listen on both (RFC 3261 §18.2.1).
            SipTransport::Udp | SipTransport::Tcp => {
                vec![(check.port, Talk::SipUdp), (check.port, Talk::SipTcp)]
            }
            SipTransport::Tls => vec![(check.port, Talk::SipTls)],
        },
    }
}

/// What a port usually speaks.
const fn usual(port: u16) -> Talk {
    match port {
        80 | 8080 => Talk::Http,
        443 | 8443 => Talk::Https,
        1720 => Talk::H323,
        5060 => Talk::SipTcp,
        5061 => Talk::SipTls,
        _ => Talk::Plain,
    }
}

/// Makes every device behave as the world has it now.
fn follow(
    devices: &mut [Device],
    shared: &Shared,
    tls: &Arc<Certificates>,
) -> Result<(), io::Error> {
    let mut trouble = Ok(());
    for device in devices {
        let service = shared.world().service(device.endpoint);
        *device.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = service;
        for port in &mut device.ports {
            let wanted = port.talk.listens(&service);
            match (&port.listener, wanted) {
                (Some(listener), false) => {
                    listener.abort();
                    port.listener = None;
                }
                (None, true) => match listen(port, &device.behaviour, tls) {
                    Ok(listener) => port.listener = Some(listener),
                    Err(error) => trouble = Err(error),
                },
                _ => {}
            }
        }
    }
    trouble
}

fn listen(
    port: &Port,
    behaviour: &Behaviour,
    tls: &Arc<Certificates>,
) -> io::Result<JoinHandle<()>> {
    let (address, talk) = (port.address, port.talk);
    let behaviour = Arc::clone(behaviour);
    if talk == Talk::SipUdp {
        let socket = bind(address, Type::DGRAM, Protocol::UDP)?;
        let socket = UdpSocket::from_std(socket.into())?;
        return Ok(tokio::spawn(sip::serve_udp(socket, behaviour)));
    }
    let socket = bind(address, Type::STREAM, Protocol::TCP)?;
    socket.listen(128)?;
    let listener = TcpListener::from_std(socket.into())?;
    Ok(tokio::spawn(accept(listener, talk, behaviour, Arc::clone(tls))))
}

fn bind(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    // A listener comes back while connections of the one before it linger.
    socket.set_reuse_address(kind == Type::STREAM)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Takes connections until the listener is closed. What was accepted goes on by itself.
async fn accept(listener: TcpListener, talk: Talk, behaviour: Behaviour, tls: Arc<Certificates>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: the next may do better.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let behaviour = Arc::clone(&behaviour);
        let tls = Arc::clone(&tls);
        tokio::spawn(async move {
            let talk = converse(stream, talk, &behaviour, &tls);
            // How a conversation ends is the prober's business.
            let _ = tokio::time::timeout(PATIENCE, talk).await;
        });
    }
}

async fn converse(
    mut stream: tokio::net::TcpStream,
    talk: Talk,
    behaviour: &Behaviour,
    tls: &Certificates,
) -> io::Result<()> {
    let service = now(behaviour);
    if service.garbage && talk != Talk::Plain {
        return stream.write_all(&NOISE).await;
    }
    match talk {
        Talk::Plain | Talk::H323 => {
            let mut ignored = [0; 512];
            while stream.read(&mut ignored).await? > 0 {}
            Ok(())
        }
        Talk::Http => http::serve(&mut stream, behaviour).await,
        Talk::SipTcp => sip::serve_stream(&mut stream, behaviour).await,
        Talk::Https => {
            let mut stream = tls.acceptor(service.certificate_ends)?.accept(stream).await?;
            http::serve(&mut stream, behaviour).await
        }
        Talk::SipTls => {
            let mut stream = tls.acceptor(service.certificate_ends)?.accept(stream).await?;
            sip::serve_stream(&mut stream, behaviour).await
        }
        Talk::SipUdp => Ok(()),
    }
}

/// What a device says that speaks no protocol.
const NOISE: [u8; 48] = [0xfe; 48];

fn now(behaviour: &Behaviour) -> Service {
    *behaviour.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Allows this process enough descriptors for every port and a few conversations.
fn raise_limit(ports: usize) -> Result<(), LabError> {
    let wanted = ports as u64 + HEADROOM;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|errno| LabError::failed("read the limit of open files", errno))?;
    if soft >= wanted {
        return Ok(());
    }
    // Root may go beyond the hard limit, others up to it.
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok()
        || (hard >= wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok())
    {
        return Ok(());
    }
    // A smaller headroom will do if that is all there is.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    if hard > ports as u64 + 256 {
        return Ok(());
    }
    Err(LabError::Unsuitable(format!(
        "the province has {ports} ports and this process may open only {hard} files; try \
         `ulimit -n {wanted}`"
    )))
}

/// Whether an address can stand in the far namespace.
pub(super) fn can_stand(ip: IpAddr) -> bool {
    !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()
}
