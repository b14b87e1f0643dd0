//! Who has not been reached with what a letter tells, so that it names nobody as told who is not,
//! and its reader phones them.
//!
//! What the brain knows is whom it meant to tell; whether that has got through stands in the lines.
//! It is looked up when a letter leaves, and anew for each repeat.
//!
//! 1. What a channel has accepted is told, and so is what one of its recipients has.
//! 2. What has failed is not told until it is accepted, and neither is what waits in a channel
//!    whose last attempt failed, be it before a restart: it would fail as well.
//! 3. What was never tried in a channel that works is about to be told, often in the same second:
//!    it counts as told, but for no longer than [`ABOUT_TO_BE`]. Whoever has not accepted it by
//!    then hangs or has a long line, and its people do not know. What waited when the daemon ended
//!    is not about to be told: nobody knows for how long it has hung.
//! 4. Where another channel stands in, it is that one which has told it, unless it has not got
//!    through either.
//! 5. What was given up is not told either, as when a reload takes its channel away, until the
//!    channel takes something about the same or that is over. What is decided later knows it by
//!    itself; what waits by then does not.
//! 6. What is over is no reason to phone anybody.

use std::time::Duration;

use super::Queue;
use super::entry::Entry;
use super::line::Line;
use crate::model::{ChannelId, IncidentId, Now};
use crate::notify::Letter;
use crate::texts::Untold;

/// What was given up that is remembered: more than there is at a time.
const MOST: usize = 4_096;

/// How long a message counts as told that was not tried yet or is under way for the first time:
/// about as long as most channels wait for an answer.
pub(super) const ABOUT_TO_BE: Duration = Duration::from_secs(10);

impl Queue {
    /// Notes in a letter that leaves who has not been reached with what it tells.
    pub(super) fn note_untold(&self, letter: &mut Letter, now: Now) {
        for item in &mut letter.items {
            let about = &item.notification.alert.incident.id;
            let others = self.lines.iter().filter(|(channel, _)| **channel != letter.channel);
            item.untold = others.filter_map(|(_, line)| line.untold(about, now)).collect();
            let on_its_way =
                |channel| self.lines.get(channel).is_some_and(|it| it.is_to_tell(about));
            let given_up = self.given_up.iter().filter(|(incident, it)| {
                incident == about && it.channel != letter.channel && !on_its_way(&it.channel)
            });
            item.untold.extend(given_up.map(|(_, it)| it.clone()));
            let lacking: Vec<_> = item.untold.iter().map(|it| it.channel.clone()).collect();
            for it in &mut item.untold {
                it.through = it.through.take().filter(|through| !lacking.contains(through));
            }
        }
    }
}

impl Queue {
    /// Rule 5: takes in what lines gave up.
    pub(super) fn note_given_up(&mut self) {
        for (about, new) in std::mem::take(&mut self.output.given_up) {
            let is_it = |(incident, it): &&mut (IncidentId, Untold)| {
                *incident == about && it.channel == new.channel
            };
            match self.given_up.iter_mut().find(is_it) {
                Some((_, known)) => {
                    known.nth = known.nth.min(new.nth);
                    known.through = new.through.or(known.through.take());
                }
                None => self.given_up.push_back((about, new)),
            }
        }
        while self.given_up.len() > MOST {
            self.given_up.pop_front();
        }
    }

    /// Rule 5: a channel has taken these.
    pub(super) fn forget_given_up(&mut self, channel: &ChannelId, taken: &[Entry]) {
        self.note_given_up();
        self.given_up.retain(|(about, it)| {
            it.channel != *channel
                || !taken.iter().any(|entry| entry.notification.alert.incident.id == *about)
        });
    }
}

impl Line {
    /// Whether it has anything to tell of an incident that is on.
    fn is_to_tell(&self, about: &IncidentId) -> bool {
        self.on_their_way()
            .any(|entry| entry.notification.alert.incident.id == *about && !entry.is_over())
    }

    /// The oldest that the channel has not got through with about an incident, if anything.
    fn untold(&self, about: &IncidentId, now: Now) -> Option<Untold> {
        let waiting = self.waiting.iter().map(|entry| (entry.attempts > 0, entry));
        let under_way = self.under_way.values().flatten().map(|entry| (entry.attempts > 1, entry));
        let its = waiting.chain(under_way).filter(|(_, entry)| {
            entry.notification.alert.incident.id == *about && !entry.is_over()
        });
        let (has_failed, oldest) = its.min_by_key(|(_, entry)| entry.order)?;
        let hangs = now.mono >= oldest.hangs_at;
        let lacks = has_failed || hangs || self.failed_first.is_some();
        (lacks && !oldest.is_told_to_some()).then(|| Untold {
            channel: self.status.id.clone(),
            nth: oldest.nth,
            through: oldest.fallback.clone(),
        })
    }
}
