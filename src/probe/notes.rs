//! The notes a prober takes while it works: a [`Trace`] with the time of each step.
//!
//! What a hostile peer says ends up here, so every text is cut and the steps of a kind that a peer
//! can repeat at will are counted.

use std::fmt::Display;

use crate::clock::Clock;
use crate::model::{Judgement, Mono, Reached, StepKind, Trace};

/// Longest text of one step, in bytes.
const TEXT_LIMIT: usize = 160;

/// Steps noted about messages that do not count; further ones are not noted.
const IGNORED_LIMIT: u32 = 8;

/// Notes of one probe.
#[derive(Debug)]
pub(super) struct Notes {
    trace: Trace,
    clock: Clock,
    began: Mono,
    ignored: u32,
    gibberish: Option<String>,
    reached: Option<Reached>,
}

impl Notes {
    /// Empty notes of a probe that begins now.
    pub(super) fn begin(clock: Clock) -> Self {
        let began = clock.mono();
        let trace = Trace::default();
        Self { trace, clock, began, ignored: 0, gibberish: None, reached: None }
    }

    /// Something happened.
    pub(super) fn add(&mut self, kind: StepKind) {
        let at = self.clock.mono() - self.began;
        let further = match kind {
            StepKind::Connected { .. } => Some(Reached::Connected),
            // A datagram that was sent has reached nobody yet.
            StepKind::Sent(_) => self.reached.map(|_| Reached::Sent),
            StepKind::Received(_) => Some(Reached::Answering),
            _ => None,
        };
        self.reached = self.reached.max(further);
        self.trace.record(at, kind);
    }

    /// Something was sent.
    pub(super) fn sent(&mut self, what: &str) {
        self.add(StepKind::Sent(cut(what, TEXT_LIMIT)));
    }

    /// Something came back.
    pub(super) fn received(&mut self, what: &str) {
        self.add(StepKind::Received(cut(what, TEXT_LIMIT)));
    }

    /// Something came back that belongs to another conversation.
    pub(super) fn ignored(&mut self, why: impl Display) {
        self.ignored += 1;
        if self.ignored <= IGNORED_LIMIT {
            self.add(StepKind::Ignored(cut(&why.to_string(), TEXT_LIMIT)));
        }
    }

    /// Something came back that is not the protocol at all. If nothing better comes, the probe
    /// fails for this and not for silence.
    pub(super) fn not_understood(&mut self, why: impl Display) {
        let why = why.to_string();
        self.ignored(&why);
        self.gibberish.get_or_insert(why);
    }

    /// How far the conversation came; none while nothing shows that anybody is there.
    pub(super) const fn reached(&self) -> Option<Reached> {
        self.reached
    }

    /// What was not understood first.
    pub(super) fn gibberish(&self) -> Option<&str> {
        self.gibberish.as_deref()
    }

    /// Why the result is what it is.
    pub(super) fn judged(&mut self, why: Judgement) {
        self.add(StepKind::Judged(why));
    }

    /// How many messages did not count.
    pub(super) const fn ignored_count(&self) -> u32 {
        self.ignored
    }

    /// The notes as a trace.
    pub(super) fn into_trace(self) -> Trace {
        self.trace
    }
}

/// The first `limit` bytes of `text`, cut between characters, without control characters: it may
/// end up on a terminal.
pub(super) fn cut(text: &str, limit: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if kept.len() + c.len_utf8() > limit {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("điểm", 4), "đi");
        assert_eq!(cut("a\u{1b}[31m", 64), "a [31m");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn a_talkative_peer_fills_only_so_many_steps() {
        let mut notes = Notes::begin(Clock::start());
        for _ in 0..100 {
            notes.ignored("x".repeat(1000));
        }
        assert_eq!(notes.ignored_count(), 100);
        let trace = notes.into_trace();
        assert_eq!(trace.steps().len(), 8);
        for step in trace.steps() {
            assert_eq!(step.kind, StepKind::Ignored("x".repeat(TEXT_LIMIT)));
        }
    }
}
