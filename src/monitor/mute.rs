//! When messages are held back: silences and planned work.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::picture::Picture;
use crate::model::{Change, Incident, Maintenance, Silence, SilenceId, SiteId, SiteIx, Topology};

/// For so long what is over is kept: a clock that was set forward by mistake is set back, and what
/// was planned holds again.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Silences and maintenance windows that are not over, or not for long.
#[derive(Debug, Clone, Default)]
pub(super) struct Mutes {
    pub(super) silences: BTreeMap<SilenceId, Silence>,
    pub(super) maintenance: BTreeMap<SilenceId, Maintenance>,
}

/// What is said of an incident, as far as it decides what holds that back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// Whether it is graver or far larger than what is held back of it, or lies elsewhere.
    pub(super) worse: bool,
    /// When readiness for its session began, where it is critical with that on or about to begin.
    pub(super) near_since: Option<Timestamp>,
}

/// A site at a moment: of what it is asked whether something holds back what is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) topology: &'a Topology,
    pub(super) site: SiteIx,
    pub(super) at: Timestamp,
}

impl Weight {
    /// Of something that is as it was, whatever is on.
    pub(super) const NONE: Self = Self { worse: false, near_since: None };
}

impl Mutes {
    /// Drops what ended long before `now`; gives the changes that make that durable.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Change> {
        let is_old = |until: Timestamp| now.duration_since(until) >= KEPT;
        let silences = self.silences.values().filter(|silence| is_old(silence.until));
        let windows = self.maintenance.values().filter(|window| is_old(window.until));
        let over: Vec<SilenceId> = silences
            .map(|silence| silence.id.clone())
            .chain(windows.map(|window| window.id.clone()))
            .collect();
        for id in &over {
            self.lift(id);
        }
        over.into_iter().map(Change::Lift).collect()
    }

    /// The silences that are on or to come.
    pub(super) fn silences_ahead(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        self.silences.values().filter(move |silence| now < silence.until)
    }

    /// The maintenance windows that are on or to come.
    pub(super) fn windows_ahead(&self, now: Timestamp) -> impl Iterator<Item = &Maintenance> {
        self.maintenance.values().filter(move |window| now < window.until)
    }

    /// Ends a silence or a maintenance window; whether there was one.
    pub(super) fn lift(&mut self, id: &SilenceId) -> bool {
        let silence = self.silences.remove(id).is_some();
        self.maintenance.remove(id).is_some() || silence
    }

    /// Whether messages about a site are held back by a silence.
    pub(super) fn is_silenced(&self, place: Place<'_>) -> bool {
        self.silences.values().any(|silence| {
            silence.from <= place.at
                && place.at < silence.until
                && silence.site.as_ref().is_none_or(|root| place.is_below(root))
        })
    }

    /// Whether planned work is going on at a site.
    pub(super) fn is_in_maintenance(&self, place: Place<'_>) -> bool {
        self.is_worked_on(place, Timestamp::MIN)
    }

    /// The same, by work that began no sooner than `since`.
    fn is_worked_on(&self, place: Place<'_>, since: Timestamp) -> bool {
        self.maintenance.values().any(|window| {
            since <= window.from
                && window.from <= place.at
                && place.at < window.until
                && window.sites.iter().any(|root| place.is_below(root))
        })
    }

    /// Whether messages about an incident are held back.
    ///
    /// 1. When a silence concerns everything.
    /// 2. When every site that is still affected is silenced or being worked on; so what reaches
    ///    beyond them is told. Where none is affected, the site at fault counts.
    /// 3. What is [worse](Weight::worse) than what is held back breaks every silence: whoever asked
    ///    for it did not know.
    /// 4. Planned work holds that back all the same, as things get worse before they are better.
    ///    But work that began before the readiness for a session did holds back nothing that is
    ///    critical for it, even what fails only then: nobody means to work on into a session. Work
    ///    that is meant for the session begins within it, and has its peace.
    pub(super) fn holds_back(
        &self,
        picture: &Picture,
        incident: &Incident,
        Weight { worse, near_since }: Weight,
        now: Timestamp,
    ) -> bool {
        let since = near_since.unwrap_or(Timestamp::MIN);
        let on = |silence: &Silence| silence.from <= now && now < silence.until;
        if !worse && self.silences.values().any(|silence| silence.site.is_none() && on(silence)) {
            return true;
        }
        if self.silences.is_empty() && self.maintenance.is_empty() {
            return false;
        }
        let muted = |id: &SiteId| {
            let topology = picture.topology();
            topology.find_site(id).is_some_and(|site| {
                let place = Place { topology, site, at: now };
                (!worse && self.is_silenced(place)) || self.is_worked_on(place, since)
            })
        };
        let mut affected = incident.affected_now().peekable();
        if affected.peek().is_some() {
            affected.all(muted)
        } else {
            incident.site.as_ref().is_some_and(muted)
        }
    }

    /// Whether messages about a site are held back by either when it is critical for a session the
    /// readiness for which began at `since`.
    pub(super) fn is_muted(&self, place: Place<'_>, since: Timestamp) -> bool {
        self.is_silenced(place) || self.is_worked_on(place, since)
    }

    /// When the next of them begins or ends.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let silences = self.silences.values().flat_map(|silence| [silence.from, silence.until]);
        let windows = self.maintenance.values().flat_map(|window| [window.from, window.until]);
        silences.chain(windows).filter(|at| *at > now).min()
    }
}

impl Place<'_> {
    /// Whether the site is `root` or its line runs through it.
    fn is_below(&self, root: &SiteId) -> bool {
        self.topology.is_below(self.site, root)
    }
}
