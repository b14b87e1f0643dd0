//! A site's own incident: which trouble names it, and when something wider explains it again.

use super::{Pass, turns_to_be_sure};
use crate::model::{Now, SiteIx};
use crate::monitor::ledger::{Entry, Ledger, Scope, Slot};
use crate::monitor::picture::Picture;
use crate::monitor::record;
use crate::monitor::site::Kind;

impl Ledger {
    /// The incidents that may explain several sites, the oldest first.
    pub(super) fn wide(&self) -> Vec<Slot> {
        let may = |entry: &Entry| matches!(entry.scope, Scope::Below(_) | Scope::Label { .. });
        self.iter().filter(|(_, entry)| may(entry)).map(|(slot, _)| slot).collect()
    }

    /// The one of these `wide` incidents that explained a site before and is of the kind of trouble
    /// that it has.
    pub(super) fn explained_before(
        &self,
        picture: &Picture,
        site: SiteIx,
        wide: &[Slot],
    ) -> Option<Slot> {
        let kind = picture.site(site).finding.trouble()?.kind;
        let knows = |entry: &Entry| {
            entry.members.contains_key(&site)
                && entry.scope.covers(picture.topology(), site)
                && entry.takes_in(picture, kind)
        };
        wide.iter().copied().find(|slot| self.get(*slot).is_some_and(knows))
    }

    /// Lets a wider incident explain a site again whose own trouble is over.
    pub(super) fn hand_back(
        &mut self,
        own: Slot,
        wider: Slot,
        picture: &mut Picture,
        site: SiteIx,
        now: Now,
    ) {
        self.give_up(own, picture, site, now);
        picture.site_mut(site).group = Some(wider);
        let since = picture.site(site).finding.trouble().map_or(now.mono, |t| t.since);
        if let Some(wider) = self.entries.get_mut(&wider) {
            wider.members.insert(site, false);
            record::affect(wider, picture, site, since, now);
        }
    }
}

/// Follows the trouble of a site that has an incident of its own.
///
/// 1. When it comes to keep the site from taking part, or another device or service is at fault,
///    the incident is named anew.
/// 2. A milder trouble that outlasts the graver one by the window gives the incident its name: the
///    line is back and the codec has hung on the way. A path that was bad before the graver
///    trouble has twice as long: it takes its time to be called good. Where a `wider` incident
///    knew of that before, it explains it again as soon as that is sure; whether that is so.
pub(super) fn note_trouble(
    entry: &mut Entry,
    picture: &Picture,
    site: SiteIx,
    wider: Option<Slot>,
    now: Now,
    pass: &mut Pass,
) -> bool {
    let Some(trouble) = picture.site(site).finding.trouble() else {
        entry.milder_since = None;
        return false;
    };
    if Some(trouble.kind) >= entry.kind {
        entry.milder_since = None;
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
    let since = *entry.milder_since.get_or_insert(now.mono);
    let was_bad = trouble.kind == Kind::Quality && trouble.since <= entry.began_at;
    let window = picture.settings().correlation.window * if was_bad { 2 } else { 1 };
    let sure = wider.and_then(|_| turns_to_be_sure(picture, site));
    let deadline = since + sure.map_or(window, |sure| sure.min(window));
    if now.mono < deadline {
        pass.wake(deadline);
        return false;
    }
    entry.milder_since = None;
    if wider.is_some() {
        return true;
    }
    entry.kind = Some(trouble.kind);
    record::name(entry, picture, now);
    false
}
