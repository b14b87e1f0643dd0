//! A change of the configuration: what is known stays with what is still watched.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Monitor;
use super::correlate;
use super::ledger::{Scope, Slot};
use super::picture::Picture;
use super::record;
use super::restore::{forget, is_watched, names_what_is_gone};
use super::schedule::Schedule;
use super::site::Finding;
use super::target::Watched;
use crate::config::Config;
use crate::model::{CheckKind, Now, ProbeRequest, Resolution, SiteIx, Topology};

impl Monitor {
    /// Takes over a new configuration: what is known of targets, endpoints and sites that are
    /// still there stays, turns and probes under way included, however many changes come while
    /// they are. What is gone is forgotten, and an incident about it ends with that reason.
    pub(super) fn reload(&mut self, config: Arc<Config>, now: Now) {
        let new = Arc::clone(&config.topology);
        let mut old = std::mem::replace(&mut self.picture, Picture::new(config, now.wall));
        self.picture.answered = std::mem::take(&mut old.answered);
        self.picture.answered_here = std::mem::take(&mut old.answered_here);
        let was = Arc::clone(&old.config.topology);
        let mut schedule = Schedule::default();
        schedule.carry_over_rest(&self.schedule);
        for ix in new.target_ixs() {
            let (pace, timeout) = self.picture.pace(ix);
            let pinged = matches!(new.check_of(ix).kind, CheckKind::Icmp(_));
            let watched = if let Some(from) = was.same_target(&new, ix) {
                schedule.carry_over(&self.schedule, from, pace, timeout, now.mono);
                let mut watched = std::mem::take(&mut old.targets[from.ix()]);
                watched.adapt(pinged, &old.rules, &self.picture.rules);
                watched
            } else {
                schedule.add(&new.target_key(ix), pace, timeout, now.mono);
                Watched::new(None, pinged, now.mono)
            };
            self.picture.targets.push(watched);
        }
        for ix in new.endpoint_ixs() {
            if let Some(from) = was.same_endpoint(&new, ix) {
                self.picture.endpoints[ix.ix()] = old.endpoints[from.ix()];
            }
        }
        let mut site_moved = vec![None; was.sites.len()];
        for ix in new.site_ixs() {
            if let Some(from) = was.find_site(&new.site(ix).id) {
                site_moved[from.ix()] = Some(ix);
                let mut site = std::mem::take(&mut old.sites[from.ix()]);
                (site.finding, site.found) = (Finding::Unknown, false);
                *self.picture.site_mut(ix) = site;
            }
        }
        self.picture.count_targets();
        let gone = (was.site_ixs().map(|ix| was.site_key(ix)))
            .chain(was.endpoint_ixs().map(|ix| was.endpoint_key(ix)))
            .chain(was.target_ixs().map(|ix| was.target_key(ix)));
        let gone = gone.filter(|key| !is_watched(&new, key));
        self.changes.extend(gone.flat_map(|key| forget(key, now)));
        self.schedule = schedule;
        let under_way = self.schedule.all_under_way();
        let stands = |(at, ordered): (_, &ProbeRequest)| ((ordered.generation, ordered.target), at);
        self.earlier = under_way.map(stands).collect();
        self.generation += 1;
        self.active = new.site_ixs().collect();
        self.hygiene = std::mem::take(&mut self.hygiene).reloaded(&self.picture);
        self.sight.resize(new.targets.len());
        self.rollups.start_over();
        self.find(now);
        let left = self.move_incidents(&was, &site_moved, now);
        let verdicts = correlate::explain_left(&self.picture, &self.ledger, &left, now.mono);
        self.ledger.settle(&mut self.picture, verdicts, now);
        self.note_channels(&old.config.settings.channels, now.mono);
        self.take_minutes(now);
        self.commit_at = now.mono;
        self.minute = None;
        self.show_duty(now);
        self.retell(now.mono);
    }

    /// Moves incidents to where their sites stand now. One about a device or a check that is
    /// watched no longer ends with that reason, unless something else is wrong at its site by now.
    /// So does what was wider and covers none of its sites any more: whether they would work is not
    /// for it to say. A site whose line runs elsewhere now, or whose label is another, is given up
    /// by what was wider; gives those that are to be explained anew.
    fn move_incidents(
        &mut self,
        was: &Topology,
        moved: &[Option<SiteIx>],
        now: Now,
    ) -> BTreeSet<SiteIx> {
        let new = Arc::clone(self.topology());
        let mut ended = BTreeSet::new();
        let mut strays: Vec<(Slot, SiteIx)> = Vec::new();
        for (slot, entry) in self.ledger.iter_mut() {
            let at = |site: SiteIx| moved.get(site.ix()).copied().flatten();
            let members = std::mem::take(&mut entry.members);
            let had_members = !members.is_empty();
            for (site, well) in members {
                match at(site) {
                    Some(site) => {
                        entry.members.insert(site, well);
                    }
                    None => record::strike(entry, &was.site(site).id, now),
                }
            }
            let scope = match entry.scope.clone() {
                Scope::Site(site) => at(site).map(Scope::Site),
                Scope::Below(site) => at(site).map(Scope::Below),
                Scope::Item(endpoint, cause) => {
                    let before = was.endpoint(endpoint);
                    at(before.site).and_then(|site| {
                        let endpoints = new.site(site).endpoints.iter();
                        let same = endpoints.copied().find(|ix| new.endpoint(*ix).id == before.id);
                        same.map(|endpoint| Scope::Item(endpoint, cause))
                    })
                }
                other => Some(other),
            };
            let scope = scope.filter(|scope| {
                !names_what_is_gone(&entry.incident, &new, scope)
                    || matches!(scope, Scope::Site(site)
                        if self.picture.site(*site).finding.trouble().is_some())
            });
            let sites: Vec<SiteIx> = entry.members.keys().copied().collect();
            match scope {
                Some(scope)
                    if !had_members || sites.iter().any(|site| scope.covers(&new, *site)) =>
                {
                    for site in sites.into_iter().filter(|site| !scope.covers(&new, *site)) {
                        if self.picture.site(site).group == Some(slot) {
                            strays.push((slot, site));
                        } else if entry.members.insert(site, true) == Some(false) {
                            record::strike(entry, &new.site(site).id, now);
                        }
                    }
                    entry.scope = scope;
                }
                _ => {
                    entry.scope = Scope::Gone;
                    entry.kind = None;
                    ended.insert((slot, entry.incident.is_open()));
                }
            }
        }
        for (slot, open) in ended {
            if open {
                self.ledger.resolve(slot, &mut self.picture, Resolution::Removed, now);
            }
            self.ledger.let_go(slot);
        }
        let mut left = BTreeSet::new();
        for (slot, site) in strays {
            left.extend(self.ledger.leave(slot, vec![site], &mut self.picture, now));
        }
        left
    }
}
