//! `vchealth incidents`, `ack`, `silence`, `unsilence`, `maintenance`, `duty`, `healthy`: what
//! people ask and tell the running daemon, through its API. Every command that asks a daemon does
//! so through [`Remote`].

mod quiet;

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use self::quiet::Quiet;
use super::args::{
    AckIncident, Addressed, Asker, Credentials, Duty, Lasting, Maintain, SilenceSite, Unsilence,
};
use super::reach::Running;
use super::{Exit, Failed, runtime};
use crate::config::Settings;
use crate::daemon::{DaemonError, Source};
use crate::model::{
    Ack, HandOver, Incident, Maintenance, PersonId, Silence, SiteId, encoded, folded,
};

/// A daemon that runs somewhere.
pub(super) struct Remote {
    daemon: Running,
    /// That of its settings, once it is known.
    time_zone: OnceCell<TimeZone>,
    runtime: tokio::runtime::Runtime,
}

#[derive(Deserialize)]
struct Incidents {
    taken: Timestamp,
    incidents: Vec<Incident>,
}

#[derive(Deserialize)]
struct Silences {
    silences: Vec<Silence>,
}

#[derive(Deserialize)]
struct Windows {
    maintenance: Vec<Maintenance>,
}

#[derive(Deserialize)]
struct Sites {
    sites: Vec<Site>,
}

#[derive(Deserialize)]
struct Site {
    id: SiteId,
    name: String,
    parent: Option<SiteId>,
}

/// Open incidents, gravest first, then those that are over and not told to be.
pub(super) fn incidents(to: &Addressed, json: bool) -> Result<Exit, Failed> {
    let remote = Remote::new(to)?;
    let told: Value = remote.get("/api/v1/incidents")?;
    if json {
        println!("{told:#}");
        return Ok(Exit::Well);
    }
    let Incidents { taken, incidents } = remote.read(told)?;
    let active: Vec<&Incident> = incidents.iter().filter(|it| it.is_active()).collect();
    if active.is_empty() {
        println!("no incident is open");
    }
    let moment = |at: Timestamp| remote.moment(at);
    let quiet = match active.is_empty() {
        true => None,
        false => Some(Quiet::ask(&remote, taken)?),
    };
    for incident in active {
        let place = place(incident);
        let device = incident.endpoint.as_ref().map(|it| format!("/{it}")).unwrap_or_default();
        println!("{}", incident.id);
        println!(
            "    {} {} at {place}{device} since {}, {} affected",
            incident.severity.word(),
            incident.cause.word(),
            remote.moment(incident.since()),
            match incident.affected_now().count() {
                0 if incident.well_since().is_none() => 1,
                count => count,
            },
        );
        if let Some(at) = incident.well_since() {
            println!("    well since {}, watched until it is stable", remote.moment(at));
        }
        if let Some(ack) = incident.taken_by(taken) {
            let until = ack.until.map(|at| format!(" until {}", remote.moment(at)));
            let note = if ack.note.is_empty() { String::new() } else { format!(": {}", ack.note) };
            let until = until.unwrap_or_default();
            println!("    taken on by {} at {}{until}{note}", ack.by, remote.moment(ack.at));
        }
        let quiet = quiet.iter().flat_map(|quiet| quiet.about(incident, &remote));
        for line in who_waits(incident, moment).into_iter().chain(quiet) {
            println!("    {line}");
        }
    }
    for line in incidents.iter().flat_map(|it| untold_end(it, moment)) {
        println!("{line}");
    }
    Ok(Exit::Well)
}

/// Where an incident is.
fn place(incident: &Incident) -> String {
    match (&incident.site, &incident.common) {
        (Some(site), _) => site.to_string(),
        (None, Some(common)) => format!("sites with {} {}", common.label, common.value),
        (None, None) => "vchealth itself".to_owned(),
    }
}

/// What is to be said of an incident that is over and of whose end somebody has yet to be told.
fn untold_end(incident: &Incident, moment: impl Fn(Timestamp) -> String) -> Vec<String> {
    let Some(at) = incident.ended().filter(|_| incident.waits_to_be_told()) else {
        return Vec::new();
    };
    let (cause, place) = (incident.cause.word(), place(incident));
    let mut lines = vec![incident.id.to_string()];
    lines.push(format!("    {cause} at {place} is over since {}", moment(at)));
    lines.extend(who_waits(incident, moment).into_iter().map(|line| format!("    {line}")));
    lines
}

/// Who is not told of an incident, or of its end, for the time being, and why.
fn who_waits(incident: &Incident, moment: impl Fn(Timestamp) -> String) -> Vec<String> {
    let what = if incident.is_open() { "" } else { " that it is over" };
    let mut lines = Vec::new();
    if let Some(quiet) = &incident.quiet {
        let whom = quiet.whom.iter().map(|it| match it.not_before {
            Some(at) => format!("{it} not before {}", moment(at)),
            None => it.to_string(),
        });
        let (whom, until) = (whom.collect::<Vec<_>>().join(", "), moment(quiet.until));
        lines.push(format!("not told yet{what}, quiet hours until {until}: {whom}"));
    }
    if !incident.held_back.is_empty() {
        let whom = incident.held_back.iter().map(ToString::to_string).collect::<Vec<_>>();
        let whom = whom.join(", ");
        let why = match incident.is_open() {
            true => "the messages of the hour are used up or it has yet to last",
            false => "until that has lasted and the hour has room",
        };
        lines.push(format!("not told yet{what}, {why}: {whom}"));
    }
    lines
}

/// Whether the daemon lives and its probe loop turns.
pub(super) fn healthy(daemon: &Addressed) -> Result<Exit, Failed> {
    let remote = Remote::new(daemon)?;
    print!("{}", remote.ask(Method::GET, "/-/healthy", None)?);
    Ok(Exit::Well)
}

/// Takes an incident on.
pub(super) fn ack(given: &AckIncident) -> Result<Exit, Failed> {
    let remote = Remote::new(&given.to)?;
    let Some(reason) = &given.reason else {
        let text =
            "say what you do about it, such as `--reason \"đang gọi xã\"`: the others read it";
        return Err(Failed::Usage(text.to_owned()));
    };
    let until = match given.lasting {
        None => None,
        Some(Lasting::For(lasting)) => Some(json!(after(lasting)?)),
        Some(Lasting::Session) => Some(json!("session")),
        Some(Lasting::Over) => Some(json!("over")),
    };
    let body = json!({
        "by": remote.who(&given.who)?,
        "note": reason,
        "until": until,
        "take_over": given.take_over,
    });
    let incident = remote.incident(&given.incident)?;
    let path = format!("/api/v1/incidents/{}/ack", encoded(&incident));
    let ack: Ack = remote.send(Method::POST, &path, Some(&body)).map_err(|why| match why {
        // The API knows it as a field.
        Failed::Refused(why) => refused(why.replace("`take_over`", "`--take-over`")),
        other => other,
    })?;
    let until = ack.until.map_or_else(|| "it is over".to_owned(), |at| remote.moment(at));
    println!("{incident} is taken on until {until}; reminders stay away");
    Ok(Exit::Well)
}

/// Holds back messages, or lists what is held back.
pub(super) fn silence(given: &SilenceSite) -> Result<Exit, Failed> {
    let remote = Remote::new(&given.to)?;
    if given.site.is_none() && !given.everything {
        let told: Value = remote.get("/api/v1/silences")?;
        let Silences { silences } = remote.read(told)?;
        if silences.is_empty() {
            println!("nothing is silenced");
        }
        for it in silences {
            let site = it.site.as_ref().map_or("everything", |site| site.as_str());
            let line = remote.line(site, it.from, it.until, &it.by, &it.reason);
            println!("{}\n    {line}", it.id);
        }
        return Ok(Exit::Well);
    }
    let Some(lasting) = given.lasting else {
        return Err(Failed::Usage("say for how long, such as `--for 2h`".to_owned()));
    };
    let Some(reason) = &given.reason else {
        let text = "say why, such as `--reason \"mất điện, chờ có điện\"`: the others find messages \
                    missing";
        return Err(Failed::Usage(text.to_owned()));
    };
    let site = given.site.as_ref().map(|site| remote.site(site)).transpose()?;
    let body = json!({
        "site": site, "until": after(lasting)?, "by": remote.who(&given.who)?, "reason": reason,
    });
    let set: Silence = remote.send(Method::POST, "/api/v1/silences", Some(&body))?;
    let site = set.site.as_ref().map_or("everything", |site| site.as_str());
    println!("{site} is silenced until {}; end it with", remote.moment(set.until));
    println!("    vchealth unsilence {}", set.id);
    Ok(Exit::Well)
}

/// Ends a silence, by its id or by its site.
pub(super) fn unsilence(given: &Unsilence) -> Result<Exit, Failed> {
    let remote = Remote::new(&given.to)?;
    let told: Value = remote.get("/api/v1/silences")?;
    let Silences { silences } = remote.read(told)?;
    let mut ids: Vec<&Silence> =
        silences.iter().filter(|it| it.id.as_str() == given.what).collect();
    if ids.is_empty() {
        let site = remote.site(&given.what)?;
        ids = silences
            .iter()
            .filter(|it| it.site.as_ref().is_some_and(|id| id.as_str() == site))
            .collect();
    }
    if ids.is_empty() {
        return Err(refused(format!("no silence {} is in force or to come", given.what)));
    }
    for it in ids {
        let path = format!("/api/v1/silences/{}", encoded(it.id.as_str()));
        remote.end(&path, &given.who)?;
        println!("silence {} is over", it.id);
    }
    Ok(Exit::Well)
}

/// Announces planned work, ends it, or lists it.
pub(super) fn maintenance(given: &Maintain) -> Result<Exit, Failed> {
    let remote = Remote::new(&given.to)?;
    if let Some(id) = &given.end {
        remote.end(&format!("/api/v1/maintenance/{}", encoded(id)), &given.who)?;
        println!("maintenance {id} is over");
        return Ok(Exit::Well);
    }
    if given.sites.is_empty() {
        let told: Value = remote.get("/api/v1/maintenance")?;
        let Windows { maintenance } = remote.read(told)?;
        if maintenance.is_empty() {
            println!("no work is planned");
        }
        for it in maintenance {
            let sites: Vec<&str> = it.sites.iter().map(SiteId::as_str).collect();
            let line = remote.line(&sites.join(", "), it.from, it.until, &it.by, &it.reason);
            println!("{}\n    {line}", it.id);
        }
        return Ok(Exit::Well);
    }
    let Some(lasting) = given.lasting else {
        return Err(Failed::Usage("say for how long, such as `--for 2h`".to_owned()));
    };
    let Some(reason) = &given.reason else {
        let text = "say what is done, such as `--reason \"thay bộ định tuyến\"`";
        return Err(Failed::Usage(text.to_owned()));
    };
    let from = after(given.after.unwrap_or_default())?;
    let until = from.checked_add(lasting).map_err(|_| too_long())?;
    let sites: Vec<String> =
        given.sites.iter().map(|site| remote.site(site)).collect::<Result<_, _>>()?;
    let body = json!({
        "sites": sites, "from": from, "until": until, "by": remote.who(&given.who)?, "reason": reason,
    });
    let set: Maintenance = remote.send(Method::POST, "/api/v1/maintenance", Some(&body))?;
    let (from, until) = (remote.moment(set.from), remote.moment(set.until));
    println!("work at {} is announced, {from} to {until}; end it with", sites.join(", "));
    println!("    vchealth maintenance --end {}", set.id);
    Ok(Exit::Well)
}

/// Hands duty over, takes it back, or shows who is on duty.
pub(super) fn duty(given: &Duty) -> Result<Exit, Failed> {
    #[derive(Deserialize)]
    struct OnCall {
        rotas: Vec<Rota>,
        people: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Rota {
        rota: String,
        now: Vec<Named>,
        until: Option<Timestamp>,
        next: Vec<Named>,
        next_from: Option<Timestamp>,
        handed: Option<HandOver>,
        gone: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Named {
        id: String,
        name: String,
        #[serde(default)]
        phone: String,
    }
    let remote = Remote::new(&given.to)?;
    let told: Value = remote.get("/api/v1/oncall")?;
    let OnCall { rotas, people } = remote.read(told)?;
    if given.people.is_empty() && !given.end {
        if given.lasting.is_some() || given.reason.is_some() {
            let text = "say who takes over, such as `--to ha`";
            return Err(Failed::Usage(text.to_owned()));
        }
        if rotas.is_empty() {
            println!("the settings know no rota");
        }
        let names = |people: &[Named]| {
            let name = |it: &Named| format!("{} {}", it.name, it.phone).trim_end().to_owned();
            people.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let wanted = |rota: &&Rota| given.rota.as_ref().is_none_or(|it| *it == rota.rota);
        for it in rotas.iter().filter(wanted) {
            let until = it.until.map(|at| format!(" until {}", remote.moment(at)));
            println!("{}: {}{}", it.rota, names(&it.now), until.unwrap_or_default());
            if let Some(handed) = &it.handed {
                println!(
                    "    handed over until {} by {}: {}",
                    remote.moment(handed.until),
                    handed.by,
                    handed.reason
                );
            }
            if !it.gone.is_empty() {
                let gone = it.gone.join(", ");
                println!("    not known to the settings any more, and told nothing: {gone}");
            }
            if let Some(from) = it.next_from {
                println!("    next: {} from {}", names(&it.next), remote.moment(from));
            }
        }
        return Ok(Exit::Well);
    }
    let rota = match (&given.rota, rotas.as_slice()) {
        (Some(rota), _) => rota.clone(),
        (None, [one]) => one.rota.clone(),
        (None, all) => {
            let known = all.iter().map(|it| it.rota.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Failed::Usage(format!("name the rota, one of: {known}")));
        }
    };
    let path = format!("/api/v1/oncall/{}", encoded(&rota));
    if given.end {
        remote.end(&path, &given.who)?;
        println!("the duty by {rota} is the rota's again");
        return Ok(Exit::Well);
    }
    let Some(lasting) = given.lasting else {
        return Err(Failed::Usage("say for how long, such as `--for 8h`".to_owned()));
    };
    let Some(reason) = &given.reason else {
        return Err(Failed::Usage("say why, such as `--reason \"bị ốm\"`".to_owned()));
    };
    let id = |named: &String| -> String {
        let name: String = named.nfc().collect();
        let found = people.iter().find(|it| it.id == *named || it.name == name);
        found.map_or_else(|| named.clone(), |it| it.id.clone())
    };
    let ids: Vec<String> = given.people.iter().map(id).collect();
    let body = json!({
        "people": ids, "until": after(lasting)?, "by": remote.who(&given.who)?, "reason": reason,
    });
    let handed: HandOver = remote.send(Method::PUT, &path, Some(&body))?;
    let name = |id: &PersonId| {
        let found = people.iter().find(|it| it.id == id.as_str());
        found.map_or_else(|| id.to_string(), |it| it.name.clone())
    };
    let names = handed.people.iter().map(name).collect::<Vec<_>>().join(", ");
    println!(
        "{names} has the duty by {rota} until {}; take it back with",
        remote.moment(handed.until)
    );
    println!("    vchealth duty {rota} --end");
    Ok(Exit::Well)
}

impl Remote {
    /// The daemon at the address that was given, or where the configuration says that it listens.
    fn new(to: &Addressed) -> Result<Self, Failed> {
        match &to.at {
            Some(address) => Self::to(Running::at(address, &to.whom)?, OnceCell::new()),
            None => {
                let config = Source::directory(&to.config.dir).load().map_err(unread)?;
                Self::local(&config.settings, &to.whom)
            }
        }
    }

    /// The daemon where the settings say that it listens.
    pub(super) fn local(settings: &Settings, whom: &Credentials) -> Result<Self, Failed> {
        Self::to(Running::of(settings, whom)?, settings.time_zone.clone().into())
    }

    fn to(daemon: Running, time_zone: OnceCell<TimeZone>) -> Result<Self, Failed> {
        Ok(Self { daemon, time_zone, runtime: runtime()? })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.send(Method::GET, path, None)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failed> {
        let answer = self.ask(method, path, body)?;
        let value = serde_json::from_str(&answer).map_err(|error| self.strange(&error))?;
        self.read(value)
    }

    /// Tells the daemon something that it keeps.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<(), Failed> {
        self.ask(Method::POST, path, Some(body)).map(drop)
    }

    /// Ends what stands at `path`, and has it noted who does so.
    fn end(&self, path: &str, given: &Asker) -> Result<(), Failed> {
        let by = self.who(given)?;
        let by = by.map_or_else(String::new, |by| format!("?by={}", encoded(&by)));
        self.ask(Method::DELETE, &format!("{path}{by}"), None).map(drop)
    }

    /// Who asks: as given, or else the one whom the daemon lets in, which it knows by itself, or
    /// whoever is logged in.
    fn who(&self, given: &Asker) -> Result<Option<String>, Failed> {
        let login = || {
            ["SUDO_USER", "USER", "LOGNAME"]
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        };
        match &given.by {
            Some(by) => Ok(Some(by.clone())),
            None if self.daemon.knows_who_asks => Ok(None),
            None => login().map(Some).ok_or_else(|| {
                Failed::Usage("say who you are: `--by \"Nguyễn Thị Hà\"`".to_owned())
            }),
        }
    }

    fn read<T: DeserializeOwned>(&self, value: Value) -> Result<T, Failed> {
        serde_json::from_value(value).map_err(|error| self.strange(&error))
    }

    fn strange(&self, error: &serde_json::Error) -> Failed {
        let address = &self.daemon.address;
        refused(format!("what answers at {address} is no vchealth of this version: {error}"))
    }

    /// Asks, and gives the body of a good answer.
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, Failed> {
        let body = body.map(|body| body.to_string().into_bytes());
        self.runtime.block_on(self.daemon.ask(method, path, body))
    }

    /// The id of a site that is named by its id or its name.
    fn site(&self, named: &str) -> Result<String, Failed> {
        let told: Value = self.get("/api/v1/sites")?;
        let Sites { sites } = self.read(told)?;
        let name: String = named.nfc().collect();
        let found = sites.iter().find(|row| row.id.as_str() == named);
        let found = found.or_else(|| sites.iter().find(|row| row.name == name));
        if let Some(row) = found {
            return Ok(row.id.to_string());
        }
        let bare = folded(named);
        let alike = sites.iter().find(|row| folded(&row.name) == bare).map(|row| &*row.name);
        let near = alike
            .or_else(|| {
                super::nearest(named, sites.iter().map(|it| (it.id.as_str(), it.id.as_str())))
            })
            .or_else(|| super::nearest(named, sites.iter().map(|it| (&*it.name, &*it.name))))
            .map(|meant| format!("; did you mean `{meant}`?"));
        Err(refused(format!("there is no site `{named}`{}", near.unwrap_or_default())))
    }

    /// The incident that is meant: by its id, or by the site where it is the only one.
    fn incident(&self, named: &str) -> Result<String, Failed> {
        let told: Value = self.get("/api/v1/incidents")?;
        let Incidents { incidents, .. } = self.read(told)?;
        let known = incidents.iter().any(|it| it.id.as_str() == named);
        let Some(site) = (!known).then(|| self.site(named).ok()).flatten() else {
            return Ok(named.to_owned());
        };
        let here = |it: &&Incident| {
            it.is_active() && it.site.as_ref().is_some_and(|at| at.as_str() == site)
        };
        let here: Vec<&str> = incidents.iter().filter(here).map(|it| it.id.as_str()).collect();
        match here[..] {
            [one] => Ok(one.to_owned()),
            [] => Err(refused(format!("no incident is open at {site}"))),
            _ => Err(Failed::Usage(format!(
                "several incidents are open at {site}, name one of {}",
                here.join(", ")
            ))),
        }
    }

    /// A moment as messages and the board have it, and how far that is from UTC: this machine may
    /// stand in another time zone, and so may whoever reads it.
    fn moment(&self, at: Timestamp) -> String {
        let zone = self.time_zone.get_or_init(|| self.ask_time_zone().unwrap_or(TimeZone::UTC));
        at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M %:::z").to_string()
    }

    fn ask_time_zone(&self) -> Option<TimeZone> {
        #[derive(Deserialize)]
        struct Status {
            time_zone: String,
        }
        let Status { time_zone } = self.get("/api/v1/status").ok()?;
        TimeZone::get(&time_zone).ok()
    }

    fn line(&self, what: &str, from: Timestamp, until: Timestamp, by: &str, why: &str) -> String {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        format!("{what}, {} to {}, by {by}{why}", self.moment(from), self.moment(until))
    }
}

/// Why the settings are not read. Whoever may not read them may ask the daemon all the same.
fn unread(error: DaemonError) -> Failed {
    match error {
        DaemonError::Read { path, source } if source.kind() == ErrorKind::PermissionDenied => {
            let text = format!(
                "cannot read {}, which says where the daemon listens: name that yourself, such as \
                 `--at http://127.0.0.1:9722`",
                path.display()
            );
            Failed::Other(text, source.into())
        }
        other => other.into(),
    }
}

/// What the daemon does not do.
fn refused(why: String) -> Failed {
    Failed::Refused(why)
}

fn too_long() -> Failed {
    Failed::Usage("that is longer than time lasts".to_owned())
}

/// The moment after this long from now.
fn after(lasting: Duration) -> Result<Timestamp, Failed> {
    Timestamp::now().checked_add(lasting).map_err(|_| too_long())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, Quieted, Waits};
    use crate::store::tests::{at, incident};

    #[test]
    fn an_end_that_somebody_has_yet_to_hear_is_listed_with_who_and_until_when() {
        let moment = |at: Timestamp| at.strftime("%H:%M").to_string();
        let mut it = incident("tan-lap.access.x", "tan-lap");
        it.resolved = None;
        it.held_back = vec![ChannelId::new("sms")];
        assert!(untold_end(&it, moment).is_empty(), "it is listed as open");
        it.resolved = Some(at("2026-02-03T01:00:00Z"));
        let whom = vec![Waits {
            channel: ChannelId::new("zalo"),
            people: vec!["Hà".to_owned()],
            not_before: Some(at("2026-02-03T06:20:00Z")),
        }];
        it.quiet = Some(Quieted { until: at("2026-02-03T06:00:00Z"), whom });
        let expected = [
            "tan-lap.access.x",
            "    access at tan-lap is over since 01:00",
            "    not told yet that it is over, quiet hours until 06:00: Hà (zalo) not before 06:20",
            "    not told yet that it is over, until that has lasted and the hour has room: sms",
        ];
        assert_eq!(untold_end(&it, moment), expected);
        (it.quiet, it.held_back) = (None, Vec::new());
        assert!(untold_end(&it, moment).is_empty());
    }
}
