//! What people do about incidents: they take them on, hold messages back and announce work.

use super::Monitor;
use crate::model::{Ack, Act, Change, IncidentId, LinkUse, Maintenance, Mono, Silence, SilenceId};

impl Monitor {
    /// Somebody takes an incident on; whether it is open. One that is over needs nobody.
    pub(super) fn take_on(&mut self, incident: &IncidentId, ack: Ack, now: Mono) -> bool {
        let open = self.ledger.find(incident).filter(|it| it.incident.is_open());
        let Some(entry) = open else { return false };
        let incident = entry.change();
        incident.let_go();
        incident.ack = Some(ack);
        // Whoever is shown it may rely on it: it is written at once, as it is, and not when a
        // review has made of it what follows.
        self.changes.push(Change::Incident(Box::new((*entry.incident).clone())));
        self.want_review(now);
        self.commit_at = now;
        true
    }

    /// Messages are held back for a while.
    pub(super) fn silence(&mut self, silence: Silence, now: Mono) {
        self.changes.push(Change::Silence(Box::new(silence.clone())));
        self.mutes.silences.insert(silence.id.clone(), silence);
        self.retell(now);
    }

    /// Planned work is announced.
    pub(super) fn maintain(&mut self, window: Maintenance, now: Mono) {
        self.changes.push(Change::Maintenance(Box::new(window.clone())));
        self.mutes.maintenance.insert(window.id.clone(), window);
        self.retell(now);
    }

    /// A silence or planned work ends now; whether there is such a thing.
    pub(super) fn lift(&mut self, id: SilenceId, now: Mono) -> bool {
        let there = self.mutes.lift(&id);
        if there {
            self.changes.push(Change::Lift(id));
            self.retell(now);
        }
        there
    }

    /// What was chosen with a link, and that the link was used, become durable together: whatever
    /// dies meanwhile, no link is used up for nothing. Whether what it is about is open; if not,
    /// the link is not used up.
    pub(super) fn use_link(&mut self, used: LinkUse, act: Act, now: Mono) -> bool {
        let incident = used.incident.clone();
        let open = self.ledger.find(&incident).is_some_and(|it| it.incident.is_open());
        if open {
            match act {
                Act::Ack(ack) => {
                    self.take_on(&incident, ack, now);
                }
                Act::Silence(silence) => self.silence(silence, now),
                Act::Maintain(window) => self.maintain(window, now),
            }
            self.changes.push(Change::LinkUse(Box::new(used)));
            self.commit_at = now;
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::super::tests::{config, province, start};
    use super::*;
    use crate::model::{
        Batch, Chosen, Durable, HardState, Health, Incident, Now, SiteId, TargetKey,
    };
    use crate::monitor::mute::Place;
    use crate::monitor::{Command, Input};
    use crate::store::tests::incident;

    /// A monitor that was restarted while a site was down.
    fn watching() -> (Monitor, Incident, Now) {
        let now = start();
        let config = Arc::new(config(province("{bac-kan: {cho-don: [tan-lap, bang-lung]}}")));
        let key = TargetKey { site: SiteId::new("tan-lap"), endpoint: None, check: None };
        let down = HardState { health: Health::Down, since: now.wall, began: None, seen_up: true };
        let mut it = incident("tan-lap.access.x", "tan-lap");
        (it.began, it.opened) = (now.wall, now.wall);
        let durable = Durable {
            health: [(key, down)].into(),
            incidents: [(it.id.clone(), it.clone())].into(),
            ..Durable::default()
        };
        (Monitor::new(config, durable, now), it, now)
    }

    fn used(incident: &Incident, at: Timestamp) -> LinkUse {
        let (nonce, by) = ("7".to_owned(), "Hà".to_owned());
        LinkUse { nonce, incident: incident.id.clone(), at, by, chosen: Chosen::Ack }
    }

    /// The batch that says that a link was used.
    fn commits(monitor: &mut Monitor) -> Option<Batch> {
        let mut found = None;
        while let Some(command) = monitor.poll_command() {
            if let Command::Commit(batch) = command
                && batch.changes.iter().any(|change| matches!(change, Change::LinkUse(_)))
            {
                assert!(found.replace(batch).is_none(), "once");
            }
        }
        found
    }

    #[test]
    fn that_a_link_was_used_and_what_for_are_one_batch_whenever_it_comes() {
        // Whatever is due at that moment, such as a review that still has to wait for its turn.
        for after_ms in [0, 1, 5, 19, 20, 200, 999, 1_000, 1_001, 5_000] {
            let (mut monitor, it, now) = watching();
            monitor.handle(Input::Tick, now);
            let now = now.plus(std::time::Duration::from_millis(after_ms));
            let used = used(&it, now.wall);
            let ack = Ack { by: "Hà".to_owned(), at: now.wall, note: String::new(), until: None };
            let act = Act::Ack(ack.clone());
            monitor.handle(Input::LinkUse { used, act }, now);
            let batch = commits(&mut monitor).expect("it is committed at once");
            let acked = |change: &Change| matches!(change, Change::Incident(record) if record.ack.as_ref() == Some(&ack));
            assert!(batch.changes.iter().any(acked), "{after_ms} ms: {batch:?}");
        }
    }

    #[test]
    fn work_announced_with_a_link_is_one_batch_with_its_use_and_holds_messages_back() {
        let (mut monitor, it, now) = watching();
        monitor.handle(Input::Tick, now);
        let until = now.wall + jiff::SignedDuration::from_hours(4);
        let window = Maintenance {
            id: SilenceId::new("m-1"),
            sites: it.site.iter().cloned().collect(),
            from: now.wall,
            until,
            by: "Hà".to_owned(),
            reason: "thay bộ định tuyến".to_owned(),
        };
        let used = LinkUse { chosen: Chosen::Maintenance { until }, ..used(&it, now.wall) };
        let act = Act::Maintain(window.clone());
        monitor.handle(Input::LinkUse { used, act }, now);
        let batch = commits(&mut monitor).expect("it is committed at once");
        let kept = |change: &Change| matches!(change, Change::Maintenance(it) if **it == window);
        assert!(batch.changes.iter().any(kept), "{batch:?}");
        let topology = Arc::clone(monitor.topology());
        let site = topology.find_site(&window.sites[0]).unwrap();
        let place = Place { topology: &topology, site, at: now.wall };
        assert!(monitor.mutes.is_in_maintenance(place));
    }

    #[test]
    fn an_ack_is_in_what_is_committed_before_it_is_in_what_is_shown() {
        for after_ms in [0, 1, 5, 19, 20, 200, 999, 1_000, 1_001, 5_000] {
            let (mut monitor, it, now) = watching();
            monitor.handle(Input::Tick, now);
            while monitor.poll_command().is_some() {}
            let now = now.plus(std::time::Duration::from_millis(after_ms));
            let ack = Ack { by: "Hà".to_owned(), at: now.wall, note: String::new(), until: None };
            monitor.handle(Input::Ack { incident: it.id.clone(), ack: ack.clone() }, now);
            let mut committed = false;
            while let Some(command) = monitor.poll_command() {
                if let Command::Commit(batch) = command {
                    committed |= batch.changes.iter().any(|change| {
                        matches!(change, Change::Incident(it) if it.ack.as_ref() == Some(&ack))
                    });
                }
            }
            let shown = monitor.snapshot(now).incidents;
            assert!(shown.iter().any(|it| it.ack.as_ref() == Some(&ack)), "{after_ms} ms");
            assert!(committed, "{after_ms} ms");
        }
    }

    #[test]
    fn whoever_is_relieved_of_an_incident_stays_on_record() {
        let (mut monitor, it, now) = watching();
        let names: Vec<String> = (0..30).map(|n| format!("Hà {n}")).collect();
        for by in &names {
            let ack = Ack { by: by.clone(), at: now.wall, note: String::new(), until: None };
            monitor.handle(Input::Ack { incident: it.id.clone(), ack }, now);
        }
        let shown = monitor.snapshot(now).incidents;
        let it = shown.iter().find(|other| other.id == it.id).unwrap();
        assert_eq!(it.taken_by(now.wall).unwrap().by, "Hà 29");
        assert_eq!(it.first_ack().unwrap().by, "Hà 0");
        assert_eq!(it.earlier_acks.last().unwrap().by, "Hà 28");
        assert_eq!(it.earlier_acks.len(), 20, "a record is of bounded size");
    }

    #[test]
    fn a_link_about_what_is_over_is_not_used_up() {
        let (mut monitor, mut it, now) = watching();
        it.id = IncidentId::new("another");
        let used = used(&it, now.wall);
        let ack = Ack { by: "Hà".to_owned(), at: now.wall, note: String::new(), until: None };
        monitor.handle(Input::LinkUse { used, act: Act::Ack(ack) }, now);
        monitor.handle(Input::Stop, now.plus(std::time::Duration::from_secs(1)));
        assert_eq!(commits(&mut monitor), None);
    }
}
