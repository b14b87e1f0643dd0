//! A district falls silent and comes back in every order: one incident, told once and ended once.
//!
//! Every run is a scenario file, so what fails can be read and played again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use vchealth::lab::scenario::Scenario;
use vchealth::model::{Cause, NotificationKind};

use super::run::Run;

/// Who stands in the district, itself first.
const DISTRICT: [&str; 5] = ["huyen", "xa-a", "xa-b", "xa-c", "xa-d"];

/// Every order of the five.
fn orders() -> Vec<Vec<&'static str>> {
    let mut orders: Vec<Vec<&'static str>> = vec![Vec::new()];
    for _ in DISTRICT {
        let longer = orders.iter().flat_map(|order| {
            let left = DISTRICT.into_iter().filter(|site| !order.contains(site));
            left.map(|site| order.iter().copied().chain([site]).collect())
        });
        orders = longer.collect();
    }
    orders
}

/// The district goes dark in one order within `loss` milliseconds from 10 s on, and comes back in
/// another within `back` milliseconds from 100 s on; `stays` does not.
fn scenario(
    name: &str,
    session: &str,
    (out, loss): (&[&str], u32),
    (home, back): (&[&str], u32),
    stays: Option<&str>,
    expect: &str,
) -> Scenario {
    let mut text = format!(
        "name: >\n  {name}\nprovince: {{tree: {{tinh: {{huyen: [xa-a, xa-b, xa-c, xa-d], \
         khac: [xa-e, xa-f, xa-g]}}}}}}\n{session}lasts: 9m\ntimeline:\n"
    );
    for (at, sites, spread, what) in
        [(10_000, out, loss, "fault: power-cut"), (100_000, home, back, "clear: all")]
    {
        for (nth, site) in (0u32..).zip(sites) {
            if what.starts_with("clear") && stays == Some(*site) {
                continue;
            }
            let at = at + spread * nth / 4;
            writeln!(text, "  - {{at: {at}ms, site: {site}, {what}}}").unwrap();
        }
    }
    text += expect;
    Scenario::parse("order.yaml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn play(scenario: &Scenario, wrong: &mut Vec<String>) {
    let (mut run, steps) = Run::of(scenario);
    run.play(&steps, scenario.lasts);
    let judgement = scenario.judge(&run.heard());
    if !judgement.holds() || !run.complaints.is_empty() {
        let steps: Vec<String> =
            steps.iter().map(|step| format!("  {:?}: {:?}", step.at, step.act)).collect();
        let words =
            format!("{}\n{judgement}{:?}\n{}", scenario.name, run.complaints, steps.join("\n"));
        wrong.push(words);
    }
}

fn none_of(wrong: &[String], runs: usize) {
    let first: Vec<&str> = wrong.iter().take(3).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} of {runs} runs:\n{}", wrong.len(), first.join("\n"));
}

const LIVE: &str = "sessions: [{title: x, from: -1m, to: +9h}]\n";
const SOON: &str = "sessions: [{title: x, from: +40m, to: +9h}]\n";
const NONE: &str = "";

#[test]
fn a_district_lost_at_once_is_one_message_and_one_more_in_every_order() {
    let orders = orders();
    assert_eq!(orders.len(), 120);
    let (mut wrong, mut runs) = (Vec::new(), 0);
    for (nth, out) in orders.iter().enumerate() {
        // Another order of return for each; all of them come up.
        let home = &orders[(nth * 37 + 11) % orders.len()];
        for (session, told, over) in [(LIVE, 9, 30), (SOON, 20, 40), (NONE, 60, 60)] {
            let (loss, back) = ([0, 500, 1000, 2000][nth % 4], [0, 1000, 3000, 8000][nth / 4 % 4]);
            let expect = format!(
                "expect:\n  - {{cause: uplink, site: huyen, affected: 5, of: 5, begins: 10s, \
                 told-within: {told}s, ends: 100s, resolved-within: {over}s, messages: 2}}\n"
            );
            let name = format!("lost {out:?} over {loss} ms, back {home:?} over {back} ms");
            play(&scenario(&name, session, (out, loss), (home, back), None, &expect), &mut wrong);
            runs += 1;
        }
    }
    none_of(&wrong, runs);
}

#[test]
fn a_district_lost_bit_by_bit_is_one_incident_that_becomes_better_known() {
    let orders = orders();
    let (mut wrong, mut runs) = (Vec::new(), 0);
    for (nth, out) in orders.iter().enumerate() {
        let home = &orders[(nth * 53 + 7) % orders.len()];
        let back = [0, 4000, 12_000][nth % 3];
        let name = |loss: u32| format!("lost {out:?} over {loss} ms, back {home:?} over {back} ms");
        // Whoever stands alone at first may be told alone; then it becomes the district's.
        let expect = "expect:\n  - {cause: uplink, site: huyen, affected: 5, of: 5, begins: 10s, \
                      told-within: 9s, ends: 100s, resolved-within: 40s, messages: {at-most: 3}}\n";
        let quick = scenario(&name(4_000), LIVE, (out, 4_000), (home, back), None, expect);
        play(&quick, &mut wrong);
        // Several that die alone, one after the other, are told one by one. In the end it is one.
        for loss in [12_000, 30_000] {
            let slow =
                scenario(&name(loss), LIVE, (out, loss), (home, back), None, "expect: nothing\n");
            let (mut run, steps) = Run::of(&slow);
            let until = Duration::from_secs(95);
            run.play(&steps[..DISTRICT.len()], until);
            let active: Vec<_> = run.snapshot().incidents;
            let active: Vec<_> = active.iter().filter(|incident| incident.is_active()).collect();
            let [one] = active[..] else { panic!("{}: {active:#?}", slow.name) };
            let named = (one.cause, one.site.as_ref().map(vchealth::model::SiteId::as_str));
            assert_eq!(named, (Cause::Uplink, Some("huyen")), "{}", slow.name);
            assert_eq!(one.affected_now().count(), 5, "{}", slow.name);
            run.play(&steps[DISTRICT.len()..], slow.lasts);
            let mut on = BTreeMap::new();
            for (_, message) in &run.told {
                let said: &mut Vec<_> = on.entry(message.alert.incident.id.clone()).or_default();
                said.push(message.kind);
            }
            for (id, said) in &on {
                use NotificationKind::{Firing, Resolved, Update};
                let fits = [&[Firing, Resolved][..], &[Firing, Update, Resolved][..]];
                assert!(fits.contains(&&said[..]), "{}: {id} {said:?}", slow.name);
            }
            assert_eq!(run.complaints, [""; 0], "{}", slow.name);
        }
        runs += 1;
    }
    none_of(&wrong, runs);
}

#[test]
fn a_commune_that_stays_dead_when_its_district_returns_is_told_by_itself_in_every_order() {
    let orders = orders();
    let (mut wrong, mut runs) = (Vec::new(), 0);
    for (nth, home) in orders.iter().enumerate() {
        let out = &orders[(nth * 29 + 3) % orders.len()];
        let stays = DISTRICT[1 + nth % 4];
        let expect = format!(
            "expect:\n  - {{cause: uplink, site: huyen, affected: 5, of: 5, begins: 10s, \
             told-within: 9s, ends: 100s, resolved-within: 90s, messages: 2}}\n  \
             - {{cause: access, site: {stays}, begins: 10s, open: true, messages: 1}}\n"
        );
        let name = format!("lost {out:?}, back {home:?}, {stays} stays");
        let back = [0, 1000, 3000][nth % 3];
        play(&scenario(&name, LIVE, (out, 1000), (home, back), Some(stays), &expect), &mut wrong);
        runs += 1;
    }
    none_of(&wrong, runs);
}
