//! What makes an incident wide: whether that still holds, and what kind of trouble it makes by now.

use super::{Entry, Scope};
use crate::model::{Mono, Now, SiteIx, TargetIx};
use crate::monitor::picture::Picture;
use crate::monitor::site::{Finding, Kind};
use crate::monitor::{correlate, record, witness};

impl Entry {
    /// Whether it explains troubles of this kind, at sites that it explains already and at others.
    ///
    /// What sites have in common explains both a device that is gone and a site that is: where the
    /// power fails, codecs go at once and routers when their batteries are empty. Not so what only
    /// their devices have in common.
    pub(in crate::monitor) fn explains(&self, picture: &Picture, kind: Kind) -> bool {
        let may_rise = self.kind == Some(Kind::Device) && kind == Kind::Silent;
        self.kind == Some(kind) || (may_rise && can_silence(picture, &self.scope))
    }

    /// Whether it explains more sites with troubles of this kind: it is on, and nothing wider
    /// explains it. One that was over is on again when the site is silent again on which the others
    /// hang.
    pub(super) fn takes_in(&self, picture: &Picture, kind: Kind) -> bool {
        self.is_active()
            && self.explains(picture, kind)
            && (self.over_since.is_none() || !self.is_over(picture))
            && !self.is_all_well()
    }

    /// Whether a trouble of this kind would be a relapse of it.
    pub(super) fn was(&self, picture: &Picture, scope: &Scope, kind: Option<Kind>) -> bool {
        let gone = [Some(Kind::Device), Some(Kind::Silent)];
        let either =
            can_silence(picture, scope) && gone.contains(&kind) && gone.contains(&self.kind);
        self.scope == *scope && (self.kind == kind || either)
    }

    /// What sites have in common is named anew when so many of them are in a graver trouble that it
    /// would be found by that alone.
    pub(super) fn rise(&mut self, picture: &Picture, now: Now) {
        if self.kind == Some(Kind::Device)
            && self.explains(picture, Kind::Silent)
            && self.share(picture, Kind::Silent) >= picture.settings().correlation.common_inside
        {
            self.kind = Some(Kind::Silent);
            record::name(self, picture, now);
        }
    }

    /// What sites have in common is named anew after the milder trouble that is left of it, when
    /// that is left of so many that it would be found by that alone; whether it is.
    pub(super) fn sink(&mut self, picture: &Picture, now: Now) -> bool {
        let sinks = matches!(self.scope, Scope::Label { .. })
            && self.kind == Some(Kind::Silent)
            && self.share(picture, Kind::Device) >= picture.settings().correlation.common_inside;
        if sinks {
            self.kind = Some(Kind::Device);
            self.over_since = None;
            record::name(self, picture, now);
        }
        sinks
    }

    /// Whether what made it wide no longer holds. A graver trouble is no sign of that, nor that
    /// somebody has not been heard since the start, or since we see again. Whom we fail to ask is
    /// no witness either way, and where we fail to ask all of them it holds as it did.
    pub(super) fn is_over(&self, picture: &Picture) -> bool {
        let Some(kind) = self.kind else { return false };
        match &self.scope {
            Scope::Below(node) => match picture.site(*node).finding {
                // What keeps people from devices keeps them from the node's own by chance.
                _ if !self.members.contains_key(node)
                    || matches!(kind, Kind::Device | Kind::Service) =>
                {
                    self.is_over_below(picture, *node, kind)
                }
                // Paths are found bad and good one by one.
                Finding::Well if kind == Kind::Quality => self.is_over_below(picture, *node, kind),
                Finding::Well => true,
                Finding::Doubtful => kind > Kind::Quality,
                Finding::Trouble(trouble) => {
                    trouble.kind < kind
                        || (kind == Kind::Silent
                            && !correlate::explains_below_until_confirmed(picture, *node))
                }
                Finding::Unsettled | Finding::Unknown => self.over_since.is_some(),
            },
            Scope::Label { .. } => {
                // Who answered before a restart is not silent again before that is known.
                let may_be_over = self.over_since.is_some() && kind == Kind::Silent;
                let answered = |site: &SiteIx| may_be_over && answered_before(picture, *site);
                let said = self.members.keys().map(|site| match answered(site) {
                    true => Some(false),
                    false => may_ail(picture, *site, kind),
                });
                is_refuted(said, picture.settings().correlation.common_inside)
            }
            _ => false,
        }
    }

    /// Whether it no longer holds of those that hang on the site.
    fn is_over_below(&self, picture: &Picture, node: SiteIx, kind: Kind) -> bool {
        let children = picture.topology().site(node).children.iter().copied();
        let members = children.filter(|child| self.members.contains_key(child));
        let said = members.map(|child| may_ail(picture, child, kind));
        is_refuted(said, picture.settings().correlation.children_share)
    }

    /// The site that is back while so many that hang on it are silent that it would be found by
    /// that alone, even without those that have left this incident: the way to them is out by
    /// itself.
    pub(super) fn back_alone(&self, picture: &Picture) -> Option<SiteIx> {
        let Scope::Below(node) = self.scope else { return None };
        let kind = self.kind.filter(|kind| *kind == Kind::Silent)?;
        let is_back = self.members.get(&node) == Some(&true);
        let children = &picture.topology().site(node).children;
        let silent = children.iter().filter(|child| {
            self.members.get(child) == Some(&false) && ails(picture, **child, kind)
        });
        let goes_on = is_back
            && silent.count() >= correlate::FEWEST_CHILDREN
            && !self.is_over_below(picture, node, kind);
        goes_on.then_some(node)
    }

    /// How many of those that it has explained are in a trouble at least as grave as `kind`.
    fn share(&self, picture: &Picture, kind: Kind) -> f64 {
        share(self.members.keys().copied(), |site| ails(picture, site, kind))
    }
}

/// Whether it is something that sites have in common which can silence them.
fn can_silence(picture: &Picture, scope: &Scope) -> bool {
    matches!(scope, Scope::Label { label, value }
        if picture.labels.can_silence(label, value))
}

/// Whether a site is in a trouble at least as grave as `kind`.
fn ails(picture: &Picture, site: SiteIx, kind: Kind) -> bool {
    picture.site(site).finding.trouble().is_some_and(|trouble| trouble.kind >= kind)
}

/// Whether less than `least` of those of the members ail of whom we know whether they do. Where we
/// fail to ask all of them nobody has refuted anything.
fn is_refuted(said: impl Iterator<Item = Option<bool>>, least: f64) -> bool {
    let said: Vec<Option<bool>> = said.collect();
    let known = said.iter().copied().flatten();
    (said.is_empty() || known.clone().next().is_some()) && share(known, |ails| ails) < least
}

/// Whether a site of which nothing has been heard since the start had devices that did well before.
fn answered_before(picture: &Picture, site: SiteIx) -> bool {
    let known = picture.site(site);
    let is_open = matches!(known.finding, Finding::Unknown | Finding::Unsettled);
    is_open && known.alive_at == Mono::ZERO && picture.answering(site).next().is_some()
}

/// Whether a site ails, or did before anything that was known of it was forgotten, and has not been
/// heard since. None if only because we fail to ask it.
fn may_ail(picture: &Picture, site: SiteIx, kind: Kind) -> Option<bool> {
    if ails(picture, site, kind) {
        return Some(true);
    }
    let open = matches!(picture.site(site).finding, Finding::Unknown | Finding::Unsettled);
    let topology = picture.topology();
    let mut endpoints = topology.site(site).endpoints.iter();
    let answers = |target: &TargetIx| picture.target(*target).is_good();
    if !open || endpoints.any(|ix| topology.endpoint(*ix).targets.iter().any(answers)) {
        return Some(false);
    }
    (!witness::is_no_witness(picture, site)).then_some(true)
}

fn share<T>(all_of_them: impl Iterator<Item = T>, counts: impl Fn(T) -> bool) -> f64 {
    let (mut counted, mut all) = (0u32, 0u32);
    for one in all_of_them {
        all += 1;
        counted += u32::from(counts(one));
    }
    if all == 0 { 0.0 } else { f64::from(counted) / f64::from(all) }
}
