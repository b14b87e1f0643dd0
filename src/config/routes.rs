//! The section `routes` of `vchealth.yaml`: which alerts reach whom. Read after the sites, since
//! a route may name some of them.
//!
//! Who is told is what people notice last and need most. So a list of routes that lets anything
//! fall through, or holds a route that is never reached, is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::diagnostic::Findings;
use super::labels::KnownLabels;
use super::people::{Names, days, hours, one_or_more, quoted};
use super::read::{Fields, duration, flag, line, list, word};
use super::settings::{EscalationSettings, Receiver, Rota, Route, Step, When};
use super::sites::Province;
use super::source::Span;
use super::yaml::{Node, Value};
use crate::model::{Cause, ClassId, Importance, Phase, Severity, SiteId, SiteIx};

/// Most routes, and most steps of one.
const ROUTES: usize = 1_000;
const STEPS: usize = 20;
/// Bounds of the time after which somebody else is told.
pub(super) const SOONEST: Duration = Duration::from_secs(10);
const LATEST: Duration = Duration::from_hours(7 * 24);

const CAUSES: &[(&str, Cause)] = &[
    ("monitor", Cause::Monitor),
    ("uplink", Cause::Uplink),
    ("access", Cause::Access),
    ("device", Cause::Device),
    ("service", Cause::Service),
    ("quality", Cause::Quality),
    ("certificate", Cause::Certificate),
    ("clock", Cause::Clock),
];
const PHASES: &[(&str, Phase)] = &[
    ("idle", Phase::Idle),
    ("readiness", Phase::Readiness),
    ("live", Phase::Live),
    ("wrap-up", Phase::WrapUp),
];
const IMPORTANCES: &[(&str, Importance)] =
    &[("low", Importance::Low), ("normal", Importance::Normal), ("high", Importance::High)];
/// Severities by their words.
pub(super) const SEVERITIES: &[(&str, Severity)] =
    &[("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

/// What the names in a route stand for.
pub(super) struct Known<'a> {
    pub(super) names: &'a Names,
    pub(super) rotas: &'a [Rota],
    /// When a step comes that does not say so itself.
    pub(super) escalation: EscalationSettings,
    /// None when the sites cannot be read; then nothing is said of places.
    pub(super) province: Option<&'a Province>,
}

/// All routes, in their order.
pub(super) fn routes(node: &Node, known: &Known<'_>, out: &Findings) -> Option<Vec<Route>> {
    let items = list(node, out)?;
    if items.is_empty() {
        let reason = "a list without a route tells nobody of anything";
        let hint = "without the section everything goes to every channel".to_owned();
        out.hint(node.span, reason, hint);
        return None;
    }
    if items.len() > ROUTES {
        out.say(node.span, format!("{} routes, at most {ROUTES} are allowed", items.len()));
        return None;
    }
    let before = out.count();
    let read: Vec<(Route, Span)> =
        (1..).zip(items).filter_map(|(nth, node)| route(nth, node, known, out)).collect();
    if out.count() == before {
        reached(&read, known, out);
        falls_through(&read, out);
    }
    Some(read.into_iter().map(|(route, _)| route).collect())
}

/// A route, and where to point when it as a whole is meant.
fn route(nth: usize, node: &Node, known: &Known<'_>, out: &Findings) -> Option<(Route, Span)> {
    let mut fields = Fields::of(node, "a route", out)?;
    let name = fields.read("name", format!("route {nth}"), line(60));
    let when = fields.read("when", When::default(), |node, out| when(node, known, out));
    let to = fields.need("to", |node, out| receivers(node, known, out));
    let escalate = fields.read("escalate", Vec::new(), |node, out| steps(node, known, out));
    let goes_on = fields.read("continue", false, flag);
    let (to, at) = (to?, fields.at(if fields.has("when") { "when" } else { "to" }));
    if to.is_empty() && !escalate.is_empty() {
        let reason = "nobody is told at first, so nothing is escalated";
        out.hint(fields.at("escalate"), reason, "say in `to` who is told at first".to_owned());
    }
    fields.end();
    Some((Route { name, when, to, escalate, goes_on }, at))
}

fn when(node: &Node, known: &Known<'_>, out: &Findings) -> Option<When> {
    let mut fields = Fields::of(node, "`when`", out)?;
    let mut when = When::default();
    let province = known.province;
    let site = |node: &Node, out: &Findings| -> Option<SiteId> {
        let province = province?;
        Some(province.topology.site(province.sites.find(node, out)?).id.clone())
    };
    when.levels = fields.read(
        "level",
        Vec::new(),
        several(|node, out| {
            let province = province?;
            let level = province.levels.find(node, out)?;
            Some(province.topology.levels[level.ix()].id.clone())
        }),
    );
    when.subtrees = fields.read("subtree", Vec::new(), several(site));
    when.sites = fields.read("site", Vec::new(), several(site));
    when.classes = fields.read(
        "class",
        Vec::new(),
        several(|node, out| {
            province?.class_ids.find(node, out)?;
            Some(ClassId::new(node.scalar()?.text.as_str()))
        }),
    );
    when.labels = fields.read("label", BTreeMap::new(), |node, out| labels(node, known, out));
    when.causes = fields.read("cause", Vec::new(), several(word(CAUSES)));
    when.severities = fields.read("severity", Vec::new(), several(word(SEVERITIES)));
    when.phases = fields.read("phase", Vec::new(), several(word(PHASES)));
    when.importances = fields.read("importance", Vec::new(), several(word(IMPORTANCES)));
    when.days = fields.read("days", when.days, days);
    when.hours = fields.get("hours").and_then(|node| hours(node, out));
    fields.end();
    Some(when)
}

/// Labels that sites have, each with one value or several.
fn labels(node: &Node, known: &Known<'_>, out: &Findings) -> Option<BTreeMap<String, Vec<String>>> {
    let sites = KnownLabels::of(known.province);
    let mut found = BTreeMap::new();
    for (key, value) in Fields::of(node, "`label`", out)?.others() {
        let Some(label) = sites.label(key, out) else { continue };
        let values = several(|node: &Node, out: &Findings| {
            let text = line(64)(node, out)?;
            label.has(&text, node.span, out).then_some(text)
        })(value, out);
        found.extend(values.map(|values| (label.name, values)));
    }
    Some(found)
}

/// One or several receivers. An empty list is nobody.
fn receivers(node: &Node, known: &Known<'_>, out: &Findings) -> Option<Vec<Receiver>> {
    let mut found = Vec::new();
    for item in one_or_more(node) {
        let Some(receiver) = receiver(item, known, out) else { continue };
        if found.contains(&receiver) {
            out.say(item.span, "this stands in the list twice");
        } else {
            found.push(receiver);
        }
    }
    Some(found)
}

/// A channel, a person, a rota, or `{next: rota}`.
fn receiver(node: &Node, known: &Known<'_>, out: &Findings) -> Option<Receiver> {
    if !matches!(node.value, Value::Map(_)) {
        return known.names.find(node, out);
    }
    let mut fields = Fields::of(node, "a receiver", out)?;
    let rota = fields.need("next", |node, out| match known.names.find(node, out)? {
        Receiver::Rota(id) => Some((node.span, id)),
        _ => {
            out.say(node.span, "this is no rota");
            None
        }
    });
    fields.end();
    let (span, id) = rota?;
    let rota = known.rotas.iter().find(|rota| rota.id == id);
    if rota.is_some_and(|rota| rota.everybody().len() < 2) {
        out.say(span, format!("nobody comes next: there is one person on the rota `{id}`"));
    }
    Some(Receiver::Next(id))
}

/// Steps of escalation, each later than the one before. One that does not say when comes as long
/// after that as the settings have it for all; so does, in a live session, one that only says when
/// it comes otherwise, unless that is sooner.
fn steps(node: &Node, known: &Known<'_>, out: &Findings) -> Option<Vec<Step>> {
    let items = list(node, out)?;
    if items.len() > STEPS {
        out.say(node.span, format!("{} steps, at most {STEPS} are allowed", items.len()));
        return None;
    }
    let mut steps: Vec<Step> = Vec::new();
    for item in items {
        let Some(mut fields) = Fields::of(item, "a step of `escalate`", out) else { continue };
        let times = known.escalation;
        let (last_after, last_live) =
            steps.last().map_or_else(Default::default, |last| (last.after, last.live));
        let usual = (last_after + times.after).min(LATEST);
        let after = fields.read("after", usual, duration(SOONEST..=LATEST));
        // However patient a step is otherwise, in a live session people sit and wait.
        let quick = (last_live + times.live).min(after);
        let live = fields.read("live", quick, duration(SOONEST..=LATEST));
        let to = fields.need("to", |node, out| receivers(node, known, out));
        if to.as_ref().is_some_and(Vec::is_empty) {
            out.say(fields.at("to"), "this escalates to nobody");
        }
        if live > after {
            out.say(fields.at("live"), "`live` is longer than `after`");
        }
        if !steps.is_empty() && (after <= last_after || live <= last_live) {
            let key = if after <= last_after { "after" } else { "live" };
            let reason = format!("`{key}` is not later than in the step before");
            out.hint(fields.at(key), reason, "all steps count from the first message".to_owned());
        }
        fields.end();
        if let Some(to) = to {
            steps.push(Step { after, live, to });
        }
    }
    Some(steps)
}

/// Every route takes something that none before it has taken.
///
/// 1. At least one site fits what it says of places.
/// 2. No earlier route without `continue` takes all that it takes.
fn reached(routes: &[(Route, Span)], known: &Known<'_>, out: &Findings) {
    let topology = known.province.filter(|province| province.whole).map(|it| &it.topology);
    let sites = |route: &Route| -> BTreeSet<SiteIx> {
        let Some(topology) = topology else { return BTreeSet::new() };
        topology.site_ixs().filter(|site| route.when.fits_site(topology, *site)).collect()
    };
    let places: Vec<BTreeSet<SiteIx>> = routes.iter().map(|(route, _)| sites(route)).collect();
    for (at, (route, span)) in routes.iter().enumerate() {
        if topology.is_some() && route.when.has_place() && places[at].is_empty() {
            out.say(*span, "no site fits all of this, so the route is never taken");
            continue;
        }
        let earlier = routes[..at].iter().zip(&places).find(|((before, _), theirs)| {
            let place = !before.when.has_place()
                || (topology.is_some() && route.when.has_place() && places[at].is_subset(theirs));
            !before.goes_on && place && before.when.covers_but_places(&route.when)
        });
        if let Some(((before, first), _)) = earlier {
            let reason = "this route is never reached: an earlier one takes all that it takes";
            let hint =
                format!("move it before {}, or write `continue: true` there", quoted(&before.name));
            out.clash(*span, reason, (*first, "the earlier one"), hint);
        }
    }
}

/// Whatever no route before takes is taken by the last one.
fn falls_through(routes: &[(Route, Span)], out: &Findings) {
    if let Some((last, span)) = routes.last()
        && last.when != When::default()
    {
        let reason = "what fits none of the routes would reach nobody";
        let hint = "end the list with a route without `when`: `- {to: [id]}`, or `- {to: []}` if \
                    nobody is to be told of the rest"
            .to_owned();
        out.hint(*span, reason, hint);
    }
}

/// One or several, each once.
fn several<T: PartialEq>(
    reader: impl Fn(&Node, &Findings) -> Option<T>,
) -> impl Fn(&Node, &Findings) -> Option<Vec<T>> {
    move |node, out| {
        let items = one_or_more(node);
        if items.is_empty() {
            out.hint(node.span, "the list is empty", "leave the line out if all fit".to_owned());
            return None;
        }
        let mut found = Vec::new();
        for item in items {
            let Some(value) = reader(item, out) else { continue };
            if found.contains(&value) {
                out.say(item.span, "this stands in the list twice");
            } else {
                found.push(value);
            }
        }
        Some(found)
    }
}
