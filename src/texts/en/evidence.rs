//! What was seen, in one line of English.

use std::time::Duration;

use super::ourselves::self_doubt;
use super::words::{day, duration, hour, precise};
use crate::model::{Failure, Language, RemoteFailure};
use crate::texts::seen::{Seen, named_by};
use crate::texts::{Facts, Observed, tenths};

pub(in crate::texts) fn evidence(facts: &Facts<'_>) -> Option<String> {
    let seen = facts.evidence();
    let dated = |it: &Observed<'_>| {
        let said = observation(it, facts);
        match facts.seen_before(it) {
            Some(at) => format!("{said} (at {})", hour(&at, &facts.now)),
            None => said,
        }
    };
    let parts: Vec<String> = seen.iter().map(dated).collect();
    (!parts.is_empty()).then(|| format!("Seen: {}.", parts.join("; ")))
}

pub(super) fn observation(observed: &Observed<'_>, facts: &Facts<'_>) -> String {
    let what = facts.seen_at(&observed.targets, "at");
    let when = precise(&facts.local(observed.at));
    match observed.seen {
        Seen::Failed(failed) => {
            let words = failure(failed);
            match (failed, named_by(failed, Language::En)) {
                (Failure::Remote(RemoteFailure::Stalled { reached, limit_ms }), _) => {
                    let words = Language::En.stalled(*reached, *limit_ms);
                    format!("{what}: {words} since {when}")
                }
                (Failure::Remote(RemoteFailure::Unreachable(_)), Some(router)) => {
                    format!("{what}: {words} (reported by {router}) since {when}")
                }
                (_, Some(detail)) => format!("{what}: {words} ({detail}) since {when}"),
                (_, None) => format!("{what}: {words} since {when}"),
            }
        }
        Seen::Answers { rtt_us: Some(rtt) } => {
            format!("{what}: answers within {} ms", tenths(rtt / 100, '.'))
        }
        Seen::Answers { rtt_us: None } => format!("{what}: answers"),
        Seen::Below { answer: 0, of } => {
            format!("none of {of} sites behind {what} can be reached")
        }
        Seen::Below { answer, of } if answer == of => {
            format!("all {of} sites behind {what} can be reached")
        }
        Seen::Below { answer, of } => {
            format!("{answer} of {of} sites behind {what} can be reached")
        }
        Seen::Path { lost_permille, rtt_ms, jitter_ms } => {
            format!(
                "{what}: loss {} %, round trip {rtt_ms} ms, jitter {jitter_ms} ms",
                tenths(lost_permille, '.')
            )
        }
        Seen::ClockOff(by) => {
            let off = duration(Duration::from_secs(by.unsigned_abs()));
            format!("{what}: clock {off} {}", if by > 0 { "fast" } else { "slow" })
        }
        Seen::CertificateEnded(at) => format!("{what}: expired on {}", day(&facts.local(at))),
        Seen::CertificateEnds(at) => format!("{what}: expires on {}", day(&facts.local(at))),
        Seen::CertificateNotYet(at) => {
            format!("{what}: valid only from {}", day(&facts.local(at)))
        }
        Seen::Ourselves(doubt) => format!("{} at {when}", self_doubt(doubt)),
        Seen::Words(words) => format!("{words} at {when}"),
    }
}

/// What a failure means, in a few words.
pub(super) fn failure(failure: &Failure) -> &'static str {
    match failure.word() {
        "timeout" => "no answer",
        "slow" => "answers too late",
        "stalled" => "accepts connections but does not answer in time",
        "refused" => "connections refused",
        "closed" => "breaks off",
        "net-unreachable" => "no route",
        "host-unreachable" => "host unreachable",
        "protocol-unreachable" | "port-unreachable" => "port closed",
        "prohibited" => "rejected by a firewall",
        "too-big" => "takes no big packets",
        "time-exceeded" => "cut off by a routing loop",
        "unreachable" => "cannot be reached",
        "malformed" => "answers outside the protocol",
        "service-out" => "reports its service out",
        "unexpected" => "answers otherwise than expected",
        "tls" => "TLS handshake fails",
        "certificate-time" => "certificate outside its dates",
        _ => "could not be asked from here",
    }
}
