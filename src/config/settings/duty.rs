//! People, and who of them is on duty when.
//!
//! A rota is asked about an instant, never about a local time: local times that happen twice or
//! not at all when the clocks change are resolved once, where a shift begins and ends, so that at
//! every instant the same people are on duty whoever asks.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::model::{ChannelId, PersonId, RotaId};

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// Their name exactly as written.
    pub name: String,
    /// Their telephone number as written; empty when none is.
    pub phone: String,
    /// The ways to reach them, at least one; all are used at once.
    pub channels: Vec<ChannelId>,
}

/// Who is on duty when. Somebody always is: the configuration has seen to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rota {
    /// Its id.
    pub id: RotaId,
    /// Where its local times hold.
    pub time_zone: TimeZone,
    /// The shifts of every week.
    pub weekly: Vec<WeeklyShift>,
    /// Shifts at certain dates; while one of them is on, the weekly ones are not.
    pub dated: Vec<DatedShift>,
    /// Who is on duty when no shift is on.
    pub otherwise: Vec<PersonId>,
    /// Who is on duty in place of all these, until when. No file says so: it is what people did.
    pub handed: Option<Handed>,
}

/// Duty in other hands, from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Until when.
    pub until: Timestamp,
    /// Who is on duty, at least one.
    pub who: Vec<PersonId>,
    /// Who was on duty when it was handed over, and has it no longer.
    pub relieved: Vec<PersonId>,
}

/// A shift that comes again every week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeeklyShift {
    /// The days on which it begins.
    pub days: Days,
    /// When it begins, local time.
    pub from: Time,
    /// When it ends; on the next day unless later than `from`. A shift lasts up to 24 hours.
    pub until: Time,
    /// Who is on duty, at least one.
    pub who: Vec<PersonId>,
}

/// A shift at a certain date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedShift {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends; after `from`.
    pub until: Timestamp,
    /// Who is on duty, at least one.
    pub who: Vec<PersonId>,
}

/// Days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

/// Hours of the day, in local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// From, included.
    pub from: Time,
    /// Until, excluded; on the next day unless later than `from`.
    pub until: Time,
}

/// How far ahead the next people on duty are looked for, in days.
const AHEAD: i64 = 70;

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0x7f);
    /// No day.
    pub const NONE: Self = Self(0);

    /// These and `day`.
    #[must_use]
    pub const fn with(self, day: Weekday) -> Self {
        Self(self.0 | 1 << day.to_monday_zero_offset())
    }

    /// Whether `day` is among them.
    #[must_use]
    pub const fn has(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }

    /// Whether all of these are among `others`.
    #[must_use]
    pub const fn within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }
}

impl Hours {
    /// Whether `time` is one of them.
    #[must_use]
    pub fn has(self, time: Time) -> bool {
        if self.from < self.until {
            self.from <= time && time < self.until
        } else {
            self.from <= time || time < self.until
        }
    }

    /// Whether they go over midnight.
    #[must_use]
    pub fn over_midnight(self) -> bool {
        self.until <= self.from
    }
}

impl Rota {
    /// Who is on duty at `at`, each once.
    ///
    /// 1. While the duty is handed over, those who have it.
    /// 2. Else, while dated shifts are on, those who have them. Several at once are all on duty.
    /// 3. Else those who have weekly shifts that are on.
    /// 4. Else those who are on duty otherwise.
    #[must_use]
    pub fn on_duty(&self, at: Timestamp) -> Vec<&PersonId> {
        match self.handed.as_ref().filter(|handed| at < handed.until) {
            Some(handed) => each_once(handed.who.iter()),
            None => self.by_shifts(at),
        }
    }

    /// Who is on duty at `at` as long as nobody took over: rules 2 to 4 of
    /// [`on_duty`](Self::on_duty).
    #[must_use]
    pub fn by_shifts(&self, at: Timestamp) -> Vec<&PersonId> {
        let dated = self.dated.iter().filter(|shift| shift.from <= at && at < shift.until);
        let mut who = each_once(dated.flat_map(|shift| &shift.who));
        if who.is_empty() {
            let day = self.time_zone.to_datetime(at).date();
            let on = self.weekly.iter().filter(|shift| {
                // It may have begun the day before; two days before, where the clocks were set
                // back.
                (-2..=0).any(|ago| {
                    let shift =
                        day.checked_add(ago.days()).ok().and_then(|day| self.span(shift, day));
                    shift.is_some_and(|(from, until)| from <= at && at < until)
                })
            });
            who = each_once(on.flat_map(|shift| &shift.who));
        }
        if who.is_empty() { self.otherwise.iter().collect() } else { who }
    }

    /// Everybody who is ever on duty, each once.
    #[must_use]
    pub fn everybody(&self) -> Vec<&PersonId> {
        let weekly = self.weekly.iter().flat_map(|shift| &shift.who);
        let dated = self.dated.iter().flat_map(|shift| &shift.who);
        each_once(weekly.chain(dated).chain(&self.otherwise))
    }

    /// When the people on duty change after `at`, and who they are then.
    #[must_use]
    pub fn next_change(&self, at: Timestamp) -> Option<(Timestamp, Vec<&PersonId>)> {
        let now = self.on_duty(at);
        self.edges_after(at).into_iter().find_map(|edge| {
            let then = self.on_duty(edge);
            (then != now).then_some((edge, then))
        })
    }

    /// Who comes on duty next and is not on duty at `at`, and when.
    #[must_use]
    pub fn next_on_duty(&self, at: Timestamp) -> Option<(Timestamp, Vec<&PersonId>)> {
        self.next_but(&self.on_duty(at), at)
    }

    /// Who is called at `at` when those on duty do not answer: whoever comes on duty next, but
    /// nobody who was relieved, as long as the duty is in other hands. They are ill or away.
    #[must_use]
    pub fn next_to_call(&self, at: Timestamp) -> Vec<&PersonId> {
        let handed = self.handed.iter().filter(|handed| at < handed.until);
        let relieved = handed.flat_map(|handed| &handed.relieved);
        let but: Vec<&PersonId> = self.on_duty(at).into_iter().chain(relieved).collect();
        self.next_but(&but, at).map_or_else(Vec::new, |(_, who)| who)
    }

    /// The first after `at` to come on duty but these, and when.
    fn next_but(&self, but: &[&PersonId], at: Timestamp) -> Option<(Timestamp, Vec<&PersonId>)> {
        self.edges_after(at).into_iter().find_map(|edge| {
            let mut then = self.on_duty(edge);
            then.retain(|person| !but.contains(person));
            (!then.is_empty()).then_some((edge, then))
        })
    }

    /// A time after the first shift of the week from `monday` at which no shift is on, and when
    /// one is again.
    pub(in crate::config) fn gap(&self, monday: Date) -> Option<(Timestamp, Timestamp)> {
        let days = (0..=15).filter_map(|n: i64| monday.checked_add(n.days()).ok());
        let mut spans: Vec<(Timestamp, Timestamp)> = days
            .flat_map(|day| self.weekly.iter().filter_map(move |shift| self.span(shift, day)))
            .collect();
        spans.sort();
        let (begin, mut covered) = *spans.first()?;
        // A week and a day, since the clocks may have changed.
        let end = begin.checked_add(SignedDuration::from_hours(8 * 24)).ok()?;
        for (from, until) in spans {
            if covered >= end {
                return None;
            }
            if from > covered {
                return Some((covered, from));
            }
            covered = covered.max(until);
        }
        None
    }

    /// When a weekly shift that begins on `day` begins and ends; none when it does not.
    ///
    /// A local time that happens twice is the first of the two, one that does not happen is as
    /// much later as the clocks were set forward: of two shifts that meet, one ends when the other
    /// begins, whatever the clocks do.
    fn span(&self, shift: &WeeklyShift, day: Date) -> Option<(Timestamp, Timestamp)> {
        if !shift.days.has(day.weekday()) {
            return None;
        }
        let next = if shift.until > shift.from { day } else { day.tomorrow().ok()? };
        let at = |day: Date, time: Time| {
            self.time_zone.to_ambiguous_timestamp(day.to_datetime(time)).compatible().ok()
        };
        Some((at(day, shift.from)?, at(next, shift.until)?))
    }

    /// The moments after `at` at which a shift begins or ends, soonest first.
    fn edges_after(&self, at: Timestamp) -> Vec<Timestamp> {
        let day = self.time_zone.to_datetime(at).date();
        let handed = self.handed.iter().map(|handed| handed.until);
        let dated = self.dated.iter().flat_map(|shift| [shift.from, shift.until]);
        let weekly = (-2..=AHEAD).filter_map(|n| day.checked_add(n.days()).ok()).flat_map(|day| {
            let spans = self.weekly.iter().filter_map(move |shift| self.span(shift, day));
            spans.flat_map(|(from, until)| [from, until])
        });
        let mut edges: Vec<Timestamp> =
            dated.chain(weekly).chain(handed).filter(|edge| *edge > at).collect();
        edges.sort();
        edges.dedup();
        edges
    }
}

/// Everybody once, in the order in which they come.
fn each_once<'a>(people: impl Iterator<Item = &'a PersonId>) -> Vec<&'a PersonId> {
    let mut once = Vec::new();
    for person in people {
        if !once.contains(&person) {
            once.push(person);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> PersonId {
        PersonId::new(name)
    }

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn weekly(days: &[Weekday], from: &str, until: &str, who: &str) -> WeeklyShift {
        let days = days.iter().fold(Days::NONE, |days, day| days.with(*day));
        WeeklyShift { days, from: time(from), until: time(until), who: vec![id(who)] }
    }

    fn rota(zone: &str, weekly: Vec<WeeklyShift>) -> Rota {
        Rota {
            id: RotaId::new("r"),
            time_zone: TimeZone::get(zone).unwrap(),
            weekly,
            dated: Vec::new(),
            otherwise: Vec::new(),
            handed: None,
        }
    }

    const ALL: [Weekday; 7] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];

    fn day_and_night(zone: &str, from: &str, until: &str) -> Rota {
        rota(zone, vec![weekly(&ALL, from, until, "day"), weekly(&ALL, until, from, "night")])
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn on(rota: &Rota, when: &str) -> String {
        rota.on_duty(at(when)).iter().map(|id| id.as_str()).collect::<Vec<_>>().join("+")
    }

    #[test]
    fn a_night_shift_goes_on_after_midnight() {
        let rota = day_and_night("Asia/Ho_Chi_Minh", "07:30", "17:00");
        for (when, who) in [
            ("2026-03-02T07:29:59+07:00", "night"),
            ("2026-03-02T07:30:00+07:00", "day"),
            ("2026-03-02T16:59:59+07:00", "day"),
            ("2026-03-02T17:00:00+07:00", "night"),
            ("2026-03-03T00:00:00+07:00", "night"),
            ("2026-03-03T03:00:00+07:00", "night"),
        ] {
            assert_eq!(on(&rota, when), who, "at {when}");
        }
    }

    #[test]
    fn a_shift_of_a_whole_day_passes_at_the_hand_over() {
        let mut rota = rota(
            "Asia/Ho_Chi_Minh",
            vec![
                weekly(&ALL[..3], "07:30", "07:30", "ha"),
                weekly(&ALL[3..], "07:30", "07:30", "tu"),
            ],
        );
        assert_eq!(on(&rota, "2026-03-02T07:29:00+07:00"), "tu", "Sunday's shift on Monday");
        assert_eq!(on(&rota, "2026-03-02T07:30:00+07:00"), "ha");
        let (change, who) = rota.next_change(at("2026-03-02T09:00:00+07:00")).unwrap();
        assert_eq!(change, at("2026-03-05T07:30:00+07:00"), "Wednesday's shift ends on Thursday");
        assert_eq!(who, [&id("tu")]);
        assert_eq!(rota.gap("2026-03-02".parse().unwrap()), None);

        rota.weekly.pop();
        let (from, until) = rota.gap("2026-03-02".parse().unwrap()).unwrap();
        assert_eq!(from, at("2026-03-05T07:30:00+07:00"));
        assert_eq!(until, at("2026-03-09T07:30:00+07:00"));
        rota.otherwise = vec![id("men")];
        assert_eq!(on(&rota, "2026-03-06T12:00:00+07:00"), "men");
        let next = rota.next_on_duty(at("2026-03-06T12:00:00+07:00")).unwrap();
        assert_eq!(next, (at("2026-03-09T07:30:00+07:00"), vec![&id("ha")]));
    }

    #[test]
    fn a_dated_shift_takes_the_place_of_the_weekly_ones() {
        let mut rota = day_and_night("Asia/Ho_Chi_Minh", "07:30", "17:00");
        let tet = DatedShift {
            from: at("2026-02-16T07:30:00+07:00"),
            until: at("2026-02-22T07:30:00+07:00"),
            who: vec![id("tet")],
        };
        rota.dated = vec![tet.clone(), DatedShift { who: vec![id("help"), id("tet")], ..tet }];
        assert_eq!(on(&rota, "2026-02-16T07:29:59+07:00"), "night");
        assert_eq!(on(&rota, "2026-02-18T23:00:00+07:00"), "tet+help");
        assert_eq!(on(&rota, "2026-02-22T07:30:00+07:00"), "day");
        let (change, _) = rota.next_change(at("2026-02-18T00:00:00+07:00")).unwrap();
        assert_eq!(change, at("2026-02-22T07:30:00+07:00"));
    }

    #[test]
    fn duty_in_other_hands_passes_back_to_whoever_the_rota_says_then() {
        let mut rota = day_and_night("Asia/Ho_Chi_Minh", "07:30", "17:00");
        let until = at("2026-03-03T09:00:00+07:00");
        let who = vec![id("tu"), id("day"), id("tu")];
        rota.handed = Some(Handed { until, who, relieved: Vec::new() });
        let night = at("2026-03-03T02:00:00+07:00");
        assert_eq!(on(&rota, "2026-03-03T02:00:00+07:00"), "tu+day");
        assert_eq!(on(&rota, "2026-03-03T08:59:59+07:00"), "tu+day", "whatever the shifts say");
        assert_eq!(rota.next_change(night), Some((until, vec![&id("day")])));
        let (next, who) = rota.next_on_duty(night).unwrap();
        assert_eq!((next, who), (at("2026-03-03T17:00:00+07:00"), vec![&id("night")]));
        assert_eq!(on(&rota, "2026-03-03T09:00:00+07:00"), "day");
    }

    #[test]
    fn who_was_relieved_is_not_called_as_the_next_one_until_the_duty_passes_back() {
        let mut rota = day_and_night("Asia/Ho_Chi_Minh", "07:30", "17:00");
        let until = at("2026-03-03T09:00:00+07:00");
        let handed = |who: &str| Handed { until, who: vec![id(who)], relieved: vec![id("night")] };
        let night = at("2026-03-03T02:00:00+07:00");
        rota.handed = Some(handed("tu"));
        assert_eq!(rota.next_to_call(night), [&id("day")]);
        rota.handed = Some(handed("day"));
        assert!(rota.next_to_call(night).is_empty(), "the only other one is ill");
        assert_eq!(rota.next_on_duty(night).unwrap().1, [&id("night")], "and comes back later");
        let later = at("2026-03-03T10:00:00+07:00");
        assert_eq!(rota.next_to_call(later), [&id("night")]);
    }

    /// In Berlin 02:30 does not happen on 29 March 2026 and happens twice on 25 October.
    #[test]
    fn clocks_that_change_leave_nobody_out_and_bring_nobody_back() {
        let rota = day_and_night("Europe/Berlin", "02:30", "14:30");
        for (when, who) in [
            ("2026-03-29T00:59:59Z", "night"),
            ("2026-03-29T01:29:59Z", "night"),
            ("2026-03-29T01:30:00Z", "day"),
            // 02:30 for the first time, 02:00 for the second, 02:30 again.
            ("2026-10-25T00:29:59Z", "night"),
            ("2026-10-25T00:30:00Z", "day"),
            ("2026-10-25T01:00:00Z", "day"),
            ("2026-10-25T01:30:00Z", "day"),
        ] {
            assert_eq!(on(&rota, when), who, "at {when}");
        }
        for monday in ["2026-03-23", "2026-03-30", "2026-10-19", "2026-10-26"] {
            assert_eq!(rota.gap(monday.parse().unwrap()), None, "in the week of {monday}");
        }
    }

    #[test]
    fn somebody_is_on_duty_at_every_minute_of_a_year() {
        for zone in ["Asia/Ho_Chi_Minh", "Europe/Berlin", "Australia/Lord_Howe"] {
            let rota = day_and_night(zone, "02:15", "02:00");
            let mut when = at("2026-01-01T00:00:00Z");
            for _ in 0..365 * 24 * 4 {
                assert!(!rota.on_duty(when).is_empty(), "{zone} at {when}");
                when = when.checked_add(SignedDuration::from_mins(15)).unwrap();
            }
        }
    }

    #[test]
    fn hours_may_go_over_midnight() {
        let night = Hours { from: time("21:00"), until: time("06:00") };
        assert!(night.has(time("21:00")) && night.has(time("00:00")) && night.has(time("05:59")));
        assert!(!night.has(time("06:00")) && !night.has(time("20:59")));
        assert!(night.over_midnight());
    }
}
