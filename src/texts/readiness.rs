//! What a readiness run says in a message: the figures first, then who is not ready, by cause, with
//! whom to phone and what to try.

use std::fmt::Write as _;

use super::{Message, Style};
use crate::model::{Alert, Language, ReadinessNotice, Verdict};
use crate::readiness::words::{self, Pen};
use crate::readiness::{Group, Summary};

/// Sites that are named with whom to phone; of the others there is a count.
const NAMED: usize = 20;

/// Writes the message.
pub(super) fn message(alert: &Alert, notice: &ReadinessNotice, style: &Style) -> Message {
    let language = style.language;
    let pen = Pen { language, time_zone: style.time_zone.clone() };
    let summary = Summary::of(&notice.run);
    Message {
        summary: line(alert, notice, style),
        description: description(notice, &summary, &pen),
        action: action(notice, &summary, language),
        contact: summary
            .groups
            .first()
            .and_then(|group| group.sites.first())
            .map_or_else(String::new, |it| pen.contact(it)),
        // There is nothing to take on: it is mended or it is found again.
        link: None,
    }
}

/// The first line: "[CHƯA SẴN SÀNG] 196/204 sẵn sàng kết nối: 5 chưa sẵn sàng · Giao ban 08:00".
pub(super) fn line(alert: &Alert, notice: &ReadinessNotice, style: &Style) -> String {
    let language = style.language;
    let pen = Pen { language, time_zone: style.time_zone.clone() };
    let [_, at_risk, cannot_tell, not_ready] = notice.counts;
    let grade = match () {
        () if not_ready > 0 => language.pick("CHƯA SẴN SÀNG", "NOT READY"),
        () if cannot_tell > 0 => language.pick("CHƯA XÁC ĐỊNH", "CANNOT TELL"),
        () if at_risk > 0 => language.pick("CÓ NGUY CƠ", "AT RISK"),
        () => language.pick("SẴN SÀNG", "READY"),
    };
    let title = alert.session_title.as_deref().unwrap_or(notice.run.session.as_str());
    format!(
        "[{grade}] {} · {title}, {}",
        words::figures(notice.counts, language),
        pen.moment(notice.run.start)
    )
}

fn description(notice: &ReadinessNotice, summary: &Summary<'_>, pen: &Pen) -> String {
    let language = pen.language;
    let run = &notice.run;
    let mut text = match language {
        Language::Vi => format!(
            "Kiểm tra lúc {} ({} trước giờ họp).\n",
            pen.moment(run.finished),
            pen.until(run.finished, run.start)
        ),
        Language::En => format!(
            "Checked at {} (the session is {}).\n",
            pen.moment(run.finished),
            pen.until(run.finished, run.start)
        ),
    };
    let mut room = NAMED;
    for verdict in [Verdict::NotReady, Verdict::CannotTell, Verdict::AtRisk] {
        for group in summary.with(verdict) {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "\n{}: {} ({})",
                words::verdict(verdict, language),
                words::heading(group, language),
                group.sites.len()
            );
            let _ = writeln!(text, "→ {}", words::action(group.kind, language));
            let shown = named(group, &mut room);
            for site in group.sites.iter().take(shown) {
                let main = pen.main(site);
                let _ = writeln!(text, "• {}: {main} · {}", site.name, pen.contact(site));
            }
            let left = group.sites.len() - shown;
            if left > 0 {
                let _ = match language {
                    Language::Vi => writeln!(text, "• và {left} điểm cầu khác"),
                    Language::En => writeln!(text, "• and {left} more sites"),
                };
            }
        }
    }
    text.push('\n');
    text.push_str(words::reservation(language));
    text
}

/// How many sites of a group are named: as many as there is room for, and always one.
fn named(group: &Group<'_>, room: &mut usize) -> usize {
    let all = group.sites.len();
    // Leaving out one or two would save nothing and cost the reader a question.
    let shown = if all <= *room + 2 { all } else { (*room).max(1) };
    *room = room.saturating_sub(shown);
    shown
}

fn action(notice: &ReadinessNotice, summary: &Summary<'_>, language: Language) -> String {
    let session = &notice.run.session;
    if summary.groups.is_empty() {
        let done = language.pick(
            "gọi thử để xác nhận hình và tiếng",
            "make a trial call to confirm picture and sound",
        );
        return done.to_owned();
    }
    match language {
        Language::Vi => format!(
            "gọi các điểm cầu trên, xử lý rồi kiểm tra lại: vchealth ready {session} --again"
        ),
        Language::En => format!(
            "phone the sites above, mend what is wrong, look again: vchealth ready {session} --again"
        ),
    }
}
