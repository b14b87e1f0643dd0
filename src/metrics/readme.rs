//! The README's section about metrics, made from the table.

use std::fmt::Write as _;

use super::table::{self, GROUPS, Metric, Per};

/// The line before the section in the README.
pub const BEGIN: &str = "<!-- metrics:begin -->";
/// The line after it.
pub const END: &str = "<!-- metrics:end -->";

/// The README's section about metrics in Markdown, without the markers around it.
#[must_use]
pub fn readme() -> String {
    let mut out = String::new();
    let most = |per| series_per(per, &|_| true);
    let typical = typical_series();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "Base units throughout; `parent` is empty at the top. Join `vchealth_site_info` by `site` \
         for names: `vchealth_target_up == 0` becomes readable with `* on (site) group_left (name) \
         vchealth_site_info`. At most {} series for a site, {} for each of its endpoints and {} \
         for each target: {typical} for a site with a router (ping) and a codec (ping, SIP, H.323, \
         web over TLS). Only what is present has series.",
        most(Per::Site),
        most(Per::Endpoint),
        most(Per::Target),
    );
    for (heading, metrics) in GROUPS {
        let _ = writeln!(out, "\n**{heading}**\n");
        out.push_str("| metric | type | unit | labels | series | meaning |\n");
        out.push_str("|---|---|---|---|---|---|\n");
        for metric in *metrics {
            row(&mut out, metric);
        }
    }
    out
}

fn row(out: &mut String, metric: &Metric) {
    let Metric { name, kind, unit, labels, series, help } = metric;
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    let (kind, unit, labels) = (kind.word(), unit.word(), labels.join(" "));
    let help = help.trim_end_matches('.').replace('|', "\\|");
    let count = match (series.per, series.most) {
        (Per::Daemon, most) => most.to_string(),
        (per, most) => format!("{most} per {}", per.word()),
    };
    let _ = writeln!(out, "| `{name}` | {kind} | {unit} | {labels} | {count} | {help} |");
}

/// Series for one of `per` at most, over the metrics that `counts` admits.
fn series_per(per: Per, counts: &dyn Fn(&Metric) -> bool) -> u32 {
    table::all()
        .filter(|metric| metric.series.per == per && counts(metric))
        .map(|metric| u32::from(metric.series.most))
        .sum()
}

/// Series of a site with a router under ping and a codec under ping, SIP, H.323 and web over TLS,
/// all well and in a session: what a planner of storage reckons with.
fn typical_series() -> u32 {
    let packets = [table::PACKETS_SENT.name, table::PACKETS_LOST.name];
    let sparse = [table::SITE_MAINTENANCE.name, table::SITE_SILENCED.name];
    let of_responses =
        [table::STATUS_CODE.name, table::CERTIFICATE_NOT_AFTER.name, table::CLOCK_OFFSET.name];
    let site = series_per(Per::Site, &|metric| !sparse.contains(&metric.name));
    let endpoint = series_per(Per::Endpoint, &|_| true);
    let special = |metric: &Metric| {
        packets.contains(&metric.name)
            || of_responses.contains(&metric.name)
            || metric.name == table::REPLY_DSCP.name
            || metric.name == table::REPLY_HOPS.name
    };
    // Local failures are a third result that a healthy machine never has, and a healthy path leaves
    // code points as they are.
    let target = series_per(Per::Target, &|metric| !special(metric)) - 1;
    // Two echo targets count packets and hops; SIP and web have a status and a clock, web a
    // certificate.
    site + 2 * endpoint + 5 * target + 2 * 3 + 2 * 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_holds_what_the_table_says() {
        let text = readme();
        assert!(text.contains(
            "| `vchealth_site_health` | gauge |  | `site` `level` `parent` `health` | 4 per site |"
        ));
        let rows = text.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, table::all().count());
    }

    #[test]
    fn no_cell_breaks_its_row() {
        for line in readme().lines().filter(|line| line.starts_with('|')) {
            let columns = line.replace("\\|", "").matches('|').count();
            assert_eq!(columns, 7, "{line}");
        }
    }
}
