//! Turns, millisecond by millisecond.

use super::*;
use crate::model::{CheckId, EndpointId, SiteId};

const PACE: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn at(ms: u64) -> Mono {
    Mono::ZERO + Duration::from_millis(1_000_000 + ms)
}

fn schedule(targets: usize, pace: Duration) -> Schedule {
    let mut schedule = Schedule::default();
    for n in 0..targets {
        let key = TargetKey {
            site: SiteId::new(format!("site-{n}")),
            endpoint: Some(EndpointId::new("router")),
            check: Some(CheckId::new("ping")),
        };
        schedule.add(&key, pace, Duration::from_secs(1), at(0));
    }
    schedule
}

/// Carries out probes, millisecond by millisecond.
struct Runner {
    schedule: Schedule,
    now: u64,
    took: u64,
    back: Vec<(u64, ProbeRequest)>,
}

impl Runner {
    fn new(targets: usize, pace: Duration, took: u64) -> Self {
        Self { schedule: schedule(targets, pace), now: 0, took, back: Vec::new() }
    }

    /// Runs for `ms`; gives each probe's moment.
    fn run(&mut self, ms: u64) -> Vec<(u64, TargetIx)> {
        let mut probes = Vec::new();
        for now in self.now..self.now + ms {
            let schedule = &mut self.schedule;
            self.back.retain(|(when, request)| {
                let due = *when <= now;
                if due {
                    assert!(schedule.finished(request, request.target, Some(request.due), at(now)));
                }
                !due
            });
            while let Some(Due::Probe { target, trigger, effort, due }) =
                schedule.poll(at(now), |_, _| false)
            {
                let request = ProbeRequest { generation: 1, target, trigger, effort, due };
                assert!(
                    schedule.slots[target.ix()].under_way.is_none(),
                    "probes of a target overlap"
                );
                schedule.started(request);
                probes.push((now, target));
                self.back.push((now + self.took, request));
            }
        }
        self.now += ms;
        probes
    }

    /// Probes in each tenth of the next second.
    fn tenths(&mut self) -> [u32; 10] {
        let mut tenths = [0; 10];
        for (now, _) in self.run(1000) {
            tenths[usize::try_from(now % 1000 / 100).unwrap()] += 1;
        }
        tenths
    }
}

#[test]
fn everybody_gets_a_turn_in_every_interval_and_nobody_two() {
    let mut runner = Runner::new(500, PACE, 5);
    runner.run(3000);
    let mut turns = [0; 500];
    for (_, target) in runner.run(10_000) {
        turns[target.ix()] += 1;
    }
    assert!(turns.iter().all(|n| *n == 10), "{turns:?}");
}

#[test]
fn targets_are_spread_evenly_over_the_interval() {
    let mut runner = Runner::new(5000, PACE, 5);
    runner.run(3000);
    let tenths = runner.tenths();
    assert!(tenths.iter().all(|n| (400..600).contains(n)), "{tenths:?}");
}

#[test]
fn a_change_of_pace_makes_no_burst() {
    let mut runner = Runner::new(5000, Duration::from_secs(60), 5);
    runner.run(4000);
    for target in 0..5000 {
        runner.schedule.set_pace(TargetIx::new(target), PACE, at(4000));
    }
    let tenths = runner.tenths();
    assert!(tenths.iter().all(|n| (400..600).contains(n)), "{tenths:?}");
}

#[test]
fn the_first_round_is_quick_however_slow_the_pace() {
    let mut runner = Runner::new(500, Duration::from_secs(60), 5);
    let mut reached: Vec<_> = runner.run(3001).into_iter().map(|(_, target)| target).collect();
    reached.sort_unstable();
    reached.dedup();
    assert_eq!(reached.len(), 500);
}

#[test]
fn a_probe_as_long_as_the_interval_is_followed_at_once_and_never_overlapped() {
    let mut runner = Runner::new(1, PACE, 1003);
    let probes = runner.run(20_000);
    assert!(probes.len() >= 18, "{}", probes.len());
    assert!(runner.schedule.overlaps() > 0);
}

#[test]
fn a_demanded_probe_comes_when_asked_for_and_the_target_returns_to_its_place() {
    let mut runner = Runner::new(1, Duration::from_secs(30), 5);
    let (last, target) = *runner.run(60_000).last().unwrap();
    while runner.now < last + 40_000 {
        runner.run(1);
    }
    let asked = runner.now;
    let demanded = at(asked + 300);
    runner.schedule.demand(target, Trigger::Confirm, Effort::Thorough, demanded);
    let probes = runner.run(31_000);
    assert_eq!(probes[0].0, asked + 300);
    assert_eq!(probes[1].0 % 30_000, last % 30_000);
}

#[test]
fn what_is_demanded_during_a_probe_follows_it() {
    let mut schedule = schedule(1, Duration::from_secs(30));
    let target = TargetIx::new(0);
    let mut now = 0;
    let request = loop {
        if let Some(Due::Probe { target, trigger, effort, due }) =
            schedule.poll(at(now), |_, _| false)
        {
            break ProbeRequest { generation: 1, target, trigger, effort, due };
        }
        now += 1;
    };
    schedule.started(request);
    schedule.demand(target, Trigger::Correlate, Effort::Normal, at(now));
    assert!(schedule.poll(at(now + 500), |_, _| false).is_none());
    assert!(schedule.finished(&request, target, Some(request.due), at(now + 900)));
    let next = schedule.poll(at(now + 900), |_, _| false);
    assert!(matches!(next, Some(Due::Probe { trigger: Trigger::Correlate, .. })));
}

#[test]
fn what_is_demanded_for_later_during_a_probe_does_not_put_off_its_next_turn() {
    let mut schedule = schedule(1, PACE);
    let target = TargetIx::new(0);
    let mut now = 0;
    let request = loop {
        if let Some(Due::Probe { target, trigger, effort, due }) =
            schedule.poll(at(now), |_, _| false)
        {
            break ProbeRequest { generation: 1, target, trigger, effort, due };
        }
        now += 1;
    };
    schedule.started(request);
    schedule.demand(target, Trigger::Correlate, Effort::Normal, at(now + 5_000));
    assert!(schedule.finished(&request, target, Some(request.due), at(now + 100)));
    let second = u64::try_from(PACE.as_millis()).unwrap();
    let next = (now + 101..).find(|ms| schedule.poll(at(*ms), |_, _| false).is_some());
    assert!(next.is_some_and(|next| next <= now + second), "{next:?} after {now}");
}

#[test]
fn a_probe_that_never_comes_back_is_given_up() {
    let mut schedule = schedule(1, PACE);
    let mut given_up = 0;
    for now in 0..30_000 {
        match schedule.poll(at(now), |_, _| false) {
            Some(Due::Probe { target, trigger, effort, due }) => {
                schedule.started(ProbeRequest { generation: 1, target, trigger, effort, due });
            }
            Some(Due::GivenUp(request)) => {
                given_up += 1;
                assert!(schedule.finished(&request, request.target, Some(request.due), at(now)));
                assert!(
                    !schedule.finished(&request, request.target, Some(request.due), at(now)),
                    "late outcome"
                );
            }
            None => {}
        }
    }
    assert!(given_up >= 2, "{given_up}");
}

#[test]
fn turns_that_were_overtaken_do_not_pile_up() {
    let mut schedule = schedule(100, PACE);
    for ms in (0..500).rev() {
        for target in 0..100 {
            let soon = at(100_000 + ms);
            schedule.demand(TargetIx::new(target), Trigger::Demand, Effort::Normal, soon);
            schedule.slots[target].due = at(200_000);
        }
    }
    assert!(schedule.queue.len() <= 100 + 25 + OVERTAKEN, "{}", schedule.queue.len());
    let mut asked = Vec::new();
    while let Some(Due::Probe { target, .. }) = schedule.poll(at(100_000), |_, _| false) {
        asked.push(target.ix());
    }
    asked.sort_unstable();
    assert_eq!(asked, Vec::from_iter(0..100), "each has the turn that counts");
}

#[test]
fn what_is_kept_of_every_target_is_small() {
    assert!(size_of::<Slot>() <= 64, "{}", size_of::<Slot>());
    assert!(size_of::<Turn>() <= 16);
}

/// How long before their time turns are handed out here.
const AHEAD: u64 = 40;

/// The first turn of the only target, and when it is handed out.
fn first(schedule: &mut Schedule) -> (u64, ProbeRequest) {
    (0..)
        .find_map(|now| match schedule.poll(at(now), |_, _| false)? {
            Due::Probe { target, trigger, effort, due } => {
                Some((now, ProbeRequest { generation: 1, target, trigger, effort, due }))
            }
            Due::GivenUp(_) => None,
        })
        .expect("there are more to come")
}

/// One target whose turns are handed out ahead of their time, and the first of them.
fn ahead() -> (Schedule, u64, ProbeRequest) {
    let mut schedule = schedule(1, PACE);
    schedule.hand_out_ahead(Duration::from_millis(AHEAD));
    let (now, request) = first(&mut schedule);
    schedule.started(request);
    (schedule, now, request)
}

#[test]
fn a_turn_is_handed_out_ahead_of_its_time_and_only_once() {
    let (mut schedule, now, request) = ahead();
    let early = request.due - at(now);
    assert!(early > Duration::from_millis(AHEAD - 1), "{early:?}");
    assert!(early <= Duration::from_millis(AHEAD), "{early:?}");
    assert!(schedule.finished(&request, request.target, Some(request.due), request.due));
    let (_, second) = first(&mut schedule);
    assert_eq!(second.due, request.due + PACE);
    schedule.started(second);
    // A change of pace and back, while it waits for its time, does not hand it out again.
    schedule.set_pace(request.target, PACE * 30, second.due.earlier(Duration::from_millis(10)));
    schedule.set_pace(request.target, PACE, second.due.earlier(Duration::from_millis(10)));
    assert_eq!(schedule.due(request.target), second.due + PACE);
}

#[test]
fn a_turn_is_not_handed_out_while_the_probe_before_is_under_way() {
    // Back before the turn is due, and after: how late it is handed out, and what is counted.
    for (back, late, overlaps) in [(PACE - MS * 5, Duration::ZERO, 0), (PACE + MS * 5, MS * 5, 1)] {
        let (mut schedule, _, request) = ahead();
        let (next, back) = (request.due + PACE, request.due + back);
        assert!(schedule.poll(next.earlier(MS * 40), |_, _| false).is_none());
        assert_eq!(schedule.next(), Some(next), "it is looked at again when it is due");
        if back > next {
            assert!(schedule.poll(next, |_, _| false).is_none());
        }
        assert!(schedule.finished(&request, request.target, Some(request.due), back));
        let turn = schedule.poll(back, |_, _| false);
        let Some(Due::Probe { due, .. }) = turn else { panic!("it is handed out: {turn:?}") };
        assert_eq!((due, schedule.overlaps()), (next + late, overlaps));
    }
}

#[test]
fn what_waits_for_its_time_serves_what_is_wanted_before_it_begins() {
    let (mut schedule, now, request) = ahead();
    schedule.demand(request.target, Trigger::Correlate, Effort::Normal, at(now));
    let began = Some(request.due.earlier(MS * 5));
    assert!(schedule.finished(&request, request.target, began, request.due));
    let (_, next) = first(&mut schedule);
    assert_eq!((next.due, next.trigger), (request.due + PACE, Trigger::Scheduled));
}

#[test]
fn a_probe_does_not_serve_what_is_wanted_thoroughly_or_after_it_began_or_when_it_could_not_be_asked()
 {
    let in_time = |request: &ProbeRequest| Some(request.due);
    let early = |request: &ProbeRequest| Some(request.due.earlier(MS * 10));
    let not_asked = |_: &ProbeRequest| None;
    type Began = fn(&ProbeRequest) -> Option<Mono>;
    let cases: [(Effort, u64, Began); 4] = [
        (Effort::Thorough, 0, in_time),
        (Effort::Normal, AHEAD - 5, early),
        (Effort::Normal, AHEAD + 1, in_time),
        (Effort::Normal, 0, not_asked),
    ];
    for (effort, later, began) in cases {
        let (mut schedule, now, request) = ahead();
        schedule.demand(request.target, Trigger::Confirm, effort, at(now + later));
        let done = request.due + MS * 5;
        assert!(schedule.finished(&request, request.target, began(&request), done));
        let next = schedule.poll(done, |_, _| false);
        let Some(Due::Probe { trigger, effort: given, .. }) = next else { panic!("{next:?}") };
        assert_eq!((trigger, given), (Trigger::Confirm, effort));
    }
}

#[test]
fn of_every_target_every_other_turn_is_one_and_half_of_all_have_theirs_in_any_second() {
    let mut schedule = schedule(1000, PACE);
    let (mut last, mut in_second) = (vec![None; 1000], [0_u32; 20]);
    for now in 0..20_000 {
        let every_other = std::cell::Cell::new(false);
        while let Some(Due::Probe { target, .. }) = schedule.poll(at(now), |_, is| {
            every_other.set(is);
            is
        }) {
            let before = last[target.ix()].replace(every_other.get());
            assert!(now < 2_000 || before == Some(!every_other.get()), "{target:?} at {now}");
            in_second[usize::try_from(now / 1000).unwrap()] += u32::from(every_other.get());
        }
    }
    assert!(in_second.iter().all(|many| (440..=560).contains(many)), "{in_second:?}");
}
