//! A letter as mail: headers that make one thread of an incident, plain text and simple HTML. Pure.
//!
//! A mail program puts mails into one thread when they refer to a common ancestor (RFC 5256, the
//! REFERENCES algorithm), even one that nobody ever got. So every mail about an incident refers to
//! the same name, made of the incident's id. It holds however many mails were sent before, after a
//! restart, and when the first one was lost. A mail's own name is made of the letter's id, so that
//! servers and programs drop a repeat.
//!
//! A mail about several incidents refers to none of theirs: the algorithm would link all of them in
//! a row, and whatever came later about any of them would be one thread. It refers to a name of
//! those incidents together, which the digest of their end shares if it is about the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use lettre::message::header::{
    ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue,
};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};
use ring::digest;

use crate::model::{NotificationKind, Severity};
use crate::notify::{Letter, Style, texts};

/// Longest subject, in characters; a phone shows about 60.
const SUBJECT: usize = 160;
/// Longest name of a site or a session in it.
const NAME: usize = 80;

/// What becomes a mail.
#[derive(Debug)]
pub(super) struct Mail<'a> {
    pub(super) letter: &'a Letter,
    pub(super) style: &'a Style,
    pub(super) from: &'a Mailbox,
    pub(super) to: &'a [Mailbox],
}

impl Mail<'_> {
    /// The mail as it goes over the wire.
    ///
    /// # Errors
    /// When an address cannot stand in a header.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        let text = texts::plain(self.letter, self.style);
        let ancestor = self.ancestor();
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(self.subject(&text))
            .date(self.date())
            .message_id(Some(self.name(self.letter.id.as_str())))
            .in_reply_to(ancestor.clone())
            .references(ancestor)
            // Nobody's absence note answers a machine (RFC 3834 §5).
            .header(AutoSubmitted);
        for to in self.to {
            builder = builder.to(to.clone());
        }
        if self.is_urgent() {
            builder = builder.header(Importance);
        }
        let html = html(&text, self.colour());
        let parts = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, text)?)
            .singlepart(part(ContentType::TEXT_HTML, html)?);
        builder.multipart(parts).map(|mail| mail.formatted()).map_err(|error| error.to_string())
    }

    /// When the letter was decided, which a repeat does not change.
    fn date(&self) -> SystemTime {
        let since_1970 = u64::try_from(self.letter.created.as_second()).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970)
    }

    /// The first line says how bad, what, where, since when.
    fn subject(&self, text: &str) -> String {
        let line = match self.letter.items.as_slice() {
            [_] => {
                let letter = self.letter.brief(NAME);
                let one = letter.items.first();
                one.map(|one| texts::write(one, letter.test, self.style).summary)
                    .unwrap_or_default()
            }
            _ => text.lines().next().unwrap_or_default().to_owned(),
        };
        line.chars().filter(|c| !c.is_control()).take(SUBJECT).collect()
    }

    /// The common ancestor of all mails about the same.
    fn ancestor(&self) -> String {
        let ids = self.letter.items.iter().map(|it| it.notification.alert.incident.id.as_str());
        let ids: BTreeSet<&str> = ids.collect();
        if let (Some(id), 1) = (ids.first(), ids.len()) {
            return self.name(&format!("incident.{id}"));
        }
        // Ids hold no line breaks: no two sets of them read the same.
        let all: Vec<&str> = ids.into_iter().collect();
        let hash = digest::digest(&digest::SHA256, all.join("\n").as_bytes());
        let hex: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        self.name(&format!("incidents.{hex}"))
    }

    /// A name for a mail (RFC 5322 §3.6.4), made of an id that is unique here.
    fn name(&self, id: &str) -> String {
        let mut name = String::with_capacity(id.len() + 32);
        for byte in id.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
                name.push(char::from(byte));
            } else if byte == b'.' && !name.is_empty() && !name.ends_with('.') {
                name.push('.');
            } else {
                let _ = write!(name, "={byte:02x}");
            }
        }
        if name.is_empty() || name.ends_with('.') {
            name.push('-');
        }
        format!("<{name}@{}>", self.from.email.domain())
    }

    fn is_urgent(&self) -> bool {
        self.open_severity() == Some(Severity::Critical)
    }

    /// The gravest that is not over.
    fn open_severity(&self) -> Option<Severity> {
        let open = self.letter.items.iter().filter(|it| it.told_as != NotificationKind::Resolved);
        open.map(|it| it.notification.alert.incident.severity).max()
    }

    /// Dark enough for white to be read on it (contrast of at least 4.5 to 1).
    fn colour(&self) -> &'static str {
        match self.open_severity() {
            None => "#1b7837",
            Some(Severity::Critical) => "#b2182b",
            Some(Severity::Warning) => "#9a5b00",
            Some(Severity::Info) => "#2166ac",
        }
    }
}

/// `Auto-Submitted: auto-generated` (RFC 3834 §5).
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// `Importance: high` (RFC 2156), which phones mark.
#[derive(Debug, Clone, Copy)]
struct Importance;

impl Header for Importance {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Importance")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "high".to_owned())
    }
}

/// One way to read it. Base64 comes through every server unchanged, whatever the letters.
fn part(kind: ContentType, text: String) -> Result<SinglePart, String> {
    let body = Body::new_with_encoding(text, ContentTransferEncoding::Base64)
        .map_err(|_| "the text cannot be encoded".to_owned())?;
    Ok(SinglePart::builder().header(kind).body(body))
}

/// The text as HTML: the first line on the colour of the severity, the rest line by line in one
/// column, with what a line is about in bold, and addresses as something that a thumb can press.
/// Styles stand in the tags, since mail programs drop others.
fn html(text: &str, colour: &str) -> String {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut html = String::with_capacity(text.len() * 2 + 1_024);
    html.push_str(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"></head>\n\
         <body style=\"margin:0;padding:12px;background:#fff;color:#111;\
         font:16px/1.5 sans-serif\">\n<div style=\"max-width:40em\">\n",
    );
    let _ = writeln!(
        html,
        "<p style=\"margin:0 0 12px;padding:12px;border-radius:6px;background:{colour};\
         color:#fff;font-weight:bold\">{}</p>",
        linked(first, "#fff")
    );
    for paragraph in rest.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
        let lines: Vec<String> = paragraph.lines().map(|line| shown(line, "#2166ac")).collect();
        let _ = writeln!(html, "<p style=\"margin:0 0 12px\">{}</p>", lines.join("<br>\n"));
    }
    html.push_str("</div>\n</body></html>\n");
    html
}

/// Longest beginning of a line that is taken for what it is about.
const LABEL: usize = 40;

/// A line of the text. One that is an address with words before it becomes a button of these words.
fn shown(line: &str, colour: &str) -> String {
    let label = line.split_once(": ").filter(|(label, _)| {
        !label.starts_with(['•', '→']) && !label.contains("://") && label.chars().count() <= LABEL
    });
    let Some((label, rest)) = label else { return linked(line, colour) };
    let address = ["http://", "https://"].iter().any(|scheme| rest.starts_with(scheme));
    let (label, whole) = (escaped(label), escaped(rest));
    if address && !rest.contains(char::is_whitespace) {
        return format!(
            "<a href=\"{whole}\" style=\"display:inline-block;margin:8px 0 0;padding:10px 16px;\
             border:1px solid {colour};border-radius:6px;color:{colour};text-decoration:none;\
             font-weight:bold\">{label}</a>"
        );
    }
    format!("<b>{label}:</b> {}", linked(rest, colour))
}

/// A line with its web addresses made links and everything else shown as it stands.
fn linked(line: &str, colour: &str) -> String {
    let mut html = String::with_capacity(line.len() + 64);
    let mut rest = line;
    while let Some(at) = ["http://", "https://"].iter().filter_map(|s| rest.find(s)).min() {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| c.is_whitespace() || "<>\"'".contains(c));
        let address = &from[..end.unwrap_or(from.len())];
        // What ends a sentence is no part of the address.
        let address = address.trim_end_matches(['.', ',', ';', ':', ')', '!', '?']);
        let shown = escaped(address);
        let _ = write!(
            html,
            "{}<a href=\"{shown}\" style=\"color:{colour};word-break:break-all\">{shown}</a>",
            escaped(before)
        );
        rest = &from[address.len()..];
    }
    html.push_str(&escaped(rest));
    html
}

/// Text that cannot be read as a tag.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
