//! What store and courier count themselves.
//!
//! Their counters live where the work is done; here they are only written down.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{ChannelStatus, StoreStatus};

use super::table;
use super::text::{Family, Page, push_label};

/// A counter of a channel.
type Count = fn(&ChannelStatus) -> u64;

/// Appends the families of store and outbox as they stand at `now`.
pub(super) fn write(
    store: &StoreStatus,
    channels: &[ChannelStatus],
    now: Timestamp,
    out: &mut Page<'_>,
) {
    Family::new(out, &table::STORE_TROUBLE).series("", store.trouble.is_some());
    Family::new(out, &table::STORE_WAITING).series("", store.waiting);
    Family::new(out, &table::STORE_COMMITS).series("", store.commits);
    Family::new(out, &table::STORE_FAILURES).series("", store.failures);
    Family::new(out, &table::STORE_LAST_COMMIT).series("", store.last_commit);
    Family::new(out, &table::STORE_LOST).series("", store.lost_rollups);
    Family::new(out, &table::STORE_BYTES).series("", store.bytes);

    let labels: Vec<String> = channels
        .iter()
        .map(|channel| {
            let mut label = String::new();
            push_label(&mut label, "channel", channel.id.as_str());
            label
        })
        .collect();
    let counts: [(_, Count); 9] = [
        (&table::OUTBOX_QUEUED, |channel| u64::from(channel.queued)),
        (&table::CHANNEL_FAILING, |channel| u64::from(channel.failing_since.is_some())),
        (&table::DELIVERED, |channel| channel.delivered),
        (&table::GIVEN_UP, |channel| channel.failed),
        (&table::REFUSED, |channel| channel.refused),
        (&table::REFUSING, |channel| channel.refusing.len() as u64),
        (&table::RETRIED, |channel| channel.retried),
        (&table::WITHDRAWN, |channel| channel.withdrawn),
        (&table::FALLEN_BACK, |channel| channel.fallen_back),
    ];
    for (metric, count) in counts {
        let mut family = Family::new(out, metric);
        for (label, channel) in labels.iter().zip(channels) {
            family.series(label, count(channel));
        }
    }
    type Since = fn(&ChannelStatus) -> Option<Timestamp>;
    let ages: [(_, Since); 2] = [
        (&table::OUTBOX_OLDEST, |channel| channel.oldest),
        (&table::OUTBOX_UNTOLD, |channel| channel.untold),
    ];
    for (metric, since) in ages {
        let mut family = Family::new(out, metric);
        for (label, channel) in labels.iter().zip(channels) {
            family.series(label, age(since(channel), now));
        }
    }
}

/// Age of what waits since then; zero when nothing does or the clock was set back meanwhile.
fn age(since: Option<Timestamp>, now: Timestamp) -> Duration {
    let age = since.map(|since| now.duration_since(since));
    age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
}
