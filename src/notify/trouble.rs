//! When telling people does not work, as far as that is this monitor's own trouble. Pure.

use std::time::Duration;

use crate::model::{ChannelStatus, Mono};

/// How long every channel has to fail. Shorter, a receiver that restarts would be an incident.
const PATIENCE: Duration = Duration::from_secs(30);

/// The channels through which nobody is told anything any more: all of them fail, and have done so
/// for a while. One that fails while others work is told by its fallback and by the metrics.
///
/// The words stay the same while it lasts.
#[must_use]
pub fn trouble(channels: &[ChannelStatus], now: Mono) -> Option<String> {
    let fails =
        |channel: &ChannelStatus| channel.failing_from.is_some_and(|from| now - from >= PATIENCE);
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

    fn channel(id: &str, failing_from: Option<Mono>) -> ChannelStatus {
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
            failing_since: None,
            failing_from,
            last_error: None,
            last_delivered: None,
            drills: Vec::new(),
        }
    }

    #[test]
    fn it_is_trouble_when_every_channel_has_failed_for_a_while() {
        let at = |seconds| Mono::ZERO + Duration::from_secs(seconds);
        let (now, long) = (at(130), Some(at(100)));
        let told = trouble(&[channel("duty", long), channel("sms", long)], now);
        assert_eq!(told.as_deref(), Some("duty, sms"));
        assert_eq!(trouble(&[channel("duty", long), channel("sms", None)], now), None);
        assert_eq!(trouble(&[channel("duty", Some(at(101)))], now), None);
        assert_eq!(trouble(&[], now), None);
    }
}
