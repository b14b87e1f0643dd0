//! What channels gave up, so that nobody heard of it: who has not heard of what, and when it is
//! told them anew.
//!
//! 1. What a channel gave up, and whoever stood in for it, counts as told for as long as nothing
//!    speaks for the channel: telling it the same again would be refused again.
//! 2. It is due again once the channel has accepted something else, once its settings are others,
//!    and at a start. What is refused [`TRIES`] times in a row all the same is left alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Monitor;
use crate::config::Channel;
use crate::model::{ChannelId, GivenUp, Incident, Mono, Refusal};

/// Messages about an incident that a channel may give up one after the other.
const TRIES: usize = 3;

/// When each channel last accepted something.
#[derive(Debug, Clone, Default)]
pub(super) struct Accepted(BTreeMap<ChannelId, Timestamp>);

impl Monitor {
    /// A message was given up; may be told again and again.
    pub(super) fn note_given_up(&mut self, refusal: &Refusal, now: Mono) {
        let Some(entry) = self.ledger.find(&refusal.incident) else { return };
        let is_it =
            |it: &crate::model::Told| it.channel == refusal.channel && it.nth == refusal.nth;
        let Some(at) = entry.incident.told.iter().position(is_it) else { return };
        let known = entry.incident.told[at].given_up.as_ref();
        if known.is_some_and(|known| known.by.contains(&refusal.by)) {
            return;
        }
        let told = &mut entry.change().told[at];
        let given_up = told.given_up.get_or_insert_with(|| GivenUp {
            at: refusal.at,
            by: Vec::new(),
            instead: None,
            again: false,
        });
        given_up.at = refusal.at;
        given_up.by.push(refusal.by.clone());
        // Whoever stands in for the one that stands in comes later, in whatever order they say so.
        if refusal.by != refusal.channel || given_up.instead.is_none() {
            given_up.instead = refusal.instead.clone().or(given_up.instead.take());
        }
        entry.touched = true;
        self.want_review(now);
    }

    /// A channel has accepted something at `at`; may be told again and again.
    pub(super) fn note_accepted(&mut self, channel: &ChannelId, at: Timestamp, now: Mono) {
        if self.accepted.0.insert(channel.clone(), at) != Some(at) {
            self.try_again(now, |given_up, of| given_up.at < at && of == channel);
        }
    }

    /// The settings are others now.
    pub(super) fn note_channels(&mut self, before: &[Channel], now: Mono) {
        let config = std::sync::Arc::clone(&self.picture.config);
        let channels = &config.settings.channels;
        let is_other = |id: &ChannelId| {
            let of = |channels: &[Channel]| channels.iter().find(|it| it.id == *id).cloned();
            of(channels).is_some_and(|channel| of(before).as_ref() != Some(&channel))
        };
        self.accepted.0.retain(|id, _| channels.iter().any(|channel| channel.id == *id));
        self.try_again(now, |_, of| is_other(of));
    }

    /// Rule 2.
    pub(super) fn try_again(&mut self, now: Mono, fits: impl Fn(&GivenUp, &ChannelId) -> bool) {
        let mut found = false;
        for (_, entry) in self.ledger.iter_mut() {
            let incident = &entry.incident;
            let due: Vec<usize> = (0..incident.told.len())
                .filter(|at| {
                    let told = &incident.told[*at];
                    let again = |it: &GivenUp| !it.again && fits(it, &told.channel);
                    told.is_untold()
                        && told.given_up.as_ref().is_some_and(again)
                        && refused_in_a_row(incident, &told.channel) < TRIES
                })
                .collect();
            if due.is_empty() {
                continue;
            }
            let incident = entry.change();
            for at in due {
                if let Some(given_up) = &mut incident.told[at].given_up {
                    given_up.again = true;
                }
            }
            (entry.touched, found) = (true, true);
        }
        if found {
            self.want_review(now);
        }
    }
}

/// How many messages about an incident a channel has given up since it last accepted one.
fn refused_in_a_row(incident: &Incident, channel: &ChannelId) -> usize {
    let told = incident.told.iter().rev().filter(|told| told.channel == *channel);
    told.take_while(|told| told.is_untold()).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::tests::{config, province, settings, start};
    use super::super::{Command, Input, Monitor};
    use super::*;
    use crate::config::Config;
    use crate::model::{
        Change, Durable, HardState, Health, IncidentId, NotificationId, NotificationKind, Now,
        SiteId, TargetKey, Told,
    };
    use crate::store::tests::incident;

    const ID: &str = "tan-lap.access.x";

    /// A monitor of a site that is down, of which its channel was told.
    struct Desk {
        monitor: Monitor,
        now: Now,
    }

    fn told() -> Told {
        crate::store::tests::told("on-call", NotificationKind::Firing, start().wall)
    }

    fn watched() -> Config {
        config(province("{bac-kan: {cho-don: [tan-lap, bang-lung]}}"))
    }

    impl Desk {
        fn open(told: Vec<Told>) -> Self {
            let now = start();
            let key = TargetKey { site: SiteId::new("tan-lap"), endpoint: None, check: None };
            let down =
                HardState { health: Health::Down, since: now.wall, began: None, seen_up: true };
            let mut it = incident(ID, "tan-lap");
            (it.began, it.opened, it.told) = (now.wall, now.wall, told);
            let durable = Durable {
                health: [(key, down)].into(),
                incidents: [(it.id.clone(), it)].into(),
                ..Durable::default()
            };
            Self { monitor: Monitor::new(Arc::new(watched()), durable, now), now }
        }

        /// What is told of it within some seconds.
        fn pass(&mut self, seconds: u64) -> Vec<String> {
            let mut told = Vec::new();
            for _ in 0..seconds * 10 {
                self.now = self.now.plus(Duration::from_millis(100));
                self.monitor.handle(Input::Tick, self.now);
                while let Some(command) = self.monitor.poll_command() {
                    let Command::Commit(batch) = command else { continue };
                    told.extend(batch.changes.into_iter().filter_map(|change| match change {
                        Change::Notify(it) if it.alert.incident.id.as_str() == ID => {
                            Some(it.id.to_string())
                        }
                        _ => None,
                    }));
                }
            }
            told
        }

        fn give_up(&mut self, message: &str, by: &str, instead: Option<&str>) {
            let (message, incident) = (NotificationId::new(message), IncidentId::new(ID));
            let (by, instead) = (ChannelId::new(by), instead.map(ChannelId::new));
            let refusal =
                Refusal::of(&message, &incident, &by, instead.as_ref(), self.now.wall).unwrap();
            for _ in 0..3 {
                self.monitor.handle(Input::GivenUp(refusal.clone()), self.now);
            }
        }

        fn accept(&mut self) {
            let channel = ChannelId::new("on-call");
            self.monitor.handle(Input::Delivered { channel, at: self.now.wall }, self.now);
        }

        fn record(&mut self) -> Told {
            let shown = self.monitor.snapshot(self.now).incidents;
            let it = shown.iter().find(|it| it.id.as_str() == ID).unwrap();
            it.told.last().unwrap().clone()
        }
    }

    #[test]
    fn what_was_given_up_is_told_anew_once_the_channel_takes_something_and_not_for_ever() {
        let mut desk = Desk::open(vec![told()]);
        desk.accept();
        assert!(desk.pass(5).is_empty());
        desk.give_up(&format!("{ID}/on-call/firing/1"), "on-call", None);
        assert!(desk.record().is_untold());
        assert!(desk.pass(60).is_empty(), "nothing speaks for the channel");
        for nth in [2, 3] {
            desk.accept();
            let again = format!("{ID}/on-call/firing/{nth}");
            assert_eq!(desk.pass(5), [again.as_str()]);
            assert!(desk.pass(5).is_empty(), "once");
            desk.give_up(&again, "on-call", None);
            desk.pass(1);
        }
        desk.accept();
        assert!(desk.pass(5).is_empty(), "it is the message and not the channel");
    }

    #[test]
    fn whoever_stands_in_has_told_it_until_they_give_it_up_as_well() {
        let mut desk = Desk::open(vec![told()]);
        let message = format!("{ID}/on-call/firing/1");
        desk.give_up(&format!("{message}/via/siren"), "siren", Some("sms"));
        assert_eq!(
            desk.record().through(),
            Some(&ChannelId::new("on-call")),
            "it may come through"
        );
        desk.give_up(&message, "on-call", Some("siren"));
        assert_eq!(desk.record().through(), Some(&ChannelId::new("sms")));
        desk.give_up(&format!("{message}/via/siren/via/sms"), "sms", None);
        assert!(desk.record().is_untold());
    }

    #[test]
    fn a_start_and_other_settings_are_reason_to_try_again() {
        let given_up = GivenUp {
            at: start().wall,
            by: vec![ChannelId::new("on-call")],
            instead: None,
            again: false,
        };
        let refused = Told { given_up: Some(given_up), ..told() };
        let mut desk = Desk::open(vec![refused]);
        assert_eq!(desk.pass(5), [format!("{ID}/on-call/firing/2")]);
        desk.give_up(&format!("{ID}/on-call/firing/2"), "on-call", None);
        desk.monitor.handle(Input::Reload(Arc::new(watched())), desk.now);
        assert!(desk.pass(5).is_empty(), "nothing has changed about it");
        let mut mended = settings();
        mended.channels[0].send_resolved = false;
        let config = Config { settings: mended, ..watched() };
        desk.monitor.handle(Input::Reload(Arc::new(config)), desk.now);
        assert_eq!(desk.pass(5), [format!("{ID}/on-call/firing/3")]);
    }
}
