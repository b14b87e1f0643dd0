//! Whose line runs through whom.

use crate::config::diagnostic::Findings;
use crate::config::read::Defined;
use crate::config::yaml::{Node, Value};
use crate::model::{SiteIx, Topology};

/// Tells of sites whose lines run in a circle, once for each circle.
pub(super) fn no_loops(
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
pub(super) fn hang_together(topology: &mut Topology) {
    for at in 0..topology.sites.len() {
        let site = SiteIx::new(at);
        if let Some(parent) = topology.sites[at].parent
            && let Some(parent) = topology.sites.get_mut(parent.ix())
        {
            parent.children.push(site);
        }
    }
    // Made at once it is half as large as one that grew.
    let by_id = topology.site_ixs().map(|ix| (topology.site(ix).id.clone(), ix));
    topology.site_by_id = by_id.collect();
}
