//! Duty that is handed over, over restarts and changes of the files.

use std::time::Duration;

use super::super::routing::{self, Standing};
use super::super::tests::{config, province, start};
use super::super::{Command, Input, Taken};
use super::*;
use crate::config::{Channel, Person};
use crate::model::{ChannelId, Durable};
use crate::store::tests::incident;

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
        };
        self.tell(Input::HandOver(Box::new(handed)))
    }

    /// The channels that an alert reaches, which are those of whoever is shown to be on duty.
    fn reached(&self) -> Vec<String> {
        let it = incident("tan-lap.access.x", "tan-lap");
        let reach =
            routing::reach_of(&it, &self.monitor.picture, Standing::default(), self.now.wall);
        let reached: Vec<String> = reach.iter().map(|it| it.channel.to_string()).collect();
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

#[test]
fn who_was_relieved_is_called_in_no_step_and_the_one_after_comes_in_its_place() {
    let mut desk = Desk::open();
    let mut config = watched_by(&["ha", "tu", "men"]);
    let everybody =
        [PersonId::new("ha"), PersonId::new("tu")].map(|who| crate::config::DatedShift {
            from: desk.now.wall
                + SignedDuration::from_hours(if who.as_str() == "ha" { -1 } else { 7 }),
            until: desk.now.wall
                + SignedDuration::from_hours(if who.as_str() == "ha" { 7 } else { 14 }),
            who: vec![who],
        });
    config.settings.rotas[0].dated = everybody.into();
    let mins = Duration::from_mins;
    let step =
        |after, to| crate::config::Step { after: mins(after), live: mins(after), to: vec![to] };
    config.settings.routes[0].escalate = vec![
        step(3, crate::config::Receiver::Next(RotaId::new("truc"))),
        step(9, crate::config::Receiver::Person(PersonId::new("men"))),
    ];
    desk.tell(Input::Reload(Arc::new(config)));
    let steps = |desk: &Desk| -> Vec<(u32, String, u64)> {
        let it = incident("tan-lap.access.x", "tan-lap");
        let reach =
            routing::reach_of(&it, &desk.monitor.picture, Standing::default(), desk.now.wall);
        let step = |it: &routing::Reach| (it.step, it.channel.to_string(), it.after.as_secs() / 60);
        reach.iter().map(step).collect()
    };
    let of = |step, who: &str, after| (step, format!("sms-{who}"), after);
    assert_eq!(steps(&desk), [of(0, "ha", 0), of(1, "tu", 3), of(2, "men", 9)]);
    desk.hand_over(&["tu"], 360);
    assert_eq!(steps(&desk), [of(0, "tu", 0), of(2, "men", 3)], "nobody calls who is ill");
    desk.restart_with_its_config();
    assert_eq!(steps(&desk), [of(0, "tu", 0), of(2, "men", 3)], "also after a restart");
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
