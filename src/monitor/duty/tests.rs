//! Duty that is handed over, over restarts and changes of the files.

use std::time::Duration;

use super::super::policy::{self, Need, Rules};
use super::super::routing::{self, Standing};
use super::super::tests::{config, province, start};
use super::super::{Command, Input, Taken};
use super::*;
use crate::config::{Channel, Person};
use crate::model::{ChannelId, Durable, Incident, NotificationKind, Told};
use crate::store::tests::{incident, told};

/// A province where one of these people is on duty, unless somebody else took over, and whose
/// alerts reach whoever is.
fn watched_by(people: &[&str]) -> Config {
    let mut config = config(province("{bac-kan: {cho-don: [tan-lap, bang-lung]}}"));
    let settings = &mut config.settings;
    let channel = settings.channels[0].clone();
    settings.channels = people
        .iter()
        .map(|id| Channel { id: ChannelId::new(format!("sms-{id}")), ..channel.clone() })
        .collect();
    let person = |id: &&str| Person {
        id: PersonId::new(*id),
        name: id.to_uppercase(),
        phone: String::new(),
        channels: vec![ChannelId::new(format!("sms-{id}"))],
    };
    settings.people = people.iter().map(person).collect();
    settings.rotas = vec![Rota {
        id: RotaId::new("truc"),
        time_zone: settings.time_zone.clone(),
        weekly: Vec::new(),
        dated: Vec::new(),
        otherwise: vec![PersonId::new(people[0])],
        handed: None,
    }];
    settings.routes = vec![crate::config::Route {
        name: "all".to_owned(),
        when: crate::config::When::default(),
        to: vec![crate::config::Receiver::Rota(RotaId::new("truc"))],
        escalate: Vec::new(),
        goes_on: false,
    }];
    config
}

/// A monitor, what of it is on disk, and a clock.
struct Desk {
    monitor: Monitor,
    durable: Durable,
    now: Now,
}

impl Desk {
    fn open() -> Self {
        let now = start();
        let config = Arc::new(watched_by(&["ha", "tu", "men"]));
        Self {
            monitor: Monitor::new(config, Durable::default(), now),
            durable: Durable::default(),
            now,
        }
    }

    fn tell(&mut self, input: Input) -> Taken {
        let taken = self.monitor.handle(input, self.now);
        while let Some(command) = self.monitor.poll_command() {
            if let Command::Commit(batch) = command {
                self.durable.apply(&batch);
            }
        }
        taken
    }

    fn pass(&mut self, minutes: u64) {
        for _ in 0..minutes {
            self.now = self.now.plus(Duration::from_secs(60));
            self.tell(Input::Tick);
        }
    }

    fn hand_over(&mut self, people: &[&str], minutes: i64) -> Taken {
        let handed = HandOver {
            rota: RotaId::new("truc"),
            people: people.iter().map(|id| PersonId::new(*id)).collect(),
            until: self.now.wall + SignedDuration::from_mins(minutes),
            by: "Hà".to_owned(),
            at: self.now.wall,
            reason: "ốm".to_owned(),
            relieved: Vec::new(),
        };
        self.tell(Input::HandOver(Box::new(handed)))
    }

    fn reach(&self) -> Vec<routing::Reach> {
        let it = incident("tan-lap.access.x", "tan-lap");
        routing::reach_of(&it, &self.monitor.picture, Standing::default(), self.now.wall)
    }

    /// Who is told, then after how many minutes who is called.
    fn steps(&self) -> String {
        let mut steps: Vec<(u32, u64, Vec<String>)> = Vec::new();
        for it in self.reach() {
            let who = it.channel.as_str().trim_start_matches("sms-").to_owned();
            match steps.last_mut().filter(|(step, ..)| *step == it.step) {
                Some((_, _, together)) => together.push(who),
                None => steps.push((it.step, it.after.as_secs() / 60, vec![who])),
            }
        }
        let words = steps.into_iter().map(|(step, after, who)| match step {
            0 => who.join(" "),
            _ => format!("{after}: {}", who.join(" ")),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// The channels that an alert reaches, which are those of whoever is shown to be on duty.
    fn reached(&self) -> Vec<String> {
        let reached: Vec<String> = self.reach().iter().map(|it| it.channel.to_string()).collect();
        let shown = self.monitor.duty[0].now.iter().flat_map(|it| &it.channels);
        assert_eq!(shown.map(ToString::to_string).collect::<Vec<_>>(), reached);
        reached
    }

    fn restart_with_its_config(&mut self) {
        let config = Arc::clone(self.monitor.config());
        self.monitor = Monitor::new(config, self.durable.clone(), self.now);
        self.tell(Input::Tick);
    }

    fn restart(&mut self, people: &[&str]) {
        let config = Arc::new(watched_by(people));
        self.monitor = Monitor::new(config, self.durable.clone(), self.now);
        self.tell(Input::Tick);
    }
}

#[test]
fn whoever_takes_over_is_reached_at_once_and_until_it_passes_back() {
    let mut desk = Desk::open();
    desk.pass(1);
    assert_eq!(desk.reached(), ["sms-ha"]);
    assert_eq!(desk.hand_over(&["tu", "men"], 30), Taken::In);
    assert_eq!(desk.reached(), ["sms-tu", "sms-men"], "at once");
    let view = desk.monitor.duty[0].clone();
    assert_eq!(view.until, Some(desk.now.wall + SignedDuration::from_mins(30)));
    assert_eq!(view.next[0].id, PersonId::new("ha"));
    desk.pass(29);
    assert_eq!(desk.reached(), ["sms-tu", "sms-men"]);
    desk.pass(1);
    assert_eq!(desk.reached(), ["sms-ha"]);
    assert_eq!(desk.monitor.duty[0].handed, None);
    let back = Input::TakeDutyBack(RotaId::new("truc"));
    assert_eq!(desk.tell(back), Taken::NotThere, "it has passed back by itself");

    desk.hand_over(&["tu"], 600);
    desk.hand_over(&["men"], 600);
    assert_eq!(desk.reached(), ["sms-men"], "the last word counts");
    assert_eq!(desk.tell(Input::TakeDutyBack(RotaId::new("truc"))), Taken::In);
    assert_eq!(desk.reached(), ["sms-ha"]);
    assert!(desk.durable.duty.is_empty());
}

/// The steps of escalation to whoever comes next, after so many minutes each, and at last to a
/// person.
fn escalating(people: &[&str], next_after: &[u64], at_last: Option<(u64, &str)>) -> Config {
    let mut config = watched_by(people);
    let shift = |(nth, id): (i64, &&str)| crate::config::DatedShift {
        from: start().wall + SignedDuration::from_hours(7 * nth - 1),
        until: start().wall + SignedDuration::from_hours(7 * nth + 6),
        who: vec![PersonId::new(*id)],
    };
    config.settings.rotas[0].dated = (0..).zip(people).map(shift).collect();
    let step = |after: u64, to| {
        let after = Duration::from_mins(after);
        crate::config::Step { after, live: after, to: vec![to] }
    };
    let next = || crate::config::Receiver::Next(RotaId::new("truc"));
    let steps = next_after.iter().map(|after| step(*after, next()));
    let last = at_last
        .map(|(after, who)| step(after, crate::config::Receiver::Person(PersonId::new(who))));
    config.settings.routes[0].escalate = steps.chain(last).collect();
    config
}

/// What somebody does about the duty.
enum Does<'a> {
    HandsOver(&'a [&'a str], i64),
    TakesBack,
    Waits(u64),
}

#[test]
fn who_was_relieved_is_called_in_no_step_however_often_the_duty_is_handed_on() {
    use Does::{HandsOver, TakesBack, Waits};
    let (tu, men, ha, both) = (&["tu"][..], &["men"][..], &["ha"][..], &["tu", "men"][..]);
    // By the rota it is ha, then tu, men and lan; after nine minutes it is can.
    let table: &[(&str, &[Does<'_>], &str)] = &[
        ("nobody is ill", &[], "ha, 3: tu, 9: can"),
        ("ha is", &[HandsOver(tu, 360)], "tu, 3: men, 9: can"),
        ("so is tu", &[HandsOver(tu, 360), HandsOver(men, 300)], "men, 3: lan, 9: can"),
        ("ha is well", &[HandsOver(tu, 360), HandsOver(ha, 300)], "ha, 3: tu, 9: can"),
        (
            "ha is well and tu is ill",
            &[HandsOver(tu, 360), HandsOver(men, 300), HandsOver(ha, 200)],
            "ha, 3: men, 9: can",
        ),
        ("two share it", &[HandsOver(tu, 360), HandsOver(both, 300)], "tu men, 3: lan, 9: can"),
        ("a mistake", &[HandsOver(tu, 360), TakesBack], "ha, 3: tu, 9: can"),
        ("mended", &[HandsOver(tu, 360), TakesBack, HandsOver(men, 300)], "men, 3: tu, 9: can"),
        ("it passed back", &[HandsOver(tu, 10), Waits(11)], "ha, 3: tu, 9: can"),
        (
            "and is handed over anew",
            &[HandsOver(tu, 10), Waits(11), HandsOver(men, 300)],
            "men, 3: tu, 9: can",
        ),
        (
            "all but can are ill",
            &[HandsOver(tu, 360), HandsOver(men, 360), HandsOver(&["lan"], 360)],
            "lan, 3: can",
        ),
    ];
    for (what, does, steps) in table {
        let mut desk = Desk::open();
        let people = ["ha", "tu", "men", "lan"];
        let mut config = escalating(&people, &[3], Some((9, "can")));
        let can = watched_by(&["can"]).settings;
        config.settings.people.extend(can.people);
        config.settings.channels.extend(can.channels);
        desk.tell(Input::Reload(Arc::new(config)));
        for act in *does {
            match act {
                HandsOver(to, minutes) => _ = desk.hand_over(to, *minutes),
                TakesBack => _ = desk.tell(Input::TakeDutyBack(RotaId::new("truc"))),
                Waits(minutes) => desk.pass(*minutes),
            }
        }
        assert_eq!(desk.steps(), *steps, "{what}");
        desk.restart_with_its_config();
        assert_eq!(desk.steps(), *steps, "{what}, after a restart");
    }
}

#[test]
fn where_no_step_comes_after_one_to_nobody_those_on_duty_are_called_again() {
    /// Who is on duty, when the next are called, who is called at last, and who has a step.
    type Row<'a> = (&'a [&'a str], &'a [u64], Option<(u64, &'a str)>, &'a str);
    let table: &[Row<'_>] = &[
        (&["ha", "tu"], &[3], None, "tu, 3: tu"),
        (&["ha", "tu"], &[3, 9], None, "tu, 3: tu, 9: tu"),
        (&["ha", "tu"], &[3, 9], Some((12, "ha")), "tu, 3: ha"),
        (&["ha", "tu", "men"], &[3, 9], None, "tu, 3: men, 9: men"),
    ];
    for (people, next_after, at_last, steps) in table {
        let mut desk = Desk::open();
        desk.tell(Input::Reload(Arc::new(escalating(people, next_after, *at_last))));
        desk.hand_over(&["tu"], 300);
        assert_eq!(desk.steps(), *steps, "{people:?} {next_after:?} {at_last:?}");
    }
}

#[test]
fn a_step_says_which_one_before_it_leads_to_somebody() {
    let mut desk = Desk::open();
    desk.tell(Input::Reload(Arc::new(escalating(&["ha", "tu"], &[3, 6], Some((9, "ha"))))));
    let follows = |desk: &Desk| {
        let reach = desk.reach();
        reach.iter().map(|it| (it.step, it.follows)).collect::<Vec<_>>()
    };
    assert_eq!(follows(&desk), [(0, 0), (1, 0), (2, 1), (3, 2)]);
    desk.hand_over(&["tu"], 300);
    assert_eq!(follows(&desk), [(0, 0), (3, 0)]);
}

#[test]
fn whoever_is_called_and_takes_the_duty_over_brings_no_later_step_forward() {
    let mut desk = Desk::open();
    let mut config = escalating(&["ha", "tu"], &[3], Some((9, "can")));
    let can = watched_by(&["can"]).settings;
    config.settings.people.extend(can.people);
    config.settings.channels.extend(can.channels);
    desk.tell(Input::Reload(Arc::new(config)));
    let channel = desk.monitor.config().settings.channels[2].clone();
    assert_eq!(channel.id.as_str(), "sms-can");
    let rules = Rules {
        limit: 3,
        settled: Duration::from_mins(10),
        near: false,
        kept: false,
        muted: false,
        quiet: None,
        remind_every: None,
    };
    let mut it = incident("tan-lap.access.x", "tan-lap");
    it.waiting_since = Some(desk.now.wall);
    it.told = vec![told("sms-ha", NotificationKind::Firing, desk.now.wall)];
    let called_at = |desk: &Desk, it: &Incident| {
        let mut reach = desk.reach();
        reach.retain(|reach| reach.channel == channel.id);
        match policy::needs_notification(it, &channel, &reach, &rules, desk.now.wall) {
            Need::Later(at) => at.duration_since(it.waiting_since.unwrap()).as_mins(),
            other => panic!("{other:?}"),
        }
    };
    desk.now = desk.now.plus(Duration::from_mins(2));
    assert_eq!(called_at(&desk, &it), 9);
    desk.hand_over(&["tu"], 300);
    assert_eq!(called_at(&desk, &it), 3, "in the place of the step to tu");
    desk.tell(Input::TakeDutyBack(RotaId::new("truc")));
    desk.now = desk.now.plus(Duration::from_mins(2));
    let step = told("sms-tu", NotificationKind::Escalation, desk.now.wall);
    it.told.push(Told { step: 1, nth: 2, ..step });
    desk.hand_over(&["tu"], 300);
    assert_eq!(called_at(&desk, &it), 9, "that step led to somebody");
}

#[test]
fn duty_stays_in_other_hands_over_a_restart_and_passes_back_while_nobody_was_there() {
    let mut desk = Desk::open();
    desk.hand_over(&["tu"], 60);
    desk.restart(&["ha", "tu", "men"]);
    assert_eq!(desk.reached(), ["sms-tu"]);
    desk.now = desk.now.plus(Duration::from_secs(2 * 3600));
    desk.restart(&["ha", "tu", "men"]);
    assert_eq!(desk.reached(), ["sms-ha"]);
    assert_eq!(desk.durable.duty.len(), 1, "a clock that was set forward may be set back");
    desk.now = desk.now.plus(Duration::from_secs(24 * 3600));
    desk.restart(&["ha", "tu", "men"]);
    assert!(desk.durable.duty.is_empty(), "by now it is forgotten");
}

#[test]
fn duty_that_a_clock_ahead_handed_over_lasts_as_long_as_it_was_meant_to() {
    let mut desk = Desk::open();
    desk.hand_over(&["tu"], 30);
    desk.now.wall -= SignedDuration::from_hours(24);
    desk.pass(29);
    assert_eq!(desk.reached(), ["sms-tu"]);
    desk.pass(2);
    assert_eq!(desk.reached(), ["sms-ha"], "not until tomorrow");
}

#[test]
fn whom_the_files_do_not_know_any_more_is_passed_over_and_that_is_shown() {
    let mut desk = Desk::open();
    desk.hand_over(&["tu", "men"], 600);
    desk.tell(Input::Reload(Arc::new(watched_by(&["ha", "men"]))));
    assert_eq!(desk.reached(), ["sms-men"], "those who are left have it");
    assert_eq!(desk.monitor.duty[0].gone, [PersonId::new("tu")]);
    desk.tell(Input::Reload(Arc::new(watched_by(&["ha"]))));
    assert_eq!(desk.reached(), ["sms-ha"], "somebody always is on duty");
    let view = &desk.monitor.duty[0];
    assert!(view.handed.is_some() && view.gone.len() == 2, "{view:?}");
    desk.restart(&["ha"]);
    assert_eq!(desk.monitor.duty[0].gone.len(), 2);
    desk.tell(Input::Reload(Arc::new(watched_by(&["ha", "tu", "men"]))));
    assert_eq!(desk.reached(), ["sms-tu", "sms-men"], "a mistake that was mended");
    assert!(desk.monitor.duty[0].gone.is_empty());
    let other =
        HandOver { rota: RotaId::new("nobody"), ..desk.durable.duty[&RotaId::new("truc")].clone() };
    assert_eq!(desk.tell(Input::HandOver(Box::new(other))), Taken::NotThere);
}
