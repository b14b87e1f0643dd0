//! What scenario files mean, and what is said of wrong ones.

use std::time::Duration;

use super::*;
use crate::lab::world::Place;
use crate::model::{Cause, Host, SiteId};

const PROVINCE: &str =
    "province: {tree: {tinh: {a: [a1, a2, a3], b: [b1]}}, labels: {power: {lo-7: [a1, b1]}}}\n";

fn scenario(timeline: &str) -> Scenario {
    let text = format!("name: x\n{PROVINCE}lasts: 1m\nexpect: nothing\ntimeline:\n{timeline}");
    Scenario::parse("x.yaml", &text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn steps(timeline: &str) -> Vec<Step> {
    let scenario = scenario(timeline);
    let topology = scenario.topology().expect("drawn");
    scenario.script(&topology).unwrap_or_else(|problems| panic!("{problems}")).steps
}

/// The sites that faults are placed at, in the order of time.
fn placed(timeline: &str) -> String {
    let topology = scenario(timeline).topology().expect("drawn");
    let mut ids = Vec::new();
    for step in steps(timeline) {
        if let Act::Place { places, .. } = step.act {
            for place in places {
                ids.push(match place {
                    Place::Own => "us".to_owned(),
                    Place::Site(site, None) => topology.site(site).id.to_string(),
                    Place::Site(site, Some(endpoint)) => {
                        format!("{}/{endpoint}", topology.site(site).id)
                    }
                });
            }
        }
    }
    ids.join(" ")
}

fn complaints(text: &str) -> String {
    match Scenario::parse("x.yaml", text) {
        Err(problems) => problems.to_string(),
        Ok(scenario) => {
            let topology = scenario.topology().expect("drawn");
            let calendar = scenario.sessions(&topology, Timestamp::UNIX_EPOCH).err();
            let script = scenario.script(&topology).err();
            let problems = calendar.into_iter().chain(script);
            problems.map(|problems| problems.to_string()).collect::<Vec<_>>().join("\n")
        }
    }
}

#[test]
fn a_drawn_province_hangs_together_as_drawn() {
    let topology = scenario("").topology().expect("drawn");
    let ids: Vec<_> = topology.sites.iter().map(|site| site.id.as_str()).collect();
    assert_eq!(ids, ["tinh", "a", "a1", "a2", "a3", "b", "b1"]);
    let a = topology.find_site(&SiteId::new("a")).expect("a");
    assert_eq!(topology.subtree(a).len(), 4);
    let a1 = topology.find_site(&SiteId::new("a1")).expect("a1");
    assert_eq!(topology.ancestors(a1).len(), 2);
    assert_eq!(topology.level_of(a1).id.as_str(), "commune");
    assert_eq!(topology.site(a1).labels["power"], "lo-7");
    assert_eq!(topology.endpoints.len(), 14);
    assert_eq!(topology.targets.len(), 7 * 5);
}

#[test]
fn an_entry_concerns_what_fits_all_that_it_says() {
    assert_eq!(placed("  - {at: 1s, site: a1, fault: power-cut}"), "a1");
    assert_eq!(placed("  - {at: 1s, subtree: a, fault: power-cut}"), "a a1 a2 a3");
    assert_eq!(placed("  - {at: 1s, below: a, fault: power-cut}"), "a1 a2 a3");
    assert_eq!(placed("  - {at: 1s, below: a, except: a2, fault: power-cut}"), "a1 a3");
    assert_eq!(placed("  - {at: 1s, level: district, fault: power-cut}"), "a b");
    assert_eq!(placed("  - {at: 1s, label: {power: lo-7}, fault: power-cut}"), "a1 b1");
    assert_eq!(
        placed("  - {at: 1s, label: {power: lo-7}, subtree: a, endpoint: codec, fault: sip-hung}"),
        "a1/codec"
    );
    assert_eq!(placed("  - {at: 1s, everywhere: true, fault: {loss: 1%}}").split(' ').count(), 7);
    assert_eq!(placed("  - {at: 1s, fault: own-network-cut}"), "us");
}

#[test]
fn a_fault_that_is_spread_reaches_the_sites_one_after_the_other() {
    let found = steps("  - {at: 1s, subtree: a, fault: power-cut, spread: 3s, order: reverse}");
    let moments: Vec<_> = found.iter().map(|step| step.at.as_secs()).collect();
    assert_eq!(moments, [1, 2, 3, 4]);
    assert_eq!(
        placed("  - {at: 1s, subtree: a, fault: power-cut, spread: 3s, order: reverse}"),
        "a3 a2 a1 a"
    );
    let shuffled =
        placed("  - {at: 1s, everywhere: true, fault: power-cut, spread: 3s, order: shuffled}");
    assert_ne!(shuffled, placed("  - {at: 1s, everywhere: true, fault: power-cut, spread: 3s}"));
    assert_eq!(shuffled.split(' ').count(), 7);
}

#[test]
fn flapping_comes_and_goes_until_it_is_over() {
    let found =
        steps("  - {at: 10s, site: a1, fault: power-cut, flap: {down: 8s, up: 2s}, for: 25s}");
    let moments: Vec<_> = found
        .iter()
        .map(|step| (step.at.as_secs(), matches!(step.act, Act::Place { .. })))
        .collect();
    assert_eq!(
        moments,
        [(10, true), (18, false), (20, true), (28, false), (30, true), (35, false)]
    );
}

#[test]
fn a_fault_with_a_length_lifts_itself_and_one_without_stays() {
    assert_eq!(steps("  - {at: 10s, site: a1, fault: power-cut, for: 5s}").len(), 2);
    assert_eq!(steps("  - {at: 10s, site: a1, fault: power-cut}").len(), 1);
}

#[test]
fn every_fault_can_be_written() {
    let written = [
        "power-cut",
        "uplink-cut",
        "{uplink-cut: {says: net-unreachable}}",
        "lan-down",
        "device-off",
        "{device-off: {after: 3s}}",
        "firewall",
        "rejected",
        "no-unreachables",
        "routing-loop",
        "{loss: 10%}",
        "{loss: {out: 5%, back: 0%, best-effort-only: true}}",
        "{delay: 420ms}",
        "{jitter: 40ms}",
        "{bandwidth: 2 Mbit/s}",
        "{mtu: 1400}",
        "{mtu: {bytes: 1400, silent: true}}",
        "{remark: 0}",
        "{duplicate: 1%}",
        "{reorder: 1%}",
        "{corrupt: 1%}",
        "{truncate: 1%}",
        "{forge: 1%}",
        "{late: {share: 5%, by: 3s}}",
        "sip-hung",
        "{sip-status: 503}",
        "sip-closed",
        "h323-closed",
        "{http-status: 500}",
        "http-hung",
        "http-endless",
        "http-closed",
        "services-closed",
        "garbage",
        "certificate-expired",
        "{certificate-ends: 5d}",
        "{clock-off: -3h}",
    ];
    let mut kinds = std::collections::BTreeSet::new();
    for fault in written {
        let entry = format!("  - {{at: 1s, site: a1, fault: {fault}}}");
        for step in steps(&entry) {
            if let Act::Place { fault, .. } = step.act {
                kinds.insert(fault.kind());
            }
        }
    }
    for own in ["own-network-cut", "own-link-down"] {
        for step in steps(&format!("  - {{at: 1s, fault: {own}}}")) {
            if let Act::Place { fault, .. } = step.act {
                kinds.insert(fault.kind());
            }
        }
    }
    let left: Vec<_> = FaultKind::ALL.into_iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(left.iter().all(|kind| kind.is_virtual()), "{left:?}");
}

#[test]
fn what_no_network_can_play_is_for_virtual_runs_only() {
    let read = |province: &str, fault: &str, real: bool| {
        let text = format!(
            "name: x\nprovince: {{tree: {{tinh: [a1]}}{province}}}\nlasts: 1m\nreal: {real}\n\
             timeline:\n  - {{at: 1s, fault: {fault}}}\nexpect: nothing\n"
        );
        Scenario::parse("x.yaml", &text).map_err(|problems| problems.to_string())
    };
    for fault in ["own-resolver-dead", "{own-engine-late: 1400ms}"] {
        assert!(read("", fault, true).unwrap_err().contains("write `real: false`"));
        assert!(read("", fault, false).is_ok());
    }
    let named = read(", names: [a1]", "own-link-down", true);
    assert!(named.unwrap_err().contains("no name server knows these names"));
    let named = read(", names: [a1]", "own-link-down", false).unwrap().topology().unwrap();
    assert_eq!(named.endpoints[3].host, Host::Name("codec.a1.example".to_owned()));
}

#[test]
fn words_name_kinds_and_kinds_words() {
    for kind in FaultKind::ALL {
        assert_eq!(FaultKind::from_word(kind.word()), Some(kind));
    }
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let text = "\
name: x
province: {tree: {tinh: {a: [a1]}}}
lasts: 1m
expekt: nothing
timeline:
  - {at: 10s, site: a1, fault: power-cutt}
  - {at: 2m, site: a1, fault: power-cut}
  - {at: 10s, fault: power-cut}
  - {at: ten, site: a1, fault: {loss: 110%}}
  - {at: 10s, site: a1, fault: loss}
";
    assert_eq!(
        complaints(text),
        "\
x.yaml:1:1: `expect` is missing
x.yaml:4:1: `expekt` is not known here; did you mean `expect`?
x.yaml:6:32: `power-cutt` is no fault; did you mean `power-cut`?
x.yaml:7:5: this happens after the scenario has ended (see `lasts`)
x.yaml:8:5: say where: site, subtree, below, level, label or everywhere
x.yaml:9:10: `ten` should be a length of time such as 10s, 1m 30s, 420ms or -1h
x.yaml:9:39: `110%` should be a share such as 10%
x.yaml:10:32: `loss` needs a value: `fault: {loss: …}`"
    );
}

#[test]
fn what_the_province_does_not_have_is_told_with_a_hint() {
    let text = "\
name: x
province: {tree: {tinh: {cho-don: [tan-lap]}}}
lasts: 1m
sessions:
  - {title: x, from: -1m, to: 1h, level: comune}
timeline:
  - {at: 10s, site: tan-lab, fault: power-cut}
  - {at: 10s, site: tan-lap, endpoint: kodec, fault: sip-hung}
expect:
  - {cause: access, site: tan-lop}
";
    assert_eq!(
        complaints(text),
        "\
x.yaml:5:42: there is no level `comune`; did you mean `commune`?
x.yaml:7:21: there is no site `tan-lab`; did you mean `tan-lap`?
x.yaml:8:40: no such endpoint `kodec` there; did you mean `codec`?
x.yaml:10:5: there is no site `tan-lop`; did you mean `tan-lap`?"
    );
}

#[test]
fn an_entry_that_concerns_nobody_is_a_mistake() {
    let text = format!(
        "name: x\n{PROVINCE}lasts: 1m\nexpect: nothing\ntimeline:\n  - {{at: 1s, subtree: a, site: \
         b1, fault: power-cut}}\nsessions:\n  - {{title: x, from: 0s, to: 1h, site: a1, except: a1}}\n"
    );
    assert_eq!(
        complaints(&text),
        "x.yaml:8:5: nobody takes part in this session\n\
         x.yaml:6:5: no site fits all that is said here"
    );
}

#[test]
fn what_is_no_yaml_or_nests_too_deeply_is_an_error_with_its_place() {
    assert!(complaints("name: [").starts_with("x.yaml:"));
    assert!(complaints("").contains("empty"));
    let deep = "[".repeat(5000);
    assert!(complaints(&deep).starts_with("x.yaml:1:"), "{}", complaints(&deep));
    let deep = format!("{}x{}", "[".repeat(50), "]".repeat(50));
    assert!(complaints(&deep).contains("nested too deeply"), "{}", complaints(&deep));
    assert!(complaints("name: &a x\nfile: *a\n").contains("aliases"));
}

#[test]
fn an_expectation_keeps_what_it_says() {
    let text = format!(
        "name: x\n{PROVINCE}lasts: 1m\nexpect:\n  - {{cause: quality, site: a1, begins: 10s, \
         told-within: 60s, ends: 20s, resolved-within: 1m, messages: {{at-most: 3}}, \
         common: {{power: lo-7, inside: 2/2, outside: 0/5}}, \
         first: {{cause: access, site: a1, affected: 1}}, open: false}}\n"
    );
    let scenario = Scenario::parse("x.yaml", &text).unwrap_or_else(|p| panic!("{p}"));
    let [expected] = &scenario.expect[..] else { panic!("one") };
    assert_eq!(expected.cause, Cause::Quality);
    assert_eq!(expected.told_within, Some(Duration::from_secs(60)));
    assert_eq!(expected.messages, Some(Count::AtMost(3)));
    let share = |failing, of| Some(Share { failing, of });
    let (label, value) = ("power".to_owned(), "lo-7".to_owned());
    let common = Common { label, value, inside: share(2, 2), outside: share(0, 5) };
    assert_eq!(expected.common, Some(common));
    assert_eq!(expected.first.cause, Some(Cause::Access));
    assert_eq!((expected.first.site.as_deref(), expected.first.affected), (Some("a1"), Some(1)));
    assert!(Count::AtMost(3).holds(2) && !Count::Exactly(3).holds(2));
}

#[test]
fn sessions_stand_relative_to_the_start() {
    let text = format!(
        "name: x\n{PROVINCE}lasts: 1m\nexpect: nothing\nsessions:\n  - {{title: Họp, from: -1m, \
         to: +1h, delegates: 50, subtree: a, except: a2, importance: high}}\n"
    );
    let scenario = Scenario::parse("x.yaml", &text).unwrap_or_else(|p| panic!("{p}"));
    let topology = scenario.topology().expect("drawn");
    let start = Timestamp::UNIX_EPOCH;
    let sessions = scenario.sessions(&topology, start).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(sessions[0].start.as_second(), -60);
    assert_eq!(sessions[0].end.as_second(), 3600);
    assert_eq!(sessions[0].delegates(), 150);
    assert_eq!(sessions[0].id.as_str(), "session-1");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~\\n]{0,200}") {
        let _ = Scenario::parse("x.yaml", &text);
    }
}

#[test]
fn patience_adds_to_what_takes_long_half_as_much_again() {
    let allowed = |asked: &str| {
        let text = format!("  - {{cause: access, site: a1, begins: 1s, told-within: {asked}}}\n");
        let text = format!(
            "name: x\nprovince: {{tree: {{tinh: {{a: [a1]}}}}}}\nlasts: 9m\nexpect:\n{text}"
        );
        let mut scenario = Scenario::parse("x.yaml", &text).unwrap_or_else(|p| panic!("{p}"));
        scenario.expect[0].be_patient(3);
        scenario.expect[0].told_within.unwrap().as_secs()
    };
    assert_eq!(["2s", "5s", "10s", "30s", "60s"].map(allowed), [11, 20, 25, 50, 95]);
}

#[test]
fn the_shipped_scenarios_can_be_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        let scenario = Scenario::parse(&path.display().to_string(), &text)
            .unwrap_or_else(|problems| panic!("{problems}"));
        if let Some(topology) = scenario.topology() {
            scenario.script(&topology).unwrap_or_else(|problems| panic!("{problems}"));
        }
        read += 1;
    }
    assert!(read >= 4);
}

#[test]
fn drawn_provinces_are_checked_as_the_shipped_one_is() {
    let sample = crate::config::load(&crate::config::sample()).expect("the sample");
    let drawn = scenario("").topology().expect("drawn");
    for check in &drawn.checks {
        let shipped = sample.topology.checks.iter().find(|shipped| shipped.id == check.id);
        assert_eq!(Some(check), shipped);
    }
}
