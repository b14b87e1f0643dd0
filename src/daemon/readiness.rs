//! A readiness run of the daemon: the survey beside the probes that go on, and the verdict.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::model::{Past, ReadinessOrder, ReadinessRun};
use crate::probe::{self, Probes};
use crate::readiness::{self, Occasion, Scope};

/// Measures and judges; nothing when there is no such session any more.
///
/// So many sites at a time as the settings allow, so that what goes on is not disturbed.
pub(super) async fn run(
    probes: Arc<Probes>,
    config: &Config,
    order: &ReadinessOrder,
    past: &Past,
    clock: Clock,
) -> Option<ReadinessRun> {
    let session = config.sessions.iter().find(|session| session.id == order.session)?;
    let began = clock.now().wall;
    let survey = readiness::survey(config, session, &Scope::All);
    let at_once = usize::try_from(config.settings.readiness.sites_at_once).unwrap_or(usize::MAX);
    // Half of what is allowed stays with the probes that go on.
    let conversations = usize::try_from(config.settings.budget.in_flight / 2).unwrap_or(1);
    let measured = probe::survey(probes, clock, survey, at_once, conversations, |_| {}).await;
    let occasion = Occasion {
        session,
        lead_s: order.lead.map(|lead| lead.as_secs()),
        began,
        finished: clock.now().wall,
        before: None,
    };
    Some(readiness::judge(config, &occasion, &measured, past))
}
