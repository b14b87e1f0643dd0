//! A run for a terminal: the figures first, then what is wrong, worst first, by cause.

use std::fmt::Write as _;

use super::words::{self, Pen};
use super::{Sheet, Summary};
use crate::model::{Confirmation, Language, ReadinessRun, Verdict};

/// Writes a run for a terminal.
#[must_use]
pub fn text(run: &ReadinessRun, sheet: &Sheet<'_>) -> String {
    let language = sheet.language;
    let pen = Pen { language, time_zone: sheet.time_zone.clone() };
    let summary = Summary::of(run);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", words::summary(run, language));
    let _ = writeln!(
        out,
        "{} ({}) · {} · {}",
        run.title,
        run.session,
        pen.moment(run.start),
        pen.until(sheet.now, run.start)
    );
    for verdict in [Verdict::NotReady, Verdict::CannotTell, Verdict::AtRisk] {
        if run.count(verdict) == 0 {
            continue;
        }
        let name = words::verdict(verdict, language).to_uppercase();
        let _ = writeln!(out, "\n{name} ({})", run.count(verdict));
        for group in summary.with(verdict) {
            let _ =
                writeln!(out, "\n  {} ({})", words::heading(group, language), group.sites.len());
            let _ = writeln!(
                out,
                "    {}: {}",
                language.pick("Khả năng", "Likely"),
                words::likely(group.kind, language)
            );
            let _ = writeln!(
                out,
                "    {}: {}",
                language.pick("Việc cần làm", "Try"),
                words::action(group.kind, language)
            );
            for site in &group.sites {
                let delegates = delegates(site.delegates, language);
                let _ = writeln!(
                    out,
                    "    • {} ({}){delegates} · {}",
                    site.name,
                    site.site,
                    pen.contact(site)
                );
                for found in pen.findings(site) {
                    let _ = writeln!(out, "        {found}");
                }
            }
        }
    }
    if let Some(off) = run.own_clock_off_s {
        let _ = writeln!(out, "\n{}", own_clock(off, language));
    }
    let _ = writeln!(out, "\n{}", confirmed(run, sheet.confirmed, language));
    let _ = writeln!(out, "{}", words::reservation(language));
    out
}

/// ", 22 delegates", or nothing.
fn delegates(n: u32, language: Language) -> String {
    match (n, language) {
        (0, _) => String::new(),
        (n, Language::Vi) => format!(", {n} đại biểu"),
        (1, Language::En) => ", 1 delegate".to_owned(),
        (n, Language::En) => format!(", {n} delegates"),
    }
}

/// That our own clock seems to be wrong.
pub(super) fn own_clock(off_s: i64, language: Language) -> String {
    match language {
        Language::Vi => format!(
            "Đồng hồ máy giám sát có vẻ lệch {off_s} giây: hầu hết thiết bị báo giờ khác. Chưa kết luận về đồng hồ thiết bị."
        ),
        Language::En => format!(
            "Our own clock seems to be off by {off_s} s: most devices disagree. Nothing is said of theirs."
        ),
    }
}

/// How far people are with looking and listening.
pub(super) fn confirmed(
    run: &ReadinessRun,
    confirmed: &[Confirmation],
    language: Language,
) -> String {
    let all = run.sites.len();
    let whole = confirmed
        .iter()
        .filter(|it| it.picture && it.sound && run.sites.iter().any(|site| site.site == it.site));
    let whole = whole.count();
    match language {
        Language::Vi => format!("Đã xác nhận hình và tiếng: {whole}/{all} điểm cầu"),
        Language::En => format!("Picture and sound confirmed: {whole} of {all} sites"),
    }
}
