//! Classes: what a kind of site has, and what sites and classes say in the same words.

use std::collections::BTreeMap;

use super::address::is_host_name;
use super::{ENDPOINTS, FEW, SITE_KEYS};
use crate::config::diagnostic::Findings;
use crate::config::read::{Defined, Fields, each, expected, id, line, list, well_formed_id};
use crate::config::yaml::{Key, Node, Value, brief};
use crate::model::{Bilingual, Check, CheckKind, Contact, LevelIx};

/// What a kind of site has.
#[derive(Default)]
pub(super) struct Class {
    pub(super) id: String,
    pub(super) level: Option<LevelIx>,
    pub(super) endpoints: Vec<ClassEndpoint>,
    pub(super) contacts: Vec<Contact>,
    pub(super) labels: BTreeMap<String, String>,
    /// Whether its endpoints could be read. If not, nobody knows what its sites may say.
    pub(super) sound: bool,
}

/// One of its endpoints, with its checks as positions.
pub(super) struct ClassEndpoint {
    pub(super) id: String,
    pub(super) checks: Vec<usize>,
}

/// What classes and sites are read with.
pub(super) struct Reader<'a> {
    pub(super) checks: Option<(Defined<usize>, &'a [Check])>,
    pub(super) levels: Defined<LevelIx>,
    pub(super) out: &'a Findings,
}

impl Reader<'_> {
    pub(super) fn classes(&self, node: &Node, ids: &mut Defined<usize>) -> Option<Vec<Class>> {
        let mut fields = Fields::of(node, "`classes`", self.out)?;
        let mut classes = Vec::new();
        for (key, node) in fields.others() {
            if well_formed_id(&key.text, key.span, self.out) {
                ids.add(&key.text, key.span, classes.len(), self.out);
                // A class that could not be read keeps its place, so that its sites find it.
                let class = self.class(node).unwrap_or_default();
                classes.push(Class { id: key.text.clone(), ..class });
            }
        }
        Some(classes)
    }

    fn class(&self, node: &Node) -> Option<Class> {
        let mut fields = Fields::of(node, "a class", self.out)?;
        let level = fields.need("level", |node, out| self.levels.find(node, out));
        let before = self.out.count();
        let endpoints = fields.need("endpoints", |node, out| {
            let mut seen = Defined::new("endpoint");
            let mut endpoints = Vec::new();
            for node in list(node, out)?.iter().take(ENDPOINTS) {
                let Some(mut fields) = Fields::of(node, "an endpoint of a class", out) else {
                    continue;
                };
                let id = fields.need("id", endpoint_id);
                let span = fields.at("id");
                let checks = fields.need("checks", |node, _| self.checks(node));
                fields.end();
                let id = id.filter(|id| seen.add(id, span, (), out));
                if let Some(id) = id {
                    endpoints.push(ClassEndpoint { id, checks: checks.unwrap_or_default() });
                }
            }
            Some(endpoints)
        });
        let sound = self.out.count() == before;
        let contacts = fields.read("contacts", Vec::new(), contacts);
        let labels = fields.read("labels", BTreeMap::new(), labels);
        fields.end();
        let (id, endpoints) = (String::new(), endpoints.unwrap_or_default());
        Some(Class { id, level, endpoints, contacts, labels, sound })
    }

    /// The checks of an endpoint, as positions.
    pub(super) fn checks(&self, node: &Node) -> Option<Vec<usize>> {
        let out = self.out;
        let Some((known, checks)) = &self.checks else { return Some(Vec::new()) };
        let found = each(node, out, |item| known.find(item, out))?;
        if matches!(&node.value, Value::List(list) if list.is_empty()) {
            out.say(node.span, "an endpoint without a check is not watched");
        }
        // Every unanswered SIP request is sent three times (RFC 3261 §17.1.2.2).
        let sip = found.iter().map(|at| &checks[*at]);
        let sip = sip.filter(|check| matches!(check.kind, CheckKind::Sip(_)));
        let a_second: f64 = sip.map(|check| 3.0 / check.paces.quickest().as_secs_f64()).sum();
        if a_second > 1.0 {
            let reason = format!(
                "these checks may send {a_second:.1} SIP requests a second to one device: more \
                 than one, and devices shut us out"
            );
            out.hint(node.span, reason, "slow their quickest `pace`, or use fewer".to_owned());
        }
        Some(found)
    }
}

/// A name in both languages, or one that is the same in both.
pub(super) fn bilingual(node: &Node, out: &Findings) -> Option<Bilingual> {
    if node.scalar().is_some() {
        let name = line(60)(node, out)?;
        return Some(Bilingual { vi: name.clone(), en: name });
    }
    let mut fields = Fields::of(node, "a name", out)?;
    let (vi, en) = (fields.need("vi", line(60)), fields.need("en", line(60)));
    fields.end();
    Some(Bilingual { vi: vi?, en: en? })
}

/// The id of an endpoint, which must not be another key of a site.
pub(super) fn endpoint_id(node: &Node, out: &Findings) -> Option<String> {
    let id = id(node, out)?;
    if SITE_KEYS.contains(&id.as_str()) {
        out.say(node.span, format!("`{id}` already means something else at a site"));
        return None;
    }
    Some(id)
}

/// Whom to phone.
pub(in crate::config) fn contacts(node: &Node, out: &Findings) -> Option<Vec<Contact>> {
    let items = list(node, out)?;
    if let Some(extra) = items.get(FEW) {
        out.say(extra.span, format!("more than {FEW} contacts"));
    }
    let mut found = Vec::new();
    for node in items.iter().take(FEW) {
        let Some(mut fields) = Fields::of(node, "a contact", out) else { continue };
        let name = fields.need("name", line(120));
        let phone = fields.read("phone", String::new(), phone);
        let email = fields.read("email", String::new(), email);
        fields.end();
        found.extend(name.map(|name| Contact { name, phone, email }));
    }
    Some(found)
}

fn phone(node: &Node, out: &Findings) -> Option<String> {
    let text = line(40)(node, out)?;
    let good = text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b" +-.()/".contains(&b));
    if !good {
        out.say(node.span, format!("`{}` is no phone number", brief(&text)));
    }
    good.then_some(text)
}

fn email(node: &Node, out: &Findings) -> Option<String> {
    let text = line(254)(node, out)?;
    let good =
        text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && is_host_name(host))
            && !text.contains(char::is_whitespace);
    if !good {
        out.say(node.span, format!("`{}` is no mail address", brief(&text)));
    }
    good.then_some(text)
}

/// Free labels.
pub(super) fn labels(node: &Node, out: &Findings) -> Option<BTreeMap<String, String>> {
    let mut fields = Fields::of(node, "`labels`", out)?;
    let others = fields.others();
    if let Some((extra, _)) = others.get(FEW) {
        out.say(extra.span, format!("more than {FEW} labels"));
    }
    let mut found = BTreeMap::new();
    for (key, node) in others.into_iter().take(FEW) {
        let name = well_formed_label(key, out);
        if node.is_nothing() {
            out.say(node.span, format!("the label `{}` has no value", brief(&key.text)));
            continue;
        }
        if let (Some(name), Some(value)) = (name, line(64)(node, out)) {
            found.insert(name, value);
        }
    }
    Some(found)
}

/// The name of a label, where one is referred to.
pub(in crate::config) fn label_name(node: &Node, out: &Findings) -> Option<String> {
    let Some(scalar) = node.scalar() else {
        expected(node, "the name of a label", out);
        return None;
    };
    well_formed_label(&Key { text: scalar.text.clone(), span: node.span }, out)
}

/// A name that can stand as a label in metrics and alerts, and that neither uses already.
pub(in crate::config) fn well_formed_label(key: &Key, out: &Findings) -> Option<String> {
    const TAKEN: [&str; 10] = [
        "alertname",
        "cause",
        "check",
        "endpoint",
        "incident",
        "level",
        "parent",
        "session",
        "severity",
        "site",
    ];
    let name = key.text.as_str();
    if TAKEN.contains(&name) {
        let reason = format!("`{name}` is no free label: metrics and alerts have one of that name");
        out.say(key.span, reason);
        return None;
    }
    let good = name.len() <= 40
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !good {
        let meant = crate::config::hint::slug(name).replace('-', "_");
        let fits = meant != name && meant.starts_with(|c: char| c.is_ascii_lowercase());
        let hint = fits.then(|| format!("did you mean `{meant}`?"));
        let reason = format!(
            "`{}` is no label: it begins with a lower-case letter and has letters, digits and _",
            brief(name)
        );
        out.hint(key.span, reason, hint);
    }
    good.then(|| name.to_owned())
}
