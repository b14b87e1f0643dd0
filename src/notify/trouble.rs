//! When telling people does not work, as far as that is this monitor's own trouble. Pure.

use std::time::Duration;

use jiff::SignedDuration;

use crate::model::{ChannelStatus, Mono};

/// How long every channel has to fail. Shorter, a receiver that restarts would be an incident.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// What another channel accepted so long before the first failure counts as told beside it: an
/// attempt may take that long to fail.
const BESIDE: SignedDuration = SignedDuration::from_secs(60);

/// The channels through which nobody is told anything any more:
///
/// 1. Every channel that has something to tell fails, and has done so for a while: also one that
///    has failed since the origin of this run, which had done so before. One that fails while
///    others work is told by its fallback and by the metrics.
/// 2. A channel that nothing was sent through since the first of them failed says neither yes nor
///    no: it may be for people who are seldom on duty, or in no route.
/// 3. But a fallback that is yet to be asked may still tell it.
///
/// The words stay the same while it lasts.
#[must_use]
pub fn trouble(channels: &[ChannelStatus], now: Mono) -> Option<String> {
    let for_a_while = |from| from == Mono::ZERO || now - from >= PATIENCE;
    let fails = |channel: &&ChannelStatus| channel.failing_from.is_some_and(for_a_while);
    let (failing, others): (Vec<&ChannelStatus>, Vec<_>) = channels.iter().partition(fails);
    let first = failing.iter().filter_map(|channel| channel.failing_since).min();
    let since = first.map(|first| first.checked_sub(BESIDE).unwrap_or(first));
    let may_tell = |channel: &&ChannelStatus| {
        channel.queued > 0
            || channel.last_delivered.is_some_and(|at| since.is_none_or(|since| at >= since))
            || failing.iter().any(|other| other.fallback.as_ref() == Some(&channel.id))
    };
    if failing.is_empty() || others.iter().any(may_tell) {
        return None;
    }
    let names: Vec<&str> = failing.iter().map(|channel| channel.id.as_str()).collect();
    Some(names.join(", "))
}

/// The recipients who are told nothing any more though others of their channel are, by channel. The
/// words stay the same while it lasts.
#[must_use]
pub fn unreached(channels: &[ChannelStatus]) -> Option<String> {
    let one = |channel: &ChannelStatus| {
        let who: Vec<&str> = channel.refusing.iter().map(|it| it.recipient.as_str()).collect();
        (!who.is_empty()).then(|| format!("{} ({})", channel.id, who.join(", ")))
    };
    let all: Vec<String> = channels.iter().filter_map(one).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, Refusing};
    use crate::store::tests::at;

    /// A channel that has failed for so many seconds by ten o'clock.
    fn failing(id: &str, seconds: u64) -> ChannelStatus {
        let since = at("2026-02-03T10:00:00Z") - Duration::from_secs(seconds);
        ChannelStatus {
            queued: 1,
            failing_since: Some(since),
            failing_from: Some(Mono::ZERO + Duration::from_secs(3_600 - seconds)),
            ..idle(id)
        }
    }

    fn idle(id: &str) -> ChannelStatus {
        ChannelStatus::idle(ChannelId::new(id), "webhook")
    }

    fn told_at(id: &str, when: &str) -> ChannelStatus {
        ChannelStatus { last_delivered: Some(at(when)), ..idle(id) }
    }

    fn now() -> Mono {
        Mono::ZERO + Duration::from_hours(1)
    }

    fn told(channels: &[ChannelStatus]) -> Option<String> {
        trouble(channels, now())
    }

    #[test]
    fn it_is_trouble_when_every_channel_has_failed_for_a_while() {
        assert_eq!(told(&[failing("duty", 30), failing("sms", 30)]).as_deref(), Some("duty, sms"));
        assert_eq!(told(&[failing("duty", 29)]), None);
        assert_eq!(told(&[failing("duty", 300), failing("sms", 29)]), None);
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[idle("duty")]), None);
    }

    #[test]
    fn a_channel_that_nothing_was_sent_through_hides_nothing() {
        let all = [failing("zalo", 300), failing("mail", 60), idle("sms-tet")];
        assert_eq!(told(&all).as_deref(), Some("zalo, mail"));
        let last_week = told_at("sms-tet", "2026-01-27T10:00:00Z");
        assert_eq!(told(&[failing("zalo", 300), last_week]).as_deref(), Some("zalo"));
    }

    #[test]
    fn a_channel_that_told_somebody_since_is_one_that_works() {
        let beside = told_at("sms", "2026-02-03T09:54:30Z");
        assert_eq!(told(&[failing("zalo", 300), beside]), None);
        let on_its_way = ChannelStatus { queued: 1, ..idle("sms") };
        assert_eq!(told(&[failing("zalo", 300), on_its_way]), None);
    }

    #[test]
    fn who_is_not_reached_any_more_is_named_by_channel() {
        assert_eq!(unreached(&[idle("duty"), idle("sms")]), None);
        let refuses = |recipient: &str| Refusing {
            recipient: recipient.to_owned(),
            since: at("2026-02-03T10:00:00Z"),
            reason: "eSMS answers 108".to_owned(),
        };
        let sms = ChannelStatus { refusing: vec![refuses("2"), refuses("5")], ..idle("sms") };
        let zalo = ChannelStatus { refusing: vec![refuses("f414c8")], ..idle("zalo") };
        let told = unreached(&[idle("duty"), sms, zalo]);
        assert_eq!(told.as_deref(), Some("sms (2, 5), zalo (f414c8)"));
    }

    #[test]
    fn a_fallback_that_is_yet_to_be_asked_may_still_tell() {
        let zalo = ChannelStatus { fallback: Some(ChannelId::new("sms")), ..failing("zalo", 60) };
        assert_eq!(told(&[zalo.clone(), idle("sms")]), None);
        assert_eq!(told(&[zalo, failing("sms", 60)]).as_deref(), Some("zalo, sms"));
    }
}
