//! `sites.yaml`: the levels, what a kind of site has, and the sites.
//!
//! A class says once what its sites have, so a site is one line: its id, its name, its parent and
//! the addresses. The file is read twice over: first every id, so that a site may stand before its
//! parent, then everything else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::diagnostic::{Findings, counted};
use super::hint::listed;
use super::names::Names;
use super::read::{Defined, Fields, each, expected, id, line, list, well_formed_id};
use super::source::Span;
use super::yaml::{Key, Node, Value, brief};
use crate::model::{
    Bilingual, Check, CheckKind, ClassId, Contact, Endpoint, EndpointId, EndpointIx, Host, Level,
    LevelId, LevelIx, Site, SiteId, SiteIx, Target, TargetIx, Topology,
};

/// Most sites.
const SITES: usize = 20_000;
/// Most endpoints at one site.
const ENDPOINTS: usize = 64;
/// Most targets altogether.
const TARGETS: usize = 500_000;
/// Most labels of one site and most contacts of one.
const FEW: usize = 16;

/// What stands in `sites.yaml`.
pub(super) struct Province {
    pub(super) levels: Defined<LevelIx>,
    /// Position in `classes`.
    pub(super) class_ids: Defined<usize>,
    pub(super) sites: Defined<SiteIx>,
    /// The class of each site.
    pub(super) class_of: Vec<usize>,
    /// Where the id of each site stands.
    pub(super) spans: Vec<Span>,
    /// Whether everything in it could be read. If not, `topology` lacks what could not and nobody
    /// hangs on anybody, so that nothing can be said of who is where.
    pub(super) whole: bool,
    /// What kinds of sites there are, by position.
    pub(super) kinds: Vec<Kind>,
    /// The class of sites that name none.
    pub(super) default_class: Option<usize>,
    pub(super) topology: Topology,
}

/// A class, as far as somebody who adds a site has to know it.
pub(super) struct Kind {
    pub(super) id: String,
    pub(super) level: Option<LevelIx>,
    /// The endpoints that a site of this class names an address for.
    pub(super) endpoints: Vec<String>,
}

/// Whether a file without any site is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sites {
    /// There has to be one.
    Some,
    /// The first are yet to come.
    ToCome,
}

/// What a kind of site has.
#[derive(Default)]
struct Class {
    id: String,
    level: Option<LevelIx>,
    endpoints: Vec<ClassEndpoint>,
    contacts: Vec<Contact>,
    labels: BTreeMap<String, String>,
    /// Whether its endpoints could be read. If not, nobody knows what its sites may say.
    sound: bool,
}

struct ClassEndpoint {
    id: String,
    checks: Vec<usize>,
}

/// The keys of a site that are not names of endpoints.
const SITE_KEYS: [&str; 8] =
    ["id", "name", "level", "class", "parent", "contacts", "labels", "endpoints"];

/// Reads the file. Without `checks`, because their file could not be read, their names are not
/// looked at.
pub(super) fn read(
    node: &Node,
    checks: Option<&[Check]>,
    expected: Sites,
    out: &Findings,
) -> Option<Province> {
    if node.is_nothing() {
        out.say(node.span, "the file is empty: it needs `levels`, `classes` and `sites`");
        return None;
    }
    let before = out.count();
    let mut file = Fields::of_file(node, out)?;
    let mut levels = Defined::new("level");
    let read = file.need("levels", |node, out| read_levels(node, &mut levels, out));
    let reader = Reader {
        checks: checks.map(|checks| {
            let mut known = Defined::new("check");
            for (at, check) in checks.iter().enumerate() {
                known.add(check.id.as_str(), Span::top(node.span.file), at, out);
            }
            (known, checks)
        }),
        levels,
        out,
    };
    let mut class_ids = Defined::new("class");
    let classes = file.need("classes", |node, _| reader.classes(node, &mut class_ids));
    let default_class = match file.get("default_class") {
        Some(node) => DefaultClass::Written(class_ids.find(node, out)),
        None if classes.as_ref().is_some_and(|classes| classes.len() == 1) => {
            DefaultClass::Written(Some(0))
        }
        None => DefaultClass::None,
    };
    let written = file.need("sites", list);
    let at = file.at("sites");
    file.end();
    let (all_levels, classes, written) = (read?, classes?, written?);
    if written.is_empty() && expected == Sites::Some {
        out.say(at, "there is no site");
    }
    if written.len() > SITES {
        let reason = format!("{}, at most {SITES} are allowed", counted(written.len(), "site"));
        out.say(written[SITES].span, reason);
        return None;
    }
    let mut province = Building {
        reader: &reader,
        classes: &classes,
        class_ids: &class_ids,
        default_class,
        classless: Vec::new(),
        sites: Defined::new("site"),
        class_of: Vec::new(),
        names: Names::default(),
        addresses: BTreeMap::new(),
        topology: Topology {
            levels: all_levels,
            checks: checks.unwrap_or_default().to_vec(),
            ..Topology::default()
        },
    };
    let mut entries = Vec::new();
    for (at, node) in written.iter().enumerate() {
        let Some(mut fields) = Fields::of(node, "a site", out) else { continue };
        let id = fields.need("id", id);
        let span = fields.at("id");
        let id = id.filter(|id| province.sites.add(id, span, SiteIx::new(at), out));
        entries.push((at, id, fields));
    }
    let spans = entries.iter().map(|(_, _, fields)| fields.at("id")).collect();
    let mut parents = Vec::new();
    for (at, id, fields) in entries {
        parents.push((at, province.site(at, id, fields)));
    }
    province.tell_classless();
    let Building { sites, class_of, mut topology, .. } = province;
    no_loops(&parents, written, &sites, out);
    let whole = out.count() == before;
    if whole {
        hang_together(&mut topology);
    }
    let kinds = class_ids.ids().filter_map(|id| Some((id, *class_ids.get(id)?)));
    let mut kinds: Vec<(usize, Kind)> = kinds
        .map(|(id, at)| {
            let class = &classes[at];
            let endpoints = class.endpoints.iter().map(|endpoint| endpoint.id.clone()).collect();
            (at, Kind { id: id.to_owned(), level: class.level, endpoints })
        })
        .collect();
    kinds.sort_by_key(|(at, _)| *at);
    Some(Province {
        levels: reader.levels,
        class_ids,
        sites,
        class_of,
        spans,
        whole,
        kinds: kinds.into_iter().map(|(_, kind)| kind).collect(),
        default_class: match default_class {
            DefaultClass::Written(class) => class,
            DefaultClass::None => None,
        },
        topology,
    })
}

fn read_levels(node: &Node, levels: &mut Defined<LevelIx>, out: &Findings) -> Option<Vec<Level>> {
    let mut read = Vec::new();
    for (at, node) in list(node, out)?.iter().take(1000).enumerate() {
        let Some(mut fields) = Fields::of(node, "a level", out) else { continue };
        let id = fields.need("id", id);
        let span = fields.at("id");
        let name = fields.need("name", bilingual);
        fields.end();
        let id = id.filter(|id| levels.add(id, span, LevelIx::new(at), out));
        if let (Some(id), Some(name)) = (id, name) {
            read.push(Level { id: LevelId::new(id), name });
        }
    }
    Some(read)
}

/// A name in both languages, or one that is the same in both.
fn bilingual(node: &Node, out: &Findings) -> Option<Bilingual> {
    if node.scalar().is_some() {
        let name = line(60)(node, out)?;
        return Some(Bilingual { vi: name.clone(), en: name });
    }
    let mut fields = Fields::of(node, "a name", out)?;
    let (vi, en) = (fields.need("vi", line(60)), fields.need("en", line(60)));
    fields.end();
    Some(Bilingual { vi: vi?, en: en? })
}

/// What classes and sites are read with.
struct Reader<'a> {
    checks: Option<(Defined<usize>, &'a [Check])>,
    levels: Defined<LevelIx>,
    out: &'a Findings,
}

impl Reader<'_> {
    fn classes(&self, node: &Node, ids: &mut Defined<usize>) -> Option<Vec<Class>> {
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
    fn checks(&self, node: &Node) -> Option<Vec<usize>> {
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

/// The id of an endpoint, which must not be another key of a site.
fn endpoint_id(node: &Node, out: &Findings) -> Option<String> {
    let id = id(node, out)?;
    if SITE_KEYS.contains(&id.as_str()) {
        out.say(node.span, format!("`{id}` already means something else at a site"));
        return None;
    }
    Some(id)
}

/// Whom to phone.
fn contacts(node: &Node, out: &Findings) -> Option<Vec<Contact>> {
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
fn labels(node: &Node, out: &Findings) -> Option<BTreeMap<String, String>> {
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
pub(super) fn label_name(node: &Node, out: &Findings) -> Option<String> {
    let Some(scalar) = node.scalar() else {
        expected(node, "the name of a label", out);
        return None;
    };
    well_formed_label(&Key { text: scalar.text.clone(), span: node.span }, out)
}

/// A name that can stand as a label in metrics and alerts, and that neither uses already.
pub(super) fn well_formed_label(key: &Key, out: &Findings) -> Option<String> {
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
        let meant = super::hint::slug(name).replace('-', "_");
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

/// The topology on its way.
struct Building<'a> {
    reader: &'a Reader<'a>,
    classes: &'a [Class],
    class_ids: &'a Defined<usize>,
    default_class: DefaultClass,
    /// Sites that name no class where they have to.
    classless: Vec<Span>,
    sites: Defined<SiteIx>,
    class_of: Vec<usize>,
    names: Names,
    addresses: BTreeMap<Host, Span>,
    topology: Topology,
}

/// The class of sites that name none.
#[derive(Clone, Copy)]
enum DefaultClass {
    None,
    /// Perhaps one that does not exist.
    Written(Option<usize>),
}

/// What a site says of one of its endpoints.
struct Address {
    host: Host,
    checks: Option<Vec<usize>>,
}

impl<'a> Building<'a> {
    /// Reads everything but the id of a site; returns its parent.
    fn site(&mut self, at: usize, id: Option<String>, mut fields: Fields<'a>) -> Option<SiteIx> {
        let out = self.reader.out;
        let site = SiteIx::new(at);
        let name = fields.need("name", |node, out| Some((node, line(120)(node, out)?)));
        let class = match fields.get("class") {
            Some(node) => self.class_ids.find(node, out),
            None if fields.has("class") => None,
            None => match self.default_class {
                DefaultClass::Written(class) => class,
                DefaultClass::None => {
                    self.classless.push(fields.span);
                    None
                }
            },
        };
        let known = class.map(|at| &self.classes[at]);
        let level = match fields.get("level") {
            Some(node) => self.reader.levels.find(node, out),
            None => known.and_then(|class| class.level),
        };
        let parent = fields.get("parent").and_then(|node| self.sites.find(node, out));
        if let Some((node, _)) = &name {
            let written = node.scalar().map_or("", |scalar| &scalar.text);
            self.names.add(written, node.span, parent.map(SiteIx::ix), out);
        }
        let contacts = fields.read("contacts", Vec::new(), contacts);
        let mut all_labels = known.map(|class| class.labels.clone()).unwrap_or_default();
        all_labels.extend(fields.read("labels", BTreeMap::new(), labels));
        let first = self.topology.endpoints.len();
        let before = out.count();
        if let Some(class) = known {
            self.class_endpoints(site, class, &mut fields);
        }
        if let Some(node) = fields.get("endpoints") {
            self.own_endpoints(site, node, known);
        }
        let last = self.topology.endpoints.len();
        if last - first > ENDPOINTS {
            out.say(fields.span, format!("more than {ENDPOINTS} endpoints at one site"));
        } else if last == first && known.is_some_and(|c| c.sound) && out.count() == before {
            out.say(fields.span, "a site without an endpoint is not watched");
        }
        // Without its class nobody knows what a site may say.
        if known.is_some_and(|class| class.sound) {
            fields.end();
        }
        let contacts = match known {
            Some(class) if contacts.is_empty() => class.contacts.clone(),
            _ => contacts,
        };
        let class_id = known.map(|class| class.id.as_str()).unwrap_or_default();
        self.class_of.push(class.unwrap_or_default());
        self.topology.sites.push(Site {
            id: SiteId::new(id.unwrap_or_default()),
            name: name.map(|(_, name)| name).unwrap_or_default(),
            level: level.unwrap_or_else(|| LevelIx::new(0)),
            class: ClassId::new(class_id),
            parent,
            children: Vec::new(),
            contacts,
            labels: all_labels,
            endpoints: (first..last).map(EndpointIx::new).collect(),
        });
        parent
    }

    /// Tells of all sites that need a class, at the first of them.
    fn tell_classless(&self) {
        let Some(first) = self.classless.first() else { return };
        let reason = match self.classless.len() {
            1 => "a site needs `class`".to_owned(),
            n => format!(
                "a site needs `class`, and {} from here on as well",
                counted(n - 1, "other")
            ),
        };
        let hint = "or name a `default_class` for sites that name none".to_owned();
        self.reader.out.hint(*first, reason, hint);
    }

    /// The endpoints that its class gives a site, each at the address that the site names.
    fn class_endpoints(&mut self, site: SiteIx, class: &'a Class, fields: &mut Fields<'a>) {
        let out = self.reader.out;
        let mut missing = Vec::new();
        for endpoint in &class.endpoints {
            let Some(node) = fields.get_chosen(&endpoint.id) else {
                if !fields.has(&endpoint.id) {
                    missing.push(endpoint.id.as_str());
                }
                continue;
            };
            if node.scalar().is_some_and(|scalar| scalar.text == "none") {
                continue;
            }
            if let Some(address) = self.address(node) {
                let checks = address.checks.unwrap_or_else(|| endpoint.checks.clone());
                self.endpoint(site, &endpoint.id, address.host, &checks);
            }
        }
        // One that is there under a misspelt name is told once, at that name.
        missing.retain(|id| !fields.has_misspelt(id));
        if !missing.is_empty() {
            let first = missing[0];
            let reason = format!("a site of this class needs {}", listed(&missing));
            out.hint(fields.span, reason, format!("if it has none, write `{first}: none`"));
        }
    }

    /// The endpoints that only this site has.
    fn own_endpoints(&mut self, site: SiteIx, node: &'a Node, class: Option<&Class>) {
        let out = self.reader.out;
        let mut seen = Defined::new("endpoint");
        for node in list(node, out).unwrap_or_default().iter().take(ENDPOINTS) {
            let Some(mut fields) = Fields::of(node, "an endpoint", out) else { continue };
            let id = fields.need("id", endpoint_id);
            let span = fields.at("id");
            let host = fields.need("address", |node, _| self.host(node));
            let checks = fields.need("checks", |node, _| self.reader.checks(node));
            fields.end();
            let Some(id) = id.filter(|id| seen.add(id, span, (), out)) else { continue };
            if class.is_some_and(|class| class.endpoints.iter().any(|e| e.id == id)) {
                let hint = format!("write `{id}: ADDRESS` at the site");
                out.hint(span, format!("its class already gives the site a `{id}`"), hint);
            }
            if let (Some(host), Some(checks)) = (host, checks) {
                self.endpoint(site, &id, host, &checks);
            }
        }
    }

    /// An address, alone or with checks of its own.
    fn address(&mut self, node: &'a Node) -> Option<Address> {
        if !matches!(node.value, Value::Map(_)) {
            return Some(Address { host: self.host(node)?, checks: None });
        }
        let mut fields = Fields::of(node, "an endpoint of a site", self.reader.out)?;
        let host = fields.need("address", |node, _| self.host(node));
        let checks = fields.get("checks").and_then(|node| self.reader.checks(node));
        fields.end();
        Some(Address { host: host?, checks })
    }

    /// An address that no other endpoint has.
    fn host(&mut self, node: &Node) -> Option<Host> {
        let out = self.reader.out;
        let host = host(node, out)?;
        if let Some(first) = self.addresses.get(&host) {
            let reason = format!("`{host}` is the address of two endpoints");
            out.clash(node.span, reason, (*first, "the other"), None);
        } else {
            self.addresses.insert(host.clone(), node.span);
        }
        Some(host)
    }

    fn endpoint(&mut self, site: SiteIx, id: &str, host: Host, checks: &[usize]) {
        let topology = &mut self.topology;
        if topology.targets.len() + checks.len() > TARGETS {
            let out = self.reader.out;
            out.say(Span::top(super::source::File::Sites), format!("more than {TARGETS} targets"));
            return;
        }
        let endpoint = EndpointIx::new(topology.endpoints.len());
        let first = topology.targets.len();
        topology.targets.extend(checks.iter().map(|check| Target {
            endpoint,
            site,
            check: *check,
        }));
        topology.endpoints.push(Endpoint {
            id: EndpointId::new(id),
            site,
            host,
            targets: (first..topology.targets.len()).map(TargetIx::new).collect(),
        });
    }
}

/// An address or a name that is resolved later.
pub(super) fn host(node: &Node, out: &Findings) -> Option<Host> {
    let Some(scalar) = node.scalar() else {
        expected(node, "an address", out);
        return None;
    };
    let text = scalar.text.as_str();
    if let Ok(ip) = text.parse::<IpAddr>() {
        let ip = ip.to_canonical();
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        if ip.is_unspecified() || ip.is_multicast() || broadcast {
            out.say(node.span, format!("`{ip}` is not the address of one device"));
            return None;
        }
        if matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
            // Which link is meant depends on this machine's interfaces (RFC 4007 §6).
            let hint = "write its global or unique local address".to_owned();
            let words = format!("`{ip}` means something on one link only, and does not say which");
            out.hint(node.span, words, Some(hint));
            return None;
        }
        return Some(Host::Ip(ip));
    }
    if is_host_name(text) {
        return Some(Host::Name(text.to_ascii_lowercase()));
    }
    let hint = if text.contains("://") {
        Some("write the address alone; port and path belong to the check".to_owned())
    } else if text.parse::<std::net::SocketAddr>().is_ok() {
        Some("write the address alone; the port belongs to the check".to_owned())
    } else if text.contains('/') {
        Some("write the address alone, without the length of the network's prefix".to_owned())
    } else {
        None
    };
    out.hint(node.span, format!("{} is neither an address nor a host name", node.found()), hint);
    None
}

/// A host name (RFC 1123 §2.1); its last part is not a number, so that no mistyped address passes.
pub(super) fn is_host_name(text: &str) -> bool {
    let part = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(part) && last.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Tells of sites whose lines run in a circle, once for each circle.
fn no_loops(
    parents: &[(usize, Option<SiteIx>)],
    written: &[Node],
    sites: &Defined<SiteIx>,
    out: &Findings,
) {
    let mut parent_of = vec![None; written.len()];
    for (at, parent) in parents {
        parent_of[*at] = parent.map(SiteIx::ix);
    }
    // The walk that saw a site first; a walk that comes back to itself has found a circle.
    let mut seen: Vec<Option<usize>> = vec![None; written.len()];
    for start in 0..written.len() {
        let mut at = Some(start);
        while let Some(here) = at {
            match seen[here] {
                Some(walk) if walk == start => {
                    tell_loop(here, &parent_of, written, sites, out);
                    break;
                }
                Some(_) => break,
                None => seen[here] = Some(start),
            }
            at = parent_of[here];
        }
    }
}

fn tell_loop(
    start: usize,
    parent_of: &[Option<usize>],
    written: &[Node],
    sites: &Defined<SiteIx>,
    out: &Findings,
) {
    let name = |at: usize| sites.ids().find(|id| sites.get(id).is_some_and(|ix| ix.ix() == at));
    let mut circle = vec![start];
    let mut at = parent_of[start];
    while let Some(here) = at.filter(|here| *here != start) {
        circle.push(here);
        at = parent_of[here];
    }
    // It is told at its first site in the file, with at most ten names.
    let first = circle.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(n, _)| n);
    circle.rotate_left(first);
    let mut names: Vec<String> =
        circle.iter().take(10).map(|at| format!("`{}`", name(*at).unwrap_or_default())).collect();
    if circle.len() > 10 {
        names.push("…".to_owned());
    }
    names.extend(name(circle[0]).map(|first| format!("`{first}`")));
    let place = match &written[circle[0]].value {
        Value::Map(map) => map.iter().find(|(key, _)| key.text == "parent").map(|(_, n)| n.span),
        _ => None,
    };
    let reason = if circle.len() == 1 {
        "the line of a site does not run through itself".to_owned()
    } else {
        format!("the lines run in a circle: {}", names.join(" through "))
    };
    out.say(place.unwrap_or(written[circle[0]].span), reason);
}

/// Enters the children of every site and the index by id.
fn hang_together(topology: &mut Topology) {
    for at in 0..topology.sites.len() {
        let site = SiteIx::new(at);
        topology.site_by_id.insert(topology.sites[at].id.clone(), site);
        if let Some(parent) = topology.sites[at].parent
            && let Some(parent) = topology.sites.get_mut(parent.ix())
        {
            parent.children.push(site);
        }
    }
}
