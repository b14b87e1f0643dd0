//! Where every site stands relative to its sessions, read from the calendar.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{Config, PhaseSettings};
use crate::model::{Importance, Phase, Session, SiteIx, Topology};

/// Where the sites stand at one moment, and until when that holds.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    sites: Vec<Standpoint>,
    /// Sessions that are not idle, soonest first.
    near: Vec<Arc<Session>>,
    /// The moments for which it holds: from the last change of any session's phase to the next.
    holds: [Timestamp; 2],
}

/// Where one site stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Standpoint {
    /// Its own phase, in the session that counts.
    pub(super) phase: Phase,
    /// The phase that its probes keep pace with: the nearest of all its sessions and those of the
    /// sites whose lines run through it.
    pub(super) pace: Phase,
    /// The session that counts of those that are on or near; none when idle.
    pub(super) session: Option<Arc<Session>>,
    /// Its delegates in that session.
    pub(super) delegates: u32,
}

impl Plan {
    /// Reads the calendar at `at`.
    ///
    /// 1. Of a site's sessions the one counts at which most is at [stake](weight): one that people
    ///    wait for before a rehearsal, then live before readiness before wrap-up, then the more
    ///    important. Of two alike it is the one with more delegates here, then the one that starts
    ///    first.
    /// 2. A site is probed at the pace of the nearest phase of all its sessions, rehearsals
    ///    included, and of everything whose line runs through it: a session is only as good as the
    ///    uplinks under it. Where this monitor stands everything runs through.
    /// 3. Instants are compared, never local times, so neither midnight nor a change of the
    ///    clocks' zone matters.
    pub(super) fn read(config: &Config, at: Timestamp) -> Self {
        let topology = &config.topology;
        let mut sites = vec![Standpoint::default(); topology.sites.len()];
        let mut near = Vec::new();
        let mut holds = [Timestamp::MIN, Timestamp::MAX];
        for session in &config.sessions {
            let phase = phase(session, &config.settings.phases, at);
            for edge in edges(session, &config.settings.phases) {
                if edge <= at {
                    holds[0] = holds[0].max(edge);
                } else {
                    holds[1] = holds[1].min(edge);
                }
            }
            if phase == Phase::Idle {
                continue;
            }
            near.push(Arc::clone(session));
            for (site, delegates) in &session.sites {
                let Some(standpoint) = sites.get_mut(site.ix()) else { continue };
                standpoint.pace = standpoint.pace.max(phase);
                let counts = standpoint.session.as_ref().is_none_or(|other| {
                    let before = weight(standpoint.phase, other.importance);
                    let more = |weight, delegates, start| (weight, delegates, Reverse(start));
                    more(weight(phase, session.importance), *delegates, session.start)
                        > more(before, standpoint.delegates, other.start)
                });
                if counts {
                    standpoint.phase = phase;
                    standpoint.session = Some(Arc::clone(session));
                    standpoint.delegates = *delegates;
                }
            }
        }
        near.sort_by_key(|session| session.start);
        spread_pace(topology, &mut sites);
        Self { sites, near, holds }
    }

    /// Whether it no longer says what the calendar says at `at`; also after the clock was set.
    pub(super) fn is_over(&self, at: Timestamp) -> bool {
        at < self.holds[0] || at >= self.holds[1]
    }

    /// Where a site stands.
    pub(super) fn site(&self, site: SiteIx) -> &Standpoint {
        &self.sites[site.ix()]
    }

    /// The sessions that are on or near, soonest first.
    pub(super) fn near(&self) -> &[Arc<Session>] {
        &self.near
    }
}

/// Where a session stands.
pub(super) fn phase(session: &Session, phases: &PhaseSettings, at: Timestamp) -> Phase {
    session.phase(at, phases.readiness_before, phases.wrap_up_after)
}

/// How much is at stake in a session of this importance in this phase; greater is more.
pub(super) fn weight(phase: Phase, importance: Importance) -> impl Ord {
    (matters(phase, importance), phase, importance)
}

/// Whether people are waiting for a session or sit in it, and it is more than a rehearsal.
pub(super) fn matters(phase: Phase, importance: Importance) -> bool {
    matches!(phase, Phase::Readiness | Phase::Live) && importance != Importance::Low
}

/// When the readiness for a session begins.
pub(super) fn readiness_begins(session: &Session, phases: &PhaseSettings) -> Timestamp {
    session.start.checked_sub(phases.readiness_before).unwrap_or(Timestamp::MIN)
}

/// The moments at which a session's phase changes.
fn edges(session: &Session, phases: &PhaseSettings) -> [Timestamp; 4] {
    [
        readiness_begins(session, phases),
        session.start,
        session.end,
        session.end.checked_add(phases.wrap_up_after).unwrap_or(Timestamp::MAX),
    ]
}

/// Gives every site the nearest pace among itself and what hangs on it.
fn spread_pace(topology: &Topology, sites: &mut [Standpoint]) {
    let mut nearest = Phase::Idle;
    for site in topology.site_ixs() {
        let pace = sites[site.ix()].pace;
        nearest = nearest.max(pace);
        let mut above = topology.site(site).parent;
        while let Some(here) = above {
            let standpoint = &mut sites[here.ix()];
            if standpoint.pace >= pace {
                break;
            }
            standpoint.pace = pace;
            above = topology.site(here).parent;
        }
    }
    if let Some(vantage) = topology.vantage {
        sites[vantage.ix()].pace = nearest;
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::SiteId;
    use crate::monitor::tests as testing;

    fn at(seconds: i64) -> Timestamp {
        testing::start().wall + SignedDuration::from_secs(seconds)
    }

    fn site(config: &Config, id: &str) -> SiteIx {
        config.topology.find_site(&SiteId::new(id)).unwrap()
    }

    #[test]
    fn a_session_passes_through_all_phases_and_the_plan_knows_when() {
        let mut config = testing::config(testing::province("{tinh: [a, b]}"));
        config.sessions = vec![testing::session(&config.topology, "s", 7200, 10_800)];
        let a = site(&config, "a");
        let moments = [
            (0, Phase::Idle),
            (3600, Phase::Readiness),
            (7200, Phase::Live),
            (10_800, Phase::WrapUp),
            (11_700, Phase::Idle),
        ];
        let mut plan = Plan::read(&config, at(-1));
        for (moment, phase) in moments {
            assert_eq!(plan.is_over(at(moment)), moment > 0, "at {moment}");
            plan = Plan::read(&config, at(moment));
            assert_eq!(plan.site(a).phase, phase, "at {moment}");
            assert!(!plan.is_over(at(moment)));
        }
        assert!(plan.is_over(at(8000)), "a clock that was set back is noticed");
    }

    #[test]
    fn a_site_in_two_sessions_takes_the_nearer_phase() {
        let mut config = testing::config(testing::province("{tinh: [a, b]}"));
        config.sessions = vec![
            testing::session(&config.topology, "over", -3600, -60),
            testing::session(&config.topology, "on", -60, 3600),
            testing::session(&config.topology, "next", 1800, 7200),
        ];
        let plan = Plan::read(&config, at(0));
        let a = plan.site(site(&config, "a"));
        assert_eq!((a.phase, a.session.as_ref().unwrap().id.as_str()), (Phase::Live, "on"));
        assert_eq!(plan.near().len(), 3);
    }

    #[test]
    fn a_rehearsal_sets_the_pace_and_the_session_that_people_wait_for_counts() {
        let mut config = testing::config(testing::province("{tinh: [a, b]}"));
        let mut rehearsal = (*testing::session(&config.topology, "try", -60, 1800)).clone();
        rehearsal.importance = Importance::Low;
        for delegates in rehearsal.sites.values_mut() {
            *delegates = 900;
        }
        let session = testing::session(&config.topology, "s", 600, 7200);
        let a = site(&config, "a");
        for sessions in [[0, 1], [1, 0]] {
            let both = [Arc::new(rehearsal.clone()), Arc::clone(&session)];
            config.sessions = sessions.map(|n| Arc::clone(&both[n])).to_vec();
            for (moment, phase) in [(0, Phase::Readiness), (601, Phase::Live)] {
                let plan = Plan::read(&config, at(moment));
                let a = plan.site(a);
                assert_eq!((a.phase, a.pace, a.delegates), (phase, Phase::Live, 50));
            }
            let after = Plan::read(&config, at(7201));
            assert_eq!(after.site(a).pace, Phase::WrapUp);
        }
    }

    #[test]
    fn of_two_sessions_alike_the_one_with_more_delegates_counts() {
        let mut config = testing::config(testing::province("{tinh: [a, b]}"));
        let large = testing::session(&config.topology, "large", -60, 3600);
        let mut small = (*testing::session(&config.topology, "small", -600, 3600)).clone();
        for delegates in small.sites.values_mut() {
            *delegates = 20;
        }
        config.sessions = vec![Arc::new(small), large];
        let plan = Plan::read(&config, at(0));
        assert_eq!(plan.site(site(&config, "a")).delegates, 50);
    }

    #[test]
    fn uplinks_keep_pace_with_what_hangs_on_them() {
        let mut config = testing::config(testing::province("{tinh: {x: {a: ~, b: ~}, y: {c: ~}}}"));
        let a = site(&config, "a");
        let mut session = (*testing::session(&config.topology, "s", -60, 3600)).clone();
        session.sites.retain(|site, _| *site == a);
        config.sessions = vec![Arc::new(session)];
        let plan = Plan::read(&config, at(0));
        let pace = |id| plan.site(site(&config, id)).pace;
        assert_eq!([pace("a"), pace("x"), pace("tinh")], [Phase::Live; 3]);
        assert_eq!([pace("b"), pace("y"), pace("c")], [Phase::Idle; 3]);
        assert_eq!(plan.site(site(&config, "x")).phase, Phase::Idle);
    }

    #[test]
    fn midnight_is_a_moment_like_any_other() {
        let mut config = testing::config(testing::province("{tinh: [a]}"));
        // 23:30 to 00:30 in Vietnam.
        config.sessions = vec![testing::session(&config.topology, "late", 59_400, 63_000)];
        let a = site(&config, "a");
        for moment in [59_400, 61_199, 61_200, 61_201, 62_999] {
            assert_eq!(Plan::read(&config, at(moment)).site(a).phase, Phase::Live);
        }
    }
}
