//! What an observation says, as both languages put it into words.

use jiff::Timestamp;

use crate::model::{Evidence, Failure, RemoteFailure, Saw};

/// What an observation says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Seen<'a> {
    /// A probe failed.
    Failed(&'a Failure),
    /// It answers, after so many microseconds.
    Answers { rtt_us: Option<u32> },
    /// So many of the sites below answer.
    Below { answer: u32, of: u32 },
    /// Figures of a path.
    Path { lost_permille: u32, rtt_ms: u32, jitter_ms: u32 },
    /// A device's clock minus ours, in seconds.
    ClockOff(i64),
    /// A certificate has ended.
    CertificateEnded(Timestamp),
    /// A certificate ends soon.
    CertificateEnds(Timestamp),
    /// A certificate is not valid yet.
    CertificateNotYet(Timestamp),
    /// Our own gateway is silent.
    Gateway(&'a str),
    /// No site answers.
    Nobody,
    /// Probes fail here; the word for how.
    Local(&'a str),
    /// The echo engine is late.
    Engine,
    /// Our clock was set, by so many seconds.
    ClockSet(&'a str),
    /// Something else that this program says of itself.
    Words(&'a str),
}

impl<'a> Seen<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Self {
        match &evidence.saw {
            Saw::Failed(why) => Self::Failed(why),
            Saw::Answered { rtt_us } => Self::Answers { rtt_us: *rtt_us },
            Saw::Path { lost_permille, rtt_ms, jitter_ms, .. } => {
                Self::Path { lost_permille: *lost_permille, rtt_ms: *rtt_ms, jitter_ms: *jitter_ms }
            }
            Saw::Clock { offset_s } => Self::ClockOff(*offset_s),
            Saw::Certificate { not_before, .. } if *not_before > evidence.at => {
                Self::CertificateNotYet(*not_before)
            }
            Saw::Certificate { not_after, .. } if *not_after <= evidence.at => {
                Self::CertificateEnded(*not_after)
            }
            Saw::Certificate { not_after, .. } => Self::CertificateEnds(*not_after),
            Saw::Below { answer, of } => Self::Below { answer: *answer, of: *of },
            Saw::Words(words) => Self::ourselves(words).unwrap_or(Self::Words(words)),
        }
    }

    /// Whether it speaks for the health of what was probed.
    pub(super) const fn is_good(&self) -> bool {
        matches!(self, Self::Answers { .. })
    }

    /// Whether it says how a probe failed.
    pub(super) const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// What the monitor says of itself is English; what is recognised is told in the reader's
    /// language, anything else as it stands.
    fn ourselves(words: &'a str) -> Option<Self> {
        if words == "no site answers any more" {
            return Some(Self::Nobody);
        }
        if words == "the echo engine does not keep up" {
            return Some(Self::Engine);
        }
        if let Some(why) = words.strip_prefix("probes fail on this machine: ") {
            return Some(Self::Local(why));
        }
        if let Some(by) = words.strip_prefix("the clock was set by ") {
            return by.strip_suffix(" s").map(Self::ClockSet);
        }
        let (gateway, _) = words.strip_prefix("our gateway ")?.split_once(" does not answer")?;
        Some(Self::Gateway(gateway))
    }
}

/// Whom or what a failure names: the router that reported it, the status that was answered, what
/// was wrong.
pub(super) fn named_by(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Remote(RemoteFailure::Unreachable(error)) => {
            error.offender.map(|offender| offender.to_string())
        }
        Failure::Remote(RemoteFailure::ServiceOut { status, reason }) => {
            Some(format!("{status} {reason}").trim_end().to_owned())
        }
        Failure::Remote(
            RemoteFailure::Malformed(why)
            | RemoteFailure::Unexpected(why)
            | RemoteFailure::Tls(why),
        ) => Some(why.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_monitor_says_of_itself_is_recognised() {
        for (words, seen) in [
            (
                "our gateway 10.0.0.1 does not answer, nor does what is behind it",
                Some(Seen::Gateway("10.0.0.1")),
            ),
            ("no site answers any more", Some(Seen::Nobody)),
            ("probes fail on this machine: no-route", Some(Seen::Local("no-route"))),
            ("the echo engine does not keep up", Some(Seen::Engine)),
            ("the clock was set by -30 s", Some(Seen::ClockSet("-30"))),
            ("a face at the window", None),
        ] {
            assert_eq!(Seen::ourselves(words), seen, "{words}");
        }
    }
}
