//! What was the matter when, and whether what people are told is true when they are told.

use std::time::Duration;

use vchealth::config::Config;
use vchealth::lab::world::Place;
use vchealth::model::{
    Cause, Durable, Incident, Mono, Notification, NotificationKind, Now, Resolution, SiteIx,
    Topology,
};

use super::drawn::{History, Pace};
use super::told;
use super::truth::{self, Truth};
use crate::simulate::run::{Run, explains};

/// What was the matter with every site of a province, from the beginning on.
pub(super) struct Past {
    /// For each site what was the matter with it, from when on.
    sites: Vec<Vec<(Mono, State)>>,
    /// From when to when we could not see, as far as that is known.
    unseen: Vec<(Mono, Mono)>,
    /// Who is well may be believed not to be for so long.
    doubt: Duration,
}

/// What is the matter with a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    truth: Truth,
    /// Whether its path loses or delays packets.
    is_bad_path: bool,
}

impl State {
    const fn is_well(self) -> bool {
        matches!(self.truth, Truth::Well) && !self.is_bad_path
    }
}

impl Past {
    pub(super) fn new(history: &History, run: &Run) -> Self {
        let doubt = match history.pace {
            // Two turns, and what is confirmed in between. By a clock that is set a session is
            // further away.
            Pace::Readiness | Pace::Live if !history.steps_the_clock() => 80,
            _ => 150,
        };
        let mut past = Self {
            sites: vec![Vec::new(); run.topology.sites.len()],
            unseen: Vec::new(),
            doubt: Duration::from_secs(doubt),
        };
        past.look(run);
        past
    }

    /// Takes down how things stand, after each step.
    pub(super) fn look(&mut self, run: &Run) {
        let now = run.now.mono;
        let truths = truth::truths(run);
        for (n, (states, truth)) in self.sites.iter_mut().zip(truths).enumerate() {
            let here = |place: &Place| matches!(place, Place::Site(site, _) if site.ix() == n);
            let bad = |(place, fault)| here(place) && truth::worsens(fault);
            let state = State { truth, is_bad_path: run.world.faults().any(bad) };
            if states.last().is_none_or(|(_, last)| *last != state) {
                states.push((now, state));
            }
        }
        // Whether we see again is only known at the next look.
        if let Some((_, until)) = self.unseen.iter_mut().find(|(_, until)| *until == Mono::NEVER) {
            *until = now;
        }
        if run.world.faults().any(|(_, fault)| fault.kind().is_own()) {
            self.unseen.push((now, Mono::NEVER));
        }
        self.unseen.extend(run.returns_at.map(|back| (now, back)));
    }

    /// What is untrue of a message at the moment when it is written down.
    ///
    /// 1. Whoever is said to be affected was not well at some moment of late, and what is the
    ///    matter is what is said: a line is dead where nothing answered, a path bad where it was.
    /// 2. It concerns [nobody else](truth::misplaced).
    /// 3. Of what is said to work again nothing has been silent for long, unless another incident
    ///    says so.
    ///
    /// While we cannot see, and shortly after, only the second can be held against anybody.
    pub(super) fn untrue(
        &self,
        message: &Notification,
        durable: &Durable,
        config: &Config,
        whole: &Topology,
        now: Now,
    ) -> Vec<String> {
        let incident = &message.alert.incident;
        if !explains(incident) {
            return Vec::new();
        }
        let id = told::words(message);
        let late = now.mono.earlier(self.doubt);
        // A path is called good again only once a whole window of packets has come through, and a
        // while longer, in which it may become more urgent.
        let is_path = incident.cause == Cause::Quality;
        let since = if is_path { now.mono.earlier(self.doubt * 5) } else { late };
        let blind = self.unseen.iter().any(|(_, until)| *until >= late);
        let mut wrong = Vec::new();
        if message.kind == NotificationKind::Resolved {
            if blind || incident.resolution != Some(Resolution::Recovered) {
                return wrong;
            }
            for affected in &incident.affected {
                let Some(site) = whole.find_site(&affected.site) else { continue };
                let watched = config.topology.find_site(&affected.site).is_some();
                let silent = self.always(site, since, |state| state.truth == Truth::Silent);
                let others = durable
                    .incidents
                    .values()
                    .filter(|it| it.is_active() && explains(it) && it.id != incident.id);
                let is_said =
                    others.flat_map(Incident::affected_now).any(|it| *it == affected.site);
                if watched && silent && !is_said {
                    wrong.push(format!("{id}: {} has not recovered", affected.site));
                }
            }
            return wrong;
        }
        wrong.extend(truth::misplaced(incident, config).map(|why| format!("{id}: {why}")));
        for affected in incident.affected_now() {
            let Some(site) = whole.find_site(affected).filter(|_| !blind) else { continue };
            if self.always(site, since, State::is_well) {
                wrong.push(format!("{id}: {affected} is well"));
                continue;
            }
            let fits = |state: State| match incident.cause {
                Cause::Access | Cause::Uplink if incident.common.is_none() => {
                    state.truth == Truth::Silent
                }
                // What was dark for a moment has lost packets as well.
                Cause::Quality => !state.is_well(),
                _ => state.truth != Truth::Well,
            };
            if self.always(site, since, |state| !fits(state)) {
                let cause = incident.cause.word();
                wrong.push(format!("{id}: {affected} has another trouble than {cause}"));
            }
        }
        wrong
    }

    /// Whether something was so of a site all the time since then.
    fn always(&self, site: SiteIx, since: Mono, is: impl Fn(State) -> bool) -> bool {
        let states = &self.sites[site.ix()];
        // The one that held then, and all that came after it.
        let first = states.partition_point(|(from, _)| *from <= since).saturating_sub(1);
        states[first..].iter().all(|(_, state)| is(*state))
    }
}
