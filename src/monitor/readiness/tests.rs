//! The moments before sessions at which the daemon looks, and what is told of what it finds.

use super::*;
use crate::config::{Channel, Hours, Receiver, Route, Step, When};
use crate::lab::world::{Nature, World};
use crate::model::{
    Batch, ChannelId, Failure, Finding, Found, Importance, Maintenance, Outcome, RemoteFailure,
    Session, Silence, SilenceId,
};
use crate::monitor::tests as testing;
use crate::monitor::{Command, Input};

/// A monitor of a province in which all is well, what it orders, and what it made durable.
struct Desk {
    monitor: Monitor,
    world: World,
    durable: Durable,
    orders: Vec<(i64, ReadinessOrder)>,
    messages: Vec<Notification>,
    now: Now,
}

fn at(seconds: i64) -> Now {
    testing::start().plus(Duration::from_secs(u64::try_from(seconds).unwrap()))
}

/// A small province with a session that begins after so many seconds.
fn config(start: i64) -> Config {
    let mut config = testing::config(testing::province("{tinh: [a, b, c]}"));
    config.sessions = vec![testing::session(&config.topology, "s", start, start + 7200)];
    config
}

impl Desk {
    fn open(config: Config, durable: Durable, now: Now) -> Self {
        let world = World::new(Arc::clone(&config.topology), Nature::default());
        let monitor = Monitor::new(Arc::new(config), durable.clone(), now);
        Self { monitor, world, durable, orders: Vec::new(), messages: Vec::new(), now }
    }

    fn tell(&mut self, input: Input) {
        let now = self.now;
        self.monitor.handle(input, now);
        while let Some(command) = self.monitor.poll_command() {
            match command {
                Command::Probe(request) => {
                    let sight = self.world.probe(now, request.target, request.effort);
                    let finished = now.mono + sight.took;
                    let (lost, heard, result) = (sight.lost, sight.heard, sight.result);
                    let outcome = Outcome { request, started: now, finished, lost, heard, result };
                    self.monitor.handle(Input::Outcome(outcome), now);
                }
                Command::Readiness(order) => {
                    let since = self.now.wall.duration_since(testing::start().wall);
                    self.orders.push((since.as_secs(), order));
                }
                Command::Commit(batch) => self.commit(batch),
                Command::Drill(_) => {}
            }
        }
    }

    fn commit(&mut self, batch: Batch) {
        self.durable.apply(&batch);
        for change in batch.changes {
            if let Change::Notify(message) = change {
                self.messages.push(*message);
            }
        }
    }

    /// Lets time pass until so many seconds after the beginning; answers every order after
    /// half a minute with what `found` says of the sites.
    fn pass(&mut self, until: i64, found: &[(&str, Found, Verdict)]) {
        while self.now.wall < at(until).wall {
            self.now = self.now.plus(Duration::from_secs(1));
            self.tell(Input::Tick);
            if let Some((ordered, order)) = self.orders.last().cloned()
                && self.now.wall == at(ordered + 30).wall
            {
                let run = self.run(Some(&order), found);
                self.tell(Input::Readiness(Box::new(run)));
            }
        }
    }

    fn session(&self) -> Arc<Session> {
        Arc::clone(&self.monitor.config().sessions[0])
    }

    fn run(
        &self,
        order: Option<&ReadinessOrder>,
        found: &[(&str, Found, Verdict)],
    ) -> ReadinessRun {
        let session = self.session();
        let sites = session.sites.iter().map(|(ix, delegates)| {
            let site = self.monitor.topology().site(*ix);
            let here = found.iter().filter(|(id, ..)| *id == site.id.as_str());
            let findings: Vec<Finding> = here
                .map(|(_, found, verdict)| Finding {
                    verdict: *verdict,
                    endpoint: None,
                    check: None,
                    found: found.clone(),
                })
                .collect();
            SiteReadiness {
                work: None,
                site: site.id.clone(),
                name: site.name.clone(),
                delegates: *delegates,
                verdict: findings.first().map_or(Verdict::Ready, |it| it.verdict),
                findings,
                train: None,
                mtu: None,
                contacts: Vec::new(),
                checked: self.now.wall,
            }
        });
        ReadinessRun {
            session: session.id.clone(),
            title: session.title.clone(),
            start: session.start,
            end: session.end,
            lead_s: order.and_then(|order| order.lead).map(|lead| lead.as_secs()),
            began: order.map_or(self.now.wall, |_| at(self.orders.last().unwrap().0).wall),
            finished: self.now.wall,
            own_clock_off_s: None,
            sites: sites.collect(),
            told: Vec::new(),
            said: Vec::new(),
        }
    }
}

fn silent() -> Found {
    Found::Silent(Failure::Remote(RemoteFailure::Timeout))
}

fn dead(site: &str) -> (&str, Found, Verdict) {
    (site, silent(), Verdict::NotReady)
}

const DAY: i64 = 86_400;

#[test]
fn the_daemon_looks_at_each_of_its_moments_and_at_no_other() {
    let start = DAY + 3600;
    let mut desk = Desk::open(config(start), Durable::default(), at(0));
    desk.pass(start + 600, &[]);
    let moments: Vec<i64> = desk.orders.iter().map(|(at, _)| start - at).collect();
    assert_eq!(moments, [86_400, 3600, 1800, 600]);
    let leads: Vec<u64> =
        desk.orders.iter().map(|(_, order)| order.lead.unwrap().as_secs()).collect();
    assert_eq!(leads, [86_400, 3600, 1800, 600]);
    assert!(desk.messages.is_empty(), "nothing is said while all are ready");
}

#[test]
fn a_restart_repeats_no_run_and_makes_up_the_one_that_was_missed() {
    let start = 4 * 3600;
    let mut desk = Desk::open(config(start), Durable::default(), at(0));
    desk.pass(10, &[]);
    assert_eq!(desk.orders.len(), 1, "the day's run was missed before the first start");
    desk.pass(60, &[]);
    // Back after the hour's moment, well before the half hour's.
    let mut desk = Desk::open(config(start), desk.durable, at(start - 3000));
    desk.pass(start - 2900, &[]);
    let leads: Vec<u64> =
        desk.orders.iter().map(|(_, order)| order.lead.unwrap().as_secs()).collect();
    assert_eq!(leads, [3600]);
    let mut desk = Desk::open(config(start), desk.durable, at(start - 2890));
    desk.pass(start - 1801, &[]);
    assert!(desk.orders.is_empty(), "it was done: {:?}", desk.orders);
    // Back four minutes before the next moment: that one is enough.
    let mut desk = Desk::open(config(start), Durable::default(), at(start - 2040));
    desk.pass(start - 1801, &[]);
    assert!(desk.orders.is_empty(), "{:?}", desk.orders);
    // Back when the session is about to begin: nobody could mend anything.
    let mut desk = Desk::open(config(start), Durable::default(), at(start - 200));
    desk.pass(start + 60, &[]);
    assert!(desk.orders.is_empty(), "{:?}", desk.orders);
}

#[test]
fn whoever_wants_to_know_has_it_looked_at_at_once_and_once() {
    let mut desk = Desk::open(config(3 * DAY), Durable::default(), at(0));
    desk.pass(10, &[]);
    assert!(desk.orders.is_empty(), "the session is far off");
    for session in ["s", "s", "nowhere"] {
        desk.tell(Input::LookAhead(SessionId::new(session)));
    }
    desk.pass(60, &[dead("a")]);
    let orders: Vec<_> = desk.orders.iter().map(|(_, it)| (it.session.as_str(), it.lead)).collect();
    assert_eq!(orders, [("s", None)]);
    assert_eq!(desk.monitor.snapshot(desk.now).readiness[0].count(Verdict::NotReady), 1);
    desk.tell(Input::LookAhead(SessionId::new("s")));
    desk.pass(120, &[]);
    assert_eq!(desk.orders.len(), 2, "it is looked at as often as somebody wants");
}

#[test]
fn a_run_that_never_comes_back_is_ordered_again() {
    let mut desk = Desk::open(config(1700), Durable::default(), at(0));
    desk.tell(Input::Tick);
    for second in 1..700 {
        desk.now = at(second);
        desk.tell(Input::Tick);
    }
    assert_eq!(desk.orders.len(), 2, "{:?}", desk.orders);
    desk.tell(Input::NoReadiness);
    let before = desk.orders.len();
    for second in 700..762 {
        desk.now = at(second);
        desk.tell(Input::Tick);
    }
    assert_eq!(desk.orders.len(), before + 1, "tried again after a minute");
}

#[test]
fn what_is_not_ready_is_one_message_and_what_is_mended_one_more() {
    let start = 2 * 3600;
    let mut desk = Desk::open(config(start), Durable::default(), at(0));
    desk.pass(start - 3500, &[dead("a"), ("b", Found::Clock { offset_s: 300 }, Verdict::AtRisk)]);
    let [first, second] = &desk.messages[..] else { panic!("{:?}", desk.messages) };
    assert_ne!(first.id, second.id, "the run that was made up, and the hour's");
    assert_eq!(second.kind, NotificationKind::Firing);
    let notice = second.alert.readiness.as_ref().unwrap();
    assert_eq!(notice.counts, [2, 1, 0, 1]);
    assert_eq!(notice.run.sites.len(), 2, "only those of which there is something to say");
    let incident = &second.alert.incident;
    assert_eq!((incident.cause, incident.severity), (Cause::Access, Severity::Warning));
    assert_eq!(incident.affected[0].site.as_str(), "a");
    desk.messages.clear();
    desk.pass(start - 1700, &[]);
    let [over] = &desk.messages[..] else { panic!("{:?}", desk.messages) };
    assert_eq!(over.kind, NotificationKind::Resolved);
    desk.messages.clear();
    desk.pass(start - 500, &[]);
    assert!(desk.messages.is_empty(), "all well twice is no news");
}

#[test]
fn it_is_urgent_shortly_before_and_sooner_when_it_matters_more() {
    for (importance, left, severity) in [
        (Importance::Normal, 3500, Severity::Warning),
        (Importance::High, 3500, Severity::Critical),
        (Importance::Normal, 1700, Severity::Critical),
    ] {
        let mut config = config(3600);
        let mut session = (*config.sessions[0]).clone();
        session.importance = importance;
        config.sessions = vec![Arc::new(session)];
        let mut desk = Desk::open(config, Durable::default(), at(3600 - left));
        let found = [dead("a")];
        let order =
            ReadinessOrder { session: SessionId::new("s"), lead: Some(Duration::from_secs(3600)) };
        desk.orders.push((3600 - left, order.clone()));
        let run = desk.run(Some(&order), &found);
        desk.tell(Input::Readiness(Box::new(run)));
        let told: Vec<Severity> =
            desk.messages.iter().map(|it| it.alert.incident.severity).collect();
        assert_eq!(told, [severity], "{importance:?} {left}");
    }
}

#[test]
fn the_settings_say_what_is_told() {
    let risk = [("b", Found::Clock { offset_s: 300 }, Verdict::AtRisk)];
    for (tell, found, messages) in [
        (Verdict::NotReady, &risk[..], 0),
        (Verdict::AtRisk, &risk[..], 1),
        (Verdict::Ready, &[][..], 1),
        (Verdict::NotReady, &[][..], 0),
    ] {
        let mut config = config(3500);
        config.settings.readiness.tell = tell;
        let mut desk = Desk::open(config, Durable::default(), at(0));
        desk.pass(60, found);
        assert_eq!(desk.messages.len(), messages, "{tell:?} {found:?}");
    }
}

#[test]
fn routes_say_who_is_told_and_the_end_goes_where_the_problem_went() {
    let start = 7200;
    let mut config = config(start);
    let first = config.settings.channels[0].clone();
    let channel = |id: &str| Channel { id: ChannelId::new(id), ..first.clone() };
    config.settings.channels = ["urgent", "later", "rest"].map(channel).to_vec();
    let to = |id: &str| vec![Receiver::Channel(ChannelId::new(id))];
    let route = |severities: Vec<Severity>, id: &str| Route {
        name: id.to_owned(),
        when: When { severities, ..When::default() },
        to: to(id),
        escalate: Vec::new(),
        goes_on: false,
    };
    let minute = Duration::from_mins(1);
    let mut urgent = route(vec![Severity::Critical], "urgent");
    urgent.escalate = vec![Step { after: minute, live: minute, to: to("later") }];
    config.settings.routes = vec![urgent, route(Vec::new(), "rest")];
    let mut desk = Desk::open(config, Durable::default(), at(start - 1900));
    desk.pass(start - 1700, &[dead("a")]);
    let told = |desk: &mut Desk| -> Vec<String> {
        let messages = desk.messages.drain(..);
        messages.map(|it| format!("{} {}", it.channel, it.kind.word())).collect()
    };
    assert_eq!(told(&mut desk), ["urgent firing"], "at once, and nobody is asked to take it on");
    desk.pass(start - 500, &[]);
    assert_eq!(told(&mut desk), ["urgent resolved"], "though its end is no longer critical");
}

/// A session a day and more ahead: its first run and, a day later, the others are in the quiet
/// hours.
fn at_night() -> (Config, i64) {
    let mut config = config(DAY + 1200);
    let zone = config.settings.time_zone.clone();
    let hour = |seconds| zone.to_datetime(at(seconds).wall).time();
    config.settings.quiet_hours.hours = Some(Hours { from: hour(DAY - 3000), until: hour(4800) });
    (config, DAY + 1200)
}

#[test]
fn what_is_not_ready_a_day_before_waits_for_the_morning_and_ten_minutes_before_does_not() {
    let (config, start) = at_night();
    let mut desk = Desk::open(config.clone(), Durable::default(), at(0));
    desk.pass(4700, &[dead("a")]);
    assert!(desk.messages.is_empty(), "{:?}", desk.messages);
    // A restart in the night forgets nothing.
    let mut desk = Desk::open(config, desk.durable, at(4700));
    desk.pass(4900, &[]);
    let [told] = &desk.messages[..] else { panic!("{:?}", desk.messages) };
    assert_eq!(told.kind, NotificationKind::Firing);
    let run = &desk.durable.readiness[&SessionId::new("s")];
    assert_eq!((run.said.len(), run.told.len()), (1, 1));
    let mut desk = Desk::open((**desk.monitor.config()).clone(), desk.durable, at(4900));
    desk.pass(5000, &[]);
    assert!(desk.messages.is_empty(), "once");

    // The next night, half an hour before it begins.
    desk.pass(start - 1801, &[]);
    desk.messages.clear();
    desk.pass(start - 1700, &[dead("a")]);
    let urgent: Vec<_> = desk.messages.iter().map(|it| it.alert.incident.severity).collect();
    assert_eq!(urgent, [Severity::Critical]);
}

#[test]
fn what_was_mended_in_the_night_was_never_told() {
    let (config, _) = at_night();
    let mut desk = Desk::open(config, Durable::default(), at(0));
    desk.pass(3000, &[dead("a")]);
    let run = desk.run(None, &[]);
    desk.tell(Input::Readiness(Box::new(run)));
    desk.pass(6000, &[]);
    assert!(desk.messages.is_empty(), "{:?}", desk.messages);
}

#[test]
fn a_person_who_looks_again_in_the_night_keeps_nobody_from_being_told() {
    let (config, _) = at_night();
    let mut desk = Desk::open(config, Durable::default(), at(0));
    desk.pass(3000, &[dead("a")]);
    let run = desk.run(None, &[dead("a"), dead("b")]);
    desk.tell(Input::Readiness(Box::new(run)));
    desk.pass(6000, &[]);
    let [told] = &desk.messages[..] else { panic!("{:?}", desk.messages) };
    assert_eq!(told.alert.incident.affected.len(), 2, "as it was seen last");
}

#[test]
fn a_person_who_asked_has_seen_the_answer_and_silences_hold() {
    let mut desk = Desk::open(config(8000), Durable::default(), at(0));
    desk.now = at(5);
    let run = desk.run(None, &[dead("a")]);
    desk.tell(Input::Readiness(Box::new(run)));
    assert!(desk.messages.is_empty());
    let window = |site: Option<&str>| Silence {
        id: SilenceId::new("q"),
        site: site.map(SiteId::new),
        from: at(0).wall,
        until: at(9000).wall,
        by: "Hà".to_owned(),
        reason: String::new(),
    };
    desk.tell(Input::Silence(window(Some("a"))));
    desk.pass(8000 - 3500, &[dead("a")]);
    assert!(desk.messages.is_empty(), "the only one that is not ready is silenced");
    desk.pass(8000 - 1700, &[dead("a"), dead("b")]);
    assert_eq!(desk.messages.len(), 1);
    let work = Maintenance {
        id: SilenceId::new("w"),
        sites: vec![SiteId::new("b")],
        from: at(0).wall,
        until: at(9000).wall,
        by: "Hà".to_owned(),
        reason: String::new(),
    };
    desk.tell(Input::Maintenance(work));
    desk.pass(8000 - 500, &[dead("a"), dead("b")]);
    assert_eq!(desk.messages.len(), 1, "planned work is no news");
}

#[test]
fn what_was_found_and_confirmed_survives_a_restart_and_is_remembered() {
    let mut desk = Desk::open(config(7200), Durable::default(), at(0));
    desk.pass(7200 - 3500, &[dead("a")]);
    let said = Confirmation {
        session: SessionId::new("s"),
        site: SiteId::new("b"),
        picture: true,
        sound: false,
        by: "Hà".to_owned(),
        at: desk.now.wall,
        note: String::new(),
    };
    desk.tell(Input::Confirm(Box::new(said.clone())));
    let mut desk = Desk::open(config(7200), desk.durable, at(7200 - 3400));
    let snapshot = desk.monitor.snapshot(desk.now);
    assert_eq!(snapshot.confirmations, std::slice::from_ref(&said));
    assert_eq!(snapshot.readiness[0].count(Verdict::NotReady), 1);
    let past = desk.monitor.past(desk.now);
    assert_eq!(past.verdicts[&SiteId::new("a")][0].verdict, Verdict::NotReady);
    desk.tell(Input::Unconfirm { session: said.session.clone(), site: said.site.clone() });
    desk.tell(Input::Unconfirm { session: said.session, site: said.site });
    let mut desk = Desk::open(config(7200), desk.durable, at(7200 - 3300));
    assert_eq!(desk.monitor.snapshot(desk.now).confirmations, []);
    desk.pass(7200 - 3200, &[dead("a")]);
    // Long after the session it is no longer shown, and still remembered.
    let mut desk = Desk::open(config(7200), desk.durable, at(7200 * 2 + 3700));
    desk.pass(7200 * 2 + 3710, &[]);
    assert!(desk.monitor.snapshot(desk.now).readiness.is_empty());
    assert!(!desk.monitor.past(desk.now).verdicts.is_empty());
}
