//! The integration tests, one binary so that linking happens once.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "these tests have hands, and a panic is how they fail"
)]

#[path = "it/agreement.rs"]
mod agreement;
#[path = "it/api.rs"]
mod api;
#[path = "it/e2e.rs"]
mod e2e;
#[path = "it/exposition.rs"]
mod exposition;
#[path = "it/icmp.rs"]
mod icmp;
#[path = "it/lab.rs"]
mod lab;
#[path = "it/metrics.rs"]
mod metrics;
#[path = "it/province.rs"]
mod province;
#[path = "it/rooms.rs"]
mod rooms;
#[path = "it/simulate.rs"]
mod simulate;
#[path = "it/web.rs"]
mod web;
