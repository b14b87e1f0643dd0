//! A probe explained step by step: what was sent, what came back, how it was judged.
//!
//! Steps are data, so that one record serves the terminal, the board and both languages.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::Certificate;

/// The steps of one probe, oldest first; at most [`Trace::LIMIT`] are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Trace {
    steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Time since the probe began, in microseconds.
    pub at_us: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: StepKind,
}

/// What can happen in a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step", content = "what")]
pub enum StepKind {
    /// A name became an address, or an address needed none.
    Address(SocketAddr),
    /// A connection was asked for.
    Connecting(SocketAddr),
    /// A connection stands.
    Connected {
        /// Our end.
        local: SocketAddr,
    },
    /// TLS stands: version, cipher suite.
    Secured(String),
    /// The certificate presented.
    Certificate(Box<Certificate>),
    /// Something was sent; a summary such as the request line.
    Sent(String),
    /// Something came back; a summary such as the status line.
    Received(String),
    /// Something came back that is not for us or not understood, and why it does not count.
    Ignored(String),
    /// The time limit passed.
    TimedOut,
    /// Why the result is what it is.
    Judged(Judgement),
}

/// What a probe makes of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// The status is one of those expected.
    StatusExpected,
    /// The status is not one of those expected.
    StatusUnexpected,
    /// Status and body are as expected.
    BodyExpected,
    /// The status is as expected, and the body does not match this pattern.
    BodyUnexpected(String),
    /// What answers is not what was asked for: the service behind it is out.
    ServiceOut,
    /// A final response other than those that mean so: the device is alive.
    Alive,
    /// The device sees us under this address, which is not ours: there is NAT on the path.
    SeenAs(IpAddr),
}

impl Trace {
    /// Steps kept per probe; a hostile peer must not make a trace grow.
    pub const LIMIT: usize = 64;

    /// Records a step that happened `at` after the probe began.
    pub fn record(&mut self, at: Duration, kind: StepKind) {
        if self.steps.len() < Self::LIMIT {
            let at_us = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
            self.steps.push(Step { at_us, kind });
        }
    }

    /// The steps, oldest first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}
