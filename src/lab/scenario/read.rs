//! From the text of a scenario file to what it says.

use std::time::Duration;

use super::expect::{self, word};
use super::province;
use super::yaml::{self, Map, Mark, Node, Problems, Sink, Value};
use super::{Entry, Flap, Order, Province, Scenario, SessionPlan, What, Who};
use crate::lab::fault::{Fault, FaultKind, Loss, Says};
use crate::lab::world::Nature;
use crate::model::Importance;

impl Scenario {
    /// Understands the text of a scenario file; `file` is its name for messages.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let sink = Sink::default();
        let scenario = yaml::read(text, &sink).and_then(|root| scenario(file, &root, &sink));
        if let Some(problems) = sink.into_problems(file) {
            return Err(problems);
        }
        scenario.ok_or_else(|| {
            let says = "this is not a scenario".to_owned();
            let problem = yaml::Problem { mark: Mark { line: 1, column: 1 }, says };
            Problems { file: file.to_owned(), list: vec![problem] }
        })
    }
}

fn scenario(file: &str, root: &Node, sink: &Sink) -> Option<Scenario> {
    let map = root.map(sink, "a scenario")?;
    let name = map.need("name", yaml::text);
    let lasts = map.need("lasts", yaml::length);
    let sessions = map.take("sessions").map_or(Vec::new(), |node| {
        let items = node.list(sink, "`sessions`").iter().enumerate();
        items.filter_map(|(n, item)| session(n + 1, item, sink)).collect()
    });
    let timeline = map.take("timeline").map_or(Vec::new(), |node| {
        let items = node.list(sink, "`timeline`").iter();
        items.filter_map(|item| entry(item, sink)).collect()
    });
    let scenario = Scenario {
        file: file.to_owned(),
        name: name.unwrap_or_default(),
        description: map.read("description", yaml::text).unwrap_or_default().trim().to_owned(),
        province: map.need("province", province::read).unwrap_or(Province::Sample),
        nature: map.read("network", nature).unwrap_or_default(),
        starts: map.read("starts", |node, sink| {
            let text = node.text(sink, "`starts`")?;
            let found = text.parse().ok();
            if found.is_none() {
                sink.say(
                    node.mark,
                    format!("`{text}` should be a time such as 2026-03-02T07:42:00+07:00"),
                );
            }
            found
        }),
        lasts: lasts.unwrap_or_default(),
        real: map.read("real", yaml::flag).unwrap_or(true),
        sessions,
        timeline,
        expect: map.need("expect", expect::list).unwrap_or_default(),
        messages: map.read("messages", expect::count),
        letters: map.read("letters", expect::count),
        settings: map.read("settings", yaml::text),
    };
    map.close();
    for entry in scenario.timeline.iter().filter(|entry| entry.at > scenario.lasts) {
        sink.say(entry.mark, "this happens after the scenario has ended (see `lasts`)");
    }
    let observations = scenario.expect.iter().flat_map(|expected| &expected.evidence);
    for observation in observations.filter(|it| it.from.is_some() && !scenario.is_drawn()) {
        sink.say(observation.mark, "only devices of a drawn province are known by their addresses");
    }
    if scenario.has_names() && scenario.real {
        sink.say(root.mark, "no name server knows these names in real time: write `real: false`");
    }
    if scenario.settings.is_some() && scenario.real {
        sink.say(root.mark, "other settings cannot be had in real time: write `real: false`");
    }
    for (entry, what) in scenario.timeline.iter().filter_map(|entry| match entry.what {
        What::ClockStep(_) => Some((entry, "the clock cannot be stepped")),
        What::Fault(fault) if fault.kind().is_virtual() => {
            Some((entry, "our own program cannot be made to fail"))
        }
        _ => None,
    }) {
        if scenario.real {
            sink.say(entry.mark, format!("{what} in real time: write `real: false` at the top"));
        }
    }
    Some(scenario)
}

fn nature(node: &Node, sink: &Sink) -> Option<Nature> {
    let map = node.map(sink, "`network`")?;
    let usual = Nature::default();
    let nature = Nature {
        rtt: map.read("delay", yaml::length).unwrap_or(usual.rtt),
        jitter: map.read("jitter", yaml::length).unwrap_or(usual.jitter),
        loss: map.read("loss", yaml::share).unwrap_or(usual.loss),
        errors_per_second: map.read("errors-per-second", yaml::number),
        seed: map.read("seed", yaml::number).unwrap_or(usual.seed),
    };
    map.close();
    Some(nature)
}

fn session(nth: usize, node: &Node, sink: &Sink) -> Option<SessionPlan> {
    let map = node.map(sink, "a session")?;
    let id = map.read("id", yaml::text).unwrap_or_else(|| format!("session-{nth}"));
    let title = map.need("title", yaml::text);
    let from = map.need("from", yaml::offset);
    let to = map.need("to", yaml::offset);
    let importance = map.read("importance", |node, sink| {
        const ALL: [Importance; 3] = [Importance::Low, Importance::Normal, Importance::High];
        word(node, sink, "importance", &["low", "normal", "high"]).map(|at| ALL[at])
    });
    let delegates = map.read("delegates", yaml::number).unwrap_or(10);
    let who = who(&map, sink);
    map.close();
    let (from, to) = (from?, to?);
    if to <= from {
        sink.say(node.mark, "the session ends before it begins");
    }
    let importance = importance.unwrap_or_default();
    let mark = node.mark;
    Some(SessionPlan { id, title: title?, from, to, who, delegates, importance, mark })
}

fn entry(node: &Node, sink: &Sink) -> Option<Entry> {
    let map = node.map(sink, "an entry of the timeline")?;
    let at = map.need("at", yaml::length);
    let who = who(&map, sink);
    let lasts = map.read("for", yaml::length);
    let flap = map.read("flap", flap);
    let spread = map.read("spread", yaml::length).unwrap_or_default();
    let order = map.read("order", |node, sink| {
        const ALL: [Order; 3] = [Order::File, Order::Reverse, Order::Shuffled];
        word(node, sink, "order", &["file", "reverse", "shuffled"]).map(|at| ALL[at])
    });
    let mut found: Vec<What> = Vec::new();
    found.extend(map.read("fault", fault).map(What::Fault));
    found.extend(map.read("clear", clear).map(What::Clear));
    found.extend(map.read("clock-step", yaml::offset).map(What::ClockStep));
    found.extend(map.read("restart", restart));
    found.extend(map.read("reload", reload));
    found.extend(map.read("ack", |node, sink| Some(What::Ack { by: yaml::text(node, sink)? })));
    found.extend(map.read("silence", yaml::flag).map(|_| What::Silence));
    found.extend(map.read("maintenance", yaml::flag).map(|_| What::Maintenance));
    let said = ["fault", "clear", "clock-step", "restart", "reload", "ack", "silence"];
    let any = said.into_iter().chain(["maintenance"]).filter(|key| map.take(key).is_some()).count();
    map.close();
    if any != 1 {
        sink.say(
            node.mark,
            "an entry says one of: fault, clear, clock-step, restart, reload, ack, silence, \
             maintenance",
        );
        return None;
    }
    let what = found.pop()?;
    check_who(&what, &who, node.mark, sink);
    if flap.is_some() && !matches!(what, What::Fault(_)) {
        sink.say(node.mark, "only a fault can flap");
    }
    let order = order.unwrap_or_default();
    Some(Entry { at: at?, what, who, lasts, flap, spread, order, mark: node.mark })
}

/// Whether an entry names whom it concerns if and only if it concerns somebody.
fn check_who(what: &What, who: &Who, mark: Mark, sink: &Sink) {
    let own = match what {
        What::Fault(fault) => fault.kind().is_own(),
        What::Clear(Some(kind)) => kind.is_own(),
        What::ClockStep(_) | What::Restart { .. } | What::Reload { without: false } => true,
        _ => false,
    };
    if own && !who.is_empty() {
        sink.say(mark, "this concerns us, not a site");
    } else if !own && who.is_empty() {
        sink.say(mark, "say where: site, subtree, below, level, label or everywhere");
    }
}

/// Whom something concerns, from the keys of its own map.
fn who(map: &Map<'_>, sink: &Sink) -> Who {
    let texts = |key| map.take(key).map_or(Vec::new(), |node| node.texts(sink, "this"));
    let label = map.take("label").and_then(|node| node.map(sink, "`label`"));
    Who {
        sites: texts("site"),
        subtree: texts("subtree"),
        below: texts("below"),
        level: texts("level"),
        label: label.map_or_else(Default::default, |label| {
            let pairs = label.entries().iter().filter_map(|(key, node)| {
                let value = node.text(sink, "the value of a label")?;
                Some((key.text.clone(), (value.to_owned(), node.mark)))
            });
            pairs.collect()
        }),
        except: texts("except"),
        everywhere: map.read("everywhere", yaml::flag).unwrap_or(false),
        endpoint: texts("endpoint").into_iter().next(),
    }
}

fn flap(node: &Node, sink: &Sink) -> Option<Flap> {
    let map = node.map(sink, "`flap`")?;
    let period = map.read("period", yaml::length);
    let down = map.read("down", yaml::length);
    let up = map.read("up", yaml::length);
    map.close();
    let flap = match (period, down, up) {
        (Some(period), None, None) => Flap { down: period / 2, up: period / 2 },
        (None, Some(down), Some(up)) => Flap { down, up },
        _ => {
            sink.say(node.mark, "write `flap: {period: 20s}` or `flap: {down: 8s, up: 12s}`");
            return None;
        }
    };
    if flap.down + flap.up < Duration::from_millis(10) {
        sink.say(node.mark, "no line flaps that quickly");
        return None;
    }
    Some(flap)
}

fn clear(node: &Node, sink: &Sink) -> Option<Option<FaultKind>> {
    match node.text(sink, "`clear`")? {
        "all" => Some(None),
        _ => kind(node, sink).map(Some),
    }
}

/// The kind of fault that a word names.
fn kind(node: &Node, sink: &Sink) -> Option<FaultKind> {
    let text = node.text(sink, "a fault")?;
    let found = match text {
        "certificate-expired" => Some(FaultKind::CertificateEnds),
        _ => FaultKind::from_word(text),
    };
    if found.is_none() {
        let hint = yaml::nearest(text, FaultKind::ALL.into_iter().map(FaultKind::word));
        sink.say(node.mark, format!("`{text}` is no fault{hint}"));
    }
    found
}

fn restart(node: &Node, sink: &Sink) -> Option<What> {
    let usual = Duration::from_secs(2);
    if let Value::Scalar(_) = node.value {
        let killed = word(node, sink, "way to restart", &["stop", "kill"])? == 1;
        return Some(What::Restart { away: usual, killed });
    }
    let map = node.map(sink, "`restart`")?;
    let away = map.read("away", yaml::length).unwrap_or(usual);
    let killed = map.read("killed", yaml::flag).unwrap_or(false);
    map.close();
    Some(What::Restart { away, killed })
}

fn reload(node: &Node, sink: &Sink) -> Option<What> {
    let at = word(node, sink, "way to reload", &["without", "whole"])?;
    Some(What::Reload { without: at == 0 })
}

/// A fault: a word, or a word with its parameter.
fn fault(node: &Node, sink: &Sink) -> Option<Fault> {
    if let Value::Scalar(text) = &node.value {
        if text == "certificate-expired" {
            return Some(Fault::CertificateEnds { in_s: -86_400 });
        }
        let kind = kind(node, sink)?;
        let plain = plain(kind);
        if plain.is_none() {
            let word = kind.word();
            sink.say(node.mark, format!("`{word}` needs a value: `fault: {{{word}: …}}`"));
        }
        return plain;
    }
    let map = node.map(sink, "`fault`")?;
    let [(key, value)] = map.entries() else {
        sink.say(node.mark, "one fault at a time: `fault: {loss: 10%}`");
        return None;
    };
    let named = Node { mark: key.mark, value: Value::Scalar(key.text.clone()) };
    with_value(kind(&named, sink)?, value, sink)
}

/// The faults that are said in one word.
const fn plain(kind: FaultKind) -> Option<Fault> {
    Some(match kind {
        FaultKind::PowerCut => Fault::PowerCut,
        FaultKind::UplinkCut => Fault::UplinkCut { says: None },
        FaultKind::LanDown => Fault::LanDown,
        FaultKind::DeviceOff => Fault::DeviceOff { after: Duration::ZERO },
        FaultKind::Firewall => Fault::Firewall,
        FaultKind::Rejected => Fault::Rejected,
        FaultKind::NoUnreachables => Fault::NoUnreachables,
        FaultKind::RoutingLoop => Fault::RoutingLoop,
        FaultKind::SipHung => Fault::SipHung,
        FaultKind::SipClosed => Fault::SipClosed,
        FaultKind::H323Closed => Fault::H323Closed,
        FaultKind::HttpHung => Fault::HttpHung,
        FaultKind::HttpEndless => Fault::HttpEndless,
        FaultKind::HttpClosed => Fault::HttpClosed,
        FaultKind::ServicesClosed => Fault::ServicesClosed,
        FaultKind::Garbage => Fault::Garbage,
        FaultKind::OwnNetworkCut => Fault::OwnNetworkCut,
        FaultKind::OwnLinkDown => Fault::OwnLinkDown,
        FaultKind::OwnResolverDead => Fault::OwnResolverDead,
        FaultKind::Loss
        | FaultKind::Delay
        | FaultKind::Jitter
        | FaultKind::Bandwidth
        | FaultKind::Mtu
        | FaultKind::Remark
        | FaultKind::Duplicate
        | FaultKind::Reorder
        | FaultKind::Corrupt
        | FaultKind::Truncate
        | FaultKind::Forge
        | FaultKind::Late
        | FaultKind::SipStatus
        | FaultKind::HttpStatus
        | FaultKind::CertificateEnds
        | FaultKind::ClockOff
        | FaultKind::OwnEngineLate => return None,
    })
}

/// The faults with a parameter.
fn with_value(kind: FaultKind, node: &Node, sink: &Sink) -> Option<Fault> {
    match kind {
        FaultKind::Loss => loss(node, sink),
        FaultKind::Delay => yaml::length(node, sink).map(Fault::Delay),
        FaultKind::Jitter => yaml::length(node, sink).map(Fault::Jitter),
        FaultKind::Bandwidth => kbit_s(node, sink).map(|kbit_s| Fault::Bandwidth { kbit_s }),
        FaultKind::Mtu => mtu(node, sink),
        FaultKind::Remark => {
            let dscp = yaml::number(node, sink).filter(|dscp| *dscp < 64);
            if dscp.is_none() {
                sink.say(node.mark, "a DSCP is a number from 0 to 63");
            }
            dscp.map(|dscp| Fault::Remark { dscp })
        }
        FaultKind::Duplicate => yaml::share(node, sink).map(Fault::Duplicate),
        FaultKind::Reorder => yaml::share(node, sink).map(Fault::Reorder),
        FaultKind::Corrupt => yaml::share(node, sink).map(Fault::Corrupt),
        FaultKind::Truncate => yaml::share(node, sink).map(Fault::Truncate),
        FaultKind::Forge => yaml::share(node, sink).map(Fault::Forge),
        FaultKind::Late => {
            let map = node.map(sink, "`late`")?;
            let share = map.need("share", yaml::share);
            let by = map.need("by", yaml::length);
            map.close();
            Some(Fault::Late { share: share?, by: by? })
        }
        FaultKind::SipStatus => status(node, sink, 200..=699).map(Fault::SipStatus),
        FaultKind::HttpStatus => status(node, sink, 200..=599).map(Fault::HttpStatus),
        FaultKind::CertificateEnds => {
            yaml::offset(node, sink).map(|ends| Fault::CertificateEnds { in_s: ends.as_secs() })
        }
        FaultKind::ClockOff => {
            yaml::offset(node, sink).map(|by| Fault::ClockOff { by_s: by.as_secs() })
        }
        FaultKind::OwnEngineLate => yaml::length(node, sink).map(|by| Fault::OwnEngineLate { by }),
        FaultKind::DeviceOff => {
            let map = node.map(sink, "`device-off`")?;
            let after = map.need("after", yaml::length);
            map.close();
            Some(Fault::DeviceOff { after: after? })
        }
        FaultKind::UplinkCut => {
            let map = node.map(sink, "`uplink-cut`")?;
            let says = map.need("says", |node, sink| {
                const ALL: [Says; 2] = [Says::NetUnreachable, Says::HostUnreachable];
                word(node, sink, "answer", &["net-unreachable", "host-unreachable"])
                    .map(|at| ALL[at])
            });
            map.close();
            Some(Fault::UplinkCut { says: Some(says?) })
        }
        _ => {
            sink.say(node.mark, format!("`{}` takes no value", kind.word()));
            None
        }
    }
}

/// `10%` of round trips, or `{out: 5%, back: 0%, best-effort-only: true}`.
fn loss(node: &Node, sink: &Sink) -> Option<Fault> {
    if let Value::Scalar(_) = node.value {
        return yaml::share(node, sink).map(|share| Fault::Loss(Loss::round_trip(share)));
    }
    let map = node.map(sink, "`loss`")?;
    let whole = map.read("round-trip", yaml::share).map_or(0.0, |s| Loss::round_trip(s).out);
    let loss = Loss {
        out: map.read("out", yaml::share).unwrap_or(whole),
        back: map.read("back", yaml::share).unwrap_or(whole),
        best_effort_only: map.read("best-effort-only", yaml::flag).unwrap_or(false),
    };
    map.close();
    Some(Fault::Loss(loss))
}

/// `512 kbit/s` or `2 Mbit/s`.
fn kbit_s(node: &Node, sink: &Sink) -> Option<u32> {
    let text = node.text(sink, "`bandwidth`")?;
    let found = [("kbit/s", 1u32), ("Mbit/s", 1_000)].into_iter().find_map(|(unit, factor)| {
        let amount: u32 = text.strip_suffix(unit)?.trim().parse().ok()?;
        amount.checked_mul(factor).filter(|kbit_s| *kbit_s > 0)
    });
    if found.is_none() {
        sink.say(
            node.mark,
            format!("`{text}` should be a bandwidth such as 512 kbit/s or 2 Mbit/s"),
        );
    }
    found
}

/// `1400`, or `{bytes: 1400, silent: true}` for a black hole.
fn mtu(node: &Node, sink: &Sink) -> Option<Fault> {
    let (bytes, silent) = if let Value::Scalar(_) = node.value {
        (yaml::number::<u16>(node, sink)?, false)
    } else {
        let map = node.map(sink, "`mtu`")?;
        let bytes = map.need("bytes", yaml::number::<u16>);
        let silent = map.read("silent", yaml::flag).unwrap_or(false);
        map.close();
        (bytes?, silent)
    };
    if bytes < 68 {
        sink.say(node.mark, "every link carries 68 bytes (RFC 791)");
        return None;
    }
    Some(Fault::Mtu { bytes, silent })
}

fn status(node: &Node, sink: &Sink, range: std::ops::RangeInclusive<u16>) -> Option<u16> {
    let found = yaml::number(node, sink).filter(|status| range.contains(status));
    if found.is_none() {
        sink.say(
            node.mark,
            format!("a status is a number from {} to {}", range.start(), range.end()),
        );
    }
    found
}

impl Who {
    /// Whether nobody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.everywhere
            && self.sites.is_empty()
            && self.subtree.is_empty()
            && self.below.is_empty()
            && self.level.is_empty()
            && self.label.is_empty()
    }
}
