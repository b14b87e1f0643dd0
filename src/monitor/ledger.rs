//! The incidents: which are open, whom each explains, how they grow; how they rest and end is in
//! `follow`.
//!
//! Every change here is a change of an [`Incident`] record, so what is committed is always the
//! whole truth and a restart begins where the record ends.

mod entry;
mod follow;
mod wide;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub(super) use self::entry::{Entry, Scope, Slot};
use super::correlate::{self, Verdict};
use super::flap;
use super::picture::Picture;
use super::record;
use super::site::Kind;
use crate::model::{Cause, CommonFactor, EndpointIx, Incident, IncidentId, Mono, Now, SiteIx};

/// Devices of which a notice is open, and of what.
pub(super) type Notices = BTreeMap<(EndpointIx, Cause), Slot>;

/// All incidents that are open, and those that ended so recently that they may come back.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<Slot, Entry>,
    next: u32,
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

    /// The open notices.
    pub(super) fn notices(&self) -> Notices {
        let about = |(slot, entry): (Slot, &Entry)| match entry.scope {
            Scope::Item(endpoint, cause) if entry.is_open() => Some(((endpoint, cause), slot)),
            _ => None,
        };
        self.iter().filter_map(about).collect()
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

    /// Our wall clock was set by so many seconds. For how long open incidents have waited for
    /// somebody, for how long somebody has them and how long ago messages about them were stays
    /// what it was: else nobody would be told further for as long as a clock was set back, or
    /// everybody at once. So does all that is held against those moments.
    pub(super) fn our_clock_was_set(&mut self, by_s: i64) {
        let moved =
            |at: Timestamp| at.saturating_add(SignedDuration::from_secs(by_s)).unwrap_or(at);
        for entry in self.entries.values_mut().filter(|entry| entry.incident.is_open()) {
            let incident = entry.change();
            incident.waiting_since = incident.waiting_since.map(moved);
            if let Some(waited) = &mut incident.waited {
                waited.since = moved(waited.since);
            }
            if let Some(ack) = &mut incident.ack {
                (ack.at, ack.until) = (moved(ack.at), ack.until.map(moved));
            }
            for told in &mut incident.told {
                told.at = moved(told.at);
                if let Some(given_up) = &mut told.given_up {
                    given_up.at = moved(given_up.at);
                }
            }
            for at in &mut incident.relapses {
                *at = moved(*at);
            }
            incident.was_over = incident.was_over.map(moved);
            if let Some(muted) = &mut incident.muted {
                muted.since = moved(muted.since);
            }
        }
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

    /// Whether a site's trouble is of a kind that nothing explains yet, or there is something wider
    /// that would explain its silence too: its own silence is told apart from that of what hangs on
    /// it, the site at fault is explained by something wider itself, or the site above that has no
    /// part in it. A site that may only be starting needs no explanation yet.
    pub(super) fn is_unexplained(&self, picture: &Picture, site: SiteIx) -> bool {
        let Some(trouble) = picture.site(site).finding.trouble() else { return false };
        if picture.site(site).may_be_starting() {
            return false;
        }
        let Some(entry) = self.explaining(picture, site) else { return true };
        // Its own rests under what explains it no longer.
        let rests = picture.site(site).group.is_none() && !entry.is_active();
        let graver = entry.kind.is_none_or(|kind| kind < trouble.kind)
            && (!entry.explains(picture, trouble.kind) || entry.over_since.is_some());
        if rests || graver {
            return true;
        }
        let (Scope::Site(node) | Scope::Below(node)) = entry.scope else { return false };
        let is_silent = |site: SiteIx| picture.site(site).finding.is(Kind::Silent);
        if is_silent(site)
            && matches!(entry.scope, Scope::Site(_))
            && !picture.topology().site(site).children.is_empty()
            && self.takes_in(picture, &Scope::Below(site), Kind::Silent).is_some()
            && correlate::explains_below_for_a_fact(picture, site)
        {
            return true;
        }
        if matches!(entry.scope, Scope::Below(_))
            && self.wider(picture, node, Kind::Silent).is_some()
        {
            return is_silent(site);
        }
        let above = picture.topology().site(node).parent.filter(|above| is_silent(*above));
        above.is_some_and(|above| {
            is_silent(node)
                && !entry.members.contains_key(&above)
                && correlate::explains_below_for_a_fact(picture, above)
        })
    }

    /// What explains the silence of what hangs on a site by explaining its own: something wider
    /// that takes in more.
    pub(super) fn wider(&self, picture: &Picture, node: SiteIx, kind: Kind) -> Option<&Scope> {
        let entry = self.explaining(picture, node).filter(|entry| {
            entry.takes_in(picture, kind)
                && entry.members.get(&node) == Some(&false)
                && entry.scope != Scope::Below(node)
                && !matches!(entry.scope, Scope::Site(_))
        })?;
        Some(&entry.scope)
    }

    /// When the wider incident of this scope began, if one is open that takes in more sites.
    pub(super) fn takes_in(&self, picture: &Picture, scope: &Scope, kind: Kind) -> Option<Mono> {
        let fits = |entry: &&Entry| entry.scope == *scope && entry.takes_in(picture, kind);
        self.entries.values().find(fits).map(|entry| entry.began_at)
    }

    /// Sites whose incident of this kind is so young that a wider cause may yet be found.
    pub(super) fn young(&self, picture: &Picture, kind: Kind, now: Mono) -> Vec<SiteIx> {
        let window = picture.settings().correlation.window;
        // Of devices and services it takes long to be sure, and longer of one than of another.
        let reach = if matches!(kind, Kind::Device | Kind::Service) { window * 2 } else { window };
        let earliest = now.earlier(reach);
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
    /// 1. A site has one incident of its own at a time. A graver trouble renames it and is said to
    ///    be on since it began, whatever went before. One that was resting goes on, as whatever it
    ///    is by now, if all was well in between, nobody has heard of what it was, or it has been
    ///    this for long.
    /// 2. One of the same kind that ended within the flapping window comes back.
    fn open_own(&mut self, picture: &mut Picture, site: SiteIx, now: Now) {
        let Some(trouble) = picture.site(site).finding.trouble().copied() else { return };
        if let Some(group) = picture.site_mut(site).group.take() {
            self.give_up(group, picture, site, now);
            self.give_up_beneath(group, picture, site, now);
        }
        if let Some(entry) = picture.site(site).own.and_then(|slot| self.entries.get_mut(&slot)) {
            let graver = entry.kind.is_none_or(|kind| kind < trouble.kind);
            let rested = entry.well_since.is_some();
            let absorbed = entry.change().absorbed_by.take().is_some();
            let unheard = absorbed && entry.incident.told.is_empty();
            let outlasted = absorbed && entry.is_outlasted_by(&trouble, picture, now);
            if rested {
                entry.relapse(trouble.since, &picture.settings().flapping, now);
            }
            entry.members.insert(site, false);
            record::affect(entry, picture, site, trouble.since, now);
            if graver {
                entry.began_at = trouble.since;
                entry.change().began = now.wall_at(trouble.since);
            }
            if graver || rested || unheard || outlasted {
                entry.kind = Some(trouble.kind);
                record::name(entry, picture, now);
            }
            return;
        }
        let scope = Scope::Site(site);
        let kind = Some(trouble.kind);
        let slot = self
            .reopen(picture, &scope, kind, trouble.since, now)
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
    ///    one if it is of the same kind: another trouble of that site is another fault.
    /// 2. Else the oldest incident of its members that is younger than the window, and explains
    ///    nobody else, becomes the wider one: it was noticed first, and its cause is now known
    ///    better. What was told of it stays told. What sites have in common stays what it is, and
    ///    so does what somebody has taken on: they go on with that.
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
        let slot = self
            .known_group(picture, scope, kind, members)
            .or_else(|| self.reopen(picture, scope, Some(kind), since, now))
            .or_else(|| self.oldest_young(picture, kind, members, since, now))
            .unwrap_or_else(|| self.open(picture, scope.clone(), Some(kind), since, now));
        let Some(mut entry) = self.entries.remove(&slot) else { return };
        if let Scope::Site(site) = entry.scope {
            picture.site_mut(site).own = None;
        }
        // One that has just given its sites up, and is found again for them, was never over.
        if entry.well_since.take().is_some_and(|well| well < now.mono) {
            entry.relapse(since, &picture.settings().flapping, now);
        }
        if entry.scope != *scope || !entry.explains(picture, kind) {
            (entry.scope, entry.kind) = (scope.clone(), Some(kind));
        }
        entry.over_since = None;
        entry.milder_since = None;
        entry.began_at = entry.began_at.min(since);
        let incident = entry.change();
        let rested = incident.absorbed_by.take().is_some();
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
                if other.over_since.is_none() && other.left().all(|site| members.contains(&site)) {
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
        if rested {
            self.wake(slot, picture, now);
        }
    }

    /// The open incident of the same cause, or of the site that others hang on: rule 1 of
    /// [`open_group`](Self::open_group).
    fn known_group(
        &self,
        picture: &Picture,
        scope: &Scope,
        kind: Kind,
        members: &[SiteIx],
    ) -> Option<Slot> {
        let known = self.entries.iter().find(|(_, entry)| {
            entry.is_open() && entry.scope == *scope && entry.explains(picture, kind)
        });
        known.map(|(slot, _)| *slot).or_else(|| match scope {
            Scope::Below(node) if members.contains(node) => picture
                .site(*node)
                .own
                .filter(|slot| self.get(*slot).is_some_and(|entry| entry.kind == Some(kind))),
            _ => None,
        })
    }

    /// The oldest incident of one of the members that began no more than the window before and may
    /// become the wider one.
    fn oldest_young(
        &self,
        picture: &Picture,
        kind: Kind,
        members: &[SiteIx],
        since: Mono,
        now: Now,
    ) -> Option<Slot> {
        let earliest = since.earlier(picture.settings().correlation.window);
        let theirs: BTreeSet<Slot> = members
            .iter()
            .filter_map(|site| picture.site(*site).group.or(picture.site(*site).own))
            .collect();
        theirs.into_iter().find(|slot| {
            self.get(*slot).is_some_and(|entry| {
                entry.is_active()
                    && entry.kind == Some(kind)
                    && entry.began_at >= earliest
                    && entry.incident.taken_by(now.wall).is_none()
                    && !matches!(entry.scope, Scope::Label { .. })
                    && entry.left().all(|site| members.contains(&site))
            })
        })
    }

    /// An incident of this scope and kind that ended within the flapping window, opened again: what
    /// began at `since` is a relapse of it.
    pub(super) fn reopen(
        &mut self,
        picture: &Picture,
        scope: &Scope,
        kind: Option<Kind>,
        since: Mono,
        now: Now,
    ) -> Option<Slot> {
        let flapping = &picture.settings().flapping;
        let (slot, entry) = self.entries.iter_mut().rev().find(|(_, entry)| {
            entry.was(picture, scope, kind) && flap::may_return(&entry.incident, flapping, now.wall)
        })?;
        entry.kind = kind;
        entry.relapse(since, flapping, now);
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

    /// Lets an ended incident explain nobody any more.
    pub(super) fn let_go(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.members.clear();
        }
    }

    /// Forgets incidents for which `keep` is false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(|_, entry| keep(entry));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FlappingSettings;
    use crate::model::{NotificationKind, SiteId};
    use crate::monitor::flap;
    use crate::monitor::site::Finding;
    use crate::monitor::tests::{config, province, start};
    use crate::store::tests::{at, incident, told};

    /// A district that rests under its power, and that under the province; all explain `a` and
    /// `b`. The slots from the inside out.
    fn nested(picture: &Picture) -> (Ledger, [Slot; 3], [SiteIx; 2]) {
        let site = |id: &str| picture.topology().find_site(&SiteId::new(id)).unwrap();
        let power = Scope::Label { label: "power".to_owned(), value: "lo-7".to_owned() };
        let scopes = [Scope::Below(site("huyen")), power, Scope::Below(site("tinh"))];
        let sites = ["a", "b"].map(site);
        let mut ledger = Ledger::default();
        let ids = ["inner", "middle", "outer"];
        let slots = std::array::from_fn(|n| {
            let mut it = incident(ids[n], "huyen");
            it.absorbed_by = ids.get(n + 1).map(|id| IncidentId::new(*id));
            let members = sites.map(|site| (site, false)).into();
            let (scope, kind) = (scopes[n].clone(), Some(Kind::Silent));
            ledger.restore(Arc::new(it), scope, kind, members, Mono::ZERO)
        });
        (ledger, slots, sites)
    }

    #[test]
    fn who_leaves_the_outermost_incident_leaves_all_that_rest_beneath() {
        let config = config(province("{tinh: {huyen: [a, b]}}"));
        let mut picture = Picture::new(Arc::new(config), start().wall);
        let (mut ledger, [inner, middle, outer], [a, b]) = nested(&picture);
        for site in [a, b] {
            picture.site_mut(site).group = Some(outer);
        }
        ledger.give_up_beneath(outer, &picture, a, start());
        for slot in [inner, middle] {
            let left: Vec<SiteIx> = ledger.get(slot).unwrap().left().collect();
            assert_eq!(left, [b], "{slot:?}");
        }
    }

    #[test]
    fn what_wakes_says_nothing_of_sites_that_are_well() {
        let config = config(province("{tinh: {huyen: [a, b]}}"));
        let mut picture = Picture::new(Arc::new(config), start().wall);
        let (mut ledger, [inner, ..], [a, b]) = nested(&picture);
        picture.site_mut(a).finding = Finding::Well;
        ledger.get_mut(inner).unwrap().change().absorbed_by = None;
        ledger.wake(inner, &mut picture, start());
        let left: Vec<SiteIx> = ledger.get(inner).unwrap().left().collect();
        assert_eq!((left, picture.site(a).group), (vec![b], None));
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing_of_what_came_back_and_when() {
        let minute = |minute: u32| at(&format!("2026-02-03T01:{minute:02}:00Z"));
        let settings = FlappingSettings::default();
        for (by_s, end_is_told) in [(3600, false), (-3600, false), (3600, true), (-3600, true)] {
            let mut it = incident("i", "tan-lap");
            it.began = minute(0);
            it.told.push(told("truc", NotificationKind::Firing, minute(1)));
            it.resolved = Some(minute(7));
            if end_is_told {
                it.told.push(told("truc", NotificationKind::Resolved, minute(7)));
            }
            flap::relapse(&mut it, &settings, minute(8), minute(8));
            flap::relapse(&mut it, &settings, minute(12), minute(12));
            let back = it.came_back();
            assert_eq!(back, end_is_told.then(|| minute(12)));
            let mut ledger = Ledger::default();
            let (scope, members) = (Scope::Gone, BTreeMap::new());
            let slot = ledger.restore(Arc::new(it), scope, None, members, Mono::ZERO);
            ledger.our_clock_was_set(by_s);
            let moved = back.map(|at| at + SignedDuration::from_secs(by_s));
            assert_eq!(ledger.get(slot).unwrap().incident.came_back(), moved, "by {by_s} s");
        }
    }
}
