//! The configuration of a demo: the shipped sample or the user's own, fitted to the lab.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Failed;
use crate::clock::Clock;
use crate::config::{self, Channel, ChannelKind, Config, WebhookSettings};
use crate::daemon::{Options, Source};
use crate::model::{ChannelId, Session, SiteIx, Topology, WebAddress};

/// Everything the daemon of a demo is started with, again after every restart.
pub(super) struct Stage {
    whole: Arc<Config>,
    without: Arc<Mutex<Vec<SiteIx>>>,
    clock: Clock,
    _scratch: Scratch,
}

/// A directory of our own that goes with us.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory left in the place for temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The configuration in `dir`, or the sample.
pub(super) fn base(dir: Option<&Path>) -> Result<Config, Failed> {
    Ok(dir.map_or_else(|| Source::prepared(config::sample()), Source::directory).load()?)
}

impl Stage {
    /// A stage for this configuration, with a place of its own for what is to be kept.
    pub(super) fn new(mut config: Config, clock: Clock) -> Self {
        let scratch = std::env::temp_dir().join(format!("vchealth-demo-{}", std::process::id()));
        config.settings.state_dir.clone_from(&scratch);
        Self { whole: Arc::new(config), without: Arc::default(), clock, _scratch: Scratch(scratch) }
    }

    /// The province.
    pub(super) fn topology(&self) -> &Arc<Topology> {
        &self.whole.topology
    }

    /// From the next reload on these sites are not in the configuration.
    pub(super) fn leave_out(&self, sites: &[SiteIx]) {
        *self.without.lock().unwrap_or_else(PoisonError::into_inner) = sites.to_vec();
    }

    /// What the daemon is started with; alerts go to `receiver`.
    pub(super) fn options(&self, receiver: String, listener: TcpListener) -> Options {
        let mut whole = Config::clone(&self.whole);
        whole.settings.channels = vec![Channel {
            id: ChannelId::new("demo"),
            kind: ChannelKind::Webhook(WebhookSettings {
                url: WebAddress::new(receiver).into(),
                secret: None,
                timeout: Duration::from_secs(5),
            }),
            send_resolved: true,
            fallback: None,
        }];
        // Its people cannot be reached from here.
        whole.settings.people.clear();
        whole.settings.rotas.clear();
        whole.settings.routes.clear();
        whole.settings.quiet_hours.channels.clear();
        let without = Arc::clone(&self.without);
        let made = move || {
            let without = without.lock().unwrap_or_else(PoisonError::into_inner);
            reduced(&whole, &without)
        };
        Options { source: Source::made(made), listener: Some(listener), clock: self.clock }
    }
}

/// A configuration without some of its sites, as if nobody had ever written them.
fn reduced(whole: &Config, without: &[SiteIx]) -> Config {
    let (topology, places) = whole.topology.without(without);
    let sessions = whole.sessions.iter().map(|session| {
        let sites = session.sites.iter();
        let sites = sites.filter_map(|(site, delegates)| Some((places[site.ix()]?, *delegates)));
        Arc::new(Session { sites: sites.collect(), ..Session::clone(session) })
    });
    Config {
        settings: whole.settings.clone(),
        sessions: sessions.collect(),
        templates: Vec::new(),
        topology: Arc::new(topology),
    }
}
