//! What an incident is expected to rest on: which probe, and what came back of it.
//!
//! A brain that guesses the right cause tells the same as one that knows it. What it goes by is
//! kept with the incident, and whoever stands before a rack with the message goes by it too: that
//! the site's own router spoke of the codec, and not somebody on our side of a cut.
//!
//! Runs in virtual time are held to it. Those with real packets are not: what leaves by the webhook
//! has words for what was seen and no record of it.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;

use super::expect::{Share, word};
use super::yaml::{self, Mark, Node, Sink, Value};
use super::{Province, Scenario};
use crate::model::{Evidence, Failure, RemoteFailure, Saw, Unreachable};

/// Observations that say more than one word, by that word.
const WITH_VALUE: [&str; 8] =
    ["too-big", "loss", "loss-below", "delay", "jitter", "clock-off", "certificate-ends", "below"];
/// Those that say one: a reply, or the word of a failure.
const PLAIN: [&str; 20] = [
    "answered",
    "timeout",
    "slow",
    "stalled",
    "refused",
    "closed",
    "net-unreachable",
    "host-unreachable",
    "protocol-unreachable",
    "port-unreachable",
    "prohibited",
    "time-exceeded",
    "unreachable",
    "malformed",
    "service-out",
    "unexpected",
    "tls",
    "certificate-time",
    "unresolved",
    "late",
];

/// An observation that must stand in evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What was probed: `site/endpoint/check`, or a site where its children are counted.
    pub target: String,
    /// What came back.
    pub saw: Showed,
    /// The device that an ICMP error came from: `site/endpoint`.
    pub from: Option<String>,
    /// Where it stands in the file.
    pub mark: Mark,
}

/// What an observation must show.
#[derive(Debug, Clone, PartialEq)]
pub enum Showed {
    /// A reply, or the word of a failure.
    Word(String),
    /// The next hop takes packets of so many bytes.
    TooBig(u16),
    /// At least this share of the packets is lost.
    Loss(f64),
    /// Less than this share is.
    LossBelow(f64),
    /// The round trip takes at least so long.
    Delay(Duration),
    /// It varies by at least so much.
    Jitter(Duration),
    /// A clock is off by this, give or take a second.
    ClockOff(SignedDuration),
    /// A certificate ends so long after the fault began, give or take a second.
    CertificateEnds(SignedDuration),
    /// So many of so many sites behind it answer.
    Below(Share),
}

/// An observation that stands in evidence, as somebody heard of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// When it was made, from the start of the scenario; by the clock that was right when the
    /// message was decided.
    pub at: SignedDuration,
    /// The observation.
    pub evidence: Evidence,
}

/// One or several, each as in
/// `{target: tan-lap/codec/ping, saw: host-unreachable, from: tan-lap/router}`.
pub(super) fn list(node: &Node, sink: &Sink) -> Option<Vec<Observation>> {
    let items = node.list(sink, "`evidence`");
    Some(items.iter().filter_map(|item| one(item, sink)).collect())
}

fn one(node: &Node, sink: &Sink) -> Option<Observation> {
    let map = node.map(sink, "an observation")?;
    let target = map.need("target", yaml::text);
    let saw = map.need("saw", showed);
    let from = map.read("from", yaml::text);
    map.close();
    if let Some(from) = &from
        && from.split('/').count() != 2
    {
        sink.say(node.mark, format!("`{from}` should be a device such as tan-lap/router"));
    }
    Some(Observation { target: target?, saw: saw?, from, mark: node.mark })
}

/// A word, or one with a value: `{loss: 5%}`.
fn showed(node: &Node, sink: &Sink) -> Option<Showed> {
    if let Value::Scalar(_) = node.value {
        return word(node, sink, "observation", &PLAIN)
            .map(|at| Showed::Word(PLAIN[at].to_owned()));
    }
    let map = node.map(sink, "`saw`")?;
    let [(key, value)] = map.entries() else {
        sink.say(node.mark, "one observation at a time: `saw: {loss: 5%}`");
        return None;
    };
    match &*key.text {
        "too-big" => yaml::number(value, sink).map(Showed::TooBig),
        "loss" => yaml::share(value, sink).map(Showed::Loss),
        "loss-below" => yaml::share(value, sink).map(Showed::LossBelow),
        "delay" => yaml::length(value, sink).map(Showed::Delay),
        "jitter" => yaml::length(value, sink).map(Showed::Jitter),
        "clock-off" => yaml::offset(value, sink).map(Showed::ClockOff),
        "certificate-ends" => yaml::offset(value, sink).map(Showed::CertificateEnds),
        "below" => {
            let share = Share::from_text(value.text(sink, "a share of sites")?);
            if share.is_none() {
                sink.say(value.mark, "this should be a share of sites such as 5/6");
            }
            share.map(Showed::Below)
        }
        other => {
            let hint = yaml::nearest(other, WITH_VALUE);
            sink.say(key.mark, format!("`{other}` is no observation{hint}"));
            None
        }
    }
}

impl Scenario {
    /// What is expected in evidence and is not in what a message rests on.
    ///
    /// 1. What was probed and what came back are as expected, and so is who sent an ICMP error, by
    ///    the address that the drawn province gives to that device.
    /// 2. It was seen after the fault `begins` and before the message was decided, unless our clock
    ///    is set meanwhile.
    pub(super) fn missing(
        &self,
        wanted: &[Observation],
        begins: Option<Duration>,
        told: Duration,
        seen: &[Observed],
    ) -> Vec<String> {
        let topology = self.topology();
        let host = |device: &str| {
            let (site, endpoint) = device.split_once('/')?;
            let topology = topology.as_ref()?;
            let site = topology.site_ixs().find(|ix| topology.site(*ix).id.as_str() == site)?;
            let mut endpoints = topology.site(site).endpoints.iter();
            let ix = endpoints.find(|ix| topology.endpoint(**ix).id.as_str() == endpoint)?;
            Some(topology.endpoint(*ix).host.to_string())
        };
        let signed = |at: Duration| SignedDuration::try_from(at).unwrap_or(SignedDuration::MAX);
        let (begins, told) = (signed(begins.unwrap_or_default()), signed(told));
        let in_time = |at: SignedDuration| self.steps_the_clock() || (at >= begins && at <= told);
        let is_from = |saw: &Saw, device: &String| {
            offender(saw).is_some_and(|address| host(device) == Some(address))
        };
        let is_there = |wanted: &Observation| {
            seen.iter().any(|Observed { at, evidence }| {
                evidence.target.to_string() == wanted.target
                    && in_time(*at)
                    && wanted.saw.fits(evidence, *at - begins)
                    && wanted.from.as_ref().is_none_or(|device| is_from(&evidence.saw, device))
            })
        };
        let missing = wanted.iter().filter(|wanted| !is_there(wanted));
        missing.map(|wanted| format!("nothing shows {wanted}, only {}", shown(seen))).collect()
    }

    /// Whether devices have addresses by which whoever sent an ICMP error is known.
    pub(super) const fn is_drawn(&self) -> bool {
        matches!(self.province, Province::Tree(_))
    }
}

/// Who sent an ICMP error.
fn offender(saw: &Saw) -> Option<String> {
    match saw {
        Saw::Failed(Failure::Remote(RemoteFailure::Unreachable(error))) => {
            Some(error.offender?.to_string())
        }
        _ => None,
    }
}

/// Give or take so much: a probe takes its time.
const ABOUT: SignedDuration = SignedDuration::from_secs(1);

impl Showed {
    /// Whether an observation shows it that was made so long after the fault began.
    fn fits(&self, evidence: &Evidence, after: SignedDuration) -> bool {
        let about = |found: SignedDuration, wanted: SignedDuration| (found - wanted).abs() <= ABOUT;
        match (self, &evidence.saw) {
            (Self::Word(word), Saw::Failed(failure)) => word == failure.word(),
            (Self::Word(word), Saw::Answered { .. }) => word == "answered",
            (
                Self::TooBig(bytes),
                Saw::Failed(Failure::Remote(RemoteFailure::Unreachable(error))),
            ) => error.kind == Unreachable::TooBig { mtu: *bytes },
            (Self::Loss(share), Saw::Path { lost_permille, .. }) => {
                f64::from(*lost_permille) >= share * 1000.0
            }
            (Self::LossBelow(share), Saw::Path { lost_permille, .. }) => {
                f64::from(*lost_permille) < share * 1000.0
            }
            (Self::Delay(delay), Saw::Path { rtt_ms, .. }) => {
                u128::from(*rtt_ms) >= delay.as_millis()
            }
            (Self::Jitter(jitter), Saw::Path { jitter_ms, .. }) => {
                u128::from(*jitter_ms) >= jitter.as_millis()
            }
            (Self::ClockOff(by), Saw::Clock { offset_s }) => {
                about(SignedDuration::from_secs(*offset_s), *by)
            }
            (Self::CertificateEnds(ends), Saw::Certificate { not_after, .. }) => {
                about(not_after.duration_since(evidence.at) + after, *ends)
            }
            (Self::Below(share), Saw::Below { answer, of }) => {
                (share.failing, share.of) == (*answer, *of)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.saw, self.target)?;
        match &self.from {
            Some(from) => write!(f, ", said by {from}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Showed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "{word} at"),
            Self::TooBig(bytes) => write!(f, "too-big, {bytes} bytes, at"),
            Self::Loss(share) => write!(f, "loss of {} % at", share * 100.0),
            Self::LossBelow(share) => write!(f, "less loss than {} % at", share * 100.0),
            Self::Delay(delay) => write!(f, "a delay of {delay:?} at"),
            Self::Jitter(jitter) => write!(f, "a jitter of {jitter:?} at"),
            Self::ClockOff(by) => write!(f, "a clock off by {by:#} at"),
            Self::CertificateEnds(ends) => write!(f, "a certificate that ends in {ends:#} at"),
            Self::Below(share) => write!(f, "{share} that answer behind"),
        }
    }
}

/// What stands in evidence, for whoever mends a scenario.
fn shown(seen: &[Observed]) -> String {
    let shown = seen.iter().map(|Observed { at, evidence }| {
        let from = offender(&evidence.saw).map(|from| format!(" said by {from}"));
        let (target, saw, from) =
            (&evidence.target, word_of(&evidence.saw), from.unwrap_or_default());
        format!("{target} {saw}{from} at {:.1} s", at.as_secs_f64())
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "nothing at all".to_owned() } else { shown.join(", ") }
}

fn word_of(saw: &Saw) -> String {
    match saw {
        Saw::Failed(failure) => failure.word().to_owned(),
        Saw::Answered { .. } => "answered".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CheckId, EndpointId, IcmpError, SiteId, TargetKey};

    const SCENARIO: &str = "
name: x
province: {tree: {tinh: {a: [a1, a2]}}}
lasts: 1m
expect:
  - cause: device
    site: a1
    begins: 10s
    open: true
    evidence:
      - {target: a1/codec/ping, saw: host-unreachable, from: a1/router}
";

    /// What an observation of the codec shows that was made so many seconds after the beginning.
    fn observed(at: i64, from: &str, kind: Unreachable) -> Observed {
        let offender = from.parse().ok();
        let error = IcmpError { kind, icmp_type: 3, icmp_code: 1, offender };
        let saw = Saw::Failed(Failure::Remote(RemoteFailure::Unreachable(error)));
        let target = TargetKey {
            site: SiteId::new("a1"),
            endpoint: Some(EndpointId::new("codec")),
            check: Some(CheckId::new("ping")),
        };
        let at = SignedDuration::from_secs(at);
        Observed { at, evidence: Evidence { target, at: jiff::Timestamp::UNIX_EPOCH + at, saw } }
    }

    fn missing(text: &str, seen: &[Observed]) -> String {
        let scenario =
            Scenario::parse("x.yaml", text).unwrap_or_else(|problems| panic!("{problems}"));
        let expected = &scenario.expect[0];
        let told = Duration::from_secs(13);
        scenario.missing(&expected.evidence, expected.begins, told, seen).join("; ")
    }

    #[test]
    fn an_observation_must_show_what_when_and_by_whom_it_was_said() {
        // The second site below the first, whose networks are 10.64.0 and 10.64.1.
        let router = "10.64.2.1";
        assert_eq!(missing(SCENARIO, &[observed(11, router, Unreachable::Host)]), "");
        let nothing = "nothing shows host-unreachable at a1/codec/ping, said by a1/router, only ";
        for (seen, words) in [
            (observed(11, "10.64.0.1", Unreachable::Host), "host-unreachable said by 10.64.0.1"),
            (observed(11, router, Unreachable::Net), "net-unreachable said by 10.64.2.1"),
            (observed(9, router, Unreachable::Host), "host-unreachable said by 10.64.2.1"),
            (observed(14, router, Unreachable::Host), "host-unreachable said by 10.64.2.1"),
        ] {
            let at = seen.at.as_secs();
            let words = format!("{nothing}a1/codec/ping {words} at {at}.0 s");
            assert_eq!(missing(SCENARIO, &[seen]), words);
        }
        assert_eq!(missing(SCENARIO, &[]), format!("{nothing}nothing at all"));
    }

    #[test]
    fn a_figure_is_the_least_that_an_observation_must_show() {
        let figures = |loss| {
            let path = Saw::Path { lost_permille: loss, samples: 99, rtt_ms: 9, jitter_ms: 0 };
            let usual = observed(11, "", Unreachable::Other);
            Observed { evidence: Evidence { saw: path, ..usual.evidence }, ..usual }
        };
        let lossy = SCENARIO.replace("host-unreachable, from: a1/router", "{loss: 5%}");
        assert_eq!(missing(&lossy, &[figures(50)]), "");
        assert_ne!(missing(&lossy, &[figures(49)]), "");
        let good = SCENARIO.replace("host-unreachable, from: a1/router", "{loss-below: 5%}");
        assert_eq!(missing(&good, &[figures(49)]), "");
        assert_ne!(missing(&good, &[figures(50)]), "");
    }

    #[test]
    fn what_cannot_be_seen_is_said_with_its_place() {
        let problems = |text: &str| Scenario::parse("x.yaml", text).unwrap_err().to_string();
        let wrong = SCENARIO.replace("host-unreachable", "host-unreacheable");
        assert!(problems(&wrong).contains("did you mean `host-unreachable`?"));
        let wrong = SCENARIO.replace("{tree: {tinh: {a: [a1, a2]}}}", "sample");
        assert!(problems(&wrong).contains("only devices of a drawn province"));
        let wrong = SCENARIO.replace("a1/router", "10.64.2.1");
        assert!(problems(&wrong).contains("should be a device such as tan-lap/router"));
    }
}
