//! Random histories as they are drawn, and the scenario file that each of them is.

use std::fmt::{self, Write as _};
use std::time::Duration;

use proptest::prelude::*;
use vchealth::lab::scenario::Scenario;

/// A random history.
#[derive(Clone)]
pub(super) struct History {
    /// For each site but the first: its parent is this modulo its own position.
    pub(super) parents: Vec<u8>,
    /// How each site is built, modulo the length of this.
    pub(super) build: Vec<Build>,
    pub(super) pace: Pace,
    pub(super) events: Vec<Event>,
    pub(super) seed: u16,
}

/// How a site is built, and what it has in common with others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Build {
    /// 1 and 2 have no router, 3 nothing but one, 4 nothing that is pinged, all others both.
    pub(super) shape: u8,
    /// Which value of [`LABELS`] it has of each, from 1; 0 and those above [`VALUES`] are none.
    pub(super) labels: [u8; 3],
}

/// Labels that can be a cause, the last one of what ails devices only.
const LABELS: [&str; 3] = ["power", "isp", "model"];
/// Values of each.
const VALUES: u8 = 3;

/// How often everything is probed, by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Idle,
    Readiness,
    Live,
    /// From one into the other: a session comes after a while and goes again.
    Changing,
}

/// Something happens.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// When, in tenths of a second.
    pub(super) at: u16,
    pub(super) site: u8,
    pub(super) whom: Whom,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Whom {
    Site,
    Subtree,
    Below,
    /// The subtree, one after the other, within so many seconds.
    Spread(u8),
    /// All that have the site's nth label, one after the other, within so many seconds.
    Labelled(u8, u8),
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// A fault, and after how many tenths of a second it ends; at the end of all if never.
    Fault(&'static str, Option<u16>),
    /// A fault that comes and goes: how long it is there and away at a time, and for how long in
    /// all, in tenths of a second.
    Flap(&'static str, u16, u16, u16),
    Clear,
    Own(&'static str, u16),
    ClockStep(i32),
    Restart(u8),
    Without,
    Whole,
    /// For so many tenths of a second; until it is over if none.
    Ack(Option<u16>),
    Silence(u16),
    Maintenance(u16),
}

const DARK: [&str; 2] = ["power-cut", "uplink-cut"];
const DEVICE: [&str; 6] =
    ["device-off", "firewall", "lan-down", "rejected", "services-closed", "no-unreachables"];
const SERVICE: [&str; 5] =
    ["sip-hung", "sip-closed", "http-closed", "h323-closed", "{sip-status: 503}"];
/// What gives notice and keeps nobody from taking part.
const NOTICE: [&str; 3] =
    ["{certificate-ends: -1h}", "{certificate-ends: +72h}", "{clock-off: +5m}"];
const PATH: [&str; 3] = ["{loss: 20%}", "{delay: 450ms}", "{jitter: 90ms}"];

impl History {
    fn built(&self, n: usize) -> Build {
        self.build[n % self.build.len()]
    }

    fn site(&self, n: usize) -> String {
        let end = match self.built(n).shape {
            1 | 2 => "-bare",
            3 => "-line",
            4 => "-mute",
            _ => "",
        };
        format!("s{n}{end}")
    }

    pub(super) fn sites(&self) -> usize {
        self.parents.len() + 1
    }

    /// The label that a site has, the nth first, as it is written.
    fn label(&self, site: usize, nth: u8) -> Option<String> {
        let from = usize::from(nth) % LABELS.len();
        let order = (0..LABELS.len()).map(|n| (from + n) % LABELS.len());
        let mut labels = order.map(|label| (LABELS[label], self.built(site).labels[label]));
        let (label, value) = labels.find(|(_, value)| (1..=VALUES).contains(value))?;
        Some(format!("{{{label}: {}{value}}}", &label[..1]))
    }

    fn draw(&self, at: usize, out: &mut String) {
        let children: Vec<usize> =
            (1..self.sites()).filter(|n| usize::from(self.parents[n - 1]) % n == at).collect();
        write!(out, "{}: ", self.site(at)).unwrap();
        if children.is_empty() {
            out.push('~');
            return;
        }
        out.push('{');
        for (nth, child) in children.into_iter().enumerate() {
            out.push_str(if nth == 0 { "" } else { ", " });
            self.draw(child, out);
        }
        out.push('}');
    }

    /// When the last event is over, and how long its consequences take.
    pub(super) fn calm(&self) -> (Duration, Duration) {
        let tenths = |n: u16| Duration::from_millis(u64::from(n) * 100);
        let over = self.events.iter().map(|event| {
            let lasts = match event.what {
                What::Fault(_, Some(lasts))
                | What::Flap(.., lasts)
                | What::Own(_, lasts)
                | What::Silence(lasts)
                | What::Maintenance(lasts) => tenths(lasts),
                What::Restart(away) => Duration::from_secs(u64::from(away)),
                _ => Duration::ZERO,
            };
            let spread = match event.whom {
                Whom::Spread(seconds) | Whom::Labelled(_, seconds) => {
                    Duration::from_secs(u64::from(seconds))
                }
                _ => Duration::ZERO,
            };
            tenths(event.at) + lasts + spread
        });
        let settles = match self.pace {
            Pace::Idle | Pace::Changing => 260,
            Pace::Readiness => 180,
            Pace::Live => 130,
        };
        (over.max().unwrap_or_default(), Duration::from_secs(settles))
    }

    pub(super) fn has(&self, what: impl Fn(&What) -> bool) -> bool {
        self.events.iter().any(|event| what(&event.what))
    }

    /// Whether nothing happens but that one place comes and goes on which nobody hangs. What
    /// becomes of those who hang on one that does is told of each where they differ.
    pub(super) fn is_one_that_flaps(&self) -> bool {
        let flaps =
            |event: &Event| matches!((&event.what, event.whom), (What::Flap(..), Whom::Site));
        let is_leaf = |event: &Event| {
            let site = usize::from(event.site) % self.sites();
            (1..self.sites()).all(|n| usize::from(self.parents[n - 1]) % n != site)
        };
        let mut events = self.events.iter();
        self.events.len() == 1 && events.all(|event| flaps(event) && is_leaf(event))
    }

    pub(super) fn steps_the_clock(&self) -> bool {
        self.has(|what| matches!(what, What::ClockStep(_)))
    }

    pub(super) fn scenario(&self) -> Scenario {
        let text = format!("{self:?}\n");
        Scenario::parse("history.yaml", &text)
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    fn who(&self, event: &Event) -> String {
        let nth = usize::from(event.site) % self.sites();
        let site = self.site(nth);
        match event.whom {
            Whom::Site => format!("site: {site}"),
            Whom::Subtree => format!("subtree: {site}"),
            // Nobody may be below.
            Whom::Below if nth == 0 => format!("site: {site}"),
            Whom::Below => format!("subtree: {site}, except: {}", self.site(0)),
            Whom::Spread(over) => format!("subtree: {site}, spread: {over}s, order: shuffled"),
            Whom::Labelled(label, over) => match self.label(nth, label) {
                Some(label) => format!("label: {label}, spread: {over}s, order: shuffled"),
                None => format!("site: {site}"),
            },
        }
    }
}

/// The file that it is.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |tenths: u16| format!("{}ms", u32::from(tenths) * 100);
        writeln!(f, "name: A random history\nprovince:")?;
        writeln!(f, "  levels: [t0, t1, t2, t3, t4, t5, t6, t7, t8]")?;
        let mut tree = String::new();
        self.draw(0, &mut tree);
        writeln!(f, "  tree: {{{tree}}}")?;
        let mut labels = Vec::new();
        for (nth, label) in LABELS.into_iter().enumerate() {
            let with = |value: u8| -> Option<String> {
                let has = |n: &usize| self.built(*n).labels[nth] == value;
                let sites: Vec<String> =
                    (0..self.sites()).filter(has).map(|n| self.site(n)).collect();
                let value = format!("{}{value}", &label[..1]);
                (!sites.is_empty()).then(|| format!("{value}: [{}]", sites.join(", ")))
            };
            let values: Vec<String> = (1..=VALUES).filter_map(with).collect();
            if !values.is_empty() {
                labels.push(format!("{label}: {{{}}}", values.join(", ")));
            }
        }
        if !labels.is_empty() {
            writeln!(f, "  labels: {{{}}}", labels.join(", "))?;
        }
        writeln!(f, "network: {{seed: {}}}", self.seed)?;
        match self.pace {
            Pace::Idle => {}
            Pace::Readiness => writeln!(f, "sessions: [{{title: x, from: +50m, to: +9h}}]")?,
            Pace::Live => writeln!(f, "sessions: [{{title: x, from: -1m, to: +9h}}]")?,
            Pace::Changing => writeln!(f, "sessions: [{{title: x, from: +65m, to: +80m}}]")?,
        }
        let (over, settles) = self.calm();
        let heals = over + settles;
        let lasts = heals + settles;
        writeln!(f, "lasts: {}ms\nreal: false\ntimeline:", lasts.as_millis())?;
        for event in &self.events {
            let who = self.who(event);
            let site = self.site(usize::from(event.site) % self.sites());
            let what = match &event.what {
                What::Fault(fault, None) => format!("{who}, fault: {fault}"),
                What::Fault(fault, Some(lasts)) => {
                    format!("{who}, fault: {fault}, for: {}", seconds(*lasts))
                }
                What::Flap(fault, down, up, lasts) => {
                    let (down, up) = (seconds(*down), seconds(*up));
                    let lasts = seconds(*lasts);
                    format!("{who}, fault: {fault}, for: {lasts}, flap: {{down: {down}, up: {up}}}")
                }
                What::Clear => format!("{who}, clear: all"),
                What::Own(fault, lasts) => format!("fault: {fault}, for: {}", seconds(*lasts)),
                What::ClockStep(by) => format!("clock-step: {by:+}s"),
                What::Restart(away) => format!("restart: {{away: {away}s, killed: true}}"),
                What::Without => format!("reload: without, site: {site}"),
                What::Whole => "reload: whole".to_owned(),
                What::Ack(None) => format!("ack: somebody, site: {site}"),
                What::Ack(Some(lasts)) => {
                    format!("ack: somebody, site: {site}, for: {}", seconds(*lasts))
                }
                What::Silence(lasts) => {
                    format!("silence: true, site: {site}, for: {}", seconds(*lasts))
                }
                What::Maintenance(lasts) => {
                    format!("maintenance: true, site: {site}, for: {}", seconds(*lasts))
                }
            };
            writeln!(f, "  - {{at: {}, {what}}}", seconds(event.at))?;
        }
        let heals = heals.as_millis();
        writeln!(f, "  - {{at: {heals}ms, everywhere: true, clear: all}}")?;
        writeln!(f, "  - {{at: {heals}ms, reload: whole}}")?;
        write!(f, "expect: nothing")
    }
}

/// Anything that may befall a province, its monitor and those who watch both.
pub(super) fn whatever() -> impl Strategy<Value = History> {
    history(prop_oneof![3 => small(), 1 => tall()], what(), 9)
}

/// Two hours in which sites come and go, acks run out, and a session comes and is over.
pub(super) fn hours() -> impl Strategy<Value = History> {
    let flapping = prop_oneof![3 => prop::sample::select(&DARK[..]), 1 => Just("device-off")];
    let flap = (flapping, 20u16..900, 20u16..2_000, 600u16..18_000)
        .prop_map(|(fault, down, up, lasts)| What::Flap(fault, down, up, lasts));
    let ack = prop::option::weighted(0.8, 100u16..12_000).prop_map(What::Ack);
    let lasting =
        (fault(), 600u16..18_000).prop_map(|(fault, lasts)| What::Fault(fault, Some(lasts)));
    // Nothing else happens in every third of them, so that it is one cause whatever is told of it.
    let place = (any::<u8>(), flap.clone());
    let alone = place.prop_map(|(site, what)| Event { at: 0, site, whom: Whom::Site, what });
    let own = event(prop_oneof![3 => flap, 2 => ack, 2 => lasting]);
    let at = |event: BoxedStrategy<Event>| {
        (0u16..48_000, event).prop_map(|(at, event)| Event { at, ..event })
    };
    let several = prop::collection::vec(at(prop_oneof![3 => own, 1 => what()].boxed()), 1..6);
    let one = prop::collection::vec(at(alone.boxed()), 1);
    let events = prop_oneof![2 => several, 1 => one];
    (small(), events, any::<u16>()).prop_map(|((parents, build), events, seed)| History {
        parents,
        build,
        pace: Pace::Changing,
        events,
        seed,
    })
}

/// The same where many have something in common, and fail together.
pub(super) fn labelled() -> impl Strategy<Value = History> {
    // Of those that many hang on there are few.
    let parents = prop::collection::vec(0u8..4, 6..16);
    let some = prop_oneof![3 => 1u8..3, 1 => Just(0)];
    let labels = (1..=VALUES, some.clone(), some);
    let build = (0u8..40, labels)
        .prop_map(|(shape, (power, isp, model))| Build { shape, labels: [power, isp, model] });
    history((parents, prop::collection::vec(build, 16)), together(), 6)
}

/// What can only be our own fault.
pub(super) fn ours() -> impl Strategy<Value = History> {
    let what = prop_oneof![
        3 => (prop::sample::select(&["own-network-cut", "own-link-down"][..]), 1u16..900)
            .prop_map(|(fault, lasts)| What::Own(fault, lasts)),
        2 => prop_oneof![-4000i32..4000, Just(-31_536_000), Just(7)].prop_map(What::ClockStep),
        2 => (0u8..12).prop_map(What::Restart),
        1 => Just(What::Without),
        1 => Just(What::Whole),
    ];
    history(small(), event(what), 6)
}

/// Faults of single sites that stay, all from the beginning.
pub(super) fn lasting() -> impl Strategy<Value = History> {
    let fault = prop_oneof![
        2 => prop::sample::select(&DARK[..]),
        2 => prop::sample::select(&DEVICE[..]),
        1 => prop::sample::select(&SERVICE[..]),
    ];
    let event = (any::<u8>(), fault).prop_map(|(site, fault)| Event {
        at: 0,
        site,
        whom: Whom::Site,
        what: What::Fault(fault, None),
    });
    history(small(), event, 4)
}

fn history(
    province: impl Strategy<Value = (Vec<u8>, Vec<Build>)>,
    event: impl Strategy<Value = Event>,
    most: usize,
) -> impl Strategy<Value = History> {
    let events = prop::collection::vec(event, 1..most);
    (province, pace(), events, any::<u16>()).prop_map(|((parents, build), pace, events, seed)| {
        History { parents, build, pace, events, seed }
    })
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![7 => Just(Pace::Idle), 2 => Just(Pace::Readiness), 1 => Just(Pace::Live)]
}

/// A few sites in any tree, most of which are built as usual and have no label.
fn small() -> impl Strategy<Value = (Vec<u8>, Vec<Build>)> {
    let build = (0u8..40, 0u8..9, 0u8..12, 0u8..12)
        .prop_map(|(shape, power, isp, model)| Build { shape, labels: [power, isp, model] });
    (prop::collection::vec(any::<u8>(), 0..8), prop::collection::vec(build, 9))
}

/// The same where most hang on the last one before them, so that what explains them is far above.
fn tall() -> impl Strategy<Value = (Vec<u8>, Vec<Build>)> {
    (small(), any::<u8>()).prop_map(|((mut parents, build), spared)| {
        for (nth, parent) in (0u8..).zip(&mut parents) {
            if (spared >> (nth % 8)) & 3 != 0 {
                *parent = nth;
            }
        }
        (parents, build)
    })
}

fn fault() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => prop::sample::select(&DARK[..]),
        2 => prop::sample::select(&DEVICE[..]),
        1 => prop::sample::select(&SERVICE[..]),
        1 => prop::sample::select(&PATH[..]),
        1 => prop::sample::select(&NOTICE[..]),
    ]
}

fn what() -> impl Strategy<Value = Event> {
    let short = || 1u16..400;
    event(prop_oneof![
        10 => (fault(), prop::option::weighted(0.6, short())).prop_map(|(f, l)| What::Fault(f, l)),
        2 => Just(What::Clear),
        2 => (prop::sample::select(&["own-network-cut", "own-link-down"][..]), short())
            .prop_map(|(fault, lasts)| What::Own(fault, lasts)),
        1 => prop_oneof![-4000i32..4000, Just(7)].prop_map(What::ClockStep),
        3 => (0u8..12).prop_map(What::Restart),
        1 => Just(What::Without),
        1 => Just(What::Whole),
        1 => Just(What::Ack(None)),
        1 => short().prop_map(What::Silence),
        1 => short().prop_map(What::Maintenance),
    ])
}

fn event(what: impl Strategy<Value = What>) -> impl Strategy<Value = Event> {
    let whom = prop_oneof![
        3 => Just(Whom::Site),
        2 => Just(Whom::Subtree),
        1 => Just(Whom::Below),
        2 => (1u8..10).prop_map(Whom::Spread),
    ];
    (0u16..600, any::<u8>(), whom, what).prop_map(|(at, site, whom, what)| Event {
        at,
        site,
        whom,
        what,
    })
}

/// What befalls those that have something in common, and now and then anything else.
fn together() -> impl Strategy<Value = Event> {
    let lasts = prop::option::weighted(0.6, 1u16..600);
    let common = (fault(), lasts).prop_map(|(fault, lasts)| What::Fault(fault, lasts));
    let whom = (0u8..3, 0u8..10).prop_map(|(label, over)| Whom::Labelled(label, over));
    let common = (0u16..600, any::<u8>(), whom, common).prop_map(|(at, site, whom, what)| Event {
        at,
        site,
        whom,
        what,
    });
    prop_oneof![2 => common, 1 => what()]
}
