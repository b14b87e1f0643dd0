//! What a cluster of Alertmanagers is posted while incidents begin, grow and end.

use super::*;
use crate::model::{ChannelId, EndpointId, Language, NotificationId, SessionId, Severity, SiteId};
use crate::store::tests::{at, incident, notification};
use crate::texts::tests::{shapes_and_drills, write_each};

const LAPSE: Duration = Duration::from_mins(4);

fn style() -> Style {
    let time_zone = jiff::tz::TimeZone::UTC;
    Style::new(Language::Vi, time_zone, "http://10.0.0.5:8080")
}

fn letter(kind: NotificationKind, change: impl FnOnce(&mut Notification)) -> Letter {
    let mut notification = notification("n1", incident("i1", "tan-lap"), kind);
    notification.alert.incident.severity = Severity::Warning;
    notification.alert.incident.began = at("2026-02-03T00:42:10Z");
    notification.alert.incident.session = None;
    if kind == NotificationKind::Resolved {
        notification.alert.incident.resolved = Some(at("2026-02-03T00:50:00Z"));
    }
    change(&mut notification);
    Letter {
        id: NotificationId::new("n1"),
        channel: ChannelId::new("cluster"),
        created: notification.created,
        items: vec![Item::new(kind, Arc::new(notification))],
        test: false,
    }
}

fn firing() -> Letter {
    letter(NotificationKind::Firing, |_| {})
}

fn grown() -> Letter {
    letter(NotificationKind::Update, |it| {
        it.alert.incident.severity = Severity::Critical;
        it.alert.incident.session = Some(SessionId::new("giao-ban-2"));
    })
}

fn now() -> Timestamp {
    at("2026-02-03T01:00:00Z")
}

/// Posts a letter that is accepted.
fn tell(standing: &mut Standing, letter: &Letter) -> Vec<AlertJson> {
    let alerts = standing.alerts(letter, &style(), now(), LAPSE);
    standing.accepted(letter, &style());
    alerts
}

/// Severity and end of each alert.
fn ends(alerts: &[AlertJson]) -> Vec<(&str, &str)> {
    alerts.iter().map(|alert| (&*alert.labels["severity"], &*alert.ends_at)).collect()
}

#[test]
fn an_alert_that_is_on_ends_some_minutes_ahead() {
    let alerts = tell(&mut Standing::default(), &firing());
    assert_eq!(ends(&alerts), [("warning", "2026-02-03T01:04:00Z")]);
    assert_eq!(alerts[0].starts_at, "2026-02-03T00:42:10Z");
    assert_eq!(alerts[0].generator_url, "http://10.0.0.5:8080/incidents/i1");
    assert_eq!(alerts[0].labels["site"], "tan-lap");
    assert!(!alerts[0].labels.contains_key("session"));
}

#[test]
fn labels_without_a_value_are_left_out() {
    let letter = letter(NotificationKind::Firing, |it| it.alert.parent = String::new());
    assert!(!tell(&mut Standing::default(), &letter)[0].labels.contains_key("parent"));
}

#[test]
fn what_stands_is_told_again_until_it_is_over() {
    let mut standing = Standing::default();
    tell(&mut standing, &firing());
    let later = now() + Duration::from_mins(1);
    let again = standing.all(later, LAPSE);
    assert_eq!(ends(&again), [("warning", "2026-02-03T01:05:00Z")]);
    let over = tell(&mut standing, &letter(NotificationKind::Resolved, |_| {}));
    assert_eq!(ends(&over), [("warning", "2026-02-03T00:50:00Z")]);
    assert!(standing.all(later, LAPSE).is_empty());
}

#[test]
fn when_labels_change_the_alert_under_the_old_ones_ends() {
    let mut standing = Standing::default();
    tell(&mut standing, &firing());
    let alerts = tell(&mut standing, &grown());
    let expected = [("warning", "2026-02-03T01:00:00Z"), ("critical", "2026-02-03T01:04:00Z")];
    assert_eq!(ends(&alerts), expected);
    assert_eq!(ends(&standing.all(now(), LAPSE)), [("critical", "2026-02-03T01:04:00Z")]);
}

#[test]
fn two_monitors_that_see_the_same_say_the_same() {
    let one = tell(&mut Standing::default(), &firing());
    let other = letter(NotificationKind::Firing, |it| {
        it.alert.incident.id = IncidentId::new("tan-lap.access.20260203T004217Z");
        it.alert.incident.began = at("2026-02-03T00:42:12Z");
    });
    let elsewhere = Style { vantage: Some(SiteId::new("ba-be")), ..style() };
    let other = Standing::default().alerts(&other, &elsewhere, now(), LAPSE);
    assert_eq!(one[0].labels, other[0].labels);
    assert_eq!(other[0].annotations["incident"], "tan-lap.access.20260203T004217Z");
}

#[test]
fn what_a_monitor_says_of_itself_is_told_apart() {
    let blind = letter(NotificationKind::Firing, |it| {
        it.alert.incident.cause = Cause::Monitor;
        it.alert.incident.site = None;
    });
    let said = |vantage: &str| {
        let style = Style { vantage: Some(SiteId::new(vantage)), ..style() };
        let alerts = Standing::default().alerts(&blind, &style, now(), LAPSE);
        alerts[0].labels["vantage"].clone()
    };
    assert_eq!((said("bac-kan"), said("ba-be")), ("bac-kan".to_owned(), "ba-be".to_owned()));
}

#[test]
fn devices_of_a_site_whose_certificates_end_are_told_apart() {
    let of = |endpoint: &str| {
        letter(NotificationKind::Firing, |it| {
            it.alert.incident.cause = Cause::Certificate;
            it.alert.incident.endpoint = Some(EndpointId::new(endpoint));
        })
    };
    let labels = |endpoint| tell(&mut Standing::default(), &of(endpoint))[0].labels.clone();
    assert_ne!(labels("codec"), labels("camera"));
}

#[test]
fn the_end_of_an_incident_does_not_end_the_next_of_the_same_kind() {
    let mut standing = Standing::default();
    tell(&mut standing, &firing());
    let next = |kind| letter(kind, |it| it.alert.incident.id = IncidentId::new("i2"));
    tell(&mut standing, &next(NotificationKind::Firing));
    let over = letter(NotificationKind::Resolved, |_| {});
    assert_eq!(tell(&mut standing, &over), []);
    assert_eq!(ends(&standing.all(now(), LAPSE)), [("warning", "2026-02-03T01:04:00Z")]);
    let over = tell(&mut standing, &next(NotificationKind::Resolved));
    assert_eq!(ends(&over), [("warning", "2026-02-03T00:50:00Z")]);
}

#[test]
fn what_ends_ends_under_the_labels_that_it_stands_under() {
    let mut standing = Standing::default();
    let firing = firing();
    tell(&mut standing, &firing);
    let over = letter(NotificationKind::Resolved, |it| {
        it.alert.incident.severity = Severity::Critical;
    });
    assert_eq!(ends(&tell(&mut standing, &over)), [("warning", "2026-02-03T00:50:00Z")]);
}

#[test]
fn a_letter_counts_only_once_it_was_accepted() {
    let mut standing = Standing::default();
    tell(&mut standing, &firing());
    standing.alerts(&grown(), &style(), now(), LAPSE);
    assert_eq!(ends(&standing.all(now(), LAPSE)), [("warning", "2026-02-03T01:04:00Z")]);
    // The repeat still ends what stands.
    assert_eq!(standing.alerts(&grown(), &style(), now(), LAPSE).len(), 2);
}

#[test]
fn what_is_about_to_end_is_not_told_again_and_lapses() {
    let mut standing = Standing::default();
    tell(&mut standing, &firing());
    let over = letter(NotificationKind::Resolved, |_| {});
    standing.alerts(&over, &style(), now(), LAPSE);
    assert!(standing.all(now(), LAPSE).is_empty());
    // The end is repeated under the same labels until it is accepted.
    assert_eq!(ends(&tell(&mut standing, &over)), [("warning", "2026-02-03T00:50:00Z")]);
}

#[test]
fn an_end_never_lies_before_its_beginning() {
    let mut standing = Standing::default();
    let early = letter(NotificationKind::Resolved, |it| {
        it.alert.incident.resolved = Some(at("2026-02-03T00:00:00Z"));
    });
    let alerts = tell(&mut standing, &early);
    assert_eq!(alerts[0].ends_at, alerts[0].starts_at);
}

#[test]
fn after_a_restart_what_was_told_stands_again_unless_it_is_over() {
    let mut standing = Standing::default();
    let told = |letter: Letter| (*letter.items[0].notification).clone();
    standing.restore(told(grown()), &style());
    assert_eq!(ends(&standing.all(now(), LAPSE)), [("critical", "2026-02-03T01:04:00Z")]);
    // What is told after the restart is newer than what is restored.
    let mut standing = Standing::default();
    tell(&mut standing, &grown());
    standing.restore(told(firing()), &style());
    assert_eq!(ends(&standing.all(now(), LAPSE)), [("critical", "2026-02-03T01:04:00Z")]);
    let mut standing = Standing::default();
    standing.alerts(&letter(NotificationKind::Resolved, |_| {}), &style(), now(), LAPSE);
    standing.restore(told(firing()), &style());
    assert!(standing.all(now(), LAPSE).is_empty());
}

#[test]
fn an_incident_that_changes_its_labels_does_not_end_another_under_the_old_ones() {
    let mut standing = Standing::default();
    tell(&mut standing, &firing());
    let other = letter(NotificationKind::Firing, |it| {
        it.id = NotificationId::new("n2");
        it.alert.incident.id = IncidentId::new("i2");
    });
    tell(&mut standing, &other);
    let alerts = tell(&mut standing, &grown());
    assert_eq!(alerts.len(), 1, "only what begins: {:?}", ends(&alerts));
    assert_eq!(alerts[0].labels["severity"], "critical");
}

#[test]
fn an_end_that_is_refused_for_good_leaves_nothing_behind() {
    let mut standing = Standing::default();
    tell(&mut standing, &firing());
    let over = letter(NotificationKind::Resolved, |_| {});
    standing.alerts(&over, &style(), now(), LAPSE);
    standing.refused(&over);
    assert!(standing.alerts.is_empty() && standing.ending.is_empty());
}

#[test]
fn what_is_posted_can_be_read() {
    write_each("alertmanager", &shapes_and_drills(), |letter, style| {
        let alerts = Standing::default().alerts(letter, style, letter.created, LAPSE);
        let read = serde_json::to_value(&alerts).unwrap();
        format!("{read:#}\n")
    });
}
