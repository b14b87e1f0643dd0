//! The emulated province with real packets: what the kernel's own ping, TCP and UDP see of it.
//!
//! Each test enters a lab on a thread of its own, so they do not see each other. They need root,
//! or whatever else lets a thread make a network namespace; where that is forbidden they fail
//! with the message that a user would read.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use vchealth::clock::Clock;
use vchealth::lab::fault::{Fault, Loss};
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Nature, Place, Vanished};
use vchealth::lab::{self, Lab};
use vchealth::model::{EndpointId, Host, SiteId};

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A province in which `tinh` is ours, everything two milliseconds away.
const PROVINCE: &str = "
name: x
province: {tree: {tinh: {a: [a1, a2], b: [b1]}}}
lasts: 1s
expect: nothing
";

/// Runs `with` in a lab of its own.
fn in_lab<T: Send + 'static>(with: impl FnOnce(&Lab) -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let lab = start_lab();
        let done = with(&lab);
        lab.shutdown();
        done
    });
    match thread.join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn start_lab() -> Lab {
    let scenario = Scenario::parse("x.yaml", PROVINCE).expect("a scenario");
    let topology = Arc::new(scenario.topology().expect("drawn"));
    let nature =
        Nature { rtt: Duration::from_millis(2), jitter: Duration::ZERO, ..Nature::default() };
    let entered = lab::enter(&lab::Options::default());
    let entered = entered.unwrap_or_else(|error| panic!("{error}"));
    entered.start(topology, nature, Clock::start()).unwrap_or_else(|error| panic!("{error}"))
}

fn site(lab: &Lab, site: &str) -> Place {
    Place::Site(lab.topology().find_site(&SiteId::new(site)).expect("a site"), None)
}

fn address(lab: &Lab, site: &str, endpoint: &str) -> IpAddr {
    let topology = lab.topology();
    let site = topology.site(topology.find_site(&SiteId::new(site)).expect("a site"));
    let id = EndpointId::new(endpoint);
    let ix = site.endpoints.iter().find(|ix| topology.endpoint(**ix).id == id);
    match topology.endpoint(*ix.expect("an endpoint")).host {
        Host::Ip(ip) => ip,
        Host::Name(_) => panic!("an address"),
    }
}

/// A raw ICMP socket of this namespace and what comes in on it.
struct Pinger {
    socket: Socket,
}

/// An ICMP message as it came in.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    from: IpAddr,
    kind: u8,
    code: u8,
    /// Identifier and sequence of an echo; what stands there in an error.
    rest: [u8; 4],
    ttl: u8,
    payload: Vec<u8>,
}

impl Pinger {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4));
        let socket = socket.expect("CAP_NET_RAW");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        socket.set_recv_buffer_size(8 << 20).expect("a buffer");
        Self { socket }
    }

    fn send(&self, to: IpAddr, sequence: u16, size: usize) {
        let mut packet = vec![8, 0, 0, 0, 0x77, 0x77];
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.resize(8 + size, 0x55);
        let mut sum: u32 = packet
            .chunks(2)
            .map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let checksum = !u16::try_from(sum).expect("folded");
        packet[2..4].copy_from_slice(&checksum.to_be_bytes());
        let _ = self.socket.send_to(&packet, &SocketAddr::new(to, 0).into());
    }

    fn hear(&self) -> Option<Heard> {
        let mut bytes = [0; 2048];
        let length = (&self.socket).read(&mut bytes).ok()?;
        let bytes = &bytes[..length];
        let header = usize::from(bytes[0] & 15) * 4;
        let body = &bytes[header..];
        Some(Heard {
            from: Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]).into(),
            kind: body[0],
            code: body[1],
            rest: body[4..8].try_into().expect("four"),
            ttl: bytes[8],
            payload: body[8..].to_vec(),
        })
    }

    /// Everything that comes in until `enough`, or nothing more is to be expected.
    fn hear_until(&self, mut enough: impl FnMut(&[Heard]) -> bool) -> Vec<Heard> {
        let (mut all, began) = (Vec::new(), Instant::now());
        while !enough(&all) && began.elapsed() < PATIENCE {
            all.extend(self.hear());
        }
        all
    }

    /// What one ping brings: the first message.
    fn ping(&self, to: IpAddr, size: usize) -> Option<Heard> {
        self.send(to, 1, size);
        self.hear_until(|all| !all.is_empty()).pop()
    }

    /// Whether a ping vanishes without a word.
    fn silence(&self, lab: &Lab, to: IpAddr, size: usize) -> bool {
        let vanished = || lab.tally().vanished.iter().sum::<u64>();
        let before = vanished();
        self.send(to, 1, size);
        soon(|| vanished() > before) && self.hear().is_none()
    }
}

/// How a connection ends: `open`, or what the kernel says. One that is under way while the network
/// changes may hear of nothing, so it is begun anew now and then.
fn connect(to: IpAddr, port: u16) -> Result<TcpStream, ErrorKind> {
    let (to, began) = (SocketAddr::new(to, port), Instant::now());
    loop {
        let connected = TcpStream::connect_timeout(&to, Duration::from_secs(3));
        match connected.map_err(|error| error.kind()) {
            Err(ErrorKind::TimedOut) if began.elapsed() < PATIENCE => {}
            ended => return ended,
        }
    }
}

/// What SIP answers over UDP within half a second.
fn sip(to: IpAddr) -> Option<String> {
    let socket = UdpSocket::bind((lab::OWN_V4, 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let request = format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {};rport;branch=z9hG4bK1\r\nFrom: <sip:x>\
         ;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        socket.local_addr().expect("bound"),
    );
    socket.send_to(request.as_bytes(), (to, 5060)).ok()?;
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    assert_eq!(from, SocketAddr::new(to, 5060), "the answer comes from where the question went");
    let answer = String::from_utf8_lossy(&buffer[..length]);
    Some(answer.lines().next().unwrap_or_default().to_owned())
}

/// Looks until `so`, for a change that another thread is about to make.
fn soon(mut so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if so() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn a_ping_is_answered_by_the_kernel_after_as_long_as_the_path_takes() {
    in_lab(|lab| {
        let ping = Pinger::new();
        let (router, codec) = (address(lab, "a1", "router"), address(lab, "a1", "codec"));
        let began = Instant::now();
        let heard = ping.ping(router, 56).expect("a reply");
        assert!(began.elapsed() >= Duration::from_millis(1));
        assert_eq!((heard.from, heard.kind), (router, 0));
        assert_eq!(heard.rest, [0x77, 0x77, 0, 1]);
        assert_eq!(heard.payload.len(), 56);
        // Two lines lie between the commune and us, and ours.
        assert_eq!(heard.ttl, 61);
        lab.place(site(lab, "a1"), Fault::Delay(Duration::from_millis(200)));
        let began = Instant::now();
        assert_eq!(ping.ping(codec, 56).expect("a reply").kind, 0);
        assert!(began.elapsed() >= Duration::from_millis(200));
    });
}

#[test]
fn routers_say_why_and_say_who_they_are() {
    in_lab(|lab| {
        let ping = Pinger::new();
        let (router, codec) = (address(lab, "a1", "router"), address(lab, "a1", "codec"));
        let place = site(lab, "a1");
        for (fault, wanted) in [
            (Fault::DeviceOff { after: Duration::ZERO }, (3, 1)),
            (Fault::LanDown, (3, 0)),
            (Fault::Rejected, (3, 13)),
        ] {
            lab.place(place.clone(), fault);
            let heard = ping.ping(codec, 56).expect("an error");
            assert_eq!((heard.from, (heard.kind, heard.code)), (router, wanted), "{fault:?}");
            // The packet that the error is about is quoted, so that its sender knows it again.
            assert_eq!(heard.payload[20..28][4..], [0x77, 0x77, 0, 1]);
            assert_eq!(ping.ping(router, 56).expect("a reply").kind, 0, "the router lives");
            lab.lift(place.clone(), None);
            assert_eq!(ping.ping(codec, 56).expect("a reply").kind, 0);
        }
        lab.place(place.clone(), Fault::RoutingLoop);
        let heard = ping.ping(router, 56).expect("an error");
        assert_eq!((heard.from, heard.kind), (address(lab, "a", "router"), 11));
        lab.lift(place.clone(), None);
        lab.place(place, Fault::Firewall);
        assert!(ping.silence(lab, codec, 56));
    });
}

#[test]
fn a_cut_line_is_silence_behind_it_and_only_there() {
    in_lab(|lab| {
        let ping = Pinger::new();
        lab.place(site(lab, "a"), Fault::UplinkCut { says: None });
        for dead in ["a", "a1", "a2"] {
            assert!(ping.silence(lab, address(lab, dead, "router"), 56), "{dead}");
        }
        for alive in ["tinh", "b", "b1"] {
            assert!(ping.ping(address(lab, alive, "router"), 56).is_some(), "{alive}");
        }
        lab.lift(site(lab, "a"), None);
        assert!(ping.ping(address(lab, "a1", "router"), 56).is_some());
        assert_eq!(lab.tally().vanished(Vanished::Cut), 3);
    });
}

#[test]
fn a_packet_too_big_is_told_the_size_that_fits_or_falls_into_a_hole() {
    in_lab(|lab| {
        let ping = Pinger::new();
        let codec = address(lab, "a1", "codec");
        lab.place(site(lab, "a1"), Fault::Mtu { bytes: 1400, silent: false });
        let heard = ping.ping(codec, 1472).expect("an error");
        assert_eq!((heard.from, heard.kind, heard.code), (address(lab, "a1", "router"), 3, 4));
        assert_eq!(heard.rest, [0, 0, 0x05, 0x78]);
        let other = address(lab, "a2", "codec");
        lab.place(site(lab, "a2"), Fault::Mtu { bytes: 1400, silent: true });
        assert!(ping.silence(lab, other, 1472));
        assert_eq!(ping.ping(other, 1372).expect("a reply").kind, 0);
    });
}

#[test]
fn connections_tell_a_closed_port_from_a_dead_host_and_a_dead_lan() {
    in_lab(|lab| {
        let codec = address(lab, "a1", "codec");
        let place = site(lab, "a1");
        assert_eq!(connect(codec, 1720).err(), None);
        assert_eq!(connect(codec, 1721).err(), Some(ErrorKind::ConnectionRefused));
        lab.place(place.clone(), Fault::H323Closed);
        assert!(soon(|| connect(codec, 1720).err() == Some(ErrorKind::ConnectionRefused)));
        assert!(connect(codec, 5060).is_ok(), "the other ports stay open");
        lab.lift(place.clone(), None);
        assert!(soon(|| connect(codec, 1720).is_ok()));
        lab.place(place.clone(), Fault::DeviceOff { after: Duration::ZERO });
        assert_eq!(connect(codec, 1720).err(), Some(ErrorKind::HostUnreachable));
        lab.lift(place.clone(), None);
        lab.place(place, Fault::LanDown);
        assert_eq!(connect(codec, 1720).err(), Some(ErrorKind::NetworkUnreachable));
    });
}

#[test]
fn codecs_answer_sip_as_they_are_told() {
    in_lab(|lab| {
        let codec = address(lab, "a1", "codec");
        let place = site(lab, "a1");
        assert!(soon(|| sip(codec).as_deref() == Some("SIP/2.0 200 OK")));
        lab.place(place.clone(), Fault::SipStatus(503));
        assert!(soon(|| sip(codec).as_deref() == Some("SIP/2.0 503 Service Unavailable")));
        lab.place(place.clone(), Fault::SipHung);
        assert!(soon(|| sip(codec).is_none()));
        assert!(connect(codec, 5060).is_ok(), "a hung service still takes connections");
        lab.lift(place, None);
        assert!(soon(|| sip(codec).as_deref() == Some("SIP/2.0 200 OK")));
    });
}

#[test]
fn what_happens_to_replies_is_counted_and_seen() {
    in_lab(|lab| {
        let ping = Pinger::new();
        let router = address(lab, "a1", "router");
        let place = site(lab, "a1");
        let fifth = 0.2;
        for fault in [
            Fault::Duplicate(fifth),
            Fault::Truncate(fifth),
            Fault::Forge(fifth),
            Fault::Reorder(fifth),
            Fault::Loss(Loss { out: fifth, back: 0.0, best_effort_only: false }),
            Fault::Late { share: fifth, by: Duration::from_millis(400) },
        ] {
            lab.place(place.clone(), fault);
        }
        let sent: u16 = 500;
        for sequence in 0..sent {
            ping.send(router, sequence, 56);
        }
        let expected = || {
            let tally = lab.tally();
            (tally.out, tally.vanished(Vanished::Lost), tally)
        };
        assert!(soon(|| expected().2.out + expected().1 == u64::from(sent)));
        assert!(soon(|| expected().2.back == expected().0));
        let tally = lab.tally();
        let total = usize::try_from(tally.back + tally.twice + tally.forged).expect("small");
        let heard = ping.hear_until(|all| all.len() >= total);
        assert_eq!(heard.len(), total);
        let count = |wanted: &dyn Fn(&Heard) -> bool| {
            u64::try_from(heard.iter().filter(|heard| wanted(heard)).count()).expect("small")
        };
        assert_eq!(count(&|h| h.payload.len() < 8), tally.cut_short);
        // A forger errs in the payload or in the sender.
        assert_eq!(count(&|h| h.from != router || h.payload.contains(&0xaa)), tally.forged);
        for (what, n) in [
            ("twice", tally.twice),
            ("cut short", tally.cut_short),
            ("forged", tally.forged),
            ("overtaken", tally.overtaken),
            ("late", tally.late),
            ("lost", tally.vanished(Vanished::Lost)),
        ] {
            assert!((20..200).contains(&n), "{what}: {n} of {sent}");
        }
    });
}

#[test]
fn ten_thousand_pings_at_once_all_come_back() {
    in_lab(|lab| {
        let ping = Pinger::new();
        let targets = [address(lab, "a1", "router"), address(lab, "b1", "codec")];
        let mut heard = 0;
        for sequence in 0..10_000u16 {
            ping.send(targets[usize::from(sequence % 2)], sequence, 56);
            // Our own socket holds fewer than that.
            if sequence % 500 == 499 {
                heard += ping.hear_until(|all| all.len() == 500).len();
            }
        }
        assert_eq!(heard, 10_000);
        assert_eq!(lab.tally().refused, 0);
    });
}

#[test]
fn our_own_link_goes_down_and_comes_back_with_its_routes() {
    in_lab(|lab| {
        let ping = Pinger::new();
        let router = address(lab, "a1", "router");
        lab.place(Place::Own, Fault::OwnLinkDown);
        assert!(soon(|| connect(router, 1720).err() == Some(ErrorKind::NetworkUnreachable)));
        lab.lift(Place::Own, None);
        assert!(soon(|| connect(router, 1720).err() == Some(ErrorKind::ConnectionRefused)));
        lab.place(Place::Own, Fault::OwnNetworkCut);
        assert!(ping.silence(lab, router, 56));
    });
}

#[test]
fn the_other_family_of_addresses_works_as_well() {
    let thread = std::thread::spawn(|| {
        let scenario = Scenario::parse("x.yaml", PROVINCE).expect("a scenario");
        let mut topology = scenario.topology().expect("drawn");
        for (n, endpoint) in topology.endpoints.iter_mut().enumerate() {
            endpoint.host = Host::Ip(format!("fd00:64:{n:x}::1").parse().expect("an address"));
        }
        let entered = lab::enter(&lab::Options::default());
        let entered = entered.unwrap_or_else(|error| panic!("{error}"));
        let lab = entered.start(Arc::new(topology), Nature::default(), Clock::start());
        let lab = lab.unwrap_or_else(|error| panic!("{error}"));
        let codec = address(&lab, "a1", "codec");
        assert_eq!(connect(codec, 1720).err(), None);
        assert_eq!(connect(codec, 1721).err(), Some(ErrorKind::ConnectionRefused));
        lab.place(site(&lab, "a1"), Fault::DeviceOff { after: Duration::ZERO });
        assert_eq!(connect(codec, 1720).err(), Some(ErrorKind::HostUnreachable));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn what_was_bound_before_stays_on_the_host() {
    let host = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let board = host.local_addr().expect("bound");
    let (entered, wait) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let lab = start_lab();
        // Near has a loopback of its own, on which nobody listens.
        assert!(TcpStream::connect(board).is_err());
        entered.send(()).expect("a browser");
        let (mut browser, _) = host.accept().expect("a browser");
        browser.write_all(b"hello").expect("a browser");
        lab.shutdown();
    });
    wait.recv().expect("a lab");
    let mut said = String::new();
    let mut browser = TcpStream::connect(board).expect("the board");
    browser.read_to_string(&mut said).expect("an answer");
    assert_eq!(said, "hello");
    server.join().expect("the board");
}

#[test]
fn a_script_is_played_in_real_time_and_kept_in_the_log() {
    in_lab(|lab| {
        let text = PROVINCE.replace("lasts: 1s", "lasts: 300ms")
            + "timeline:\n  - {at: 50ms, site: a1, fault: power-cut, for: 100ms}\n";
        let scenario = Scenario::parse("x.yaml", &text).expect("a scenario");
        let script = scenario.script(lab.topology()).expect("a script");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (mut told, began) = (Vec::new(), Instant::now());
        runtime.expect("a runtime").block_on(lab.play(&script, |step| told.push(step.at)));
        assert_eq!(told, [Duration::from_millis(50), Duration::from_millis(150)]);
        let log = lab.log();
        assert_eq!(log.len(), 2);
        assert!(log[1].at.mono > log[0].at.mono);
        // Never early, however busy the machine is.
        assert!(began.elapsed() >= script.lasts);
        assert!(lab.faults().is_empty());
    });
}
