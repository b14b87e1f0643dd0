//! vchealth keeps a province's video conferences healthy.
//!
//! All decisions are made by pure, synchronous code that is given the time and returns commands;
//! sockets, files, clocks and tasks only carry them out.

#![allow(missing_docs, reason = "the tour is written once the rooms stand")]

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
    reason = "it makes a network, with threads, sockets and clocks"
)]
pub mod lab;
pub mod metrics;
pub mod model;
pub mod monitor;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it delivers, with connections, tasks and clocks; its queue and texts are pure"
)]
pub mod notify;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it probes, with sockets, threads, tasks and clocks"
)]
pub mod probe;
pub mod quality;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this room owns a file and the thread that writes it"
)]
pub mod store;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it serves, with sockets, tasks and clocks"
)]
pub mod web;
pub mod wire;
