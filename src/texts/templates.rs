//! Texts of people's own: templates that take the place of what the built-in texts say.
//!
//! A part of a message (its first line, what it means, what to do, whom to phone), the first line
//! of several incidents, a short message and what a readiness run found may have a template in each
//! language. It is given what the built-in texts are made of, and those texts themselves. Templates
//! are judged before they are used, with a message about every cause; one that fails all the same
//! leaves its place to the built-in text, which says so: a message that is told in plain words is
//! better than one that is not told.

mod forms;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};
use serde::Serialize;

use self::forms::known;
pub(super) use self::forms::marked;
use super::Style;
use super::{Facts, Letter, Message, Place, brief, en, readiness, samples, usual, vi};
use crate::config::{Diagnostic, Diagnostics, Template, TemplatePart};
use crate::model::{Contact, Language};

/// Steps that one rendering may take: a loop without end ends within milliseconds. Every 64 bytes
/// that it makes, also in between, count as a step, so that it cannot fill the memory either.
const FUEL: u64 = 100_000;
/// Signs `+` in a template. A list of so many sums is made without being counted as steps, so one
/// that doubles itself more often would fill the memory after all.
const SUMS: usize = 32;
/// Bytes that one rendering may make.
const MOST_TEXT: u64 = FUEL * 64;
/// Longest text of one part, in characters; what is longer is cut.
const LONGEST: usize = 8_000;

/// The templates of both languages.
#[derive(Clone, Default)]
pub struct Templates {
    sources: Vec<Template>,
    made: Arc<BTreeMap<(Language, TemplatePart), Arc<Environment<'static>>>>,
}

impl PartialEq for Templates {
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Templates({})", self.sources.len())
    }
}

/// What a template can use.
#[derive(Debug, Serialize)]
struct Context<'a> {
    /// firing, update, reminder, escalation or resolved.
    kind: &'static str,
    over: bool,
    flapping: bool,
    drill: bool,
    incident: &'a str,
    severity: &'static str,
    /// The severity in words.
    grade: &'static str,
    cause: &'static str,
    site: &'a str,
    site_id: &'a str,
    level: &'a str,
    parent: &'a str,
    endpoint: &'a str,
    check: &'a str,
    began: String,
    since: String,
    ended: Option<String>,
    minutes: u64,
    likely: String,
    evidence: String,
    affected: &'a [&'a str],
    delegates: u32,
    session: Option<SessionContext<'a>>,
    contacts: Vec<ContactContext<'a>>,
    ack: Option<AckContext<'a>>,
    channel: &'a str,
    board: &'a str,
    page: String,
    link: Option<&'a str>,
    /// The built-in texts.
    default: DefaultContext<'a>,
}

#[derive(Debug, Serialize)]
struct SessionContext<'a> {
    title: &'a str,
    start: String,
}

/// All of a contact, also what was not written.
#[derive(Debug, Serialize)]
struct ContactContext<'a> {
    name: &'a str,
    phone: &'a str,
    email: &'a str,
}

impl<'a> ContactContext<'a> {
    fn of(contact: &'a Contact) -> Self {
        Self { name: &contact.name, phone: &contact.phone, email: &contact.email }
    }
}

#[derive(Debug, Serialize)]
struct AckContext<'a> {
    by: &'a str,
    at: String,
    until: Option<String>,
    note: &'a str,
}

#[derive(Debug, Serialize)]
struct DefaultContext<'a> {
    summary: &'a str,
    description: &'a str,
    action: &'a str,
    contact: &'a str,
}

impl Templates {
    /// The templates of these sources. One that cannot be read is left out; [`check`] tells it.
    #[must_use]
    pub fn new(sources: &[Template]) -> Self {
        let made = sources.iter().filter_map(|source| {
            let made = environment(source).ok()?;
            Some(((source.language, source.part), Arc::new(made)))
        });
        Self { made: Arc::new(made.collect()), sources: sources.to_vec() }
    }

    /// What the template of the first line says, if there is one that works: a line of a digest.
    pub(super) fn summary(&self, facts: &Facts<'_>, style: &Style) -> Option<String> {
        let part = TemplatePart::Summary;
        let made = self.made.get(&(style.language, part))?;
        render(made, part, facts, style, &usual(facts, style)).ok()
    }

    /// The message with every part that has a template of its own.
    pub(super) fn apply(&self, facts: &Facts<'_>, style: &Style, built_in: &Message) -> Message {
        let mut message = built_in.clone();
        let mut said = Vec::new();
        for part in TemplatePart::OF_ONE {
            let Some(made) = self.made.get(&(style.language, part)) else { continue };
            let place = match part {
                TemplatePart::Summary => &mut message.summary,
                TemplatePart::Description => &mut message.description,
                TemplatePart::Action => &mut message.action,
                TemplatePart::Contact => &mut message.contact,
                TemplatePart::Digest | TemplatePart::Sms | TemplatePart::Readiness => continue,
            };
            match render(made, part, facts, style, built_in) {
                Ok(text) => *place = text,
                Err(error) => said.push(failed(part, &error, style.language)),
            }
        }
        for said in said {
            message.description = format!("{}\n{said}", message.description);
        }
        message
    }

    /// What comes of the template of a part, if there is one.
    fn with<T>(
        &self,
        part: TemplatePart,
        style: &Style,
        make: impl FnOnce(&Environment<'static>) -> T,
    ) -> Option<T> {
        self.made.get(&(style.language, part)).map(|made| make(made))
    }
}

/// Logs that a template fails, and says so to whoever reads the message.
pub(super) fn failed(part: TemplatePart, error: &Error, language: Language) -> String {
    let part = part.word();
    tracing::error!(part, "a message template fails, the built-in text is told: {error}");
    match language {
        Language::Vi => format!("(Mẫu tin “{part}” bị lỗi nên dùng lời mặc định.)"),
        Language::En => format!("(Template “{part}” fails; this is the usual text.)"),
    }
}

/// Renders every template with a message about every cause and tells what is wrong, with its place.
///
/// # Errors
/// Everything that is wrong, each place once.
pub fn check(sources: &[Template]) -> Result<(), Diagnostics> {
    let mut list: Vec<Diagnostic> = Vec::new();
    for source in sources {
        let mut told = |error: &Error| {
            let diagnostic = diagnostic(source, error);
            if !list.contains(&diagnostic) {
                list.push(diagnostic);
            }
        };
        match alone(source) {
            Ok((alone, style)) => {
                let said = trials(&alone, source.part, &style);
                said.iter().filter_map(|said| said.as_ref().err()).for_each(told);
            }
            Err(error) => told(&error),
        }
    }
    if list.is_empty() { Ok(()) } else { Err(Diagnostics { list, more: 0 }) }
}

/// The files of the templates that say the same of an alarm and of its end: whoever reads the
/// second takes it for another alarm. Figures and moments that differ of themselves, such as for
/// how long it has been, and whom to phone, tell nobody that it is over.
#[must_use]
pub fn alike(sources: &[Template]) -> Vec<&str> {
    let alike = sources.iter().filter(|source| {
        let Some((alone, style)) = alone(source).ok() else { return false };
        let told = beginnings_and_ends(&alone, source.part, &style);
        told.iter().any(|(on, over)| on.split_whitespace().eq(over.split_whitespace()))
    });
    alike.map(|source| &*source.file).collect()
}

/// What the only template of these says of alarms, and of the ends of the same ones where all that
/// does not say that they are over is as it was.
fn beginnings_and_ends(
    alone: &Templates,
    part: TemplatePart,
    style: &Style,
) -> Vec<(String, String)> {
    // Whatever comes in the order of the stages.
    fn pairs<T>(told: &[T]) -> impl Iterator<Item = (&T, &T)> {
        let told = told.chunks_exact(samples::STAGES.len());
        told.filter_map(|told| Some((told.first()?, told.last()?)))
    }
    let all = samples::all();
    match part {
        TemplatePart::Summary | TemplatePart::Description => pairs(&all)
            .filter_map(|(on, over)| {
                let (on, over) = (Facts::new(on, style), Facts::new(over, style));
                let built_in = (usual(&on, style), usual(&over, style));
                let it = Context::new(&on, style, &built_in.0);
                let end = Context::new(&over, style, &built_in.1);
                let moment = Some(" ".to_owned());
                let about = on.cause.word();
                let made = alone.made.get(&(style.language, part))?;
                let begins = text(made, part, &it, about).ok()?;
                let Context { kind, over, default, .. } = end;
                let end = Context { kind, over, default, ended: moment, ..it };
                Some((begins, text(made, part, &end, about).ok()?))
            })
            .collect(),
        TemplatePart::Sms => pairs(&samples::letters()[..all.len()])
            .filter_map(|(on, over)| {
                let short = |letter: &Letter| {
                    let brief = brief(letter, style);
                    alone.short_with(letter, &brief, None, &brief.head, style, |_| true)?.ok()
                };
                Some((short(on)?, short(over)?))
            })
            .collect(),
        TemplatePart::Digest => pairs(&trials(alone, part, style)[..samples::STAGES.len()])
            .filter_map(|(on, over)| Some((on.as_ref().ok()?.clone(), over.as_ref().ok()?.clone())))
            .collect(),
        // What there is to do, whom to phone, and what a run found have no beginning and end.
        TemplatePart::Action | TemplatePart::Contact | TemplatePart::Readiness => Vec::new(),
    }
}

/// A template by itself, and how messages are written with it to judge it.
fn alone(source: &Template) -> Result<(Templates, Style), Error> {
    let style = Style::new(source.language, TimeZone::UTC, "http://vchealth.example");
    let made = [((source.language, source.part), Arc::new(environment(source)?))].into();
    Ok((Templates { sources: Vec::new(), made: Arc::new(made) }, style))
}

/// What the only template of these says, or what is wrong with it, with messages of every shape.
fn trials(alone: &Templates, part: TemplatePart, style: &Style) -> Vec<Result<String, Error>> {
    match part {
        TemplatePart::Summary
        | TemplatePart::Description
        | TemplatePart::Action
        | TemplatePart::Contact => samples::all()
            .iter()
            .filter_map(|item| {
                let facts = Facts::new(item, style);
                let built_in = usual(&facts, style);
                alone.with(part, style, |made| render(made, part, &facts, style, &built_in))
            })
            .collect(),
        TemplatePart::Digest => samples::digests()
            .iter()
            .filter_map(|letter| {
                let facts: Vec<Facts<'_>> =
                    letter.items.iter().map(|item| Facts::new(item, style)).collect();
                let usual = match style.language {
                    Language::Vi => vi::first_line(&facts),
                    Language::En => en::first_line(&facts),
                };
                alone.digest(&facts, &usual, style)
            })
            .collect(),
        TemplatePart::Sms => samples::letters()
            .iter()
            .filter_map(|letter| {
                let fits = |text: &str| text.chars().count() <= forms::SHORT;
                let said = alone.short(letter, &brief(letter, style), "…", style, fits)?;
                Some(said.and_then(|text| match fits(&text) {
                    true => Ok(text),
                    false => Err(Error::new(
                        minijinja::ErrorKind::InvalidOperation,
                        format!(
                            "it makes {} letters, with one place and nobody to phone; a short \
                             message has {}",
                            text.chars().count(),
                            forms::SHORT
                        ),
                    )),
                }))
            })
            .collect(),
        TemplatePart::Readiness => samples::runs()
            .iter()
            .filter_map(|item| {
                let alert = &item.notification.alert;
                let notice = alert.readiness.as_deref()?;
                let usual = readiness::message(alert, notice, style);
                let said = alone.readiness(alert, notice, &usual, style)?;
                Some(said.map(|message| message.summary))
            })
            .collect(),
    }
}

/// Where a template adds once more than it may.
fn one_sum_too_many(text: &str) -> Option<std::ops::Range<usize>> {
    text.match_indices('+').nth(SUMS).map(|(at, sign)| at..at + sign.len())
}

fn environment(source: &Template) -> Result<Environment<'static>, Error> {
    if one_sum_too_many(&source.text).is_some() {
        let why = format!("`+` stands there more than {SUMS} times");
        return Err(Error::new(minijinja::ErrorKind::InvalidOperation, why));
    }
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    for (name, filter) in
        [("upper", str::to_uppercase as fn(&str) -> String), ("lower", str::to_lowercase)]
    {
        environment.add_filter(name, move |text: String| filter(&text));
    }
    environment.add_filter("join", minijinja::filters::join);
    environment.add_filter("length", minijinja::filters::length);
    environment.add_filter("default", minijinja::filters::default);
    environment.add_filter("first", minijinja::filters::first);
    environment.add_filter("replace", minijinja::filters::replace);
    environment.add_filter("trim", minijinja::filters::trim);
    environment.add_template_owned(source.part.word().to_owned(), source.text.clone())?;
    Ok(environment)
}

fn render(
    made: &Environment<'static>,
    part: TemplatePart,
    facts: &Facts<'_>,
    style: &Style,
    built_in: &Message,
) -> Result<String, Error> {
    text(made, part, &Context::new(facts, style, built_in), facts.cause.word())
}

/// What a template makes of `context`, which is about `about`.
fn text(
    made: &Environment<'static>,
    part: TemplatePart,
    context: &impl Serialize,
    about: &str,
) -> Result<String, Error> {
    let text = made.get_template(part.word())?.render(Serde(context))?;
    let text = match part {
        // A first line has no second one, nor has a short message.
        TemplatePart::Summary | TemplatePart::Digest | TemplatePart::Sms => {
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        }
        TemplatePart::Description
        | TemplatePart::Action
        | TemplatePart::Contact
        | TemplatePart::Readiness => text.trim().to_owned(),
    };
    if text.is_empty() {
        let kind = minijinja::ErrorKind::InvalidOperation;
        return Err(Error::new(kind, format!("it says nothing about {about}")));
    }
    Ok(text.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST).collect())
}

impl<'a> Context<'a> {
    fn new(facts: &'a Facts<'_>, style: &'a Style, built_in: &'a Message) -> Self {
        let (likely, evidence) = match style.language {
            Language::Vi => (vi::likely(facts), vi::evidence(facts)),
            Language::En => (en::likely(facts), en::evidence(facts)),
        };
        let alert = facts.alert;
        let lasted = facts.over.as_ref().map_or(facts.so_far, |(_, lasted)| *lasted);
        Self {
            kind: facts.kind.word(),
            over: facts.over.is_some(),
            flapping: facts.incident.flapping,
            drill: alert.drill,
            incident: facts.incident.id.as_str(),
            severity: facts.severity.word(),
            grade: super::grade(facts.severity, style.language),
            cause: facts.cause.word(),
            site: match facts.place {
                Place::Site { name, .. } if alert.drill => name,
                _ => &alert.site_name,
            },
            site_id: facts.incident.site.as_ref().map_or("", |site| site.as_str()),
            level: &alert.level_name,
            parent: &alert.parent_name,
            endpoint: facts.device(),
            check: facts.check(),
            began: moment(facts.began),
            since: moment(facts.since),
            ended: facts.over.as_ref().map(|(end, _)| moment(*end)),
            minutes: lasted.as_secs() / 60,
            likely,
            evidence: evidence.unwrap_or_default(),
            affected: &facts.affected,
            delegates: facts.incident.delegates,
            session: facts.session.as_ref().map(|session| SessionContext {
                title: session.title.unwrap_or_default(),
                start: moment(session.start),
            }),
            contacts: alert.contacts.iter().map(ContactContext::of).collect(),
            ack: facts.ack().map(|ack| AckContext {
                by: &ack.by,
                at: moment(facts.local(ack.at)),
                until: ack.until.map(|until| moment(facts.local(until))),
                note: &ack.note,
            }),
            channel: facts.channel,
            board: &style.board,
            page: super::page(alert, false, &style.board),
            link: built_in.link.as_deref(),
            default: DefaultContext {
                summary: &built_in.summary,
                description: &built_in.description,
                action: &built_in.action,
                contact: &built_in.contact,
            },
        }
    }
}

fn moment(at: DateTime) -> String {
    at.strftime("%H:%M %d/%m/%Y").to_string()
}

/// What is wrong with a template, where it stands.
fn diagnostic(source: &Template, error: &Error) -> Diagnostic {
    // The range counts bytes from the beginning of the file.
    let range = error.range().or_else(|| one_sum_too_many(&source.text));
    let before = range.clone().and_then(|range| source.text.get(..range.start));
    let line = before.filter(|_| error.line().is_none()).map(|it| it.matches('\n').count() + 1);
    let line = error.line().or(line).unwrap_or(1).max(1);
    let excerpt = source.text.lines().nth(line - 1).unwrap_or_default().to_owned();
    let column = before.map_or(1, |before| {
        let last = before.rsplit('\n').next().unwrap_or_default();
        last.chars().count() + 1
    });
    let width = range
        .and_then(|range| source.text.get(range))
        .map_or(0, |text| text.lines().next().unwrap_or_default().chars().count());
    let reason = match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::OutOfFuel, _) => format!(
            "this makes the template take more than {FUEL} steps or make more than {} MB of text",
            MOST_TEXT / 1_000_000
        ),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    let unknown = error.kind() == minijinja::ErrorKind::UndefinedError;
    let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Diagnostic {
        file: source.file.clone(),
        line: short(line),
        column: short(column),
        width: short(width),
        cell: None,
        excerpt,
        reason,
        hint: unknown.then(|| format!("a template knows {}", known(source.part).join(", "))),
        other: None,
    }
}

/// What the template of a part of one incident can use, as the README explains it.
const KNOWN: [&str; 30] = [
    "kind",
    "over",
    "flapping",
    "drill",
    "incident",
    "severity",
    "grade",
    "cause",
    "site",
    "site_id",
    "level",
    "parent",
    "endpoint",
    "check",
    "began",
    "since",
    "ended",
    "minutes",
    "likely",
    "evidence",
    "affected",
    "delegates",
    "session",
    "contacts",
    "ack",
    "channel",
    "board",
    "page",
    "link",
    "default",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, NotificationId};
    use crate::texts::{plain, write};

    fn template(language: Language, part: TemplatePart, text: &str) -> Template {
        let file = format!("templates/{}/{}.txt", language_word(language), part.word());
        Template { language, part, file, text: text.to_owned() }
    }

    const fn language_word(language: Language) -> &'static str {
        match language {
            Language::Vi => "vi",
            Language::En => "en",
        }
    }

    fn vi(part: TemplatePart, text: &str) -> Template {
        template(Language::Vi, part, text)
    }

    fn told(text: &str) -> String {
        check(&[vi(TemplatePart::Summary, text)]).unwrap_err().to_string()
    }

    fn style(sources: &[Template]) -> Style {
        let templates = Templates::new(sources);
        Style { templates, ..Style::new(Language::Vi, TimeZone::UTC, "http://b") }
    }

    #[test]
    fn a_part_says_what_its_template_says_and_the_others_stay() {
        let text = "{{ severity | upper }}: {{ site }}\n{% if session %}({{ session.title }}){% endif %}\n";
        let sources = [vi(TemplatePart::Summary, text)];
        check(&sources).unwrap();
        let item = samples::all().into_iter().nth(10).unwrap();
        let (own, usual) =
            (write(&item, false, &style(&sources)), write(&item, false, &style(&[])));
        assert_eq!(own.summary, "CRITICAL: Xã Tân Lập (Giao ban trực tuyến)");
        assert_eq!(Message { summary: usual.summary.clone(), ..own }, usual);
        let english = [template(Language::En, TemplatePart::Summary, "x")];
        assert_eq!(write(&item, false, &style(&english)), usual, "the other language");
    }

    #[test]
    fn everything_that_is_known_can_be_used_for_every_cause() {
        for language in [Language::Vi, Language::En] {
            let all: String = KNOWN.iter().map(|name| format!("{{{{ {name} }}}} ")).collect();
            let text = format!(
                "{all}{{{{ default.summary }}}}
                 {{{{ affected | join(', ') }}}} {{% for c in contacts %}}{{{{ c.name }}}} {{{{ c.phone }}}}{{% endfor %}}"
            );
            let part = TemplatePart::Description;
            check(&[template(language, part, &text)]).unwrap_or_else(|wrong| panic!("{wrong}"));
        }
    }

    #[test]
    fn the_examples_of_the_readme_do_not_read_the_same_of_the_alarm_and_of_its_end() {
        let readme = include_str!("../../README.md");
        let mut examples = readme.split("```jinja\n").skip(1);
        let mut next = || examples.next().unwrap().split("```").next().unwrap();
        let sources = [vi(TemplatePart::Summary, next()), vi(TemplatePart::Sms, next())];
        check(&sources).unwrap();
        let style = style(&sources);
        let said = |nth: usize| {
            let item = samples::all().into_iter().nth(nth).unwrap();
            let letter = Letter {
                id: NotificationId::new("n"),
                channel: ChannelId::new("duty"),
                created: item.notification.created,
                items: vec![item.clone()],
                test: false,
            };
            let short = crate::texts::short(&letter, &style, "", |_| true).unwrap();
            (write(&item, false, &style).summary, short)
        };
        // An access outage, and its end.
        let (firing, over) = (said(10), said(14));
        let when = "Xã Tân Lập từ 00:42 03/02/2026 (phiên họp Giao ban trực tuyến lúc";
        assert!(firing.0.starts_with(&format!("NGHIÊM TRỌNG: {when}")), "{}", firing.0);
        assert!(over.0.starts_with(&format!("ĐÃ KẾT THÚC: {when}")), "{}", over.0);
        let form = "TT HNTH Bac Kan thong bao: 1 su co tai Xã Tân Lập";
        assert_eq!(firing.1, format!("{form}. Tran trong."));
        assert_eq!(over.1, format!("{form} da ket thuc. Tran trong."));
    }

    #[test]
    fn a_text_that_says_the_same_of_the_alarm_and_of_its_end_is_named() {
        use TemplatePart::{Action, Digest, Sms, Summary};
        let own = |part, text: &str| {
            let sources = [vi(part, text)];
            check(&sources).unwrap();
            !alike(&sources).is_empty()
        };
        assert!(own(Summary, "{{ grade }}: {{ site or 'giám sát' }} từ {{ since }}"));
        assert!(!own(Summary, "{{ kind }}: {{ site or 'giám sát' }} từ {{ since }}"));
        assert!(own(Sms, "TT: {{ count }} su co tai {{ places | join(', ') }}"));
        assert!(!own(Sms, "TT: {{ count }} su co{% if over %} da ket thuc{% endif %}"));
        assert!(own(Digest, "{{ count }} sự cố") && !own(Digest, "{{ firing }} sự cố mới"));
        assert!(!own(Action, "gọi tổ trực"), "it is the same whatever happens");
        let since = "{{ site or 'giám sát' }} lỗi từ {{ since }}";
        for tells_nobody in [
            " ({{ minutes }} phút)",
            " đến {{ ended or '' }}",
            "{% if link %} {{ link }}{% endif %}",
        ] {
            assert!(own(Summary, &format!("{since}{tells_nobody}")), "{tells_nobody}");
        }
        for tells in ["{% if ended %}, hết lúc {{ ended }}{% endif %}", " · {{ default.summary }}"]
        {
            assert!(!own(Summary, &format!("{since}{tells}")), "{tells}");
        }
        let phone = "{% if contact %}, goi {{ contact.phone }}{% endif %}";
        assert!(own(Sms, &format!("TT: {{{{ count }}}} su co{phone}")));
        assert!(!own(Sms, "TT: {{ default.text }}"), "that says it by itself");
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let said = told("one line\n  {{ sitee }}");
        assert!(said.starts_with("templates/vi/summary.txt:2:"), "{said}");
        assert!(said.contains("{{ sitee }}") && said.contains("a template knows kind"), "{said}");
        let said = told("{% if over %}x");
        assert!(said.starts_with("templates/vi/summary.txt:1:"), "{said}");
        assert!(told("{{ session.title }}").contains("undefined"), "there is not always one");
        assert!(told("{% if over %}x{% endif %}").contains("it says nothing about"), "firing");
        let endless = "{% for a in affected %}{% for b in default.description %}{% for c in default.description %}{% for d in default.description %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}x";
        assert!(told(endless).contains("more than 100000 steps"), "{}", told(endless));
    }

    #[test]
    fn a_template_that_doubles_its_text_ends_before_it_fills_the_memory() {
        let line = |by: &str| format!("{{% set x = {by} %}}\n").repeat(64);
        let doubling = [
            format!("{{% set x = default.description %}}\n{}{{{{ x }}}}", line("x ~ x")),
            format!("{{% set x = default.description %}}\n{}{{{{ x }}}}", line("x + x")),
            format!("{{% set x = default.description %}}\n{}{{{{ x }}}}", line("x * 1000")),
            format!("{{% set x = default.description %}}\n{}{{{{ x }}}}", line("[x, x] | join")),
            format!("{{% set x = [1] %}}\n{}{{{{ x | join }}}}", line("x * 9")),
            "{% for a in ['xxxxxxxx' ~ site] %}".to_owned()
                + &"{% for a in [a ~ a] %}".repeat(40)
                + "{{ a }}"
                + &"{% endfor %}".repeat(41),
            format!(
                "{{% set x = default.description %}}\n{}{{{{ x }}}}",
                "{% set x %}{{ x }}{{ x }}{% endset %}\n".repeat(64)
            ),
        ];
        for text in doubling {
            let said = told(&text);
            // Where, why, and what there is at most.
            assert!(said.starts_with("templates/vi/summary.txt:"), "{said}");
            let bounds = [
                "more than 100000 steps or make more than 6 MB of text",
                "is too large",
                "`+` stands there more than 32 times",
            ];
            assert!(bounds.iter().any(|bound| said.contains(bound)), "{said}");
        }
        let sums = format!("{{% set x = [1] %}}\n{}{{{{ x | join }}}}", line("x + x"));
        assert!(
            told(&sums).starts_with("templates/vi/summary.txt:34:14: error"),
            "{}",
            told(&sums)
        );
    }

    #[test]
    fn a_drill_and_a_digest_say_what_the_template_says_and_a_test_does_not() {
        let style =
            style(&[vi(TemplatePart::Summary, "{{ site }}{% if drill %} (giả){% endif %}")]);
        let site = samples::all().into_iter().nth(10).unwrap();
        let mut drill = site.clone();
        let mut notification = (*drill.notification).clone();
        notification.alert.drill = true;
        drill.notification = Arc::new(notification);
        // Whatever people wrote, the mark stands before it.
        assert_eq!(write(&drill, false, &style).summary, "[DIỄN TẬP] Điểm cầu diễn tập (giả)");
        assert!(write(&site, true, &style).summary.starts_with("[THỬ NGHIỆM]"));
        let letter = Letter {
            id: NotificationId::new("n"),
            channel: ChannelId::new("duty"),
            created: site.notification.created,
            items: vec![site.clone(), drill, site],
            test: false,
        };
        let text = plain(&letter, &style);
        assert!(text.starts_with("[NGHIÊM TRỌNG] 2 điểm cầu mất kết nối"), "{text}");
        assert!(text.contains("\n• Xã Tân Lập\n• Xã Tân Lập\n"), "{text}");
        assert!(text.ends_with("\n• [DIỄN TẬP] Điểm cầu diễn tập (giả)\n"), "{text}");
    }

    #[test]
    fn everything_that_the_other_forms_know_can_be_used() {
        for language in [Language::Vi, Language::En] {
            for part in [TemplatePart::Digest, TemplatePart::Readiness] {
                let all = known(part).iter().map(|name| format!("{{{{ {name} }}}} "));
                check(&[template(language, part, &all.collect::<String>())])
                    .unwrap_or_else(|wrong| panic!("{wrong}"));
            }
            let each = known(TemplatePart::Sms).iter();
            let each = each.map(|name| format!("{{% if {name} %}}x{{% endif %}}"));
            let text = format!("VC {}", each.collect::<String>());
            check(&[template(language, TemplatePart::Sms, &text)])
                .unwrap_or_else(|wrong| panic!("{wrong}"));
        }
        let said = check(&[vi(TemplatePart::Digest, "{{ site }}")]).unwrap_err().to_string();
        assert!(said.contains("a template knows count, over"), "{said}");
        let long = "x".repeat(150) + " {{ places | join(', ') }}";
        let said = check(&[vi(TemplatePart::Sms, &long)]).unwrap_err().to_string();
        assert!(said.contains("a short message has 160"), "{said}");
    }

    #[test]
    fn the_first_line_of_several_is_what_people_wrote() {
        let sources = [vi(
            TemplatePart::Digest,
            "{{ count }} điểm cầu: {{ firing }} mới{% if session %} ({{ session.title }}){% endif %}",
        )];
        check(&sources).unwrap();
        let letter = &samples::digests()[0];
        let (own, usual) = (plain(letter, &style(&sources)), plain(letter, &style(&[])));
        let (first, rest) = own.split_once('\n').unwrap();
        assert_eq!(first, "8 điểm cầu: 8 mới (Giao ban trực tuyến)");
        assert_eq!(Some(rest), usual.split_once('\n').map(|(_, rest)| rest));
    }

    #[test]
    fn what_a_readiness_run_found_is_told_in_peoples_own_words() {
        let text = "{{ not_ready }}/{{ count }} điểm cầu chưa sẵn sàng họp {{ session.title }}\n\
                    {% for s in sites %}{{ s.name }}: {{ s.finding }}{% if s.contact %}, gọi \
                    {{ s.contact.phone }}{% endif %}\n{% endfor %}";
        let sources = [vi(TemplatePart::Readiness, text)];
        check(&sources).unwrap();
        let run = &samples::runs()[0];
        let (own, usual) = (write(run, false, &style(&sources)), write(run, false, &style(&[])));
        assert_eq!(own.summary, "1/204 điểm cầu chưa sẵn sàng họp Giao ban trực tuyến");
        assert!(own.description.starts_with("Xã Tân Lập: "), "{}", own.description);
        assert!(own.description.ends_with("gọi 0209 000 0169"), "{}", own.description);
        assert_eq!((own.action, own.contact), (usual.action, usual.contact));
        // One line only: what was found is told as usual.
        let sources = [vi(TemplatePart::Readiness, "{{ verdict }}")];
        let own = write(run, false, &style(&sources));
        assert_eq!((&*own.summary, own.description), ("not-ready", usual.description));
    }

    #[test]
    fn a_template_that_fails_all_the_same_leaves_its_place_to_the_built_in_text() {
        let sources = [vi(TemplatePart::Summary, "{{ session.title }}")];
        let item = samples::all().pop().unwrap();
        let (own, usual) =
            (write(&item, false, &style(&sources)), write(&item, false, &style(&[])));
        assert_eq!(own.summary, usual.summary);
        assert!(own.description.ends_with("(Mẫu tin “summary” bị lỗi nên dùng lời mặc định.)"));
    }
}
