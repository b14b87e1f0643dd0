//! Who has not been reached with what a letter tells, so that it names nobody as told who is not,
//! and its reader phones them.
//!
//! What the brain knows is whom it meant to tell; whether that has got through stands in the lines.
//! It is looked up when a letter leaves, and anew for each repeat.
//!
//! 1. What a channel has accepted is told, and so is what one of its recipients has.
//! 2. What has failed is not told until it is accepted, and neither is what waits in a channel
//!    whose last attempt failed: it would fail as well.
//! 3. What was never tried in a channel that works is about to be told, often in the same second:
//!    it counts as told, but for no longer than [`ABOUT_TO_BE`]. Whoever has not accepted it by
//!    then hangs or has a long line, and its people do not know. What waited when the daemon ended
//!    is not about to be told: nobody knows for how long it has hung.
//! 4. Where another channel stands in, it is that one which has told it, unless it has not got
//!    through either.
//! 5. What is over is no reason to phone anybody.

use std::time::Duration;

use super::Queue;
use super::line::Line;
use crate::model::{IncidentId, Now};
use crate::notify::Letter;
use crate::texts::Untold;

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
            let lacking: Vec<_> = item.untold.iter().map(|it| it.channel.clone()).collect();
            for it in &mut item.untold {
                it.through = it.through.take().filter(|through| !lacking.contains(through));
            }
        }
    }
}

impl Line {
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
