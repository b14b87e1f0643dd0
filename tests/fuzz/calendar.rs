//! Whatever a server answers where a calendar should be.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vchealth::config::calendar::sessions;
use vchealth::config::{self, Config, File};

/// The shipped sample with a calendar.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "channels: {}\ncalendars: {office: {file: /x.ics}}\n";
    let sources = config::sample().with(File::Settings, "vchealth.yaml", text);
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"))
});

fuzz_target!(|bytes: &[u8]| {
    let settings = &CONFIG.settings;
    let now = "2026-12-01T00:00:00Z".parse().unwrap();
    let calendar = &settings.calendars[0];
    let read = sessions(bytes, calendar, &CONFIG.topology, &settings.time_zone, now);
    for session in read.iter().flat_map(|read| &read.sessions) {
        assert!(session.start < session.end);
        assert!(!session.sites.is_empty() && !session.title.is_empty());
    }
});
