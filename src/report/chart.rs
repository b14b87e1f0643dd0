//! Small pictures as SVG inside the page: no script, nothing from elsewhere, and sharp on paper.
//!
//! They stretch to whatever width there is; words beside them are HTML, so that they stay legible
//! on a phone. State is told by height and place as well as by colour, for those who print in
//! black and white.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};

use super::timeline::{Segment, State};
use super::words::Words;
use super::{Group, Report, between};

/// Columns of the picture of the whole session.
const COLUMNS: usize = 240;
/// Columns of the picture of a group.
const SMALL: usize = 60;
/// From one unseen site in so many on there is a veil.
const VEILED: usize = 4;
/// Height of a picture in its own units.
const HEIGHT: f64 = 100.0;
/// Lengths of time between two marks of an axis, in minutes.
const MARKS: [u64; 9] = [1, 5, 10, 15, 30, 60, 120, 360, 1440];
/// Most marks of an axis.
const MOST_MARKS: u64 = 6;

/// How many sites were interrupted or bad, over the session: the most at once in each column. When
/// many sites could not be seen there is a veil, since then little can be said of any.
pub(super) fn course(report: &Report) -> Markup {
    let scale = Scale::of(report, COLUMNS);
    let most = peak(report).max(4);
    let mut columns = vec![[0usize; 2]; COLUMNS];
    let mut veils = vec![0usize; COLUMNS];
    let ends = report.course.iter().skip(1).map(|moment| moment.at).chain([report.until]);
    for (moment, end) in report.course.iter().zip(ends) {
        for at in scale.columns(moment.at, end) {
            let now = [moment.down, moment.degraded];
            if now.iter().sum::<usize>() > columns[at].iter().sum() {
                columns[at] = now;
            }
            veils[at] = veils[at].max(moment.unseen);
        }
    }
    let mut shapes = String::new();
    #[allow(clippy::cast_precision_loss, reason = "counts of sites")]
    let height = |count: usize| count as f64 * HEIGHT / most as f64;
    for (at, unseen) in veils.iter().enumerate() {
        if *unseen * VEILED >= report.sites.len().max(1) {
            let _ =
                write!(shapes, r#"<rect class="veil" x="{at}" y="0" width="1.02" height="100"/>"#);
        }
    }
    for quarter in 1..4 {
        let y = HEIGHT / 4.0 * f64::from(quarter);
        let _ = write!(shapes, r#"<path class="grid" d="M0 {y}H{COLUMNS}"/>"#);
    }
    for (at, column) in columns.iter().enumerate() {
        let mut base = HEIGHT;
        for (count, class) in column.iter().zip(["down", "degraded"]) {
            if *count > 0 {
                let tall = height(*count);
                base -= tall;
                let _ = write!(
                    shapes,
                    r#"<rect class="{class}" x="{at}" y="{base:.2}" width="1.02" height="{tall:.2}"/>"#
                );
            }
        }
    }
    picture(COLUMNS, &shapes, "course")
}

/// The most sites that were interrupted or bad at once.
pub(super) fn peak(report: &Report) -> usize {
    let troubled = |moment: &super::Moment| moment.down + moment.degraded;
    report.course.iter().map(troubled).max().unwrap_or_default()
}

/// What one site went through.
pub(super) fn strip(report: &Report, course: &[Segment]) -> Markup {
    let whole = between(report.start, report.until).as_secs_f64().max(1e-3);
    let mut shapes = String::new();
    for segment in course {
        let x = between(report.start, segment.from).as_secs_f64() / whole * 1000.0;
        // What is too short to be seen is drawn just wide enough.
        let least = if matches!(segment.state, State::Up | State::Absent) { 0.0 } else { 4.0 };
        let wide = (between(segment.from, segment.until).as_secs_f64() / whole * 1000.0).max(least);
        let x = x.min(1000.0 - least);
        let (y, tall) = match segment.state {
            State::Up => (70, 30),
            State::Degraded => (35, 65),
            State::Down => (0, 100),
            State::Unseen | State::Unwatched | State::Planned => (55, 45),
            State::Absent => (96, 4),
        };
        let class = segment.state.word();
        let _ = write!(
            shapes,
            r#"<rect class="{class}" x="{x:.1}" y="{y}" width="{wide:.1}" height="{tall}"/>"#
        );
    }
    picture(1000, &shapes, "strip")
}

/// What a group went through: in each column the share of its sites' time in trouble.
pub(super) fn group(report: &Report, group: &Group) -> Markup {
    let scale = Scale::of(report, SMALL);
    let mut columns = [[0.0f64; 3]; SMALL];
    for site in group.sites.iter().filter_map(|at| report.sites.get(*at)) {
        for segment in &site.course {
            let which = match segment.state {
                State::Down => 0,
                State::Degraded => 1,
                State::Unseen | State::Unwatched => 2,
                State::Up | State::Planned | State::Absent => continue,
            };
            for column in scale.columns(segment.from, segment.until) {
                columns[column][which] += scale.share(column, segment.from, segment.until);
            }
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of sites")]
    let sites = group.sites.len().max(1) as f64;
    let mut shapes = format!(r#"<rect class="up" x="0" y="97" width="{SMALL}" height="3"/>"#);
    for (at, column) in columns.iter().enumerate() {
        let mut base = 97.0f64;
        let [down, degraded, unseen] = *column;
        if unseen / sites > 0.25 {
            let _ =
                write!(shapes, r#"<rect class="veil" x="{at}" y="0" width="1.05" height="97"/>"#);
        }
        for (sum, class) in [down, degraded].iter().zip(["down", "degraded"]) {
            if *sum > 0.0 {
                // One site in twenty for a moment is little, but it is not nothing.
                let tall = (sum / sites * 97.0).clamp(8.0, base.max(8.0));
                base -= tall;
                let _ = write!(
                    shapes,
                    r#"<rect class="{class}" x="{at}" y="{base:.1}" width="1.05" height="{tall:.1}"/>"#
                );
            }
        }
    }
    picture(SMALL, &shapes, "small")
}

/// The hours below a picture.
pub(super) fn axis(report: &Report, words: Words<'_>) -> Markup {
    let whole = between(report.start, report.until);
    let minutes = whole.as_secs().div_ceil(60).max(1);
    let step = MARKS.iter().find(|step| minutes / **step <= MOST_MARKS).unwrap_or(&1440);
    let step = Duration::from_secs(step * 60);
    let begin = words.local(report.start);
    let into_step = Duration::from_secs(
        u64::from(begin.time().hour().unsigned_abs()) * 3600
            + u64::from(begin.time().minute().unsigned_abs()) * 60
            + u64::from(begin.time().second().unsigned_abs()),
    );
    let first = Duration::from_nanos(
        u64::try_from(
            into_step.as_nanos().next_multiple_of(step.as_nanos()) - into_step.as_nanos(),
        )
        .unwrap_or_default(),
    );
    let marks = std::iter::successors(Some(first), |at| Some(*at + step))
        .take_while(|at| *at <= whole)
        .filter_map(|at| {
            let moment = report.start.checked_add(at).ok()?;
            Some((at.as_secs_f64() / whole.as_secs_f64().max(1e-3) * 100.0, words.hour(moment)))
        });
    html! {
        div.axis aria-hidden="true" {
            @for (left, hour) in marks {
                @let edge = if left < 3.0 { "first" } else if left > 97.0 { "last" } else { "" };
                span class=(edge) style=(format!("left:{left:.2}%")) { (hour) }
            }
        }
    }
}

/// A picture so many units wide.
fn picture(width: usize, shapes: &str, class: &str) -> Markup {
    PreEscaped(format!(
        r#"<svg class="{class}" viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{shapes}</svg>"#
    ))
}

/// Time laid out in columns.
struct Scale {
    start: Timestamp,
    column: Duration,
    count: usize,
}

impl Scale {
    fn of(report: &Report, count: usize) -> Self {
        let divisor = u32::try_from(count).unwrap_or(1).max(1);
        let column = (between(report.start, report.until) / divisor).max(Duration::from_millis(1));
        Self { start: report.start, column, count }
    }

    /// The columns that a stretch of time touches.
    fn columns(&self, from: Timestamp, until: Timestamp) -> std::ops::Range<usize> {
        let at = |time: Duration| {
            let at = time.as_nanos() / self.column.as_nanos().max(1);
            usize::try_from(at).unwrap_or(usize::MAX)
        };
        let first = at(between(self.start, from)).min(self.count - 1);
        let last = at(between(self.start, until).saturating_sub(Duration::from_nanos(1)));
        if from >= until { 0..0 } else { first..(last + 1).min(self.count) }
    }

    /// Which share of a column a stretch of time fills.
    fn share(&self, column: usize, from: Timestamp, until: Timestamp) -> f64 {
        let nth = u32::try_from(column).unwrap_or_default();
        let (left, right) = (self.column * nth, self.column * (nth + 1));
        let from = between(self.start, from).max(left);
        let until = between(self.start, until).min(right);
        until.saturating_sub(from).as_secs_f64() / self.column.as_secs_f64()
    }
}
