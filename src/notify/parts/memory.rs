//! Who of a channel's recipients was told what, refuses what, and how each may be posted to: what
//! is remembered of them from one attempt to the next, and on record for a restart.
//!
//! How much is remembered is bounded, whatever never ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Message, Pace, Post, Run};
use crate::model::{IncidentId, NotificationId, NotificationKind};
use crate::notify::queue::LONGEST_ASKED;
use crate::notify::{DeliveryError, Fared, HeardOf, Item, Letter, Retry};
use crate::store::{self, Has, RecipientKey};

/// Incidents that a recipient is known to have been told of while others still are to be.
pub(super) const REMEMBERED: usize = 512;
/// Texts of which the beginning is known to have been accepted while the rest was not.
pub(super) const BEGUN: usize = 64;

/// What a channel knows of its recipients.
#[derive(Debug, Default)]
pub(in crate::notify) struct Recipients {
    known: Mutex<BTreeMap<RecipientKey, Recipient>>,
    cut: Mutex<VecDeque<Cut>>,
    /// Counts the accounts through which they were reached.
    account: AtomicU32,
}

/// A text in the pieces of which somebody has the first. Written anew it may say less, and the cut
/// would lie elsewhere: some of it would be in neither piece that they get.
#[derive(Debug)]
struct Cut {
    incident: IncidentId,
    message: NotificationId,
    pieces: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Recipient {
    /// What they were told last of incidents that may be told again, the oldest first.
    pub(super) heard: VecDeque<Heard>,
    /// Longer texts of which they have the beginning.
    pub(super) begun: VecDeque<Begun>,
    /// The last message that they refused for good, of each incident that may be told again.
    pub(super) refused: VecDeque<Refused>,
    /// When they were posted to of late.
    posts: VecDeque<Instant>,
    /// Until when they asked to be left alone, and in which words.
    rest: Option<(Instant, String)>,
    /// Whether the last post to them hung.
    hung: bool,
}

#[derive(Debug)]
pub(super) struct Heard {
    incident: IncidentId,
    message: NotificationId,
    told_as: NotificationKind,
}

/// A text that leaves in pieces, of which the first so many have arrived.
#[derive(Debug)]
pub(super) struct Begun {
    incident: IncidentId,
    message: NotificationId,
    pieces: usize,
}

/// A message that somebody refused for good.
#[derive(Debug)]
pub(super) struct Refused {
    incident: IncidentId,
    message: NotificationId,
    why: String,
}

impl Recipients {
    /// What a recipient lacks of a letter; none if they have it all.
    pub(in crate::notify) fn lacks(&self, name: &str, letter: &Letter) -> Option<Letter> {
        let all = self.all();
        let Some(recipient) = all.get(&RecipientKey::of(name)) else { return Some(letter.clone()) };
        let items = letter.items.iter().filter_map(|item| recipient.lacks(item)).collect();
        drop(all);
        letter.only(items)
    }

    /// Who has what of a letter, as far as that is remembered for a repeat.
    pub(in crate::notify) fn heard(&self, letter: &Letter) -> HeardOf {
        let all = self.all();
        let mut heard = HeardOf::new();
        for about in letter.items.iter().map(|item| &item.notification.alert.incident.id) {
            let its: Vec<_> = all.iter().flat_map(|(who, it)| it.heard_of(who, about)).collect();
            if !its.is_empty() {
                heard.insert(about.clone(), its);
            }
        }
        heard
    }

    /// Takes up who had a message about an incident when the daemon ended.
    pub(in crate::notify) fn recall(&self, incident: &IncidentId, heard: &[store::Heard]) {
        let mut all = self.all();
        for store::Heard { recipient, message, has } in heard {
            let recipient = all.entry(recipient.clone()).or_default();
            let (incident, message) = (incident.clone(), message.clone());
            match has.clone() {
                Has::Whole(told_as) => recipient.hears(Heard { incident, message, told_as }),
                Has::Pieces(pieces) => recipient.begins(Begun { incident, message, pieces }),
                Has::Refused(why) => recipient.refuses(Refused { incident, message, why }),
            }
        }
    }

    /// Those who refused something of a letter for good when it was offered to them before.
    pub(in crate::notify) fn refusing(&self, letter: &Letter, way: &impl Post) -> Vec<Fared> {
        let one = |(at, name): (usize, String)| {
            let key = RecipientKey::of(&name);
            let error = self.refusal(&key, letter)?;
            Some(Fared { recipient: way.label(at), key, asked: false, result: Err(error) })
        };
        way.names().into_iter().enumerate().filter_map(one).collect()
    }

    pub(super) fn has(&self, who: &RecipientKey, message: &Letter, piece: usize) -> bool {
        let all = self.all();
        let mut begun = all.get(who).into_iter().flat_map(|recipient| &recipient.begun);
        begun.any(|it| it.message == message.id && piece < it.pieces)
    }

    /// Why somebody has not got a letter, who refused something of it for good before.
    pub(super) fn refusal(&self, who: &RecipientKey, letter: &Letter) -> Option<DeliveryError> {
        let all = self.all();
        let recipient = all.get(who)?;
        let refused = letter.items.iter().find_map(|item| recipient.refused(&item.notification.id));
        refused.map(|it| DeliveryError { retry: Retry::Never, text: it.why.clone() })
    }

    /// When somebody may be posted to by the pace.
    pub(super) fn slot(&self, who: &RecipientKey, pace: Pace) -> Instant {
        let all = self.all();
        let now = Instant::now();
        let Some(posts) = all.get(who).map(|recipient| &recipient.posts) else { return now };
        let apart = posts.back().map(|last| *last + pace.apart);
        let within = pace.most.and_then(|(most, within)| {
            posts.iter().rev().nth(most.saturating_sub(1)).map(|first| *first + within)
        });
        apart.into_iter().chain(within).max().unwrap_or(now).max(now)
    }

    pub(super) fn posting(&self, who: &RecipientKey, pace: Pace) {
        let mut all = self.all();
        let posts = &mut all.entry(who.clone()).or_default().posts;
        posts.push_back(Instant::now());
        while posts.len() > pace.most.map_or(1, |(most, _)| most.max(1)) {
            posts.pop_front();
        }
    }

    /// What somebody said who asked for time that is not over.
    pub(super) fn rest(&self, who: &RecipientKey) -> Option<DeliveryError> {
        let all = self.all();
        let (until, text) = all.get(who)?.rest.as_ref()?;
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        Some(DeliveryError { retry: Retry::After(left), text: text.clone() })
    }

    pub(super) fn hung(&self, who: &RecipientKey) -> bool {
        self.all().get(who).is_some_and(|recipient| recipient.hung)
    }

    pub(super) fn note_hung(&self, who: &RecipientKey, hung: bool) {
        if let Some(recipient) = self.all().get_mut(who) {
            recipient.hung = hung;
        }
    }

    /// Somebody asked for time, who was posted to through this account.
    pub(super) fn leave_alone(&self, runs: &[Run], account: u32, asked: Duration, text: &str) {
        let mut all = self.all();
        if account != self.account() {
            return;
        }
        let until = Instant::now() + asked.min(LONGEST_ASKED);
        for run in runs {
            all.entry(run.who.clone()).or_default().rest = Some((until, text.to_owned()));
        }
    }

    /// They are reached through another account from now on, to which nobody said anything yet.
    pub(in crate::notify) fn change_account(&self) {
        let mut all = self.all();
        self.account.fetch_add(1, Ordering::Relaxed);
        all.values_mut().for_each(|recipient| recipient.rest = None);
    }

    /// Through which account they are reached.
    pub(in crate::notify) fn account(&self) -> u32 {
        self.account.load(Ordering::Relaxed)
    }

    /// Remembers that somebody accepted a message, or a piece of it with others to come.
    pub(super) fn accepted(&self, who: &RecipientKey, message: &Letter, piece: Option<usize>) {
        let mut all = self.all();
        let recipient = all.entry(who.clone()).or_default();
        let incident = |item: &Item| item.notification.alert.incident.id.clone();
        if let Some((piece, item)) = piece.zip(message.items.first()) {
            let (incident, message) = (incident(item), message.id.clone());
            recipient.begins(Begun { incident, message, pieces: piece + 1 });
            return;
        }
        recipient.begun.retain(|begun| begun.message != message.id);
        for item in &message.items {
            let (incident, message) = (incident(item), item.notification.id.clone());
            recipient.hears(Heard { incident, message, told_as: item.told_as });
        }
    }

    /// Remembers how a text was cut of which somebody has accepted a piece.
    pub(super) fn keep_cut(&self, message: &Message) {
        let Some(item) = message.letter.items.first() else { return };
        let incident = item.notification.alert.incident.id.clone();
        let (id, pieces) = (message.letter.id.clone(), message.pieces.clone());
        let mut cut = self.cut();
        if cut.iter().all(|it| it.message != id) {
            cut.push_back(Cut { incident, message: id, pieces });
            if cut.len() > BEGUN {
                cut.pop_front();
            }
        }
    }

    /// The messages with those texts as they were when the first piece was accepted.
    pub(super) fn as_begun(&self, mut messages: Vec<Message>) -> Vec<Message> {
        let cut = self.cut();
        for message in &mut messages {
            if let Some(known) = cut.iter().find(|it| it.message == message.letter.id) {
                message.pieces.clone_from(&known.pieces);
            }
        }
        messages
    }

    /// Remembers that somebody refused for good what they lacked of a letter.
    pub(super) fn refuses(&self, who: &RecipientKey, lacked: &Letter, why: &str) {
        let mut all = self.all();
        let recipient = all.entry(who.clone()).or_default();
        for notification in lacked.items.iter().map(|item| &item.notification) {
            let (message, why) = (notification.id.clone(), why.to_owned());
            if recipient.heard.iter().all(|heard| heard.message != message) {
                let incident = notification.alert.incident.id.clone();
                recipient.refuses(Refused { incident, message, why });
            }
        }
    }

    /// Forgets who refused a letter.
    pub(super) fn forget_refusals(&self, letter: &Letter) {
        for recipient in self.all().values_mut() {
            recipient.refused.retain(|it| !is_about(letter, &it.incident));
        }
    }

    /// Forgets a letter that will not be repeated.
    pub(in crate::notify) fn forget(&self, letter: &Letter) {
        self.forget_refusals(letter);
        for recipient in self.all().values_mut() {
            recipient.heard.retain(|heard| !is_about(letter, &heard.incident));
            recipient.begun.retain(|begun| !is_about(letter, &begun.incident));
        }
        self.cut().retain(|cut| !is_about(letter, &cut.incident));
    }

    /// Every change of it is one step, so a panic leaves it whole.
    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<RecipientKey, Recipient>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same of this.
    fn cut(&self) -> MutexGuard<'_, VecDeque<Cut>> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recipient {
    /// Rules 1 and 6, for one incident.
    fn lacks(&self, item: &Item) -> Option<Item> {
        use NotificationKind::Firing;
        let notification = &item.notification;
        if self.refused(&notification.id).is_some() {
            return None;
        }
        let about = &notification.alert.incident.id;
        let Some(heard) = self.heard.iter().find(|heard| heard.incident == *about) else {
            return Some(item.clone());
        };
        if heard.message == notification.id {
            return None;
        }
        // What others have not heard yet stands in what it is told as.
        let known = item.told_as == Firing || item.told_as == heard.told_as;
        let told_as = if known { notification.kind } else { item.told_as };
        Some(Item { told_as, ..item.clone() })
    }

    fn refused(&self, message: &NotificationId) -> Option<&Refused> {
        self.refused.iter().find(|it| it.message == *message)
    }

    fn refuses(&mut self, news: Refused) {
        self.refused.retain(|it| it.incident != news.incident);
        self.refused.push_back(news);
        if self.refused.len() > REMEMBERED {
            self.refused.pop_front();
        }
    }

    fn hears(&mut self, news: Heard) {
        self.heard.retain(|heard| heard.incident != news.incident);
        self.heard.push_back(news);
        if self.heard.len() > REMEMBERED {
            self.heard.pop_front();
        }
    }

    fn begins(&mut self, news: Begun) {
        self.begun.retain(|begun| begun.message != news.message);
        self.begun.push_back(news);
        if self.begun.len() > BEGUN {
            self.begun.pop_front();
        }
    }

    /// What this one has that is about an incident, or refuses, for the record.
    fn heard_of(&self, who: &RecipientKey, about: &IncidentId) -> Vec<store::Heard> {
        let whole = self.heard.iter().filter(|heard| heard.incident == *about);
        let whole = whole.map(|heard| (&heard.message, Has::Whole(heard.told_as)));
        let begun = self.begun.iter().filter(|begun| begun.incident == *about);
        let begun = begun.map(|begun| (&begun.message, Has::Pieces(begun.pieces)));
        let refused = self.refused.iter().filter(|it| it.incident == *about);
        let refused = refused.map(|it| (&it.message, Has::Refused(it.why.clone())));
        let all = whole.chain(begun).chain(refused).map(|(message, has)| store::Heard {
            recipient: who.clone(),
            message: message.clone(),
            has,
        });
        all.collect()
    }
}

fn is_about(letter: &Letter, incident: &IncidentId) -> bool {
    letter.items.iter().any(|item| item.notification.alert.incident.id == *incident)
}
