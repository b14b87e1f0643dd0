//! What is wrong with this monitor itself: an incident for each thing that somebody has to mend.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::ledger::Scope;
use super::severity::{self, Stake};
use super::{Monitor, flap, record};
use crate::model::{
    Affected, Evidence, Incident, Now, Part, Resolution, Saw, SelfDoubt, Severity, SiteId, SiteIx,
    TargetKey, Topology,
};

/// A monitor that has been blind for this long is as grave at night as by day.
const LONG: Duration = Duration::from_mins(10);

/// Something of ours that may be wrong apart from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::monitor) enum Weakness {
    /// We cannot see, or not all sites.
    Sight,
    /// Our clock was set, or is off.
    Clock,
    /// Alerts may not arrive.
    Drill,
    /// A part of this program is in trouble.
    Part(Part),
}

impl Weakness {
    /// What a doubt is about.
    fn of(doubt: &SelfDoubt) -> Self {
        match doubt {
            // Whether a drill showed it or an alert, it is one thing to mend.
            doubt if doubt.is_of_recipients() => Self::Part(Part::Recipients),
            SelfDoubt::ClockSet { .. } | SelfDoubt::ClockOff { .. } => Self::Clock,
            SelfDoubt::DrillMissed { .. }
            | SelfDoubt::NobodyReached { .. }
            | SelfDoubt::SessionMuted { .. }
            | SelfDoubt::SessionUnwatched { .. } => Self::Drill,
            SelfDoubt::Trouble { part, .. } => Self::Part(*part),
            _ => Self::Sight,
        }
    }

    /// What a record is about.
    pub(super) fn of_record(incident: &Incident) -> Self {
        incident.doubts().next_back().map_or(Self::Sight, Self::of)
    }
}

impl Monitor {
    /// Why we do not trust ourselves.
    pub(super) fn reasons(&self, now: Now) -> Vec<SelfDoubt> {
        let blind = self.sight.blind.values().cloned();
        let parts = self.sight.parts.iter();
        let parts =
            parts.map(|(part, detail)| SelfDoubt::Trouble { part: *part, detail: detail.clone() });
        let unasked: BTreeSet<&str> = match self.sight.is_blind() {
            true => BTreeSet::new(),
            false => {
                self.sight.unasked(&self.picture, now.mono).filter_map(|(_, how)| how).collect()
            }
        };
        let unasked =
            unasked.into_iter().map(|how| SelfDoubt::SitesUnasked { how: how.to_owned() });
        blind
            .chain(unasked)
            .chain(parts)
            .chain(self.drills.reasons(now.wall))
            .chain(self.hygiene.own_clock.clone())
            .collect()
    }

    /// Keeps the incidents about this monitor: open while there is any reason, over when there was
    /// none for a while.
    ///
    /// 1. What keeps us from seeing is one incident, whatever it is; it affects the sites of which
    ///    nothing is known because of it. Everything else is one for itself: another has to mend
    ///    it, and it ends at another time. What came back last from our gateway and from some of
    ///    the sites is its evidence, each time that it is on again. So it is where no name server
    ///    answers, once sites are unknown because of that; only they are at stake then. That some
    ///    recipients refuse messages is one, whether alerts show it or a drill; the others are
    ///    told, so it is a warning, except while a drill shows that they miss what a session
    ///    depends on.
    /// 2. That we see again is known by evidence only, which a restart takes away. The sites that
    ///    could not be asked before it are in the incident until they can be.
    pub(super) fn watch_ourselves(&mut self, now: Now) {
        let mut weak: BTreeMap<Weakness, Vec<SelfDoubt>> = BTreeMap::new();
        for doubt in self.reasons(now) {
            weak.entry(Weakness::of(&doubt)).or_default().push(doubt);
        }
        for (_, entry) in self.ledger.iter().filter(|(_, entry)| entry.incident.is_open()) {
            if let Scope::Monitor(weakness) = entry.scope {
                weak.entry(weakness).or_default();
            }
        }
        for (weakness, doubts) in weak {
            self.watch(weakness, doubts, now);
        }
    }

    /// Keeps one of them.
    fn watch(&mut self, weakness: Weakness, doubts: Vec<SelfDoubt>, now: Now) {
        let scope = Scope::Monitor(weakness);
        let by_sight = matches!(weakness, Weakness::Sight | Weakness::Clock);
        let (slot, mut is_on_again) = match (self.ledger.open_of(&scope), doubts.is_empty()) {
            (None, true) => return,
            (Some(_), true) if by_sight && !self.sight.sees(&self.picture, now.mono) => return,
            (None, false) => match self.ledger.reopen(&self.picture, &scope, None, now.mono, now) {
                Some(slot) => (slot, true),
                None => (self.ledger.open(&self.picture, scope, None, now.mono, now), false),
            },
            (Some(slot), _) => (slot, false),
        };
        let unseen = self.unseen(weakness, now);
        let flapping = &self.picture.config.settings.flapping;
        let topology = &self.picture.config.topology;
        let Some(entry) = self.ledger.get_mut(slot) else { return };
        let listed = entry.incident.affected_now().filter_map(|site| topology.find_site(site));
        if !listed.eq(unseen.iter().copied()) {
            affect(entry.change(), topology, &unseen, now.wall);
        }
        if doubts.is_empty() && unseen.is_empty() {
            let since = *entry.well_since.get_or_insert(now.mono);
            let deadline = since + flap::patience(&entry.incident, flapping, now.wall);
            if now.mono >= deadline {
                self.ledger.resolve(slot, &mut self.picture, Resolution::Recovered, now);
            } else {
                self.want_review(deadline);
            }
            return;
        }
        if entry.well_since.take().is_some() {
            flap::relapse(entry.change(), flapping, now.wall, now.wall);
            is_on_again = true;
        }
        let here = topology
            .vantage
            .map_or_else(|| SiteId::new("vchealth"), |site| topology.site(site).id.clone());
        let target = TargetKey { site: here, endpoint: None, check: None };
        let names_sites = matches!(weakness, Weakness::Sight | Weakness::Part(Part::Resolver));
        let evidence = &entry.incident.evidence;
        let is_mere_warning = weakness == Weakness::Part(Part::Recipients)
            && doubts.iter().all(|doubt| matches!(doubt, SelfDoubt::Trouble { .. }));
        let is_news = |saw: &Saw| is_on_again || !evidence.iter().any(|it| it.saw == *saw);
        let news = doubts.into_iter().map(Saw::Ourselves).filter(is_news);
        let mut seen: Vec<Evidence> =
            news.map(|saw| Evidence { target: target.clone(), at: now.wall, saw }).collect();
        // Of a part in trouble it shows only by and by who is unknown because of it, each time that
        // it is on again: what stands before the last doubt is of another time.
        let is_of_a_site = |it: &&Evidence| it.target.site != target.site;
        let is_doubt = |it: &&Evidence| matches!(it.saw, Saw::Ourselves(_));
        let of_this_time = evidence.iter().rev().take_while(|it| !is_doubt(it));
        let shown = of_this_time.filter(is_of_a_site).count();
        let is_bare = shown < unseen.len().min(record::EXAMPLES) || is_on_again;
        let is_sight = weakness == Weakness::Sight;
        let is_wanting = if is_sight { !seen.is_empty() } else { is_bare };
        if names_sites && is_wanting {
            let others = unseen.iter().copied().filter(|ix| Some(*ix) != topology.vantage);
            let observed = record::observe_from_here(&self.picture, others, now);
            seen.extend(observed.into_iter().filter(|it| is_sight || is_of_a_site(&it)));
        }
        seen.retain(|it| !evidence.contains(it));
        if !seen.is_empty() {
            record::add_evidence(entry.change(), seen);
        }
        // Who has missed some sites for long may only now miss all of them.
        let since = if self.sight.is_blind() { self.sight.since } else { entry.began_at };
        let lasts = by_sight && !unseen.is_empty() && now.mono - since >= LONG;
        // Who will be unknown for a part in trouble does not show at once.
        let nobody_yet = !is_sight && unseen.is_empty() && entry.incident.affected.is_empty();
        let stake = if names_sites && !nobody_yet {
            Stake::at(&self.picture, unseen)
        } else {
            Stake::at(&self.picture, topology.site_ixs())
        };
        let delegates = if names_sites && nobody_yet { 0 } else { stake.delegates };
        let severity = match is_mere_warning {
            true => Severity::Warning,
            false => severity::of_ourselves(&stake, lasts),
        };
        // What a drill showed before a session that is over makes it no more urgent.
        if is_mere_warning && entry.incident.severity > severity {
            let incident = entry.change();
            incident.severity = severity;
            let by_drill = |saw: &Saw| matches!(saw, Saw::Ourselves(SelfDoubt::DrillMissed { .. }));
            incident.evidence.retain(|it| !by_drill(&it.saw));
        }
        let of = u32::try_from(topology.sites.len()).unwrap_or(u32::MAX);
        let known = &entry.incident;
        let is_more = known.severity < severity || known.delegates < delegates;
        if is_more || known.of != of || known.session != stake.session {
            let incident = entry.change();
            incident.severity = incident.severity.max(severity);
            incident.of = of;
            incident.delegates = incident.delegates.max(delegates);
            incident.session = stake.session;
        }
    }

    /// The sites of which nothing is known because of this.
    fn unseen(&self, weakness: Weakness, now: Now) -> BTreeSet<SiteIx> {
        let all = || self.topology().site_ixs().collect();
        let blind = self.sight.blind.values().any(|doubt| Weakness::of(doubt) == weakness);
        match weakness {
            Weakness::Sight | Weakness::Clock if blind => all(),
            Weakness::Sight if !self.sight.is_blind() => {
                self.sight.unasked(&self.picture, now.mono).map(|(site, _)| site).collect()
            }
            Weakness::Part(Part::Resolver) if !self.sight.is_blind() => {
                self.sight.unresolved(&self.picture).collect()
            }
            _ => BTreeSet::new(),
        }
    }
}

/// Writes down that these sites are affected now and no others, in the order of the topology.
fn affect(incident: &mut Incident, topology: &Topology, sites: &BTreeSet<SiteIx>, now: Timestamp) {
    let mut left = sites.clone();
    for affected in &mut incident.affected {
        match topology.find_site(&affected.site) {
            Some(site) if left.remove(&site) => affected.until = None,
            _ => _ = affected.until.get_or_insert(now),
        }
    }
    incident.affected.extend(left.into_iter().map(|site| Affected {
        site: topology.site(site).id.clone(),
        since: now,
        until: None,
        passed_on: false,
    }));
    incident.affected.sort_by_key(|affected| topology.find_site(&affected.site));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::super::tests::{config, province, session, start};
    use super::super::{Command, Input};
    use super::*;
    use crate::model::{
        Ailment, Cause, ChannelId, Drill, DrillState, Durable, IncidentId, SessionId,
    };

    /// What is open about a monitor, half an hour before a session, of which a recipient refuses
    /// messages; by a drill as well if that is so. Then the same once that session is over.
    fn open_about_it(by_drill: bool) -> [Vec<Incident>; 2] {
        let (mut now, sms) = (start(), ChannelId::new("sms"));
        let mut config = config(province("{bac-kan: {cho-don: [tan-lap, bang-lung]}}"));
        config.sessions = vec![session(&config.topology, "giao-ban", 1_800, 7_200)];
        let drill = Drill {
            session: SessionId::new("giao-ban"),
            incident: IncidentId::new("drill.giao-ban.x"),
            title: "Giao ban".to_owned(),
            start: config.sessions[0].start,
            end: config.sessions[0].end,
            at: now.wall - SignedDuration::from_mins(5),
            reached: [(sms.clone(), Vec::new())].into(),
            played: None,
            doubt: None,
            refused: [(sms.clone(), vec!["2".to_owned()])].into(),
            state: DrillState::Failed { missing: vec![sms] },
        };
        let drills = by_drill.then(|| (drill.session.clone(), drill)).into_iter().collect();
        let durable = Durable { drills, ..Durable::default() };
        let mut monitor = Monitor::new(Arc::new(config), durable, now);
        let trouble = Some(Ailment::Words("sms (2)".to_owned()));
        [10, 7_300].map(|until| {
            while now.mono < start().mono + Duration::from_secs(until) {
                let refuses = Input::Part { part: Part::Recipients, trouble: trouble.clone() };
                monitor.handle(refuses, now);
                monitor.handle(Input::Tick, now);
                while monitor.poll_command().is_some() {}
                now = now.plus(Duration::from_millis(500));
            }
            ours(&mut monitor, now)
        })
    }

    /// The open incidents about a monitor itself.
    fn ours(monitor: &mut Monitor, now: Now) -> Vec<Incident> {
        let all = &monitor.snapshot(now).incidents;
        let ours = all.iter().filter(|it| it.is_open() && it.cause == Cause::Monitor);
        ours.map(|it| (**it).clone()).collect()
    }

    #[test]
    fn a_part_in_trouble_of_which_nothing_is_heard_yet_after_a_restart_has_not_been_well() {
        for part in [Part::Resolver, Part::Store, Part::Courier, Part::Recipients] {
            let (mut now, mut durable) = (start(), Durable::default());
            let config = Arc::new(config(province("{bac-kan: {cho-don: [tan-lap, bang-lung]}}")));
            let mut seen = Vec::new();
            for _ in 0..3 {
                let mut monitor = Monitor::new(Arc::clone(&config), durable.clone(), now);
                for tick in 0..5 {
                    // The first reading comes a moment after the first look.
                    let trouble = Some(Ailment::Words("sms (2)".to_owned()));
                    if tick > 0 {
                        monitor.handle(Input::Part { part, trouble }, now);
                    }
                    monitor.handle(Input::Tick, now);
                    while let Some(command) = monitor.poll_command() {
                        if let Command::Commit(batch) = command {
                            durable.apply(&batch);
                        }
                    }
                    now = now.plus(Duration::from_millis(900));
                }
                seen = ours(&mut monitor, now);
            }
            let [it] = &seen[..] else { panic!("{seen:?}") };
            assert_eq!((it.relapses.len(), it.flapping), (0, false), "{part:?}");
        }
    }

    #[test]
    fn a_recipient_who_refuses_alerts_and_a_drill_is_one_incident() {
        for (by_drill, severity, doubts) in
            [(false, Severity::Warning, 1), (true, Severity::Critical, 2)]
        {
            let [open, later] = open_about_it(by_drill);
            assert_eq!(open.len(), 1, "{open:?}");
            assert_eq!((open[0].severity, open[0].evidence.len()), (severity, doubts));
            let known = Weakness::of_record(&open[0]);
            assert_eq!(known, Weakness::Part(Part::Recipients), "also after a restart");
            let is_it = |it: &&Incident| it.id == open[0].id;
            let later = later.iter().find(is_it).expect("nobody has mended it");
            assert_eq!((later.severity, later.evidence.len()), (Severity::Warning, 1));
        }
    }
}
