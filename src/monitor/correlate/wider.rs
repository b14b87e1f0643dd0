//! Causes that no silent site above explains: what lies between a parent and its children, and what
//! sites have in common. Rules 3 to 5 of [`explain`](super::explain).

use std::collections::BTreeSet;

use super::{Alike, Case, Decision, FEWEST_CHILDREN, alike, as_f64, at_least};
use crate::model::{CommonFactor, SiteIx};
use crate::monitor::ledger::Scope;
use crate::monitor::site::Kind;

/// What lies between a site and those that hang on it.
struct Line {
    node: SiteIx,
    /// Those that it explains.
    members: Vec<SiteIx>,
    /// Whether none of those that hang on the site answers.
    holds: bool,
}

/// What sites have in common, with its figures and those it explains.
type Labelled = (Scope, CommonFactor, Vec<SiteIx>);

impl Case<'_> {
    /// Rules 3 to 5.
    pub(super) fn wider_causes(&mut self, open: &mut BTreeSet<SiteIx>, decision: &mut Decision) {
        loop {
            let label = self.best_label(open);
            let says_more =
                |line: &Line| label.as_ref().is_none_or(|label| self.says_more(line, label));
            match (self.best_line(open).filter(says_more), label) {
                (Some(Line { node, members, .. }), _) => {
                    self.settle(Scope::Below(node), members, None, open, decision);
                }
                (None, Some((scope, factor, members))) => {
                    self.settle(scope, members, Some(factor), open, decision);
                }
                (None, None) => return,
            }
        }
    }

    /// Whether a line is a better explanation than something that sites have in common: it explains
    /// more of them.
    ///
    /// Where both explain as many, some of those behind a line may answer in spite of it, and none
    /// of those with the label. Devices and services are told apart better by what they have in
    /// common, but not by what all of them have: nobody learns from that where to look. Of what
    /// hangs on the top of the tree, which is everything, the line says nothing.
    fn says_more(&self, line: &Line, (_, factor, members): &Labelled) -> bool {
        let (lines, labels) = (line.members.len(), members.len());
        if !self.is_about_devices() {
            let fits = factor.inside_failing == factor.inside;
            return lines > labels || lines == labels && (line.holds || !fits);
        }
        match CommonFactor::is_by_nature(&factor.label) {
            true => lines >= labels && self.picture.topology().site(line.node).parent.is_some(),
            false => lines > labels,
        }
    }

    /// Rule 3: the parent whose line explains most. Its own devices and services may be behind what
    /// keeps people from those of its children.
    fn best_line(&self, open: &BTreeSet<SiteIx>) -> Option<Line> {
        let topology = self.picture.topology();
        let share = self.picture.settings().correlation.children_share;
        let about_devices = self.is_about_devices();
        let ripe = open.iter().filter(|site| self.is_ripe(**site));
        let parents: BTreeSet<SiteIx> = ripe
            .filter_map(|site| topology.site(*site).parent)
            .filter(|parent| about_devices || self.trouble(*parent).is_none())
            .collect();
        let mut best: Option<Line> = None;
        for parent in parents {
            let children = &topology.site(parent).children;
            let silent: Vec<SiteIx> =
                children.iter().copied().filter(|child| open.contains(child)).collect();
            let silent = self.simultaneous(silent);
            let could = children.iter().filter(|child| self.could_fail(**child)).count();
            if silent.len() >= FEWEST_CHILDREN && at_least(silent.len(), share, could) {
                let mut members: Vec<SiteIx> =
                    silent.iter().flat_map(|child| self.explained_by(*child)).collect();
                let as_well = Some(parent).filter(|_| about_devices && open.contains(&parent));
                let began = silent.iter().filter_map(|child| Some(self.trouble(*child)?.since));
                members.extend(as_well.filter(|node| {
                    let node = self.trouble(*node).map(|trouble| trouble.since);
                    node.zip(began.max()).is_some_and(|(node, last)| self.together(node, last))
                }));
                members.sort_unstable();
                if best.as_ref().is_none_or(|best| members.len() > best.members.len()) {
                    best = Some(Line { node: parent, members, holds: silent.len() == could });
                }
            }
        }
        best
    }

    /// Whether a site could be in this kind of trouble by a fault that is being looked for: one
    /// that is in it already, or in a graver one, can neither fall into it nor speak against it.
    pub(super) fn could_fail(&self, site: SiteIx) -> bool {
        let ails = self.picture.site(site).finding.trouble();
        let ails_already = ails.is_some_and(|trouble| trouble.kind >= self.kind);
        self.picture.is_known(site)
            && (self.young.contains(&site) || !ails_already)
            && (!self.is_about_devices() || alike::is_asked_for(self.picture, site, self.kind))
    }

    /// Rule 4: the label that explains most, with its figures and those it explains. What fails
    /// everywhere is found where no label tells those that fail from the others.
    fn best_label(&self, open: &BTreeSet<SiteIx>) -> Option<Labelled> {
        let settings = &self.picture.settings().correlation;
        let fewest = settings.common_min as usize;
        if open.len() < fewest.max(1) {
            return None;
        }
        // What hangs on a site in trouble is explained by that, unless it is about devices.
        let explains_itself =
            |site: &SiteIx| self.is_about_devices() || self.highest_in_trouble(*site) == *site;
        let open: BTreeSet<SiteIx> = open.iter().copied().filter(explains_itself).collect();
        // Whose trouble something else explains says nothing for or against.
        let testifies = |site: &SiteIx| {
            self.picture.is_known(*site) && (open.contains(site) || !self.is_explained(*site))
        };
        let everybody = self.picture.topology().site_ixs().filter(testifies).count();
        let mut best: Option<Labelled> = None;
        let mut best_rank = (0, 0);
        for ((label, value), sites) in self.picture.labels.causes(self.kind) {
            let alike = Alike::of(label, value);
            let fails_so = |site: &SiteIx| {
                let trouble = self.trouble(*site).filter(|_| open.contains(site));
                trouble.is_some_and(|it| alike.is_none_or(|a| a.is_shown_by(self.picture, it)))
            };
            let failing: Vec<SiteIx> = sites.iter().copied().filter(fails_so).collect();
            let failing = self.simultaneous(failing);
            if failing.len() < fewest || !failing.iter().any(|site| self.is_ripe(*site)) {
                continue;
            }
            let inside = sites.iter().filter(|site| testifies(site)).count();
            // Where the same fails wherever it is asked for nobody is outside.
            let outside = if alike.is_some() { 0 } else { everybody.saturating_sub(inside) };
            let elsewhere = open.iter().copied().filter(|_| alike.is_none());
            let elsewhere: Vec<SiteIx> = elsewhere.filter(|site| !sites.contains(site)).collect();
            let elsewhere = self.simultaneous(elsewhere).len();
            let mut members: BTreeSet<SiteIx> = failing.iter().copied().collect();
            if self.kind == Kind::Silent {
                members.extend(failing.iter().flat_map(|site| self.explained_by(*site)));
            }
            let failing = sites.iter().filter(|site| members.contains(site)).count();
            let fits = at_least(failing, settings.common_inside, inside)
                && at_most(elsewhere, settings.common_outside, outside);
            let tells_apart = match alike {
                _ if matches!(self.kind, Kind::Silent | Kind::Quality) => 0,
                Some(_) => 1,
                None if outside > 0 => 2,
                None => 0,
            };
            let rank = (tells_apart, members.len());
            if fits && rank > best_rank {
                best_rank = rank;
                let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let factor = CommonFactor {
                    label: label.clone(),
                    value: value.clone(),
                    of_devices: self.picture.labels.is_of_devices(label, value),
                    inside_failing: number(failing),
                    inside: number(inside),
                    outside_failing: number(elsewhere),
                    outside: number(outside),
                };
                let scope = Scope::Label { label: label.clone(), value: value.clone() };
                best = Some((scope, factor, members.into_iter().collect()));
            }
        }
        best
    }

    /// Whether an open incident that is wider than the site explains what ails it.
    fn is_explained(&self, site: SiteIx) -> bool {
        self.ledger.is_explained(self.picture, site)
            && self
                .ledger
                .explaining(self.picture, site)
                .is_some_and(|entry| matches!(entry.scope, Scope::Below(_) | Scope::Label { .. }))
    }

    /// Those of the sites whose trouble began within the window of the latest one.
    fn simultaneous(&self, sites: Vec<SiteIx>) -> Vec<SiteIx> {
        let since = |site: &SiteIx| self.trouble(*site).map(|trouble| trouble.since);
        let Some(latest) = sites.iter().filter_map(since).max() else { return Vec::new() };
        let together = |site: &SiteIx| since(site).is_some_and(|at| self.together(at, latest));
        sites.into_iter().filter(together).collect()
    }
}

/// Whether `part` is at most `share` of `whole`.
fn at_most(part: usize, share: f64, whole: usize) -> bool {
    as_f64(part) <= share * as_f64(whole)
}
