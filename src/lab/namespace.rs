//! Two network namespaces of our own: *near*, where the daemon runs, and *far*, where all the
//! emulated devices are. Nothing but the relay joins them.
//!
//! Near belongs to the thread that enters and to every thread it starts later; far to one thread
//! that is started here. What was opened before stays where it was, which is how the board of a
//! demo remains reachable for the user's browser.
//!
//! Root gets plain network namespaces. Anybody else gets them inside a user namespace in which
//! they keep their own user id, so that files look as always.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags};
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::Options;
use super::error::{Forbidden, LabError};

/// Name of the interface on either side.
pub(super) const LINK: &str = "vchealth0";
/// Our own address: shared address space (RFC 6598), which no province uses for its sites.
pub(super) const OWN_V4: Ipv4Addr = Ipv4Addr::new(100, 127, 255, 1);
/// The same for IPv6: a unique local address (RFC 4193).
pub(super) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd76, 0x6368, 0x6c61, 0xb, 0, 0, 0, 1);
/// The table of addresses that are our own.
const LOCAL: u32 = 255;
/// Packets that wait for the relay: all targets of a large province on one tick.
const QUEUE: u32 = 50_000;

/// Both namespaces, joined to nothing yet.
pub(super) struct Namespaces {
    /// The near end.
    pub(super) near: SyncDevice,
    /// The far end.
    pub(super) far: SyncDevice,
    /// Whether root made them, without a user namespace.
    pub(super) as_root: bool,
    /// The thread that lives in far and waits for its work.
    pub(super) resident: Resident,
}

/// A thread in the far namespace that waits for one piece of work.
pub(super) struct Resident {
    work: mpsc::Sender<Work>,
    thread: JoinHandle<()>,
}

type Work = Box<dyn FnOnce() + Send>;

impl Resident {
    /// Gives it its work and returns the thread to wait for.
    pub(super) fn run(self, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        // The thread waits for as long as this sender lives, so the work always arrives.
        let _ = self.work.send(Box::new(work));
        self.thread
    }
}

/// Moves the calling thread into a new network namespace and makes a second one beside it.
pub(super) fn enter(options: &Options) -> Result<Namespaces, LabError> {
    let mtu = options.mtu.clamp(1280, 9000);
    let as_root = leave_host()?;
    let near = furnish(mtu, Side::Near)?;
    if options.unprivileged_ping {
        permit_ping();
    }
    let (work, jobs) = mpsc::channel::<Work>();
    let (furnished, arrives) = mpsc::channel();
    let thread = std::thread::Builder::new().name("lab-far".to_owned()).spawn(move || {
        let far = unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| LabError::forbidden(Forbidden::Namespace, errno.into()))
            .and_then(|()| furnish(mtu, Side::Far));
        if furnished.send(far).is_ok()
            && let Ok(work) = jobs.recv()
        {
            work();
        }
    });
    let thread = thread.map_err(|error| LabError::failed("start a thread", error))?;
    let far = match arrives.recv() {
        Ok(far) => far?,
        Err(error) => return Err(LabError::failed("furnish the far namespace", error)),
    };
    Ok(Namespaces { near, far, as_root, resident: Resident { work, thread } })
}

/// Leaves the host's network for a new one; true when no user namespace was needed.
///
/// A plain network namespace is tried first: for root it works from any thread, and it keeps
/// root's rights on files such as a `/dev/net/tun` that is root's alone.
fn leave_host() -> Result<bool, LabError> {
    let forbidden = |errno: Errno| LabError::forbidden(Forbidden::Namespace, errno.into());
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return Ok(true);
    }
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(forbidden)?;
    // user_namespaces(7): groups have to be given up before a group may be mapped.
    let map = |file: &str, text: String| {
        fs::write(format!("/proc/self/{file}"), text)
            .map_err(|error| LabError::forbidden(Forbidden::Namespace, error))
    };
    // Kernels before 3.19 have no such file and need no such promise.
    let _ = fs::write("/proc/self/setgroups", "deny");
    map("uid_map", format!("{uid} {uid} 1"))?;
    map("gid_map", format!("{gid} {gid} 1"))?;
    Ok(false)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Near,
    Far,
}

/// Makes the link of this thread's namespace and sets everything up but the sites' addresses.
fn furnish(mtu: u16, side: Side) -> Result<SyncDevice, LabError> {
    let device = DeviceBuilder::new().name(LINK).enable(false).build_sync();
    let device = device.map_err(|error| {
        // The device may be opened and yet no link be made with it: then it is our rights within
        // the namespace that are wanting, as where AppArmor strips user namespaces of theirs.
        let step = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPERM) => Forbidden::Configure,
            _ => Forbidden::Tun,
        };
        LabError::forbidden(step, error)
    })?;
    device.set_nonblocking(true).map_err(|error| LabError::failed("use the link", error))?;
    if side == Side::Far {
        // One far kernel stands for hundreds of devices: its own limits on what one host says must
        // not make them share.
        for (name, value) in [
            ("ipv4/icmp_ratelimit", "0"),
            ("ipv6/icmp/ratelimit", "0"),
            ("ipv4/icmp_msgs_per_sec", "100000"),
            ("ipv4/icmp_msgs_burst", "10000"),
            ("ipv6/ip_nonlocal_bind", "1"),
        ] {
            set(name, value);
        }
    }
    for scope in ["all", "default", LINK] {
        // Answers come in by the link that questions leave by, so strictness gains nothing.
        set(&format!("ipv4/conf/{scope}/rp_filter"), "0");
        set(&format!("ipv6/conf/{scope}/accept_dad"), "0");
    }
    netlink(async |handle| {
        up(&handle, "lo", None).await?;
        up(&handle, LINK, Some(mtu)).await?;
        let index = index(LINK)?;
        if side == Side::Near {
            handle.address().add(index, OWN_V4.into(), 32).execute().await?;
            own_v6(&handle, index).await;
        }
        default_routes(&handle, index).await
    })?;
    Ok(device)
}

/// Permits unprivileged sockets for echo requests to whoever we are; a new namespace permits them
/// to nobody. Where this is refused the raw socket remains, which needs nothing beyond what a user
/// namespace gives.
fn permit_ping() {
    // The kernel takes only groups that exist in our user namespace.
    if !set("ipv4/ping_group_range", "0 2147483647") {
        let gid = getgid();
        set("ipv4/ping_group_range", &format!("{gid} {gid}"));
    }
}

/// Sets a parameter of this thread's network namespace; false when that is refused.
fn set(name: &str, value: &str) -> bool {
    fs::write(format!("/proc/sys/net/{name}"), value).is_ok()
}

/// Makes addresses local in this thread's namespace without giving each to an interface: the
/// kernel then answers pings to all of them, and sockets can be bound to any. Whole networks are
/// taken (/24 and /64), so that many sites need few routes; what nobody has never gets here.
pub(super) fn make_local(addresses: impl Iterator<Item = IpAddr>) -> Result<(), LabError> {
    let mut networks: Vec<(IpAddr, u8)> = addresses
        .map(|address| match address {
            IpAddr::V4(v4) => (IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !0xff)), 24),
            IpAddr::V6(v6) => {
                (IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))), 64)
            }
        })
        .collect();
    networks.sort_unstable();
    networks.dedup();
    netlink(async |handle| {
        let lo = index("lo")?;
        for (network, length) in networks {
            let route = match network {
                IpAddr::V4(v4) => RouteMessageBuilder::<Ipv4Addr>::new()
                    .destination_prefix(v4, length)
                    .output_interface(lo)
                    .table_id(LOCAL)
                    .kind(RouteType::Local)
                    .scope(RouteScope::Host)
                    .build(),
                IpAddr::V6(v6) => RouteMessageBuilder::<Ipv6Addr>::new()
                    .destination_prefix(v6, length)
                    .output_interface(lo)
                    .table_id(LOCAL)
                    .kind(RouteType::Local)
                    .build(),
            };
            handle.route().add(route).execute().await?;
        }
        Ok(())
    })
}

/// Takes our own link down, or up again with the routes that went with it. Works on the
/// namespace of the calling thread.
pub(super) fn set_link(is_up: bool) -> Result<(), LabError> {
    netlink(async |handle| {
        let index = index(LINK)?;
        if is_up {
            up(&handle, LINK, None).await?;
            own_v6(&handle, index).await;
            return default_routes(&handle, index).await;
        }
        let down = LinkUnspec::new_with_index(index).down().build();
        handle.link().set(down).execute().await?;
        Ok(())
    })
}

type Netlink<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs a conversation with the kernel about this thread's namespace.
fn netlink(talk: impl AsyncFnOnce(Handle) -> Netlink<()>) -> Result<(), LabError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        let said = match error.downcast_ref() {
            Some(rtnetlink::Error::NetlinkError(said)) => said.to_io().raw_os_error(),
            _ => None,
        };
        if said == Some(Errno::EPERM as i32) {
            LabError::forbidden(Forbidden::Configure, Errno::EPERM.into())
        } else {
            LabError::failed("configure its network", error)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.into()))?;
    let done: Netlink<()> = runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let task = tokio::spawn(connection);
        let done = talk(handle).await;
        task.abort();
        done
    });
    done.map_err(failed)
}

fn index(name: &str) -> Netlink<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

async fn up(handle: &Handle, name: &str, mtu: Option<u16>) -> Netlink<()> {
    let mut link = LinkUnspec::new_with_index(index(name)?).up();
    if let Some(mtu) = mtu {
        link = link.mtu(mtu.into()).txqueuelen(QUEUE);
    }
    handle.link().set(link.build()).execute().await?;
    Ok(())
}

/// Gives our link its IPv6 address. A machine without IPv6 has none in its namespaces either.
async fn own_v6(handle: &Handle, index: u32) {
    let mut request = handle.address().add(index, OWN_V6.into(), 128);
    // Looking for somebody else with this address takes time in which it cannot be used.
    let flags = AddressAttribute::Flags(AddressFlags::Nodad);
    request.message_mut().attributes.push(flags);
    let _ = request.execute().await;
}

async fn default_routes(handle: &Handle, index: u32) -> Netlink<()> {
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new()
        .output_interface(index)
        .scope(RouteScope::Link)
        .build();
    handle.route().add(v4).execute().await?;
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().output_interface(index).build();
    // As above: IPv6 may be switched off.
    let _ = handle.route().add(v6).execute().await;
    Ok(())
}
