//! The proof that telling works: a clearly marked test through every channel.

use std::sync::Arc;
use std::time::Duration;

use super::channel::{Hand, Shared, keeps_what_is_on};
use super::{DeliveryError, Fared, Retry, Setup};
use crate::clock::Clock;
use crate::config::Channel;
use crate::model::{ChannelId, NotificationKind};
use crate::texts::test_letter;

/// How a channel took the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// Which channel.
    pub channel: ChannelId,
    /// How long it took, or why it failed.
    pub result: Result<Duration, DeliveryError>,
    /// How each recipient took it, where they can be told apart: with the first failure of each.
    pub recipients: Vec<Fared>,
}

impl TestReport {
    /// Whether everybody took it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.result.is_ok() && self.recipients.iter().all(|fared| fared.result.is_ok())
    }
}

/// Sends a clearly marked test through every channel. What is read by a program that keeps what is
/// on is taken back at once, where the end of an incident is told as well, so that none shows it
/// for ever; people see by its text that it is over, and get one message. Channels are tried at the
/// same time; the reports come in the order of the settings. Nothing is tried twice and nothing
/// touches the outbox.
pub async fn test_alert(setup: &Setup, clock: Clock) -> Vec<TestReport> {
    let shared = Shared::new(clock);
    let style = Arc::new(setup.style.clone());
    let trials: Vec<_> = setup
        .channels
        .iter()
        .map(|channel| {
            let hand = Hand::new(channel, &style, &shared, None);
            (channel.id.clone(), tokio::spawn(try_channel(hand, channel.clone(), clock)))
        })
        .collect();
    let mut reports = Vec::with_capacity(trials.len());
    for (channel, trial) in trials {
        let (result, recipients) = trial.await.unwrap_or_else(|_| {
            let text = "the delivery ended in a fault of this program".to_owned();
            (Err(DeliveryError { retry: Retry::Never, text }), Vec::new())
        });
        reports.push(TestReport { channel, result, recipients });
    }
    reports
}

async fn try_channel(
    hand: Hand,
    channel: Channel,
    clock: Clock,
) -> (Result<Duration, DeliveryError>, Vec<Fared>) {
    let began = clock.now();
    let test = |kind| test_letter(&channel.id, kind, began.wall);
    let mut receipt = hand.deliver(&test(NotificationKind::Firing)).await;
    if receipt.result.is_ok() && channel.send_resolved && keeps_what_is_on(&channel.kind) {
        let over = hand.deliver(&test(NotificationKind::Resolved)).await;
        receipt.result = over.result;
    }
    (receipt.result.map(|()| clock.mono() - began.mono), receipt.recipients)
}
