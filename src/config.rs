//! What people wrote, checked: texts in, a [`Config`] or every problem at once out.
//!
//! This room reads no files. It is handed their texts, so that a test or a web form can hand it
//! others. Startup and reload take this same path.
//!
//! ```text
//! SourceSet ─▶ yaml: a tree with places ─▶ vchealth, checks ┐
//!                                         ─▶ sites ◀─────────┤ ─▶ cost: the budget ─▶ Config
//!                                         ─▶ sessions ◀──────┘
//!                       each tells its problems to the same Findings ─▶ Diagnostics
//! ```

mod channels;
mod checks;
mod cost;
mod defaults;
mod diagnostic;
mod hint;
mod names;
mod read;
mod sessions;
mod settings;
mod sites;
mod source;
mod vchealth;
mod yaml;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use cost::LineCost;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use settings::{
    AlertmanagerSettings, Budget, Channel, ChannelKind, Config, CorrelationSettings, EmailSettings,
    EsmsSettings, ExecSettings, FlappingSettings, HygieneSettings, Hysteresis, IcmpEngine,
    IcmpSettings, MailSecurity, PhaseSettings, QualitySettings, ReadinessSettings,
    ResolverSettings, SecretSource, Settings, SmsBody, SmsGateway, SmsHttpSettings, SmsSettings,
    TelegramSettings, WebhookSettings, ZaloRecipient, ZaloSettings,
};
pub use source::{File, SourceSet};

use diagnostic::Findings;
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
    let vchealth = settings.as_ref().and_then(|node| vchealth::read(node, out));
    let checks = vchealth.as_ref().map(|file| file.checks.as_slice());
    let mut province = sites.as_ref().and_then(|node| sites::read(node, checks, out));
    if let (Some(province), Some(node)) =
        (&mut province, vchealth.as_ref().and_then(|file| file.vantage))
    {
        province.topology.vantage = province.sites.find(node, out);
    }
    let zone = vchealth
        .as_ref()
        .map_or_else(|| Settings::default().time_zone, |file| file.settings.time_zone.clone());
    let sessions = sessions
        .as_ref()
        .map(|node| sessions::read(node, province.as_ref(), &zone, out))
        .unwrap_or_default();
    let (vchealth, province) = (vchealth?, province?);
    if out.count() > 0 {
        return None;
    }
    cost::refuse(&province.topology, &vchealth.settings.budget, &province.spans, out);
    Some(Config { settings: vchealth.settings, topology: Arc::new(province.topology), sessions })
}
