//! What is said to a mail server until it has the mail or does not want it.
//!
//! The library says the same, but takes its leave of a server that refuses and waits for the answer
//! to that before it tells of the refusal. A server that hangs then would turn "no such user" into
//! "try again later". Here a refusal counts as soon as it is heard. Only that of a greeting or of
//! encryption is still told by the library, after the farewell: it is about the settings and no
//! mail, and where nobody answers the farewell the mail is tried again.

use std::fmt;

use lettre::Address;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};

/// Challenges that a server may pose: it asks for the name and for the password.
const CHALLENGES: usize = 2;

/// What a server lacks that a mail needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// Addresses beyond ASCII (RFC 6531), of which the sender's is one.
    Sender,
    /// The same, and only recipients have one.
    Recipient,
    /// Mail in eight bits (RFC 6152).
    EightBits,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sender => {
                "it takes no sender with letters beyond ASCII (SMTPUTF8): set another `from`"
            }
            Self::Recipient => {
                "it takes no recipient with letters beyond ASCII (SMTPUTF8): set another address"
            }
            Self::EightBits => "it takes no mail in eight bits (8BITMIME)",
        })
    }
}

/// Logs in by whichever way the server offers.
///
/// # Errors
/// When it offers none that goes by a password, or does not let us in.
pub(super) async fn log_in(
    connection: &mut AsyncSmtpConnection,
    login: &Credentials,
) -> Result<(), Error> {
    const ALL: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
    // Only where there is more than one answer to wait for does the library take its leave.
    if connection.server_info().get_auth_mechanism(&ALL) != Some(Mechanism::Login) {
        return connection.auth(&ALL, login).await.map(drop);
    }
    let mut said = connection.command(Auth::new(Mechanism::Login, login.clone(), None)?).await?;
    for _ in 0..CHALLENGES {
        let answer = Auth::new_from_response(Mechanism::Login, login.clone(), &said)?;
        said = connection.command(answer).await?;
    }
    Ok(())
}

/// Hands a mail over; whether the server can take it at all is known by then (RFC 5321 §3.3).
///
/// # Errors
/// When it does not take it, or not for one of the recipients.
pub(super) async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
) -> Result<(), Error> {
    let mut parameters = Vec::new();
    if goes_beyond_ascii(envelope) {
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !mail.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    connection.command(Mail::new(envelope.from().cloned(), parameters)).await?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await?;
    }
    connection.command(Data).await?;
    connection.message(mail).await.map(drop)
}

/// What the server lacks that this mail needs, if anything.
pub(super) fn lack(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
) -> Option<Lack> {
    let offers = |extension| connection.server_info().supports_feature(extension);
    if goes_beyond_ascii(envelope) && !offers(Extension::SmtpUtfEight) {
        let sender = envelope.from().is_some_and(is_beyond_ascii);
        return Some(if sender { Lack::Sender } else { Lack::Recipient });
    }
    let takes = mail.is_ascii() || offers(Extension::EightBitMime);
    (!takes).then_some(Lack::EightBits)
}

/// Whether an address has letters that only SMTPUTF8 carries (RFC 6531).
fn goes_beyond_ascii(envelope: &Envelope) -> bool {
    envelope.from().into_iter().chain(envelope.to()).any(is_beyond_ascii)
}

/// Whether an address has such letters.
pub(super) fn is_beyond_ascii(address: &Address) -> bool {
    !AsRef::<str>::as_ref(address).is_ascii()
}
