//! What other rooms count themselves: store and outbox.
//!
//! Their counters live where the work is done; here they are only written down.

use std::time::Duration;

use serde::Serialize;

use crate::model::ChannelId;

use super::table;
use super::text::{Family, push_label};

/// How the store does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreView {
    /// Why changes cannot be committed at present, in plain words; none when they can.
    pub trouble: Option<String>,
    /// Commits that failed since the start, each kept to be tried again.
    pub failures: u64,
    /// Size of the database in bytes.
    pub bytes: u64,
}

/// How deliveries to one channel do. Counters grow from the start of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelView {
    /// The channel.
    pub id: ChannelId,
    /// Messages that wait.
    pub queued: u64,
    /// Age of the oldest of them; zero when none waits.
    #[serde(serialize_with = "as_seconds", rename = "oldest_age_seconds")]
    pub oldest_age: Duration,
    /// Messages that the channel accepted.
    pub delivered: u64,
    /// Messages given up because the channel refused them for good.
    pub failed: u64,
    /// Attempts that failed and are repeated.
    pub retried: u64,
    /// What the last failed attempt said; none after a success.
    pub trouble: Option<String>,
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

/// A counter of a channel.
type Count = fn(&ChannelView) -> u64;

/// Appends the families of store and outbox.
pub(super) fn write(store: &StoreView, channels: &[ChannelView], out: &mut String) {
    Family::new(out, &table::STORE_TROUBLE).series("", store.trouble.is_some());
    Family::new(out, &table::STORE_FAILURES).series("", store.failures);
    Family::new(out, &table::STORE_BYTES).series("", store.bytes);

    let labels: Vec<String> = channels
        .iter()
        .map(|channel| {
            let mut label = String::new();
            push_label(&mut label, "channel", channel.id.as_str());
            label
        })
        .collect();
    let counts: [(_, Count); 4] = [
        (&table::OUTBOX_QUEUED, |channel| channel.queued),
        (&table::DELIVERED, |channel| channel.delivered),
        (&table::GIVEN_UP, |channel| channel.failed),
        (&table::RETRIED, |channel| channel.retried),
    ];
    for (metric, count) in counts {
        let mut family = Family::new(out, metric);
        for (label, channel) in labels.iter().zip(channels) {
            family.series(label, count(channel));
        }
    }
    let mut family = Family::new(out, &table::OUTBOX_OLDEST);
    for (label, channel) in labels.iter().zip(channels) {
        family.series(label, channel.oldest_age);
    }
}
