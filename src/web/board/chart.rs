//! Charts of a target over time as pictures inside the page: sharp on paper, and no script draws
//! them. Each shows the median as a line within the range from the smallest to the largest value
//! of every moment, so that a spike of a minute is seen in a chart of a week. One line in one
//! colour: nothing is told by colour alone. A table says the same in figures.

use std::fmt::Write as _;

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};

use crate::report::series::{Point, Span};

use super::pen::Pen;

/// Width and height of a chart in its own units.
const SIZE: (f64, f64) = (600.0, 110.0);

/// The time that charts show, in parts of `step` seconds.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) step: u64,
}

/// What a chart is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Figure {
    Rtt,
    Loss,
    Jitter,
    Mos,
}

/// What was measured in one part: the smallest, middle and largest value.
type Values = [f64; 3];

/// The charts of one target, and the same as a table. Figures of which nothing was measured have
/// none: only echoes tell loss, jitter and MOS.
pub(super) fn charts(pen: &Pen<'_>, points: &[Point], stretch: Stretch) -> Markup {
    let figures: Vec<Figure> =
        Figure::ALL.into_iter().filter(|it| points.iter().any(|at| it.of(at).is_some())).collect();
    html! {
        @if figures.is_empty() {
            p.dim { (pen.pick("Không có lần trả lời nào trong khoảng này.", "Nothing answered in this time.")) }
        }
        div.charts { @for figure in &figures { (chart(pen, *figure, points, stretch)) } }
        @if !figures.is_empty() {
            details {
                summary { (pen.pick("Số liệu dạng bảng", "The same as a table")) }
                (table(pen, &figures, points))
            }
        }
    }
}

fn chart(pen: &Pen<'_>, figure: Figure, points: &[Point], stretch: Stretch) -> Markup {
    let spans: Vec<(Timestamp, Values)> =
        points.iter().filter_map(|point| Some((point.at, figure.of(point)?))).collect();
    let worst = spans.iter().map(|(_, it)| if figure.falls() { it[0] } else { it[2] });
    let worst = if figure.falls() {
        worst.fold(f64::INFINITY, f64::min)
    } else {
        worst.fold(0.0, f64::max)
    };
    let (low, high) = figure.range(worst);
    let (unit, digits) = figure.unit();
    let value = |value: f64| format!("{} {unit}", pen.number(value, digits)).trim_end().to_owned();
    let name = figure.name(pen);
    let said = spans.last().map_or_else(String::new, |(_, [_, last, _])| {
        let extreme = if figure.falls() {
            pen.pick("thấp nhất", "lowest")
        } else {
            pen.pick("cao nhất", "highest")
        };
        let last_word = pen.pick("gần nhất", "last");
        format!("{last_word} {}, {extreme} {}", value(*last), value(worst))
    });
    let drawing = drawing(&spans, (low, high), stretch);
    let (width, height) = SIZE;
    html! {
        figure.chart {
            figcaption { b { (name) } " " span.dim { (said) } }
            svg viewBox={ "0 0 " (width) " " (height) } preserveAspectRatio="none" role="img"
                aria-label={ (name) ": " (said) } {
                title { (name) ": " (said) }
                (PreEscaped(drawing))
            }
            div.scale aria-hidden="true" { span { (value(high)) } span { (value(low)) } }
            div.axis aria-hidden="true" { span { (pen.moment(stretch.from)) } span { (pen.moment(stretch.until)) } }
        }
    }
}

/// The shapes of a chart: numbers only, so there is nothing to escape.
fn drawing(spans: &[(Timestamp, Values)], (low, high): (f64, f64), stretch: Stretch) -> String {
    let whole = stretch.until.duration_since(stretch.from).as_secs_f64().max(1.0);
    let (width, height) = SIZE;
    let x = |at: Timestamp| at.duration_since(stretch.from).as_secs_f64() / whole * width;
    let y = |value: f64| height - (value.clamp(low, high) - low) / (high - low) * height;
    #[allow(clippy::cast_precision_loss, reason = "seconds of a part are few")]
    let wide = stretch.step as f64 / whole * width;
    let mut shapes = format!(r#"<path class="middle-line" d="M0 {0}H{width}"/>"#, height / 2.0);
    let mut line = String::new();
    let mut before: Option<f64> = None;
    for (at, [least, middle, most]) in spans {
        let left = x(*at);
        let here = wide.min(width - left).max(1.0);
        let (top, bottom) = (y(*most), y(*least));
        let tall = (bottom - top).max(1.0);
        let _ = write!(
            shapes,
            r#"<rect class="range" x="{left:.1}" y="{top:.1}" width="{here:.1}" height="{tall:.1}"/>"#
        );
        // Where nothing was measured there is no line.
        let joined = before.is_some_and(|last| left - last < wide * 1.5);
        let turn = if joined { 'L' } else { 'M' };
        let _ = write!(line, "{turn}{left:.1} {:.1}h{here:.1}", y(*middle));
        before = Some(left);
    }
    let _ = write!(shapes, r#"<path class="median" d="{line}"/>"#);
    shapes
}

fn table(pen: &Pen<'_>, figures: &[Figure], points: &[Point]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(pen.pick("Số liệu dạng bảng", "The same as a table")) {
            table {
                thead { tr {
                    th { (pen.pick("Từ lúc", "From")) }
                    th.n { (pen.pick("Lỗi / số lần", "Failed of")) }
                    @for figure in figures { th.n { (figure.name(pen)) } }
                } }
                tbody { @for point in points { tr {
                    th scope="row" { (pen.moment(point.at)) }
                    td.n { (point.failed) " / " (point.probes) }
                    @for figure in figures { td.n { @match figure.of(point) {
                        Some(values) => (figure.written(pen, values)),
                        None => "–",
                    } } }
                } } }
            }
        }
    }
}

impl Figure {
    const ALL: [Self; 4] = [Self::Rtt, Self::Loss, Self::Jitter, Self::Mos];

    fn name(self, pen: &Pen<'_>) -> &'static str {
        match self {
            Self::Rtt => pen.words.pick("Độ trễ khứ hồi", "Round trip"),
            Self::Loss => pen.words.pick("Mất gói", "Loss"),
            Self::Jitter => pen.words.pick("Biến động trễ", "Jitter"),
            Self::Mos => "MOS",
        }
    }

    /// The unit, and digits behind the point.
    const fn unit(self) -> (&'static str, usize) {
        match self {
            Self::Rtt | Self::Jitter => ("ms", 1),
            Self::Loss => ("%", 1),
            Self::Mos => ("", 2),
        }
    }

    /// Whether small values are bad.
    const fn falls(self) -> bool {
        matches!(self, Self::Mos)
    }

    /// What the chart spans, so that a good path looks calm and a bad one does not leave it.
    fn range(self, worst: f64) -> (f64, f64) {
        match self {
            Self::Rtt => (0.0, worst.max(50.0)),
            Self::Loss => (0.0, worst.max(5.0)),
            Self::Jitter => (0.0, worst.max(30.0)),
            // The scale of ITU-T P.800, of which the E-model reaches 4.5.
            Self::Mos => (1.0, 4.5),
        }
    }

    fn of(self, point: &Point) -> Option<Values> {
        let span = |span: Span, unit: f64| {
            [span.min, span.median, span.max].map(|value| f64::from(value) / unit)
        };
        match self {
            Self::Rtt => point.rtt_us.map(|it| span(it, 1e3)),
            Self::Loss => point.loss().map(|loss| [0.0, loss * 100.0, loss * 100.0]),
            Self::Jitter => point.jitter_us.map(|it| span(it, 1e3)),
            Self::Mos => point.mos.map(|it| span(it, 100.0)),
        }
    }

    /// The median, with smallest and largest where they differ.
    fn written(self, pen: &Pen<'_>, [least, middle, most]: Values) -> String {
        let (unit, digits) = self.unit();
        let number = |value| pen.number(value, digits);
        let (middle, ends) = (number(middle), (number(least), number(most)));
        let text = if self == Self::Loss || ends.0 == ends.1 {
            format!("{middle} {unit}")
        } else {
            format!("{middle} ({}–{}) {unit}", ends.0, ends.1)
        };
        text.trim_end().to_owned()
    }
}
