//! What gives notice: certificates that end, clocks that are off.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::ledger::{Ledger, Notices, Scope, Slot};
use super::picture::Picture;
use super::record;
use super::severity::{self, Stake};
use crate::model::{
    Cause, Certificate, CheckKind, Detail, EndpointIx, Evidence, Failure, Incident, Mono, Now,
    RemoteFailure, Reply, Resolution, Saw, SelfDoubt, SiteIx, TargetIx, TargetKey,
};

/// A clock must be seen off this often in a row, and so must a certificate be seen to be out of its
/// time or within it: what answers once may be another device.
const CONFIRM: u8 = 2;
/// Fewest clocks that must be off for ours to be suspected; two where there are no more.
const FEWEST: usize = 3;
/// Replies in a row that show no certificate or clock any more after which what was said of it is
/// no longer known.
const GONE: u8 = 10;
/// How long the clocks that were off together with most others have to be set right as those were:
/// so far apart ask their time server those that keep time by NTP at most by default (RFC 5905,
/// section 7.2).
const RESYNC: Duration = Duration::from_secs(1024);

/// What is to be looked at, and what was seen of clocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Hygiene {
    /// Targets that showed a certificate or a clock since the last look, and which.
    fresh: BTreeMap<TargetIx, Shown>,
    /// How often in a row each clock was seen off.
    off: BTreeMap<TargetIx, u8>,
    /// Whether the last certificate of each target was wrong, and how many in a row were.
    certificates: BTreeMap<TargetIx, (bool, u8)>,
    /// How many replies in a row of a target have not shown what it is known for.
    absent: BTreeMap<(TargetIx, Cause), u8>,
    /// Devices that wait to be judged until most of the clocks were seen.
    waiting: BTreeSet<EndpointIx>,
    /// Devices whose clocks were off when most others were set right, or may have been, and until
    /// when these may follow; by name, since a reload has them stand elsewhere.
    following: BTreeMap<TargetKey, Mono>,
    /// Why our own clock is suspected; none when it is not.
    pub(super) own_clock: Option<SelfDoubt>,
}

/// Whether a reply shows a certificate and a clock, of those that it could show.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shown {
    certificate: Option<bool>,
    clock: Option<bool>,
}

impl Shown {
    /// What the end of a probe shows, if it is one that may.
    pub(super) fn by(result: &Result<Reply, Failure>) -> Option<Self> {
        let (certificate, clock) = match result {
            Ok(Reply { detail: Detail::Http(http), .. }) => {
                (http.certificate.is_some(), Some(http.clock_offset_s.is_some()))
            }
            Ok(Reply { detail: Detail::Sip(sip), .. }) => {
                (sip.certificate.is_some(), Some(sip.clock_offset_s.is_some()))
            }
            // It comes to no reply, which could show a clock.
            Err(Failure::Remote(RemoteFailure::CertificateTime(_))) => (true, None),
            _ => return None,
        };
        Some(Self { certificate: Some(certificate), clock })
    }

    /// The same together with another one of its target.
    fn or(self, other: Self) -> Self {
        let either = |one: Option<bool>, other: Option<bool>| match (one, other) {
            (Some(one), Some(other)) => Some(one || other),
            (one, other) => one.or(other),
        };
        Self {
            certificate: either(self.certificate, other.certificate),
            clock: either(self.clock, other.clock),
        }
    }
}

impl Hygiene {
    /// Notes that a target showed a certificate or a clock.
    pub(super) fn note(&mut self, target: TargetIx, shown: Shown) {
        let known = self.fresh.entry(target).or_default();
        *known = known.or(shown);
    }

    /// Our clock was set: how often others were seen off says nothing any more.
    pub(super) fn our_clock_was_set(&mut self, picture: &mut Picture, by_s: i64) {
        self.off.clear();
        self.certificates.clear();
        let limit = limit_s(picture);
        for target in &mut picture.targets {
            let was_right = target.clock_offset_s().is_some_and(|it| it.unsigned_abs() <= limit);
            target.our_clock_was_set(by_s, was_right);
        }
    }

    /// The same after a change of the configuration; targets stand elsewhere now.
    pub(super) fn reloaded(self, picture: &Picture) -> Self {
        let clocks = Clocks::of(picture);
        let own_clock = match self.own_clock {
            doubt if !clocks.are_enough() => doubt,
            doubt => clocks.suspect_own(doubt.is_some()),
        };
        Self { own_clock, following: self.following, ..Self::default() }
    }

    /// Takes up a doubt of our clock that a restart found on record. While it is open the clock is
    /// wrong as before. Where it is over, which clocks were to follow is not on record: all may
    /// that were not seen since.
    pub(super) fn recall(&mut self, picture: &Picture, incident: &Incident, now: Now) {
        let last = incident.doubts().next_back();
        let off = last.filter(|doubt| matches!(doubt, SelfDoubt::ClockOff { .. }));
        match incident.resolved {
            None => self.own_clock = off.cloned(),
            Some(over) if off.is_some() => {
                let until = now.mono_at(over) + RESYNC;
                if now.mono < until {
                    self.let_unheard_follow(picture, until);
                }
            }
            Some(_) => {}
        }
    }

    /// Lets those follow until then whose clocks were not seen since the start.
    fn let_unheard_follow(&mut self, picture: &Picture, until: Mono) {
        let topology = picture.topology();
        for endpoint in topology.endpoint_ixs() {
            let targets = &topology.endpoint(endpoint).targets;
            let shows = |ix: &TargetIx| picture.target(*ix).shows_clock();
            if !targets.iter().any(shows) && targets.iter().any(|ix| is_unheard(picture, *ix)) {
                self.following.entry(topology.endpoint_key(endpoint)).or_insert(until);
            }
        }
    }

    /// Opens and ends the incidents that give notice.
    ///
    /// 1. A certificate that ends within `certificate_before`, has ended, or is not valid yet, by
    ///    our clock and by the device's own if it shows it, twice in a row. It is told again when
    ///    it gets more urgent, and over when it was right twice in a row.
    /// 2. A clock that is off by more than `clock_offset`, twice in a row, also by what most others
    ///    show, and not just because ours was set.
    /// 3. When most of the clocks seen are off, and three at least, it is ours that is wrong; so it
    ///    is when most were right until ours was set, however few they are, and it stays so until
    ///    most are right again. Then neither clocks nor certificates are complained of: both are
    ///    held against ours. Nor are they right after ours was set, until most of the clocks were
    ///    seen again; what was seen before that is judged then.
    ///    Clocks that were off with most others then, or had not been seen since the start, may
    ///    follow them for [`RESYNC`] before they are complained of.
    /// 4. They end when something better is seen. Of a device that does not answer nothing better
    ///    is seen, so they stay open, and rest while a wider incident explains its site. They end,
    ///    too, when nothing is shown any more by what answers, [`GONE`] times in a row.
    pub(super) fn look(&mut self, ledger: &mut Ledger, picture: &mut Picture, now: Now) {
        let fresh = std::mem::take(&mut self.fresh);
        let notices = ledger.notices();
        self.forget_lapsed(picture, now.mono);
        let mut endpoints = BTreeSet::new();
        for (target, shown) in fresh {
            for (cause, shown) in
                [(Cause::Certificate, shown.certificate), (Cause::Clock, shown.clock)]
            {
                if let Some(shown) = shown {
                    self.note_absent(ledger, picture, (target, cause), shown, &notices, now);
                }
            }
            let certificate = shown.certificate == Some(true);
            let clock = shown.clock == Some(true);
            if certificate || clock {
                endpoints.insert(picture.topology().target(target).endpoint);
            }
            if let Some(wrong) = is_out_of_time(picture, target, now.wall).filter(|_| certificate) {
                let (was, times) = self.certificates.entry(target).or_insert((wrong, 0));
                *times = if *was == wrong { times.saturating_add(1) } else { 1 };
                *was = wrong;
            }
            if !clock {
                continue;
            }
            if is_off(picture, target) {
                let seen = self.off.entry(target).or_default();
                *seen = seen.saturating_add(1);
            } else {
                self.off.remove(&target);
                if picture.target(target).clock_offset_s().is_some() {
                    picture.targets[target.ix()].clock_is_right();
                    self.has_followed(picture, target);
                }
            }
        }
        // Nearly always nothing is wrong and nothing was. Then there is nothing to say, and no need
        // to look at the clocks of everybody.
        let is_calm = self.waiting.is_empty()
            && !endpoints.iter().any(|ix| self.is_of_concern(&notices, picture, *ix, now.wall));
        if is_calm && self.own_clock.is_none() {
            rest(ledger, picture, &notices);
            return;
        }
        let clocks = Clocks::of(picture);
        if clocks.are_enough() {
            let suspected = self.own_clock.is_some();
            self.own_clock = clocks.suspect_own(suspected);
            if suspected && self.own_clock.is_none() {
                // What set most of them right may do so with the others: they are seen anew first.
                let topology = picture.topology();
                let off = std::mem::take(&mut self.off);
                // Whoever has had the time already gets no more of it.
                for target in off.into_keys() {
                    let key = topology.endpoint_key(topology.target(target).endpoint);
                    self.following.entry(key).or_insert(now.mono + RESYNC);
                }
                self.let_unheard_follow(picture, now.mono + RESYNC);
            }
        }
        if !clocks.are_enough() {
            endpoints.retain(|ix| self.is_of_concern(&notices, picture, *ix, now.wall));
            self.waiting.append(&mut endpoints);
        } else {
            endpoints.append(&mut self.waiting);
        }
        for endpoint in endpoints {
            // Of what cannot be judged now nothing is said, neither that it is wrong nor that it is
            // right again.
            if self.own_clock.is_some() {
                continue;
            }
            if let Some(certificate) = self.certificate(picture, endpoint, now.wall) {
                settle(ledger, picture, endpoint, Cause::Certificate, certificate, now);
            }
            let clock = self.clock(picture, endpoint, &clocks, now.wall);
            let is_open = ledger.open_of(&Scope::Item(endpoint, Cause::Clock)).is_some();
            if !self.following.is_empty() {
                let key = picture.topology().endpoint_key(endpoint);
                let until = self.following.get(&key).copied().unwrap_or_default();
                if clock.is_some() && now.mono < until && !is_open {
                    continue;
                }
            }
            let targets = &picture.topology().endpoint(endpoint).targets;
            if clock.is_some() || !targets.iter().any(|ix| is_off(picture, *ix)) {
                settle(ledger, picture, endpoint, Cause::Clock, clock, now);
            }
        }
        rest(ledger, picture, &ledger.notices());
    }

    /// Forgets who may follow no longer, but for those that are off: they have had the time.
    fn forget_lapsed(&mut self, picture: &Picture, now: Mono) {
        if self.following.values().all(|until| now < *until) {
            return;
        }
        let topology = picture.topology();
        let key = |target: &TargetIx| topology.endpoint_key(topology.target(*target).endpoint);
        let off: BTreeSet<TargetKey> = self.off.keys().map(key).collect();
        self.following.retain(|key, until| now < *until || off.contains(key));
    }

    /// A device whose clock was seen to be right is waited for no more. While ours is suspected it
    /// only agrees with ours.
    fn has_followed(&mut self, picture: &Picture, target: TargetIx) {
        if self.following.is_empty() || self.own_clock.is_some() {
            return;
        }
        let topology = picture.topology();
        let endpoint = topology.target(target).endpoint;
        if !topology.endpoint(endpoint).targets.iter().any(|ix| is_off(picture, *ix)) {
            self.following.remove(&topology.endpoint_key(endpoint));
        }
    }

    /// Notes whether a target still shows what it is known for. Where it has not for a while that
    /// is forgotten, and a notice that rests on it is over: nothing is known to be better.
    fn note_absent(
        &mut self,
        ledger: &mut Ledger,
        picture: &mut Picture,
        of: (TargetIx, Cause),
        shown: bool,
        notices: &Notices,
        now: Now,
    ) {
        if shown {
            self.absent.remove(&of);
            return;
        }
        let (target, cause) = of;
        let topology = picture.topology();
        let endpoint = topology.target(target).endpoint;
        let known = |picture: &Picture, ix: TargetIx| match cause {
            Cause::Certificate => picture.target(ix).certificate().is_some(),
            _ => picture.target(ix).clock_offset_s().is_some(),
        };
        let check = &topology.check_of(target).id;
        let rests_on_it = |slot: &Slot| {
            let entry = ledger.get(*slot).filter(|it| it.incident.is_open());
            entry.is_some_and(|it| it.incident.check.as_ref() == Some(check))
        };
        let open = notices.get(&(endpoint, cause)).copied().filter(rests_on_it);
        if !known(picture, target) && open.is_none() {
            return;
        }
        let absent = self.absent.entry(of).or_default();
        *absent += 1;
        if *absent < GONE {
            return;
        }
        // Another service of the device shows it no longer either, only less often.
        for ix in topology.endpoint(endpoint).targets.clone() {
            if self.absent.remove(&(ix, cause)).is_none() {
                continue;
            }
            if cause == Cause::Certificate {
                self.certificates.remove(&ix);
                picture.targets[ix.ix()].forget_certificate();
            } else {
                self.off.remove(&ix);
                picture.targets[ix.ix()].forget_clock();
            }
        }
        let Some(slot) = open else { return };
        let topology = picture.topology();
        let mut others = topology.endpoint(endpoint).targets.iter();
        match others.find(|ix| known(picture, **ix)).map(|ix| topology.check_of(*ix).id.clone()) {
            // It goes on by what another service shows.
            Some(check) => {
                if let Some(entry) = ledger.get_mut(slot) {
                    entry.change().check = Some(check);
                }
            }
            None => ledger.resolve(slot, picture, Resolution::Unshown, now),
        }
    }

    /// Whether a notice about this device is open or may have to be.
    fn is_of_concern(
        &self,
        notices: &Notices,
        picture: &Picture,
        endpoint: EndpointIx,
        now: Timestamp,
    ) -> bool {
        let is_open = |cause| notices.contains_key(&(endpoint, cause));
        let targets = &picture.topology().endpoint(endpoint).targets;
        targets.iter().any(|ix| is_off(picture, *ix))
            || self.certificate(picture, endpoint, now).flatten().is_some()
            || is_open(Cause::Certificate)
            || is_open(Cause::Clock)
    }

    /// A certificate of this device that is wrong for a fact, or that none is: rule 1 of
    /// [`look`](Self::look). None while neither is a fact.
    fn certificate(
        &self,
        picture: &Picture,
        endpoint: EndpointIx,
        now: Timestamp,
    ) -> Option<Option<Evidence>> {
        let targets = picture.topology().endpoint(endpoint).targets.iter();
        let rows = targets.filter_map(|ix| Some((*ix, *self.certificates.get(ix)?)));
        let wrong = rows.clone().find_map(|(ix, (wrong, times))| {
            let sure = wrong && times >= CONFIRM;
            let certificate = picture.target(ix).certificate().filter(|_| sure)?;
            let Certificate { not_before, not_after, .. } = *certificate;
            let saw = Saw::Certificate { not_before, not_after };
            Some(Evidence { target: picture.topology().target_key(ix), at: now, saw })
        });
        let right = |(_, (wrong, times)): (TargetIx, (bool, u8))| !wrong && times >= CONFIRM;
        let is_right = rows.clone().next().is_some() && rows.clone().all(right);
        (wrong.is_some() || is_right).then_some(wrong)
    }

    /// A clock of this device that is off for a fact: rule 2 of [`look`](Self::look).
    fn clock(
        &self,
        picture: &Picture,
        endpoint: EndpointIx,
        clocks: &Clocks,
        now: Timestamp,
    ) -> Option<Evidence> {
        let targets = &picture.topology().endpoint(endpoint).targets;
        let off = |ix: &&TargetIx| {
            self.off.get(*ix).is_some_and(|seen| *seen >= CONFIRM)
                && clocks.is_alone(picture, **ix)
                && !blames_us(picture, **ix)
        };
        let ix = targets.iter().find(off)?;
        let offset = picture.target(*ix).clock_offset_s()?;
        let saw = Saw::Clock { offset_s: offset };
        Some(Evidence { target: picture.topology().target_key(*ix), at: now, saw })
    }
}

/// Opens, keeps or ends the notice of one kind about a device.
fn settle(
    ledger: &mut Ledger,
    picture: &mut Picture,
    endpoint: EndpointIx,
    cause: Cause,
    wrong: Option<Evidence>,
    now: Now,
) {
    let scope = Scope::Item(endpoint, cause);
    let open = ledger.open_of(&scope);
    let Some(evidence) = wrong else {
        if let Some(slot) = open {
            ledger.resolve(slot, picture, Resolution::Recovered, now);
        }
        return;
    };
    let site = picture.topology().endpoint(endpoint).site;
    let stake = Stake::at(picture, [site]);
    let severity = match evidence.saw {
        Saw::Certificate { not_before, not_after } => {
            severity::of_certificate(not_before, not_after, &stake, now.wall)
        }
        _ => severity::severity(cause, false, &stake),
    };
    if let Some(entry) = open.and_then(|slot| ledger.get_mut(slot)) {
        if severity > entry.incident.severity {
            let incident = entry.change();
            incident.severity = severity;
            (incident.session, incident.delegates) = (stake.session, stake.delegates);
        }
        return;
    }
    let slot = ledger
        .reopen(picture, &scope, None, now.mono, now)
        .unwrap_or_else(|| ledger.open(picture, scope, None, now.mono, now));
    if let Some(entry) = ledger.get_mut(slot) {
        record::name(entry, picture, now);
        entry.change().check.clone_from(&evidence.target.check);
        entry.change().of = 1;
        entry.change().severity = severity;
        record::add_evidence(entry.change(), vec![evidence]);
        record::affect(entry, picture, site, now.mono, now);
    }
}

/// Lets notices rest while something explains why their site is down.
fn rest(ledger: &mut Ledger, picture: &Picture, notices: &Notices) {
    for ((endpoint, _), slot) in notices {
        let site = picture.topology().endpoint(*endpoint).site;
        let explained = explaining_silence(ledger, picture, site);
        if let Some(entry) = ledger.get_mut(*slot)
            && entry.incident.is_open()
            && entry.incident.absorbed_by != explained
        {
            entry.change().absorbed_by = explained;
        }
    }
}

fn explaining_silence(
    ledger: &Ledger,
    picture: &Picture,
    site: SiteIx,
) -> Option<crate::model::IncidentId> {
    let down = picture.site(site).finding.trouble().is_some_and(|trouble| trouble.down);
    let entry = ledger.explaining(picture, site).filter(|_| down)?;
    Some(entry.incident.id.clone())
}

/// Whether the certificate that a target showed last is out of its time or soon will be; none when
/// it showed none, or none since our clock was set.
fn is_out_of_time(picture: &Picture, ix: TargetIx, now: Timestamp) -> Option<bool> {
    let before = picture.settings().hygiene.certificate_before;
    let target = picture.target(ix);
    let certificate = target.certificate()?;
    if target.shows_clock() && target.clock_offset_s().is_none() {
        return None;
    }
    let wrong_at = |now: Timestamp| {
        let soon = now.checked_add(before).unwrap_or(Timestamp::MAX);
        certificate.not_before > now || certificate.not_after <= soon
    };
    // The device's own clock has a say: one of the two is wrong.
    let theirs = SignedDuration::from_secs(target.clock_offset_s().unwrap_or(0));
    let theirs = now.checked_add(theirs).unwrap_or(now);
    Some(wrong_at(now) && wrong_at(theirs))
}

/// Whether a target has not answered since the start and may show its clock when it does.
fn is_unheard(picture: &Picture, ix: TargetIx) -> bool {
    let may =
        matches!(picture.topology().check_of(ix).kind, CheckKind::Http(_) | CheckKind::Sip(_));
    let target = picture.target(ix);
    may && target.good_at == Mono::ZERO && (target.seen_up || target.asked_at == Mono::ZERO)
}

/// Whether a target's clock is off by too much.
fn is_off(picture: &Picture, target: TargetIx) -> bool {
    picture.target(target).clock_offset_s().is_some_and(|offset| is_too_much(picture, offset))
}

/// Whether a target's clock would be right had ours not been set.
fn blames_us(picture: &Picture, target: TargetIx) -> bool {
    let target = picture.target(target);
    let (Some(offset), Some(by)) = (target.clock_offset_s(), target.ours_set_by_s()) else {
        return false;
    };
    offset.saturating_add(by).unsigned_abs() <= limit_s(picture)
}

fn is_too_much(picture: &Picture, offset_s: i64) -> bool {
    offset_s.unsigned_abs() > limit_s(picture)
}

fn limit_s(picture: &Picture) -> u64 {
    picture.settings().hygiene.clock_offset.as_secs()
}

/// What is seen of the clocks of all devices.
struct Clocks {
    /// Devices that ever showed their clock, or may as soon as they answer for the first time since
    /// the start: who worked before a restart counts as before.
    known: usize,
    /// By how many seconds those are off that did since ours was set last, in order.
    seen: Vec<i64>,
    /// The same of those that are off by too much.
    off: Vec<i64>,
    /// How many of these were right until ours was set.
    blaming_us: usize,
}

impl Clocks {
    fn of(picture: &Picture) -> Self {
        let topology = picture.topology();
        let mut clocks = Self { known: 0, seen: Vec::new(), off: Vec::new(), blaming_us: 0 };
        for endpoint in topology.endpoint_ixs() {
            let targets = &topology.endpoint(endpoint).targets;
            let shows =
                |ix: &TargetIx| picture.target(*ix).shows_clock() || is_unheard(picture, *ix);
            clocks.known += usize::from(targets.iter().any(shows));
            let seen = |ix: &TargetIx| Some((*ix, picture.target(*ix).clock_offset_s()?));
            let Some((target, offset)) = targets.iter().find_map(seen) else { continue };
            clocks.seen.push(offset);
            if is_too_much(picture, offset) {
                clocks.off.push(offset);
                clocks.blaming_us += usize::from(blames_us(picture, target));
            }
        }
        clocks.seen.sort_unstable();
        clocks.off.sort_unstable();
        clocks
    }

    /// Whether so many were seen that it can be said who is wrong.
    fn are_enough(&self) -> bool {
        self.seen.len() * 2 >= self.known
    }

    /// Whether what a target shows is off by what most others show as well. Of two that differ
    /// either may be wrong.
    fn is_alone(&self, picture: &Picture, target: TargetIx) -> bool {
        let middle = match self.seen.len() {
            0..FEWEST => 0,
            seen => self.seen[seen / 2],
        };
        let offset = picture.target(target).clock_offset_s();
        offset.is_some_and(|offset| is_too_much(picture, offset.saturating_sub(middle)))
    }

    /// Rule 3 of [`Hygiene::look`]: why our own clock is suspected, if it is, or why it still is.
    fn suspect_own(&self, suspected: bool) -> Option<SelfDoubt> {
        let (off, seen) = (self.off.len(), self.seen.len());
        let fewest = if suspected { 1 } else { FEWEST.min(seen.max(2)) };
        let most = off >= fewest && off * 2 > seen;
        if !most && self.blaming_us * 2 <= seen {
            return None;
        }
        let middle = self.off[off / 2];
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Some(SelfDoubt::ClockOff { by_s: -middle, devices: number(off), of: number(seen) })
    }
}
