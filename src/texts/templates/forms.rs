//! Templates of what is not one incident: the first line of several, a short message, and what a
//! readiness run found.

use minijinja::Error;
use serde::Serialize;

use super::{ContactContext, SessionContext, Templates, moment, text};
use crate::config::TemplatePart;
use crate::model::{Alert, Contact, NotificationKind, ReadinessNotice, Verdict};
use crate::readiness::Summary;
use crate::readiness::words::Pen;
use crate::texts::{
    Brief, Facts, Letter, Message, Style, en, grade, page, shared_by_all, vi, write,
};

/// Longest short message, in letters of its alphabet.
pub(super) const SHORT: usize = 160;
/// Places that a short message is tried with at most; more do not fit.
const PLACES: usize = 40;

/// What the first line of several can use.
#[derive(Debug, Serialize)]
struct DigestContext<'a> {
    count: usize,
    over: bool,
    severity: &'static str,
    grade: &'static str,
    firing: usize,
    update: usize,
    reminder: usize,
    escalation: usize,
    resolved: usize,
    sites: Vec<&'a str>,
    /// The session that all of them touch.
    session: Option<SessionContext<'a>>,
    channel: &'a str,
    board: &'a str,
    default: DefaultLine<'a>,
}

#[derive(Debug, Serialize)]
struct DefaultLine<'a> {
    summary: &'a str,
}

/// What a short message can use.
#[derive(Debug, Serialize)]
struct ShortContext<'a> {
    /// firing, update, reminder, escalation, resolved, readiness, or several.
    kind: &'static str,
    count: usize,
    over: bool,
    drill: bool,
    severity: &'static str,
    grade: &'static str,
    summary: &'a str,
    places: &'a [String],
    /// Places that are not named.
    more: usize,
    /// Since when it is on, and when it first was, each if that is the same for all.
    since: Option<String>,
    began: Option<String>,
    session: Option<SessionContext<'a>>,
    contact: Option<ContactContext<'a>>,
    channel: &'a str,
    board: &'a str,
    default: DefaultText<'a>,
}

#[derive(Debug, Serialize)]
struct DefaultText<'a> {
    text: &'a str,
}

/// What a message about a readiness run can use.
#[derive(Debug, Serialize)]
struct ReadinessContext<'a> {
    over: bool,
    verdict: &'static str,
    count: u32,
    ready: u32,
    at_risk: u32,
    cannot_tell: u32,
    not_ready: u32,
    checked: String,
    session: SessionContext<'a>,
    /// Those that are not simply ready, the worst first.
    sites: Vec<SiteContext<'a>>,
    board: &'a str,
    page: String,
    default: &'a DefaultParts<'a>,
}

#[derive(Debug, Serialize)]
struct SiteContext<'a> {
    name: &'a str,
    verdict: &'static str,
    finding: String,
    delegates: u32,
    contact: Option<ContactContext<'a>>,
}

#[derive(Debug, Serialize)]
struct DefaultParts<'a> {
    summary: &'a str,
    description: &'a str,
    action: &'a str,
    contact: &'a str,
}

impl Templates {
    /// The first line of several incidents, if it has a template.
    pub(in crate::texts) fn digest(
        &self,
        all: &[Facts<'_>],
        usual: &str,
        style: &Style,
    ) -> Option<Result<String, Error>> {
        let told_as = |kind| all.iter().filter(|facts| facts.kind == kind).count();
        let severity = all.iter().map(|facts| facts.severity).max().unwrap_or_default();
        let context = DigestContext {
            count: all.len(),
            over: all.iter().all(|facts| facts.over.is_some()),
            severity: severity.word(),
            grade: grade(severity, style.language),
            firing: told_as(NotificationKind::Firing),
            update: told_as(NotificationKind::Update),
            reminder: told_as(NotificationKind::Reminder),
            escalation: told_as(NotificationKind::Escalation),
            resolved: told_as(NotificationKind::Resolved),
            sites: all.iter().map(Facts::place_name).collect(),
            session: common_session(all),
            channel: all.first().map_or("", |facts| facts.channel),
            board: &style.board,
            default: DefaultLine { summary: usual },
        };
        self.with(TemplatePart::Digest, style, |made| {
            text(made, TemplatePart::Digest, &context, "several incidents")
        })
    }

    /// A short message, if it has a template: with as many places, and with whom to phone, as long
    /// as that fits. Whoever asks cuts what is too long all the same.
    pub(in crate::texts) fn short(
        &self,
        letter: &Letter,
        brief: &Brief,
        usual: &str,
        style: &Style,
        fits: impl Fn(&str) -> bool,
    ) -> Option<Result<String, Error>> {
        // A drill is nothing to phone about, nor is what is over.
        let drill = letter.items.iter().any(|item| item.notification.alert.drill);
        let contact = brief.contacts.first().and_then(Option::as_ref);
        let contact = contact.filter(|_| !letter.is_resolved() && !drill);
        self.short_with(letter, brief, contact, usual, style, fits)
    }

    /// The same with this person to phone.
    pub(super) fn short_with(
        &self,
        letter: &Letter,
        brief: &Brief,
        contact: Option<&Contact>,
        usual: &str,
        style: &Style,
        fits: impl Fn(&str) -> bool,
    ) -> Option<Result<String, Error>> {
        let facts: Vec<Facts<'_>> =
            letter.items.iter().map(|item| Facts::new(item, style)).collect();
        let drill = facts.iter().any(|facts| facts.alert.drill);
        let over = letter.is_resolved();
        let summary = match letter.items.as_slice() {
            [one] => write(one, letter.test, style).summary,
            _ => brief.head.clone(),
        };
        // What a readiness run found is about a session, and its first line too long for a place.
        let run = match facts.as_slice() {
            [one] if one.alert.readiness.is_some() => one.alert.session_title.clone(),
            _ => None,
        };
        let kind = match shared_by_all(&facts, |facts| facts.kind) {
            _ if run.is_some() => "readiness",
            kind => kind.map_or("several", NotificationKind::word),
        };
        let places = run.map_or_else(|| brief.places.clone(), |session| vec![session]);
        let since = shared_by_all(&facts, |facts| moment(facts.since));
        let began = shared_by_all(&facts, |facts| moment(facts.began));
        let severity = facts.iter().map(|facts| facts.severity).max().unwrap_or_default();
        let context = |named: usize, contact: Option<&'_ Contact>| {
            let context = ShortContext {
                kind,
                count: facts.len(),
                over,
                drill,
                severity: severity.word(),
                grade: grade(severity, style.language),
                summary: &summary,
                places: &places[..named],
                more: places.len() - named,
                since: since.clone(),
                began: began.clone(),
                session: common_session(&facts),
                contact: contact.map(ContactContext::of),
                channel: letter.channel.as_str(),
                board: &style.board,
                default: DefaultText { text: usual },
            };
            self.with(TemplatePart::Sms, style, |made| {
                text(made, TemplatePart::Sms, &context, "what a short message is about")
            })
        };
        let all = places.len();
        let fewer = (1..all.min(PLACES)).rev().map(|named| (named, None));
        let mut last = None;
        for (named, contact) in [(all, contact), (all, None)].into_iter().chain(fewer) {
            match context(named, contact)? {
                Ok(text) if fits(&text) => return Some(Ok(text)),
                Ok(text) => last = Some(Ok(text)),
                Err(error) => return Some(Err(error)),
            }
        }
        last
    }

    /// What a readiness run found, with its template: the first line of that is the first line of
    /// the message, and what follows says what was found.
    pub(in crate::texts) fn readiness(
        &self,
        alert: &Alert,
        notice: &ReadinessNotice,
        usual: &Message,
        style: &Style,
    ) -> Option<Result<Message, Error>> {
        let run = &notice.run;
        let [ready, at_risk, cannot_tell, not_ready] = notice.counts;
        let pen = Pen { language: style.language, time_zone: style.time_zone.clone() };
        let summary = Summary::of(run);
        let sites = summary.groups.iter().flat_map(|group| group.sites.iter().copied());
        let local = |at| moment(style.time_zone.to_datetime(at));
        let worst = Verdict::ALL.into_iter().zip(notice.counts).rev().find(|(_, count)| *count > 0);
        let context = ReadinessContext {
            over: worst.is_none_or(|(verdict, _)| verdict == Verdict::Ready),
            verdict: worst.map_or(Verdict::Ready, |(verdict, _)| verdict).word(),
            count: notice.counts.iter().sum(),
            ready,
            at_risk,
            cannot_tell,
            not_ready,
            checked: local(run.finished),
            session: SessionContext {
                title: alert.session_title.as_deref().unwrap_or(run.session.as_str()),
                start: local(run.start),
            },
            sites: sites
                .map(|site| SiteContext {
                    name: &site.name,
                    verdict: site.verdict.word(),
                    finding: pen.main(site),
                    delegates: site.delegates,
                    contact: site.contacts.first().map(ContactContext::of),
                })
                .collect(),
            board: &style.board,
            page: page(alert, false, &style.board),
            default: &DefaultParts {
                summary: &usual.summary,
                description: &usual.description,
                action: &usual.action,
                contact: &usual.contact,
            },
        };
        let part = TemplatePart::Readiness;
        let text = self.with(part, style, |made| text(made, part, &context, "a readiness run"))?;
        Some(text.map(|text| {
            let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
            let description = match rest.trim() {
                "" => usual.description.clone(),
                rest => rest.to_owned(),
            };
            Message { summary: first.trim_end().to_owned(), description, ..usual.clone() }
        }))
    }
}

/// The session that all of them touch.
fn common_session<'a>(all: &[Facts<'a>]) -> Option<SessionContext<'a>> {
    let session = |facts: &Facts<'a>| {
        let session = facts.session.as_ref()?;
        Some((session.title.unwrap_or_default(), session.start))
    };
    let (title, start) = shared_by_all(all, session).flatten()?;
    Some(SessionContext { title, start: moment(start) })
}

/// What a template of a part can use, as the README explains it.
pub(super) const fn known(part: TemplatePart) -> &'static [&'static str] {
    match part {
        TemplatePart::Digest => &[
            "count",
            "over",
            "severity",
            "grade",
            "firing",
            "update",
            "reminder",
            "escalation",
            "resolved",
            "sites",
            "session",
            "channel",
            "board",
            "default",
        ],
        TemplatePart::Sms => &[
            "kind", "count", "over", "drill", "severity", "grade", "summary", "places", "more",
            "since", "began", "session", "contact", "channel", "board", "default",
        ],
        TemplatePart::Readiness => &[
            "over",
            "verdict",
            "count",
            "ready",
            "at_risk",
            "cannot_tell",
            "not_ready",
            "checked",
            "session",
            "sites",
            "board",
            "page",
            "default",
        ],
        TemplatePart::Summary
        | TemplatePart::Description
        | TemplatePart::Action
        | TemplatePart::Contact => &super::KNOWN,
    }
}

/// A drill as a short message: whatever people wrote, the mark stands before it.
pub(in crate::texts) fn marked(text: String, letter: &Letter, style: &Style) -> String {
    if letter.items.iter().all(|item| item.notification.alert.drill) {
        match style.language {
            crate::model::Language::Vi => vi::as_drill(&text),
            crate::model::Language::En => en::as_drill(&text),
        }
    } else {
        text
    }
}
