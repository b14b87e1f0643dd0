//! The proof that telling works: a clearly marked test through every channel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::channel::Hand;
use super::http::Http;
use super::{CourierError, DeliveryError, Item, Letter, Retry, Setup};
use crate::clock::Clock;
use crate::config::Channel;
use crate::model::{
    Alert, Cause, ChannelId, Incident, IncidentId, Notification, NotificationId, NotificationKind,
    Phase, Severity,
};

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

/// A letter that tells of nothing but itself.
pub(super) fn test_letter(
    channel: &ChannelId,
    kind: NotificationKind,
    now: jiff::Timestamp,
) -> Letter {
    let incident = IncidentId::new(format!("test-{channel}-{}", now.as_second()));
    let id = NotificationId::new(format!("{incident}-{}", kind.word()));
    let alert = Alert {
        incident: Incident {
            id: incident,
            cause: Cause::Monitor,
            site: None,
            endpoint: None,
            check: None,
            common: None,
            began: now,
            opened: now,
            resolved: (kind == NotificationKind::Resolved).then_some(now),
            severity: Severity::Info,
            affected: Vec::new(),
            of: 0,
            delegates: 0,
            session: None,
            evidence: Vec::new(),
            ack: None,
            held_back: Vec::new(),
            waiting_since: None,
            flapping: false,
            relapses: Vec::new(),
            absorbed_by: None,
            resolution: None,
            told: Vec::new(),
        },
        site_name: String::new(),
        level: String::new(),
        level_name: String::new(),
        parent: String::new(),
        parent_name: String::new(),
        contacts: Vec::new(),
        names: BTreeMap::new(),
        phase: Phase::Idle,
        session_title: None,
        session_start: None,
    };
    let notification =
        Notification { id: id.clone(), channel: channel.clone(), kind, created: now, alert };
    Letter {
        id,
        channel: channel.clone(),
        created: now,
        items: vec![Item { told_as: kind, notification: Arc::new(notification) }],
        test: true,
    }
}
