//! A run as one page of HTML to print or to mail: no script, nothing fetched, every site a line of
//! the checklist.

use std::fmt::Write as _;

use super::junit::escape;
use super::text::{confirmed, own_clock};
use super::words::{self, Pen};
use super::{Sheet, Summary};
use crate::model::{Confirmation, Contact, Language, ReadinessRun, SiteReadiness, Verdict};

const STYLE: &str = include_str!("style.css");

/// Writes a run as a page.
#[must_use]
pub fn html(run: &ReadinessRun, sheet: &Sheet<'_>) -> String {
    let language = sheet.language;
    let pen = Pen { language, time_zone: sheet.time_zone.clone() };
    let summary = Summary::of(run);
    let line = words::summary(run, language);
    let mut out = String::new();
    let lang = language.word();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style></head>\n<body>",
        escape(&format!("{line} · {}", run.title))
    );
    let _ = writeln!(out, "<header><h1>{}</h1>", escape(&line));
    let _ = writeln!(
        out,
        "<p><b>{}</b> ({})<br>{} · {}</p>",
        escape(&run.title),
        escape(run.session.as_str()),
        pen.moment(run.start),
        language.pick("kiểm tra lúc", "checked at").to_owned() + " " + &pen.moment(run.finished)
    );
    let _ = writeln!(out, "<p class=\"note\">{}</p>", words::reservation(language));
    if let Some(off) = run.own_clock_off_s {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(&own_clock(off, language)));
    }
    out += "</header>\n";
    for verdict in [Verdict::NotReady, Verdict::CannotTell, Verdict::AtRisk] {
        if run.count(verdict) == 0 {
            continue;
        }
        let _ = writeln!(
            out,
            "<h2 class=\"{}\">{} ({})</h2>",
            verdict.word(),
            words::verdict(verdict, language),
            run.count(verdict)
        );
        for group in summary.with(verdict) {
            let _ = writeln!(
                out,
                "<section><h3>{} ({})</h3>\n<p>{}: {}.<br>{}: {}.</p>\n<table>",
                escape(&words::heading(group, language)),
                group.sites.len(),
                language.pick("Khả năng", "Likely"),
                words::likely(group.kind, language),
                language.pick("Việc cần làm", "Try"),
                words::action(group.kind, language),
            );
            for site in &group.sites {
                let found: Vec<String> = pen.findings(site).iter().map(|it| escape(it)).collect();
                let _ = writeln!(
                    out,
                    "<tr><th>{}</th><td>{}</td><td class=\"who\">{}</td></tr>",
                    escape(&site.name),
                    found.join("<br>"),
                    who(site, &pen)
                );
            }
            out += "</table></section>\n";
        }
    }
    checklist(run, sheet, &pen, &mut out);
    out += "</body></html>\n";
    out
}

/// Whom to phone, the first two that can be: a tap on a phone calls, and no line breaks within a
/// number.
fn who(site: &SiteReadiness, pen: &Pen) -> String {
    let call = |contact: &Contact| {
        let digits: String =
            contact.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        let phone = escape(&contact.phone);
        format!("{}: <a href=\"tel:{digits}\">{phone}</a>", escape(&contact.name))
    };
    let phones = site.contacts.iter().filter(|contact| !contact.phone.is_empty());
    let calls: Vec<String> = phones.take(2).map(call).collect();
    if calls.is_empty() { escape(&pen.contact(site)) } else { calls.join("<br>") }
}

/// Every site with what was measured and whether people saw and heard it.
fn checklist(run: &ReadinessRun, sheet: &Sheet<'_>, pen: &Pen, out: &mut String) {
    let language = sheet.language;
    let head = match language {
        Language::Vi => ["Điểm cầu", "Đại biểu", "Kết nối", "Số đo", "Hình", "Tiếng", "Xác nhận"],
        Language::En => {
            ["Site", "Delegates", "Connection", "Measured", "Picture", "Sound", "Confirmed"]
        }
    };
    let _ = writeln!(
        out,
        "<h2>{}</h2>\n<p>{}</p>\n<table class=\"list\"><thead><tr><th>{}</th></tr></thead><tbody>",
        language.pick("Danh sách kiểm tra", "Checklist"),
        confirmed(run, sheet.confirmed, language),
        head.join("</th><th>")
    );
    for site in &run.sites {
        let said = sheet.confirmed.iter().rev().find(|it| it.site == site.site);
        let mark = |seen: fn(&Confirmation) -> bool| match said.map(seen) {
            Some(true) => "✔",
            Some(false) => "✘",
            None => "☐",
        };
        let who = said.map_or_else(String::new, |it| {
            let note = if it.note.is_empty() { String::new() } else { format!(" ({})", it.note) };
            format!("{}, {}{note}", it.by, pen.moment(it.at))
        });
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"{}\">{}</td><td>{}</td>\
             <td class=\"m\">{}</td><td class=\"m\">{}</td><td>{}</td></tr>",
            escape(&site.name),
            site.delegates,
            site.verdict.word(),
            words::verdict(site.verdict, language),
            escape(&measured(site, pen)),
            mark(|it| it.picture),
            mark(|it| it.sound),
            escape(&who)
        );
    }
    out.push_str("</tbody></table>\n");
}

fn measured(site: &SiteReadiness, pen: &Pen) -> String {
    let train = site.train.map(|train| pen.train(&train));
    let mtu = site.mtu.map(|mtu| format!("MTU {mtu}"));
    train.into_iter().chain(mtu).collect::<Vec<_>>().join(" · ")
}
