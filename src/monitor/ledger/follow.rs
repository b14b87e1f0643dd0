//! How incidents rest, are handed over, and end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Entry, Ledger, Scope, Slot, give_up};
use crate::model::{Health, Mono, Now, Resolution, SiteIx};
use crate::monitor::blind::Sight;
use crate::monitor::picture::Picture;
use crate::monitor::site::{Finding, Kind, Trouble};
use crate::monitor::{flap, record, witness};

/// What a pass over the ledger found.
#[derive(Debug, Default)]
pub(in crate::monitor) struct Pass {
    /// When to look again.
    pub(in crate::monitor) again_at: Option<Mono>,
    /// Sites whose state must be learned anew before anything is said of them.
    pub(in crate::monitor) ask_again: BTreeSet<SiteIx>,
    /// Sites that are still in trouble while what explained it is over.
    pub(in crate::monitor) left: BTreeSet<SiteIx>,
}

impl Pass {
    fn wake(&mut self, at: Mono) {
        self.again_at = Some(self.again_at.map_or(at, |other| other.min(at)));
    }
}

impl Ledger {
    /// Follows the sites of every open incident and ends those that are over.
    ///
    /// 1. A site that is well is marked so; one that is in trouble again is not, unless it may yet
    ///    turn out that we are blind. What is unsettled
    ///    or unknown changes nothing: opening may be held back, closing is never guessed.
    /// 2. When the site that others hang on answers again, or others do through it, or so many
    ///    sites are well that the common cause no longer holds, the incident is *over* for what is
    ///    still in trouble: those sites are asked again. When they are still in trouble after as
    ///    many turns as make a failure a fact, in which nobody else began to answer either, they
    ///    are `left` to be explained anew: by themselves, or by the highest of them. Until then,
    ///    and for `correlation.window` at the longest, they may just be slow to come back. So may
    ///    be a device whose router answers: a milder trouble has the whole window, unless it was
    ///    known before. One that we fail to ask is not waited for.
    /// 3. What sites have in common is named after the gravest trouble that so many of them have,
    ///    and after the milder one that is left of it once that has outlasted the window.
    /// 4. An incident of which everything is well ends when that has lasted; see [`flap`]. One that
    ///    has only given its sites up to others, and whose cause may still hold, claims nothing: it
    ///    rests under what explains them now.
    /// 5. What rested under it and is well ends with it.
    pub(in crate::monitor) fn follow(&mut self, picture: &mut Picture, now: Now) -> Pass {
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
            let wider = match scope {
                Scope::Site(site) => self.explained_before(picture, site),
                _ => None,
            };
            let Some(entry) = self.entries.get_mut(&slot) else { continue };
            match scope {
                Scope::Site(site) => {
                    let outlasts = note_trouble(entry, picture, site, wider, now, &mut pass);
                    if let Some(wider) = wider.filter(|_| outlasts) {
                        self.hand_back(slot, wider, picture, site, now);
                    }
                }
                _ => {
                    entry.rise(picture, now);
                    self.hand_over(slot, picture, now, &mut pass);
                }
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
        if let Some(own) = known.own.and_then(|own| self.entries.get_mut(&own)) {
            own.change().absorbed_by = None;
            give_up(own, picture, site, now);
        }
        self.give_up_beneath(slot, picture, site, now);
    }

    /// What rests under a wider incident explains a site no longer that left that one.
    pub(super) fn give_up_beneath(
        &mut self,
        slot: Slot,
        picture: &Picture,
        site: SiteIx,
        now: Now,
    ) {
        for narrower in self.resting_under(slot) {
            if self.get(narrower).is_some_and(|other| other.members.get(&site) == Some(&false)) {
                self.give_up(narrower, picture, site, now);
            }
        }
    }

    /// The wider incident that explained a site before and is of the kind of trouble that it has.
    fn explained_before(&self, picture: &Picture, site: SiteIx) -> Option<Slot> {
        let kind = picture.site(site).finding.trouble()?.kind;
        let knows = |entry: &Entry| {
            !matches!(entry.scope, Scope::Site(_))
                && entry.members.contains_key(&site)
                && entry.scope.covers(picture.topology(), site)
                && entry.takes_in(picture, kind)
        };
        self.entries.iter().find(|(_, entry)| knows(entry)).map(|(slot, _)| *slot)
    }

    /// Lets a wider incident explain a site again whose own trouble is over.
    fn hand_back(&mut self, own: Slot, wider: Slot, picture: &mut Picture, site: SiteIx, now: Now) {
        self.give_up(own, picture, site, now);
        picture.site_mut(site).group = Some(wider);
        let since = picture.site(site).finding.trouble().map_or(now.mono, |t| t.since);
        if let Some(wider) = self.entries.get_mut(&wider) {
            wider.members.insert(site, false);
            record::affect(wider, picture, site, since, now);
        }
    }

    /// Rules 2 and 3 of [`follow`](Self::follow).
    fn hand_over(&mut self, slot: Slot, picture: &mut Picture, now: Now, pass: &mut Pass) {
        let Some(entry) = self.entries.get_mut(&slot) else { return };
        if entry.is_all_well() || !entry.is_over(picture) {
            entry.over_since = None;
            return;
        }
        let left: Vec<SiteIx> = entry.left().collect();
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
        if now.mono >= longest && entry.sink(picture, now) {
            return;
        }
        let in_doubt = Sight::is_in_doubt(picture, now.mono);
        let mut leaving = Vec::new();
        for site in left {
            let leaves = match picture.site(site).finding.trouble() {
                Some(trouble) if now.mono < longest => {
                    let waits = self.is_new_and_milder(slot, picture, site, trouble.kind);
                    if waits {
                        pass.wake(longest);
                    }
                    !waits
                }
                Some(_) => true,
                // What is still being asked stays until that is settled, unless it cannot be asked.
                None => witness::is_no_witness(picture, site) && !in_doubt,
            };
            if leaves {
                leaving.push(site);
            }
        }
        pass.left.extend(self.leave(slot, leaving, picture, now));
    }

    /// Whether a site's trouble is milder than what the incident is about, and nothing that rests
    /// meanwhile knew of it before.
    fn is_new_and_milder(&self, slot: Slot, picture: &Picture, site: SiteIx, kind: Kind) -> bool {
        let own = picture.site(site).own.and_then(|own| self.get(own));
        let known = own.is_some_and(|own| own.kind >= Some(kind));
        let narrower = self.resting_under(slot);
        let mut narrower = narrower.iter().filter_map(|narrower| self.get(*narrower));
        self.get(slot).is_some_and(|entry| Some(kind) < entry.kind)
            && !known
            && !narrower
                .any(|other| other.explains(picture, kind) && other.members.contains_key(&site))
    }

    /// Lets an incident explain these sites no longer. A narrower one that rested under it explains
    /// them again; gives those that are in trouble and that nothing wider explains now.
    pub(in crate::monitor) fn leave(
        &mut self,
        slot: Slot,
        sites: Vec<SiteIx>,
        picture: &mut Picture,
        now: Now,
    ) -> BTreeSet<SiteIx> {
        let mut left = BTreeSet::new();
        let narrower = self.resting_under(slot);
        for site in sites {
            self.give_up(slot, picture, site, now);
            picture.site_mut(site).group = None;
            let Some(Trouble { kind, since, .. }) = picture.site(site).finding.trouble().copied()
            else {
                continue;
            };
            self.go_back(&narrower, picture, site, (kind, since), now);
            if picture.site(site).group.is_none() {
                left.insert(site);
            }
        }
        for narrower in narrower {
            if self.get(narrower).is_some_and(Entry::is_active) {
                self.wake(narrower, picture, now);
            }
        }
        left
    }

    /// The wider incidents that rest under this one.
    fn resting_under(&self, slot: Slot) -> Vec<Slot> {
        let Some(id) = self.get(slot).map(|entry| &entry.incident.id) else { return Vec::new() };
        let rests = |(_, other): &(&Slot, &Entry)| {
            other.is_open()
                && other.incident.absorbed_by.as_ref() == Some(id)
                && matches!(other.scope, Scope::Below(_) | Scope::Label { .. })
        };
        self.entries.iter().filter(rests).map(|(slot, _)| *slot).collect()
    }

    /// Lets the first of the incidents that rested explain a site again that it explained before,
    /// and the others give it up: it has another trouble by now, or something else explains it.
    fn go_back(
        &mut self,
        rested: &[Slot],
        picture: &mut Picture,
        site: SiteIx,
        (kind, since): (Kind, Mono),
        now: Now,
    ) {
        for slot in rested {
            let Some(other) = self.entries.get_mut(slot) else { continue };
            let Some(well) = other.members.get(&site).copied() else { continue };
            let covers = other.scope.covers(picture.topology(), site);
            if other.explains(picture, kind) && covers && picture.site(site).group.is_none() {
                picture.site_mut(site).group = Some(*slot);
                other.change().absorbed_by = None;
                other.members.insert(site, false);
                record::affect(other, picture, site, since, now);
            } else if !well {
                give_up(other, picture, site, now);
            }
        }
    }

    /// Rules 4 and 5 of [`follow`](Self::follow).
    fn close(&mut self, picture: &mut Picture, now: Now, pass: &mut Pass) {
        let (mut over, mut unsure) = (Vec::new(), Vec::new());
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
            let may_hold = !matches!(entry.scope, Scope::Site(_)) && !entry.is_over(picture);
            if now.mono < deadline {
                pass.wake(deadline);
            } else if certain && may_hold {
                unsure.push(*slot);
            } else if certain {
                over.push(*slot);
            }
        }
        for slot in unsure {
            self.rest(slot, picture);
        }
        for slot in over {
            self.resolve(slot, picture, Resolution::Recovered, now);
        }
    }

    /// Lets an incident rest under what explains the first of its sites that are in trouble.
    fn rest(&mut self, slot: Slot, picture: &Picture) {
        let Some(entry) = self.get(slot) else { return };
        let others = entry.members.keys().filter_map(|site| self.explaining(picture, *site));
        let mut others = others.filter(|other| other.is_active());
        let Some(id) = others.next().map(|other| other.incident.id.clone()) else { return };
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.change().absorbed_by = Some(id);
        }
    }

    /// What rested explains its sites again, but for those that something else explains by now.
    pub(super) fn wake(&mut self, slot: Slot, picture: &mut Picture, now: Now) {
        let Some(entry) = self.entries.get_mut(&slot) else { return };
        if let Scope::Site(site) = entry.scope {
            let wider = picture.site(site).group.and_then(|group| self.get(group));
            let wider = wider.filter(|wider| wider.is_active()).map(|w| w.incident.id.clone());
            if let Some(entry) = self.entries.get_mut(&slot).filter(|_| wider.is_some()) {
                entry.change().absorbed_by = wider;
            }
            return;
        }
        let left: Vec<SiteIx> = entry.left().collect();
        for site in left {
            let known = picture.site(site);
            let free = match known.group {
                Some(group) => group == slot,
                None => !known.own.and_then(|own| self.get(own)).is_some_and(Entry::is_active),
            };
            if free {
                picture.site_mut(site).group = Some(slot);
            } else {
                self.give_up(slot, picture, site, now);
            }
        }
    }

    /// Ends an incident, and with it what rested under it and is well.
    pub(in crate::monitor) fn resolve(
        &mut self,
        slot: Slot,
        picture: &mut Picture,
        how: Resolution,
        now: Now,
    ) {
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
            && picture.site(site).group.is_none()
            && !Sight::is_in_doubt(picture, now.mono)
        {
            if entry.well_since.is_some() {
                entry.relapse(trouble.since, &picture.settings().flapping, now.wall);
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
///    line is back and the codec has hung on the way. A bad path has twice as long: one that was
///    bad before takes its time to be called good. Where a `wider` incident knew of that before, it
///    explains it again as soon as that is sure; whether that is so.
fn note_trouble(
    entry: &mut Entry,
    picture: &Picture,
    site: SiteIx,
    wider: Option<Slot>,
    now: Now,
    pass: &mut Pass,
) -> bool {
    let Some(trouble) = picture.site(site).finding.trouble() else {
        entry.milder = None;
        return false;
    };
    if Some(trouble.kind) >= entry.kind {
        entry.milder = None;
        let topology = picture.topology();
        let endpoint = trouble.endpoint.map(|ix| &topology.endpoint(ix).id);
        let check = trouble.target.map(|ix| &topology.check_of(ix).id);
        let known = (entry.incident.endpoint.as_ref(), entry.incident.check.as_ref());
        let other = known != (endpoint, check)
            || (trouble.down && entry.named.is_some_and(|named| !named.down));
        if Some(trouble.kind) == entry.kind && other {
            record::name(entry, picture, now);
        }
        return false;
    }
    let since = match entry.milder {
        Some((kind, since)) if kind == trouble.kind => since,
        _ => now.mono,
    };
    entry.milder = Some((trouble.kind, since));
    let times = if trouble.kind == Kind::Quality { 2 } else { 1 };
    let window = picture.settings().correlation.window * times;
    let sure = wider.and_then(|_| turns_to_be_sure(picture, site));
    let deadline = since + sure.map_or(window, |sure| sure.min(window));
    if now.mono < deadline {
        pass.wake(deadline);
        return false;
    }
    entry.milder = None;
    if wider.is_some() {
        return true;
    }
    entry.kind = Some(trouble.kind);
    record::name(entry, picture, now);
    false
}
