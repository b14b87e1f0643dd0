//! `vchealth ready [SESSION]`: is every site of a session ready to connect?
//!
//! It probes by itself, with an echo engine of its own, so it answers the same whether a daemon
//! runs beside it or none does. What it found is kept where the daemon keeps its own runs: in the
//! store if that is free, through the daemon's API if one runs.

mod keep;
mod progress;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_normalization::UnicodeNormalization;

use self::keep::Keeper;
use self::progress::Bar;
use super::args::{Format, Ready};
use super::sessions::by_whom;
use super::{Exit, Failed, runtime};
use crate::clock::Clock;
use crate::config::gather::CalledOff;
use crate::config::{Config, counted};
use crate::daemon::{self, Source};
use crate::model::{
    AnnouncedWork, Confirmation, Past, ReadinessRun, Session, SiteId, Verdict, chain,
};
use crate::probe;
use crate::readiness::{self, Occasion, Scope, Sheet, words};
use crate::store::{History, StoreError};

/// Finds out whether a session is ready, or records what people confirmed.
pub(super) fn run(ready: &Ready) -> Result<Exit, Failed> {
    look(ready).map_err(|error| match error.exit() {
        Exit::Failed => Failed::CannotTell(Box::new(error)),
        _ => error,
    })
}

fn look(ready: &Ready) -> Result<Exit, Failed> {
    let mut config = Source::directory(&ready.config.dir).load()?;
    let clock = Clock::start();
    let gathered = daemon::kept_sessions(&config, clock.now().wall);
    config.sessions = gathered.sessions.into_iter().map(|(session, _)| session).collect();
    let called_off = &gathered.called_off;
    let session = session(&config, called_off, ready.session.as_deref(), clock.now().wall)?;
    let keeper = Keeper { settings: &config.settings, whom: &ready.whom };
    if !ready.confirm.is_empty() {
        return confirm(ready, &config, session, &keeper, clock.now().wall);
    }
    let Remembered { before, past, confirmed } = if config.settings.state_dir.exists() {
        match remembered(&config, session, clock.now().wall) {
            Ok(remembered) => remembered,
            Err(error) if ready.again => {
                return Err(Failed::Usage(format!(
                    "the earlier result is not known ({}): run it as the user of the daemon, or \
                     leave `--again` out",
                    chain(&error)
                )));
            }
            Err(error) => {
                eprintln!("earlier results and announced work are not known: {}", chain(&error));
                Remembered::default()
            }
        }
    } else {
        Remembered::default()
    };
    let scope = if ready.again {
        again(session, before.as_ref(), &config.settings.time_zone)?
    } else {
        Scope::All
    };
    let before = before.filter(|_| ready.again);
    let run = runtime()?.block_on(measure(&config, session, &scope, before.as_ref(), &past, clock));
    let sheet = Sheet {
        language: ready.language.unwrap_or(config.settings.language),
        time_zone: config.settings.time_zone.clone(),
        confirmed: &confirmed,
        now: clock.now().wall,
    };
    let text = match ready.format {
        Format::Table => readiness::text(&run, &sheet),
        Format::Json => json(&run, &confirmed),
        Format::Html => readiness::html(&run, &sheet),
        Format::Junit => readiness::junit(&run, &sheet),
    };
    write(&text, ready.output.as_deref())?;
    if ready.output.is_some() {
        println!("{}", words::summary(&run, sheet.language));
    }
    let verdict = run.verdict();
    if let Err(why) = keeper.run(run) {
        eprintln!("the result is not kept, so `--again` will not know it: {}", chain(&why));
    }
    Ok(exit(verdict))
}

/// The exit status that the monitoring-plugin convention has for a verdict.
const fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Ready => Exit::Well,
        Verdict::AtRisk => Exit::Failed,
        Verdict::NotReady => Exit::NotReady,
        Verdict::CannotTell => Exit::CannotTell,
    }
}

async fn measure(
    config: &Config,
    session: &Session,
    scope: &Scope,
    before: Option<&ReadinessRun>,
    past: &Past,
    clock: Clock,
) -> ReadinessRun {
    let settings = &config.settings;
    let began = clock.now().wall;
    let probes = Arc::new(super::probes(config, clock).await);
    let survey = readiness::survey(config, session, scope);
    let mut bar = Bar::start(&session.title, survey.sites.len());
    let at_once = survey.sites.len();
    let conversations = usize::try_from(settings.budget.in_flight).unwrap_or(usize::MAX);
    let told = |progress| bar.show(progress);
    let measured =
        probe::survey(Arc::clone(&probes), clock, survey, at_once, conversations, told).await;
    bar.end();
    probes.stop().await;
    let finished = clock.now().wall;
    let occasion = Occasion { session, lead_s: None, began, finished, before };
    readiness::judge(config, &occasion, &measured, past)
}

/// What was found before.
#[derive(Default)]
struct Remembered {
    before: Option<ReadinessRun>,
    past: Past,
    confirmed: Vec<Confirmation>,
}

fn remembered(
    config: &Config,
    session: &Session,
    now: Timestamp,
) -> Result<Remembered, StoreError> {
    let history = History::open(&config.settings.state_dir)?;
    Ok(Remembered {
        before: history.last_readiness(&session.id)?,
        past: past(&history, config, now)?,
        confirmed: history.confirmations(&session.id)?,
    })
}

/// What is remembered of the sites.
fn past(history: &History, config: &Config, now: Timestamp) -> Result<Past, StoreError> {
    let window = config.settings.flapping.window;
    let from = now.checked_sub(window).unwrap_or(Timestamp::MIN);
    let windows = history.maintenance(now, Timestamp::MAX)?;
    let mut past = Past {
        verdicts: history.verdicts()?,
        never_up: history.never_up()?,
        works: AnnouncedWork::at_sites(&config.topology, &windows, now),
        ..Past::default()
    };
    for incident in history.incidents(from, now)? {
        let lately = incident.relapses.iter().filter(|at| **at >= from).count();
        for affected in incident.affected.iter().filter(|_| lately > 0) {
            let known = past.relapses.entry(affected.site.clone()).or_default();
            *known = (*known).max(u32::try_from(lately).unwrap_or(u32::MAX));
        }
    }
    Ok(past)
}

/// The sites that the last run did not find ready.
fn again(
    session: &Session,
    before: Option<&ReadinessRun>,
    zone: &TimeZone,
) -> Result<Scope, Failed> {
    let Some(before) = before else {
        return Err(Failed::Usage(format!(
            "there is no earlier result of {}: leave `--again` out",
            session.id
        )));
    };
    let left = before.sites.iter().filter(|site| site.verdict != Verdict::Ready);
    let left: BTreeSet<SiteId> = left.map(|site| site.site.clone()).collect();
    let at = zone.to_datetime(before.finished).strftime("%Y-%m-%d %H:%M");
    if left.is_empty() {
        eprintln!(
            "every site was ready at {at}, so none is looked at again; all are without `--again`"
        );
    } else {
        let of = before.sites.len();
        eprintln!("looking again at {} of {of} sites; the others stand as at {at}", left.len());
    }
    Ok(Scope::Only(left))
}

/// The session with this id or title, or the one that is on or begins next.
fn session<'a>(
    config: &'a Config,
    called_off: &[CalledOff],
    asked: Option<&str>,
    now: Timestamp,
) -> Result<&'a Session, Failed> {
    let Some(asked) = asked else {
        let to_come = config.sessions.iter().filter(|session| session.end > now);
        return to_come
            .min_by_key(|session| session.start)
            .map(AsRef::as_ref)
            .ok_or_else(|| Failed::Usage("no session is to come: name one, or add it".to_owned()));
    };
    // Titles are kept in NFC; some systems hand them over decomposed.
    let lower = asked.nfc().collect::<String>().to_lowercase();
    let named = |session: &&Arc<Session>| {
        session.id.as_str() == asked || session.title.to_lowercase() == lower
    };
    config.sessions.iter().find(named).map(AsRef::as_ref).ok_or_else(|| {
        if let Some(off) = called_off.iter().find(|off| named(&&off.session)) {
            let by = by_whom(off, &config.settings.time_zone);
            return Failed::Usage(format!("the session `{}` was called off {by}", off.session.id));
        }
        let known = config.sessions.iter().map(|session| (session.id.as_str(), session));
        let hint = super::nearest(asked, known).map_or_else(String::new, |session| {
            format!("; did you mean `{}` ({})?", session.id, session.title)
        });
        Failed::Usage(format!("there is no session `{asked}`{hint}"))
    })
}

/// Records that people saw and heard sites.
fn confirm(
    ready: &Ready,
    config: &Config,
    session: &Session,
    keeper: &Keeper<'_>,
    now: Timestamp,
) -> Result<Exit, Failed> {
    let by = ready.by.clone().unwrap_or_default();
    let mut said = Vec::new();
    for asked in &ready.confirm {
        let ix = super::probe::find(&config.topology, asked)?;
        let site = config.topology.site(ix);
        if !session.sites.contains_key(&ix) {
            return Err(Failed::Usage(format!("{} does not take part in {}", site.id, session.id)));
        }
        said.push(Confirmation {
            session: session.id.clone(),
            site: site.id.clone(),
            picture: !ready.no_picture,
            sound: !ready.no_sound,
            by: by.trim().to_owned(),
            at: now,
            note: ready.note.clone().unwrap_or_default(),
        });
    }
    let sites = counted(said.len(), "site");
    let recorded = keeper.confirmations(said);
    recorded.map_err(|why| Failed::Other("not recorded".to_owned(), why.into()))?;
    println!("recorded for {sites} of {}", session.id);
    Ok(Exit::Well)
}

fn json(run: &ReadinessRun, confirmed: &[Confirmation]) -> String {
    let document = readiness::Document::of(run, confirmed);
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn write(text: &str, to: Option<&Path>) -> Result<(), Failed> {
    let Some(path) = to else {
        print!("{text}");
        return Ok(());
    };
    daemon::put(path, text.as_bytes())
        .map_err(|error| Failed::Other(format!("cannot write {}", path.display()), error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{load, sample};
    use crate::model::{Batch, Change, Maintenance, SilenceId};
    use crate::store::Store;
    use crate::store::tests::Scratch;

    #[test]
    fn work_that_was_announced_to_the_daemon_is_known_without_it() {
        let scratch = Scratch::new("announced");
        let config = load(&sample()).unwrap_or_else(|problems| panic!("{problems}"));
        let now: Timestamp = "2026-02-03T01:00:00Z".parse().unwrap();
        let window = |id: &str, from: i64, hours: i64| Maintenance {
            id: SilenceId::new(id),
            sites: vec![SiteId::new("cho-don")],
            from: now + jiff::SignedDuration::from_hours(from),
            until: now + jiff::SignedDuration::from_hours(from + hours),
            by: "Hà".to_owned(),
            reason: id.to_owned(),
        };
        let windows = [window("short", -1, 2), window("long", -1, 4), window("later", 2, 9)];
        let changes = windows.map(|it| Change::Maintenance(Box::new(it))).into();
        let (mut store, _) = Store::open(scratch.path(), now).unwrap();
        store.commit(&[Batch { changes }], &[], now).unwrap();
        let past = past(&History::open(scratch.path()).unwrap(), &config, now).unwrap();
        let at = |id: &str| past.works.get(&SiteId::new(id)).map(|it| it.reason.as_str());
        assert_eq!(at("tan-lap"), Some("long"), "its line runs through there");
        assert_eq!(at("nam-mau"), None);
    }
}
