//! What the measurements mean: a verdict for every site, with what was found.

mod facts;

use std::collections::BTreeMap;

use jiff::Timestamp;

use self::facts::{Life, is_call, shows};
use super::measured::{Measured, MtuSeen};
use super::path;
use super::survey::devices;
use crate::config::Config;
use crate::model::{
    Certificate, Contact, EndpointIx, Failure, Finding, Found, LocalFailure, Past, ReadinessRun,
    RemoteFailure, Session, SiteIx, SiteReadiness, Topology, Verdict,
};

/// Fewest silent sites below one that answers for the fault to lie between.
const FEWEST_BELOW: usize = 2;
/// Earlier sessions that are looked at, and how many of them a site must have failed to be at risk.
pub(super) const SESSIONS: usize = 5;
const FAILED: u32 = 2;

/// What a run is about and when it was made.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The session.
    pub session: &'a Session,
    /// The configured moment, in seconds before the start; none when somebody asked.
    pub lead_s: Option<u64>,
    /// When the run began.
    pub began: Timestamp,
    /// When it was over.
    pub finished: Timestamp,
    /// The run before, whose sites stand where they were not looked at again.
    pub before: Option<&'a ReadinessRun>,
}

/// The verdict on every site of the session.
///
/// 1. A site is as good as its worst finding, and ready without any. Not ready is worse than what
///    cannot be told, and that is worse than at risk.
/// 2. What this machine failed to ask (names, routes, load) cannot be told. It never makes a site
///    not ready.
/// 3. If nothing at the site answers it is not ready. Where the line above is silent as well, that
///    is the cause; where most sites below one that answers are silent, it lies between.
/// 4. When the monitor cannot see, because it knows, or because its own router and everybody else
///    is silent, silence cannot be told. A router, our own or one above, that is silent while
///    somebody answers through it lets traffic pass: it explains nobody's silence but its own.
/// 5. A device that is silent at a site that lives makes it not ready if no other device is left,
///    else at risk. A router that keeps quiet in front of a device that answers is none of it.
/// 6. A service that is out on a device that lives makes the site not ready if nothing to call with
///    is left on any device, else at risk. What never worked is taken to be switched off on
///    purpose as long as something else to call with works.
/// 7. A poor path is not ready, a fair one at risk. So is one on which large packets vanish without
///    a word, or are refused with one.
/// 8. At risk: a certificate that is out of its time, or will be before the session ends or soon;
///    a clock that is off; a line that came and went lately; two failed runs before the last five
///    sessions.
/// 9. When most clocks are off it is ours that is wrong, and none of theirs is complained of.
#[must_use]
pub fn judge(
    config: &Config,
    occasion: &Occasion<'_>,
    measured: &Measured,
    past: &Past,
) -> ReadinessRun {
    let Occasion { session, lead_s, began, finished, before } = *occasion;
    let look = Look::new(config, session, measured, past, finished);
    let topology = &config.topology;
    let known = before.map_or(&[][..], |run| run.sites.as_slice());
    let sites = topology.site_ixs().filter_map(|ix| {
        let delegates = *session.sites.get(&ix)?;
        let site = topology.site(ix);
        let Some(checked) = measured.checked.get(&site.id) else {
            let earlier = known.iter().find(|earlier| earlier.site == site.id);
            return Some(earlier.cloned().unwrap_or_else(|| {
                let words = "it was not looked at".to_owned();
                let unseen = finding(Verdict::CannotTell, Found::NotAsked(words_of(words)));
                look.record(ix, delegates, vec![unseen], finished)
            }));
        };
        Some(look.record(ix, delegates, look.find(ix), *checked))
    });
    ReadinessRun {
        session: session.id.clone(),
        title: session.title.clone(),
        start: session.start,
        end: session.end,
        lead_s,
        began,
        finished,
        own_clock_off_s: look.own_clock_off_s,
        sites: sites.collect(),
        told: Vec::new(),
        said: Vec::new(),
    }
}

/// Everything that a verdict goes by.
struct Look<'a> {
    config: &'a Config,
    session: &'a Session,
    measured: &'a Measured,
    past: &'a Past,
    now: Timestamp,
    /// Of every site that was asked.
    lives: BTreeMap<SiteIx, Life>,
    /// Why silence cannot be told.
    blind: Option<String>,
    own_clock_off_s: Option<i64>,
}

impl<'a> Look<'a> {
    fn new(
        config: &'a Config,
        session: &'a Session,
        measured: &'a Measured,
        past: &'a Past,
        now: Timestamp,
    ) -> Self {
        let lives = BTreeMap::new();
        let (blind, own_clock_off_s) = (past.blind.clone(), None);
        let mut look = Self { config, session, measured, past, now, lives, blind, own_clock_off_s };
        for ix in config.topology.site_ixs() {
            if let Some(life) = look.site_life(ix) {
                look.lives.insert(ix, life);
            }
        }
        look.blind = look.blind.take().or_else(|| look.why_blind());
        look.own_clock_off_s = look.suspect_own_clock();
        look
    }

    fn topology(&self) -> &'a Topology {
        &self.config.topology
    }

    /// What is written down of a site.
    fn record(
        &self,
        ix: SiteIx,
        delegates: u32,
        mut findings: Vec<Finding>,
        checked: Timestamp,
    ) -> SiteReadiness {
        let site = self.topology().site(ix);
        findings.sort_by(|a, b| {
            let weight = |it: &Finding| (std::cmp::Reverse(it.verdict), it.found.kind());
            weight(a).cmp(&weight(b))
        });
        let verdict = findings.iter().map(|it| it.verdict).max().unwrap_or(Verdict::Ready);
        let keys: Vec<_> =
            site.endpoints.iter().map(|ix| self.topology().endpoint_key(*ix)).collect();
        let here = |key: &crate::model::TargetKey| {
            keys.iter().any(|it| it.site == key.site && it.endpoint == key.endpoint)
        };
        let trains = self.measured.trains.iter().filter(|(key, _)| here(key));
        let train = trains
            .filter_map(|(_, bursts)| path::figures(bursts))
            .max_by_key(|figures| (figures.rtt_us.is_none(), figures.lost, figures.jitter_us));
        let mtus = self.measured.mtus.iter().filter(|(key, _)| here(key));
        let mtu = mtus.filter_map(|(_, seen)| match seen {
            MtuSeen::Passes => Some(self.config.settings.readiness.mtu),
            MtuSeen::Told(bytes) | MtuSeen::Vanishes(bytes) => Some(*bytes).filter(|b| *b > 0),
            MtuSeen::Unknown => None,
        });
        let works = &self.past.works;
        let work = works.get(&site.id).filter(|_| !findings.is_empty()).cloned();
        let contacts = if findings.is_empty() { Vec::new() } else { self.contacts(ix, &findings) };
        SiteReadiness {
            site: site.id.clone(),
            name: site.name.clone(),
            delegates,
            verdict,
            train,
            mtu: mtu.min(),
            contacts,
            findings,
            work,
            checked,
        }
    }

    /// Whom to phone: the people of the site above when the fault lies there.
    fn contacts(&self, ix: SiteIx, findings: &[Finding]) -> Vec<Contact> {
        let above = findings.first().and_then(|finding| match &finding.found {
            Found::Uplink { above, .. } => self.topology().find_site(above),
            _ => None,
        });
        let theirs = above.map(|ix| &self.topology().site(ix).contacts).filter(|c| !c.is_empty());
        theirs.unwrap_or(&self.topology().site(ix).contacts).clone()
    }

    /// Everything that was found at a site.
    fn find(&self, ix: SiteIx) -> Vec<Finding> {
        let topology = self.topology();
        let endpoints = topology.site(ix).endpoints.iter().copied();
        let watched: Vec<EndpointIx> =
            endpoints.filter(|ix| !topology.endpoint(*ix).targets.is_empty()).collect();
        if watched.is_empty() {
            return vec![finding(Verdict::CannotTell, Found::NotWatched)];
        }
        match self.lives.get(&ix) {
            Some(Life::Dead(failure)) => {
                let mut found = vec![self.silence(ix, failure)];
                found.extend(self.lately(ix));
                return found;
            }
            Some(Life::Alive) => {}
            Some(Life::Unknown(why)) => return vec![not_asked(why.clone())],
            None => return vec![not_asked(words_of("it was not asked".to_owned()))],
        }
        let mut found = Vec::new();
        let behind = devices(topology, ix);
        let lives: Vec<(EndpointIx, Life)> =
            behind.iter().filter_map(|ix| Some((*ix, self.life(*ix)?))).collect();
        let left = |endpoint: EndpointIx, life: &Life| {
            !matches!(life, Life::Dead(_)) && !self.is_useless(endpoint)
        };
        let useless = !lives.iter().any(|(endpoint, life)| left(*endpoint, life));
        let grave = if useless { Verdict::NotReady } else { Verdict::AtRisk };
        for endpoint in &watched {
            let id = topology.endpoint(*endpoint).id.clone();
            let is_device = behind.contains(endpoint);
            match self.life(*endpoint) {
                Some(Life::Alive) => self.device(*endpoint, is_device, grave, &mut found),
                Some(Life::Dead(failure)) if is_device => {
                    let silent = finding(grave, Found::Device(failure));
                    found.push(Finding { endpoint: Some(id), ..silent });
                }
                // A router that keeps quiet in front of a device that answers is none of it.
                Some(Life::Dead(_)) | None => {}
                Some(Life::Unknown(why)) => {
                    found.push(Finding { endpoint: Some(id), ..not_asked(why) });
                }
            }
        }
        found.extend(self.lately(ix));
        found
    }

    /// What was found at a device that lives.
    fn device(&self, ix: EndpointIx, is_device: bool, grave: Verdict, found: &mut Vec<Finding>) {
        let topology = self.topology();
        let endpoint = topology.endpoint(ix);
        let at = |finding: Finding| Finding { endpoint: Some(endpoint.id.clone()), ..finding };
        let grave = if is_device { grave } else { Verdict::AtRisk };
        let mut dates: Option<Certificate> = None;
        for target in &endpoint.targets {
            let check = topology.check_of(*target);
            let shown = |it: Finding| Finding { check: Some(check.id.clone()), ..at(it) };
            match self.last(*target) {
                None => {}
                Some(Err(Failure::Local(why))) => found.push(shown(not_asked(why.clone()))),
                Some(Err(Failure::Remote(RemoteFailure::CertificateTime(certificate)))) => {
                    dates = Some((**certificate).clone());
                    found.push(shown(finding(grave, out_of_time(certificate))));
                }
                Some(Err(failure @ Failure::Remote(_))) if check.kind.is_reachability() => {
                    // Its train may have been answered all the same.
                    let train = self.measured.trains.get(&topology.target_key(*target));
                    let answered =
                        train.is_some_and(|bursts| bursts.iter().any(|b| !b.rtts.is_empty()));
                    let quiet = self.past.never_up.contains(&topology.target_key(*target));
                    if is_device && !answered && !quiet {
                        let silent = finding(Verdict::AtRisk, Found::Service(failure.clone()));
                        found.push(shown(silent));
                    }
                }
                Some(Err(_)) if self.is_off_on_purpose(ix, *target) => {}
                Some(Err(failure)) => {
                    let counts = is_call(&check.kind) || !self.offers_calls(ix);
                    let verdict = if counts { grave } else { Verdict::AtRisk };
                    found.push(shown(finding(verdict, Found::Service(failure.clone()))));
                }
                Some(Ok(reply)) => {
                    let (certificate, offset) = shows(reply);
                    if let Some(certificate) = certificate
                        && dates.as_ref() != Some(certificate)
                        && self.is_out_of_time(certificate)
                    {
                        dates = Some(certificate.clone());
                        found.push(shown(finding(Verdict::AtRisk, out_of_time(certificate))));
                    }
                    if let Some(offset_s) = offset.filter(|offset| self.is_off(*offset))
                        && self.own_clock_off_s.is_none()
                        && !found.iter().any(|it| {
                            it.endpoint.as_ref() == Some(&endpoint.id)
                                && matches!(it.found, Found::Clock { .. })
                        })
                    {
                        let clock = Found::Clock { offset_s };
                        found.push(shown(finding(Verdict::AtRisk, clock)));
                    }
                }
            }
        }
        if is_device {
            self.way(ix, found);
        }
    }

    /// What was found of the path to a device.
    fn way(&self, ix: EndpointIx, found: &mut Vec<Finding>) {
        let topology = self.topology();
        let endpoint = topology.endpoint(ix);
        let at = |(verdict, what): (Verdict, Found)| {
            let it = finding(verdict, what);
            Finding { endpoint: Some(endpoint.id.clone()), ..it }
        };
        let mut steady = true;
        for target in &endpoint.targets {
            let key = topology.target_key(*target);
            if let Some(bursts) = self.measured.trains.get(&key) {
                let path = path::findings(bursts, &self.config.settings.quality);
                steady &= !path.iter().any(|(_, found)| matches!(found, Found::Unsteady { .. }));
                found.extend(path.into_iter().map(at));
            }
            match self.measured.mtus.get(&key) {
                // On a line that comes and goes packets of every size vanish.
                Some(MtuSeen::Vanishes(passes)) if steady => {
                    let tried = self.config.settings.readiness.mtu;
                    let hole = Found::BlackHole { tried, passes: *passes };
                    found.push(at((Verdict::NotReady, hole)));
                }
                Some(MtuSeen::Told(mtu)) => {
                    let tried = self.config.settings.readiness.mtu;
                    found.push(at((Verdict::AtRisk, Found::SmallMtu { tried, mtu: *mtu })));
                }
                Some(MtuSeen::Vanishes(_) | MtuSeen::Passes | MtuSeen::Unknown) | None => {}
            }
            // Echoes that all failed and then all came: it went away for a moment.
            let outcomes = self.measured.outcomes.get(&key).map_or(&[][..], Vec::as_slice);
            let is_echo = topology.check_of(*target).kind.is_reachability();
            if let [Err(Failure::Remote(_)), .., Ok(_)] = outcomes
                && is_echo
                && steady
            {
                let of = u16::try_from(outcomes.len()).unwrap_or(u16::MAX);
                found.push(at((Verdict::AtRisk, Found::Unsteady { silent: 1, of })));
                steady = false;
            }
        }
    }

    /// Rule 8, as far as it looks back.
    fn lately(&self, ix: SiteIx) -> Option<Finding> {
        let id = &self.topology().site(ix).id;
        if let Some(relapses) = self.past.relapses.get(id).copied().filter(|n| *n > 0) {
            return Some(finding(Verdict::AtRisk, Found::Flapping { relapses }));
        }
        let verdicts = self.past.verdicts.get(id)?;
        let last = verdicts.iter().filter(|past| past.session != self.session.id).take(SESSIONS);
        let (mut of, mut failed) = (0, 0);
        for past in last {
            of += 1;
            failed += u32::from(past.verdict == Verdict::NotReady);
        }
        (failed >= FAILED).then(|| finding(Verdict::AtRisk, Found::FailedBefore { failed, of }))
    }

    /// Rules 3 and 4 for a site of which nothing answers.
    fn silence(&self, ix: SiteIx, failure: &Failure) -> Finding {
        if let Some(why) = &self.blind {
            return finding(Verdict::CannotTell, Found::Blind(why.clone()));
        }
        let topology = self.topology();
        let mut root = None;
        for above in topology.ancestors(ix) {
            match self.lives.get(&above) {
                Some(Life::Dead(_)) if !self.passes(above) => root = Some(above),
                _ => break,
            }
        }
        let uplink = |above: SiteIx, answers: bool| {
            let site = topology.site(above);
            let (above, name) = (site.id.clone(), site.name.clone());
            finding(Verdict::NotReady, Found::Uplink { above, name, answers })
        };
        if let Some(root) = root {
            return uplink(root, false);
        }
        if let Some(parent) = topology.site(ix).parent
            && (matches!(self.lives.get(&parent), Some(Life::Alive)) || self.passes(parent))
        {
            let asked = topology.site(parent).children.iter().filter_map(|ix| self.lives.get(ix));
            let known: Vec<&Life> = asked.filter(|l| !matches!(l, Life::Unknown(_))).collect();
            let silent = known.iter().filter(|life| matches!(life, Life::Dead(_))).count();
            let share = silent as f64 / known.len().max(1) as f64;
            if silent >= FEWEST_BELOW && share >= self.config.settings.correlation.children_share {
                return uplink(parent, true);
            }
        }
        finding(Verdict::NotReady, Found::Silent(failure.clone()))
    }
}

fn finding(verdict: Verdict, found: Found) -> Finding {
    Finding { verdict, endpoint: None, check: None, found }
}

/// Rule 2.
fn not_asked(why: LocalFailure) -> Finding {
    finding(
        Verdict::CannotTell,
        match why {
            LocalFailure::Unresolved(_) | LocalFailure::NoSuchName(_) => Found::Name(why),
            other => Found::NotAsked(other),
        },
    )
}

const fn words_of(words: String) -> LocalFailure {
    LocalFailure::Other(words)
}

fn out_of_time(certificate: &Certificate) -> Found {
    let Certificate { not_before, not_after, .. } = *certificate;
    Found::Certificate { not_before, not_after }
}
