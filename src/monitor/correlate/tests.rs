//! What explains what explains others.

use super::{Scope, widest};
use crate::model::{SiteId, SiteIx, Topology};
use crate::monitor::tests::province;

fn tree() -> Topology {
    province("{tinh: {huyen: [xa]}}")
}

fn at(topology: &Topology, id: &str) -> SiteIx {
    topology.find_site(&SiteId::new(id)).expect("it is drawn")
}

#[test]
fn what_explains_a_district_explains_what_hangs_on_it() {
    let topology = tree();
    let [tinh, huyen, xa] = ["tinh", "huyen", "xa"].map(|id| at(&topology, id));
    let (commune, district, top) = (Scope::Below(xa), Scope::Below(huyen), Scope::Below(tinh));
    let wider = |node: SiteIx| [(xa, &district), (huyen, &top)].into_iter().find(|it| it.0 == node);
    assert_eq!(widest(&topology, &commune, |node| Some(wider(node)?.1)), &top);
}

#[test]
fn what_sites_have_in_common_is_the_widest() {
    let topology = tree();
    let [huyen, xa] = ["huyen", "xa"].map(|id| at(&topology, id));
    let label = Scope::Label { label: "power".to_owned(), value: "lo-7".to_owned() };
    let (commune, district) = (Scope::Below(xa), Scope::Below(huyen));
    let wider =
        |node: SiteIx| [(xa, &district), (huyen, &label)].into_iter().find(|it| it.0 == node);
    assert_eq!(widest(&topology, &commune, |node| Some(wider(node)?.1)), &label);
}

#[test]
fn incidents_that_claim_each_other_s_site_at_fault_are_no_endless_way() {
    let topology = tree();
    let [tinh, huyen, xa] = ["tinh", "huyen", "xa"].map(|id| at(&topology, id));
    let scopes = [tinh, huyen, xa].map(Scope::Below);
    // Each is said to be explained by the next one, and the last by the first.
    let around = |node: SiteIx| {
        let nth = [tinh, huyen, xa].iter().position(|site| *site == node)?;
        Some(&scopes[(nth + 1) % 3])
    };
    assert_eq!(
        widest(&topology, &scopes[0], around),
        &scopes[0],
        "what lies below explains nothing"
    );
    assert_eq!(widest(&topology, &scopes[2], around), &scopes[0]);
    let itself = |node: SiteIx| scopes.iter().find(|scope| **scope == Scope::Below(node));
    assert_eq!(widest(&topology, &scopes[1], itself), &scopes[1]);
}
