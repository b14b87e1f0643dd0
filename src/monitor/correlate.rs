//! Which cause explains which sites: the step from many findings to few incidents.
//!
//! It decides nothing about time to come and keeps nothing: the same picture always gives the
//! same verdicts. The ledger turns verdicts into incidents.

mod alike;
mod wider;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) use self::alike::Alike;
use super::blind::{Sight, Whose};
use super::ledger::{Entry, Ledger, Scope};
use super::picture::Picture;
use super::site::{Finding, Kind, Trouble};
use super::witness::{self, Testimony};
use crate::model::{CommonFactor, Health, Mono, SiteIx, TargetIx, Topology};

/// Longest that a bad path waits for its neighbours' paths to be judged. Their judgements rest on
/// chance and come at different times.
const QUALITY_WAIT: Duration = Duration::from_secs(15);
/// Longest that a service or a device waits which is about to fail nearly everywhere, or at nearly
/// all that hang on one site. Services have more time to answer than hosts, and are asked again no
/// sooner than some of them can bear.
const EVERYWHERE_WAIT: Duration = Duration::from_secs(20);
/// Fewest silent children for the fault to lie above them while their parent answers.
pub(super) const FEWEST_CHILDREN: usize = 3;
/// In this order causes are looked for: what explains most first.
const KINDS: [Kind; 4] = [Kind::Silent, Kind::Device, Kind::Service, Kind::Quality];

/// What explains a trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Itself.
    Own {
        /// The site.
        site: SiteIx,
    },
    /// Something wider.
    Group {
        /// What.
        scope: Scope,
        /// What kind of trouble it makes.
        kind: Kind,
        /// Whom it explains, the site at fault included when it is silent itself.
        members: Vec<SiteIx>,
        /// The figures behind it, when it is something that sites share.
        common: Option<CommonFactor>,
    },
}

/// What is decided now, and when to look again at what is not.
#[derive(Debug, Default)]
pub(super) struct Decision {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) again_at: Option<Mono>,
    /// Sites whose state must be learned anew before anything is decided of them.
    pub(super) ask_again: BTreeSet<SiteIx>,
}

/// Explains the sites in `waiting`: those in trouble that nothing explains yet.
///
/// 1. **Wait for the neighbours.** A trouble is decided once everybody who could explain or refute
///    it has spoken, or after `correlation.wait`. Usually they have, since they were asked at the
///    first doubt. What may be our own network's, see [`Sight::whose`], waits until it is known
///    not to be.
/// 2. **The parent is silent too**: it explains what hangs on it, and so on upwards to the highest
///    one that is silent. A child that has an incident of its own already is counted in; that
///    incident rests meanwhile and goes on afterwards if the child is still in trouble. But a
///    parent through which others answer explains only itself; see [`explains_below`].
/// 3. **The parent answers, its children do not**: when at least three and `children_share` of them
///    fell silent within `window`, the fault lies with the parent's line to them. So it does when
///    devices or services there fail that no label explains: a firewall on that line holds them
///    back, or it swallows big packets. The parent's own may be behind that as well.
/// 4. **A label in common**: when at least `common_min` sites with the same value of a label, and
///    `common_inside` of all that have it, fell silent within `window`, while at most
///    `common_outside` of the others did, that is the cause. It explains what hangs on them too,
///    with the label or without. For services the check counts as such a label, and for devices
///    their id: where nearly all fail, the fault lies with none of them. What else fails elsewhere
///    says nothing against that.
/// 5. Of rules 3 and 4 the one that explains more sites comes first, and what is left is looked at
///    again. What nothing explains explains itself. Who was in trouble before counts for neither.
/// 6. For bad paths the same rules hold. For devices and services only 3 and 4 do.
pub(super) fn explain(
    picture: &Picture,
    ledger: &Ledger,
    waiting: &BTreeSet<SiteIx>,
    now: Mono,
) -> Decision {
    let mut decision = Decision::default();
    for kind in KINDS {
        let mut case = Case::new(picture, ledger, waiting, kind, now);
        case.release();
        case.decide(&mut decision);
    }
    decision
}

/// Explains the sites in `left`, whose wider incident is over for everybody else, at once: they
/// have been asked again, and so has everybody who could explain them.
pub(super) fn explain_left(
    picture: &Picture,
    ledger: &Ledger,
    left: &BTreeSet<SiteIx>,
    now: Mono,
) -> Vec<Verdict> {
    let mut decision = Decision::default();
    for kind in KINDS {
        let mut case = Case::new(picture, ledger, left, kind, now);
        case.waiting.values_mut().for_each(|ripe| *ripe = true);
        case.decide(&mut decision);
    }
    decision.verdicts
}

/// Whether a site's silence explains that of those whose line runs through it.
///
/// 1. It does unless somebody below it answered what was asked since it fell silent, and is not
///    failing now: then its line is up, and it only keeps quiet itself.
/// 2. It does all the same when at least three and `children_share` of its children are silent or
///    about to be: few may have another line than the one that is drawn.
pub(super) fn explains_below(picture: &Picture, node: SiteIx) -> bool {
    explains(picture, node, |site| is_silent_or_failing(picture, site))
}

/// The same where what fails at this moment counts for nothing: one failure is chance, and no
/// reason to explain anew what is explained already.
pub(super) fn explains_below_for_a_fact(picture: &Picture, node: SiteIx) -> bool {
    explains(picture, node, |site| picture.site(site).finding.is(Kind::Silent))
}

/// The same where an answer that is not confirmed counts for nothing: one answer is chance, and no
/// reason to explain anew what is explained already.
pub(super) fn explains_below_until_confirmed(picture: &Picture, node: SiteIx) -> bool {
    // A router that answers once makes a dead device out of a silent site: where nothing answers
    // for a fact, that trouble is not confirmed either.
    let topology = picture.topology();
    let is_confirmed = |ix: &TargetIx| {
        let target = picture.target(*ix);
        target.is_good() && target.streak.hard == Health::Up
    };
    let unconfirmed = |site: SiteIx| match picture.site(site).finding {
        Finding::Unsettled => true,
        Finding::Trouble(_) => {
            let endpoints = topology.site(site).endpoints.iter();
            !endpoints.flat_map(|ix| &topology.endpoint(*ix).targets).any(is_confirmed)
        }
        _ => false,
    };
    explains(picture, node, |site| unconfirmed(site) || is_silent_or_failing(picture, site))
}

fn is_silent_or_failing(picture: &Picture, site: SiteIx) -> bool {
    picture.site(site).finding.is(Kind::Silent) || witness::is_failing(picture, site)
}

fn explains(picture: &Picture, node: SiteIx, fails: impl Fn(SiteIx) -> bool) -> bool {
    let topology = picture.topology();
    let since = picture.site(node).silent_since;
    let answers = |site: &SiteIx| picture.site(*site).alive_at >= since && !fails(*site);
    if !topology.subtree(node).iter().skip(1).any(answers) {
        return true;
    }
    let children = &topology.site(node).children;
    let known = children.iter().filter(|child| picture.is_known(**child)).count();
    let failing = children.iter().filter(|child| fails(**child)).count();
    failing >= FEWEST_CHILDREN
        && at_least(failing, picture.settings().correlation.children_share, known)
}

/// All troubles of one kind that wait.
struct Case<'a> {
    picture: &'a Picture,
    ledger: &'a Ledger,
    kind: Kind,
    now: Mono,
    /// Waiting sites, each with whether it may be decided.
    waiting: BTreeMap<SiteIx, bool>,
    /// Waiting sites, and those whose own incident is so young that a wider cause may yet be
    /// found: what rules 3 and 4 count.
    young: BTreeSet<SiteIx>,
    /// Sites in the same trouble that explain only themselves.
    alone: BTreeSet<SiteIx>,
    again_at: Option<Mono>,
    /// Waiting sites that must be asked again first.
    ask_again: BTreeSet<SiteIx>,
}

impl<'a> Case<'a> {
    fn new(
        picture: &'a Picture,
        ledger: &'a Ledger,
        waiting: &BTreeSet<SiteIx>,
        kind: Kind,
        now: Mono,
    ) -> Self {
        let of_kind = waiting.iter().filter(|site| picture.site(**site).finding.is(kind));
        let waiting: BTreeMap<SiteIx, bool> = of_kind.map(|site| (*site, false)).collect();
        let [young, alone, ask_again] = Default::default();
        let mut case =
            Self { picture, ledger, kind, now, young, alone, waiting, again_at: None, ask_again };
        if !case.waiting.is_empty() {
            case.young = case.waiting.keys().copied().collect();
            case.young.extend(ledger.young(picture, kind, now));
            if kind == Kind::Silent {
                case.alone = case.alone();
            }
        }
        case
    }

    fn decide(mut self, decision: &mut Decision) {
        if self.waiting.values().any(|ripe| *ripe) {
            let mut open: BTreeSet<SiteIx> = self.young.clone();
            self.join_known(&mut open, decision);
            self.wider_causes(&mut open, decision);
            if matches!(self.kind, Kind::Silent | Kind::Quality) {
                self.parents_in_trouble(&mut open, decision);
            }
            for site in open {
                if self.is_ripe(site) {
                    decision.verdicts.push(Verdict::Own { site });
                }
            }
        }
        decision.again_at = [decision.again_at, self.again_at].into_iter().flatten().min();
        decision.ask_again.append(&mut self.ask_again);
    }

    /// Rule 1: marks the sites that may be decided and notes when the next one will.
    fn release(&mut self) {
        let mut testimony = Testimony::default();
        let (shared, spreading) = (self.shared_labels(), self.spreading());
        let lines = self.lines_in_the_air();
        let spreads = |site: SiteIx, trouble: &Trouble| {
            let parent = self.picture.topology().site(site).parent;
            lines.contains(&site)
                || parent.is_some_and(|parent| lines.contains(&parent))
                || spreading.iter().any(|it| it.is_shown_by(self.picture, trouble))
        };
        let sites: Vec<SiteIx> = self.waiting.keys().copied().collect();
        for site in sites {
            let Some(trouble) = self.picture.site(site).finding.trouble().copied() else {
                continue;
            };
            match Sight::whose(self.picture, site, &trouble, self.now) {
                Whose::Theirs => {}
                Whose::PerhapsOurs { until } => {
                    self.again_at = Some(self.again_at.map_or(until, |at| at.min(until)));
                    continue;
                }
                Whose::ToBeAsked => {
                    self.ask_again.insert(site);
                    continue;
                }
            }
            let complete = trouble.settled
                && match self.kind {
                    Kind::Silent => {
                        testimony.is_complete(self.picture, site, &trouble)
                            && !(self.alone.contains(&site) && self.wavers_below(site))
                    }
                    Kind::Quality => {
                        !self.neighbours_are_doubtful(site) && !self.may_have_in_common(site)
                    }
                    Kind::Device | Kind::Service => {
                        let mut labels = self.picture.topology().site(site).labels.iter();
                        !spreads(site, &trouble) && !labels.any(|label| shared.contains(&label))
                    }
                };
            let patience = match self.kind {
                Kind::Quality => QUALITY_WAIT,
                _ if spreads(site, &trouble) => EVERYWHERE_WAIT,
                _ => self.picture.settings().correlation.wait,
            };
            let deadline = self.picture.site(site).waits_since + patience;
            if complete || self.now >= deadline {
                self.waiting.insert(site, true);
            } else {
                self.again_at = Some(self.again_at.map_or(deadline, |at| at.min(deadline)));
            }
        }
    }

    /// Whether more of those below a site fail at this moment than chance explains: the others may
    /// be about to.
    fn wavers_below(&self, site: SiteIx) -> bool {
        witness::wavers(self.picture, &self.picture.topology().subtree(site)[1..])
    }

    /// The silent ones of the sites looked at and of those above them that explain nobody else.
    fn alone(&self) -> BTreeSet<SiteIx> {
        let topology = self.picture.topology();
        let mut seen = BTreeSet::new();
        for site in &self.young {
            let mut next = Some(*site);
            while let Some(site) = next.filter(|site| seen.insert(*site)) {
                next = topology.site(site).parent;
            }
        }
        seen.retain(|site| {
            self.has_children(*site)
                && self.trouble(*site).is_some()
                && !explains_below(self.picture, *site)
        });
        seen
    }

    fn is_ripe(&self, site: SiteIx) -> bool {
        self.waiting.get(&site).is_some_and(|ripe| *ripe)
    }

    fn trouble(&self, site: SiteIx) -> Option<&Trouble> {
        self.picture.site(site).finding.trouble().filter(|trouble| trouble.kind == self.kind)
    }

    /// Whether two troubles began within the window.
    fn together(&self, one: Mono, other: Mono) -> bool {
        one.since(other).max(other.since(one)) <= self.picture.settings().correlation.window
    }

    /// What a wider incident that is already open explains joins it, however late: routers on
    /// batteries fall silent an hour after the power did.
    fn join_known(&mut self, open: &mut BTreeSet<SiteIx>, decision: &mut Decision) {
        let mut explaining: BTreeMap<SiteIx, Scope> = BTreeMap::new();
        let sites: Vec<SiteIx> = open.iter().copied().filter(|site| self.is_ripe(*site)).collect();
        for site in sites {
            let Some(trouble) = self.trouble(site) else { continue };
            let labels = &self.picture.topology().site(site).labels;
            let label = labels
                .iter()
                .map(|(label, value)| Scope::Label { label: label.clone(), value: value.clone() });
            let label = label.chain(alike::scopes(self.picture, trouble));
            // A site that others hang on may fall silent while theirs still lasts.
            let below = |entry: &Entry| entry.scope == Scope::Below(site);
            let theirs = self.ledger.explaining(self.picture, site).is_some_and(below);
            let again = Some(site).filter(|_| !theirs);
            let above = again.into_iter().chain(self.picture.topology().ancestors(site));
            let above = above.map(Scope::Below);
            // Its own device or service is that of the site itself, unless both went together.
            let however_late =
                |scope: &Scope| !(self.is_about_devices() && *scope == Scope::Below(site));
            let known = above.chain(label).find(|scope| {
                self.ledger.takes_in(self.picture, scope, self.kind).is_some_and(|began| {
                    (began <= trouble.since && however_late(scope))
                        || self.together(began, trouble.since)
                })
            });
            if let Some(scope) = known.or_else(|| self.explains_highest(site)) {
                explaining.insert(site, scope);
            }
        }
        let mut joined: BTreeMap<Scope, Vec<SiteIx>> = BTreeMap::new();
        for site in explaining.keys() {
            let wider = |node: SiteIx| {
                let now = explaining.get(&node);
                now.or_else(|| self.ledger.wider(self.picture, node, self.kind))
            };
            let scope = widest(self.picture.topology(), &explaining[site], wider);
            joined.entry(scope.clone()).or_default().push(*site);
        }
        for (scope, members) in joined {
            self.settle(scope, members, None, open, decision);
        }
    }

    /// What sites have in common that explains the silent site on which this one hangs.
    fn explains_highest(&self, site: SiteIx) -> Option<Scope> {
        let top = self.highest_in_trouble(site);
        let entry = self.ledger.explaining(self.picture, top).filter(|_| top != site)?;
        let scope = Some(&entry.scope).filter(|scope| matches!(scope, Scope::Label { .. }))?;
        self.ledger.takes_in(self.picture, scope, self.kind).map(|_| scope.clone())
    }

    /// Rule 2. While the highest site in trouble waits for its own witnesses, what hangs on it
    /// waits with it.
    fn parents_in_trouble(&mut self, open: &mut BTreeSet<SiteIx>, decision: &mut Decision) {
        let ripe: Vec<SiteIx> = open.iter().copied().filter(|site| self.is_ripe(*site)).collect();
        for site in ripe {
            let top = self.highest_in_trouble(site);
            if self.waiting.contains_key(&top) && !self.is_ripe(top) {
                open.remove(&site);
                continue;
            }
            let widens = top != site || (self.has_children(site) && !self.alone.contains(&site));
            if open.contains(&site) && widens {
                let members = self.explained_by(top);
                if members.len() > 1 {
                    self.settle(Scope::Below(top), members, None, open, decision);
                }
            }
        }
    }

    /// The highest site on the line of `site` that has the same trouble, without a gap.
    fn highest_in_trouble(&self, site: SiteIx) -> SiteIx {
        let topology = self.picture.topology();
        let mut top = site;
        while let Some(parent) = topology.site(top).parent {
            let explains = self.trouble(parent).is_some()
                && !self.alone.contains(&parent)
                && (self.kind == Kind::Silent || self.young.contains(&parent));
            if !explains {
                break;
            }
            top = parent;
        }
        top
    }

    fn has_children(&self, site: SiteIx) -> bool {
        !self.picture.topology().site(site).children.is_empty()
    }

    /// What a site in trouble explains: itself and everything below that has the same trouble or,
    /// for silence, has not been heard since it began or is failing now.
    fn explained_by(&self, node: SiteIx) -> Vec<SiteIx> {
        let Some(trouble) = self.trouble(node) else { return Vec::new() };
        if self.alone.contains(&node) {
            return vec![node];
        }
        let window = self.picture.settings().correlation.window;
        let earliest = trouble.since.earlier(window);
        let below = self.picture.topology().subtree(node).into_iter();
        below
            .filter(|site| {
                let known = self.picture.site(*site);
                match self.kind {
                    Kind::Silent => {
                        let unheard =
                            known.asked_at >= trouble.since && known.alive_at < trouble.since;
                        let failing = self
                            .picture
                            .pulse(*site)
                            .is_some_and(|target| self.picture.target(target).streak.is_failing());
                        known.finding.is(Kind::Silent)
                            || (known.finding == Finding::Unsettled && (unheard || failing))
                    }
                    kind => known
                        .finding
                        .trouble()
                        .is_some_and(|other| other.kind == kind && other.since >= earliest),
                }
            })
            .collect()
    }

    /// Whether the paths of the parent or a sibling may soon be judged bad as well.
    fn neighbours_are_doubtful(&self, site: SiteIx) -> bool {
        let topology = self.picture.topology();
        let Some(parent) = topology.site(site).parent else { return false };
        let siblings = topology.site(parent).children.iter().filter(|other| **other != site);
        self.is_doubtful(parent) || siblings.filter(|other| self.is_doubtful(**other)).count() >= 2
    }

    /// Whether those that share a label with a site would be enough for a common cause if all whose
    /// paths may soon be judged bad were.
    fn may_have_in_common(&self, site: SiteIx) -> bool {
        let settings = &self.picture.settings().correlation;
        self.picture.labels.causes(self.kind).any(|(_, sites)| {
            if !sites.contains(&site) {
                return false;
            }
            let young = sites.iter().filter(|site| self.young.contains(site)).count();
            let soon = |site: &&SiteIx| !self.young.contains(site) && self.is_doubtful(**site);
            let soon = sites.iter().filter(soon).count();
            let known = sites.iter().filter(|site| self.picture.is_known(**site)).count();
            let fewest = settings.common_min as usize;
            soon > 0
                && young + soon >= fewest
                && at_least(young + soon, settings.common_inside, known)
        })
    }

    /// Whether a path of this site may soon be judged bad.
    fn is_doubtful(&self, site: SiteIx) -> bool {
        let topology = self.picture.topology();
        topology.site(site).endpoints.iter().any(|endpoint| {
            let targets = &topology.endpoint(*endpoint).targets;
            targets.iter().any(|target| {
                self.picture.target(*target).path.as_ref().is_some_and(|path| path.is_doubtful())
            })
        })
    }

    fn is_about_devices(&self) -> bool {
        matches!(self.kind, Kind::Device | Kind::Service)
    }

    /// Labels with so many sites in the same trouble, or about to be, that a common cause is in the
    /// air.
    fn shared_labels(&self) -> BTreeSet<(&'a String, &'a String)> {
        if !self.is_about_devices() {
            return BTreeSet::new();
        }
        let picture: &'a Picture = self.picture;
        let shared = picture.labels.causes(self.kind).filter(|(_, sites)| {
            let young = sites.iter().filter(|site| self.young.contains(site)).count();
            young > 2 || (young > 0 && witness::devices_waver(self.picture, sites))
        });
        shared.map(|(label, _)| label).collect()
    }

    /// What fails alike at so many sites that it would be a common cause if those at which it fails
    /// at this moment failed for a fact.
    fn spreading(&self) -> Vec<Alike<'a>> {
        let settings = &self.picture.settings().correlation;
        let picture: &'a Picture = self.picture;
        let all = picture
            .labels
            .causes(self.kind)
            .filter_map(|((label, value), sites)| Some((Alike::of(label, value)?, sites)));
        let spreads = |(alike, sites): &(Alike<'a>, &[SiteIx])| {
            let young = |site: &SiteIx| {
                let trouble = self.trouble(*site).filter(|_| self.young.contains(site));
                trouble.is_some_and(|trouble| alike.is_shown_by(picture, trouble))
            };
            let shown = sites.iter().filter(|site| young(site)).count();
            if shown == 0 {
                return false;
            }
            let soon = |site: &&SiteIx| !young(site) && alike.may_be_shown_by(picture, **site);
            let soon = sites.iter().filter(soon).count();
            let known = sites.iter().filter(|site| picture.is_known(**site)).count();
            soon > 0
                && shown + soon >= settings.common_min as usize
                && at_least(shown + soon, settings.common_inside, known)
        };
        all.filter(spreads).map(|(alike, _)| alike).collect()
    }

    /// Sites on which so many hang whose devices or services fail that it would be found to lie
    /// between them if those that fail at this moment failed for a fact.
    fn lines_in_the_air(&self) -> BTreeSet<SiteIx> {
        if !self.is_about_devices() {
            return BTreeSet::new();
        }
        let topology = self.picture.topology();
        let parents: BTreeSet<SiteIx> =
            self.young.iter().filter_map(|site| topology.site(*site).parent).collect();
        let share = self.picture.settings().correlation.children_share;
        let is_in_the_air = |parent: &SiteIx| {
            let children = &topology.site(*parent).children;
            let young = children.iter().filter(|child| self.young.contains(child)).count();
            let soon = |child: &&SiteIx| {
                !self.young.contains(child)
                    && alike::may_soon_fail(self.picture, **child, self.kind)
            };
            let soon = children.iter().filter(soon).count();
            let could = children.iter().filter(|child| self.could_fail(**child)).count();
            soon > 0 && young + soon >= FEWEST_CHILDREN && at_least(young + soon, share, could)
        };
        parents.into_iter().filter(is_in_the_air).collect()
    }

    fn settle(
        &mut self,
        scope: Scope,
        members: Vec<SiteIx>,
        common: Option<CommonFactor>,
        open: &mut BTreeSet<SiteIx>,
        decision: &mut Decision,
    ) {
        for member in &members {
            open.remove(member);
            self.waiting.remove(member);
        }
        decision.verdicts.push(Verdict::Group { scope, kind: self.kind, members, common });
    }
}

/// What explains the site at fault of what explains others, now or already, and so on upwards. Each
/// is at fault higher up on the line than the one before, so it ends at the top of the tree if not
/// at what sites have in common, which hangs on nobody. What would lead down or around is no
/// explanation.
fn widest<'s>(
    topology: &Topology,
    narrow: &'s Scope,
    wider: impl Fn(SiteIx) -> Option<&'s Scope>,
) -> &'s Scope {
    let mut scope = narrow;
    while let Scope::Below(node) = scope {
        let is_higher = |wider: &&Scope| match wider {
            Scope::Below(above) => topology.ancestors(*node).contains(above),
            _ => true,
        };
        let Some(wider) = wider(*node).filter(is_higher) else { break };
        scope = wider;
    }
    scope
}

/// Whether `part` is at least `share` of `whole`.
pub(super) fn at_least(part: usize, share: f64, whole: usize) -> bool {
    as_f64(part) >= share * as_f64(whole)
}

fn as_f64(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
