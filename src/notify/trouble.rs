//! When telling people does not work, as far as that is this monitor's own trouble. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::ChannelStatus;

/// How long every channel has to fail. Shorter, a receiver that restarts would be an incident.
const PATIENCE: Duration = Duration::from_secs(30);

/// The channels through which nobody is told anything any more: all of them fail, and have done so
/// for a while. One that fails while others work is told by its fallback and by the metrics.
///
/// The words stay the same while it lasts.
#[must_use]
pub fn trouble(channels: &[ChannelStatus], now: Timestamp) -> Option<String> {
    let fails = |channel: &ChannelStatus| {
        let patience = SignedDuration::try_from(PATIENCE).unwrap_or_default();
        channel.failing_since.is_some_and(|since| now.duration_since(since) >= patience)
    };
    if channels.is_empty() || !channels.iter().all(fails) {
        return None;
    }
    let names: Vec<&str> = channels.iter().map(|channel| channel.id.as_str()).collect();
    Some(names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelId;

    fn channel(id: &str, failing_since: Option<&str>) -> ChannelStatus {
        ChannelStatus {
            id: ChannelId::new(id),
            kind: "webhook".to_owned(),
            queued: 1,
            delivered: 0,
            failed: 0,
            retried: 0,
            withdrawn: 0,
            fallen_back: 0,
            oldest: None,
            failing_since: failing_since.map(|at| at.parse().unwrap()),
            last_error: None,
            last_delivered: None,
            drill: None,
        }
    }

    #[test]
    fn it_is_trouble_when_every_channel_has_failed_for_a_while() {
        let now = "2026-02-03T01:00:30Z".parse().unwrap();
        let long = Some("2026-02-03T01:00:00Z");
        let told = trouble(&[channel("duty", long), channel("sms", long)], now);
        assert_eq!(told.as_deref(), Some("duty, sms"));
        assert_eq!(trouble(&[channel("duty", long), channel("sms", None)], now), None);
        assert_eq!(trouble(&[channel("duty", Some("2026-02-03T01:00:01Z"))], now), None);
        assert_eq!(trouble(&[], now), None);
    }
}
