//! What a site went through, moment by moment.

use jiff::Timestamp;

use super::{Material, Outage, Times, between};
use crate::model::{Attendance, Health, HealthChange};

/// How a site did at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Well.
    Up,
    /// It could take part, but badly.
    Degraded,
    /// It could not take part.
    Down,
    /// It was not seen how it did.
    Unseen,
    /// This monitor was not running.
    Unwatched,
    /// Planned work was going on.
    Planned,
    /// It did not take part yet, or no longer.
    Absent,
}

impl State {
    /// The word in data.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unseen => "unseen",
            Self::Unwatched => "unwatched",
            Self::Planned => "planned",
            Self::Absent => "absent",
        }
    }
}

/// A stretch of time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// How it did.
    pub state: State,
}

/// What a site went through from `from` to `until`, without gaps.
///
/// 1. While it did not take part nothing else matters.
/// 2. While work announced for it, or for a site that its line runs through, was going on,
///    nothing counts: neither that it failed nor that it happened to work.
/// 3. While this monitor was not running nothing is known, even if the health before and after
///    was the same.
/// 4. Otherwise its confirmed health counts, from the first outcome that said so.
pub(super) fn course(
    material: &Material,
    attendance: &Attendance,
    from: Timestamp,
    until: Timestamp,
) -> Vec<Segment> {
    let no_changes = Vec::new();
    let changes = began(material.health.get(&attendance.site).unwrap_or(&no_changes));
    let windows: Vec<(Timestamp, Timestamp)> = material
        .maintenance
        .iter()
        .filter(|window| {
            let covers = |site| window.sites.contains(site);
            covers(&attendance.site) || attendance.line.iter().any(covers)
        })
        .map(|window| (window.from, window.until))
        .collect();
    let stays: Vec<(Timestamp, Timestamp)> = attendance
        .stays
        .iter()
        .map(|stay| (stay.from.unwrap_or(from), stay.until.unwrap_or(until)))
        .collect();
    let watches: Vec<(Timestamp, Timestamp)> =
        material.watches.iter().map(|watch| (watch.since, watch.until)).collect();

    let edges = [&windows, &stays, &watches];
    let edges = edges.into_iter().flatten().flat_map(|(from, until)| [*from, *until]);
    let mut cuts: Vec<Timestamp> = edges
        .chain(changes.iter().map(|(at, _)| *at))
        .filter(|at| *at > from && *at < until)
        .chain([from])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();

    let within = |spans: &[(Timestamp, Timestamp)], at: Timestamp| {
        spans.iter().any(|(from, until)| *from <= at && at < *until)
    };
    let state = |at: Timestamp| {
        if !within(&stays, at) {
            State::Absent
        } else if within(&windows, at) {
            State::Planned
        } else if !within(&watches, at) {
            State::Unwatched
        } else {
            let last = changes.partition_point(|(began, _)| *began <= at).checked_sub(1);
            match last.map(|last| changes[last].1) {
                Some(Health::Up) => State::Up,
                Some(Health::Degraded) => State::Degraded,
                Some(Health::Down) => State::Down,
                Some(Health::Unknown) | None => State::Unseen,
            }
        }
    };
    let mut course: Vec<Segment> = Vec::new();
    let ends = cuts.iter().skip(1).copied().chain([until]);
    for (from, until) in cuts.iter().copied().zip(ends) {
        let state = state(from);
        match course.last_mut() {
            Some(last) if last.state == state => last.until = until,
            _ if from < until => course.push(Segment { from, until, state }),
            _ => {}
        }
    }
    course
}

/// When each health began, never before the one that it follows.
fn began(changes: &[HealthChange]) -> Vec<(Timestamp, Health)> {
    let mut before = Timestamp::MIN;
    let began = |change: &HealthChange| {
        before = before.max(change.began.unwrap_or(change.at));
        (before, change.health)
    };
    changes.iter().map(began).collect()
}

/// Time in each state.
pub(super) fn times(course: &[Segment]) -> Times {
    let mut times = Times::default();
    for segment in course {
        let sum = match segment.state {
            State::Up => &mut times.up,
            State::Degraded => &mut times.degraded,
            State::Down => &mut times.down,
            State::Unseen => &mut times.unseen,
            State::Unwatched => &mut times.unwatched,
            State::Planned => &mut times.planned,
            State::Absent => &mut times.absent,
        };
        *sum += between(segment.from, segment.until);
    }
    times
}

/// The stretches in which it could not take part.
pub(super) fn outages(course: &[Segment]) -> Vec<Outage> {
    let down = course.iter().filter(|segment| segment.state == State::Down);
    down.map(|segment| Outage { from: segment.from, until: segment.until }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::model::{
        Importance, LevelId, Maintenance, SessionId, SessionRecord, SilenceId, SiteId, Stay, Watch,
    };
    use crate::report::Measured;

    /// So many minutes after the start.
    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
    }

    fn change(at_minute: i64, began: Option<i64>, health: Health) -> HealthChange {
        HealthChange { at: at(at_minute), began: began.map(at), health }
    }

    fn attendance() -> Attendance {
        Attendance {
            site: SiteId::new("tan-lap"),
            name: "Xã Tân Lập".to_owned(),
            level: LevelId::new("commune"),
            line: vec![SiteId::new("cho-don"), SiteId::new("bac-kan")],
            delegates: 20,
            path: None,
            stays: vec![Stay::default()],
        }
    }

    /// A session of an hour that was watched whole.
    fn material(changes: Vec<HealthChange>) -> Material {
        let session = SessionRecord {
            id: SessionId::new("s"),
            title: String::new(),
            start: at(0),
            end: at(60),
            importance: Importance::Normal,
            sites: vec![attendance()],
            levels: BTreeMap::new(),
            names: BTreeMap::new(),
            closed: None,
        };
        Material {
            measured: Measured::of(&session),
            session,
            as_of: at(61),
            health: [(SiteId::new("tan-lap"), changes)].into(),
            watches: vec![Watch { since: at(-100), until: at(100) }],
            maintenance: Vec::new(),
            incidents: Vec::new(),
        }
    }

    fn told(material: &Material) -> Vec<(i64, &'static str)> {
        let course = course(material, &material.session.sites[0], at(0), at(60));
        let starts = course.iter().map(|it| (it.from, it.state.word()));
        let minute = |from: Timestamp| (from.as_second() - at(0).as_second()) / 60;
        starts.map(|(from, word)| (minute(from), word)).collect()
    }

    #[test]
    fn an_outage_counts_from_the_first_failed_probe_to_the_first_reply() {
        let material = material(vec![
            change(-50, None, Health::Up),
            change(12, Some(10), Health::Down),
            change(25, Some(20), Health::Up),
        ]);
        assert_eq!(told(&material), [(0, "up"), (10, "down"), (20, "up")]);
        let course = course(&material, &material.session.sites[0], at(0), at(60));
        assert_eq!(times(&course).down, Duration::from_mins(10));
        assert_eq!(outages(&course), [Outage { from: at(10), until: at(20) }]);
    }

    #[test]
    fn what_was_confirmed_after_the_end_and_began_before_it_counts() {
        let material =
            material(vec![change(-50, None, Health::Up), change(61, Some(58), Health::Down)]);
        assert_eq!(told(&material), [(0, "up"), (58, "down")]);
    }

    #[test]
    fn what_was_not_watched_is_not_known_even_if_nothing_changed() {
        let mut material = material(vec![change(-50, None, Health::Down)]);
        material.watches =
            vec![Watch { since: at(-60), until: at(10) }, Watch { since: at(30), until: at(70) }];
        assert_eq!(told(&material), [(0, "down"), (10, "unwatched"), (30, "down")]);
    }

    #[test]
    fn planned_work_above_a_site_is_work_at_the_site() {
        let mut material = material(vec![
            change(-50, None, Health::Up),
            change(10, None, Health::Down),
            change(40, None, Health::Up),
        ]);
        material.maintenance = vec![Maintenance {
            id: SilenceId::new("m"),
            sites: vec![SiteId::new("cho-don")],
            from: at(5),
            until: at(30),
            by: String::new(),
            reason: String::new(),
        }];
        assert_eq!(told(&material), [(0, "up"), (5, "planned"), (30, "down"), (40, "up")]);
    }

    #[test]
    fn who_joins_late_leaves_and_comes_back_is_absent_in_between() {
        let mut material = material(vec![change(-50, None, Health::Up)]);
        material.session.sites[0].stays = vec![
            Stay { from: Some(at(5)), until: Some(at(20)) },
            Stay { from: Some(at(50)), until: None },
        ];
        assert_eq!(told(&material), [(0, "absent"), (5, "up"), (20, "absent"), (50, "up")]);
    }

    #[test]
    fn a_site_that_was_never_heard_is_unseen() {
        assert_eq!(told(&material(Vec::new())), [(0, "unseen")]);
    }
}
