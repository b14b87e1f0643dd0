//! The proof that telling works: a clearly marked test through every channel.

use std::sync::Arc;
use std::time::Duration;

use super::channel::Hand;
use super::http::Http;
use super::{CourierError, DeliveryError, Retry, Setup};
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
}

/// Sends a clearly marked test through every channel and, where the end of an incident is told as
/// well, takes it back at once, so that no receiver shows it for ever. Channels are tried at the
/// same time; the reports come in the order of the settings. Nothing is tried twice and nothing
/// touches the outbox.
///
/// # Errors
/// When encrypted connections cannot be set up.
pub async fn test_alert(setup: &Setup, clock: Clock) -> Result<Vec<TestReport>, CourierError> {
    let http = Http::new(clock).map_err(CourierError::Http)?;
    let style = Arc::new(setup.style.clone());
    let trials: Vec<_> = setup
        .channels
        .iter()
        .map(|channel| {
            let hand = Hand::new(channel, &style, &http, None);
            (channel.id.clone(), tokio::spawn(try_channel(hand, channel.clone(), clock)))
        })
        .collect();
    let mut reports = Vec::with_capacity(trials.len());
    for (channel, trial) in trials {
        let result = trial.await.unwrap_or_else(|_| {
            let text = "the delivery ended in a fault of this program".to_owned();
            Err(DeliveryError { retry: Retry::Never, text })
        });
        reports.push(TestReport { channel, result });
    }
    Ok(reports)
}

async fn try_channel(
    hand: Hand,
    channel: Channel,
    clock: Clock,
) -> Result<Duration, DeliveryError> {
    let began = clock.now();
    for kind in [NotificationKind::Firing, NotificationKind::Resolved] {
        if kind == NotificationKind::Firing || channel.send_resolved {
            hand.deliver(&test_letter(&channel.id, kind, began.wall)).await?;
        }
    }
    Ok(clock.mono() - began.mono)
}
