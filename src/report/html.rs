//! The report as one page: for the desk of whoever asked for it, on A4, and for a phone.
//!
//! The first half page has to be enough: who, when, one paragraph, six figures. What follows is for
//! those who ask why. Nothing is fetched from elsewhere and nothing runs, so that the file can be
//! mailed and opened anywhere, years later.

mod rest;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words::Words;
use super::{IncidentReport, Outage, Report, SiteReport, Style, chart};
use crate::model::{Cause, ReportFormat, SiteId, encoded};
use crate::texts;

/// Affected sites that an incident names.
const NAMED: usize = 8;

/// Writes the page. With `ways` it stands among the pages of the web server and leads back to them;
/// as a file it leads nowhere.
pub(super) fn page(report: &Report, style: &Style, ways: bool) -> String {
    Page { report, style, words: Words::of(style), ways }.whole().into_string()
}

struct Page<'a> {
    report: &'a Report,
    style: &'a Style,
    words: Words<'a>,
    ways: bool,
}

impl Page<'_> {
    fn whole(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        html! {
            (DOCTYPE)
            html lang=(words.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    title { (self.kicker()) " – " (report.title) }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(include_str!("style.css"))) }
                }
                body {
                    @if self.ways { (self.ways()) }
                    (self.heading())
                    main {
                        (self.figures())
                        (self.course())
                        (self.trouble())
                        (self.incidents())
                        (self.groups())
                        (self.earlier())
                        (self.exclusions())
                        (self.method())
                        (self.appendix())
                    }
                }
            }
        }
    }

    fn ways(&self) -> Markup {
        let (words, id) = (self.words, encoded(self.report.id.as_str()));
        html! {
            nav.ways aria-label=(words.pick("Đường dẫn", "Path")) {
                a href="/" { (words.pick("Bảng theo dõi", "Board")) }
                " › " a href="/sessions" { (words.pick("Lịch và báo cáo", "Sessions")) }
                @for form in [ReportFormat::Xlsx, ReportFormat::Csv] {
                    " · " a href={ "/sessions/" (id) "/report?format=" (form.word()) } {
                        (form.word().to_uppercase())
                    }
                }
            }
        }
    }

    fn kicker(&self) -> &'static str {
        self.words.pick("Báo cáo chất lượng kết nối phiên họp", "Report on a session's connections")
    }

    fn heading(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        html! {
            header {
                p.kicker { (self.kicker()) }
                h1 { (report.title) }
                p.when {
                    (words.span(report.start, report.end)) " · "
                    (words.site_count(report.totals.sites))
                    @if report.totals.delegates > 0 {
                        " · " (words.count(report.totals.delegates)) " "
                        (words.pick("đại biểu", "delegates"))
                    }
                    @if let Some(importance) = words.importance(report.importance) {
                        " · " (importance)
                    }
                }
                @if report.until < report.end {
                    p.unfinished {
                        (words.pick("Phiên họp đang diễn ra; số liệu đến", "The session is still on; figures up to"))
                        " " (words.hour(report.until)) "."
                    }
                }
                p.summary { (words.summary(report)) }
            }
        }
    }

    fn figures(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        let totals = &report.totals;
        let longest = self.longest();
        let share = totals.availability();
        html! {
            ul.figures {
                li.bad[totals.well < totals.sites] {
                    b { (totals.well) small { "/" (totals.sites) } }
                    span { (words.pick("điểm cầu kết nối tốt suốt phiên", "sites connected well throughout")) }
                }
                li {
                    b { (share.map_or_else(|| "–".to_owned(), |share| words.availability(share))) }
                    span { (words.pick("mức sẵn sàng chung", "availability over all sites")) }
                }
                li.bad[!totals.lost.is_zero()] {
                    b { (words.lasting(totals.lost)) }
                    span { (words.pick("tổng thời gian gián đoạn của các điểm cầu", "lost, summed over sites")) }
                }
                li {
                    b { (longest.map_or_else(|| "–".to_owned(), |(_, outage)| words.lasting(outage.lasted()))) }
                    span { (words.pick("lần gián đoạn dài nhất", "longest interruption")) }
                }
                li {
                    b { (report.incidents.len()) }
                    span { (words.pick("sự cố", if report.incidents.len() == 1 { "incident" } else { "incidents" })) }
                }
                li {
                    b { (words.count(totals.delegates_interrupted)) small { "/" (words.count(totals.delegates)) } }
                    span { (words.pick("đại biểu ở điểm cầu bị gián đoạn", "delegates at interrupted sites")) }
                }
            }
        }
    }

    fn longest(&self) -> Option<(&SiteReport, Outage)> {
        let outages = self
            .report
            .sites
            .iter()
            .flat_map(|site| site.outages.iter().map(move |outage| (site, *outage)));
        outages.max_by_key(|(_, outage)| outage.lasted())
    }

    fn course(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        let peak = chart::peak(report);
        html! {
            section.keep {
                h2 { (words.pick("Diễn biến trong phiên", "Course of the session")) }
                @if peak == 0 {
                    p { (words.pick("Không lúc nào có điểm cầu bị gián đoạn hay kết nối kém.", "No site was interrupted or bad at any moment.")) }
                } @else {
                    p.note {
                        (words.pick("Số điểm cầu bị gián đoạn hoặc kết nối kém tại từng thời điểm; nhiều nhất cùng lúc:", "Sites that were interrupted or bad at each moment; most at once:"))
                        " " b { (peak) } "."
                    }
                    (chart::course(report))
                    (chart::axis(report, words))
                    (self.legend())
                }
            }
        }
    }

    fn legend(&self) -> Markup {
        let words = self.words;
        html! {
            p.legend {
                span.key.down { (words.pick("gián đoạn", "interrupted")) }
                span.key.degraded { (words.pick("chất lượng kém", "bad quality")) }
                span.key.unseen { (words.pick("không quan sát được", "not seen")) }
                span.key.planned { (words.pick("bảo trì", "planned work")) }
                span.key.up { (words.pick("tốt", "well")) }
            }
        }
    }

    fn trouble(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        let bad = |site: &&SiteReport| !site.time.down.is_zero() || !site.time.degraded.is_zero();
        let troubled: Vec<&SiteReport> = report.sites.iter().filter(bad).collect();
        html! {
            @if !troubled.is_empty() {
                section {
                    h2 { (words.pick("Điểm cầu có trục trặc", "Sites in trouble")) " · " (troubled.len()) }
                    table.cards.trouble {
                        thead { tr {
                            th { (words.pick("Điểm cầu", "Site")) }
                            th.n { (words.pick("Đại biểu", "Delegates")) }
                            th.n { (words.pick("Gián đoạn", "Interrupted")) }
                            th.n { (words.pick("Số lần", "Times")) }
                            th.n { (words.pick("Kém", "Bad")) }
                            th.n { (words.pick("Sẵn sàng", "Available")) }
                            th.wide { (words.pick("Diễn biến", "Course")) }
                        } }
                        tbody { @for site in troubled { (self.trouble_row(site)) } }
                    }
                }
            }
        }
    }

    fn trouble_row(&self, site: &SiteReport) -> Markup {
        let words = self.words;
        let zero = |time: std::time::Duration| {
            if time.is_zero() { "–".to_owned() } else { words.clock(time) }
        };
        let group = self.report.groups.get(site.group).map(|group| words.group(&group.name));
        html! {
            tr {
                th scope="row" {
                    (site.name)
                    @if let Some(group) = group.filter(|name| *name != site.name) { small { (group) } }
                    @if site.earlier.0 > 0 {
                        small.again {
                            (words.pick("đã gián đoạn ở", "was interrupted in")) " "
                            (site.earlier.0) "/" (site.earlier.1) " "
                            (words.pick("phiên trước", "earlier sessions"))
                        }
                    }
                }
                td.n data-label=(words.pick("Đại biểu", "Delegates")) { (site.delegates) }
                td.n.strong[!site.time.down.is_zero()] data-label=(words.pick("Gián đoạn", "Interrupted")) { (zero(site.time.down)) }
                td.n data-label=(words.pick("Số lần", "Times")) { (site.outages.len()) }
                td.n data-label=(words.pick("Kém", "Bad")) { (zero(site.time.degraded)) }
                td.n data-label=(words.pick("Sẵn sàng", "Available")) { (self.share(site.time.availability())) }
                td.wide { (chart::strip(self.report, &site.course)) }
            }
        }
    }

    fn share(&self, share: Option<f64>) -> String {
        share.map_or_else(|| "–".to_owned(), |share| self.words.availability(share))
    }

    fn incidents(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        html! {
            section {
                h2 { (words.pick("Sự cố", "Incidents")) " · " (report.incidents.len()) }
                @if report.incidents.is_empty() {
                    p { (words.pick("Không có sự cố nào.", "There was none.")) }
                }
                @for incident in &report.incidents { (self.incident(incident)) }
            }
        }
    }

    fn incident(&self, it: &IncidentReport) -> Markup {
        let (report, words) = (self.report, self.words);
        let account = texts::account(&it.alert, self.style);
        let incident = &it.alert.incident;
        let end = it.ended.map_or_else(
            || {
                words
                    .pick("chưa kết thúc khi lập báo cáo", "not over when this was made")
                    .to_owned()
            },
            |at| words.precise(at),
        );
        let name = |id: &SiteId| {
            let site = report.sites.iter().find(|site| site.site == *id);
            site.map_or_else(String::new, |site| site.name.clone())
        };
        html! {
            article.(it.severity.word()) {
                h3 { (account.subject) " " (account.fault) }
                p.times {
                    (words.precise(it.began)) "–" (end) " · " (words.severity(it.severity))
                    @if incident.flapping {
                        " · " (incident.relapses.len()) " " (words.pick("lần tái diễn", "relapses"))
                    }
                }
                p {
                    (words.pick("Nguyên nhân có khả năng nhất: ", "Most likely cause: "))
                    (account.likely) "."
                }
                @if it.cause == Cause::Monitor {
                    p { (words.pick(
                        "Trong thời gian này không rõ tình trạng các điểm cầu; xem mục những gì không được tính.",
                        "Nothing is known of the sites in that time; see what was not counted."
                    )) }
                } @else if !it.sites.is_empty() {
                    p {
                        (words.pick("Ảnh hưởng: ", "Affected: ")) (words.site_count(it.sites.len()))
                        @if it.delegates > 0 {
                            ", " (words.count(it.delegates)) " " (words.pick("đại biểu", "delegates"))
                        }
                        @if !it.lost.is_zero() {
                            ", " (words.pick("gián đoạn tổng cộng", "interrupted in all")) " " (words.lasting(it.lost))
                        }
                        @if it.planned {
                            " (" (words.pick("trong thời gian bảo trì đã báo trước, không tính", "during announced work, not counted")) ")"
                        }
                        @if it.sites.len() > 1 {
                            ": " (it.sites.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", "))
                            @if it.sites.len() > NAMED {
                                " " (words.pick("và", "and")) " " (it.sites.len() - NAMED) " "
                                (words.pick("điểm cầu khác", "others"))
                            }
                        }
                        "."
                    }
                }
                dl.handled {
                    div {
                        dt { (words.pick("Phát hiện sau", "Detected after")) }
                        dd { (words.lasting(it.detected_after)) }
                    }
                    div {
                        dt { (words.pick("Tiếp nhận sau", "Taken on after")) }
                        dd {
                            @if let Some((after, by)) = &it.acked_after {
                                (words.lasting(*after)) " (" (by) ")"
                            } @else { (words.pick("chưa ai tiếp nhận", "nobody did")) }
                        }
                    }
                    div {
                        dt { (words.pick("Khôi phục sau", "Repaired after")) }
                        dd { (it.repaired_after.map_or_else(|| end.clone(), |after| words.lasting(after))) }
                    }
                }
            }
        }
    }
}
