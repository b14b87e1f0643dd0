//! What is said of a district that returns: when its line came back, and who is still in trouble.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vchealth::lab::scenario::Scenario;
use vchealth::model::{Cause, Health, Notification, NotificationKind, SiteId};

use super::run::{BEGINS, Run};
use super::scenarios;

/// The line of the district is back this long after the beginning.
const BACK: Duration = Duration::from_secs(70);
/// It takes this long at most to see that.
const SEEN_WITHIN: Duration = Duration::from_secs(4);

fn scenario(file: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.file == file).expect("the file")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_end_of_a_district_says_when_its_line_came_back_whoever_is_still_in_trouble() {
    let files = [
        "parent-returns-child-dead.yaml",
        "district-returns-one-codec-hung.yaml",
        "district-returns-two-codecs-hung.yaml",
        "power-returns-codecs-boot-slowly.yaml",
    ];
    for file in files {
        let scenario = scenario(file);
        let back = if file.starts_with("parent") { seconds(60) } else { BACK };
        let (mut run, steps) = Run::of(&scenario);
        run.play(&steps, scenario.lasts);
        let is_end = |kind, cause| kind == NotificationKind::Resolved && cause == Cause::Uplink;
        let mut ends = run.told.iter().map(|(_, message)| message);
        let end = ends.find(|it| is_end(it.kind, it.alert.incident.cause)).expect("it ends");
        let begins: Timestamp = BEGINS.parse().expect("a moment");
        let ended = end.alert.incident.ended().expect("it is over").duration_since(begins);
        let ended = Duration::try_from(ended).expect("later");
        assert!(ended >= back && ended <= back + SEEN_WITHIN, "{file}: {ended:?}");
    }
}

#[test]
fn codecs_that_may_be_starting_are_waited_for_over_a_restart() {
    let scenario = scenario("district-returns-two-codecs-hung.yaml");
    let (mut run, steps) = Run::of(&scenario);
    let before = steps.partition_point(|step| step.at < seconds(90));
    run.play(&steps[..before], seconds(90));
    let site = run.topology.find_site(&SiteId::new("ban-thi")).expect("a commune");
    let health = |run: &mut Run| run.snapshot().sites[site.ix()].standing.hard;
    assert_eq!(health(&mut run), Health::Unknown, "its router answers, its codec does not yet");
    run.stop(seconds(2));
    run.play(&steps[before..], scenario.lasts);
    assert_eq!(health(&mut run), Health::Up);
    let judgement = run.judgement(&scenario);
    assert!(judgement.holds() && run.complaints.is_empty(), "{judgement}{:?}", run.complaints);
}

#[test]
fn a_line_that_returns_congested_is_said_to_be_bad_once_that_has_lasted_for_a_minute() {
    let text = "name: x\nprovince: {tree: {tinh: {huyen: [xa-a, xa-b, xa-c], khac: [xa-d]}}}\n\
                sessions: [{title: x, from: -1m, to: +9h}]\nlasts: 3m\ntimeline:\n  \
                - {at: 10s, site: xa-a, fault: power-cut, for: 30s}\n  \
                - {at: 38s, site: xa-a, fault: {loss: 25%}}\nexpect: nothing\n";
    let scenario = Scenario::parse("congested.yaml", text).unwrap_or_else(|p| panic!("{p}"));
    let (mut run, steps) = Run::of(&scenario);
    run.play(&steps, scenario.lasts);
    let told =
        run.told.iter().map(|(at, message)| (*at, message.kind, message.alert.incident.cause));
    let told: Vec<_> = told.collect();
    let [
        (_, NotificationKind::Firing, Cause::Access),
        (at, NotificationKind::Update, Cause::Quality),
    ] = told[..]
    else {
        panic!("{told:?}")
    };
    // Until the loss is sure, and the window from then on; a line that was bad before has twice
    // that.
    assert!(at <= seconds(40 + 20 + 60), "{at:?}");
}

#[test]
fn snapshots_share_the_list_of_sites_until_something_of_one_changes() {
    let text = "name: x\nprovince: {tree: {tinh: {huyen: [xa-a, xa-b]}}}\nlasts: 3m\ntimeline:\n  \
                - {at: 100s, site: xa-a, fault: power-cut}\nexpect: nothing\n";
    let scenario = Scenario::parse("shared.yaml", text).unwrap_or_else(|p| panic!("{p}"));
    let (mut run, steps) = Run::of(&scenario);
    run.until(seconds(60));
    let quiet = run.snapshot();
    run.until(seconds(90));
    let later = run.snapshot();
    assert!(Arc::ptr_eq(&quiet.sites, &later.sites), "nothing happened");
    let site = run.topology.find_site(&SiteId::new("xa-a")).expect("a commune");
    run.play(&steps, seconds(170));
    assert_eq!(run.snapshot().sites[site.ix()].standing.hard, Health::Down);
    assert_eq!(later.sites[site.ix()].standing.hard, Health::Up, "it is as it was then");
}

#[test]
fn what_became_graver_after_it_had_come_back_is_on_since_it_became_so() {
    let scenario = scenario("lossy-twice-then-dead-in-a-session.yaml");
    let (mut run, steps) = Run::of(&scenario);
    run.play(&steps, scenario.lasts);
    let begins: Timestamp = BEGINS.parse().expect("a moment");
    let since = |message: &Notification| {
        let since = message.alert.incident.since().duration_since(begins);
        Duration::try_from(since).expect("later").as_secs() / 60
    };
    let told: Vec<_> =
        run.told.iter().map(|(_, it)| (it.kind, it.alert.incident.cause, since(it))).collect();
    let (firing, update) = (NotificationKind::Firing, NotificationKind::Update);
    let end = NotificationKind::Resolved;
    assert_eq!(told[0], (firing, Cause::Quality, 0));
    assert_eq!(told[1], (end, Cause::Quality, 0));
    assert_eq!(told[2], (firing, Cause::Quality, 10));
    assert_eq!(told[3], (update, Cause::Access, 15));
    assert_eq!(told[4].0, end);
}
