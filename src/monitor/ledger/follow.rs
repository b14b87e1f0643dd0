//! How incidents rest, are handed over, and end.

mod over;
mod site;

use std::collections::BTreeSet;
use std::time::Duration;

use self::site::note_trouble;
use super::{Entry, Ledger, Scope, Slot, give_up};
use crate::model::{Mono, Now, Resolution, SiteIx};
use crate::monitor::blind::Sight;
use crate::monitor::picture::Picture;
use crate::monitor::site::Finding;
use crate::monitor::{flap, record};

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
    ///    still in trouble; see [`hand_over`](Self::hand_over).
    /// 3. What sites have in common is named after the gravest trouble that so many of them have.
    /// 4. An incident of which everything is well ends when that has lasted; see [`flap`]. One that
    ///    has only given its sites up to others, and whose cause may still hold, claims nothing: it
    ///    rests under what explains them now.
    /// 5. What rested under it and is well ends with it.
    pub(in crate::monitor) fn follow(&mut self, picture: &mut Picture, now: Now) -> Pass {
        let mut pass = Pass::default();
        let slots: Vec<Slot> = self.entries.keys().copied().collect();
        let wide = self.wide();
        for slot in slots {
            let Some(entry) = self.entries.get_mut(&slot) else { continue };
            if !entry.is_active() || entry.kind.is_none() {
                continue;
            }
            let free = note_members(entry, picture, now);
            let scope = entry.scope.clone();
            if !free.is_empty() {
                let beneath = self.beneath(slot);
                for site in free {
                    self.free(slot, &beneath, picture, site, now);
                }
            }
            match scope {
                // What something wider explains again is not followed until it ends.
                Scope::Site(site) if picture.site(site).group.is_some() => {}
                Scope::Site(site) => {
                    let wider = self.explained_before(picture, site, &wide);
                    let Some(entry) = self.entries.get_mut(&slot) else { continue };
                    let outlasts = note_trouble(entry, picture, site, wider, now, &mut pass);
                    if let Some(wider) = wider.filter(|_| outlasts) {
                        self.hand_back(slot, wider, picture, site, now);
                    }
                }
                _ => {
                    let Some(entry) = self.entries.get_mut(&slot) else { continue };
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
    fn free(
        &mut self,
        slot: Slot,
        beneath: &[Slot],
        picture: &mut Picture,
        site: SiteIx,
        now: Now,
    ) {
        let known = picture.site_mut(site);
        if known.group != Some(slot) {
            return;
        }
        known.group = None;
        if let Some(own) = known.own.and_then(|own| self.entries.get_mut(&own)) {
            own.change().absorbed_by = None;
            give_up(own, picture, site, now);
        }
        self.give_up_all(beneath, picture, site, now);
    }

    /// What rests under a wider incident explains a site no longer that left that one, nor does
    /// what rests under that.
    pub(super) fn give_up_beneath(
        &mut self,
        slot: Slot,
        picture: &Picture,
        site: SiteIx,
        now: Now,
    ) {
        let beneath = self.beneath(slot);
        self.give_up_all(&beneath, picture, site, now);
    }

    fn give_up_all(&mut self, slots: &[Slot], picture: &Picture, site: SiteIx, now: Now) {
        for slot in slots {
            let well = self.get(*slot).and_then(|other| other.members.get(&site));
            if well == Some(&false) {
                self.give_up(*slot, picture, site, now);
            }
        }
    }

    /// What rests under an incident, and under what rests under it.
    fn beneath(&self, slot: Slot) -> Vec<Slot> {
        let mut beneath = self.resting_under(slot);
        let mut looked_at = 0;
        while let Some(slot) = beneath.get(looked_at).copied() {
            looked_at += 1;
            let mut new = self.resting_under(slot);
            new.retain(|new| !beneath.contains(new));
            beneath.append(&mut new);
        }
        beneath
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

    /// What rested explains its sites again, but for those that are well or that something else
    /// explains by now. What is milder by now is that from the start where nobody has heard of it
    /// yet, or where it has been so for as long as would give it its name.
    pub(super) fn wake(&mut self, slot: Slot, picture: &mut Picture, now: Now) {
        let Some(entry) = self.entries.get_mut(&slot) else { return };
        if let Scope::Site(site) = entry.scope {
            let wider = picture.site(site).group.and_then(|group| self.get(group));
            let wider = wider.filter(|wider| wider.is_active()).map(|w| w.incident.id.clone());
            let trouble = picture.site(site).finding.trouble();
            let Some(entry) = self.entries.get_mut(&slot) else { return };
            let milder = trouble.filter(|trouble| Some(trouble.kind) < entry.kind);
            if wider.is_some() {
                entry.change().absorbed_by = wider;
            } else if let Some(trouble) = milder
                && (entry.incident.told.is_empty() || entry.is_outlasted_by(trouble, picture, now))
            {
                entry.kind = Some(trouble.kind);
                record::name(entry, picture, now);
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
            if free && known.finding != Finding::Well {
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
            let rested = entry.well_since.is_some();
            if rested {
                entry.relapse(trouble.since, &picture.settings().flapping, now);
            }
            entry.members.insert(site, false);
            record::affect(entry, picture, site, trouble.since, now);
            if rested && Some(trouble.kind) < entry.kind {
                // All was well in between: nothing of what it was may be left.
                entry.kind = Some(trouble.kind);
                record::name(entry, picture, now);
            }
        }
    }
    if !entry.is_all_well() {
        entry.well_since = None;
    }
    well_now
}
