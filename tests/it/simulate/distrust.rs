//! An echo engine in trouble: what it may have missed is doubted, and never so that nothing is ever
//! told.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use vchealth::lab::fault::Fault;
use vchealth::lab::world::Place;
use vchealth::model::{
    Cause, EngineHealth, Failure, LocalFailure, NotificationKind, RemoteFailure, Saw, SelfDoubt,
    SiteId, Strain, TargetIx,
};
use vchealth::monitor::Input;

use super::ourselves::{LIVE, drawn, ours, seconds};
use super::run::Run;

/// What happens to the engine in one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    /// It is stopped for a moment and misses a tick.
    pauses: bool,
    /// The kernel drops replies.
    drops: bool,
    /// It sends more than a second late.
    late: bool,
}

/// A province with an engine of which every reading is told.
struct Watch {
    run: Run,
    engine: EngineHealth,
    second: u64,
}

impl Watch {
    fn new(calendar: &str) -> Self {
        let (run, _) = drawn(calendar);
        let engine =
            EngineHealth { name: "kernel", receive_buffer: 416 << 10, ..Default::default() };
        Self { run, engine, second: 0 }
    }

    fn pass(&mut self, what: Second) {
        self.second += 1;
        self.run.until(seconds(self.second));
        self.engine.sent += 60;
        self.engine.missed_ticks += u64::from(what.pauses);
        self.engine.socket_drops += if what.drops { 20 } else { 0 };
        self.engine.worst_lateness = if what.late { seconds(2) } else { Duration::ZERO };
        self.run.tell(Input::Engine(self.engine));
    }

    fn passes(&mut self, until: u64, mut what: impl FnMut(u64) -> Second) {
        while self.second < until {
            self.pass(what(self.second));
        }
    }

    /// Something befalls the codec of a commune.
    fn befall(&mut self, fault: Fault) {
        let topology = Arc::clone(&self.run.topology);
        let at = topology.find_site(&SiteId::new("xa-c")).unwrap();
        let codec = topology.endpoint(topology.site(at).endpoints[1]).id.clone();
        self.run.world.place(self.run.now, Place::Site(at, Some(codec)), fault);
    }

    /// What strains the engine, as people were told last.
    fn strain(&self) -> Strain {
        let told = self.run.told.iter().rev().map(|(_, message)| &message.alert.incident);
        let doubts = told
            .filter(|incident| incident.cause == Cause::Monitor)
            .flat_map(|incident| &incident.evidence)
            .filter_map(|evidence| match &evidence.saw {
                Saw::Ourselves(doubt) => Some(doubt),
                _ => None,
            });
        match doubts.take(1).collect::<Vec<_>>()[..] {
            [SelfDoubt::EngineStrained(strain)] => *strain,
            ref other => panic!("{other:?}"),
        }
    }

    /// When somebody was told of it.
    fn told(&self, cause: Cause) -> Option<Duration> {
        let firing = self.run.told.iter().find(|(_, message)| {
            message.alert.incident.cause == cause && message.kind == NotificationKind::Firing
        });
        firing.map(|(at, _)| *at)
    }
}

const FINE: Second = Second { pauses: false, drops: false, late: false };

#[test]
fn a_machine_that_pauses_every_now_and_then_finds_a_dead_codec_as_fast_as_any_other() {
    let mut found = Vec::new();
    for pauses in [false, true] {
        let mut watch = Watch::new(LIVE);
        watch.passes(20, |second| Second { pauses: pauses && second % 2 == 0, ..FINE });
        watch.befall(Fault::Firewall);
        watch.passes(40, |second| Second { pauses: pauses && second % 2 == 0, ..FINE });
        found.push(watch.told(Cause::Device).expect("it is dead"));
        assert!(!watch.run.snapshot().monitor.blind);
    }
    assert_eq!(found[0], found[1]);
}

#[test]
fn what_a_router_says_is_believed_whatever_the_engine_drops() {
    let mut watch = Watch::new(LIVE);
    watch.passes(20, |_| FINE);
    watch.befall(Fault::Rejected);
    watch.passes(26, |_| Second { drops: true, ..FINE });
    assert!(watch.told(Cause::Device).is_some(), "{:?}", watch.run.told);
}

#[test]
fn what_may_have_been_dropped_is_asked_again_as_soon_as_it_would_be_believed() {
    let mut watch = Watch::new(LIVE);
    watch.passes(20, |_| FINE);
    watch.befall(Fault::Firewall);
    watch.passes(24, |_| Second { drops: true, ..FINE });
    assert_eq!(watch.told(Cause::Device), None);
    watch.passes(34, |_| FINE);
    assert!(watch.told(Cause::Device).is_some());
    assert_eq!(ours(&watch.run), []);
}

#[test]
fn who_drops_replies_all_the_time_is_blind_and_sees_again_when_that_ends() {
    use NotificationKind::{Firing, Resolved};
    let mut watch = Watch::new(LIVE);
    watch.passes(20, |_| FINE);
    watch.befall(Fault::Firewall);
    watch.passes(60, |second| Second { drops: second % 4 == 0, ..FINE });
    assert_eq!(ours(&watch.run), [Firing]);
    let strain = watch.strain();
    assert!(strain.is_of_buffer() && (40..=100).contains(&strain.dropped), "{strain:?}");
    assert_eq!(strain.buffer_kib, 416);
    watch.passes(71, |_| FINE);
    assert!(!watch.run.snapshot().monitor.blind);
    watch.passes(300, |_| FINE);
    assert_eq!(ours(&watch.run), [Firing, Resolved], "{:?}", watch.run.told);
    assert!(watch.told(Cause::Device).is_some(), "the codec is still off");
}

#[test]
fn who_is_too_slow_to_see_what_was_asked_is_strained_and_does_not_fail_to_ask() {
    let mut watch = Watch::new(LIVE);
    watch.passes(20, |_| FINE);
    watch.run.tamper = Some(Box::new(|_, _: TargetIx, _, sight| {
        (sight.lost, sight.result) = (0, Err(Failure::Local(LocalFailure::Late)));
    }));
    watch.passes(80, |_| Second { pauses: true, ..FINE });
    let strain = watch.strain();
    assert!(strain.missed_ticks > 0 && strain.dropped == 0, "{strain:?}");
    assert!(!strain.is_of_buffer(), "{strain:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A codec that never answers is found dead, or the monitor says that it does not see,
    /// whatever the engine does and however often it fails to ask.
    #[test]
    fn nobody_is_dead_without_somebody_being_told(
        live in any::<bool>(),
        cycle in prop::collection::vec((any::<bool>(), prop::bool::weighted(0.3), prop::bool::weighted(0.1)), 1..40),
        unknown in prop::collection::vec(prop::bool::weighted(0.6), 1..12),
    ) {
        let mut watch = Watch::new(if live { LIVE } else { "" });
        watch.passes(40, |_| FINE);
        watch.befall(Fault::Firewall);
        let mut nth = 0;
        watch.run.tamper = Some(Box::new(move |_, _: TargetIx, _, sight| {
            if sight.lost > 0 && sight.result == Err(Failure::Remote(RemoteFailure::Timeout)) {
                nth += 1;
                if unknown[nth % unknown.len()] {
                    (sight.lost, sight.result) = (0, Err(Failure::Local(LocalFailure::Late)));
                }
            }
        }));
        let mut seconds = cycle.iter().cycle();
        watch.passes(if live { 240 } else { 600 }, |_| {
            let (pauses, drops, late) = *seconds.next().expect("a cycle is not empty");
            Second { pauses, drops, late }
        });
        let told = watch.run.told.iter().map(|(_, message)| message.alert.incident.cause);
        let told: Vec<Cause> = told.collect();
        prop_assert!(
            told.iter().any(|cause| matches!(cause, Cause::Device | Cause::Monitor)),
            "{told:?}"
        );
    }
}
