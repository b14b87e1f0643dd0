//! Silences as people need to know of them: who holds messages back, until when, why, and a button
//! to end it.

use maud::{Markup, html};

use crate::model::{Silence, SiteIx};

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

/// What is to be said of them.
pub(super) fn notes(pen: &Pen<'_>, site: Option<SiteIx>) -> Markup {
    html! { @for silence in of(pen, site) { (note(pen, silence, site)) } }
}

fn note(pen: &Pen<'_>, silence: &Silence, site: Option<SiteIx>) -> Markup {
    let topology = &pen.snapshot.topology;
    let here = site.map(|ix| &topology.site(ix).id);
    html! {
        p.note {
            (pen.pick("Tạm tắt cảnh báo", "Messages are silenced"))
            @match &silence.site {
                None => (pen.pick(" mọi điểm cầu", " for all sites")),
                Some(id) if Some(id) != here => {
                    " " (pen.pick("của ", "for "))
                    span dir="auto" {
                        (topology.find_site(id).map_or(id.as_str(), |ix| &topology.site(ix).name))
                    }
                },
                Some(_) => {},
            }
            (pen.pick(" từ ", " from ")) (pen.moment(silence.from))
            (pen.pick(" đến ", " until ")) (pen.moment(silence.until))
            ", " span dir="auto" { (silence.by) }
            @if !silence.reason.is_empty() { " – " span dir="auto" { (silence.reason) } }
            " " button type="button" data-lift=(silence.id) {
                (pen.pick("Bật lại", "End it"))
                span.v { (pen.pick(" cảnh báo", ", the silence")) }
            }
        }
    }
}
