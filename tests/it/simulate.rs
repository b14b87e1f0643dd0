//! Every scenario file in virtual time: what people are told is what the file says they should
//! be.

#[path = "simulate/background.rs"]
mod background;
#[path = "simulate/distrust.rs"]
mod distrust;
#[path = "simulate/ends.rs"]
mod ends;
#[path = "simulate/histories.rs"]
mod histories;
#[path = "simulate/hostile.rs"]
mod hostile;
#[path = "simulate/in_time.rs"]
mod in_time;
#[path = "simulate/muted.rs"]
mod muted;
#[path = "simulate/orders.rs"]
mod orders;
#[path = "simulate/ourselves.rs"]
mod ourselves;
#[path = "simulate/packets.rs"]
mod packets;
#[path = "simulate/restarts.rs"]
mod restarts;
#[path = "simulate/returns.rs"]
mod returns;
#[path = "simulate/run.rs"]
pub(crate) mod run;
#[path = "simulate/situations.rs"]
mod situations;
#[path = "simulate/weeks.rs"]
mod weeks;

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use vchealth::daemon::AHEAD;
use vchealth::lab::scenario::Scenario;
use vchealth::model::{Notification, Saw};

use self::run::Run;

/// Every scenario, by its file.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let read = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("a scenario file");
        Scenario::parse(&name, &text).unwrap_or_else(|problems| panic!("{problems}"))
    };
    files.iter().map(|path| read(path)).collect()
}

/// Which of all random runs are played: `HISTORIES_SEED`. What fails says under which.
pub(crate) fn seed() -> u64 {
    std::env::var("HISTORIES_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// What was told, message by message, for whoever mends a scenario.
#[allow(clippy::print_stdout, reason = "the table is there to be read")]
fn print_told(run: &Run) {
    for (at, notification) in &run.told {
        let incident = &notification.alert.incident;
        println!(
            "  {:8.3} {:8} {} {} at {:?}: {} affected, {} of {}, {}{}",
            at.as_secs_f64(),
            notification.kind.word(),
            incident.id,
            incident.cause.word(),
            incident.site.as_ref().map(ToString::to_string),
            incident.affected.len(),
            incident.affected_now().count(),
            incident.of,
            incident.severity.word(),
            if incident.flapping { ", flapping" } else { "" },
        );
        for evidence in incident.evidence.iter().take(8) {
            println!("             {}: {:?} at {}", evidence.target, evidence.saw, evidence.at);
        }
    }
}

#[test]
fn people_are_told_what_the_scenarios_say_however_long_before_their_time_probes_are_ordered() {
    let only = std::env::var("SCENARIO").ok();
    let mut failed = Vec::new();
    for scenario in scenarios() {
        if only.as_ref().is_some_and(|only| !scenario.file.contains(only.as_str())) {
            continue;
        }
        for ahead in [Duration::ZERO, AHEAD] {
            let (mut run, steps) = Run::of(&scenario);
            run.order_ahead(ahead);
            run.play(&steps, scenario.lasts);
            let judgement = run.judgement(&scenario);
            println!("{}: {}\n{judgement}", scenario.file, scenario.name);
            for complaint in &run.complaints {
                println!("FAIL at {complaint}");
            }
            if !judgement.holds() || !run.complaints.is_empty() {
                print_told(&run);
                failed.push((scenario.file.clone(), ahead));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// Seeds that are tried: fifty, or two hundred where more histories are played than `tests/run`
/// does.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let histories = std::env::var("HISTORIES").ok().and_then(|number| number.parse().ok());
    1..=if histories.unwrap_or(0_u32) <= 100_000 { 50 } else { 200 }
}

#[test]
fn loss_delay_and_jitter_are_told_in_time_whatever_the_dice_say() {
    let files = ["lossy.yaml", "slow.yaml", "jittery.yaml", "background-loss.yaml"];
    let begins: Timestamp = run::BEGINS.parse().expect("a moment");
    let mut failed = Vec::new();
    for mut scenario in scenarios().into_iter().filter(|s| files.contains(&s.file.as_str())) {
        for seed in seeds() {
            scenario.nature.seed = seed;
            let (mut run, steps) = Run::of(&scenario);
            run.play(&steps, scenario.lasts);
            let judgement = run.judgement(&scenario);
            let fault = begins + steps.first().expect("something happens").at;
            let early = |told: &Notification| told.alert.incident.began < fault;
            let early = run.told.iter().any(|(_, told)| early(told));
            if !judgement.holds() || !run.complaints.is_empty() || early {
                let (file, complaints) = (&scenario.file, &run.complaints);
                failed.push(format!("{file} with seed {seed}:\n{judgement}{complaints:?} {early}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Where only one device tells of the loss there are half as many packets to judge it by, and its
/// first losses are long in coming where the dice say so. Not to be told within the minute is one
/// throw in some hundreds.
#[test]
fn loss_that_one_device_alone_shows_is_told_within_a_minute_99_times_in_100() {
    let files = ["lossy-wifi.yaml", "lossy-codec-without-a-router.yaml"];
    for mut scenario in scenarios().into_iter().filter(|s| files.contains(&s.file.as_str())) {
        let (mut in_time, mut tried) = (0, 0);
        for seed in 1..=100 {
            scenario.nature.seed = seed;
            let (mut run, steps) = Run::of(&scenario);
            run.play(&steps, scenario.lasts);
            tried += 1;
            in_time += u32::from(run.judgement(&scenario).holds());
            let mut patient = scenario.clone();
            patient.expect[0].told_within = Some(Duration::from_secs(120));
            let judgement = run.judgement(&patient);
            assert!(judgement.holds(), "{} with seed {seed}:\n{judgement}", scenario.file);
            assert_eq!(run.complaints, [""; 0], "{} with seed {seed}", scenario.file);
        }
        println!("{}: {in_time} of {tried} within a minute", scenario.file);
        assert!(in_time * 100 >= tried * 99, "{}: {in_time} of {tried}", scenario.file);
    }
}

#[test]
fn whoever_is_told_of_a_lossy_line_is_told_how_much_it_loses() {
    let lossy = scenarios().into_iter().find(|s| s.file == "lossy.yaml").expect("the file");
    for seed in 1..=20 {
        let mut scenario = lossy.clone();
        scenario.nature.seed = seed;
        let (mut run, steps) = Run::of(&scenario);
        run.play(&steps, Duration::from_secs(90));
        let [(_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
        let seen = message.alert.incident.evidence.iter();
        let lost = seen.filter_map(|it| match it.saw {
            Saw::Path { lost_permille, samples, .. } => Some((
                it.target.site.as_str(),
                it.target.endpoint.as_ref()?,
                lost_permille,
                samples,
            )),
            _ => None,
        });
        let lost: Vec<_> = lost.collect();
        let ours = lost.iter().all(|(site, ..)| *site == "tan-lap");
        assert!(lost.len() == 2 && ours, "{lost:?}");
        assert!(lost.iter().any(|(_, _, lost, samples)| *lost > 20 && *samples > 20), "{lost:?}");
    }
}

#[test]
fn a_night_in_which_the_clocks_are_set_is_a_night_like_any_other() {
    let told = |starts: &str, zone: &str| {
        let text = format!(
            "name: x\nprovince: {{tree: {{tinh: {{huyen: [xa-a, xa-b], khac: [xa-c]}}}}}}\n\
             starts: {starts}\nsessions: [{{title: x, from: +1h, to: +3h, delegates: 50}}]\n\
             lasts: 4h\nreal: false\ntimeline:\n  \
             - {{at: 10m, site: xa-a, fault: power-cut, for: 5m}}\n  \
             - {{at: 70m, site: xa-b, fault: power-cut, for: 5m}}\n  \
             - {{at: 200m, subtree: huyen, fault: power-cut, for: 5m}}\nexpect: nothing\n"
        );
        let scenario = Scenario::parse("night.yaml", &text).unwrap_or_else(|p| panic!("{p}"));
        let time_zone = jiff::tz::TimeZone::get(zone).expect("a zone");
        let settings = vchealth::config::Settings { time_zone, ..run::settings() };
        let (mut run, steps) = Run::with(&scenario, settings, run::WARM_UP);
        run.play(&steps, scenario.lasts);
        run.heard().into_iter().map(|heard| (heard.at, heard.said.cause, heard.severity)).collect()
    };
    let usual: Vec<_> = told("2026-03-02T23:30:00+07:00", "Asia/Ho_Chi_Minh");
    assert_eq!(usual.len(), 6, "{usual:?}");
    // The clocks go forward in one of these nights and back in the other, before the session.
    assert_eq!(usual, told("2026-03-29T01:30:00+01:00", "Europe/Berlin"));
    assert_eq!(usual, told("2026-10-25T02:30:00+02:00", "Europe/Berlin"));
}

#[test]
fn who_else_fails_later_is_counted_beside_those_that_have_something_in_common() {
    let text = "name: x\nprovince: {tree: {t: {a: [a1, a2, a3, a4, a5], b: [b1, b2, b3, b4, b5], \
                c: [c1, c2, c3, c4, c5]}}, labels: {power: {lo-7: [a1, a2, b1, b2, c1, c2]}}}\n\
                sessions: [{title: x, from: -1m, to: +2h}]\nlasts: 2m\ntimeline: [\
                {at: 10s, label: {power: lo-7}, fault: power-cut}, \
                {at: 60s, site: a3, fault: power-cut}, {at: 60s, site: b3, fault: power-cut}]\n\
                expect: nothing\n";
    let scenario = Scenario::parse("elsewhere.yaml", text).unwrap_or_else(|it| panic!("{it}"));
    let (mut run, steps) = Run::of(&scenario);
    run.play(&steps, scenario.lasts);
    let snapshot = run.snapshot();
    let ratios: Vec<_> = snapshot
        .incidents
        .iter()
        .filter_map(|it| it.common.as_ref())
        .map(|it| (it.inside_failing, it.inside, it.outside_failing, it.outside))
        .collect();
    assert_eq!(ratios, [(6, 6, 2, 13)]);
    let (_, first) = run.told.first().expect("it was told");
    let common = first.alert.incident.common.as_ref().expect("they have something in common");
    assert_eq!((common.outside_failing, common.outside), (0, 13), "when it was told");
}
