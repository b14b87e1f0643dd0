//! What people wrote, checked: texts in, a [`Config`] or every problem at once out.
//!
//! This room reads no files. It is handed their texts, so that a test or a web form can hand it
//! others. Startup and reload take this same path.
//!
//! ```text
//! SourceSet ─▶ yaml: a tree with places ─▶ vchealth, checks ┐
//!                                         ─▶ web ───────────┤
//!                                         ─▶ sites ◀─────────┤ ─▶ cost: the budget ─▶ Config
//!                                         ─▶ sessions ◀──────┤
//!                                         ─▶ routes ◀────────┘
//!                       each tells its problems to the same Findings ─▶ Diagnostics
//! ```
//! `vchealth.yaml` goes section by section: `settings` with what they mean and their defaults,
//! `channels` and `checks`, `people` and `routes`, [`calendar`]. `names` and `hint` know what
//! people would take for the same and what they most likely meant; `template` holds the texts
//! that lie beside the settings.
//!
//! [`gather`] lays the sessions of files, of calendars and of the last minute over each other, at
//! the start and whenever one of them changes. [`import`] compares a spreadsheet with what is
//! written and changes only what differs.

pub mod calendar;
mod channels;
mod checks;
mod contacts;
mod cost;
mod defaults;
mod diagnostic;
pub mod gather;
mod hint;
pub mod import;
mod labels;
mod names;
mod people;
mod read;
mod routes;
mod sessions;
mod settings;
mod sites;
mod source;
mod template;
mod vchealth;
mod web;
mod yaml;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use cost::LineCost;
pub use diagnostic::{CellPlace, Diagnostic, Diagnostics, counted};
pub use hint::meant;
pub use settings::{
    AckSettings, Address, AlertmanagerSettings, Budget, Channel, ChannelKind, Config,
    ContactSettings, CorrelationSettings, DatedShift, Days, DrillSettings, EmailSettings,
    EscalationSettings, EsmsSettings, ExecSettings, ExecVariable, Fallback, FlappingSettings,
    Handed, HeartbeatSettings, Hours, HygieneSettings, Hysteresis, IcmpEngine, IcmpSettings,
    MailSecurity, Matter, Person, PhaseSettings, PhaseTimes, Phonebook, QualitySettings,
    QuietSettings, ReadinessSettings, Receiver, ReminderSettings, ReportSettings, ResolverSettings,
    RetentionSettings, Rota, Route, SecretSource, Settings, SmsBody, SmsGateway, SmsHttpSettings,
    SmsSettings, Step, TelegramSettings, WebSettings, WebhookSettings, WeeklyShift, When,
    ZaloRecipient, ZaloSettings,
};
pub use source::{File, SourceSet};
pub use template::{Template, TemplatePart};
pub use web::{
    Access, ClientName, Limit, PasswordHash, Role, TlsServer, WebToken, WebUser, access, web_file,
    web_names,
};

use diagnostic::Findings;
use routes::Known;
use sites::{Province, Sites};
use source::Span;

/// Reads and checks everything.
///
/// # Errors
/// All problems of all files. What cannot be judged because of another problem is not guessed at:
/// while `sites.yaml` cannot be read, no session is said to name an unknown site.
pub fn load(sources: &SourceSet) -> Result<Config, Diagnostics> {
    let out = Findings::new();
    match read(sources, &out) {
        Some(config) if out.count() == 0 => Ok(config),
        _ => Err(out.into_diagnostics(sources)),
    }
}

/// The shipped sample: a province of 204 sites and five sessions.
#[must_use]
pub fn sample() -> SourceSet {
    SourceSet::new()
        .with(File::Settings, "config/vchealth.yaml", include_str!("../config/vchealth.yaml"))
        .with(File::Sites, "config/sites.yaml", include_str!("../config/sites.yaml"))
        .with(File::Sessions, "config/sessions.yaml", include_str!("../config/sessions.yaml"))
}

/// Reads what is watched, in which there may be no site yet.
fn draft(sources: &SourceSet) -> Result<Province, Diagnostics> {
    let out = Findings::new();
    let mut province = None;
    for file in [File::Settings, File::Sites] {
        if sources.get(file).is_none() {
            out.say(Span::top(file), "the file is missing");
        }
    }
    if let (Some(settings), Some(sites)) = (sources.get(File::Settings), sources.get(File::Sites)) {
        let settings = yaml::read(File::Settings, settings, &out);
        let sites = yaml::read(File::Sites, sites, &out);
        let vchealth = settings.as_ref().and_then(|node| vchealth::read(node, &out));
        let checks = vchealth.as_ref().map(|file| file.checks.as_slice());
        province = sites.and_then(|node| sites::read(&node, checks, Sites::ToCome, &out));
    }
    match province {
        Some(province) if out.count() == 0 => Ok(province),
        _ => Err(out.into_diagnostics(sources)),
    }
}

fn read(sources: &SourceSet, out: &Findings) -> Option<Config> {
    let tree = |file: File| match sources.get(file) {
        Some(source) => yaml::read(file, source, out),
        None => {
            let hint = match (sources.instead(file), file) {
                (Some(instead), _) => Some(format!("there is `{instead}`; rename it to `{file}`")),
                // A calendar that was left behind by mistake would never be missed otherwise.
                (None, File::Sessions) => {
                    Some("without a calendar yet, let it say `sessions: []`".to_owned())
                }
                (None, _) => None,
            };
            out.hint(Span::top(file), "the file is missing", hint);
            None
        }
    };
    let trees = File::ALL.map(tree);
    let [settings, sites, sessions] = &trees;
    let mut vchealth = settings.as_ref().and_then(|node| vchealth::read(node, out));
    let checks = vchealth.as_ref().map(|file| file.checks.as_slice());
    let mut province = sites.as_ref().and_then(|node| sites::read(node, checks, Sites::Some, out));
    if let (Some(province), Some(node)) =
        (&mut province, vchealth.as_ref().and_then(|file| file.vantage))
    {
        province.topology.vantage = province.sites.find(node, out);
    }
    if let Some(file) = &mut vchealth
        && let Some(node) = file.calendars
    {
        file.settings.calendars = calendar::calendars(node, province.as_ref(), out);
    }
    if let Some(file) = &mut vchealth
        && let Some(node) = file.contacts
    {
        file.settings.contacts = contacts::read(node, province.as_ref(), out).unwrap_or_default();
    }
    if let Some(file) = &mut vchealth
        && let Some(node) = file.web_file
    {
        file.settings.web.access = Arc::new(web::named(node, sources, out).unwrap_or_default());
    }
    let zone = vchealth
        .as_ref()
        .map_or_else(|| Settings::default().time_zone, |file| file.settings.time_zone.clone());
    let sessions = sessions
        .as_ref()
        .map(|node| sessions::read(node, province.as_ref(), &zone, out))
        .unwrap_or_default();
    let routes = vchealth.as_ref().and_then(|file| {
        let known = Known {
            names: &file.names,
            rotas: &file.settings.rotas,
            escalation: file.settings.escalation,
            province: province.as_ref(),
        };
        routes::routes(file.routes?, &known, out)
    });
    let (mut vchealth, province) = (vchealth?, province?);
    vchealth.settings.routes = routes.unwrap_or_default();
    if out.count() > 0 {
        return None;
    }
    cost::refuse(&province.topology, &vchealth.settings.budget, &province.spans, out);
    Some(Config {
        settings: vchealth.settings,
        topology: Arc::new(province.topology),
        sessions,
        templates: sources.templates().to_vec(),
    })
}
