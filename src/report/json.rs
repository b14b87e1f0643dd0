//! Everything, for programs: times are RFC 3339 in UTC, lengths of time seconds, shares 0 to 1.

use std::time::Duration;

use serde_json::{Value, json};

use super::words::Words;
use super::{
    Earlier, Exclusion, Group, IncidentReport, Path, Report, SiteReport, Style, Times, Totals, Why,
    cut,
};
use crate::texts;

/// Writes everything.
pub(super) fn value(report: &Report, style: &Style) -> Value {
    let words = Words::of(style);
    json!({
        "session": {
            "id": report.id,
            "title": report.title,
            "start": report.start,
            "end": report.end,
            "importance": report.importance,
        },
        "until": report.until,
        "as_of": report.as_of,
        "language": style.language,
        "summary": words.summary(report),
        "totals": totals(&report.totals),
        "sites": report.sites.iter().map(|it| site(report, it, words)).collect::<Vec<_>>(),
        "incidents": report.incidents.iter().map(|it| incident(it, style)).collect::<Vec<_>>(),
        "groups": report.groups.iter().map(|it| group(report, it, words)).collect::<Vec<_>>(),
        "course": report.course.iter().map(|it| json!({
            "at": it.at, "down": it.down, "degraded": it.degraded, "unseen": it.unseen,
        })).collect::<Vec<_>>(),
        "earlier": report.earlier.iter().map(earlier).collect::<Vec<_>>(),
        "excluded": report.exclusions.iter()
            .map(|it| exclusion(report, it, words)).collect::<Vec<_>>(),
    })
}

/// Seconds to the microsecond, which a float holds without noise.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}

fn totals(totals: &Totals) -> Value {
    json!({
        "sites": totals.sites,
        "delegates": totals.delegates,
        "well": totals.well,
        "degraded": totals.degraded,
        "interrupted": totals.interrupted,
        "unseen": totals.unseen,
        "delegates_interrupted": totals.delegates_interrupted,
        "availability": availability(totals.availability()),
        "lost_s": seconds(totals.lost),
        "counted_s": seconds(totals.counted),
        "outages": totals.outages,
    })
}

/// An availability to the millionth.
fn availability(share: Option<f64>) -> Option<f64> {
    share.map(|share| cut(share, 6))
}

/// A share to the millionth.
fn share(share: Option<f64>) -> Option<f64> {
    share.map(|share| (share * 1e6).round() / 1e6)
}

fn times(times: &Times) -> Value {
    json!({
        "up_s": seconds(times.up),
        "degraded_s": seconds(times.degraded),
        "down_s": seconds(times.down),
        "unseen_s": seconds(times.unseen),
        "unwatched_s": seconds(times.unwatched),
        "planned_s": seconds(times.planned),
        "absent_s": seconds(times.absent),
    })
}

fn site(report: &Report, site: &SiteReport, words: Words<'_>) -> Value {
    json!({
        "site": site.site,
        "name": site.name,
        "level": site.level,
        "group": report.groups.get(site.group).map(|group| words.group(&group.name)),
        "delegates": site.delegates,
        "joined": site.joined,
        "left": site.left,
        "availability": availability(site.time.availability()),
        "lost_s": seconds(site.time.down),
        "counted_s": seconds(site.time.counted()),
        "time": times(&site.time),
        "outages": site.outages.iter().map(|it| json!({
            "from": it.from, "until": it.until, "lasted_s": seconds(it.lasted()),
        })).collect::<Vec<_>>(),
        "path": site.path.as_ref().map(path),
        "earlier": { "interrupted": site.earlier.0, "of": site.earlier.1 },
    })
}

fn path(path: &Path) -> Value {
    let pair = |pair: Option<(f64, f64)>, bad: &str| {
        pair.map(|(middle, worse)| json!({ "p50": middle, bad: worse }))
    };
    json!({
        "packets_sent": path.sent,
        "packets_lost": path.lost,
        "packets_lost_while_down": path.lost_down,
        "loss": share(path.loss()),
        "rtt_ms": pair(path.rtt_ms, "p95"),
        "jitter_ms": pair(path.jitter_ms, "p95"),
        "loss_percent": pair(path.loss_percent, "p95"),
        "mos": pair(path.mos, "p5"),
    })
}

fn incident(it: &IncidentReport, style: &Style) -> Value {
    let account = texts::account(&it.alert, style);
    let incident = &it.alert.incident;
    json!({
        "id": incident.id,
        "cause": it.cause,
        "severity": it.severity,
        "what": format!("{} {}", account.subject, account.fault),
        "likely": account.likely,
        "site": incident.site,
        "endpoint": incident.endpoint,
        "check": incident.check,
        "began": it.began,
        "opened": incident.opened,
        "ended": it.ended,
        "detected_after_s": seconds(it.detected_after),
        "acked_after_s": it.acked_after.as_ref().map(|(after, _)| seconds(*after)),
        "acked_by": it.acked_after.as_ref().map(|(_, by)| by),
        "repaired_after_s": it.repaired_after.map(seconds),
        "flapping": incident.flapping,
        "relapses": incident.relapses.len(),
        "sites": it.sites,
        "delegates": it.delegates,
        "lost_s": seconds(it.lost),
        "planned": it.planned,
    })
}

fn group(report: &Report, group: &Group, words: Words<'_>) -> Value {
    json!({
        "name": words.group(&group.name),
        "sites": group.sites.iter().map(|at| &report.sites[*at].site).collect::<Vec<_>>(),
        "interrupted": group.interrupted,
        "lost_s": seconds(group.lost),
        "counted_s": seconds(group.counted),
        "availability": availability(super::availability(group.counted, group.lost)),
    })
}

fn earlier(earlier: &Earlier) -> Value {
    json!({
        "session": earlier.id,
        "title": earlier.title,
        "start": earlier.start,
        "totals": totals(&earlier.totals),
        "incidents": earlier.incidents,
    })
}

fn exclusion(report: &Report, it: &Exclusion, words: Words<'_>) -> Value {
    let why = match it.why {
        Why::Unwatched => "unwatched",
        Why::Unseen => "unseen",
        Why::Planned { .. } => "planned",
        Why::Joined => "joined-late",
        Why::Left => "left-early",
    };
    json!({
        "why": why,
        "says": words.exclusion(report, it),
        "sites": it.sites.iter().map(|at| &report.sites[*at].site).collect::<Vec<_>>(),
        "from": it.span.0,
        "until": it.span.1,
        "lasted_s": seconds(it.lasted),
    })
}
