//! The incidents: which are open, whom each explains, how they grow, rest and end.
//!
//! Every change here is a change of an [`Incident`] record, so what is committed is always the
//! whole truth and a restart begins where the record ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::correlate::Verdict;
use super::flap;
use super::picture::Picture;
use super::record;
use super::site::{Finding, Kind, Trouble};
use crate::model::{
    Cause, CommonFactor, EndpointIx, Health, Incident, IncidentId, Mono, Now, Resolution, SiteIx,
};

/// The place of an incident in the ledger; grows with every one that is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// What an incident is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// This monitor.
    Monitor,
    /// One site's own trouble. A site has one at a time, whatever its kind.
    Site(SiteIx),
    /// A site and what hangs on it, or only the latter.
    Below(SiteIx),
    /// Sites with a label in common.
    Label {
        /// The label.
        label: String,
        /// Its value.
        value: String,
    },
    /// Something about one device that does not keep it from working.
    Item(EndpointIx, Cause),
    /// Something that is watched no longer.
    Gone,
}

/// An incident in the ledger.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) incident: Arc<Incident>,
    pub(super) scope: Scope,
    /// The kind of trouble; none for the monitor and for items.
    pub(super) kind: Option<Kind>,
    /// Whom it explains, and whether each is well again.
    pub(super) members: BTreeMap<SiteIx, bool>,
    /// When the fault began, as far as this run knows.
    pub(super) began_at: Mono,
    /// Since when everything it explains is well.
    pub(super) well_since: Option<Mono>,
    /// Since when what made it wide is over, while some of its members are not well.
    pub(super) over_since: Option<Mono>,
    /// When one of its members was last seen to come back.
    pub(super) returned_at: Mono,
    /// The trouble that it was last named after.
    pub(super) named: Option<Trouble>,
    /// A milder trouble that its site has had since then.
    milder: Option<(Kind, Mono)>,
    /// Whether the record must be looked at.
    pub(super) touched: bool,
    /// Whether something about it is still to be told, later.
    pub(super) unsaid: bool,
    /// The record as it was last made durable.
    pub(super) committed: Option<Arc<Incident>>,
}

/// All incidents that are open, and those that ended so recently that they may come back.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<Slot, Entry>,
    next: u32,
}

/// What a pass over the ledger found.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// When to look again.
    pub(super) again_at: Option<Mono>,
    /// Sites whose state must be learned anew before anything is said of them.
    pub(super) ask_again: BTreeSet<SiteIx>,
    /// Sites that are still in trouble while what explained it is over.
    pub(super) left: BTreeSet<SiteIx>,
}

impl Pass {
    fn wake(&mut self, at: Mono) {
        self.again_at = Some(self.again_at.map_or(at, |other| other.min(at)));
    }
}

impl Entry {
    /// An incident of which nothing more is known yet.
    fn of(incident: Arc<Incident>, scope: Scope, kind: Option<Kind>, began_at: Mono) -> Self {
        Self {
            incident,
            scope,
            kind,
            members: BTreeMap::new(),
            began_at,
            well_since: None,
            over_since: None,
            returned_at: Mono::ZERO,
            named: None,
            milder: None,
            touched: true,
            unsaid: false,
            committed: None,
        }
    }

    /// Whether it is open and nothing wider explains it.
    pub(super) fn is_active(&self) -> bool {
        self.incident.is_active()
    }

    fn is_open(&self) -> bool {
        self.incident.is_open()
    }

    fn is_all_well(&self) -> bool {
        self.members.values().all(|well| *well)
    }

    pub(super) fn change(&mut self) -> &mut Incident {
        self.touched = true;
        Arc::make_mut(&mut self.incident)
    }
}

impl Ledger {
    pub(super) fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(&slot)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(&slot)
    }

    /// The open incident of this scope.
    pub(super) fn open_of(&self, scope: &Scope) -> Option<Slot> {
        let open = |entry: &Entry| entry.is_open() && entry.scope == *scope;
        self.entries.iter().find(|(_, entry)| open(entry)).map(|(slot, _)| *slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        self.entries.iter().map(|(slot, entry)| (*slot, entry))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Slot, &mut Entry)> {
        self.entries.iter_mut().map(|(slot, entry)| (*slot, entry))
    }

    /// The incident with this id.
    pub(super) fn find(&mut self, id: &IncidentId) -> Option<&mut Entry> {
        self.entries.values_mut().find(|entry| entry.incident.id == *id)
    }

    /// The incident that explains a site now.
    pub(super) fn explaining(&self, picture: &Picture, site: SiteIx) -> Option<&Entry> {
        let known = picture.site(site);
        known.group.or(known.own).and_then(|slot| self.get(slot))
    }

    /// Whether an open incident says why a site does badly now.
    pub(super) fn is_explained(&self, picture: &Picture, site: SiteIx) -> bool {
        self.explaining(picture, site)
            .is_some_and(|entry| entry.is_active() && entry.members.get(&site) == Some(&false))
    }

    /// Whether a site's trouble is of a kind that nothing explains yet, or the site above what
    /// explains its silence is silent too and has no part in that.
    pub(super) fn is_unexplained(&self, picture: &Picture, site: SiteIx) -> bool {
        let Some(trouble) = picture.site(site).finding.trouble() else { return false };
        let Some(entry) = self.explaining(picture, site) else { return true };
        if entry.kind.is_none_or(|kind| kind < trouble.kind) {
            return true;
        }
        let (Scope::Site(node) | Scope::Below(node)) = entry.scope else { return false };
        let is_silent = |site: SiteIx| picture.site(site).finding.is(Kind::Silent);
        let above = picture.topology().site(node).parent.filter(|above| is_silent(*above));
        above.is_some_and(|above| is_silent(node) && !entry.members.contains_key(&above))
    }

    /// When the wider incident of this scope began, if one is open that takes in more sites.
    pub(super) fn takes_in(&self, scope: &Scope, kind: Kind) -> Option<Mono> {
        let fits = |entry: &&Entry| {
            entry.is_active()
                && entry.scope == *scope
                && entry.kind == Some(kind)
                && entry.over_since.is_none()
                && !entry.is_all_well()
        };
        self.entries.values().find(fits).map(|entry| entry.began_at)
    }

    /// Sites whose incident of this kind is so young that a wider cause may yet be found.
    pub(super) fn young(&self, picture: &Picture, kind: Kind, now: Mono) -> Vec<SiteIx> {
        let earliest = now.earlier(picture.settings().correlation.window);
        let young = self.entries.values().filter(|entry| {
            entry.is_active() && entry.kind == Some(kind) && entry.began_at >= earliest
        });
        let sites = young.filter_map(|entry| match entry.scope {
            Scope::Site(site) | Scope::Below(site) => Some(site),
            _ => None,
        });
        sites.filter(|site| picture.site(*site).finding.is(kind)).collect()
    }

    /// Puts verdicts into effect.
    pub(super) fn settle(&mut self, picture: &mut Picture, verdicts: Vec<Verdict>, now: Now) {
        for verdict in verdicts {
            match verdict {
                Verdict::Own { site } => self.open_own(picture, site, now),
                Verdict::Group { scope, kind, members, common } => {
                    self.open_group(picture, &scope, kind, &members, common, now);
                }
            }
        }
    }

    /// Makes a site's trouble its own incident.
    ///
    /// 1. A site has one incident of its own at a time. A graver trouble renames it, and one that
    ///    was resting goes on.
    /// 2. One of the same kind that ended within the flapping window comes back.
    fn open_own(&mut self, picture: &mut Picture, site: SiteIx, now: Now) {
        let Some(trouble) = picture.site(site).finding.trouble().copied() else { return };
        if let Some(group) = picture.site_mut(site).group.take() {
            self.give_up(group, picture, site, now);
        }
        if let Some(entry) = picture.site(site).own.and_then(|slot| self.entries.get_mut(&slot)) {
            let graver = entry.kind.is_none_or(|kind| kind < trouble.kind);
            entry.change().absorbed_by = None;
            if entry.well_since.take().is_some() {
                flap::relapse(entry.change(), &picture.settings().flapping, now.wall);
            }
            entry.members.insert(site, false);
            record::affect(entry, picture, site, trouble.since, now);
            if graver {
                entry.kind = Some(trouble.kind);
                record::name(entry, picture, now);
            }
            return;
        }
        let scope = Scope::Site(site);
        let kind = Some(trouble.kind);
        let slot = self
            .reopen(picture, &scope, kind, now)
            .unwrap_or_else(|| self.open(picture, scope, kind, trouble.since, now));
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.members.insert(site, false);
            picture.site_mut(site).own = Some(slot);
            record::name(entry, picture, now);
            record::affect(entry, picture, site, trouble.since, now);
        }
    }

    /// What explained a site does so no longer: something else does.
    fn give_up(&mut self, slot: Slot, picture: &Picture, site: SiteIx, now: Now) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            give_up(entry, picture, site, now);
        }
    }

    /// Makes one incident explain several sites.
    ///
    /// 1. If the same cause has an open incident, or one that ended within the flapping window, it
    ///    goes on with that. The own incident of the site that others hang on becomes the wider
    ///    one if it is one of those explained.
    /// 2. Else the oldest incident of its members that is younger than the window becomes the
    ///    wider one: it was noticed first, and its cause is now known better. What was told of it
    ///    stays told.
    /// 3. Other incidents of its members rest while the wider one explains them. One that explains
    ///    others besides, or is over for everybody else, only gives them up.
    fn open_group(
        &mut self,
        picture: &mut Picture,
        scope: &Scope,
        kind: Kind,
        members: &[SiteIx],
        common: Option<CommonFactor>,
        now: Now,
    ) {
        let since = onset(picture, scope, kind, members).unwrap_or(now.mono);
        let known = self.entries.iter().find(|(_, entry)| {
            entry.is_open() && entry.scope == *scope && entry.kind == Some(kind)
        });
        let known = known.map(|(slot, _)| *slot).or_else(|| match scope {
            Scope::Below(node) if members.contains(node) => {
                picture.site(*node).own.filter(|slot| {
                    self.get(*slot).is_some_and(|entry| entry.kind.is_some_and(|own| own <= kind))
                })
            }
            _ => None,
        });
        let slot = known
            .or_else(|| self.reopen(picture, scope, Some(kind), now))
            .or_else(|| self.oldest_young(picture, kind, members, since))
            .unwrap_or_else(|| self.open(picture, scope.clone(), Some(kind), since, now));
        let Some(mut entry) = self.entries.remove(&slot) else { return };
        if let Scope::Site(site) = entry.scope {
            picture.site_mut(site).own = None;
        }
        if entry.well_since.take().is_some() {
            flap::relapse(entry.change(), &picture.settings().flapping, now.wall);
        }
        entry.scope = scope.clone();
        entry.kind = Some(kind);
        entry.over_since = None;
        entry.milder = None;
        entry.began_at = entry.began_at.min(since);
        let incident = entry.change();
        incident.absorbed_by = None;
        if common.is_some() {
            incident.common = common;
        }
        let id = incident.id.clone();
        for site in members {
            let since = picture.site(*site).finding.trouble().map_or(now.mono, |t| t.since);
            let before = picture.site_mut(*site).group.replace(slot);
            if let Some(other) = before.filter(|other| *other != slot)
                && let Some(other) = self.entries.get_mut(&other)
            {
                let mut left = other.members.iter().filter(|(_, well)| !**well);
                if other.over_since.is_none() && left.all(|(site, _)| members.contains(site)) {
                    other.change().absorbed_by = Some(id.clone());
                } else {
                    give_up(other, picture, *site, now);
                }
            }
            if let Some(own) = picture.site(*site).own.and_then(|own| self.entries.get_mut(&own)) {
                own.change().absorbed_by = Some(id.clone());
            }
            entry.members.insert(*site, false);
            record::affect(&mut entry, picture, *site, since, now);
        }
        record::name(&mut entry, picture, now);
        self.entries.insert(slot, entry);
    }

    /// The oldest incident of one of the members that began no more than the window before.
    fn oldest_young(
        &self,
        picture: &Picture,
        kind: Kind,
        members: &[SiteIx],
        since: Mono,
    ) -> Option<Slot> {
        let earliest = since.earlier(picture.settings().correlation.window);
        let theirs: BTreeSet<Slot> = members
            .iter()
            .filter_map(|site| picture.site(*site).group.or(picture.site(*site).own))
            .collect();
        theirs.into_iter().find(|slot| {
            self.get(*slot).is_some_and(|entry| {
                entry.is_active() && entry.kind == Some(kind) && entry.began_at >= earliest
            })
        })
    }

    /// An incident of this scope and kind that ended within the flapping window, opened again.
    pub(super) fn reopen(
        &mut self,
        picture: &Picture,
        scope: &Scope,
        kind: Option<Kind>,
        now: Now,
    ) -> Option<Slot> {
        let flapping = &picture.settings().flapping;
        let (slot, entry) = self.entries.iter_mut().rev().find(|(_, entry)| {
            entry.scope == *scope
                && entry.kind == kind
                && flap::may_return(&entry.incident, flapping, now.wall)
        })?;
        flap::relapse(entry.change(), flapping, now.wall);
        entry.well_since = None;
        entry.over_since = None;
        Some(*slot)
    }

    /// A new incident.
    pub(super) fn open(
        &mut self,
        picture: &Picture,
        scope: Scope,
        kind: Option<Kind>,
        since: Mono,
        now: Now,
    ) -> Slot {
        let slot = Slot(self.next);
        self.next += 1;
        let cause = record::cause(&scope, kind);
        let id = record::id(picture, &scope, cause, now.wall);
        let taken = |id: &IncidentId| self.entries.values().any(|entry| entry.incident.id == *id);
        let id = (1..).map(|n| record::nth(&id, n)).find(|id| !taken(id)).unwrap_or(id);
        let mut incident = Incident::blank(id, cause, now.wall_at(since));
        incident.opened = now.wall;
        let incident = Arc::new(incident);
        self.entries.insert(slot, Entry::of(incident, scope, kind, since));
        slot
    }

    /// Puts an incident from before a restart back in its place.
    pub(super) fn restore(
        &mut self,
        incident: Arc<Incident>,
        scope: Scope,
        kind: Option<Kind>,
        members: BTreeMap<SiteIx, bool>,
        began_at: Mono,
    ) -> Slot {
        let slot = Slot(self.next);
        self.next += 1;
        let committed = Some(Arc::clone(&incident));
        let entry = Entry { members, committed, ..Entry::of(incident, scope, kind, began_at) };
        self.entries.insert(slot, entry);
        slot
    }

    /// Lets an ended incident never come back.
    pub(super) fn lay_to_rest(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.members.clear();
        }
    }

    /// Forgets incidents for which `keep` is false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(|_, entry| keep(entry));
    }

    /// Follows the sites of every open incident and ends those that are over.
    ///
    /// 1. A site that is well is marked so; one that is in trouble again is not. What is unsettled
    ///    or unknown changes nothing: opening may be held back, closing is never guessed.
    /// 2. When the site that others hang on answers again, or so many sites are well that the
    ///    common cause no longer holds, the incident is *over* for what is still in trouble: those
    ///    sites are asked again. When they are still in trouble after as many turns as make a
    ///    failure a fact, in which nobody else began to answer either, they are `left` to be
    ///    explained anew: by themselves, or by the highest of them. Until then, and for
    ///    `correlation.window` at the longest, they may just be slow to come back.
    /// 3. An incident of which everything is well ends when that has lasted; see [`flap`].
    /// 4. What rested under it and is well ends with it.
    pub(super) fn follow(&mut self, picture: &mut Picture, now: Now) -> Pass {
        let mut pass = Pass::default();
        let slots: Vec<Slot> = self.entries.keys().copied().collect();
        for slot in slots {
            let Some(entry) = self.entries.get_mut(&slot) else { continue };
            if !entry.is_active() || entry.kind.is_none() {
                continue;
            }
            let free = note_members(entry, picture, now);
            let scope = entry.scope.clone();
            for site in free {
                self.free(slot, picture, site, now);
            }
            let Some(entry) = self.entries.get_mut(&slot) else { continue };
            match scope {
                Scope::Site(site) => note_trouble(entry, picture, site, now, &mut pass),
                _ => self.hand_over(slot, picture, now, &mut pass),
            }
        }
        self.close(picture, now, &mut pass);
        pass
    }

    /// A site that is well needs no wider incident to explain it, nor any that rested under that
    /// one: should it fall into another trouble, they have nothing to say of it. Its own ends by
    /// itself.
    fn free(&mut self, slot: Slot, picture: &mut Picture, site: SiteIx, now: Now) {
        let known = picture.site_mut(site);
        if known.group != Some(slot) {
            return;
        }
        known.group = None;
        let (own, id) = (known.own, self.get(slot).map(|entry| entry.incident.id.clone()));
        if let Some(own) = own.and_then(|own| self.entries.get_mut(&own)) {
            own.change().absorbed_by = None;
            give_up(own, picture, site, now);
        }
        for other in self.entries.values_mut() {
            if matches!(other.scope, Scope::Below(_) | Scope::Label { .. })
                && other.members.get(&site) == Some(&false)
                && other.is_open()
                && other.incident.absorbed_by == id
            {
                give_up(other, picture, site, now);
            }
        }
    }

    /// Rule 2 of [`follow`](Self::follow).
    fn hand_over(&mut self, slot: Slot, picture: &mut Picture, now: Now, pass: &mut Pass) {
        let Some(entry) = self.entries.get_mut(&slot) else { return };
        if entry.is_all_well() || !is_over(entry, picture) {
            entry.over_since = None;
            return;
        }
        let left: Vec<SiteIx> =
            entry.members.iter().filter(|(_, well)| !**well).map(|(site, _)| *site).collect();
        if entry.over_since.is_none() {
            entry.over_since = Some(now.mono);
            pass.ask_again.extend(left.iter().copied());
        }
        let over_since = entry.over_since.unwrap_or(now.mono);
        if left.iter().any(|site| answers_again(picture, *site)) {
            entry.returned_at = now.mono;
        }
        let calm_since = over_since.max(entry.returned_at);
        let patience = left.iter().filter_map(|site| turns_to_be_sure(picture, *site)).min();
        let longest = over_since + picture.settings().correlation.window;
        let deadline = patience.map_or(longest, |patience| longest.min(calm_since + patience));
        if now.mono < deadline {
            pass.wake(deadline);
            return;
        }
        let id = entry.incident.id.clone();
        let rest_under_it = |(_, other): &(&Slot, &Entry)| {
            other.is_open()
                && other.incident.absorbed_by.as_ref() == Some(&id)
                && matches!(other.scope, Scope::Below(_) | Scope::Label { .. })
        };
        let narrower: Vec<Slot> =
            self.entries.iter().filter(rest_under_it).map(|(slot, _)| *slot).collect();
        for site in left {
            // What is still being asked stays until that is settled.
            let Some(Trouble { kind, since, .. }) = picture.site(site).finding.trouble().copied()
            else {
                continue;
            };
            self.give_up(slot, picture, site, now);
            picture.site_mut(site).group = None;
            for narrower in &narrower {
                let Some(other) = self.entries.get_mut(narrower) else { continue };
                let Some(well) = other.members.get(&site).copied() else { continue };
                if other.kind == Some(kind) && picture.site(site).group.is_none() {
                    picture.site_mut(site).group = Some(*narrower);
                    other.change().absorbed_by = None;
                    other.members.insert(site, false);
                    record::affect(other, picture, site, since, now);
                } else if !well {
                    // It has another trouble by now, or something else explains it.
                    give_up(other, picture, site, now);
                }
            }
            if picture.site(site).group.is_none() {
                pass.left.insert(site);
            }
        }
    }

    /// Rules 3 and 4 of [`follow`](Self::follow).
    fn close(&mut self, picture: &mut Picture, now: Now, pass: &mut Pass) {
        let mut over = Vec::new();
        for (slot, entry) in &mut self.entries {
            if !entry.is_active() || entry.kind.is_none() || !entry.is_all_well() {
                continue;
            }
            let well_since = *entry.well_since.get_or_insert(now.mono);
            let flapping = &picture.config.settings.flapping;
            let deadline = well_since + flap::patience(&entry.incident, flapping, now.wall);
            let certain = entry.members.keys().all(|site| {
                let known = picture.site(*site);
                let theirs = known.group.or(known.own) == Some(*slot);
                !theirs || known.finding == Finding::Well
            });
            if now.mono < deadline {
                pass.wake(deadline);
            } else if certain {
                over.push(*slot);
            }
        }
        for slot in over {
            self.resolve(slot, picture, Resolution::Recovered, now);
        }
    }

    /// What rested explains its sites again, but for those that something else explains by now.
    fn wake(&mut self, slot: Slot, picture: &mut Picture, now: Now) {
        let Some(entry) = self.entries.get_mut(&slot) else { return };
        if let Scope::Site(site) = entry.scope {
            let wider = picture.site(site).group.and_then(|group| self.get(group));
            let wider = wider.filter(|wider| wider.is_active()).map(|w| w.incident.id.clone());
            if let Some(entry) = self.entries.get_mut(&slot).filter(|_| wider.is_some()) {
                entry.change().absorbed_by = wider;
            }
            return;
        }
        let left: Vec<SiteIx> =
            entry.members.iter().filter(|(_, well)| !**well).map(|(site, _)| *site).collect();
        for site in left {
            if picture.site(site).group.is_none() {
                picture.site_mut(site).group = Some(slot);
            } else {
                give_up(entry, picture, site, now);
            }
        }
    }

    /// Ends an incident, and with it what rested under it and is well.
    pub(super) fn resolve(&mut self, slot: Slot, picture: &mut Picture, how: Resolution, now: Now) {
        let Some(entry) = self.entries.get_mut(&slot) else { return };
        let incident = entry.change();
        incident.resolved = Some(now.wall);
        incident.resolution = Some(how);
        for affected in &mut incident.affected {
            affected.until.get_or_insert(now.wall);
        }
        let id = incident.id.clone();
        let members: Vec<SiteIx> = entry.members.keys().copied().collect();
        for site in members {
            let known = picture.site_mut(site);
            known.group = known.group.filter(|group| *group != slot);
            known.own = known.own.filter(|own| *own != slot);
        }
        let mut resting: Vec<(bool, Slot)> = self
            .entries
            .iter()
            .filter(|(_, other)| {
                other.is_open() && other.incident.absorbed_by.as_ref() == Some(&id)
            })
            .map(|(slot, other)| (matches!(other.scope, Scope::Site(_)), *slot))
            .collect();
        // Wider ones first: they explain what rests under them.
        resting.sort_unstable();
        for (_, other) in resting {
            let Some(entry) = self.entries.get_mut(&other) else { continue };
            entry.change().absorbed_by = None;
            let Some(_) = entry.kind else { continue };
            let well = entry.members.keys().all(|site| {
                picture.site(*site).finding == Finding::Well && picture.site(*site).group.is_none()
            });
            if well {
                self.resolve(other, picture, how, now);
            } else {
                self.wake(other, picture, now);
            }
        }
    }
}

/// Whether something at a site that was down answers, confirmed or not.
fn answers_again(picture: &Picture, site: SiteIx) -> bool {
    let topology = picture.topology();
    let endpoints = topology.site(site).endpoints.iter();
    endpoints.flat_map(|endpoint| &topology.endpoint(*endpoint).targets).any(|target| {
        let target = picture.target(*target);
        target.streak.hard == Health::Down && target.is_good()
    })
}

/// How long as many turns of a site take as make a failure a fact.
fn turns_to_be_sure(picture: &Picture, site: SiteIx) -> Option<Duration> {
    let (pace, timeout) = picture.pace(picture.pulse(site)?);
    Some(pace * picture.settings().hysteresis.fail_after + timeout)
}

fn give_up(entry: &mut Entry, picture: &Picture, site: SiteIx, now: Now) {
    if let Some(well) = entry.members.get_mut(&site) {
        *well = true;
        record::release(entry, picture, site, now);
    }
}

/// When a wider fault began: when the site fell into trouble on which the others hang, or else the
/// first of those that nothing explained before.
fn onset(picture: &Picture, scope: &Scope, kind: Kind, members: &[SiteIx]) -> Option<Mono> {
    let since = |site: SiteIx| {
        let trouble = picture.site(site).finding.trouble();
        trouble.filter(|trouble| trouble.kind == kind).map(|trouble| trouble.since)
    };
    let node = match scope {
        Scope::Below(node) => since(*node),
        _ => None,
    };
    let window = picture.settings().correlation.window;
    let last = members.iter().filter_map(|site| since(*site)).max()?;
    let first =
        members.iter().filter_map(|site| since(*site)).filter(|at| *at >= last.earlier(window));
    node.or_else(|| first.min())
}

/// Rule 1 of [`Ledger::follow`]; gives the sites that are well now and were not before.
fn note_members(entry: &mut Entry, picture: &Picture, now: Now) -> Vec<SiteIx> {
    let mut well_now = Vec::new();
    let sites: Vec<(SiteIx, bool)> = entry.members.iter().map(|(s, well)| (*s, *well)).collect();
    for (site, was_well) in sites {
        let finding = picture.site(site).finding;
        if finding == Finding::Well && !was_well {
            entry.members.insert(site, true);
            entry.returned_at = now.mono;
            record::release(entry, picture, site, now);
            well_now.push(site);
        } else if let Some(trouble) = finding.trouble().filter(|_| was_well)
            && matches!(entry.scope, Scope::Site(_))
        {
            if entry.well_since.take().is_some() {
                flap::relapse(entry.change(), &picture.settings().flapping, now.wall);
            }
            entry.members.insert(site, false);
            record::affect(entry, picture, site, trouble.since, now);
        }
    }
    if !entry.is_all_well() {
        entry.well_since = None;
    }
    well_now
}

/// Follows the trouble of a site that has an incident of its own.
///
/// 1. When it comes to keep the site from taking part, or another device or service is at fault,
///    the incident is named anew.
/// 2. A milder trouble that outlasts the graver one by the window gives the incident its name: the
///    line is back and the codec has hung on the way.
fn note_trouble(entry: &mut Entry, picture: &Picture, site: SiteIx, now: Now, pass: &mut Pass) {
    let Some(trouble) = picture.site(site).finding.trouble() else {
        entry.milder = None;
        return;
    };
    if Some(trouble.kind) >= entry.kind {
        entry.milder = None;
        let other = entry.named.is_some_and(|named| {
            (named.endpoint, named.target) != (trouble.endpoint, trouble.target)
                || (trouble.down && !named.down)
        });
        if Some(trouble.kind) == entry.kind && other {
            record::name(entry, picture, now);
        }
        return;
    }
    let since = match entry.milder {
        Some((kind, since)) if kind == trouble.kind => since,
        _ => now.mono,
    };
    entry.milder = Some((trouble.kind, since));
    let deadline = since + picture.settings().correlation.window;
    if now.mono < deadline {
        pass.wake(deadline);
        return;
    }
    entry.kind = Some(trouble.kind);
    entry.milder = None;
    record::name(entry, picture, now);
}

/// Whether what made an incident wide no longer holds.
fn is_over(entry: &Entry, picture: &Picture) -> bool {
    let Some(kind) = entry.kind else { return false };
    let correlation = &picture.settings().correlation;
    let failing = |site: &SiteIx| picture.site(*site).finding.is(kind);
    let share = |sites: &mut dyn Iterator<Item = SiteIx>| {
        let (mut bad, mut all) = (0u32, 0u32);
        for site in sites {
            all += 1;
            bad += u32::from(failing(&site));
        }
        if all == 0 { 0.0 } else { f64::from(bad) / f64::from(all) }
    };
    match &entry.scope {
        Scope::Below(node) if entry.members.contains_key(node) => {
            match picture.site(*node).finding {
                Finding::Well => true,
                Finding::Trouble(trouble) => trouble.kind < kind,
                Finding::Unsettled | Finding::Unknown => entry.over_since.is_some(),
            }
        }
        Scope::Below(node) => {
            let children = &picture.topology().site(*node).children;
            let mut members = children.iter().copied().filter(|c| entry.members.contains_key(c));
            share(&mut members) < correlation.children_share
        }
        Scope::Label { .. } => {
            share(&mut entry.members.keys().copied()) < correlation.common_inside
        }
        _ => false,
    }
}
