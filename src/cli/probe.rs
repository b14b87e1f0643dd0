//! `vchealth probe SITE`: every check of a site once, explained step by step.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use unicode_normalization::UnicodeNormalization;

use super::{Exit, Failed, runtime};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{DaemonError, Source};
use crate::model::{
    Check, CheckKind, Effort, Failure, Language, LocalFailure, RemoteFailure, SiteId, SiteIx,
    TargetIx, TargetKey, Topology,
};
use crate::probe::explain::{Style, story};
use crate::probe::{Probes, Record};

/// Probes a site; fails if any check does.
pub(super) fn run(dir: &Path, site: &str, language: Option<Language>) -> Result<Exit, Failed> {
    let config = Source::directory(dir).load()?;
    let ix = find(&config.topology, site)?;
    runtime()?.block_on(probe(&config, ix, language.unwrap_or(config.settings.language)))
}

async fn probe(config: &Config, ix: SiteIx, language: Language) -> Result<Exit, Failed> {
    let clock = Clock::start();
    let (settings, topology) = (&config.settings, &config.topology);
    let probes = super::probes(config, clock).await;
    let site = topology.site(ix);
    let style = Style { language, time_zone: settings.time_zone.clone() };
    let targets: Vec<TargetIx> = site
        .endpoints
        .iter()
        .flat_map(|endpoint| topology.endpoint(*endpoint).targets.clone())
        .collect();
    println!("{} ({})", site.name, site.id);
    let mut failed = 0;
    let mut forbidden = None;
    for (n, target) in targets.iter().enumerate() {
        let endpoint = topology.endpoint(topology.target(*target).endpoint);
        let check = topology.check_of(*target);
        progress(&format!("{}/{}: {} {} …", n + 1, targets.len(), endpoint.id, check.id));
        let key = topology.target_key(*target);
        let Some(record) = ask(&probes, &key, check, clock).await else { continue };
        failed += usize::from(record.outcome.result.is_err());
        if let Err(Failure::Local(LocalFailure::Forbidden(why))) = &record.outcome.result {
            forbidden = Some(why.clone());
        }
        progress("");
        println!("\n{} ({}) · {}", endpoint.id, endpoint.host, check.id);
        for line in story(&record, check, &style) {
            println!("  {line}");
        }
    }
    probes.stop().await;
    if let Some(why) = forbidden {
        println!("\n{why}");
    }
    let all = targets.len();
    println!(
        "\n{}",
        match (language, failed) {
            (Language::Vi, 0) => format!("Cả {all} phép kiểm tra đều đạt."),
            (Language::En, 0) => format!("All {all} checks passed."),
            (Language::Vi, _) => format!("{failed} trên {all} phép kiểm tra không đạt."),
            (Language::En, _) => format!("{failed} of {all} checks failed."),
        }
    );
    Ok(if failed == 0 { Exit::Well } else { Exit::Failed })
}

/// How long a router looks for a device before it says that it does not respond: three seconds by
/// default (RFC 4861 §10, and the same for ARP in Linux), and a little more.
const ROUTERS_LOOK: Duration = Duration::from_millis(3_300);

/// Probes a target. Silence is asked again for as long as it may take a router to say why.
async fn ask(probes: &Probes, key: &TargetKey, check: &Check, clock: Clock) -> Option<Record> {
    let began = clock.mono();
    loop {
        let record = probes.run_once(key, Effort::Normal).await?;
        let is_silent =
            matches!(record.outcome.result, Err(Failure::Remote(RemoteFailure::Timeout)));
        let is_echo = matches!(check.kind, CheckKind::Icmp(_));
        if !is_silent || !is_echo || clock.mono() - began > ROUTERS_LOOK {
            return Some(record);
        }
    }
}

/// Shows on a terminal what is being waited for, on a line of its own that is overwritten.
fn progress(text: &str) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
    }
}

/// The site with this id or this name.
pub(super) fn find(topology: &Topology, asked: &str) -> Result<SiteIx, Failed> {
    let by_name = || {
        // Names are kept in NFC; some systems hand them over decomposed.
        let lower = asked.nfc().collect::<String>().to_lowercase();
        topology.site_ixs().find(|ix| topology.site(*ix).name.to_lowercase() == lower)
    };
    topology.find_site(&SiteId::new(asked)).or_else(by_name).ok_or_else(|| {
        let known = topology
            .sites
            .iter()
            .flat_map(|site| [(site.id.as_str(), site), (site.name.as_str(), site)]);
        let hint = super::nearest(asked, known).map_or_else(String::new, |site| {
            format!("; did you mean `{}` ({})?", site.id, site.name)
        });
        Failed::Usage(format!("there is no site `{asked}`{hint}"))
    })
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Daemon(DaemonError::System(error))
    }
}
