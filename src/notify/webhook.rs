//! The webhook channel: Alertmanager's webhook JSON, version 4, so that whatever consumes
//! Alertmanager consumes us.
//!
//! Field names and meaning follow Alertmanager's documentation of `<webhook_config>`. One entry in
//! `alerts` stands for one incident; `fingerprint` depends on the incident alone, so it stays the
//! same while severity, session and affected sites change. An alert that fires has the zero time
//! as its end, as Alertmanager writes it. The id of the letter goes in the header
//! `Idempotency-Key`, that of the message in the annotation `notification`: both are the same at
//! every repeat.
//!
//! With a secret, every post is signed, so that a receiver on an open network can tell ours from
//! anybody's: `X-Vchealth-Timestamp` is the moment of the post in Unix seconds, and
//! `X-Vchealth-Signature` is `sha256=` and the HMAC-SHA256 (RFC 2104) of that number, a full stop
//! and the body, in hexadecimal digits. The time is signed too, so that a recorded post cannot be
//! played back later: a receiver refuses what is more than a few minutes old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use ring::hmac;
use serde::Serialize;

use super::http::{Http, header};
use super::secret::Secret;
use super::{DeliveryError, Item, Letter, Style, keys, texts};
use crate::config::{Address, SecretSource, WebhookSettings};
use crate::model::{Alert, Cause};

/// What Go writes for a time that is not set.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// A webhook that can be posted to.
#[derive(Debug)]
pub(super) struct Webhook {
    url: Address,
    secret: Option<SecretSource>,
    timeout: Duration,
    style: Arc<Style>,
    http: Http,
}

impl Webhook {
    pub(super) fn new(settings: &WebhookSettings, style: Arc<Style>, http: Http) -> Self {
        Self {
            url: settings.url.clone(),
            secret: settings.secret.clone(),
            timeout: settings.timeout,
            style,
            http,
        }
    }

    /// Posts the letter.
    ///
    /// # Errors
    /// When the receiver does not accept it in time.
    pub(super) async fn deliver(&self, letter: &Letter) -> Result<(), DeliveryError> {
        let body = body(letter, &self.style);
        let mut headers: HeaderMap =
            header("idempotency-key", letter.id.as_str()).into_iter().collect();
        if let Some(secret) = &self.secret {
            let at = self.http.now().as_second();
            let secret = keys::read(secret).await?;
            let signature = signature(&secret, at, &body);
            headers.extend(header("x-vchealth-timestamp", &at.to_string()));
            headers.extend(header("x-vchealth-signature", &signature));
        }
        let url = keys::address(&self.url).await?;
        self.http.post(&url, headers, body, self.timeout, &[]).await
    }

    /// The time limit of a post; a refusal's reason may take a little longer to read.
    pub(super) const fn time_limit(&self) -> Duration {
        self.timeout.saturating_add(Duration::from_secs(1))
    }
}

/// What proves that a body was posted by us at `at`, in Unix seconds.
fn signature(secret: &Secret, at: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let mut signing = hmac::Context::with_key(&key);
    signing.update(format!("{at}.").as_bytes());
    signing.update(body);
    let mut text = "sha256=".to_owned();
    for byte in signing.sign().as_ref() {
        text += &format!("{byte:02x}");
    }
    text
}

/// The JSON to post.
pub(super) fn body(letter: &Letter, style: &Style) -> Vec<u8> {
    let alerts: Vec<AlertJson> =
        letter.items.iter().map(|item| AlertJson::new(item, letter.test, style)).collect();
    let group_labels: Labels = match letter.items.as_slice() {
        [one] => {
            [("incident", one.notification.alert.incident.id.to_string())].into_iter().collect()
        }
        _ => Labels::new(),
    };
    let group: Vec<String> =
        group_labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let message = MessageJson {
        receiver: letter.channel.as_str(),
        status: status(letter.is_resolved()),
        group_key: format!("{{}}:{{{}}}", group.join(", ")),
        group_labels,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        alerts,
        external_url: &style.board,
        version: "4",
        truncated_alerts: 0,
    };
    serde_json::to_vec(&message).unwrap_or_default()
}

pub(super) type Labels = BTreeMap<&'static str, String>;

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageJson<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<AlertJson>,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: String,
    truncated_alerts: u32,
}

/// One incident in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertJson {
    status: &'static str,
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    pub(super) generator_url: String,
    fingerprint: String,
}

impl AlertJson {
    pub(super) fn new(item: &Item, test: bool, style: &Style) -> Self {
        let notification = &*item.notification;
        let alert = &notification.alert;
        let incident = &alert.incident;
        let message = texts::write(item, test, style);
        let mut labels: Labels = [
            ("alertname", alertname(alert, test).to_owned()),
            ("site", incident.site.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("level", alert.level.clone()),
            ("parent", alert.parent.clone()),
            ("cause", incident.cause.word().to_owned()),
            ("severity", incident.severity.word().to_owned()),
            ("incident", incident.id.to_string()),
        ]
        .into_iter()
        .collect();
        if let Some(session) = &incident.session {
            labels.insert("session", session.to_string());
        }
        let affected = texts::affected_sites(alert);
        let mut annotations: Labels = [
            ("summary", message.summary),
            ("description", message.description),
            ("action", message.action),
            ("contact", message.contact),
            ("affected", affected.len().to_string()),
            ("affected_sites", affected.join(", ")),
            ("of", incident.of.to_string()),
            ("notification", notification.id.to_string()),
        ]
        .into_iter()
        .collect();
        annotations.extend(incident.endpoint.as_ref().map(|id| ("endpoint", id.to_string())));
        annotations.extend(incident.check.as_ref().map(|id| ("check", id.to_string())));
        if let Some(common) = &incident.common {
            let share = |failing: u32, of: u32| format!("{failing}/{of}");
            annotations.extend([
                ("common_label", common.label.clone()),
                ("common_value", common.value.clone()),
                ("common_inside", share(common.inside_failing, common.inside)),
                ("common_outside", share(common.outside_failing, common.outside)),
            ]);
        }
        if let Some(link) = message.link {
            annotations.insert("ack_url", link);
        }
        Self {
            status: status(incident.resolved.is_some()),
            labels,
            annotations,
            starts_at: incident.began.to_string(),
            ends_at: incident.ended().map_or_else(|| ZERO_TIME.to_owned(), |at| at.to_string()),
            generator_url: texts::page(alert, test, &style.board),
            fingerprint: format!("{:016x}", fnv1a(incident.id.as_str().as_bytes())),
        }
    }
}

const fn status(resolved: bool) -> &'static str {
    if resolved { "resolved" } else { "firing" }
}

const fn alertname(alert: &Alert, test: bool) -> &'static str {
    match (test, alert.drill, &alert.readiness) {
        (true, ..) => "TestAlert",
        (false, true, _) => "DrillAlert",
        (false, false, Some(_)) => "NotReady",
        (false, false, None) => name(alert.incident.cause),
    }
}

/// The `alertname` of a cause.
const fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Monitor => "MonitorBlind",
        Cause::Uplink => "UplinkDown",
        Cause::Access => "SiteDown",
        Cause::Device => "DeviceDown",
        Cause::Service => "ServiceDown",
        Cause::Quality => "QualityPoor",
        Cause::Certificate => "CertificateInvalid",
        Cause::Clock => "ClockOff",
    }
}

/// What all have in common.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut common = all.next().cloned().unwrap_or_default();
    for labels in all {
        common.retain(|name, value| labels.get(name) == Some(value));
    }
    common
}

/// The 64-bit FNV-1a hash, which Alertmanager's fingerprints are made with, too.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::tests::{shapes_and_drills, write_each};

    #[test]
    fn what_is_posted_can_be_read() {
        write_each("webhook", &shapes_and_drills(), |letter, style| {
            let read: serde_json::Value = serde_json::from_slice(&body(letter, style)).unwrap();
            format!("{read:#}\n")
        });
    }

    /// Made with `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac s3cr3t`.
    #[test]
    fn a_signature_is_what_any_other_program_computes() {
        let told = "sha256=8dbbbbf4523b10bbb793e74d854144c45acccc2d233667b1c06b805b6ded8a84";
        assert_eq!(signature(&Secret::new("s3cr3t"), 1_700_000_000, br#"{"a":1}"#), told);
    }
}
