//! The integration tests, one binary so that linking happens once.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "these tests have hands, and a panic is how they fail"
)]

#[path = "it/acting.rs"]
mod acting;
#[path = "it/agreement.rs"]
mod agreement;
#[path = "it/api.rs"]
mod api;
#[path = "it/bad_config.rs"]
mod bad_config;
#[path = "it/board.rs"]
mod board;
#[path = "it/browser.rs"]
mod browser;
#[path = "it/channels.rs"]
mod channels;
#[path = "it/channels_alertmanager.rs"]
mod channels_alertmanager;
#[path = "it/channels_email.rs"]
mod channels_email;
#[path = "it/channels_names.rs"]
mod channels_names;
#[path = "it/channels_web.rs"]
mod channels_web;
#[path = "it/container.rs"]
mod container;
#[path = "it/damage.rs"]
mod damage;
#[path = "it/door.rs"]
mod door;
#[path = "it/e2e.rs"]
mod e2e;
#[path = "it/exposition.rs"]
mod exposition;
#[path = "it/fixtures.rs"]
mod fixtures;
#[path = "it/full_disk.rs"]
mod full_disk;
#[path = "it/grafana.rs"]
mod grafana;
#[path = "it/icmp.rs"]
mod icmp;
#[path = "it/import.rs"]
mod import;
#[path = "it/kills.rs"]
mod kills;
#[path = "it/lab.rs"]
mod lab;
#[path = "it/link_page.rs"]
mod link_page;
#[path = "it/metrics.rs"]
mod metrics;
#[path = "it/notify.rs"]
mod notify;
#[path = "it/peers.rs"]
mod peers;
#[path = "it/ports.rs"]
mod ports;
#[path = "it/probing.rs"]
mod probing;
#[path = "it/prometheus.rs"]
mod prometheus;
#[path = "it/province.rs"]
mod province;
#[path = "it/readiness.rs"]
mod readiness;
#[path = "it/readme.rs"]
mod readme;
#[path = "it/reasons.rs"]
mod reasons;
#[path = "it/recipients.rs"]
mod recipients;
#[path = "it/report.rs"]
mod report;
#[path = "it/rooms.rs"]
mod rooms;
#[path = "it/schemathesis.rs"]
mod schemathesis;
#[path = "it/secrets.rs"]
mod secrets;
#[path = "it/service.rs"]
mod service;
#[path = "it/simulate.rs"]
mod simulate;
#[path = "it/situations.rs"]
mod situations;
#[path = "it/socket.rs"]
mod socket;
#[path = "it/store.rs"]
mod store;
#[path = "it/tables.rs"]
mod tables;
#[path = "it/two_monitors.rs"]
mod two_monitors;
#[path = "it/watchdog.rs"]
mod watchdog;
#[path = "it/web.rs"]
mod web;
