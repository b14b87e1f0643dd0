//! Whatever a device writes as its date.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vchealth_fuzz::wire::date;

fuzz_target!(|text: &str| {
    let _ = date::parse(text);
});
