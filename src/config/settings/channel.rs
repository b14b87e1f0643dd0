//! Ways to reach people: one structure for each kind of channel.
//!
//! Apart from the other settings because there are many kinds, and each is read by its own file
//! in the room that tells.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{ChannelId, WebAddress};

/// A way to reach people.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its name.
    pub id: ChannelId,
    /// What it is.
    pub kind: ChannelKind,
    /// Whether the end of an incident is told as well.
    pub send_resolved: bool,
    /// What tells people when this does not.
    pub fallback: Option<Fallback>,
}

/// The channel that stands in for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Which. Never, over any number of steps, the one that it stands in for.
    pub to: ChannelId,
    /// It stands in once every attempt has failed for this long.
    pub after: Duration,
}

/// The kinds of channel. A new kind is a new variant here; the compiler then names every place
/// that has to learn about it.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelKind {
    /// Alertmanager's webhook JSON, version 4, posted to a URL.
    Webhook(WebhookSettings),
    /// A cluster of Alertmanagers, kept informed until each alert is over.
    Alertmanager(AlertmanagerSettings),
    /// Mail through a submission server.
    Email(EmailSettings),
    /// Messages of a Zalo Official Account.
    Zalo(ZaloSettings),
    /// Messages of a Telegram bot.
    Telegram(TelegramSettings),
    /// Short messages through a gateway on the web.
    Sms(SmsSettings),
    /// A program on this machine, such as a siren or a modem.
    Exec(ExecSettings),
}

impl ChannelKind {
    /// Whether it may be one person's own: it has one recipient, and that is no group. Of a
    /// webhook and a program it is not known who is behind.
    #[must_use]
    pub fn has_one_reader(&self) -> bool {
        match self {
            Self::Webhook(_) | Self::Exec(_) => true,
            Self::Alertmanager(_) => false,
            Self::Email(mail) => mail.to.len() == 1,
            Self::Zalo(zalo) => matches!(zalo.to[..], [ZaloRecipient::User(_)]),
            // Groups have negative numbers, channels have names.
            Self::Telegram(bot) => bot.chats.len() == 1 && !bot.chats[0].starts_with(['-', '@']),
            Self::Sms(sms) => sms.to.len() == 1,
        }
    }

    /// The word in the settings, in metrics and in logs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Alertmanager(_) => "alertmanager",
            Self::Email(_) => "email",
            Self::Zalo(_) => "zalo",
            Self::Telegram(_) => "telegram",
            Self::Sms(_) => "sms",
            Self::Exec(_) => "exec",
        }
    }
}

/// Where a secret lies. It is read when it is needed, so that it can be replaced without a reload,
/// and it never stands in the settings themselves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    /// The first line of this file.
    File(PathBuf),
    /// This variable of the environment.
    Env(String),
}

/// An address that may be a key itself: whoever knows it can post in our name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// It stands in the settings.
    Written(WebAddress),
    /// It lies elsewhere, and is read when it is needed.
    Kept(SecretSource),
}

impl From<WebAddress> for Address {
    fn from(written: WebAddress) -> Self {
        Self::Written(written)
    }
}

/// Where and how a webhook is posted.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookSettings {
    /// The receiver.
    pub url: Address,
    /// What posts are signed with, if they are.
    pub secret: Option<SecretSource>,
    /// A post with no answer after this long has failed.
    pub timeout: Duration,
}

/// A cluster of Alertmanagers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertmanagerSettings {
    /// Every member of the cluster, at least one: `http://10.0.0.5:9093`, with the path prefix if
    /// there is one. Each is told; one that accepts is enough.
    pub urls: Vec<Address>,
    /// What goes into `Authorization: Bearer …`, if anything.
    pub token: Option<SecretSource>,
    /// A member that has not answered after this long has failed.
    pub timeout: Duration,
    /// An alert that is still on is told again this often. It counts as over when it was not told
    /// for four times as long.
    pub resend: Duration,
}

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MailSecurity {
    /// Plain at first, then TLS, or not at all (RFC 3207); port 587.
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314); port 465.
    Tls,
    /// In the clear; only for a server on this machine.
    None,
}

/// Mail through a submission server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailSettings {
    /// Name or address of the server; its certificate must hold it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way is protected.
    pub security: MailSecurity,
    /// User and password, if the server wants them.
    pub login: Option<(String, SecretSource)>,
    /// Certificates to trust besides those that this machine trusts, as a PEM file.
    pub ca_file: Option<PathBuf>,
    /// The sender: `VC Health <canh-bao@tinh.example>`.
    pub from: String,
    /// The recipients, at least one.
    pub to: Vec<String>,
    /// Name given in EHLO; the sender's domain if none.
    pub hello: Option<String>,
    /// A mail that is not accepted after this long has failed.
    pub timeout: Duration,
}

/// Who gets a message of an Official Account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZaloRecipient {
    /// Everybody in a group that the account made; needs a group package (GMF).
    Group(String),
    /// One person, who must have written to the account within the last 7 days.
    User(String),
}

/// Messages of a Zalo Official Account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZaloSettings {
    /// Id of the application.
    pub app_id: String,
    /// Its secret key.
    pub secret_key: SecretSource,
    /// The refresh token to begin with. Each works once; the ones that follow are kept in the
    /// state directory. Another one here is taken up at once.
    pub refresh_token: SecretSource,
    /// Where the current tokens are kept.
    pub token_store: PathBuf,
    /// Recipients, at least one.
    pub to: Vec<ZaloRecipient>,
    /// Address of the messaging service.
    pub base_url: WebAddress,
    /// Address of the token service.
    pub oauth_url: WebAddress,
    /// A request with no answer after this long has failed.
    pub timeout: Duration,
}

/// Messages of a Telegram bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelegramSettings {
    /// The bot's token.
    pub token: SecretSource,
    /// Chats by number or `@name`, at least one.
    pub chats: Vec<String>,
    /// Address of the service.
    pub base_url: WebAddress,
    /// A request with no answer after this long has failed.
    pub timeout: Duration,
}

/// Short messages through a gateway on the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsSettings {
    /// Whose gateway.
    pub gateway: SmsGateway,
    /// Telephone numbers, at least one.
    pub to: Vec<String>,
    /// A request with no answer after this long has failed.
    pub timeout: Duration,
}

/// Whose gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmsGateway {
    /// eSMS, customer-care messages under a brand name.
    Esms(EsmsSettings),
    /// Any gateway that takes one request for each message.
    Http(SmsHttpSettings),
}

/// An account at eSMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsmsSettings {
    /// The key of the account.
    pub api_key: SecretSource,
    /// Its secret key.
    pub secret_key: SecretSource,
    /// The registered brand name.
    pub brandname: String,
    /// Address of the service.
    pub base_url: WebAddress,
}

/// A gateway described by the request that it takes. In every text `{phone}`, `{text}`, `{id}` and
/// the names of [`secrets`](Self::secrets) in braces are replaced, encoded for where they stand. No
/// other name stands in braces, and number and text stand somewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SmsHttpSettings {
    /// Where to.
    pub url: WebAddress,
    /// What the body is.
    pub body: SmsBody,
    /// Headers by name.
    pub headers: BTreeMap<String, String>,
    /// Secrets by the name that stands for them.
    pub secrets: BTreeMap<String, SecretSource>,
    /// An answer counts as accepted only if it has this text in it; none means that status 2xx is
    /// enough.
    pub accepted_if: Option<String>,
}

impl SmsHttpSettings {
    /// What stands in braces for the number, for the text, and for what is the same at every repeat
    /// and different for every number.
    pub const GIVEN: [&str; 3] = ["phone", "text", "id"];
}

/// What people wrote into a request may hold keys though the settings have a place for them.
impl fmt::Debug for SmsHttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsHttpSettings")
            .field("url", &self.url)
            .field("headers", &self.headers.keys())
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

/// What the body of a request to a gateway is.
#[derive(Clone, PartialEq, Eq)]
pub enum SmsBody {
    /// There is none: a GET.
    None,
    /// A form, sent by POST.
    Form(BTreeMap<String, String>),
    /// A JSON object of texts, sent by POST.
    Json(BTreeMap<String, String>),
}

impl fmt::Debug for SmsBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Form(fields) => f.debug_tuple("Form").field(&fields.keys()).finish(),
            Self::Json(fields) => f.debug_tuple("Json").field(&fields.keys()).finish(),
        }
    }
}

/// A program on this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct ExecSettings {
    /// Its absolute path; no shell is asked.
    pub program: PathBuf,
    /// Its arguments, as they stand.
    pub args: Vec<String>,
    /// Variables of its environment, besides `PATH` and `LANG`; it inherits none of ours.
    pub env: BTreeMap<String, ExecVariable>,
    /// When it has not ended after this long, it is killed with everything that it started.
    pub timeout: Duration,
}

/// What a variable of a program's environment holds.
#[derive(Clone, PartialEq, Eq)]
pub enum ExecVariable {
    /// This text.
    Written(String),
    /// What lies there when the program is started.
    Kept(SecretSource),
}

/// Arguments and variables may be keys.
impl fmt::Debug for ExecSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSettings")
            .field("program", &self.program)
            .field("env", &self.env.keys())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
