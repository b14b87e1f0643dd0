//! A run as `JUnit` XML, for whatever collects test reports: a test case for each site.
//!
//! What is not ready is a failure, what cannot be told an error; what is at risk passes and says so
//! in its output.

use std::fmt::Write as _;

use super::words::{self, Pen};
use super::{Sheet, Summary};
use crate::model::{ReadinessRun, Verdict};

/// Writes a run as `JUnit` XML.
#[must_use]
pub fn junit(run: &ReadinessRun, sheet: &Sheet<'_>) -> String {
    let pen = Pen { language: sheet.language, time_zone: sheet.time_zone.clone() };
    let summary = Summary::of(run);
    let took = run.finished.duration_since(run.began).as_secs_f64().max(0.0);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"{took:.3}\"",
        run.sites.len(),
        run.count(Verdict::NotReady),
        run.count(Verdict::CannotTell)
    );
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<testsuites {counts}>");
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" timestamp=\"{}\" {counts}>",
        escape(run.session.as_str()),
        run.began.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    for site in &run.sites {
        let _ = write!(
            out,
            "    <testcase classname=\"{}\" name=\"{}\"",
            escape(site.site.as_str()),
            escape(&site.name)
        );
        if site.findings.is_empty() {
            out += "/>\n";
            continue;
        }
        let heading = summary
            .groups
            .iter()
            .find(|group| group.sites.iter().any(|other| other.site == site.site))
            .map(|group| words::heading(group, sheet.language))
            .unwrap_or_default();
        let mut lines: Vec<String> = pen.findings(site);
        if let Some(main) = site.main() {
            lines.push(words::action(main.found.kind(), sheet.language).to_owned());
        }
        lines.push(pen.contact(site));
        let (tag, kind) = match site.verdict {
            Verdict::NotReady => ("failure", true),
            Verdict::CannotTell => ("error", true),
            Verdict::AtRisk | Verdict::Ready => ("system-out", false),
        };
        let attributes = if kind {
            format!(" type=\"{}\" message=\"{}\"", site.verdict.word(), escape(&heading))
        } else {
            String::new()
        };
        let body = if kind { lines.join("\n") } else { format!("{heading}\n{}", lines.join("\n")) };
        let _ = writeln!(out, ">\n      <{tag}{attributes}>{}</{tag}>", escape(&body));
        out += "    </testcase>\n";
    }
    out += "  </testsuite>\n</testsuites>\n";
    out
}

/// A text within XML or HTML, without the control characters that XML does not take.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
