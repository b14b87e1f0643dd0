//! Where a run that a person made is kept: in the store if no daemon holds it, else with the
//! daemon that does, through its API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use rustls::{ClientConfig, RootCertStore};

use crate::clock::Clock;
use crate::config::Settings;
use crate::daemon::chain;
use crate::model::{Batch, Change, Confirmation, ReadinessRun};
use crate::store::{Store, StoreError};

/// Longest that the daemon is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps what is found.
pub(super) struct Keeper {
    state_dir: PathBuf,
    listen: SocketAddr,
}

impl Keeper {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { state_dir: settings.state_dir.clone(), listen: settings.listen }
    }

    /// Keeps a run.
    ///
    /// # Errors
    /// Why neither the store nor a daemon took it.
    pub(super) async fn run(&self, run: ReadinessRun) -> Result<(), String> {
        let path = format!("/api/v1/sessions/{}/readiness", run.session);
        let body = serde_json::to_vec(&run).map_err(|error| error.to_string())?;
        let changes = vec![Change::Readiness(Box::new(run))];
        self.keep(changes, vec![(path, body)]).await
    }

    /// Keeps what people confirmed.
    ///
    /// # Errors
    /// Why neither the store nor a daemon took it.
    pub(super) async fn confirmations(&self, said: Vec<Confirmation>) -> Result<(), String> {
        let mut posts = Vec::new();
        for it in &said {
            let path = format!("/api/v1/sessions/{}/confirmations", it.session);
            let body = serde_json::json!({
                "site": it.site, "picture": it.picture, "sound": it.sound,
                "by": it.by, "note": it.note,
            });
            posts.push((path, body.to_string().into_bytes()));
        }
        let changes = said.into_iter().map(|it| Change::Confirm(Box::new(it))).collect();
        self.keep(changes, posts).await
    }

    async fn keep(
        &self,
        changes: Vec<Change>,
        posts: Vec<(String, Vec<u8>)>,
    ) -> Result<(), String> {
        let now = Clock::start().now().wall;
        let opened = Store::open(&self.state_dir, now);
        let error = match opened {
            Ok((mut store, _)) => {
                let batch = Batch { changes };
                return store.commit(&[batch], &[], now).map_err(|error| chain(&error));
            }
            Err(error) => error,
        };
        match &error {
            // The daemon has it: let it write. So it may have where we may not even look.
            StoreError::InUse { .. } | StoreError::File { .. } => {
                for (path, body) in posts {
                    let told = self.post(&path, body).await;
                    told.map_err(|why| format!("{}; {why}", chain(&error)))?;
                }
                Ok(())
            }
            _ => Err(chain(&error)),
        }
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> Result<(), String> {
        let ip = match self.listen.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let url = format!("http://{}{path}", SocketAddr::new(ip, self.listen.port()));
        let failed =
            |error: reqwest::Error| format!("the daemon does not answer: {}", chain(&error));
        // The client insists on TLS that it will not need.
        let provider = rustls::crypto::ring::default_provider();
        let tls = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .map_err(failed)?;
        let request = client.post(url).header(CONTENT_TYPE, "application/json").body(body);
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = answer.text().await.unwrap_or_default();
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        Err(format!("the daemon answers {status}: {said}"))
    }
}
