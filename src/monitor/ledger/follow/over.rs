//! When what made an incident wide is over: what becomes of the sites that are still in trouble.

use std::collections::BTreeSet;

use super::{Pass, turns_to_be_sure};
use crate::model::{Health, Mono, Now, SiteIx};
use crate::monitor::blind::Sight;
use crate::monitor::ledger::{Entry, Ledger, Scope, Slot, give_up};
use crate::monitor::picture::{Picture, Starting};
use crate::monitor::site::{Finding, Kind, Trouble};
use crate::monitor::{record, witness};

impl Ledger {
    /// What becomes of those that are still in trouble when what made an incident wide is over.
    ///
    /// 1. They are asked again, and wait until as many turns as make a failure a fact have passed
    ///    in which nobody else began to answer, or `correlation.window` since it was over. What
    ///    sites have in common and silences them comes back to one after the other, as power does:
    ///    those wait until for twice the window nobody was well again. Nor do paths become good all
    ///    at once, each is found so by its own losses, nor devices and services, whose firewalls or
    ///    settings are put right one by one: for the window nobody's may have.
    /// 2. Who is in trouble then leaves, to be explained anew: by itself, or by the highest of
    ///    them. By this incident it was affected until that was over. But where only the site is
    ///    back that the others hang on, it goes on without that.
    /// 3. A trouble that is milder and was not known before may pass by itself: the router
    ///    answers, and the codec is still starting as after a power cut. It has the window for
    ///    that, since it was over. A line is back all the same, and so is its incident's end told:
    ///    whoever is starting leaves it, and nothing is said of it meanwhile. What sites have in
    ///    common waits for them, since its end says that they work again.
    /// 4. One that is alone in that while all the others answer with everything they have is not
    ///    starting: had the power failed, others would be starting too. Only the site that others
    ///    hang on may have been the one without power.
    /// 5. Who is still being asked stays until that is settled, unless we fail to ask. Who answers
    ///    and only has a path in doubt is not asked any more, but where paths are what it is about.
    /// 6. What sites have in common is named after the milder trouble that is left of it once that
    ///    has outlasted the window.
    pub(super) fn hand_over(
        &mut self,
        slot: Slot,
        picture: &mut Picture,
        now: Now,
        pass: &mut Pass,
    ) {
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
        let window = picture.settings().correlation.window;
        let longest = over_since + window;
        let deadline = match (&entry.scope, entry.kind) {
            (Scope::Label { .. }, Some(Kind::Silent)) => calm_since + window * 2,
            (_, Some(Kind::Quality | Kind::Device | Kind::Service)) => calm_since + window,
            _ => patience.map_or(longest, |patience| longest.min(calm_since + patience)),
        };
        if now.mono < deadline {
            pass.wake(deadline);
            return;
        }
        if let Some(node) = entry.back_alone(picture) {
            entry.members.remove(&node);
            entry.over_since = None;
            return;
        }
        let is_line = matches!(entry.scope, Scope::Below(_));
        let kind = entry.kind;
        if now.mono >= longest && entry.sink(picture, now) {
            return;
        }
        let starting =
            if now.mono < longest { self.starting(slot, picture, &left) } else { BTreeSet::new() };
        let in_doubt = Sight::is_in_doubt(picture, now.mono);
        let leaves = |site: &SiteIx| match picture.site(*site).finding {
            Finding::Trouble(_) => is_line || !starting.contains(site),
            Finding::Doubtful if kind > Some(Kind::Quality) => true,
            _ => witness::is_no_witness(picture, *site) && !in_doubt,
        };
        let leaving: Vec<SiteIx> = left.into_iter().filter(leaves).collect();
        if !starting.is_empty() {
            pass.wake(longest);
        }
        let mut left = self.leave(slot, leaving, picture, now);
        if let Some(kind) = kind.filter(|_| is_line) {
            left.retain(|site| !starting.contains(site));
            for site in starting {
                picture.site_mut(site).starting = Some(Starting { kind, until: longest });
            }
        }
        pass.left.extend(left);
    }

    /// Who of those `left` may only be starting; rules 3 and 4 of [`hand_over`](Self::hand_over).
    fn starting(&self, slot: Slot, picture: &Picture, left: &[SiteIx]) -> BTreeSet<SiteIx> {
        let Some(entry) = self.get(slot) else { return BTreeSet::new() };
        let narrower = self.resting_under(slot);
        let narrower: Vec<&Entry> = narrower.iter().filter_map(|slot| self.get(*slot)).collect();
        let is_new_and_milder = |site: &SiteIx| {
            let known = picture.site(*site);
            let Some(Trouble { kind, .. }) = known.finding.trouble() else { return false };
            let own = known.own.and_then(|own| self.get(own));
            let explained =
                |it: &&Entry| it.explains(picture, *kind) && it.members.contains_key(site);
            Some(*kind) < entry.kind
                && own.is_none_or(|own| own.kind < Some(*kind))
                && !narrower.iter().any(explained)
        };
        let starting: BTreeSet<SiteIx> = left.iter().copied().filter(is_new_and_milder).collect();
        match starting.first() {
            Some(site) if starting.len() == 1 && is_alone(entry, picture, *site) => BTreeSet::new(),
            _ => starting,
        }
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
        let over = self.get(slot).and_then(|entry| entry.over_since).unwrap_or(now.mono);
        let over = Now { mono: over, wall: now.wall_at(over) };
        for site in sites {
            self.give_up(slot, picture, site, over);
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
    pub(super) fn resting_under(&self, slot: Slot) -> Vec<Slot> {
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
                self.give_up_beneath(*slot, picture, site, now);
            }
        }
    }
}

/// Whether all the others that an incident explained answer with everything they have, a device
/// behind a router somewhere among it, while this site is not the one they hang on.
fn is_alone(entry: &Entry, picture: &Picture, site: SiteIx) -> bool {
    let others = || entry.members.keys().filter(|other| **other != site);
    let has_devices = |other: &SiteIx| picture.topology().site(*other).endpoints.len() > 1;
    let answers =
        |other: &SiteIx| matches!(picture.site(*other).finding, Finding::Well | Finding::Doubtful);
    entry.scope != Scope::Below(site) && others().all(answers) && others().any(has_devices)
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
