//! The families of a snapshot: sites, endpoints, targets, levels, sessions, readiness, incidents,
//! monitor.
//!
//! 1. Only what is present in the topology has series, so a site that is removed is gone from the
//!    next scrape.
//! 2. A value that is not known has no series: *unknown* must not look like a number.
//! 3. Series stand in the order of the topology, families in the order below; two pages of one
//!    snapshot are equal byte for byte.

mod labels;
mod monitor;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use self::labels::{Blocks, Labels, Lists, site_labels};
use crate::model::{
    Cause, CheckKind, EndpointView, FindingKind, Health, Importance, Incident, Quality,
    QualityGrade, ReadinessRun, Severity, SiteId, SiteView, Snapshot, Target, TargetView, Verdict,
    hops,
};

use super::table::{self, Metric};
use super::text::{Family, Page, Value, push_label};

/// Writes all families of `snapshot`.
pub(super) fn write(snapshot: &Snapshot, out: &mut Page<'_>) {
    let labels = Labels::of(snapshot);
    sites(snapshot, labels, out);
    endpoints(snapshot, labels, out);
    targets(snapshot, labels, out);
    levels(snapshot, out);
    sessions(snapshot, out);
    readiness(snapshot, labels, out);
    incidents(snapshot, out);
    monitor::write(snapshot, out);
}

/// Confirmed health as a yes or no; none while nothing is known.
const fn is_up(health: Health) -> Option<bool> {
    match health {
        Health::Up | Health::Degraded => Some(true),
        Health::Down => Some(false),
        Health::Unknown => None,
    }
}

/// Writes a family with at most one series for each of `items`, whose labels are `labels`.
fn each<T, V: Value>(
    out: &mut Page<'_>,
    metric: &'static Metric,
    labels: impl Lists,
    items: impl Iterator<Item = T>,
    value: impl Fn(T) -> Option<V>,
) {
    let mut family = Family::new(out, metric);
    zip(labels, items, |labels, item| {
        if let Some(value) = value(item) {
            family.series(labels, value);
        }
    });
}

/// Does something with each of `items` and its labels.
fn zip<T>(mut labels: impl Lists, items: impl Iterator<Item = T>, mut does: impl FnMut(&str, T)) {
    for item in items {
        let Some(labels) = labels.next() else { return };
        does(labels, item);
    }
}

fn sites(snapshot: &Snapshot, labels: Labels<'_>, out: &mut Page<'_>) {
    let views = || snapshot.sites.iter();

    let mut family = Family::new(out, &table::SITE_HEALTH);
    zip(labels.sites(), views(), |labels, view| {
        for health in Health::ALL {
            family.series_with(labels, "health", health.word(), health == view.standing.hard);
        }
    });
    let since = |view: &SiteView| view.standing.since.map(Timestamp::from);
    each(out, &table::SITE_SINCE, labels.sites(), views(), since);

    let mut family = Family::new(out, &table::SITE_INFO);
    let mut list = String::new();
    zip(labels.sites(), snapshot.topology.sites.iter(), |labels, site| {
        list.clear();
        list.push_str(labels);
        push_label(&mut list, "name", &site.name);
        for (name, value) in free_labels(&site.labels) {
            push_label(&mut list, &name, value);
        }
        family.series(&list, true);
    });

    let mut family = Family::new(out, &table::SITE_PHASE);
    zip(labels.sites(), views(), |labels, view| {
        family.series_with(labels, "phase", view.phase.word(), true);
    });

    let mut family = Family::new(out, &table::SITE_DELEGATES);
    zip(labels.sites(), views(), |labels, view| {
        if let Some(session) = &view.session {
            list.clear();
            list.push_str(labels);
            push_label(&mut list, "session", session.as_str());
            family.series(&list, view.delegates);
        }
    });

    let maintenance = |view: &SiteView| view.in_maintenance.then_some(true);
    each(out, &table::SITE_MAINTENANCE, labels.sites(), views(), maintenance);
    let silenced = |view: &SiteView| view.silenced.then_some(true);
    each(out, &table::SITE_SILENCED, labels.sites(), views(), silenced);
}

/// Free labels as label names: `label_` and the key with everything but ASCII letters and digits
/// replaced by `_`. A key that thereby becomes equal to another gets a number.
fn free_labels(labels: &BTreeMap<String, String>) -> Vec<(String, &str)> {
    let mut taken = BTreeSet::new();
    let mut named = Vec::with_capacity(labels.len());
    for (key, value) in labels {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let base: String = "label_".chars().chain(key.chars().map(plain)).collect();
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{base}_{number}");
            number += 1;
        }
        named.push((name, value.as_str()));
    }
    named
}

fn endpoints(snapshot: &Snapshot, labels: Labels<'_>, out: &mut Page<'_>) {
    let views = || snapshot.endpoints.iter();
    let up = |view: &EndpointView| is_up(view.standing.hard);
    each(out, &table::ENDPOINT_UP, labels.endpoints(), views(), up);

    let figure = |out: &mut Page<'_>, metric, figure: fn(&Quality) -> f32| {
        let of = |view: &EndpointView| view.quality.as_ref().map(figure);
        each(out, metric, labels.endpoints(), views(), of);
    };
    figure(out, &table::LOSS_RATIO, |quality| quality.loss);
    figure(out, &table::RTT_MEDIAN, |quality| quality.rtt_s);
    figure(out, &table::RTT_P95, |quality| quality.rtt_p95_s);
    figure(out, &table::JITTER, |quality| quality.jitter_s);
    figure(out, &table::RATING, |quality| quality.r);
    figure(out, &table::MOS, |quality| quality.mos);
    figure(out, &table::GRADE, |quality| match quality.grade {
        QualityGrade::Good => 0.0,
        QualityGrade::Fair => 1.0,
        QualityGrade::Poor => 2.0,
    });
}

fn targets(snapshot: &Snapshot, labels: Labels<'_>, out: &mut Page<'_>) {
    let labels = || labels.targets();
    let views = || snapshot.targets.iter();
    let up = |view: &TargetView| is_up(view.standing.hard);
    each(out, &table::TARGET_UP, labels(), views(), up);

    let mut family = Family::new(out, &table::PROBES);
    zip(labels(), views(), |labels, view| {
        let replies = view.probes.saturating_sub(view.failures);
        family.series_with(labels, "result", "reply", replies);
        family.series_with(labels, "result", "failure", view.failures);
        if view.local_failures > 0 {
            family.series_with(labels, "result", "local", view.local_failures);
        }
    });

    let rtt = |view: &TargetView| view.rtt.filter(|_| !view.failing).map(Duration::from);
    each(out, &table::RTT, labels(), views(), rtt);

    let checks = &snapshot.topology.checks;
    let counts = |target: &Target| matches!(checks[target.check].kind, CheckKind::Icmp(_));
    let packets = |out: &mut Page<'_>, metric, packets: fn(&TargetView) -> u32| {
        let items = snapshot.topology.targets.iter().zip(views());
        each(out, metric, labels(), items, |(target, view)| counts(target).then(|| packets(view)));
    };
    packets(out, &table::PACKETS_SENT, |view| view.sent);
    packets(out, &table::PACKETS_LOST, |view| view.lost);

    // A DSCP that comes back as it was sent says nothing, and most do.
    let remarked = |(target, view): (&Target, &TargetView)| {
        let CheckKind::Icmp(check) = &checks[target.check].kind else { return None };
        let dscp = view.tos? >> 2;
        (dscp != check.dscp && !view.failing).then_some(u32::from(dscp))
    };
    each(
        out,
        &table::REPLY_DSCP,
        labels(),
        snapshot.topology.targets.iter().zip(views()),
        remarked,
    );
    let passed =
        |view: &TargetView| view.ttl.filter(|_| !view.failing).map(|ttl| u32::from(hops(ttl)));
    each(out, &table::REPLY_HOPS, labels(), views(), passed);
    let status = |view: &TargetView| view.status().map(u32::from);
    each(out, &table::STATUS_CODE, labels(), views(), status);
    let not_after = |view: &TargetView| view.certificate().map(|seen| seen.not_after);
    each(out, &table::CERTIFICATE_NOT_AFTER, labels(), views(), not_after);
    each(out, &table::CLOCK_OFFSET, labels(), views(), TargetView::clock_offset_s);
}

fn levels(snapshot: &Snapshot, out: &mut Page<'_>) {
    let topology = &*snapshot.topology;
    let mut family = Family::new(out, &table::LEVEL_INFO);
    let mut list = String::new();
    for level in &topology.levels {
        list.clear();
        push_label(&mut list, "level", level.id.as_str());
        push_label(&mut list, "name_vi", &level.name.vi);
        push_label(&mut list, "name_en", &level.name.en);
        family.series(&list, true);
    }

    let mut counts = vec![[0_u32; Health::ALL.len()]; topology.levels.len()];
    for (site, view) in topology.sites.iter().zip(snapshot.sites.iter()) {
        counts[site.level.ix()][view.standing.hard as usize] += 1;
    }
    let mut family = Family::new(out, &table::LEVEL_SITES);
    for (level, counts) in topology.levels.iter().zip(counts) {
        list.clear();
        push_label(&mut list, "level", level.id.as_str());
        for health in Health::ALL {
            family.series_with(&list, "health", health.word(), counts[health as usize]);
        }
    }
}

fn sessions(snapshot: &Snapshot, out: &mut Page<'_>) {
    let mut blocks = Blocks::default();
    for view in &snapshot.sessions {
        let mut label = String::new();
        push_label(&mut label, "session", view.session.id.as_str());
        blocks.push(&label);
    }
    let views = || snapshot.sessions.iter();

    let mut family = Family::new(out, &table::SESSION_INFO);
    for (labels, view) in blocks.iter().zip(views()) {
        let mut list = labels.to_owned();
        push_label(&mut list, "title", &view.session.title);
        push_label(&mut list, "importance", importance_word(view.session.importance));
        family.series(&list, true);
    }
    let mut family = Family::new(out, &table::SESSION_PHASE);
    for (labels, view) in blocks.iter().zip(views()) {
        family.series_with(labels, "phase", view.phase.word(), true);
    }
    each(out, &table::SESSION_START, blocks.lists(), views(), |view| Some(view.session.start));
    each(out, &table::SESSION_END, blocks.lists(), views(), |view| Some(view.session.end));
    each(out, &table::SESSION_SITES_EXPECTED, blocks.lists(), views(), |view| {
        u64::try_from(view.session.sites.len()).ok()
    });
    each(out, &table::SESSION_DELEGATES_EXPECTED, blocks.lists(), views(), |view| {
        Some(view.session.delegates())
    });
    let mut family = Family::new(out, &table::SESSION_SITES);
    for (labels, view) in blocks.iter().zip(views()) {
        for health in Health::ALL {
            family.series_with(labels, "health", health.word(), view.sites_in(health));
        }
    }
    let mut family = Family::new(out, &table::SESSION_DELEGATES);
    for (labels, view) in blocks.iter().zip(views()) {
        for health in Health::ALL {
            family.series_with(labels, "health", health.word(), view.delegates_in(health));
        }
    }
    each(out, &table::SESSION_LOST, blocks.lists(), views(), |view| Some(view.seconds_lost));
}

fn readiness(snapshot: &Snapshot, labels: Labels<'_>, out: &mut Page<'_>) {
    let mut blocks = Blocks::default();
    for run in &snapshot.readiness {
        let mut label = String::new();
        push_label(&mut label, "session", run.session.as_str());
        blocks.push(&label);
    }
    let runs = || snapshot.readiness.iter();

    let mut family = Family::new(out, &table::READINESS_SITES);
    for (labels, run) in blocks.iter().zip(runs()) {
        for (verdict, count) in Verdict::ALL.into_iter().zip(run.counts()) {
            family.series_with(labels, "verdict", verdict.word(), count);
        }
    }
    let mut family = Family::new(out, &table::READINESS_FINDINGS);
    for (labels, run) in blocks.iter().zip(runs()) {
        for kind in FindingKind::ALL {
            let main = run.sites.iter().filter_map(|site| site.main());
            let count = main.filter(|it| it.found.kind() == kind).count();
            if let Ok(count @ 1..) = u64::try_from(count) {
                family.series_with(labels, "kind", kind.word(), count);
            }
        }
    }
    let mut family = Family::new(out, &table::READINESS_SITE);
    let mut first: BTreeMap<&SiteId, (&ReadinessRun, Verdict)> = BTreeMap::new();
    for run in runs() {
        for site in &run.sites {
            first.entry(&site.site).or_insert((run, site.verdict));
        }
    }
    zip(labels.sites(), snapshot.topology.sites.iter(), |labels, site| {
        if let Some((run, verdict)) = first.get(&site.id) {
            let mut list = labels.to_owned();
            push_label(&mut list, "session", run.session.as_str());
            push_label(&mut list, "verdict", verdict.word());
            family.series(&list, true);
        }
    });
    each(out, &table::READINESS_TIME, blocks.lists(), runs(), |run| Some(run.finished));
    each(out, &table::READINESS_DURATION, blocks.lists(), runs(), |run| {
        Duration::try_from(run.finished.duration_since(run.began)).ok()
    });
    each(out, &table::READINESS_CONFIRMED, blocks.lists(), runs(), |run| {
        let both = snapshot.confirmations.iter().filter(|it| {
            it.session == run.session
                && it.picture
                && it.sound
                && run.sites.iter().any(|site| site.site == it.site)
        });
        u64::try_from(both.count()).ok()
    });
}

/// The word for an importance in labels.
const fn importance_word(importance: Importance) -> &'static str {
    match importance {
        Importance::Low => "low",
        Importance::Normal => "normal",
        Importance::High => "high",
    }
}

fn incidents(snapshot: &Snapshot, out: &mut Page<'_>) {
    let active: Vec<&Incident> =
        snapshot.incidents.iter().map(AsRef::as_ref).filter(|i| i.is_active()).collect();

    let mut counts = [[0_u32; Severity::ALL.len()]; Cause::ALL.len()];
    for incident in &active {
        counts[incident.cause as usize][incident.severity as usize] += 1;
    }
    let mut family = Family::new(out, &table::INCIDENTS_OPEN);
    let mut list = String::new();
    for cause in Cause::ALL {
        list.clear();
        push_label(&mut list, "cause", cause.word());
        for severity in Severity::ALL {
            let count = counts[cause as usize][severity as usize];
            family.series_with(&list, "severity", severity.word(), count);
        }
    }

    let mut blocks = Blocks::default();
    for incident in &active {
        list.clear();
        push_label(&mut list, "incident", incident.id.as_str());
        blocks.push(&list);
    }
    let mut family = Family::new(out, &table::INCIDENT_INFO);
    for (labels, incident) in blocks.iter().zip(&active) {
        list.clear();
        list.push_str(labels);
        push_label(&mut list, "cause", incident.cause.word());
        push_label(&mut list, "severity", incident.severity.word());
        incident_site(snapshot, incident, &mut list);
        push_label(&mut list, "endpoint", incident.endpoint.as_ref().map_or("", |id| id.as_str()));
        push_label(&mut list, "check", incident.check.as_ref().map_or("", |id| id.as_str()));
        push_label(&mut list, "session", incident.session.as_ref().map_or("", |id| id.as_str()));
        push_label(&mut list, "acked", if incident.ack.is_some() { "true" } else { "false" });
        family.series(&list, true);
    }
    let items = || active.iter();
    each(out, &table::INCIDENT_BEGAN, blocks.lists(), items(), |incident| Some(incident.began));
    each(out, &table::INCIDENT_SINCE, blocks.lists(), items(), |incident| Some(incident.since()));
    each(out, &table::INCIDENT_SITES, blocks.lists(), items(), |incident| {
        u64::try_from(incident.affected_now().count()).ok()
    });
    each(out, &table::INCIDENT_DELEGATES, blocks.lists(), items(), |incident| {
        Some(incident.delegates)
    });
    let now = snapshot.taken.wall;
    each(out, &table::INCIDENT_WAITING, blocks.lists(), items(), |it| it.waits_since(now));
    each(out, &table::INCIDENT_STEP, blocks.lists(), items(), |incident| {
        let since = incident.called_since(now)?;
        let told = incident.told.iter().filter(|told| told.at >= since && !told.is_untold());
        Some(told.map(|told| told.step).max().unwrap_or_default())
    });
    let mut family = Family::new(out, &table::ON_DUTY);
    for duty in &snapshot.duty {
        for person in &duty.now {
            list.clear();
            push_label(&mut list, "rota", duty.rota.as_str());
            push_label(&mut list, "person", person.id.as_str());
            push_label(&mut list, "name", &person.name);
            family.series(&list, true);
        }
    }
}

/// `site`, `level` and `parent` of the site at fault; empty where there is none, or none any more.
fn incident_site(snapshot: &Snapshot, incident: &Incident, list: &mut String) {
    let Some(id) = &incident.site else {
        for name in ["site", "level", "parent"] {
            push_label(list, name, "");
        }
        return;
    };
    match snapshot.topology.find_site(id) {
        Some(ix) => {
            list.push(',');
            let mut labels = String::new();
            site_labels(snapshot, snapshot.topology.site(ix), &mut labels);
            list.push_str(&labels);
        }
        None => {
            push_label(list, "site", id.as_str());
            push_label(list, "level", "");
            push_label(list, "parent", "");
        }
    }
}
