//! `sites.yaml`: the levels, what a kind of site has, and the sites.
//!
//! A class says once what its sites have, so a site is one line: its id, its name, its parent and
//! the addresses. The file is read twice over: first every id, so that a site may stand before its
//! parent, then everything else.

mod address;
mod classes;
mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) use self::address::{host, is_host_name};
use self::classes::{Class, Reader, bilingual, endpoint_id, labels};
pub(super) use self::classes::{contacts, label_name, well_formed_label};
use self::lines::{hang_together, no_loops};
use super::diagnostic::{Findings, counted};
use super::hint::listed;
use super::names::Names;
use super::read::{Defined, Fields, id, line, list};
use super::source::Span;
use super::yaml::{Node, Value};
use crate::model::{
    Check, ClassId, Endpoint, EndpointId, EndpointIx, Host, Level, LevelId, LevelIx, Site, SiteId,
    SiteIx, Target, TargetIx, Topology,
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
        shared: BTreeSet::new(),
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
    /// The ids that many have in common, each once.
    shared: BTreeSet<Arc<str>>,
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
        let class_id = self.shared(class_id);
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

    /// The text, once for all who have the same.
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.shared.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.shared.insert(Arc::clone(&new));
        new
    }

    fn endpoint(&mut self, site: SiteIx, id: &str, host: Host, checks: &[usize]) {
        let id = self.shared(id);
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
