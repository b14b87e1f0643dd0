//! What comes back: which request it belongs to, and whether it counts.

use std::net::IpAddr;
use std::time::Duration;

use super::super::super::Own;
use super::super::super::belated::Word;
use super::super::super::tally::Tally;
use super::super::table::{Echo, PER_SOCKET, Standing};
use super::{Arrival, Core};
use crate::model::{IcmpError, LocalFailure, Mono, Unreachable};
use crate::wire::icmp::{self, Family, Mark, Quoted};

impl Core {
    /// When the awaited request that a frame of ours carries was handed to the kernel; none when
    /// the frame carries none.
    pub(in super::super) fn asked(&self, lane: u16, request: &Quoted) -> Option<Mono> {
        let mark = request.mark?;
        let echo = self.lanes.get(usize::from(lane))?.table.awaited(mark.slot)?;
        (mark.round == echo.round && mark.seal == echo.seal).then_some(echo.asked)
    }

    /// The kernel says that the request left at `at`. It is one that [`Self::asked`] knows.
    pub(in super::super) fn left(&mut self, lane: u16, request: &Quoted, at: Mono) {
        if let Some(mark) = request.mark
            && let Some(table) = self.table(lane)
        {
            table.left(mark.slot, mark.round, at);
        }
    }

    /// When the request left that a reply claims to answer: the reply cannot be older.
    pub(in super::super) fn earliest(&self, lane: u16, reply: &icmp::Reply) -> Option<Mono> {
        let echo = self.lanes.get(usize::from(lane))?.table.awaited(reply.mark?.slot)?;
        Some(echo.left)
    }

    /// An echo reply came. `stamp` is when, by the kernel; none when it did not say.
    ///
    /// 1. Without a mark it is truncated.
    /// 2. Its seal must be the one for its place, its round and its sender. Otherwise it is
    ///    forged if it claims to answer a request of ours, and else belongs to nobody here.
    /// 3. To a request given up or answered it is late or a duplicate.
    /// 4. If it carries less than was sent it is truncated, and the request stays open.
    /// 5. It answers the request if its round trip is within the time limit, and else is late.
    /// 6. One that is late explains the silence of those that follow, until one is in time.
    /// 7. Whatever the device itself sends takes back what others said of it.
    pub(in super::super) fn reply(
        &mut self,
        arrival: &Arrival,
        reply: &icmp::Reply,
        stamp: Option<Mono>,
    ) {
        let &Arrival { lane, socket, from, ttl, tos, now } = arrival;
        let claimed = socket * PER_SOCKET + u32::from(reply.sequence);
        let Some(mark) = reply.mark else {
            self.health.truncated += 1;
            self.cut(lane, claimed, from, reply.payload);
            return;
        };
        let is_genuine = mark.slot == claimed && self.is_genuine(lane, mark, from);
        let Some(table) = self.table(lane) else { return };
        if !is_genuine {
            if table.is_known(claimed) {
                self.health.forged += 1;
            } else {
                self.health.foreign += 1;
            }
            return;
        }
        let standing = table.standing(mark.slot, mark.round);
        if standing != Standing::Unknown {
            self.belated.take_back(from);
        }
        match standing {
            Standing::Unknown => self.health.forged += 1,
            Standing::Late(asked) => {
                self.health.late += 1;
                if let Some(asked) = asked {
                    self.belated.note(from, Word::Slow(stamp.unwrap_or(now) - asked), now);
                }
            }
            Standing::Duplicate(probe) => {
                self.health.duplicate += 1;
                if let Some(probe) = probe.and_then(|key| self.probe(key)) {
                    probe.note(Tally::duplicated);
                }
            }
            Standing::Awaited(echo) => {
                let Some(probe) = self.probe(echo.probe) else { return };
                let timeout = probe.timeout;
                if reply.payload < usize::from(probe.size) {
                    self.health.truncated += 1;
                    self.cut(lane, claimed, from, reply.payload);
                    return;
                }
                let rtt = (stamp.unwrap_or(now) - echo.left).max(Duration::from_nanos(1));
                if rtt <= timeout {
                    self.end(lane, mark.slot, true, now);
                    self.belated.forget(from);
                    self.departures.note(from, echo.stamped, now);
                    self.health.received += 1;
                    self.health.coarse_stamps += u64::from(!echo.stamped || stamp.is_none());
                    self.settle(echo.probe, now, |tally| {
                        tally.answered(echo.index, rtt, ttl, tos);
                    });
                } else {
                    self.end(lane, mark.slot, false, now);
                    // The next reply to it is a duplicate.
                    if let Some(table) = self.table(lane) {
                        table.standing(mark.slot, mark.round);
                    }
                    self.health.late += 1;
                    self.belated.note(from, Word::Slow(rtt), now);
                    self.give_up(lane, &echo, false, now);
                }
            }
        }
    }

    /// Whether a mark that `from` sent is one that we sent to it.
    fn is_genuine(&self, lane: u16, mark: Mark, from: IpAddr) -> bool {
        match self.awaited_in(lane, mark.slot) {
            Some((echo, asked)) if echo.round == mark.round => {
                echo.seal == mark.seal && asked == from
            }
            _ => mark.seal == self.seal(lane, mark.slot, mark.round, from),
        }
    }

    /// A packet came that is cut short or damaged beyond recognition.
    pub(in super::super) const fn garbled(&mut self) {
        self.health.truncated += 1;
    }

    /// A packet came that belongs to nobody here.
    pub(in super::super) const fn foreign(&mut self) {
        self.health.foreign += 1;
    }

    /// An ICMP error came from the arrival's sender, about the request that it quotes.
    ///
    /// 1. It must quote a request of ours: its seal must be the one for its place, its round and
    ///    the address asked. Otherwise it belongs to nobody here.
    /// 2. It ends the request while that is awaited.
    /// 3. Of one that is over, it explains the silence of those that follow.
    /// 4. An IPv4 error that quotes only the eight bytes that RFC 792 asks for may be about an
    ///    earlier request in the same place to the same address, or made up by somebody who guessed
    ///    them. So it ends nothing and only explains what stays silent. An IPv6 error quotes all
    ///    that fits (RFC 4443 §2.4).
    /// 5. Where a packet may be fragmented, IPv6 learns only by such an error that it must be: the
    ///    echo is sent once more.
    /// 6. What our own machine says is not a router's word: a neighbour that does not respond on
    ///    our own network is as good as one behind a router, but a gateway of ours that does not
    ///    respond is our own trouble.
    pub(in super::super) fn refusal(
        &mut self,
        arrival: &Arrival,
        refusal: &icmp::Refusal,
        own: &Own,
    ) {
        let &Arrival { lane, socket, now, .. } = arrival;
        let &icmp::Refusal { destination, request, .. } = refusal;
        let slot = socket * PER_SOCKET + u32::from(request.sequence);
        let awaited = self.awaited_in(lane, slot).filter(|(echo, address)| {
            let expected = Mark { slot, round: echo.round, seal: echo.seal };
            *address == destination && request.mark == Some(expected)
        });
        if awaited.is_none() && !self.is_about_ours(lane, slot, destination, request.mark) {
            self.health.foreign += 1;
            return;
        }
        let judged = judged(arrival.from, refusal, own);
        self.belated.note(destination, judged.clone().into(), now);
        let Some((echo, _)) = awaited else {
            self.health.refused_late += 1;
            return;
        };
        self.end(lane, slot, false, now);
        if let Ok(IcmpError { kind: Unreachable::TooBig { .. }, .. }) = judged
            && !echo.again
            && self
                .manner(lane)
                .is_some_and(|manner| manner.family == Family::V6 && !manner.dont_fragment)
        {
            self.again.push((echo.probe, echo.index));
            return;
        }
        self.health.refused += 1;
        match judged {
            Ok(error) => self.settle(echo.probe, now, |tally| tally.refused(error)),
            Err(ours) => self.unknown(echo.probe, ours, now),
        }
    }

    /// Whether somebody quotes a request that we sent to `destination`, over or not. Without a mark
    /// only the last one in its place can be told.
    fn is_about_ours(&self, lane: u16, slot: u32, destination: IpAddr, mark: Option<Mark>) -> bool {
        match (mark, Family::of(destination)) {
            (Some(mark), _) => {
                mark.slot == slot && mark.seal == self.seal(lane, slot, mark.round, destination)
            }
            (None, Family::V4) => {
                let last = self.lanes.get(usize::from(lane)).and_then(|lane| lane.table.last(slot));
                last.is_some_and(|(round, seal)| seal == self.seal(lane, slot, round, destination))
            }
            (None, Family::V6) => false,
        }
    }

    /// A reply to the request in `slot` carries only `got` bytes.
    fn cut(&mut self, lane: u16, slot: u32, from: IpAddr, got: usize) {
        if let Some((echo, address)) = self.awaited_in(lane, slot)
            && address == from
            && let Some(probe) = self.probe(echo.probe)
        {
            let sent = probe.size;
            probe.note(|tally| tally.cut(u16::try_from(got).unwrap_or(u16::MAX), sent));
        }
    }

    /// The request that is awaited in a place, with whom it asks.
    fn awaited_in(&self, lane: u16, slot: u32) -> Option<(Echo, IpAddr)> {
        let echo = self.lanes.get(usize::from(lane))?.table.awaited(slot)?;
        let probe = self.probes.get(echo.probe.at as usize)?;
        Some((echo, probe.address))
    }

    fn end(&mut self, lane: u16, slot: u32, answered: bool, now: Mono) {
        if let Some(table) = self.table(lane) {
            table.end(slot, answered, now);
        }
    }
}

/// What an ICMP error means for the address that was asked.
fn judged(from: IpAddr, refusal: &icmp::Refusal, own: &Own) -> Result<IcmpError, LocalFailure> {
    let &icmp::Refusal { icmp_type, icmp_code, mtu, destination, .. } = refusal;
    let kind = icmp::meaning(Family::of(destination), icmp_type, icmp_code, mtu);
    let error = IcmpError { kind, icmp_type, icmp_code, offender: Some(from) };
    own.judge(error, destination)
}
