//! The families of the monitor itself and of its echo engine.

use crate::metrics::table::{self, Metric};
use crate::metrics::text::{Family, Page, Value, push_label};
use crate::model::{Health, Snapshot};

/// Writes them.
pub(super) fn write(snapshot: &Snapshot, out: &mut Page<'_>) {
    let view = &snapshot.monitor;
    let engine = &view.engine;
    single(out, &table::BLIND, view.blind);
    if let Some((at, passed)) = view.drill {
        single(out, &table::DRILL_TIME, at);
        single(out, &table::DRILL_SUCCESS, passed);
    }
    let mut family = Family::new(out, &table::NOTIFICATIONS_HELD);
    for (channel, held) in &view.held_back {
        let mut label = String::new();
        push_label(&mut label, "channel", channel.as_str());
        family.series(&label, *held);
    }
    single(out, &table::SNAPSHOT_TIME, snapshot.taken.wall);
    single(out, &table::GENERATION, snapshot.generation);
    targets_by_health(snapshot, out);
    single(out, &table::IN_FLIGHT, view.in_flight);
    single(out, &table::OVERLAPS_AVOIDED, view.overlaps_avoided);
    single(out, &table::WORST_LATENESS, view.worst_lateness);
    if !engine.name.is_empty() {
        Family::new(out, &table::ENGINE_INFO).series_with("", "engine", engine.name, true);
    }
    single(out, &table::ENGINE_SENT, engine.sent);
    single(out, &table::ENGINE_RECEIVED, engine.received);
    let mut family = Family::new(out, &table::ENGINE_DISCARDED);
    family.series_with("", "reason", "truncated", engine.truncated);
    if engine.sees_all {
        family.series_with("", "reason", "late", engine.late);
        family.series_with("", "reason", "duplicate", engine.duplicate);
        family.series_with("", "reason", "forged", engine.forged);
        family.series_with("", "reason", "foreign", engine.foreign);
    }
    single(out, &table::ENGINE_REFUSED, engine.refused);
    if engine.sees_all {
        single(out, &table::ENGINE_REFUSED_LATE, engine.refused_late);
    }
    single(out, &table::ENGINE_UNKNOWN, engine.unknown);
    single(out, &table::ENGINE_UNSENT, engine.unsent);
    single(out, &table::ENGINE_DROPS, engine.socket_drops);
    single(out, &table::ENGINE_SEND_ERRORS, engine.send_errors);
    single(out, &table::ENGINE_MISSED_TICKS, engine.missed_ticks);
    if engine.sees_all {
        single(out, &table::ENGINE_CLOCK_STEPS, engine.clock_steps);
        single(out, &table::ENGINE_COARSE, engine.coarse_stamps);
    }
    single(out, &table::ENGINE_LATENESS, engine.worst_lateness);
    single(out, &table::ENGINE_SOCKETS, engine.sockets);
    single(out, &table::ENGINE_BUFFER, engine.receive_buffer);
}

fn single(out: &mut Page<'_>, metric: &'static Metric, value: impl Value) {
    Family::new(out, metric).series("", value);
}

fn targets_by_health(snapshot: &Snapshot, out: &mut Page<'_>) {
    let topology = &*snapshot.topology;
    let mut counts = vec![[0_u32; Health::ALL.len()]; topology.checks.len()];
    for (target, view) in topology.targets.iter().zip(&snapshot.targets) {
        counts[target.check][view.standing.hard as usize] += 1;
    }
    let mut family = Family::new(out, &table::TARGETS);
    for (check, counts) in topology.checks.iter().zip(counts) {
        let mut label = String::new();
        push_label(&mut label, "check", check.id.as_str());
        for health in Health::ALL {
            family.series_with(&label, "health", health.word(), counts[health as usize]);
        }
    }
}
