//! What becomes of packets and probes under every fault.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::echo::Toward;
use super::sight::learned;
use super::*;
use crate::lab::fault::{Loss, Says};
use crate::lab::scenario::Scenario;
use crate::model::{
    CheckId, CheckKind, Detail, Effort, Failure, IcmpError, LocalFailure, RemoteFailure, Reply,
    SiteId, TargetIx, Unreachable,
};
use crate::probe::icmp::PingJob;

const NOW: Now = Now { mono: Mono::from_nanos(1_000_000_000), wall: Timestamp::UNIX_EPOCH };

fn world() -> World {
    let text =
        "name: x\nprovince: {tree: {tinh: {a: [a1, a2], b: [b1]}}}\nlasts: 1m\nexpect: nothing";
    let scenario = Scenario::parse("x.yaml", text).unwrap_or_else(|p| panic!("{p}"));
    let topology = scenario.topology().expect("drawn");
    World::new(Arc::new(topology), Nature { jitter: Duration::ZERO, ..Nature::default() })
}

impl World {
    fn at(&self, site: &str) -> Place {
        let site = self.topology.find_site(&SiteId::new(site)).expect("a site");
        Place::Site(site, None)
    }

    fn device(&self, site: &str, endpoint: &str) -> Place {
        let site = self.topology.find_site(&SiteId::new(site)).expect("a site");
        Place::Site(site, Some(EndpointId::new(endpoint)))
    }

    fn target(&self, site: &str, endpoint: &str, check: &str) -> TargetIx {
        let target = self.topology.find_target(
            &SiteId::new(site),
            &EndpointId::new(endpoint),
            &CheckId::new(check),
        );
        target.expect("a target")
    }

    /// What an engine is told to do for a probe of a target that is pinged.
    fn job(&self, at: Now, target: TargetIx, effort: Effort) -> PingJob {
        let check = self.topology.check_of(target);
        let CheckKind::Icmp(echo) = &check.kind else { panic!("it is not pinged") };
        let (timeout, due) = (check.timeout, at.mono);
        let address = self.address(self.topology.target(target).endpoint);
        let check = (&echo.with_effort(effort, timeout)).into();
        PingJob { token: 0, address, check, timeout, due }
    }

    fn see(&mut self, path: &str) -> Sight {
        let mut parts = path.split('/');
        let mut next = || parts.next().expect("site/endpoint/check");
        let target = self.target(next(), next(), next());
        self.probe(NOW, target, Effort::Normal)
    }

    /// The word for what a probe sees, and who says so.
    fn word(&mut self, path: &str) -> String {
        match self.see(path).result {
            Ok(_) => "reply".to_owned(),
            Err(Failure::Remote(RemoteFailure::Unreachable(IcmpError {
                icmp_type,
                icmp_code,
                offender,
                ..
            }))) => {
                let from = offender.expect("someone said it");
                format!("{icmp_type}/{icmp_code} from {from}")
            }
            Err(failure) => failure.word().to_owned(),
        }
    }

    fn router(&self, site: &str) -> IpAddr {
        self.device_address(site, "router")
    }

    fn device_address(&self, site: &str, endpoint: &str) -> IpAddr {
        self.address(self.topology.target(self.target(site, endpoint, "ping")).endpoint)
    }

    /// Router, codec, TCP 1720 and SIP of `a1`, as they look from here.
    fn signature(&mut self) -> [String; 4] {
        ["a1/router/ping", "a1/codec/ping", "a1/codec/h323", "a1/codec/sip"]
            .map(|path| self.word(path))
    }
}

#[test]
fn each_situation_has_its_own_signature() {
    let fine = || "reply".to_owned();
    type Signature = fn(&World) -> [String; 4];
    let cases: [(&str, Fault, Signature); 4] = [
        ("codec off", Fault::DeviceOff { after: Duration::ZERO }, |w| {
            let says = format!("3/1 from {}", w.router("a1"));
            ["reply".to_owned(), says.clone(), says.clone(), says]
        }),
        ("router LAN down", Fault::LanDown, |w| {
            let says = format!("3/0 from {}", w.router("a1"));
            ["reply".to_owned(), says.clone(), says.clone(), says]
        }),
        ("access list", Fault::Rejected, |w| {
            let says = format!("3/13 from {}", w.router("a1"));
            ["reply".to_owned(), says.clone(), says.clone(), says]
        }),
        ("loop", Fault::RoutingLoop, |w| {
            let says = format!("11/0 from {}", w.router("a"));
            [says.clone(), says.clone(), says.clone(), says]
        }),
    ];
    for (name, fault, wanted) in cases {
        let mut world = world();
        world.place(NOW, world.at("a1"), fault);
        let wanted = wanted(&world);
        assert_eq!(world.signature(), wanted, "{name}");
        assert_eq!(world.word("a2/codec/ping"), "reply", "{name} spares the neighbour");
        world.lift(&world.at("a1"), Some(fault.kind()));
        assert_eq!(world.signature(), [fine(), fine(), fine(), fine()], "{name} is over");
    }
}

#[test]
fn silence_and_refusal_have_theirs() {
    let (fine, silent) = (|| "reply".to_owned(), || "timeout".to_owned());
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::Firewall);
    assert_eq!(world.signature(), [fine(), silent(), silent(), silent()]);
    world.place(NOW, world.at("a1"), Fault::PowerCut);
    assert_eq!(world.signature(), [silent(), silent(), silent(), silent()]);
    world.lift(&world.at("a1"), None);
    world.place(NOW, world.at("a1"), Fault::ServicesClosed);
    assert_eq!(world.signature(), [fine(), fine(), "refused".to_owned(), "refused".to_owned()]);
}

#[test]
fn a_named_device_is_the_only_one_concerned() {
    let mut world = world();
    world.place(NOW, world.device("a1", "router"), Fault::Firewall);
    assert_eq!(world.word("a1/router/ping"), "timeout");
    assert_eq!(world.word("a1/codec/ping"), "reply");
    // Lifting what is wrong at the site lifts what is wrong with its devices.
    world.lift(&world.at("a1"), None);
    assert_eq!(world.word("a1/router/ping"), "reply");
    assert_eq!(world.faults().count(), 0);
}

#[test]
fn a_router_told_to_keep_quiet_makes_a_dead_codec_look_like_a_firewall() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::DeviceOff { after: Duration::ZERO });
    world.place(NOW, world.at("a1"), Fault::NoUnreachables);
    assert_eq!(world.word("a1/codec/ping"), "timeout");
    assert_eq!(world.word("a1/router/ping"), "reply");
}

#[test]
fn a_cut_line_silences_everything_behind_it_and_nothing_else() {
    let mut world = world();
    world.place(NOW, world.at("a"), Fault::UplinkCut { says: None });
    for path in ["a/router/ping", "a1/router/ping", "a2/codec/sip"] {
        assert_eq!(world.word(path), "timeout", "{path}");
    }
    for path in ["tinh/router/ping", "b/router/ping", "b1/codec/ping"] {
        assert_eq!(world.word(path), "reply", "{path}");
    }
    let says = Fault::UplinkCut { says: Some(Says::HostUnreachable) };
    world.place(NOW, world.at("a"), says);
    assert_eq!(world.word("a1/router/ping"), format!("3/1 from {}", world.router("tinh")));
    world.lift(&world.at("a"), None);
    assert_eq!(world.word("a1/router/ping"), "reply");
}

#[test]
fn power_lost_at_a_district_leaves_the_lines_through_it_alone() {
    let mut world = world();
    world.place(NOW, world.at("a"), Fault::PowerCut);
    assert_eq!(world.word("a/router/ping"), "timeout");
    assert_eq!(world.word("a1/router/ping"), "reply");
}

#[test]
fn our_own_line_cut_leaves_us_with_our_own_gateway() {
    let mut world = world();
    world.place(NOW, world.at("tinh"), Fault::UplinkCut { says: None });
    assert_eq!(world.word("tinh/router/ping"), "reply");
    assert_eq!(world.word("a/router/ping"), "timeout");
    assert_eq!(world.word("b1/router/ping"), "timeout");
}

#[test]
fn our_own_network_cut_silences_everybody_and_a_dead_link_is_our_own_failure() {
    let mut world = world();
    world.place(NOW, Place::Own, Fault::OwnNetworkCut);
    assert_eq!(world.word("tinh/router/ping"), "timeout");
    world.lift(&Place::Own, None);
    world.place(NOW, Place::Own, Fault::OwnLinkDown);
    let sight = world.see("tinh/router/ping");
    assert_eq!(sight.result, Err(Failure::Local(LocalFailure::NoRoute)));
}

#[test]
fn a_hung_service_keeps_its_port_open() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::SipHung);
    assert_eq!(world.word("a1/codec/sip"), "timeout");
    assert_eq!(world.word("a1/codec/h323"), "reply");
    assert_eq!(world.word("a1/codec/ping"), "reply");
    world.place(NOW, world.at("a1"), Fault::HttpHung);
    assert_eq!(world.word("a1/codec/web"), "stalled");
}

#[test]
fn of_two_faults_that_contradict_each_other_the_later_one_holds() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::SipStatus(503));
    world.place(NOW, world.at("a1"), Fault::SipHung);
    assert_eq!(world.word("a1/codec/sip"), "timeout");
    world.place(NOW, world.at("a1"), Fault::SipStatus(503));
    assert_eq!(world.word("a1/codec/sip"), "service-out");
}

#[test]
fn a_status_that_means_out_is_a_failure_and_busy_is_not() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::SipStatus(503));
    assert_eq!(world.word("a1/codec/sip"), "service-out");
    world.place(NOW, world.at("a1"), Fault::SipStatus(486));
    assert_eq!(world.word("a1/codec/sip"), "reply");
    world.place(NOW, world.at("a1"), Fault::HttpStatus(500));
    assert_eq!(world.word("a1/codec/web"), "service-out");
}

#[test]
fn certificates_and_clocks_are_measured() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::CertificateEnds { in_s: -86_400 });
    world.place(NOW, world.at("a1"), Fault::ClockOff { by_s: 7200 });
    let Ok(Reply { detail: Detail::Http(detail), .. }) = world.see("a1/codec/web").result else {
        panic!("a reply")
    };
    let certificate = detail.certificate.expect("over TLS");
    assert_eq!(certificate.not_after.as_second(), -86_400);
    assert_eq!(detail.clock_offset_s, Some(7200));
}

#[test]
fn a_delay_is_what_a_ping_shows() {
    let mut world = world();
    let rtt = |world: &mut World| match world.see("a1/router/ping").result {
        Ok(reply) => reply.rtt.expect("a round trip"),
        Err(failure) => panic!("{failure:?}"),
    };
    let before = rtt(&mut world);
    world.place(NOW, world.at("a1"), Fault::Delay(Duration::from_millis(420)));
    assert_eq!(rtt(&mut world) - before, Duration::from_millis(420));
}

#[test]
fn loss_and_jitter_come_out_as_written() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::Loss(Loss::round_trip(0.1)));
    world.place(NOW, world.at("a1"), Fault::Jitter(Duration::from_millis(40)));
    let (mut lost, mut rtts) = (0, Vec::new());
    for _ in 0..20_000 {
        match world.see("a1/router/ping").result {
            Ok(reply) => rtts.push(reply.rtt.expect("a round trip").as_secs_f64()),
            Err(_) => lost += 1,
        }
    }
    assert!((1_850..2_150).contains(&lost), "{lost} of 20000 lost");
    // RFC 3550 §6.4.1 settles at the mean difference of consecutive round trips.
    let differences = rtts.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let jitter = differences.sum::<f64>() / (rtts.len() - 1) as f64;
    assert!((0.039..0.041).contains(&jitter), "{jitter}");
}

#[test]
fn a_queue_for_media_spares_marked_packets() {
    let mut world = world();
    let loss = Loss { out: 1.0, back: 0.0, best_effort_only: true };
    world.place(NOW, world.at("a1"), Fault::Loss(loss));
    let device = world.router("a1");
    let mut packet = Packet {
        direction: Direction::Out,
        device,
        length: 84,
        tos: 0,
        dont_fragment: false,
        ttl: 64,
    };
    assert_eq!(world.carry(NOW.mono, &packet), Verdict::Vanish(Vanished::Lost));
    packet.tos = 46 << 2;
    assert!(matches!(world.carry(NOW.mono, &packet), Verdict::Deliver(_)));
}

#[test]
fn what_is_too_big_is_told_or_swallowed() {
    let mut world = world();
    let mtu = |silent| Fault::Mtu { bytes: 1400, silent };
    world.place(NOW, world.at("a1"), mtu(false));
    let device = world.router("a1");
    let packet = |length, dont_fragment| Packet {
        direction: Direction::Out,
        device,
        length,
        tos: 0,
        dont_fragment,
        ttl: 64,
    };
    let Verdict::Answer(answer) = world.carry(NOW.mono, &packet(1500, true)) else { panic!() };
    assert_eq!(answer.what, Unreachable::TooBig { mtu: 1400 });
    assert!(matches!(world.carry(NOW.mono, &packet(1500, false)), Verdict::Deliver(_)));
    assert!(matches!(world.carry(NOW.mono, &packet(1400, true)), Verdict::Deliver(_)));
    world.place(NOW, world.at("a1"), mtu(true));
    assert_eq!(world.carry(NOW.mono, &packet(1500, true)), Verdict::Vanish(Vanished::TooBig));
}

#[test]
fn a_narrow_line_queues_and_then_drops() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::Bandwidth { kbit_s: 64 });
    let device = world.router("a1");
    let packet = Packet {
        direction: Direction::Out,
        device,
        length: 800,
        tos: 0,
        dont_fragment: false,
        ttl: 64,
    };
    // 800 bytes take 100 ms at 64 kbit/s: four fit into a queue of 300 ms.
    let mut arrived = Vec::new();
    for _ in 0..6 {
        match world.carry(NOW.mono, &packet) {
            Verdict::Deliver(delivery) => arrived.push(delivery.after),
            verdict => assert_eq!(verdict, Verdict::Vanish(Vanished::Full)),
        }
    }
    assert_eq!(arrived.len(), 4);
    assert_eq!(arrived[1] - arrived[0], Duration::from_millis(100));
    let later = NOW.mono + Duration::from_secs(1);
    assert!(matches!(world.carry(later, &packet), Verdict::Deliver(_)));
}

#[test]
fn a_router_that_has_said_too_much_keeps_quiet_for_a_while() {
    let mut world = world();
    world.nature.errors_per_second = Some(1);
    world.place(NOW, world.at("a1"), Fault::DeviceOff { after: Duration::ZERO });
    let device = world.device_address("a1", "codec");
    let packet = Packet {
        direction: Direction::Out,
        device,
        length: 84,
        tos: 0,
        dont_fragment: false,
        ttl: 64,
    };
    assert!(world.word("a1/codec/ping").starts_with("3/1"));
    assert_eq!(world.carry(NOW.mono, &packet), Verdict::Vanish(Vanished::Limited));
    assert!(world.word("a1/codec/ping").starts_with("3/1"), "what it said still explains");
    let sight = world.see("a1/codec/ping");
    assert_eq!((sight.lost, sight.heard.is_some()), (1, true), "it was said of an earlier one");
}

/// Probes one after the other, each `every` after the one before, and what each says.
fn in_turn(world: &mut World, path: &str, every: Duration, times: u32) -> Vec<String> {
    let mut parts = path.split('/');
    let mut next = || parts.next().expect("site/endpoint/check");
    let target = world.target(next(), next(), next());
    let probe = |n| {
        let result = world.probe(NOW.plus(every * n), target, Effort::Normal).result;
        result.map_or_else(|failure| failure.word().to_owned(), |_| "reply".to_owned())
    };
    (0..times).map(probe).collect()
}

#[test]
fn what_comes_too_late_explains_the_silence_of_the_next() {
    let second = Duration::from_secs(1);
    let mut world = world();
    let off = Fault::DeviceOff { after: Duration::from_secs(3) };
    world.place(NOW, world.at("a1"), off);
    let said = ["timeout", "timeout", "timeout", "host-unreachable"];
    assert_eq!(in_turn(&mut world, "a1/codec/ping", second, 4), said);
    let late = Fault::Late { share: 1.0, by: Duration::from_millis(1_400) };
    world.place(NOW, world.at("b1"), late);
    let said = ["timeout", "slow", "slow"];
    assert_eq!(in_turn(&mut world, "b1/codec/ping", second, 3), said);
}

#[test]
fn a_reply_cut_short_is_something_that_answers_and_not_properly() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::Truncate(1.0));
    assert_eq!(world.word("a1/router/ping"), "malformed");
    world.place(NOW, world.at("b1"), Fault::Forge(1.0));
    assert_eq!(world.word("b1/router/ping"), "reply", "a forged one answers nothing");
}

#[test]
fn what_is_learned_without_an_engine_is_what_an_engine_learns() {
    let share = 0.3;
    let all = [
        Fault::Loss(Loss::round_trip(share)),
        Fault::Duplicate(share),
        Fault::Reorder(share),
        Fault::Corrupt(share),
        Fault::Truncate(share),
        Fault::Forge(share),
        Fault::Late { share, by: Duration::from_millis(2_500) },
        Fault::Late { share, by: Duration::from_millis(995) },
        Fault::Jitter(Duration::from_millis(20)),
        Fault::Remark { dscp: 8 },
        Fault::Bandwidth { kbit_s: 3 },
        Fault::Delay(Duration::from_millis(1_400)),
        Fault::DeviceOff { after: Duration::from_secs(3) },
        Fault::RoutingLoop,
    ];
    let mut words = BTreeSet::new();
    for (fault, next) in all.iter().zip(all.iter().cycle().skip(1)) {
        let mut quick = world();
        let target = quick.target("a1", "codec", "ping");
        let (endpoint, at) = (quick.topology.target(target).endpoint, quick.at("a1"));
        let mut whole = quick.clone();
        let mut engine = Emulated::new(NOW);
        for second in 0..90 {
            let now = NOW.plus(Duration::from_secs(second));
            for world in [&mut quick, &mut whole] {
                match second {
                    20 => world.place(now, at.clone(), *fault),
                    40 => world.place(now, at.clone(), *next),
                    60 => world.lift(&at, None),
                    _ => {}
                }
            }
            let effort = if second % 7 == 3 { Effort::Thorough } else { Effort::Normal };
            let seen = quick.probe(now, target, effort);
            engine.submit(&[whole.job(now, target, effort)]);
            let mut network = Toward { world: &mut whole, endpoint, next: VecDeque::new() };
            let done = engine.finish(now, &mut network).pop().expect("a result");
            assert_eq!(seen, learned(done, now.mono), "{fault:?}, then {next:?}, second {second}");
            words.insert(seen.result.as_ref().map_or_else(Failure::word, |_| "reply"));
        }
        assert!(quick.engines.iter().all(Option::is_none), "nothing is left to remember");
    }
    assert!(words.len() >= 6, "{words:?}");
}

#[test]
fn damage_befalls_replies_one_kind_at_a_time() {
    let mut world = world();
    let shares = 0.2;
    for fault in [
        Fault::Duplicate(shares),
        Fault::Corrupt(shares),
        Fault::Truncate(shares),
        Fault::Reorder(shares),
        Fault::Late { share: shares, by: Duration::from_secs(3) },
        Fault::Forge(shares),
    ] {
        world.place(NOW, world.at("a1"), fault);
    }
    let device = world.router("a1");
    let mut packet = Packet {
        direction: Direction::Back,
        device,
        length: 84,
        tos: 0,
        dont_fragment: false,
        ttl: 64,
    };
    let mut kinds = BTreeMap::new();
    for _ in 0..5_000 {
        let Verdict::Deliver(delivery) = world.carry(NOW.mono, &packet) else { panic!("lost") };
        assert_eq!(delivery.forged, None);
        let word = match delivery.damage {
            None => "none",
            Some(Damage::Twice(_)) => "twice",
            Some(Damage::Overtaken) => "overtaken",
            Some(Damage::Flipped { .. }) => "flipped",
            Some(Damage::CutShort { .. }) => "short",
            Some(Damage::Late) => "late",
        };
        *kinds.entry(word).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    packet.direction = Direction::Out;
    let mut forged = 0;
    for _ in 0..5_000 {
        let Verdict::Deliver(delivery) = world.carry(NOW.mono, &packet) else { panic!("lost") };
        assert_eq!(delivery.damage, None);
        forged += u32::from(delivery.forged.is_some());
    }
    assert!((900..1_100).contains(&forged), "{forged}");
}

#[test]
fn the_same_seed_gives_the_same_world_whatever_else_is_asked() {
    let run = |others: usize| {
        let mut world = world();
        world.place(NOW, world.at("a1"), Fault::Loss(Loss::round_trip(0.3)));
        let mut seen = Vec::new();
        for _ in 0..200 {
            for _ in 0..others {
                world.see("b1/codec/ping");
            }
            seen.push(world.see("a1/router/ping"));
        }
        seen
    };
    assert_eq!(run(0), run(3));
}

#[test]
fn a_thorough_probe_is_rarely_fooled_by_chance() {
    let mut world = world();
    world.place(NOW, world.at("a1"), Fault::Loss(Loss::round_trip(0.1)));
    let target = world.target("a1", "router", "ping");
    let failed =
        (0..10_000).filter(|_| world.probe(NOW, target, Effort::Thorough).result.is_err()).count();
    assert!(failed <= 30, "{failed} of 10000 trains of three lost whole");
}

proptest::proptest! {
    #[test]
    fn no_packet_makes_the_world_panic(
        device in 0x0A40_0000u32..0x0A40_0700,
        length: u16, tos: u8, ttl: u8, dont_fragment: bool, back: bool,
        bytes: u16, kbit_s: u32, share in 0.0..1.0f64,
    ) {
        let mut world = world();
        world.place(NOW, world.at("a1"), Fault::Mtu { bytes, silent: false });
        world.place(NOW, world.at("a2"), Fault::Bandwidth { kbit_s });
        world.place(NOW, world.at("b1"), Fault::Late { share, by: Duration::from_secs(3) });
        let direction = if back { Direction::Back } else { Direction::Out };
        let device = IpAddr::V4(device.into());
        let packet = Packet { direction, device, length, tos, dont_fragment, ttl };
        for _ in 0..3 {
            let verdict = world.carry(NOW.mono, &packet);
            if world.find(device).is_none() {
                proptest::prop_assert_eq!(verdict, Verdict::Vanish(Vanished::Nobody));
            }
        }
    }
}
