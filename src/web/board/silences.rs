//! Silences and planned work as people need to know of them: who, until when, why, and a button to
//! end a silence.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::model::{Maintenance, Silence, SiteId, SiteIx};

use super::pen::Pen;

/// The silences that hold for a site, or for everything if there is none: its own, those of the
/// sites above it, and those of the whole. Nothing here depends on the moment: one that is over is
/// no longer in the snapshot.
pub(super) fn of<'a>(pen: &'a Pen<'_>, site: Option<SiteIx>) -> impl Iterator<Item = &'a Silence> {
    let topology = &pen.snapshot.topology;
    let line = site.into_iter().flat_map(|ix| std::iter::once(ix).chain(topology.ancestors(ix)));
    let line: Vec<_> = line.map(|ix| &topology.site(ix).id).collect();
    pen.snapshot
        .silences
        .iter()
        .filter(move |it| it.site.as_ref().is_none_or(|site| line.contains(&site)))
}

/// What is to be said of them, and of planned work.
pub(super) fn notes(pen: &Pen<'_>, site: Option<SiteIx>) -> Markup {
    html! {
        @for window in works(pen, site) { p.note {
            b { (pen.pick("Bảo trì", "Planned work")) }
            @if let Some(id) = covering(pen, site, window) { (elsewhere(pen, site, id)) }
            (stretch(pen, window.from, window.until))
            ", " span dir="auto" { (window.by) }
            @if !window.reason.is_empty() { " – " span dir="auto" { (window.reason) } }
        } }
        @for silence in of(pen, site) { p.note {
            b { (pen.pick("Tạm tắt cảnh báo", "Messages are silenced")) }
            @match &silence.site {
                None => (pen.pick(" mọi điểm cầu", " for all sites")),
                Some(id) => (elsewhere(pen, site, id)),
            }
            (stretch(pen, silence.from, silence.until))
            ", " span dir="auto" { (silence.by) }
            @if !silence.reason.is_empty() { " – " span dir="auto" { (silence.reason) } }
            " " button type="button" data-lift=(silence.id) {
                (pen.pick("Bật lại", "End it"))
                span.v { (pen.pick(" cảnh báo", ", the silence")) }
            }
        } }
    }
}

/// The planned work that a site is part of.
fn works<'a>(pen: &'a Pen<'_>, site: Option<SiteIx>) -> impl Iterator<Item = &'a Maintenance> {
    let all = pen.snapshot.maintenance.iter();
    all.filter(move |window| covering(pen, site, window).is_some())
}

/// The site, of this one and those above it, that planned work names.
fn covering<'a>(
    pen: &Pen<'_>,
    site: Option<SiteIx>,
    window: &'a Maintenance,
) -> Option<&'a SiteId> {
    let topology = &pen.snapshot.topology;
    let line = site.into_iter().flat_map(|ix| std::iter::once(ix).chain(topology.ancestors(ix)));
    let mut line = line.map(|ix| &topology.site(ix).id);
    line.find_map(|id| window.sites.iter().find(|named| *named == id))
}

/// For which site, unless it is the one that the reader looks at.
fn elsewhere(pen: &Pen<'_>, here: Option<SiteIx>, id: &SiteId) -> Markup {
    let topology = &pen.snapshot.topology;
    let there = topology.find_site(id);
    html! {
        @if there.is_none() || there != here {
            (pen.pick(" của ", " for "))
            span dir="auto" { (there.map_or(id.as_str(), |ix| &topology.site(ix).name)) }
        }
    }
}

fn stretch(pen: &Pen<'_>, from: Timestamp, until: Timestamp) -> Markup {
    html! {
        (pen.pick(" từ ", " from ")) (pen.moment(from))
        (pen.pick(" đến ", " until ")) (pen.moment(until))
    }
}
