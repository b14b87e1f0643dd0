//! Whatever somebody gives out as a spreadsheet, as a list of sites.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vchealth::config;
use vchealth::config::import;

fuzz_target!(|bytes: &[u8]| {
    for name in ["sites.xlsx", "sites.csv"] {
        let Ok(book) = import::open(name, bytes) else { continue };
        let Ok(plan) = import::sites(&book, &config::sample()) else { continue };
        // What would be written is a configuration that is taken.
        if let (Some(text), None) = (&plan.text, &plan.faults) {
            let sources = config::sample().with(plan.file, plan.file.name(), text.clone());
            assert!(config::load(&sources).is_ok());
        }
    }
});
