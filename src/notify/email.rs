//! The e-mail channel: mail through a submission server (RFC 6409), one thread for each incident.
//!
//! What makes a thread is [`message`]; this is the way to the server. It opens a connection for
//! each letter: letters are rare, and one kept open would be closed by the server before the next.
//! What a server may say is [`bounded`] as long as it has not shown who it is.

mod bounded;
mod message;
mod reach;
mod talk;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use self::bounded::Bounded;
use self::message::Mail;
use self::talk::Lack;
use super::http::repeatable;
use super::parts::{self, Message, Post, Recipients};
use super::secret::Secret;
use super::{DeliveryError, Letter, Receipt, Retry, Style, disk, keys};
use crate::config::{EmailSettings, MailSecurity};
use crate::model::WebAddress;

/// Largest file of certificates.
const LARGEST_CA_FILE: u64 = 4 * 1024 * 1024;
/// Where the certificates of this machine lie: letters wait for their turn there.
const CERTIFICATES: &str = "/etc/ssl";
/// Longest that a server is listened to once it is known what became of the mail.
const FAREWELL: Duration = Duration::from_secs(1);

/// A server with its recipients.
#[derive(Debug)]
pub(super) struct Email {
    settings: EmailSettings,
    style: Arc<Style>,
    recipients: Arc<Recipients>,
}

/// A letter on its way.
struct Sending<'a> {
    email: &'a Email,
    tls: Tls,
    hello: ClientId,
    password: Option<Secret>,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// Why nobody else is tried: the server itself does not answer.
    gone: Mutex<Option<DeliveryError>>,
}

/// Why a server did not take a mail.
#[derive(Debug)]
enum Trouble {
    /// It was not reached.
    Unreached(io::Error),
    /// It said so, or something that makes no sense.
    Said(Error),
    /// It lacks what the mail needs.
    Lacks(Lack),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Unreached(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

/// Why a mail was not accepted.
#[derive(Debug)]
struct Unsent {
    /// Whether that may be about one recipient.
    names_one: bool,
    error: DeliveryError,
}

impl Email {
    pub(super) fn new(
        settings: &EmailSettings,
        style: Arc<Style>,
        recipients: Arc<Recipients>,
    ) -> Self {
        Self { settings: settings.clone(), style, recipients }
    }

    /// What is known of the recipients.
    pub(super) fn recipients(&self) -> Arc<Recipients> {
        Arc::clone(&self.recipients)
    }

    /// Hands the letter to the server, for all recipients at once if they lack the same. A server
    /// that refuses one recipient, or asks to come back for one later, takes nothing; then each is
    /// tried alone, so that one who has left or whose box is full keeps nobody else from being
    /// told.
    pub(super) async fn deliver(&self, letter: &Letter) -> Receipt {
        let sending = match self.sending().await {
            Ok(sending) => sending,
            Err(error) => return Err(error).into(),
        };
        if let Some((all, lacked)) = self.who_lack_the_same(letter) {
            match sending.send(&all, &lacked).await {
                Ok(()) => {
                    let refusing = self.recipients.refusing(letter, &sending);
                    self.recipients.forget(letter);
                    let has = |at| parts::fared(&sending, at, &self.settings.to[at]);
                    let recipients = all.into_iter().map(has).chain(refusing).collect();
                    return Receipt { recipients, ..Ok(()).into() };
                }
                Err(Unsent { names_one: false, error }) => return Err(error).into(),
                Err(_) => {}
            }
        }
        self.recipients.deliver(letter, &sending).await
    }

    async fn sending(&self) -> Result<Sending<'_>, DeliveryError> {
        let from = mailbox(&self.settings.from)?;
        let to: Vec<Mailbox> =
            self.settings.to.iter().map(|to| mailbox(to)).collect::<Result<_, _>>()?;
        let password = match &self.settings.login {
            Some((_, source)) => Some(keys::read(source).await?),
            None => None,
        };
        let tls = match self.settings.security {
            MailSecurity::None => Tls::None,
            MailSecurity::Starttls => Tls::Required(self.tls().await?),
            MailSecurity::Tls => Tls::Wrapper(self.tls().await?),
        };
        let hello = self.settings.hello.clone();
        let hello = ClientId::Domain(hello.unwrap_or_else(|| from.email.domain().to_owned()));
        Ok(Sending { email: self, tls, hello, password, from, to, gone: Mutex::default() })
    }

    /// Several recipients who all lack the same of a letter, as far as they lack anything.
    fn who_lack_the_same(&self, letter: &Letter) -> Option<(Vec<usize>, Letter)> {
        let to = self.settings.to.iter().enumerate();
        let lacks = to.filter_map(|(at, name)| Some((at, self.recipients.lacks(name, letter)?)));
        let (all, mut lacked): (Vec<usize>, Vec<Letter>) = lacks.unzip();
        let first = lacked.pop()?;
        (!lacked.is_empty() && lacked.iter().all(|it| *it == first)).then_some((all, first))
    }

    /// Longest that a letter takes: to all at once, then to each alone.
    pub(super) fn time_limit(&self) -> Duration {
        let each = u32::try_from(self.settings.to.len()).unwrap_or(u32::MAX).max(1);
        let both = each.saturating_mul(2);
        self.settings.timeout.saturating_mul(both).saturating_add(Duration::from_secs(1))
    }

    /// Whom to trust: the certificates of this machine, and those in the file.
    async fn tls(&self) -> Result<TlsParameters, DeliveryError> {
        let later = |text: String| DeliveryError { retry: Retry::Later, text };
        let mut builder = TlsParameters::builder(self.settings.host.clone());
        if let Some(path) = &self.settings.ca_file {
            let trusted = authorities(path).await.map_err(later)?;
            builder = builder.add_root_certificate(trusted);
        }
        // This reads the certificates of the machine, from wherever they lie.
        let build = move |_: &Path| builder.build_rustls().map_err(io::Error::other);
        let built = disk::apart(Path::new(CERTIFICATES), disk::PATIENCE, build).await;
        built.map_err(|error| later(format!("TLS cannot be set up: {error}")))
    }

    fn server(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }
}

/// The certificates of a file, of those who may sign that of a server.
pub(super) async fn authorities(path: &Path) -> Result<Certificate, String> {
    let why = |error: &dyn std::fmt::Display| {
        format!("the certificates in {} cannot be used: {error}", path.display())
    };
    let pem = disk::apart(path, disk::PATIENCE, |path| disk::bytes(path, LARGEST_CA_FILE));
    let pem = pem.await.map_err(|error| why(&error))?;
    if pem.len() as u64 > LARGEST_CA_FILE {
        return Err(why(&"it is too large"));
    }
    Certificate::from_pem(&pem).map_err(|error| why(&error))
}

impl Sending<'_> {
    /// Hands what a letter tells to the server, for the recipients at these places.
    async fn send(&self, to: &[usize], letter: &Letter) -> Result<(), Unsent> {
        // An address that only some servers take stands in no mail that would do without.
        let beyond = |to: &Mailbox| talk::is_beyond_ascii(&to.email);
        let any = to.iter().any(|at| beyond(&self.to[*at]));
        let named: Vec<Mailbox> = self.to.iter().filter(|to| any || !beyond(to)).cloned().collect();
        let mail = Mail { letter, style: &self.email.style, from: &self.from, to: &named };
        let bytes = mail.bytes().map_err(|text| Unsent { names_one: false, error: never(text) })?;
        // The server is asked for each of them, and takes its time for each.
        let each = u32::try_from(to.len()).unwrap_or(u32::MAX).max(1);
        let limit = self.email.settings.timeout.saturating_mul(each);
        let to = to.iter().map(|at| self.to[*at].email.clone()).collect();
        let envelope = Envelope::new(Some(self.from.email.clone()), to);
        let envelope = envelope
            .map_err(|error| Unsent { names_one: true, error: never(error.to_string()) })?;
        let mut connection = None;
        let talk = self.hand_over(&mut connection, &envelope, &bytes);
        let told = tokio::time::timeout(limit, talk).await;
        if let (Ok(_), Some(mut connection)) = (&told, connection) {
            // It has said what counts, whatever it says to a farewell, and when.
            let _ = tokio::time::timeout(FAREWELL, connection.quit()).await;
        }
        match told {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Trouble::Unreached(error))) => {
                let text = format!("{} cannot be reached: {error}", self.email.server());
                let error = DeliveryError { retry: Retry::Later, text };
                Err(Unsent { names_one: false, error })
            }
            Ok(Err(Trouble::Lacks(lack))) => {
                let text = format!("{}: {lack}", self.email.server());
                // Their address stays what it is; what the server can do may be a moment's fault.
                let names_one = lack == Lack::Recipient;
                let retry = if names_one { Retry::Never } else { Retry::Later };
                Err(Unsent { names_one, error: DeliveryError { retry, text } })
            }
            Ok(Err(Trouble::Said(error))) => {
                Err(Unsent { names_one: names_a_recipient(&error), error: self.failed(&error) })
            }
            Err(_) => {
                let (server, limit) = (self.email.server(), limit.as_secs_f32());
                let text = format!("{server} did not accept it within {limit} s");
                let error = DeliveryError { retry: Retry::Later, text };
                Err(Unsent { names_one: false, error })
            }
        }
    }

    /// The talk with the server until it has the mail, or does not want it. Where it got so far,
    /// the connection is left to whoever says farewell.
    async fn hand_over(
        &self,
        connected: &mut Option<AsyncSmtpConnection>,
        envelope: &Envelope,
        bytes: &[u8],
    ) -> Result<(), Trouble> {
        let settings = &self.email.settings;
        let server = (&*settings.host, settings.port);
        let mut connection = match &self.tls {
            // Nobody says anything here who has not shown a certificate that is trusted.
            Tls::Wrapper(tls) => {
                let (timeout, tls) = (Some(settings.timeout), Some(tls.clone()));
                let server = reach::answering(server, settings.timeout).await?;
                AsyncSmtpConnection::connect_tokio1(server, timeout, &self.hello, tls, None).await?
            }
            _ => {
                let stream = reach::connect(server, settings.timeout).await?;
                let stream = Box::new(Bounded::new(stream));
                AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await?
            }
        };
        if let Tls::Required(tls) = &self.tls {
            // Nothing can be said any more where that fails.
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        let connection = connected.insert(connection);
        if let (Some((user, _)), Some(password)) = (&settings.login, &self.password) {
            let login = Credentials::new(user.clone(), password.reveal().to_owned());
            talk::log_in(connection, &login).await?;
        }
        if let Some(lack) = talk::lack(connection, envelope, bytes) {
            return Err(Trouble::Lacks(lack));
        }
        Ok(talk::hand_over(connection, envelope, bytes).await?)
    }

    /// What a failure means: a reply of 5xx is final (RFC 5321 §4.2.1), everything else is not.
    fn failed(&self, error: &Error) -> DeliveryError {
        let retry = if error.is_permanent() { Retry::Never } else { Retry::Later };
        let addresses = addresses(&self.to);
        let secrets: Vec<&Secret> = self.password.iter().chain(&addresses).collect();
        let server = self.email.server();
        let why = explained(error.to_string());
        let why = repeatable(&why, &WebAddress::new(server.clone()), &secrets);
        DeliveryError { retry, text: format!("{server}: {why}") }
    }

    fn gone(&self) -> MutexGuard<'_, Option<DeliveryError>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post for Sending<'_> {
    fn names(&self) -> Vec<String> {
        self.email.settings.to.clone()
    }

    /// Whose address it is is nobody's business who reads a log.
    fn label(&self, recipient: usize) -> String {
        parts::place(recipient)
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        // What it looks like is up to the mail.
        vec![Message { letter: letter.clone(), pieces: vec![String::new()] }]
    }

    async fn post(&self, recipient: usize, letter: &Letter, _: &str) -> Result<(), DeliveryError> {
        if let Some(gone) = self.gone().clone() {
            return Err(gone);
        }
        let Err(Unsent { names_one, error }) = self.send(&[recipient], letter).await else {
            return Ok(());
        };
        if !names_one {
            // The others would only wait for the same.
            *self.gone() = Some(error.clone());
        }
        Err(error)
    }
}

/// Whether a reply may be about one recipient: refused for good, and not for who we are
/// (530 to 538, RFC 4954 §6), or refused for now (450 to 452, RFC 5321 §4.2.3).
fn names_a_recipient(error: &Error) -> bool {
    match error.status().map(u16::from) {
        Some(code @ 400..=499) => (450..=452).contains(&code),
        Some(code) => error.is_permanent() && !(530..=538).contains(&code),
        None => error.is_permanent(),
    }
}

/// What went wrong, and what to set where the server lacks what the settings ask for: the library
/// calls that an error of its own.
fn explained(text: String) -> String {
    let Some(lack) = text.strip_prefix("internal client error: ") else { return text };
    if lack.contains("STARTTLS") {
        "the server offers no STARTTLS: set `security: tls` and the port where it speaks TLS from the \
         start, such as 465, or `security: none` on a network of your own"
            .to_owned()
    } else if lack.contains("authentication mechanism") {
        "the server offers no log-in by password (PLAIN, LOGIN) on this port: set `security: \
         starttls` or `tls`, which many ask for first, or leave out `user`"
            .to_owned()
    } else {
        lack.to_owned()
    }
}

/// The addresses of recipients, as a server may repeat them in a refusal: it may have made small
/// letters of them, or capitals.
fn addresses(to: &[Mailbox]) -> Vec<Secret> {
    let both = |to: &Mailbox| {
        let address = to.email.to_string();
        [address.to_lowercase(), address.to_uppercase(), address].map(Secret::new)
    };
    to.iter().flat_map(both).collect()
}

fn mailbox(text: &str) -> Result<Mailbox, DeliveryError> {
    text.parse().map_err(|error| never(format!("`{text}` is no address for mail: {error}")))
}

fn never(text: String) -> DeliveryError {
    DeliveryError { retry: Retry::Never, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_lacks_is_said_with_what_to_set() {
        let told = |text: &str| explained(text.to_owned());
        let no_tls = "internal client error: STARTTLS is not supported on this server";
        assert!(told(no_tls).contains("`security: tls`"), "{}", told(no_tls));
        let no_log_in = "internal client error: No compatible authentication mechanism was found";
        assert!(told(no_log_in).contains("leave out `user`"), "{}", told(no_log_in));
        assert_eq!(told("transient error (452): full"), "transient error (452): full");
    }

    #[test]
    fn an_address_that_a_server_repeats_is_not_told() {
        let to = ["Đàm Thị Hà <Ha.Rieng@tinh.example>", "truc@tinh.example"].map(mailbox);
        let addresses = addresses(&to.map(Result::unwrap));
        let secrets: Vec<&Secret> = addresses.iter().collect();
        let told = |said: &str| repeatable(said, &WebAddress::new("mail.example:25"), &secrets);
        let refused = told("550: 5.1.1 <ha.rieng@tinh.example>: Recipient address rejected");
        assert_eq!(refused, "550: 5.1.1 <***>: Recipient address rejected");
        assert_eq!(told("no Ha.Rieng@tinh.example, truc@tinh.example"), "no ***, ***");
    }
}
