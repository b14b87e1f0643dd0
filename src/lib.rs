//! vchealth keeps a province's video conferences healthy.
//!
//! # The one idea: a brain without hands
//! All decisions are made by pure, synchronous code that is *given* the time and *returns*
//! commands. Sockets, files, clocks and tasks only carry them out. So a week of outages runs in a
//! test in a second, and the same history always gives the same incidents.
//!
//! ```text
//! sites.yaml ┐                          ┌──────────────── monitor (pure) ────────────────┐
//! sessions   ├─▶ config ─▶ plan(now) ─▶ │ schedule ▸ hysteresis ▸ site ▸ correlate ▸ tell │
//! vchealth   ┘                          └──┬──────────────▲──────────────────────┬───────┘
//!                                    Probe(target)     Outcome             Commit(batch)
//!                                          ▼              │                      ▼
//!                                        probe ───────────┘   store: history, incidents, outbox
//!                                                                                ▼
//!  snapshot ─▶ metrics │ web │ readiness      history ─▶ report         courier ─▶ channel
//! ```
//! Commit, then publish, then deliver: what people are shown and told is on disk before, unless the
//! disk fails; then they are told all the same.
//!
//! # The rooms, in reading order
//! [`model`] the words: site, endpoint, check, target, outcome, incident, snapshot ·
//! [`wire`] bytes ⇄ messages · [`quality`] loss, jitter, delay, E-model ·
//! [`config`] what people wrote, checked · [`monitor`] the brain ·
//! [`readiness`] whether everybody is ready before a session ·
//! [`probe`] asking the devices · [`store`] what survives a restart ·
//! [`texts`] what is told, in two languages · [`notify`] telling people · [`report`] writing up
//! what was · [`metrics`] telling Prometheus · [`web`] serving both ·
//! [`daemon`] the loop that joins them · [`lab`] an emulated province to break ·
//! [`cli`] the commands · [`clock`] the one place that reads the clocks · [`trust`] whom this
//! machine trusts.
//!
//! Arrows between rooms point one way; a test reads the `use crate::` lines and says so.
//!
//! # Adding a kind of probe or channel
//! One new file in `probe/` (and one in `wire/` if it has a format of its own) and one variant of
//! [`model::CheckKind`]; or one file in `notify/` and one variant of [`config::ChannelKind`]. The
//! compiler then names every place that has to learn about it.

#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it reads files, starts runtimes and waits for people"
)]
pub mod cli;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where the clocks are read"
)]
pub mod clock;
pub mod config;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it joins the brain with the hands, with threads, tasks and files"
)]
pub mod daemon;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it makes a network, with threads, sockets and clocks"
)]
pub mod lab;
pub mod metrics;
pub mod model;
pub mod monitor;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it delivers, with sockets, tasks and clocks"
)]
pub mod notify;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it probes, with sockets, threads, tasks and clocks"
)]
pub mod probe;
pub mod quality;
pub mod readiness;
pub mod report;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it owns a file and the threads that write it"
)]
pub mod store;
pub mod texts;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it reads the certificates of the system"
)]
pub mod trust;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it serves, with sockets, tasks and clocks"
)]
pub mod web;
pub mod wire;
