//! A letter for several recipients, or one so long that it leaves as several messages.
//!
//! Where some recipients have it and others not, the courier repeats the letter as a whole. The
//! channel remembers who was told what, so that a repeat tells each only what they lack:
//!
//! 1. A recipient is known by name and what they were told by the ids of its messages. So nobody is
//!    told a line of a digest twice because its other lines changed, and what is known outlasts a
//!    reload. A newer message about something that they know is told as what it is, not as news. A
//!    text in pieces stays as it is once somebody has one of them, but for a restart.
//! 2. A recipient who asked for time is left alone until then, whatever there is to tell, unless a
//!    reload has them reached through another account: it is to that one that they said so.
//! 3. Posts to one recipient keep to the pace that the service allows.
//! 4. All recipients of a channel are reached through one service. Where a post hangs, the others
//!    are not tried at the same attempt: each would hang as long, and the service would be back for
//!    minutes before anybody asks it again. In case it was about that recipient after all, that one
//!    comes last at the next attempt. It surely was where the service answered somebody else
//!    meanwhile; then the others go on.
//! 5. Once the service has accepted or refused anything, so many are posted to side by side as it
//!    allows: it may take seconds over each post, and a receiver that is back after hours has to be
//!    told within a minute, however many recipients there are. Until then it may be dead, and gets
//!    one post after the other.
//!
//! 6. Whoever refuses something for good is not offered it again, nor the rest of a text of which
//!    they took the beginning, for as long as others are waited for. They are offered what comes
//!    next. When it turns out that nobody takes the letter, what was refused of it is forgotten:
//!    the courier tells each of its messages alone, and one of them may be to blame.
//!
//! Who has what of a letter that is to be repeated, and who refuses it, is known from the answer to
//! each post on, however the delivery ends. It goes on record with the letter, and is given back at
//! a start ([`Recipients::heard`], [`Recipients::recall`]). Only what was on its way when the
//! program died may be repeated to somebody; that is told by its id.

mod memory;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{DeliveryError, Fared, Letter, Receipt, Retry, Style, split, texts};
use crate::store::RecipientKey;

pub(super) use memory::Recipients;

/// A service that takes longer over a refusal does not answer.
const HANGS: Duration = Duration::from_secs(3);

/// How a letter is handed over.
pub(super) trait Post: Sync {
    /// Whether a receiver that asks for time speaks for all recipients, as an account does that
    /// may send so many messages a minute.
    const ASKS_FOR_ALL: bool = false;
    /// Names of the recipients, which a reload does not change.
    fn names(&self) -> Vec<String>;

    /// What the log calls the recipient at this place.
    fn label(&self, recipient: usize) -> String;

    /// Recipients who may be posted to side by side, at least 1.
    fn at_once(&self) -> usize {
        1
    }

    /// How fast that one may be posted to.
    fn pace(&self, _: usize) -> Pace {
        Pace::default()
    }

    /// Returns when something may be posted to anybody at all, where an account has a pace of its
    /// own.
    fn admitted(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// The letter as the messages in which it leaves, one after the other.
    fn messages(&self, letter: &Letter) -> Vec<Message>;

    /// Hands a piece of a message over to one recipient.
    fn post(
        &self,
        recipient: usize,
        message: &Letter,
        piece: &str,
    ) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}

/// One message of a letter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// What it tells.
    pub(super) letter: Letter,
    /// Its text in the pieces in which it leaves, never none; several are about one incident.
    pub(super) pieces: Vec<String>,
}

/// How fast somebody may be posted to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Shortest time from one post to the next.
    pub(super) apart: Duration,
    /// Most posts within a time.
    pub(super) most: Option<(usize, Duration)>,
}

/// A letter on its way to one recipient.
#[derive(Debug)]
struct Run {
    who: RecipientKey,
    /// What they lack of it.
    lacks: Option<Letter>,
    messages: Arc<Vec<Message>>,
    /// Messages and pieces to post.
    left: VecDeque<(usize, usize)>,
    /// Whether they were asked to accept anything.
    asked: bool,
    /// Whether a post to them is under way.
    busy: bool,
    failure: Option<DeliveryError>,
}

/// A letter on its way to all recipients.
struct Round<'a, P> {
    known: &'a Recipients,
    /// Through which account.
    account: u32,
    way: &'a P,
    state: Mutex<State>,
}

/// How far a letter has come.
struct State {
    /// What each recipient lacks.
    runs: Vec<Run>,
    /// Whether anything was accepted just now.
    anew: bool,
    /// When the service last accepted or refused anything.
    answered: Option<Instant>,
}

impl Message {
    /// A letter as plain messages of at most `most` units each, each with its tag at the end. Only
    /// what is too long about one incident leaves in pieces.
    pub(super) fn several(
        letter: &Letter,
        style: &Style,
        most: usize,
        units: impl Fn(char) -> usize + Copy,
    ) -> Vec<Self> {
        let room = most.saturating_sub(letter.tag().chars().map(units).sum::<usize>() + 1);
        let message = |(letter, text): (Letter, String)| {
            let text = format!("{}\n{}", text.trim_end(), letter.tag());
            let pieces = split::pieces(&text, most, units).into_iter().map(str::to_owned);
            Self { letter, pieces: pieces.collect() }
        };
        texts::portions(letter, style, room, units).into_iter().map(message).collect()
    }
}

impl Recipients {
    /// Hands a letter over to every recipient: what each lacks, up to the first that one does not
    /// accept. What comes of it is said by [`verdict`].
    pub(super) async fn deliver<P: Post>(&self, letter: &Letter, way: &P) -> Receipt {
        let state = State { runs: self.runs(letter, way), anew: false, answered: None };
        let account = self.account();
        let round = Round { known: self, account, way, state: Mutex::new(state) };
        while !round.is_answered() && round.post_next().await {}
        join_all((0..way.at_once().max(1)).map(|_| round.post_on())).await;
        let state = round.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let State { runs, anew, .. } = state;
        let (recipients, several) = (all_fared(&runs, way), runs.len() > 1);
        let mut receipt = Receipt::from(self.judge(letter, runs, anew));
        // Why the only one has not got it is what the result says.
        if several || receipt.result.is_ok() {
            receipt.recipients = recipients;
        }
        receipt
    }

    /// What comes of a letter, and what of it is to be remembered.
    fn judge(&self, letter: &Letter, runs: Vec<Run>, anew: bool) -> Result<(), DeliveryError> {
        let whole = runs.iter().any(|run| run.failure.is_none());
        // Of a letter about one incident a piece is enough to have been reached.
        let begun = || runs.iter().any(|run| self.has(&run.who, letter, 0));
        let reached = whole || letter.items.len() == 1 && (anew || begun());
        let failures = runs.into_iter().filter_map(|run| run.failure).collect();
        let verdict = verdict(whole, reached, anew, failures);
        match &verdict {
            Ok(()) => self.forget(letter),
            Err(DeliveryError { retry: Retry::Never, .. }) => self.forget_refusals(letter),
            Err(_) => {}
        }
        verdict
    }

    fn runs<P: Post>(&self, letter: &Letter, way: &P) -> Vec<Run> {
        // Most recipients lack the same, and long letters take a while to write.
        let mut written: Option<(Letter, Arc<Vec<Message>>)> = None;
        let run = |name: String| {
            let lacks = self.lacks(&name, letter);
            let messages = match (&lacks, &written) {
                (None, _) => Arc::default(),
                (Some(lacks), Some((same, messages))) if lacks == same => Arc::clone(messages),
                (Some(lacks), _) => {
                    let messages = Arc::new(self.as_begun(way.messages(lacks)));
                    written = Some((lacks.clone(), Arc::clone(&messages)));
                    messages
                }
            };
            let all = messages
                .iter()
                .enumerate()
                .flat_map(|(at, message)| (0..message.pieces.len()).map(move |piece| (at, piece)));
            let who = RecipientKey::of(&name);
            let left = all.filter(|(at, piece)| !self.has(&who, &messages[*at].letter, *piece));
            let (left, failure) = (left.collect(), self.refusal(&who, letter));
            Run { who, lacks, left, messages, asked: false, busy: false, failure }
        };
        way.names().into_iter().map(run).collect()
    }
}

impl<P: Post> Round<'_, P> {
    /// Posts until nobody is left whom another one is not posting to.
    async fn post_on(&self) {
        while self.post_next().await {}
    }

    /// Posts what is next; whether anything was.
    async fn post_next(&self) -> bool {
        let Some((at, from)) = self.take_next() else { return false };
        tokio::time::sleep_until(from).await;
        self.way.admitted().await;
        let Some((messages, message, piece)) = self.begin(at) else { return true };
        let whole = &messages[message];
        let Message { letter, pieces } = whole;
        let began = Instant::now();
        let result = self.way.post(at, letter, &pieces[piece]).await;
        let hung = is_hanging(&result, began.elapsed());
        let mut state = self.state();
        let State { runs, anew, answered } = &mut *state;
        runs[at].busy = false;
        // Of a service that answered others meanwhile this says nothing.
        let is_gone = hung && answered.is_none_or(|last| last <= began);
        if result.as_ref().map_or_else(DeliveryError::is_an_answer, |()| true) {
            *answered = Some(Instant::now());
        }
        self.known.note_hung(&runs[at].who, hung);
        let error = match result {
            Ok(()) => {
                *anew = true;
                let piece = (piece + 1 < pieces.len()).then_some(piece);
                if piece.is_some() {
                    self.known.keep_cut(whole);
                }
                self.known.accepted(&runs[at].who, letter, piece);
                return true;
            }
            Err(error) => error,
        };
        // Of the only one the courier says it.
        if runs.len() > 1 {
            let recipient = self.way.label(at);
            tracing::warn!(recipient, %error, "a recipient did not accept a message");
        }
        if let (Retry::Never, Some(lacked)) = (error.retry, &runs[at].lacks) {
            self.known.refuses(&runs[at].who, lacked, &error.text);
        }
        runs[at].ends(error.clone());
        if is_gone {
            for other in runs.iter_mut().filter(|run| !run.left.is_empty()) {
                other.ends(error.clone());
            }
        } else if let Retry::After(asked) = error.retry {
            let spoken_for = if P::ASKS_FOR_ALL { runs.as_slice() } else { &runs[at..=at] };
            self.known.leave_alone(spoken_for, self.account, asked, &error.text);
        }
        true
    }

    /// Whether the service is known not to be dead.
    fn is_answered(&self) -> bool {
        self.state().answered.is_some()
    }

    /// Whose turn it is, and from when on they may be posted to.
    fn take_next(&self) -> Option<(usize, Instant)> {
        let runs = &mut self.state().runs;
        let waiting = runs.iter().enumerate().filter(|(_, run)| !run.busy && !run.left.is_empty());
        // Whoever has to wait by their pace keeps nobody waiting who may be posted to now, not even
        // one who hung.
        let now = Instant::now();
        let turn = |(at, run): (usize, &Run)| {
            let slot = self.known.slot(&run.who, self.way.pace(at));
            (slot > now, self.known.hung(&run.who), slot.max(now), at)
        };
        let (_, _, from, at) = waiting.map(turn).min()?;
        runs[at].busy = true;
        Some((at, from))
    }

    /// What to post to the one whose turn it is; none if they are to be left alone by now.
    fn begin(&self, at: usize) -> Option<(Arc<Vec<Message>>, usize, usize)> {
        let run = &mut self.state().runs[at];
        if let Some(rests) = self.known.rest(&run.who).filter(|_| !run.left.is_empty()) {
            run.ends(rests);
        }
        let Some((message, piece)) = run.left.pop_front() else {
            run.busy = false;
            return None;
        };
        run.asked = true;
        self.known.posting(&run.who, self.way.pace(at));
        Some((Arc::clone(&run.messages), message, piece))
    }

    /// Every change of it is one step, so a panic leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// Somebody does not accept the rest for now.
    fn ends(&mut self, failure: DeliveryError) {
        self.left.clear();
        self.failure = Some(failure);
    }
}

/// What a log calls the recipient at this place of the settings, where their number or address is
/// nobody's business.
pub(super) fn place(at: usize) -> String {
    (at + 1).to_string()
}

/// That the recipient of this place and name accepted what they were asked to.
pub(super) fn fared(way: &impl Post, at: usize, name: &str) -> Fared {
    let (recipient, key) = (way.label(at), RecipientKey::of(name));
    Fared { recipient, key, asked: true, result: Ok(()) }
}

/// How each recipient took what they were to be asked to accept.
fn all_fared(runs: &[Run], way: &impl Post) -> Vec<Fared> {
    let one = |(at, run): (usize, &Run)| {
        let result = run.failure.clone().map_or(Ok(()), Err);
        let (recipient, key, asked) = (way.label(at), run.who.clone(), run.asked);
        (asked || result.is_err()).then_some(Fared { recipient, key, asked, result })
    };
    runs.iter().enumerate().filter_map(one).collect()
}

/// Rule 4: a post that failed for the moment after so long was not answered.
fn is_hanging(result: &Result<(), DeliveryError>, took: Duration) -> bool {
    took >= HANGS && result.as_ref().is_err_and(|error| error.retry == Retry::Later)
}

/// What comes of a letter that fared differently with its recipients; `whole` says whether anybody
/// has all of it, `reached` whether anybody has of it what counts, `anew` whether anything was
/// accepted just now:
///
/// 1. While somebody may still get it, the letter is repeated, as soon as the first of them may be
///    asked again. Where another one has it, only this letter waits: they are to hear what comes
///    next in time. So the only recipient of a channel is never one of several.
/// 2. Else, if anybody was reached, it is accepted. Who refused it stands in the receipt.
/// 3. Else it failed, with the first reason.
pub(super) fn verdict(
    whole: bool,
    reached: bool,
    anew: bool,
    failures: Vec<DeliveryError>,
) -> Result<(), DeliveryError> {
    let wait = |failure: &&DeliveryError| match failure.retry {
        Retry::After(wait) | Retry::Partly { after: wait, .. } => wait,
        Retry::Later | Retry::Never => Duration::ZERO,
    };
    let soonest = failures.iter().filter(|f| f.retry != Retry::Never).min_by_key(wait);
    match soonest {
        Some(soonest) if whole => {
            let retry = Retry::Partly { after: wait(&soonest), works: anew };
            Err(DeliveryError { retry, text: soonest.text.clone() })
        }
        Some(soonest) => Err(soonest.clone()),
        None if reached => Ok(()),
        None => failures.into_iter().next().map_or(Ok(()), Err),
    }
}

#[cfg(test)]
mod tests;
