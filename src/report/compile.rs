//! From the history of a session to its report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::timeline::{self, Segment, State};
use super::{
    Earlier, Exclusion, Group, GroupName, IncidentReport, Material, Moment, Path, Report,
    SiteReport, Totals, Why, between,
};
use crate::model::{
    Affected, Alert, Attendance, Bilingual, Cause, Incident, Phase, Rollup, SessionRecord, SiteId,
    Sketch,
};

/// Earlier sessions that a report compares with at most.
pub const EARLIER: usize = 5;

/// Works out what a session was like. `earlier` are sessions before it, in any order; of those at
/// most [`EARLIER`] are compared with, the latest ones.
#[must_use]
pub fn compile(material: &Material, earlier: &[Material]) -> Report {
    let session = &material.session;
    let until = told_until(material);
    let mut sites: Vec<SiteReport> =
        session.sites.iter().map(|attendance| site(material, attendance)).collect();
    let mut before: Vec<&Material> =
        earlier.iter().filter(|it| it.session.start < session.start).collect();
    before.sort_by_key(|it| std::cmp::Reverse((it.session.start, it.session.id.clone())));
    before.truncate(EARLIER);
    let before: Vec<(Earlier, BTreeMap<SiteId, bool>)> =
        before.into_iter().map(in_figures).collect();
    for it in &mut sites {
        let took_part = before.iter().filter_map(|(_, sites)| sites.get(&it.site));
        let (troubled, all): (Vec<bool>, Vec<bool>) =
            took_part.map(|interrupted| (*interrupted, true)).unzip();
        it.earlier = (troubled.iter().filter(|it| **it).count(), all.len());
    }
    let groups = group(session, &mut sites);
    let order: BTreeMap<SiteId, usize> =
        session.sites.iter().enumerate().map(|(at, it)| (it.site.clone(), at)).collect();
    sites.sort_by(|a, b| {
        let weight = |it: &SiteReport| (it.time.down, it.time.degraded, it.outages.len());
        weight(b).cmp(&weight(a)).then_with(|| order[&a.site].cmp(&order[&b.site]))
    });
    let groups = tally(groups, &sites);
    Report {
        id: session.id.clone(),
        title: session.title.clone(),
        start: session.start,
        end: session.end,
        until,
        as_of: material.as_of,
        importance: session.importance,
        totals: totals(&sites),
        incidents: incidents(material, &sites),
        course: course(&sites, session.start),
        exclusions: exclusions(material, &sites),
        earlier: before.into_iter().map(|(earlier, _)| earlier).collect(),
        groups,
        sites,
    }
}

/// Up to when a session is told.
fn told_until(material: &Material) -> Timestamp {
    material.session.end.min(material.as_of).max(material.session.start)
}

fn site(material: &Material, attendance: &Attendance) -> SiteReport {
    let (start, until) = (material.session.start, told_until(material));
    let course = timeline::course(material, attendance, start, until);
    let first = attendance.stays.first().and_then(|stay| stay.from);
    let last = attendance.stays.last().and_then(|stay| stay.until);
    SiteReport {
        site: attendance.site.clone(),
        name: attendance.name.clone(),
        level: attendance.level.clone(),
        group: 0,
        delegates: attendance.delegates,
        joined: first.filter(|at| *at > start),
        left: last.filter(|at| *at < until),
        time: timeline::times(&course),
        outages: timeline::outages(&course),
        course,
        path: material.measured.at(&attendance.site).map(path),
        earlier: (0, 0),
    }
}

fn path(sum: &Rollup) -> Path {
    let pair = |sketch: &Sketch, percents: (u32, u32), unit: f64| {
        let at = |percent| sketch.percentile(percent).map(|value| f64::from(value) / unit);
        Some((at(percents.0)?, at(percents.1)?))
    };
    let spread = &sum.spread;
    Path {
        sent: u64::from(sum.sent),
        lost: u64::from(sum.lost),
        lost_down: u64::from(sum.lost_down),
        rtt_ms: pair(&spread.rtt, (50, 95), 1e3),
        jitter_ms: pair(&spread.jitter, (50, 95), 1e3),
        loss_percent: pair(&spread.loss, (50, 95), 1e2),
        mos: pair(&spread.mos, (50, 5), 1e2),
    }
}

fn totals(sites: &[SiteReport]) -> Totals {
    let mut totals = Totals { sites: sites.len(), ..Totals::default() };
    for site in sites {
        let delegates = u64::from(site.delegates);
        totals.delegates += delegates;
        totals.lost += site.time.down;
        totals.counted += site.time.counted();
        totals.outages += site.outages.len();
        if !site.outages.is_empty() {
            totals.interrupted += 1;
            totals.delegates_interrupted += delegates;
        } else if !site.time.degraded.is_zero() {
            totals.degraded += 1;
        } else if site.time.up.is_zero() {
            totals.unseen += 1;
        } else {
            totals.well += 1;
        }
    }
    totals
}

/// An earlier session in figures, and whether each of its sites was interrupted.
fn in_figures(material: &Material) -> (Earlier, BTreeMap<SiteId, bool>) {
    let session = &material.session;
    let sites: Vec<SiteReport> = session.sites.iter().map(|it| site(material, it)).collect();
    let figures = Earlier {
        id: session.id.clone(),
        title: session.title.clone(),
        start: session.start,
        totals: totals(&sites),
        incidents: incidents(material, &sites).len(),
    };
    let interrupted = |it: &SiteReport| (it.site.clone(), !it.outages.is_empty());
    (figures, sites.iter().map(interrupted).collect())
}

/// Parts the sites: each goes with the site directly below the top that its line runs through.
/// Those that hang on the top directly and have nobody behind them go with their level.
fn group(session: &SessionRecord, sites: &mut [SiteReport]) -> Vec<GroupName> {
    let heads: BTreeSet<&SiteId> = session.sites.iter().flat_map(|it| it.line.iter()).collect();
    let mut names: Vec<(Result<SiteId, crate::model::LevelId>, GroupName)> = Vec::new();
    let mut keys = Vec::new();
    for attendance in &session.sites {
        let head = match attendance.line.as_slice() {
            [.., head, _top] => Some(head),
            [_top] if heads.contains(&attendance.site) => Some(&attendance.site),
            _ => None,
        };
        keys.push(head.cloned().ok_or_else(|| attendance.level.clone()));
    }
    // Parts of the province before levels, each in the order of the file.
    for wanted_site in [true, false] {
        for key in keys.iter().filter(|key| key.is_ok() == wanted_site) {
            if names.iter().any(|(known, _)| known == key) {
                continue;
            }
            let name = match key {
                Ok(site) => GroupName::Site(session.name_of(site).to_owned()),
                Err(level) => {
                    GroupName::Level(session.levels.get(level).cloned().unwrap_or_else(|| {
                        Bilingual { vi: level.to_string(), en: level.to_string() }
                    }))
                }
            };
            names.push((key.clone(), name));
        }
    }
    for (site, key) in sites.iter_mut().zip(&keys) {
        site.group = names.iter().position(|(known, _)| known == key).unwrap_or_default();
    }
    names.into_iter().map(|(_, name)| name).collect()
}

fn tally(names: Vec<GroupName>, sites: &[SiteReport]) -> Vec<Group> {
    let mut groups: Vec<Group> = names
        .into_iter()
        .map(|name| Group {
            name,
            sites: Vec::new(),
            lost: Duration::ZERO,
            counted: Duration::ZERO,
            interrupted: 0,
        })
        .collect();
    for (at, site) in sites.iter().enumerate() {
        let Some(group) = groups.get_mut(site.group) else { continue };
        group.sites.push(at);
        group.lost += site.time.down;
        group.counted += site.time.counted();
        group.interrupted += usize::from(!site.outages.is_empty());
    }
    groups
}

/// How many sites were in trouble, from change to change.
fn course(sites: &[SiteReport], start: Timestamp) -> Vec<Moment> {
    let mut steps: BTreeMap<Timestamp, [i64; 3]> = [(start, [0; 3])].into();
    for segment in sites.iter().flat_map(|site| &site.course) {
        let which = match segment.state {
            State::Down => 0,
            State::Degraded => 1,
            State::Unseen | State::Unwatched => 2,
            State::Up | State::Planned | State::Absent => continue,
        };
        steps.entry(segment.from).or_default()[which] += 1;
        steps.entry(segment.until).or_default()[which] -= 1;
    }
    let mut now = [0i64; 3];
    let mut course: Vec<Moment> = Vec::new();
    for (at, by) in steps {
        for (sum, by) in now.iter_mut().zip(by) {
            *sum += by;
        }
        let [down, degraded, unseen] = now.map(|sum| usize::try_from(sum).unwrap_or_default());
        let moment = Moment { at, down, degraded, unseen };
        if course.last().is_none_or(|last| Moment { at, ..*last } != moment) {
            course.push(moment);
        }
    }
    course
}

/// The incidents that concerned the session: those that affected a site while it took part, and
/// those of the monitor itself. What a wider incident explains is told there.
fn incidents(material: &Material, sites: &[SiteReport]) -> Vec<IncidentReport> {
    let (start, until) = (material.session.start, told_until(material));
    let by_id: BTreeMap<&SiteId, &SiteReport> = sites.iter().map(|it| (&it.site, it)).collect();
    let mut told = Vec::new();
    for incident in &material.incidents {
        let over = incident.resolved.unwrap_or(Timestamp::MAX);
        if incident.absorbed_by.is_some() || incident.began >= until || over <= start {
            continue;
        }
        let affected: Vec<(&Affected, &SiteReport)> = incident
            .affected
            .iter()
            .filter_map(|affected| Some((affected, *by_id.get(&affected.site)?)))
            .filter(|(affected, site)| {
                let end = affected.until.unwrap_or(over).min(until);
                let took_part = |segment: &Segment| {
                    segment.state != State::Absent
                        && segment.from.max(affected.since) < segment.until.min(end)
                };
                site.course.iter().any(took_part)
            })
            .collect();
        if affected.is_empty() && incident.cause != Cause::Monitor {
            continue;
        }
        let mut lost = Duration::ZERO;
        let mut delegates = 0;
        if incident.cause != Cause::Monitor {
            for (affected, site) in &affected {
                let end = affected.until.unwrap_or(over);
                delegates += u64::from(site.delegates);
                lost += site
                    .outages
                    .iter()
                    .map(|outage| between(outage.from.max(affected.since), outage.until.min(end)))
                    .sum::<Duration>();
            }
        }
        let planned = !affected.is_empty()
            && affected.iter().all(|(affected, site)| {
                let end = affected.until.unwrap_or(over).min(until);
                let touched = site
                    .course
                    .iter()
                    .filter(|segment| segment.from.max(affected.since) < segment.until.min(end));
                touched.into_iter().all(|segment| segment.state == State::Planned)
            });
        told.push(IncidentReport {
            planned,
            cause: incident.cause,
            severity: incident.severity,
            began: incident.began,
            detected_after: between(incident.began, incident.opened),
            acked_after: incident
                .first_ack()
                .map(|ack| (between(incident.opened, ack.at), ack.by.clone())),
            ended: incident.ended(),
            repaired_after: incident.ended().map(|at| between(incident.began, at)),
            sites: affected.iter().map(|(affected, _)| affected.site.clone()).collect(),
            delegates,
            lost,
            alert: alert(incident, &material.session),
        });
    }
    told.sort_by(|a, b| (a.began, &a.alert.incident.id).cmp(&(b.began, &b.alert.incident.id)));
    told
}

/// What texts about an incident need.
fn alert(incident: &Incident, session: &SessionRecord) -> Alert {
    let mut incident = incident.clone();
    // Of the wider province only what took part is told.
    let fault = incident.site.clone();
    incident.affected.retain(|it| {
        Some(&it.site) == fault.as_ref() || session.sites.iter().any(|known| known.site == it.site)
    });
    let names = incident.affected.iter().map(|it| &it.site).chain(&incident.site);
    let names = names.map(|id| (id.clone(), session.name_of(id).to_owned())).collect();
    let site_name =
        incident.site.as_ref().map(|id| session.name_of(id).to_owned()).unwrap_or_default();
    Alert {
        site_name,
        level: String::new(),
        level_name: String::new(),
        parent: String::new(),
        parent_name: String::new(),
        contacts: Vec::new(),
        names,
        phase: Phase::Live,
        session_title: Some(session.title.clone()),
        session_start: Some(session.start),
        drill: false,
        phones: BTreeMap::new(),
        readiness: None,
        incident,
    }
}

/// From when until when.
type Span = (Timestamp, Timestamp);
/// Sites, from when until when at most, and how long together.
type Uncounted = (Vec<usize>, Span, Duration);

/// What was not counted, and why: what concerned everybody before what concerned a few.
fn exclusions(material: &Material, sites: &[SiteReport]) -> Vec<Exclusion> {
    // What is not seen begins and ends for each site at a moment of its own; that is one.
    let mut found: BTreeMap<(Why, Option<Span>), Uncounted> = BTreeMap::new();
    for (at, site) in sites.iter().enumerate() {
        for segment in &site.course {
            let span = (segment.from, segment.until);
            let key = match segment.state {
                State::Unwatched => (Why::Unwatched, Some(span)),
                State::Unseen => (Why::Unseen, None),
                State::Planned => (planned(material, &site.site, segment), Some(span)),
                State::Absent if segment.from == material.session.start => {
                    (Why::Joined, Some(span))
                }
                State::Absent => (Why::Left, Some(span)),
                State::Up | State::Degraded | State::Down => continue,
            };
            let (sites, hull, sum) = found.entry(key).or_insert((Vec::new(), span, Duration::ZERO));
            if sites.last() != Some(&at) {
                sites.push(at);
            }
            *hull = (hull.0.min(span.0), hull.1.max(span.1));
            *sum += between(span.0, span.1);
        }
    }
    let mut exclusions: Vec<Exclusion> = found
        .into_iter()
        .map(|((why, _), (sites, span, lasted))| Exclusion { why, sites, span, lasted })
        .collect();
    exclusions.sort_by(|a, b| {
        let weight = |it: &Exclusion| std::cmp::Reverse((it.sites.len(), it.lasted));
        weight(a).cmp(&weight(b)).then_with(|| (&a.why, a.span).cmp(&(&b.why, b.span)))
    });
    exclusions
}

/// The announcement that planned work at a site goes back to.
fn planned(material: &Material, site: &SiteId, segment: &Segment) -> Why {
    let line = material.session.sites.iter().find(|it| it.site == *site).map(|it| &it.line);
    let window = material.maintenance.iter().find(|window| {
        let covers = |id: &SiteId| window.sites.contains(id);
        window.from < segment.until
            && segment.from < window.until
            && (covers(site) || line.is_some_and(|line| line.iter().any(covers)))
    });
    let (reason, by) = window.map(|it| (it.reason.clone(), it.by.clone())).unwrap_or_default();
    Why::Planned { reason, by }
}
