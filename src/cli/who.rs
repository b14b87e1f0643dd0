//! `vchealth who SITE`: whom an alert about a site would reach, before there is one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Exit, Failed, probe};
use crate::clock::Clock;
use crate::config::{Config, Matter, Settings};
use crate::daemon::Source;
use crate::model::{Cause, Importance, Phase, Severity, SiteIx};
use crate::monitor::routing::{Reach, reach};

/// Shows whom alerts about a site would reach at `at`, or now.
pub(super) fn run(dir: &Path, site: &str, cause: Cause, at: Option<&str>) -> Result<Exit, Failed> {
    let config = Source::directory(dir).load()?;
    let ix = probe::find(&config.topology, site)?;
    let zone = &config.settings.time_zone;
    let at = match at {
        Some(text) => moment(text, zone)?,
        None => Clock::start().now().wall,
    };
    print!("{}", describe(&config, ix, cause, at));
    Ok(Exit::Well)
}

/// A local time, or one with its offset.
fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, Failed> {
    let local = || text.parse::<DateTime>().ok();
    let local = || zone.to_ambiguous_timestamp(local()?).compatible().ok();
    text.parse().ok().or_else(local).ok_or_else(|| {
        Failed::Usage(format!("`{text}` is no time; write it like `2026-12-03 07:45`"))
    })
}

/// One line for each severity and each stretch of phases with the same answer, then who is on duty.
fn describe(config: &Config, site: SiteIx, cause: Cause, at: Timestamp) -> String {
    let (topology, settings) = (&config.topology, &config.settings);
    let here = settings.time_zone.to_datetime(at);
    let known = topology.site(site);
    let mut text = format!(
        "{} ({}), cause {}, {}:\n",
        known.name,
        known.id,
        cause.word(),
        here.strftime("%a %Y-%m-%d %H:%M")
    );
    for severity in Severity::ALL.into_iter().rev() {
        let mut answers: Vec<(Vec<&str>, String)> = Vec::new();
        for phase in Phase::ALL {
            let matter = Matter {
                topology,
                site: Some(site),
                common: None,
                affected: &[site],
                cause,
                severity,
                phase,
                importance: (phase != Phase::Idle).then_some(Importance::Normal),
                at: here,
            };
            let reached = reach(settings, &matter, at);
            let mut answer = told(&reached);
            let quiet = &settings.quiet_hours;
            let is_quiet = |reach: &&Reach| quiet.is_on(&reach.channel, here);
            if reached.iter().any(|it| is_quiet(&it)) && quiet.can_wait(severity, phase) {
                let end = settings.time_zone.to_datetime(quiet.end(at, &settings.time_zone));
                let _ = write!(answer, "\n      quiet until {}", end.strftime("%H:%M"));
            }
            match answers.last_mut().filter(|(_, before)| *before == answer) {
                Some((phases, _)) => phases.push(phase.word()),
                None => answers.push((vec![phase.word()], answer)),
            }
        }
        for (phases, answer) in answers {
            let _ = write!(text, "\n  {}, {}\n{answer}\n", severity.word(), phases.join(", "));
        }
    }
    for rota in &settings.rotas {
        let names = |ids: &[&crate::model::PersonId]| names(settings, ids);
        let now = names(&rota.on_duty(at));
        let _ = write!(text, "\nOn duty by {}: {now}", rota.id);
        if let Some((change, then)) = rota.next_change(at) {
            let change = settings.time_zone.to_datetime(change);
            let _ = write!(text, " until {}, then {}", change.strftime("%a %H:%M"), names(&then));
        }
        text += ".\n";
    }
    text
}

/// Who is told, step by step.
fn told(all: &[Reach]) -> String {
    type Whom<'a> = Vec<(Vec<String>, Vec<&'a str>)>;
    let mut steps: BTreeMap<(u32, Duration), Whom<'_>> = BTreeMap::new();
    for reach in all {
        let known = steps.entry((reach.step, reach.after)).or_default();
        match known.iter_mut().find(|(people, _)| *people == reach.people && !people.is_empty()) {
            Some((_, channels)) => channels.push(reach.channel.as_str()),
            None => known.push((reach.people.clone(), vec![reach.channel.as_str()])),
        }
    }
    if steps.is_empty() {
        return "      nobody".to_owned();
    }
    let line = |((step, after), whom): ((u32, Duration), Whom<'_>)| {
        let whom = whom.into_iter().map(|(people, channels)| match people.as_slice() {
            [] => channels.join(", "),
            people => format!("{} ({})", people.join(", "), channels.join(", ")),
        });
        let whom = whom.collect::<Vec<_>>().join(", ");
        match step {
            0 => format!("      at once    {whom}"),
            _ => format!("      {:<10} {whom}", format!("after {}", minutes(after))),
        }
    };
    steps.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A time as it is written in the settings, as far as it is whole.
pub(super) fn minutes(after: Duration) -> String {
    match after.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn names(settings: &Settings, ids: &[&crate::model::PersonId]) -> String {
    let name = |id: &&crate::model::PersonId| {
        settings.person(id).map_or_else(|| id.to_string(), |person| person.name.clone())
    };
    ids.iter().map(name).collect::<Vec<_>>().join(", ")
}
