//! The province that a scenario plays in: the shipped sample, or a small one drawn as a tree.
//!
//! ```yaml
//! province:
//!   levels: [province, district, commune]       # names of the levels, highest first
//!   tree:                                       # who hangs on whom; the first site is ours
//!     tinh:
//!       cho-don: [tan-lap, bang-lang]
//!       ba-be: [nam-mau]
//!   labels:                                     # label, value, sites
//!     power: {lo-7: [tan-lap, nam-mau]}
//!   names: [nam-mau]                            # sites whose devices are known by name
//! ```
//! Every site of a drawn province has a router that is pinged and a codec that is pinged and
//! asked for SIP, H.323 and its web page. Addresses are given in order from 10.64.0.0/12. Names are
//! known in virtual runs only.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::yaml::{self, Key, Mark, Node, Sink, Value};
use crate::model::{
    Check, CheckId, CheckKind, ClassId, Endpoint, EndpointId, EndpointIx, Few, H323Check, Host,
    HttpCheck, IcmpCheck, Level, LevelIx, Paces, SipCheck, SipTransport, Site, SiteId, SiteIx,
    Target, TargetIx, Topology,
};

/// Which province.
#[derive(Debug, Clone, PartialEq)]
pub enum Province {
    /// The shipped configuration.
    Sample,
    /// One drawn in the file.
    Tree(Tree),
}

/// A drawn province.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The levels, highest first.
    pub levels: Vec<String>,
    /// Sites, each with the position of its parent and its depth; parents before children.
    pub sites: Vec<(String, Option<usize>, usize)>,
    /// Labels of sites: site, label, value.
    pub labels: Vec<(String, String, String)>,
    /// Sites whose devices are known by name, not by address.
    pub names: Vec<String>,
}

/// Most sites that a drawn province may have: one /24 each within 10.64.0.0/12.
const MOST: usize = 4096;

/// Reads `sample` or a drawn province.
pub(super) fn read(node: &Node, sink: &Sink) -> Option<Province> {
    if let Value::Scalar(text) = &node.value {
        if text == "sample" {
            return Some(Province::Sample);
        }
        sink.say(node.mark, "a province is `sample` or a map with a `tree`");
        return None;
    }
    let map = node.map(sink, "a province")?;
    let mut tree = Tree::default();
    let mut marks: BTreeMap<String, Mark> = BTreeMap::new();
    map.need("tree", |node, sink| {
        grow(node, None, 0, &mut tree, &mut marks, sink);
        Some(())
    });
    let depth = tree.sites.iter().map(|(.., depth)| depth + 1).max().unwrap_or(0);
    let named = map.take("levels").map_or(Vec::new(), |node| node.texts(sink, "a level"));
    let usual = ["province", "district", "commune"];
    tree.levels = if named.is_empty() {
        usual.map(str::to_owned).to_vec()
    } else {
        named.into_iter().map(|(level, _)| level).collect()
    };
    if depth > tree.levels.len() {
        sink.say(map.mark, format!("the tree has {depth} levels: name them with `levels`"));
        tree.levels.extend((tree.levels.len()..depth).map(|nth| format!("level-{nth}")));
    }
    if let Some(labels) = map.take("labels").and_then(|node| node.map(sink, "`labels`")) {
        for (label, values) in labels.entries() {
            let Some(values) = values.map(sink, "the values of a label") else { continue };
            for (value, sites) in values.entries() {
                for (site, mark) in sites.texts(sink, "a site") {
                    if !marks.contains_key(&site) {
                        sink.say(mark, format!("there is no site `{site}` in the tree"));
                    }
                    tree.labels.push((site, label.text.clone(), value.text.clone()));
                }
            }
        }
    }
    for (site, mark) in map.take("names").map_or(Vec::new(), |node| node.texts(sink, "a site")) {
        if !marks.contains_key(&site) {
            sink.say(mark, format!("there is no site `{site}` in the tree"));
        }
        tree.names.push(site);
    }
    map.close();
    Some(Province::Tree(tree))
}

/// Adds what stands under a site: a map of sites with theirs, a list of sites, or nothing.
fn grow(
    node: &Node,
    parent: Option<usize>,
    depth: usize,
    tree: &mut Tree,
    marks: &mut BTreeMap<String, Mark>,
    sink: &Sink,
) {
    match &node.value {
        Value::Scalar(text) if yaml::is_nothing(text) => {}
        Value::Scalar(text) => {
            add(text, node.mark, parent, depth, tree, marks, sink);
        }
        Value::List(items) => {
            for item in items {
                if let Some(id) = item.text(sink, "a site") {
                    add(id, item.mark, parent, depth, tree, marks, sink);
                }
            }
        }
        Value::Map(entries) => {
            for (Key { text, mark }, below) in entries {
                let at = add(text, *mark, parent, depth, tree, marks, sink);
                grow(below, Some(at), depth + 1, tree, marks, sink);
            }
        }
    }
}

/// Adds one site and returns its position.
fn add(
    id: &str,
    mark: Mark,
    parent: Option<usize>,
    depth: usize,
    tree: &mut Tree,
    marks: &mut BTreeMap<String, Mark>,
    sink: &Sink,
) -> usize {
    if marks.insert(id.to_owned(), mark).is_some() {
        sink.say(mark, format!("the site `{id}` stands in the tree twice"));
    }
    if tree.sites.len() == MOST {
        sink.say(mark, format!("a drawn province has at most {MOST} sites"));
    }
    tree.sites.push((id.to_owned(), parent, depth));
    tree.sites.len() - 1
}

impl Tree {
    /// The drawn province as the rest of the program knows it. The first site is where we stand.
    #[must_use]
    pub fn topology(&self) -> Topology {
        let mut topology = Topology {
            levels: self.levels.iter().map(|level| Level::named(level, level, level)).collect(),
            checks: checks(),
            vantage: (!self.sites.is_empty()).then(|| SiteIx::new(0)),
            ..Topology::default()
        };
        for (n, (id, parent, depth)) in self.sites.iter().take(MOST).enumerate() {
            let ix = SiteIx::new(n);
            let id = SiteId::new(id.as_str());
            let labels = self.labels.iter().filter(|(site, ..)| site.as_str() == id.as_str());
            let labels = labels.map(|(_, label, value)| (label.clone(), value.clone())).collect();
            topology.site_by_id.entry(id.clone()).or_insert(ix);
            topology.sites.push(Site {
                name: id.to_string(),
                id,
                level: LevelIx::new(*depth),
                class: ClassId::new(self.levels[*depth].as_str()),
                parent: parent.map(SiteIx::new),
                children: Vec::new(),
                contacts: Vec::new(),
                labels,
                endpoints: Few::new(),
            });
            if let Some(parent) = parent {
                topology.sites[*parent].children.push(ix);
            }
            let site = &self.sites[n].0;
            let host = |id: &str, host: u8| match self.names.contains(site) {
                true => Host::Name(format!("{id}.{site}.example")),
                false => Host::Ip(address(n, host)),
            };
            add_endpoint(&mut topology, ix, "router", host("router", 1), &[PING]);
            let checks = [PING, SIP, H323, WEB];
            add_endpoint(&mut topology, ix, "codec", host("codec", 10), &checks);
        }
        topology
    }
}

fn add_endpoint(topology: &mut Topology, site: SiteIx, id: &str, host: Host, checks: &[usize]) {
    let endpoint = EndpointIx::new(topology.endpoints.len());
    let mut targets = Few::with_capacity(checks.len());
    for check in checks {
        targets.push(TargetIx::new(topology.targets.len()));
        topology.targets.push(Target { endpoint, site, check: *check });
    }
    topology.endpoints.push(Endpoint { id: EndpointId::new(id), site, host, targets });
    topology.sites[site.ix()].endpoints.push(endpoint);
}

/// The address of host `host` at the `nth` site: a /24 each, from 10.64.0.0/12.
fn address(nth: usize, host: u8) -> IpAddr {
    let net = u32::try_from(nth % MOST).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::from(0x0A40_0000 | (net << 8) | u32::from(host)))
}

const PING: usize = 0;
const SIP: usize = 1;
const H323: usize = 2;
const WEB: usize = 3;

/// The checks of a drawn province, by the positions above: those that a configuration has without
/// writing them.
fn checks() -> Vec<Check> {
    let ms = Duration::from_millis;
    let check =
        |id: &str, kind, timeout, [idle, readiness, live, wrap_up]: [u64; 4], again| Check {
            id: CheckId::new(id),
            kind,
            timeout,
            paces: Paces {
                idle: Duration::from_secs(idle),
                readiness: Duration::from_secs(readiness),
                live: Duration::from_secs(live),
                wrap_up: Duration::from_secs(wrap_up),
            },
            confirm_after: again,
        };
    let ping = IcmpCheck { count: 1, spacing: ms(200), size: 56, dscp: 34, dont_fragment: false };
    let sip = SipCheck::usual(SipTransport::Udp);
    let web = HttpCheck::usual(true);
    vec![
        check("ping", CheckKind::Icmp(ping), ms(1_000), [15, 5, 1, 5], ms(100)),
        check("sip", CheckKind::Sip(sip), ms(3_500), [60, 30, 15, 60], ms(2_000)),
        check(
            "h323",
            CheckKind::H323(H323Check { port: 1720 }),
            ms(5_000),
            [60, 30, 30, 60],
            ms(30_000),
        ),
        check("web", CheckKind::Http(web), ms(5_000), [60, 30, 30, 60], ms(2_000)),
    ]
}
