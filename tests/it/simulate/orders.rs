//! A district falls silent and comes back in every order: one incident, told once and ended once.
//!
//! Every run is a scenario file, so what fails can be read and played again. How many messages it
//! takes when it is lost bit by bit: `cargo test --test it bit_by_bit -- --nocapture`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::Dice;
use vchealth::model::{Cause, NotificationKind, SiteId};

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
         khac: [xa-e, xa-f, xa-g]}}}}}}\n{session}lasts: 5m\ntimeline:\n"
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
    let judgement = run.judgement(scenario);
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

/// A district that is lost in one order and comes back in another.
struct Pair {
    out: Vec<&'static str>,
    home: Vec<&'static str>,
    dice: Dice,
}

impl Pair {
    /// One after the other within at most this many milliseconds, in steps of a tenth of it.
    fn spread(&mut self, most: u32) -> u32 {
        most / 10 * u32::try_from(self.dice.up_to(10)).expect("a few")
    }

    /// One of the communes.
    fn commune(&mut self) -> &'static str {
        DISTRICT[1 + usize::try_from(self.dice.up_to(3)).expect("a few")]
    }
}

/// Every order of loss with every order of return, of which `HISTORIES_SEED` draws some things.
///
/// The communes are alike but for the moments of their turns, so that of the 14,400 pairs of orders
/// 600 differ: at which place of five the district itself goes, and all orders of return. Which
/// commune goes when is drawn.
fn pairs() -> Vec<Pair> {
    let seed = std::env::var("HISTORIES_SEED").ok().and_then(|seed| seed.parse().ok());
    let homes = orders();
    assert_eq!(homes.len(), 120);
    let mut pairs = Vec::new();
    for (nth, home) in homes.into_iter().enumerate() {
        for place in 0..DISTRICT.len() {
            let lane = (nth * DISTRICT.len() + place) as u64;
            let mut dice = Dice::new(seed.unwrap_or(1), lane);
            let mut drawn: Vec<_> =
                DISTRICT[1..].iter().map(|site| (dice.throw(), *site)).collect();
            drawn.sort_unstable();
            let mut out: Vec<&str> = drawn.into_iter().map(|(_, site)| site).collect();
            out.insert(place, DISTRICT[0]);
            pairs.push(Pair { out, home: home.clone(), dice });
        }
    }
    pairs
}

#[test]
fn a_district_lost_at_once_is_one_message_and_one_more_in_every_order() {
    let (mut wrong, mut runs) = (Vec::new(), 0);
    for mut pair in pairs() {
        let (session, told, over) = [(LIVE, 9, 30), (SOON, 20, 40), (NONE, 60, 60)][runs % 3];
        let (loss, back) = (pair.spread(2_000), pair.spread(8_000));
        let (out, home) = (&pair.out, &pair.home);
        // Whoever goes last may be noticed last.
        let expect = format!(
            "expect:\n  - {{cause: uplink, site: huyen, affected: 5, of: 5, first: {{affected: 3}}, \
             begins: 10s, told-within: {told}s, ends: 100s, resolved-within: {over}s, \
             messages: 2}}\n"
        );
        let name = format!("lost {out:?} over {loss} ms, back {home:?} over {back} ms");
        play(&scenario(&name, session, (out, loss), (home, back), None, &expect), &mut wrong);
        runs += 1;
    }
    none_of(&wrong, runs);
}

/// How many messages there were for losses that are spread over so long.
#[derive(Default)]
struct Messages {
    runs: usize,
    sum: usize,
    most: usize,
    incidents: usize,
}

#[test]
#[allow(clippy::print_stdout, reason = "the table is there to be read")]
fn a_district_lost_bit_by_bit_is_one_incident_that_becomes_better_known() {
    // Whoever stands alone for longer than a failure takes to become a fact is told alone, and not
    // again when it becomes the district's: within 4 s nobody does, within 12 s and more all but
    // the last two may. So many incidents at most, each of two messages, but for one more that says
    // that it is the district.
    let spreads = [(4_000, 1), (12_000, 4), (30_000, 4)];
    let mut said: BTreeMap<u32, Messages> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (nth, mut pair) in pairs().into_iter().enumerate() {
        let ((loss, most), back) = (spreads[nth % spreads.len()], pair.spread(12_000));
        let (out, home) = (&pair.out, &pair.home);
        let name = format!("lost {out:?} over {loss} ms, back {home:?} over {back} ms");
        let district = scenario(&name, LIVE, (out, loss), (home, back), None, "expect: nothing\n");
        let (mut run, steps) = Run::of(&district);
        run.play(&steps[..DISTRICT.len()], Duration::from_secs(95));
        let open: Vec<_> = run.snapshot().incidents;
        let open: Vec<_> = open.iter().filter(|incident| incident.is_active()).collect();
        let words: Vec<String> = open.iter().map(|it| format!("{:?}", it.id)).collect();
        let is_one = match open[..] {
            [one] => {
                one.cause == Cause::Uplink
                    && one.site.as_ref().map(SiteId::as_str) == Some("huyen")
                    && one.affected_now().count() == DISTRICT.len()
            }
            _ => false,
        };
        run.play(&steps[DISTRICT.len()..], district.lasts);
        let mut on: BTreeMap<_, Vec<NotificationKind>> = BTreeMap::new();
        for (_, message) in &run.told {
            on.entry(&message.alert.incident.id).or_default().push(message.kind);
        }
        let fits = on.values().all(|kinds| {
            use NotificationKind::{Firing, Resolved, Update};
            matches!(kinds[..], [Firing, Resolved] | [Firing, Update, Resolved])
        });
        let many = on.len() > most || run.told.len() > 2 * most + 1;
        if !is_one || !fits || many || !run.complaints.is_empty() {
            wrong.push(format!("{name}: {on:?}, open {words:?}, {:?}", run.complaints));
        }
        let sums = said.entry(loss).or_default();
        sums.runs += 1;
        sums.sum += run.told.len();
        sums.most = sums.most.max(run.told.len());
        sums.incidents = sums.incidents.max(on.len());
    }
    println!("lost within   runs   messages: mean   most   incidents: most");
    for (loss, Messages { runs, sum, most, incidents }) in &said {
        let mean = *sum as f64 / *runs as f64;
        println!("{:>9} s {runs:>6} {mean:>16.2} {most:>6} {incidents:>17}", loss / 1000);
    }
    none_of(&wrong, said.values().map(|said| said.runs).sum());
}

#[test]
fn a_commune_that_stays_dead_when_its_district_returns_is_told_by_itself_in_every_order() {
    let (mut wrong, mut runs) = (Vec::new(), 0);
    for mut pair in pairs() {
        let (stays, back) = (pair.commune(), pair.spread(3_000));
        let (out, home) = (&pair.out, &pair.home);
        let expect = format!(
            "expect:\n  - {{cause: uplink, site: huyen, affected: 5, of: 5, first: {{affected: 3}}, \
             begins: 10s, told-within: 9s, ends: 100s, resolved-within: 90s, messages: 2}}\n  \
             - {{cause: access, site: {stays}, affected: 1, of: 1, begins: 10s, open: true, \
             messages: 1}}\n"
        );
        let name = format!("lost {out:?}, back {home:?}, {stays} stays");
        play(&scenario(&name, LIVE, (out, 1000), (home, back), Some(stays), &expect), &mut wrong);
        runs += 1;
    }
    none_of(&wrong, runs);
}
