//! The sections of `vchealth.yaml` on how people are told: grouping, drills, escalation, reminders,
//! acks, quiet hours, heartbeat.

use std::time::Duration;

use super::{DAY, HOUR, MINUTE, SECOND};
use crate::config::channels::{address, some, web_address};
use crate::config::defaults;
use crate::config::diagnostic::Findings;
use crate::config::people::{self, Names};
use crate::config::read::{Fields, duration, word, written as written_time};
use crate::config::routes::{SEVERITIES, SOONEST};
use crate::config::settings::{
    AckSettings, DrillSettings, EscalationSettings, HeartbeatSettings, PhaseTimes, QuietSettings,
    ReminderSettings, Settings,
};
use crate::config::yaml::{Node, Value};
use crate::model::Paces;

pub(super) fn grouping(node: &Node, out: &Findings) -> Option<Paces> {
    let default = Settings::default().grouping;
    let mut fields = Fields::of(node, "`grouping`", out)?;
    let wait = || duration(Duration::ZERO..=10 * MINUTE);
    let read = Paces {
        idle: fields.read("idle", default.idle, wait()),
        readiness: fields.read("readiness", default.readiness, wait()),
        live: fields.read("live", default.live, wait()),
        wrap_up: fields.read("wrap_up", default.wrap_up, wait()),
    };
    fields.end();
    Some(read)
}

pub(super) fn drill(node: &Node, out: &Findings) -> Option<DrillSettings> {
    let default = DrillSettings::default();
    let mut fields = Fields::of(node, "`drill`", out)?;
    let read = DrillSettings {
        before: fields.read("before", default.before, duration(Duration::ZERO..=7 * DAY)),
        accept_within: fields.read("accept_within", default.accept_within, duration(SECOND..=HOUR)),
    };
    if !read.before.is_zero() && read.before <= read.accept_within {
        let reason = "a drill would not be over when the session begins: `before` has to be longer \
                      than `accept_within`";
        out.say(fields.at("before"), reason);
    }
    fields.end();
    Some(read)
}

pub(super) fn escalation(node: &Node, out: &Findings) -> Option<EscalationSettings> {
    let default = EscalationSettings::default();
    let mut fields = Fields::of(node, "`escalation`", out)?;
    let lengths = || duration(SOONEST..=DAY);
    let after = fields.read("after", default.after, lengths());
    let live = fields.read("live", default.live.min(after), lengths());
    if live > after {
        out.say(fields.at("live"), "`live` is longer than `after`");
    }
    fields.end();
    Some(EscalationSettings { after, live })
}

pub(super) fn reminders(node: &Node, out: &Findings) -> Option<ReminderSettings> {
    let default = ReminderSettings::default();
    let mut fields = Fields::of(node, "`reminders`", out)?;
    let read = ReminderSettings {
        unacknowledged: fields.read("unacknowledged", default.unacknowledged, |node, out| {
            times(node, default.unacknowledged, "none", out)
        }),
        acknowledged: fields.read("acknowledged", default.acknowledged, |node, out| {
            times(node, default.acknowledged, "none", out)
        }),
    };
    fields.end();
    Some(read)
}

pub(super) fn acks(node: &Node, out: &Findings) -> Option<AckSettings> {
    let default = AckSettings::default();
    let mut fields = Fields::of(node, "`acks`", out)?;
    let lasts =
        fields.read("lasts", default.lasts, |node, out| times(node, default.lasts, "over", out));
    fields.end();
    Some(AckSettings { lasts })
}

/// One time for all phases, or one for each that is named; `never` stands for none.
fn times(node: &Node, default: PhaseTimes, never: &str, out: &Findings) -> Option<PhaseTimes> {
    let time = |node: &Node, out: &Findings| {
        let never = node.scalar().is_some_and(|scalar| scalar.text == never);
        if never { Some(None) } else { duration(5 * MINUTE..=7 * DAY)(node, out).map(Some) }
    };
    if !matches!(node.value, Value::Map(_)) {
        let all = time(node, out)?;
        return Some(PhaseTimes { idle: all, readiness: all, live: all, wrap_up: all });
    }
    let mut fields = Fields::of(node, "times by phase", out)?;
    let read = PhaseTimes {
        idle: fields.read("idle", default.idle, time),
        readiness: fields.read("readiness", default.readiness, time),
        live: fields.read("live", default.live, time),
        wrap_up: fields.read("wrap_up", default.wrap_up, time),
    };
    fields.end();
    Some(read)
}

/// Reminders leave two messages of the hour for the end and for what comes back after it.
pub(super) fn within_the_limit(settings: &Settings, file: &Fields<'_>) {
    let (Settings { reminders, flapping, .. }, written) = (settings, file.has("reminders"));
    let times = [reminders.unacknowledged.shortest(), reminders.acknowledged.shortest()];
    let Some(shortest) = times.into_iter().flatten().min() else { return };
    let hourly = HOUR.as_secs().div_ceil(shortest.as_secs().max(1));
    let least = hourly + 2;
    if u64::from(flapping.messages_per_hour) >= least {
        return;
    }
    if !written {
        // Nobody asked for the reminders of the defaults; there are as many as the limit allows.
        return;
    }
    let reason = format!(
        "reminders every {} need `flapping.messages_per_hour` of at least {least}, it is {}",
        written_time(shortest),
        flapping.messages_per_hour
    );
    let hint = "two messages an hour are kept for the end and for what comes back after it";
    file.out.hint(file.at("reminders"), reason, hint.to_owned());
}

pub(super) fn quiet(node: &Node, names: &Names, out: &Findings) -> Option<QuietSettings> {
    let default = QuietSettings::default();
    let mut fields = Fields::of(node, "`quiet_hours`", out)?;
    let hours = fields.read("hours", default.hours, |node, out| {
        let never = node.scalar().is_some_and(|scalar| scalar.text == "none");
        if never { Some(None) } else { people::hours(node, out).map(Some) }
    });
    let below = fields.read("below", default.below, word(SEVERITIES));
    let channels = fields.read(
        "channels",
        default.channels,
        some(|node, out| people::channel(node, names, out)),
    );
    fields.end();
    Some(QuietSettings { hours, below, channels })
}

/// Without an address there is no watchdog.
pub(super) fn heartbeat(node: &Node, out: &Findings) -> Option<HeartbeatSettings> {
    let mut fields = Fields::of(node, "`heartbeat`", out)?;
    let url = address(&mut fields, web_address);
    let lengths = duration(10 * SECOND..=HOUR);
    let every = fields.read("every", defaults::HEARTBEAT_EVERY, lengths);
    fields.end();
    Some(HeartbeatSettings { url: url?, every })
}
