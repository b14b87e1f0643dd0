//! What one probe learned from its echoes, and the one sentence that it comes to.
//!
//! Both engines judge here, so that the same echoes always give the same result.

use std::time::Duration;

use crate::model::{Failure, IcmpDetail, IcmpError, LocalFailure, Mono, RemoteFailure, RttList};

/// The fates of the echoes of one probe so far.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    rtts: Rtts,
    seen: u16,
    lost: u16,
    unknown: u16,
    duplicates: u16,
    ttl: Option<u8>,
    tos: Option<u8>,
    /// Rare, and so kept out of the many that have none.
    troubles: Option<Box<Troubles>>,
}

/// What spoke against a reply, the last of each kind.
#[derive(Debug, Clone, Default)]
struct Troubles {
    refusal: Option<IcmpError>,
    /// One that was about an earlier request, with when it came.
    refused_before: Option<(IcmpError, Mono)>,
    cut: Option<Cut>,
    slow: Option<Slow>,
    ours: Option<LocalFailure>,
}

/// What a probe learned, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    /// As in [`PingDone`](super::PingDone).
    pub(super) lost: u16,
    /// As in [`PingDone`](super::PingDone).
    pub(super) heard: Option<Mono>,
    /// As in [`PingDone`](super::PingDone).
    pub(super) result: Result<IcmpDetail, Failure>,
}

/// Round trips by the place of the echo in its train; one echo needs no allocation.
#[derive(Debug, Clone)]
enum Rtts {
    One(Option<Duration>),
    Many(Box<[Option<Duration>]>),
}

/// A reply that came after the time limit.
#[derive(Debug, Clone, Copy)]
struct Slow {
    after: Duration,
    limit: Duration,
    heard: Mono,
}

/// A reply that carried less than was sent.
#[derive(Debug, Clone, Copy)]
struct Cut {
    got: u16,
    sent: u16,
}

impl Tally {
    /// Nothing known yet of `count` echoes.
    pub(super) fn new(count: u16) -> Self {
        Self {
            rtts: match count {
                0 | 1 => Rtts::One(None),
                _ => Rtts::Many(vec![None; usize::from(count)].into_boxed_slice()),
            },
            seen: 0,
            lost: 0,
            unknown: 0,
            duplicates: 0,
            ttl: None,
            tos: None,
            troubles: None,
        }
    }

    /// Echo number `index` was answered in time.
    pub(super) fn answered(&mut self, index: u16, rtt: Duration, ttl: Option<u8>, tos: Option<u8>) {
        self.seen += 1;
        self.ttl = ttl;
        self.tos = tos;
        match &mut self.rtts {
            Rtts::One(one) => *one = Some(rtt),
            Rtts::Many(many) => {
                if let Some(slot) = many.get_mut(usize::from(index)) {
                    *slot = Some(rtt);
                }
            }
        }
    }

    /// One more reply came to an echo already answered. surge-ping does not tell of such.
    pub(super) const fn duplicated(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1);
    }

    /// An ICMP error says why an echo cannot be answered.
    pub(super) fn refused(&mut self, error: IcmpError) {
        self.lost += 1;
        self.barred(error);
    }

    /// Nothing came back in time, and an ICMP error that came at `heard` about an earlier request
    /// says why.
    pub(super) fn refused_before(&mut self, error: IcmpError, heard: Mono) {
        self.lost += 1;
        self.troubles.get_or_insert_default().refused_before = Some((error, heard));
    }

    /// Nothing came back within `limit`, and a reply that came at `heard` had taken longer.
    pub(super) fn slow(&mut self, after: Duration, limit: Duration, heard: Mono) {
        self.lost += 1;
        self.troubles.get_or_insert_default().slow = Some(Slow { after, limit, heard });
    }

    /// Our own interface refuses an echo as a router would: it never left, and so is not lost.
    pub(super) fn barred(&mut self, error: IcmpError) {
        self.troubles.get_or_insert_default().refusal = Some(error);
    }

    /// A reply carried only `got` of the `sent` bytes. The echo stays open: an intact reply may
    /// follow.
    pub(super) fn cut(&mut self, got: u16, sent: u16) {
        self.troubles.get_or_insert_default().cut = Some(Cut { got, sent });
    }

    /// Nothing came back in time, and we could see.
    pub(super) const fn lost(&mut self) {
        self.lost += 1;
    }

    /// Nothing is known of an echo, through a fault of our own.
    pub(super) fn unknown(&mut self, ours: LocalFailure) {
        self.unknown += 1;
        self.troubles.get_or_insert_default().ours = Some(ours);
    }

    /// How many echoes were lost, when that came which the result tells of if it is about an
    /// earlier request, and the result:
    ///
    /// 1. With one reply the probe succeeded; echoes of unknown fate are not counted as sent.
    /// 2. Without, an ICMP error is the reason, since it says most; one about an earlier request
    ///    only when there is none about these.
    /// 3. A reply that was cut short proves that something answers, only not properly.
    /// 4. Silence is a timeout if we saw at least as many echoes lost as we know nothing of: of a
    ///    train that we missed nearly all of, one lost echo is chance. If replies come, only too
    ///    late, it says so.
    /// 5. Otherwise nothing was learned, and the reason is ours. What was lost is lost
    ///    nevertheless.
    pub(super) fn result(self) -> Summary {
        if self.seen > 0 {
            let detail = IcmpDetail {
                sent: self.seen + self.lost,
                received: self.seen,
                rtts: match self.rtts {
                    Rtts::One(one) => RttList::One(one.unwrap_or_default()),
                    Rtts::Many(many) => RttList::Many(many.iter().copied().flatten().collect()),
                },
                ttl: self.ttl,
                tos: self.tos,
                duplicates: self.duplicates,
            };
            return Summary { lost: 0, heard: None, result: Ok(detail) };
        }
        let troubles = self.troubles.map(|troubles| *troubles).unwrap_or_default();
        let (heard, failure) = troubles.failure(self.unknown > self.lost);
        Summary { lost: self.lost, heard, result: Err(failure) }
    }
}

impl Troubles {
    /// Which of them says most, with when it came if it is about an earlier request; `missed` if
    /// we missed more than we saw.
    fn failure(self, missed: bool) -> (Option<Mono>, Failure) {
        let Self { refusal, refused_before, cut, slow, ours } = self;
        let remote = |heard, failure| (heard, Failure::Remote(failure));
        if let Some(error) = refusal {
            return remote(None, RemoteFailure::Unreachable(error));
        }
        if let Some((error, heard)) = refused_before {
            return remote(Some(heard), RemoteFailure::Unreachable(error));
        }
        if let Some(Cut { got, sent }) = cut {
            let what = format!("echo reply carries {got} of {sent} bytes");
            return remote(None, RemoteFailure::Malformed(what));
        }
        match (ours, slow) {
            (Some(ours), _) if missed => (None, Failure::Local(ours)),
            (_, Some(Slow { after, limit, heard })) => {
                remote(Some(heard), RemoteFailure::slow(after, limit))
            }
            (_, None) => remote(None, RemoteFailure::Timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unreachable;

    const MS: Duration = Duration::from_millis(1);

    const GONE: IcmpError =
        IcmpError { kind: Unreachable::Host, icmp_type: 3, icmp_code: 1, offender: None };

    fn told(tally: Tally) -> (u16, Result<IcmpDetail, Failure>) {
        let Summary { lost, result, .. } = tally.result();
        (lost, result)
    }

    #[test]
    fn round_trips_are_told_in_sending_order_whatever_the_order_of_replies() {
        let mut tally = Tally::new(4);
        tally.answered(3, 4 * MS, Some(60), Some(0));
        tally.answered(0, MS, Some(61), Some(0xb8));
        tally.lost();
        tally.answered(1, 2 * MS, Some(62), None);
        tally.duplicated();
        let detail = tally.result().result.unwrap();
        assert_eq!(detail.rtts.as_slice(), [MS, 2 * MS, 4 * MS]);
        assert_eq!((detail.sent, detail.received, detail.duplicates), (4, 3, 1));
        assert_eq!((detail.ttl, detail.tos), (Some(62), None));
    }

    #[test]
    fn what_we_could_not_see_is_not_counted_as_lost() {
        let mut tally = Tally::new(3);
        tally.unknown(LocalFailure::Late);
        tally.answered(1, MS, None, None);
        tally.unknown(LocalFailure::Late);
        let detail = tally.result().result.unwrap();
        assert_eq!((detail.sent, detail.received), (1, 1));

        let mut tally = Tally::new(1);
        tally.unknown(LocalFailure::Late);
        assert_eq!(told(tally), (0, Err(Failure::Local(LocalFailure::Late))));
    }

    #[test]
    fn a_train_of_which_we_missed_most_is_our_own_failure_and_still_counts_what_was_lost() {
        let mut tally = Tally::new(50);
        tally.lost();
        for _ in 1..50 {
            tally.unknown(LocalFailure::Late);
        }
        assert_eq!(told(tally), (1, Err(Failure::Local(LocalFailure::Late))));

        let mut tally = Tally::new(50);
        for _ in 0..25 {
            tally.lost();
            tally.unknown(LocalFailure::Late);
        }
        assert_eq!(told(tally), (25, Err(Failure::Remote(RemoteFailure::Timeout))));
    }

    #[test]
    fn what_our_own_interface_refuses_never_left() {
        let mut tally = Tally::new(2);
        tally.barred(GONE);
        tally.lost();
        let unreachable = Failure::Remote(RemoteFailure::Unreachable(GONE));
        assert_eq!(told(tally), (1, Err(unreachable)));
    }

    #[test]
    fn the_reason_that_says_most_wins() {
        let mut tally = Tally::new(4);
        tally.unknown(LocalFailure::Late);
        tally.lost();
        assert_eq!(told(tally.clone()).1, Err(Failure::Remote(RemoteFailure::Timeout)));
        let [first, second] = [5, 7].map(Mono::from_nanos);
        tally.slow(1_401 * MS, 1_000 * MS, first);
        let Summary { heard, result, .. } = tally.clone().result();
        let slow = RemoteFailure::Slow { after_ms: 1_500, limit_ms: 1_000 };
        assert_eq!((heard, result), (Some(first), Err(Failure::Remote(slow))));
        tally.cut(16, 56);
        let Summary { heard, result, .. } = tally.clone().result();
        let cut = result.unwrap_err();
        assert_eq!((heard, cut.word(), cut.host_alive()), (None, "malformed", Some(true)));
        tally.refused_before(IcmpError { icmp_code: 13, ..GONE }, second);
        let Summary { heard, result, .. } = tally.clone().result();
        assert_eq!((heard, result.unwrap_err().host_alive()), (Some(second), Some(false)));
        tally.refused(GONE);
        let Summary { lost, heard, result } = tally.result();
        assert_eq!((lost, heard), (4, None), "this one is about these");
        assert_eq!(result, Err(Failure::Remote(RemoteFailure::Unreachable(GONE))));
    }

    #[test]
    fn one_slow_reply_does_not_explain_a_train_of_which_we_missed_most() {
        let mut tally = Tally::new(3);
        tally.slow(1_401 * MS, 1_000 * MS, Mono::ZERO);
        tally.unknown(LocalFailure::Late);
        tally.unknown(LocalFailure::Late);
        assert_eq!(told(tally), (1, Err(Failure::Local(LocalFailure::Late))));
    }
}
