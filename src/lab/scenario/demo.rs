//! What a demo shows that is not told anything else.
//!
//! The script is a scenario file like any other, written for the shipped province. For somebody's
//! own province the same faults happen at sites that are built alike.

use std::collections::{BTreeMap, BTreeSet};

use super::{Expected, Problems, Scenario, What};
use crate::lab::fault::Fault;
use crate::model::{CheckKind, EndpointIx, SiteIx, Topology};

impl Scenario {
    /// The demo as it plays in the shipped province.
    ///
    /// # Errors
    /// None, as a test makes sure of.
    pub fn demo() -> Result<Self, Problems> {
        Self::parse("demo.yaml", include_str!("../demo.yaml"))
    }

    /// The demo as it plays in this province.
    ///
    /// 1. In the shipped province it plays as written.
    /// 2. Elsewhere each site of the script is replaced by one where the same fault can happen: a
    ///    cut line needs sites behind it, a device needs a router before it, SIP needs SIP.
    /// 3. Each fault has a site of its own, none of them behind the cut line; a fault that finds
    ///    no place is left out, and so is what was expected of it.
    ///
    /// # Errors
    /// None, as a test makes sure of.
    pub fn demo_in(topology: &Topology) -> Result<Self, Problems> {
        let mut demo = Self::demo()?;
        if demo.script(topology).is_ok() {
            return Ok(demo);
        }
        let mut taken = BTreeSet::new();
        let mut cast: BTreeMap<String, Option<Role>> = BTreeMap::new();
        // The cut line first: whoever stands behind it is not free for anything else.
        let (mut first, mut others) = (Vec::new(), Vec::new());
        for entry in &demo.timeline {
            let (What::Fault(fault), Some((site, _))) = (&entry.what, entry.who.sites.first())
            else {
                continue;
            };
            let cut = matches!(fault, Fault::UplinkCut { .. });
            if cut { &mut first } else { &mut others }.push((site.clone(), *fault));
        }
        for (site, fault) in first.into_iter().chain(others) {
            let role = find(topology, &fault, &taken);
            if let Some(role) = &role {
                let whole = matches!(fault, Fault::UplinkCut { .. });
                let concerned = if whole { topology.subtree(role.site) } else { vec![role.site] };
                taken.extend(concerned);
            }
            cast.insert(site, role);
        }
        let role = |site: &str| cast.get(site).and_then(Option::as_ref);
        demo.timeline.retain_mut(|entry| {
            let Some((site, _)) = entry.who.sites.first_mut() else { return true };
            let Some(role) = role(site) else { return false };
            *site = topology.site(role.site).id.to_string();
            if let Some((endpoint, _)) = &mut entry.who.endpoint {
                *endpoint = topology.endpoint(role.device).id.to_string();
            }
            true
        });
        demo.expect.retain_mut(|Expected { site, endpoint, evidence, .. }| {
            // Its checks are others than those of a drawn province.
            evidence.clear();
            let Some(site) = site else { return true };
            let Some(role) = role(site) else { return false };
            *site = topology.site(role.site).id.to_string();
            if let Some(endpoint) = endpoint {
                *endpoint = topology.endpoint(role.device).id.to_string();
            }
            true
        });
        Ok(demo)
    }
}

/// Where a fault happens.
struct Role {
    site: SiteIx,
    device: EndpointIx,
}

/// A site where this fault can happen. A cut line is shown where most hang on it, anything else
/// at the end of a line.
fn find(topology: &Topology, fault: &Fault, taken: &BTreeSet<SiteIx>) -> Option<Role> {
    let free =
        topology.site_ixs().filter(|site| !taken.contains(site) && Some(*site) != topology.vantage);
    if let Fault::UplinkCut { .. } = fault {
        // The line of a site above ours is ours too.
        let ours = topology.vantage.map_or(Vec::new(), |own| topology.ancestors(own));
        let lines = free.filter(|site| !ours.contains(site));
        let behind = |site: &SiteIx| topology.subtree(*site).len();
        // The first of several that are as good.
        let best = lines.max_by_key(|site| (behind(site), std::cmp::Reverse(*site)))?;
        if behind(&best) < 2 {
            return None;
        }
        let device = *topology.site(best).endpoints.first()?;
        return Some(Role { site: best, device });
    }
    free.filter(|site| topology.site(*site).children.is_empty()).find_map(|site| {
        let endpoints = &topology.site(site).endpoints;
        let behind_router = endpoints.iter().skip(1);
        let fits = |device: &EndpointIx| match fault {
            Fault::SipHung => has(topology, *device, |kind| matches!(kind, CheckKind::Sip(_))),
            Fault::CertificateEnds { .. } => has(topology, *device, |kind| match kind {
                CheckKind::Http(check) => check.tls,
                _ => false,
            }),
            _ => true,
        };
        let device = behind_router.copied().find(fits)?;
        Some(Role { site, device })
    })
}

fn has(topology: &Topology, device: EndpointIx, fits: impl Fn(&CheckKind) -> bool) -> bool {
    topology.endpoint(device).targets.iter().any(|target| fits(&topology.check_of(*target).kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn in_the_shipped_province_the_demo_plays_as_written() {
        let sample = config::load(&config::sample()).expect("the sample");
        let demo = Scenario::demo().unwrap_or_else(|problems| panic!("{problems}"));
        let here = Scenario::demo_in(&sample.topology).unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(demo, here);
        let (config, script) = here
            .stage(&sample, "2026-03-02T00:42:00Z".parse().expect("a time"))
            .unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.sessions.len(), 1);
        assert_eq!(config.sessions[0].sites.len(), 204);
        assert_eq!(script.steps.len(), 14);
    }

    #[test]
    fn elsewhere_it_plays_at_sites_that_are_built_alike() {
        let text = "name: x\nprovince: {tree: {tinh: {x: [x1, x2, x3], y: [y1, y2, y3, y4, y5, \
                    y6], z: [z1, z2, z3, z4]}}}\nlasts: 1m\nexpect: nothing\n";
        let province = Scenario::parse("x.yaml", text).unwrap_or_else(|p| panic!("{p}"));
        let topology = province.topology().expect("drawn");
        let demo = Scenario::demo_in(&topology).unwrap_or_else(|p| panic!("{p}"));
        demo.script(&topology).unwrap_or_else(|problems| panic!("{problems}"));
        let sites: Vec<&str> =
            demo.expect.iter().filter_map(|expected| expected.site.as_deref()).collect();
        assert_eq!(sites, ["x1", "x2", "x3", "y", "z1", "z2", "z3"]);
    }

    #[test]
    fn what_finds_no_place_is_left_out() {
        let text = "name: x\nprovince: {tree: {tinh: [a, b]}}\nlasts: 1m\nexpect: nothing\n";
        let province = Scenario::parse("x.yaml", text).unwrap_or_else(|p| panic!("{p}"));
        let topology = province.topology().expect("drawn");
        let demo = Scenario::demo_in(&topology).unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(demo.timeline.len(), 2);
        assert_eq!(demo.expect.len(), 2);
    }
}
