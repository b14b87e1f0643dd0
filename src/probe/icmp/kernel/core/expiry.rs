//! What stays unanswered: when a request is given up, and what that means.

use std::time::Duration;

use super::super::super::Own;
use super::super::super::belated::Word;
use super::super::super::tally::Tally;
use super::super::probe::Probe;
use super::super::table::Echo;
use super::{Awaited, Core, Lane};
use crate::model::{LocalFailure, Mono};

impl Core {
    /// A request is given up this long after its time limit: its reply may have been on time and
    /// still wait to be read, and it may have left a little after it was handed over.
    const GRACE: Duration = Duration::from_millis(1);

    /// Lists of awaited requests that are kept though empty, for the time limits in common use.
    const LIMITS: usize = 64;

    /// Whether the time limit of an awaited request has passed.
    pub(in super::super) fn is_expiring(&mut self, now: Mono) -> bool {
        self.next_limit().is_some_and(|limit| limit <= now)
    }

    /// Gives up the requests whose time limit has passed at `now`. Whatever arrived by then has
    /// been read. `own` tells this machine's addresses, if it comes to that.
    ///
    /// One that stays unanswered though it never left says nothing of whom it asks: its fate is
    /// unknown. The kernel stamps what leaves, so what has no stamp, where what goes the same way
    /// has, was dropped in our own queue or waited there for a gateway that does not respond. A
    /// neighbour that does not respond is waited for there as well, and that is its own silence.
    pub(in super::super) fn expire(&mut self, now: Mono, mut own: impl FnMut(Mono) -> Own) {
        let Self { lanes, awaited, held, .. } = self;
        let mut over = Vec::new();
        for (timeout, awaited) in awaited {
            while let Some(&first) = awaited.front() {
                match first.echo(lanes) {
                    None => {}
                    Some(echo) if Self::limit(&echo, *timeout) <= now => over.push(first),
                    Some(echo) if Self::first_limit(&echo, *timeout) <= now => {
                        held.push((*timeout, first));
                    }
                    Some(_) => break,
                }
                awaited.pop_front();
            }
        }
        held.retain(|(timeout, waits)| match waits.echo(lanes) {
            Some(echo) if Self::limit(&echo, *timeout) > now => true,
            Some(_) => {
                over.push(*waits);
                false
            }
            None => false,
        });
        for Awaited { slot, lane, .. } in over {
            if let Some(table) = self.table(lane)
                && let Some(echo) = table.awaited(slot)
            {
                table.end(slot, false, now);
                let address = self.probe(echo.probe).map(|probe| probe.address);
                let never_left = !echo.stamped
                    && address.is_some_and(|address| {
                        self.departures.are_stamped(address, now) && !own(now).is_neighbour(address)
                    });
                self.give_up(lane, &echo, never_left, now);
            }
        }
        let before = now.earlier(self.longest + Duration::from_secs(1));
        self.blind.forget(before);
        self.lanes.iter_mut().for_each(|lane| lane.blind.forget(before));
    }

    /// A request stays unanswered.
    ///
    /// 1. If we could not see all the time, its fate is unknown.
    /// 2. Nor is it known if it never left.
    /// 3. If somebody has said why its address does not answer, or a reply of it came too late,
    ///    that is why.
    /// 4. Otherwise it is lost.
    pub(super) fn give_up(&mut self, lane: u16, echo: &Echo, never_left: bool, now: Mono) {
        let here = self.lanes.get(usize::from(lane)).map(|lane| &lane.blind);
        let blind = [Some(&self.blind), here];
        if blind.into_iter().flatten().any(|blind| blind.covers(echo.asked, now)) {
            return self.unknown(echo.probe, LocalFailure::Late, now);
        }
        if never_left {
            let why = "an echo request did not get out of this machine's own queue";
            return self.unknown(echo.probe, LocalFailure::Exhausted(why.to_owned()), now);
        }
        let Some(&mut Probe { address, timeout, .. }) = self.probe(echo.probe) else { return };
        match self.belated.explain(address, timeout, now) {
            None => self.settle(echo.probe, now, Tally::lost),
            Some((Word::Refused(error), heard)) => {
                self.settle(echo.probe, now, |tally| tally.refused_before(error, heard));
            }
            Some((Word::Slow(after), heard)) => {
                self.settle(echo.probe, now, |tally| tally.slow(after, timeout, heard));
            }
            Some((Word::Ours(ours), _)) => self.unknown(echo.probe, ours, now),
        }
    }

    /// When the next request is given up, unless it is answered before. Those that were answered
    /// are forgotten here, so that nobody is woken for them.
    pub(in super::super) fn next_limit(&mut self) -> Option<Mono> {
        let Self { lanes, awaited, held, .. } = self;
        if awaited.len() > Self::LIMITS {
            awaited.retain(|_, awaited| !awaited.is_empty());
        }
        let limits = awaited.iter_mut().filter_map(|(timeout, awaited)| {
            loop {
                let first = awaited.front()?;
                if let Some(echo) = first.echo(lanes) {
                    return Some(Self::first_limit(&echo, *timeout));
                }
                awaited.pop_front();
            }
        });
        let held = held.iter().filter_map(|(timeout, waits)| {
            waits.echo(lanes).map(|echo| Self::limit(&echo, *timeout))
        });
        limits.chain(held).min()
    }

    /// When a request is given up, unless our own queue held it back.
    fn first_limit(echo: &Echo, timeout: Duration) -> Mono {
        echo.asked + timeout + Self::GRACE
    }

    /// When a request is given up. The limit counts from the moment from which the round trip does:
    /// one that our own queue held back for a while has all of its time.
    fn limit(echo: &Echo, timeout: Duration) -> Mono {
        Self::first_limit(echo, timeout).max(echo.left + timeout)
    }
}

impl Awaited {
    /// The request, unless it is over.
    fn echo(&self, lanes: &[Lane]) -> Option<Echo> {
        let lane = lanes.get(usize::from(self.lane))?;
        lane.table.awaited(self.slot).filter(|echo| echo.round == self.round)
    }
}
