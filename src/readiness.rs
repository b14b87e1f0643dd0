//! Are we ready? What is measured of every site of a session, and what the measurements mean.
//!
//! Pure. [`survey`] says what is to be asked of whom, within what each line may carry; the hands
//! bring back what was [`Measured`]; [`judge`] makes a verdict for each site of it, with findings
//! that a technician can act on; [`Summary`] puts them in order, and [`text`], [`html`] and
//! [`junit`] write them down.
//!
//! ```text
//! session ┐               ┌ every check once, a train, the MTU ┐
//! config  ┴▶ survey ─▶ hands ─▶ Measured ─▶ judge ─▶ ReadinessRun ─▶ text │ html │ junit │ message
//!                                 past ───────┘
//! ```
//! A verdict is about the connection. Nothing here claims that there is a picture or a sound:
//! people confirm that, and [`Confirmation`](crate::model::Confirmation) keeps it.

mod html;
mod json;
mod judge;
mod junit;
mod measured;
mod mtu;
mod path;
mod summary;
mod survey;
mod text;
pub mod words;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "sheets are compared with files")]
mod tests;

pub use html::html;
pub use json::Document;
pub use judge::{Occasion, judge};
pub use junit::junit;
pub use measured::{Burst, Measured, MtuSeen};
pub use mtu::{MtuSearch, MtuStep, SizeSeen};
pub use summary::{Group, Summary};
pub use survey::{MtuPlan, Scope, SiteSurvey, Survey, TrainPlan, survey};
pub use text::text;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::{Confirmation, Language};

/// How a run is written down.
#[derive(Debug, Clone)]
pub struct Sheet<'a> {
    /// In which language.
    pub language: Language,
    /// In which time zone.
    pub time_zone: TimeZone,
    /// What people confirmed for this session.
    pub confirmed: &'a [Confirmation],
    /// When it is written.
    pub now: Timestamp,
}
