//! State as Prometheus metrics: the table of all metrics and what writes them.
//!
//! Two ways lead to one page. What grows with the province is written straight from the snapshot
//! into text ([`write()`]): a hundred thousand series in some ten milliseconds and no memory
//! between scrapes. What the process counts about itself is a handful of objects of the
//! `prometheus` crate ([`Figures`]). Both take names, types and help texts from one [`table`],
//! which also makes the README's section.

mod delivery;
mod figures;
mod province;
mod readme;
pub mod table;
mod text;

pub use figures::{Connected, Figures, Tally};
pub use readme::{BEGIN, END, readme};
pub use text::Page;

use jiff::Timestamp;

use crate::model::{ChannelStatus, Snapshot, StoreStatus};

/// What the format calls itself in `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Appends every series of `snapshot` in the text format.
pub fn write(snapshot: &Snapshot, out: &mut Page<'_>) {
    province::write(snapshot, out);
}

/// Appends the series of store and outbox, as they stand at `now`, in the text format.
pub fn write_delivery(
    store: &StoreStatus,
    channels: &[ChannelStatus],
    now: Timestamp,
    out: &mut Page<'_>,
) {
    delivery::write(store, channels, now, out);
}
