//! What an observation says, as both languages put it into words.

use jiff::Timestamp;

use crate::model::{Evidence, Failure, Language, RemoteFailure, Saw, SelfDoubt, retold};

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
    /// Why the monitor does not trust itself.
    Ourselves(&'a SelfDoubt),
    /// What a record of an earlier version says in words.
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
            Saw::Ourselves(doubt) => Self::Ourselves(doubt),
            Saw::Words(words) => Self::Words(words),
        }
    }

    /// Whether it speaks for the health of what was probed.
    pub(super) const fn is_good(&self) -> bool {
        matches!(self, Self::Answers { .. })
    }

    /// Whether it holds for the moment only, without a beginning: what may be otherwise soon after.
    pub(super) const fn is_of_a_moment(&self) -> bool {
        matches!(self, Self::Answers { .. } | Self::Below { .. } | Self::Path { .. })
    }

    /// Whether it says that a reply came, only too late.
    pub(super) const fn is_slow(&self) -> bool {
        matches!(self, Self::Failed(Failure::Remote(RemoteFailure::Slow { .. })))
    }

    /// Whether it says that a connection was taken and its answer did not come in time.
    pub(super) const fn is_stalled(&self) -> bool {
        matches!(self, Self::Failed(Failure::Remote(RemoteFailure::Stalled { .. })))
    }

    /// Whether it says how a probe failed.
    pub(super) const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// Whom or what a failure names: the router that reported it, the status that was answered, what
/// was wrong as far as that can be said in the reader's language.
pub(super) fn named_by(failure: &Failure, language: Language) -> Option<String> {
    match failure {
        Failure::Remote(RemoteFailure::Unreachable(error)) => {
            error.offender.map(|offender| offender.to_string())
        }
        Failure::Remote(RemoteFailure::Slow { after_ms, limit_ms }) => {
            Some(language.slow(*after_ms, *limit_ms))
        }
        Failure::Remote(RemoteFailure::ServiceOut { status, reason }) => {
            Some(format!("{status} {reason}").trim_end().to_owned())
        }
        Failure::Remote(
            RemoteFailure::Malformed(why)
            | RemoteFailure::Unexpected(why)
            | RemoteFailure::Tls(why),
        ) => retold(why, language),
        _ => None,
    }
}
