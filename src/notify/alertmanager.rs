//! The Alertmanager channel: alerts for a cluster of Alertmanagers (API version 2), as Prometheus
//! itself delivers them.
//!
//! An Alertmanager calls an alert over when its end has passed, and forgets everything when it is
//! started anew. So an alert that is still on is told again and again with an end some minutes
//! ahead: a member that was away learns of it within a minute, and when we die the alert does not
//! stay for ever. Members exchange what they told people, not the alerts, so each is told.

mod standing;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Serialize;
use tokio::task::{JoinHandle, JoinSet};

use self::standing::Standing;
use super::http::Http;
use super::secret::Secret;
use super::{DeliveryError, Letter, Retry, Style, keys, parts};
use crate::config::AlertmanagerSettings;
use crate::model::Notification;

/// Where alerts are posted (Alertmanager's OpenAPI document, `postAlerts`).
const PATH: &str = "/api/v2/alerts";
/// Alerts in one post when all are told again.
const AT_ONCE: usize = 200;

/// A cluster that is kept informed.
#[derive(Debug)]
pub(super) struct Alertmanager {
    cluster: Arc<Cluster>,
    again: JoinHandle<()>,
}

/// What the letters and the telling again share.
#[derive(Debug)]
struct Cluster {
    settings: AlertmanagerSettings,
    style: Arc<Style>,
    http: Http,
    standing: Arc<Mutex<Standing>>,
    /// Held while alerts are on their way: one that is told again must not come in after its end.
    posting: Arc<tokio::sync::Mutex<()>>,
}

/// One alert as the API takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertJson {
    labels: standing::Labels,
    annotations: standing::Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
}

impl Alertmanager {
    /// A cluster that is told again of what stands, from now on. With `before`, the channel as it
    /// was until a reload, what stands goes on standing.
    pub(super) fn new(
        settings: &AlertmanagerSettings,
        style: Arc<Style>,
        http: Http,
        before: Option<&Self>,
    ) -> Self {
        let cluster = Arc::new(Cluster {
            settings: settings.clone(),
            style,
            http,
            standing: before.map(|b| Arc::clone(&b.cluster.standing)).unwrap_or_default(),
            posting: before.map(|b| Arc::clone(&b.cluster.posting)).unwrap_or_default(),
        });
        let again = tokio::spawn(Arc::clone(&cluster).tell_again());
        Self { cluster, again }
    }

    /// Tells the letter. One member that accepts it is enough.
    ///
    /// # Errors
    /// When no member accepts it.
    pub(super) async fn deliver(&self, letter: &Letter) -> Result<(), DeliveryError> {
        let cluster = &self.cluster;
        let _alone = cluster.posting.lock().await;
        let alerts =
            cluster.standing().alerts(letter, &cluster.style, cluster.http.now(), cluster.lapse());
        let result = cluster.post(&alerts).await;
        match &result {
            Ok(()) => cluster.standing().accepted(letter, &cluster.style),
            Err(error) if error.retry == Retry::Never => cluster.standing().refused(letter),
            Err(_) => {}
        }
        result
    }

    /// Takes up what stood when the daemon ended and still does, and tells it at once.
    pub(super) fn restore(&self, notifications: impl IntoIterator<Item = Notification>) {
        let mut standing = self.cluster.standing();
        for notification in notifications {
            standing.restore(notification, &self.cluster.style);
        }
        drop(standing);
        let cluster = Arc::clone(&self.cluster);
        tokio::spawn(async move { cluster.tell_all().await });
    }

    /// Longest that a letter takes: it may wait for the same to be told again before.
    pub(super) fn time_limit(&self) -> Duration {
        self.cluster.settings.timeout.saturating_mul(3)
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.again.abort();
    }
}

impl Cluster {
    /// Tells everything that stands, for ever, once in each interval.
    async fn tell_again(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.resend).await;
            self.tell_all().await;
        }
    }

    async fn tell_all(&self) {
        let _alone = self.posting.lock().await;
        let alerts = self.standing().all(self.http.now(), self.lapse());
        for some in alerts.chunks(AT_ONCE) {
            if let Err(error) = self.post(some).await {
                tracing::warn!(alerts = some.len(), %error, "alerts were not told again");
                // The next members would not accept the rest either; it is told a minute later.
                return;
            }
        }
    }

    /// How far ahead the end of an alert lies that is still on. Four chances to tell it again, as
    /// Prometheus has it.
    fn lapse(&self) -> Duration {
        self.settings.resend.saturating_mul(4)
    }

    /// Posts to every member at the same time.
    async fn post(&self, alerts: &[AlertJson]) -> Result<(), DeliveryError> {
        if alerts.is_empty() {
            return Ok(());
        }
        let token = match &self.settings.token {
            Some(source) => Some(keys::read(source).await?),
            None => None,
        };
        let mut headers = HeaderMap::new();
        if let Some(token) = &token {
            let value = format!("Bearer {}", token.reveal());
            let Ok(mut value) = HeaderValue::try_from(value) else {
                let text = "the token holds a character that no header may hold".to_owned();
                return Err(DeliveryError { retry: Retry::Never, text });
            };
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let body = serde_json::to_vec(alerts).unwrap_or_default();
        let mut members = BTreeSet::new();
        let mut failures = Vec::new();
        for url in &self.settings.urls {
            match keys::address(url).await {
                Ok(url) => drop(members.insert(url)),
                // The others are told all the same.
                Err(error) => failures.push(error),
            }
        }
        let mut posts = JoinSet::new();
        for member in members {
            let url = member.below(PATH);
            let (headers, body) = (headers.clone(), body.clone());
            let (http, limit, token) = (self.http.clone(), self.settings.timeout, token.clone());
            posts.spawn(async move {
                let secrets: Vec<&Secret> = token.iter().collect();
                http.post(&url, headers, body, limit, &secrets).await
            });
        }
        let mut accepted = false;
        while let Some(ended) = posts.join_next().await {
            match ended {
                Ok(Ok(())) => accepted = true,
                Ok(Err(error)) => failures.push(error),
                Err(gone) => failures.push(DeliveryError {
                    retry: Retry::Later,
                    text: format!("no answer: {gone}"),
                }),
            }
        }
        if accepted {
            for error in failures {
                tracing::warn!(%error, "a member of the cluster did not accept alerts");
            }
            return Ok(());
        }
        parts::verdict(false, false, false, failures)
    }

    fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
