//! `vchealth check-config`: says everything that is wrong, or what the configuration amounts to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use nix::unistd::Group;

use super::{Exit, Failed};
use crate::clock::Clock;
use crate::config::gather::Gathered;
use crate::config::{Config, LineCost, Receiver, Role, Rota, Settings, Step, counted};
use crate::daemon::{self, Source};
use crate::model::{ChannelId, PersonId, Phase, SiteIx};
use crate::notify::{LinkKey, Setup, alike_templates, lacking};

/// Checks the files of a directory.
pub(super) fn run(dir: &Path) -> Result<Exit, Failed> {
    let config = Source::directory(dir).load()?;
    print!("{}", describe(&config));
    let now = Clock::start().now().wall;
    let gathered = daemon::kept_sessions(&config, now);
    print!("{}{}", calendar(&config, &gathered, now), texts(&config));
    print!("{}", door(&config.settings));
    let runtime = super::runtime()?;
    let lacks = runtime.block_on(lacking(&config.settings));
    // What still waits for a disk that does not answer is not waited for.
    runtime.shutdown_background();
    let notes = notes(&config, now).into_iter().chain(of_calendars(&gathered)).chain(lacks);
    for note in notes.chain(unreadable(dir)) {
        println!("note: {note}");
    }
    Ok(Exit::Well)
}

/// What a sound configuration amounts to, and what its probes cost.
fn describe(config: &Config) -> String {
    let topology = &config.topology;
    let mut text = format!(
        "sound: {}, {}, {}, {}, {}\n\n",
        counted(topology.sites.len(), "site"),
        counted(topology.endpoints.len(), "endpoint"),
        counted(topology.targets.len(), "target"),
        counted(config.sessions.len(), "session"),
        counted(config.settings.channels.len(), "channel"),
    );
    text += "What probing puts on the costliest line of a level, kbit/s to / from the site:\n";
    text += &format!("  {:<12} {:>5}", "level", "sites");
    for phase in Phase::ALL {
        text += &format!(" {:>15}", phase.word());
    }
    text += "\n";
    for ix in topology.level_ixs() {
        let sites: Vec<SiteIx> =
            topology.site_ixs().filter(|site| topology.site(*site).level == ix).collect();
        text += &format!("  {:<12} {:>5}", topology.levels[ix.ix()].id, sites.len());
        for phase in Phase::ALL {
            let costs = sites.iter().map(|site| LineCost::of_site(topology, *site, phase));
            let worst = costs.max_by(|a, b| a.worst().total_cmp(&b.worst())).unwrap_or_default();
            text += &format!(" {:>6.1} / {:>6.1}", worst.to_site, worst.from_site);
        }
        text += "\n";
    }
    let settings = &config.settings;
    text += &match settings.routes.len() {
        0 => "Every alert goes to every channel.\n".to_owned(),
        routes => format!(
            "Who is told: {}, {}, {}; `vchealth who SITE` shows whom an alert would reach.\n",
            counted(routes, "route"),
            match settings.people.len() {
                1 => "1 person".to_owned(),
                people => format!("{people} people"),
            },
            counted(settings.rotas.len(), "rota"),
        ),
    };
    for route in settings.routes.iter().filter(|route| !route.escalate.is_empty()) {
        let times = |time: fn(&Step) -> Duration| {
            let times = route.escalate.iter().map(|step| super::who::minutes(time(step)));
            times.collect::<Vec<_>>().join(", ")
        };
        let (after, live) = (times(|step| step.after), times(|step| step.live));
        text += &format!("  {}: escalated after {after}; in a live session {live}\n", route.name);
    }
    text += &format!("The budget of a line is {} kbit/s.\n", config.settings.budget.line_kbit_s);
    text
}

/// What is not followed of calendars, as far as they are here already.
fn of_calendars(gathered: &Gathered) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, read) in &gathered.calendars {
        match read {
            Ok(read) => {
                notes.extend(read.lines().iter().map(|it| format!("calendar {name}: {it}")));
            }
            Err(why) => notes.push(format!("calendar {name} cannot be read: {why}")),
        }
    }
    notes
}

/// The session that is on or comes next, so that people see how their calendar was understood.
fn calendar(config: &Config, gathered: &Gathered, now: Timestamp) -> String {
    let mut sessions = gathered.sessions.iter().map(|(session, _)| session);
    let Some(next) = sessions.find(|session| session.end > now) else {
        return String::new();
    };
    let start = next.start.to_zoned_datetime(config.settings.time_zone.clone());
    let delegates: u64 = next.sites.values().map(|delegates| u64::from(*delegates)).sum();
    let when = if next.start <= now { "On now" } else { "Next" };
    format!(
        "{when}: {} ({}), from {}, {}, {delegates} delegates.\n",
        next.title,
        next.id,
        start.strftime("%A %Y-%m-%d %H:%M"),
        counted(next.sites.len(), "site"),
    )
}

/// Which parts of messages people have written themselves.
fn texts(config: &Config) -> String {
    let own: Vec<String> = config
        .templates
        .iter()
        .map(|template| format!("{}/{}", template.language.word(), template.part.word()))
        .collect();
    if own.is_empty() { String::new() } else { format!("Texts of your own: {}.\n", own.join(", ")) }
}

/// Who is let in.
fn door(settings: &Settings) -> String {
    let access = &settings.web.access;
    if !access.asks_who() {
        return String::new();
    }
    let encrypted = if access.tls.is_some() { "https" } else { "http, not encrypted" };
    let operators = |count: usize| match count {
        1 => "1 may change things".to_owned(),
        count => format!("{count} may change things"),
    };
    let users = access.users.iter().map(|user| user.role);
    let tokens = access.tokens.iter().map(|token| token.role);
    let certificates = access.certificates.iter().map(|(_, role)| *role);
    let may = users.chain(tokens).chain(certificates).filter(|role| *role == Role::Operator);
    format!(
        "Who is let in ({encrypted}): {}, {}; {}.\n",
        counted(access.users.len(), "user"),
        counted(access.tokens.len(), "token"),
        operators(may.count()),
    )
}

/// What is sound and yet hardly meant.
fn notes(config: &Config, now: Timestamp) -> Vec<String> {
    let mut notes: Vec<&str> = Vec::new();
    if config.settings.channels.is_empty() {
        notes.push("no channel is configured: nobody will be told of anything");
    }
    let settings = &config.settings;
    if !settings.channels.is_empty() && settings.drill.before.is_zero() {
        notes.push(match settings.heartbeat {
            None => {
                "no drill before sessions and no heartbeat: nobody notices when alerts do not \
                 arrive; add `drill: {before: 2h}` and `heartbeat: {url: …}`"
            }
            Some(_) => {
                "no drill before sessions: the heartbeat shows that this monitor lives, and not \
                 that its alerts reach anybody; add `drill: {before: 2h}`"
            }
        });
    }
    let links = Setup::of(config, config.settings.listen, Some(&LinkKey::new([0; 32]))).style.links;
    if !config.settings.channels.is_empty() && links.is_none() {
        notes.push(
            "messages carry no links to take an incident on: nobody else reaches `listen`; set \
             `public_url`",
        );
    }
    let (access, listen) = (&config.settings.web.access, config.settings.listen.ip());
    if !access.asks_who() && !listen.is_loopback() {
        notes.push(
            "everybody who reaches `listen` may look, since the web configuration names no users; \
             only this machine may change anything",
        );
    }
    if access.asks_who() && access.tls.is_none() && !listen.is_loopback() {
        notes.push(
            "passwords are sent unencrypted: the web configuration has no `tls_server_config`",
        );
    }
    if access.asks_who() && !access.has_operator() {
        notes
            .push("nobody may change anything: `roles` in the web configuration names no operator");
    }
    if config.sessions.is_empty() {
        notes.push("there are no sessions: every site is watched at its idle pace");
    } else if config.sessions.iter().all(|session| session.end <= now) {
        notes.push("all sessions are over: every site is watched at its idle pace");
    }
    if config.topology.vantage.is_none() {
        notes.push(
            "`vantage` is not set: whether our own way out is dead can only be told by all sites \
             falling silent",
        );
    }
    let silent = unnamed(&config.settings);
    let silent = silent.iter().map(|id| format!("nothing is ever told through the channel `{id}`"));
    let alike = alike_templates(&config.templates).into_iter().map(|file| {
        format!(
            "{file} says the same of an alarm and of its end, figures and times aside; let it look \
             at `over`, such as `{{% if over %}}…{{% endif %}}`"
        )
    });
    notes.into_iter().map(str::to_owned).chain(silent).chain(alike).collect()
}

/// Files in the directory that its group cannot read. Where the directory has a group of its own,
/// the service reads as that group; root, who checks, reads everything and would find it sound.
fn unreadable(dir: &Path) -> Vec<String> {
    let gid = fs::metadata(dir).map_or(0, |found| found.gid());
    let group = Group::from_gid(gid.into()).ok().flatten();
    let group = group.map_or_else(|| gid.to_string(), |group| group.name);
    let mut notes = Vec::new();
    let mut dirs = if gid == 0 { Vec::new() } else { vec![dir.to_owned()] };
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Ok(found) = fs::metadata(&path) else { continue };
            // What editors leave behind is for nobody.
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let (needed, bits) = if found.is_dir() { ("rx", 0o5) } else { ("r", 0o4) };
            let bits = if found.gid() == gid { bits << 3 } else { bits };
            if found.uid() == 0 && found.mode() & bits != bits {
                let path = path.display();
                notes.push(format!(
                    "the service, of the group `{group}`, cannot read {path}: \
                     `chgrp {group} {path}; chmod g+{needed} {path}`"
                ));
            } else if found.is_dir() {
                dirs.push(path);
            }
        }
    }
    notes.sort();
    notes
}

/// The channels that no route names, not even through a person or a rota, and that stand in for
/// none that a route names.
fn unnamed(settings: &Settings) -> Vec<&ChannelId> {
    if settings.routes.is_empty() {
        return Vec::new();
    }
    let of_people = |ids: Vec<&PersonId>| -> Vec<&ChannelId> {
        let people = ids.into_iter().filter_map(|id| settings.person(id));
        people.flat_map(|person| &person.channels).collect()
    };
    let steps = settings.routes.iter().flat_map(|route| &route.escalate);
    let receivers = settings.routes.iter().flat_map(|route| &route.to);
    let mut named: BTreeSet<&ChannelId> = receivers
        .chain(steps.flat_map(|step| &step.to))
        .flat_map(|receiver| match receiver {
            Receiver::Channel(id) => vec![id],
            Receiver::Person(id) => of_people(vec![id]),
            Receiver::Rota(id) | Receiver::Next(id) => {
                of_people(settings.rota(id).map_or(Vec::new(), Rota::everybody))
            }
        })
        .collect();
    // No fallback leads back to where it began.
    let mut ways: Vec<&ChannelId> = named.iter().copied().collect();
    while let Some(id) = ways.pop() {
        let channel = settings.channels.iter().find(|channel| channel.id == *id);
        let to = channel.and_then(|channel| channel.fallback.as_ref()).map(|it| &it.to);
        ways.extend(to.filter(|to| named.insert(to)));
    }
    settings.channels.iter().map(|channel| &channel.id).filter(|id| !named.contains(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{File, Template, TemplatePart, load, sample};
    use crate::model::Language;

    #[test]
    fn without_a_drill_it_is_said_what_nothing_proves() {
        let noted = |settings: &str| {
            let files = sample().with(File::Settings, "vchealth.yaml", settings);
            let config = load(&files).unwrap_or_else(|problems| panic!("{problems}"));
            let notes = notes(&config, Timestamp::UNIX_EPOCH);
            let its = notes.into_iter().filter(|note| note.contains("no drill"));
            its.map(|note| note.contains("no heartbeat")).collect::<Vec<_>>()
        };
        const NONE: [bool; 0] = [];
        let channels = "channels: {duty: {kind: webhook, url: \"http://127.0.0.1:1/\"}}\n";
        assert_eq!(noted(channels), [true], "neither");
        assert_eq!(noted("channels: {}\n"), NONE, "there is nothing to prove");
        assert_eq!(noted(&format!("{channels}drill: {{before: 2h}}\n")), NONE);
        let heartbeat = "heartbeat: {url: \"http://127.0.0.1:2/\"}\n";
        assert_eq!(noted(&format!("{channels}{heartbeat}")), [false], "no drill");
    }

    #[test]
    fn a_text_that_reads_the_same_of_the_end_is_noted_by_its_file() {
        let noted = |text: &str| {
            let file = "templates/vi/summary.txt".to_owned();
            let (language, part) = (Language::Vi, TemplatePart::Summary);
            let own = Template { language, part, file, text: text.to_owned() };
            let config = load(&sample().with_template(own)).unwrap_or_else(|why| panic!("{why}"));
            let notes = notes(&config, Timestamp::UNIX_EPOCH);
            notes
                .iter()
                .any(|note| note.starts_with("templates/vi/summary.txt says the same of an alarm"))
        };
        assert!(noted("{{ grade }}: {{ site or 'giám sát' }}"));
        assert!(!noted("{{ kind }}: {{ site or 'giám sát' }}"));
    }
}
