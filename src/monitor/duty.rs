//! Duty that is handed over: at two at night the one on duty is ill, and somebody else takes over.
//!
//! 1. From then on the rota leads to those who have it, in every route and every step, until the
//!    moment that was said. What the files say counts again then, or once it is taken back.
//! 2. It is kept over a restart and a change of the files. Whom those do not know any more is told
//!    nothing; where nobody else has it, the rota counts again, so that there always is somebody.
//!    That is shown wherever it is shown who is on duty: whoever arranged it has to know. Should
//!    the files know them again, it holds again.
//! 3. Who was relieved is not called in a step of escalation to whoever is next, as long as that
//!    lasts: they are ill. When the duty is handed on before it passed back, whoever had it is
//!    relieved as well, and whoever had it before stays so, unless they are the ones who take it.
//!    Who only helped out until those take it whose shift it is has gone home, and is not ill. Once
//!    it passes back or is taken back, nobody is relieved any more.
//! 4. Where nobody else is left for such a step, the step after it comes in its place; after the
//!    last one those on duty are called again: better twice than nobody. See
//!    [`routing::reach`](super::routing::reach).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Monitor, flap};
use crate::config::{Config, Handed, Rota, Settings};
use crate::model::{Change, DutyView, HandOver, Now, OnDuty, PersonId, RotaId};

/// For so long what is over is kept: a clock that was set forward by mistake is set back.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

impl Monitor {
    /// Somebody is on duty in place of whoever a rota says; whether there is such a rota.
    pub(super) fn hand_over(&mut self, mut handed: HandOver, now: Now) -> bool {
        let Some(rota) = self.picture.settings().rota(&handed.rota) else { return false };
        let before = self.handed.get(&handed.rota).filter(|before| now.wall < before.until);
        let relieved = before.into_iter().flat_map(|before| &before.relieved);
        let gives_back = same_people(&handed.people, &rota.by_shifts(now.wall));
        let had_it = if gives_back { Vec::new() } else { rota.on_duty(now.wall) };
        let gone = had_it.into_iter().chain(relieved);
        handed.relieved = gone.filter(|id| !handed.people.contains(id)).cloned().collect();
        let rota = handed.rota.clone();
        self.handed.insert(rota.clone(), handed.clone());
        self.note_hands(Change::Duty { rota, handed: Some(Box::new(handed)) }, now);
        true
    }

    /// A rota counts again; whether its duty was in other hands.
    pub(super) fn take_duty_back(&mut self, rota: RotaId, now: Now) -> bool {
        let was_on = self.handed.remove(&rota).is_some_and(|handed| now.wall < handed.until);
        if was_on {
            self.note_hands(Change::Duty { rota, handed: None }, now);
        }
        was_on
    }

    fn note_hands(&mut self, change: Change, now: Now) {
        self.changes.push(change);
        self.show_duty(now);
        self.retell(now.mono);
        // Whoever is shown it may rely on it.
        self.commit_at = now.mono;
    }

    /// Has the rotas lead to whoever is on duty now, and shows them; forgets what passed back long
    /// ago. What a clock that ran ahead put down lasts for as long as it was meant to once that is
    /// set right.
    pub(super) fn show_duty(&mut self, now: Now) {
        let mut changes = Vec::new();
        for handed in self.handed.values_mut() {
            if flap::not_ahead(&mut handed.at, Some(&mut handed.until), now.wall) {
                let (rota, handed) = (handed.rota.clone(), Some(Box::new(handed.clone())));
                changes.push(Change::Duty { rota, handed });
            }
        }
        let is_old = |handed: &HandOver| now.wall.duration_since(handed.until) >= KEPT;
        let old = self.handed.values().filter(|handed| is_old(handed));
        let old: Vec<RotaId> = old.map(|handed| handed.rota.clone()).collect();
        for rota in old {
            self.handed.remove(&rota);
            changes.push(Change::Duty { rota, handed: None });
        }
        self.keep(changes, now.mono);
        put(&mut self.picture.config, &self.handed);
        let settings = &self.picture.config.settings;
        let view = |rota: &Rota| view(settings, rota, self.handed.get(&rota.id), now.wall);
        self.duty = settings.rotas.iter().map(view).collect();
    }
}

/// Whether these are the same people, in whatever order.
fn same_people(some: &[PersonId], others: &[&PersonId]) -> bool {
    let others: BTreeSet<&PersonId> = others.iter().copied().collect();
    some.iter().collect::<BTreeSet<_>>() == others
}

/// Has the rotas lead to those who took them over, as far as they are known.
fn put(config: &mut Arc<Config>, all: &BTreeMap<RotaId, HandOver>) {
    let hands = |rota: &Rota, settings: &Settings| {
        let handed = all.get(&rota.id)?;
        let known = handed.people.iter().filter(|id| settings.person(id).is_some());
        let who: Vec<PersonId> = known.cloned().collect();
        let relieved = handed.relieved.clone();
        (!who.is_empty()).then_some(Handed { until: handed.until, who, relieved })
    };
    let settings = &config.settings;
    let now: Vec<Option<Handed>> =
        settings.rotas.iter().map(|rota| hands(rota, settings)).collect();
    if settings.rotas.iter().map(|rota| &rota.handed).eq(&now) {
        return;
    }
    for (rota, handed) in Arc::make_mut(config).settings.rotas.iter_mut().zip(now) {
        rota.handed = handed;
    }
}

/// A rota at one moment.
fn view(settings: &Settings, rota: &Rota, handed: Option<&HandOver>, now: Timestamp) -> DutyView {
    let people = |ids: Vec<&PersonId>| -> Vec<OnDuty> {
        let people = ids.into_iter().filter_map(|id| settings.person(id));
        let view = people.map(|person| OnDuty {
            id: person.id.clone(),
            name: person.name.clone(),
            phone: person.phone.clone(),
            channels: person.channels.clone(),
        });
        view.collect()
    };
    let handed = handed.filter(|handed| now < handed.until);
    let gone = handed.into_iter().flat_map(|handed| &handed.people);
    let (next_from, next) = rota.next_on_duty(now).unzip();
    DutyView {
        rota: rota.id.clone(),
        now: people(rota.on_duty(now)),
        until: rota.next_change(now).map(|(at, _)| at),
        next: people(next.unwrap_or_default()),
        next_from,
        handed: handed.cloned(),
        gone: gone.filter(|id| settings.person(id).is_none()).cloned().collect(),
    }
}

#[cfg(test)]
mod tests;
