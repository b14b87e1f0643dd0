//! When what made an incident wide is over: what becomes of the sites that are still in trouble.

use std::collections::BTreeSet;

use super::{Pass, turns_to_be_sure};
use crate::model::{Health, Mono, Now, SiteIx};
use crate::monitor::blind::Sight;
use crate::monitor::ledger::{Entry, Ledger, Scope, Slot, give_up};
use crate::monitor::picture::Picture;
use crate::monitor::site::{Kind, Trouble};
use crate::monitor::{record, witness};

impl Ledger {
    /// Rules 2 and 3 of [`follow`](Self::follow).
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
