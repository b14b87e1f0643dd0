//! The second half of the page: parts of the province, earlier sessions, what is not counted, how
//! it was measured, every site.

use maud::{Markup, html};

use super::Page;
use crate::report::{Earlier, Totals, availability, chart};

impl Page<'_> {
    pub(super) fn groups(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        html! {
            @if report.groups.len() > 1 {
                section {
                    h2 { (words.pick("Theo khu vực", "By part of the province")) }
                    div.groups {
                        @for group in &report.groups {
                            div.group {
                                h3 { (words.group(&group.name)) }
                                p {
                                    (words.site_count(group.sites.len())) " · "
                                    (self.share(availability(group.counted, group.lost)))
                                    @if group.interrupted > 0 {
                                        br;
                                        strong {
                                            (words.site_count(group.interrupted)) " " (words.pick("gián đoạn", "interrupted"))
                                            ", " (words.lasting(group.lost))
                                        }
                                    }
                                }
                                (chart::group(report, group))
                                (chart::axis(report, words))
                            }
                        }
                    }
                    p.note { (words.pick(
                        "Chiều cao của cột là tỷ lệ điểm cầu trong khu vực bị gián đoạn hoặc kết nối kém vào lúc đó.",
                        "The height of a column is the share of the sites there that were interrupted or bad at that time."
                    )) }
                }
            }
        }
    }

    pub(super) fn earlier(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        let most = report.earlier.iter().map(|it| it.totals.lost).chain([report.totals.lost]).max();
        let most = most.unwrap_or_default().as_secs_f64().max(1.0);
        let row = |title: &str, at, totals: &Totals, incidents: usize, this: bool| {
            let wide = totals.lost.as_secs_f64() / most * 100.0;
            html! {
                tr.this[this] {
                    th scope="row" { (title) small { (words.day(at)) } }
                    td.n data-label=(words.pick("Điểm cầu", "Sites")) { (totals.sites) }
                    td.n data-label=(words.pick("Đại biểu", "Delegates")) { (words.count(totals.delegates)) }
                    td.n data-label=(words.pick("Bị gián đoạn", "Interrupted")) { (totals.interrupted) }
                    td.n data-label=(words.pick("Sự cố", "Incidents")) { (incidents) }
                    td.n data-label=(words.pick("Sẵn sàng", "Available")) { (self.share(totals.availability())) }
                    td.wide {
                        div.bar { i style=(format!("width:{wide:.1}%")) {} span { (words.lasting(totals.lost)) } }
                    }
                }
            }
        };
        html! {
            section {
                h2 { (words.pick("So với các phiên trước", "Compared with earlier sessions")) }
                @if report.earlier.is_empty() {
                    p { (words.pick("Chưa có phiên nào trước phiên này được ghi lại.", "No session before this one is on record.")) }
                } @else {
                    table.cards {
                        thead { tr {
                            th { (words.pick("Phiên họp", "Session")) }
                            th.n { (words.pick("Điểm cầu", "Sites")) }
                            th.n { (words.pick("Đại biểu", "Delegates")) }
                            th.n { (words.pick("Bị gián đoạn", "Interrupted")) }
                            th.n { (words.pick("Sự cố", "Incidents")) }
                            th.n { (words.pick("Sẵn sàng", "Available")) }
                            th.wide { (words.pick("Tổng thời gian gián đoạn", "Time lost, summed over sites")) }
                        } }
                        tbody {
                            (row(words.pick("Phiên này", "This session"), report.start, &report.totals, report.incidents.len(), true))
                            @for Earlier { title, start, totals, incidents, .. } in &report.earlier {
                                (row(title, *start, totals, *incidents, false))
                            }
                        }
                    }
                }
            }
        }
    }

    pub(super) fn exclusions(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        html! {
            section {
                h2 { (words.pick("Những gì không được tính", "What was not counted")) }
                @if report.exclusions.is_empty() {
                    p { (words.pick(
                        "Không có: mọi điểm cầu được giám sát suốt phiên.",
                        "Nothing: every site was watched throughout."
                    )) }
                } @else {
                    ul.plain {
                        @for exclusion in &report.exclusions { li { (words.exclusion(report, exclusion)) } }
                    }
                }
            }
        }
    }

    pub(super) fn method(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        html! {
            section.method {
                h2 { (words.pick("Cách đo", "How it was measured")) }
                p { (words.pick(
                    "vchealth hỏi thiết bị của từng điểm cầu nhiều lần mỗi phút qua chính đường truyền của phiên họp. \
                     Điểm cầu bị coi là gián đoạn khi không tham gia họp được vì đường truyền hoặc thiết bị không trả lời; \
                     thời gian gián đoạn tính từ lần hỏi đầu tiên không có trả lời đến lần trả lời đầu tiên sau đó. \
                     Chất lượng kém là khi vẫn kết nối nhưng mất gói, trễ, biến động trễ quá mức hoặc một dịch vụ của thiết bị ngừng. \
                     Mức sẵn sàng là phần thời gian được tính mà điểm cầu không bị gián đoạn; số lẻ được cắt, không làm tròn lên.",
                    "vchealth asks the devices of every site many times a minute over the very lines of the session. \
                     A site counts as interrupted when it cannot take part because its line or its device does not answer; \
                     that lasts from the first probe without an answer to the first answer after it. \
                     Quality is bad when it is connected but loses, delays or jitters too much, or a service of the device is out. \
                     Availability is the share of the time that counts in which a site was not interrupted; it is cut, not rounded up."
                )) }
                p { (words.pick(
                    "Mất gói, độ trễ khứ hồi và biến động trễ (jitter, RFC 3550) đo bằng gói ICMP đến thiết bị; \
                     điểm MOS ước lượng theo ITU-T G.107 cho âm thanh. Đây là phép đo đường truyền và thiết bị, \
                     không phải hình ảnh và âm thanh trong phòng họp.",
                    "Loss, round trip and jitter (RFC 3550) are measured with ICMP echoes to the device; the opinion \
                     score (MOS) is estimated by ITU-T G.107 for voice. This measures lines and devices, not \
                     picture and sound in the room."
                )) }
                p.made {
                    (words.pick("Lập lúc", "Made at")) " " (words.hour(report.as_of)) ", " (words.day(report.as_of))
                    " · vchealth " (env!("CARGO_PKG_VERSION")) " · " (report.id)
                }
            }
        }
    }

    pub(super) fn appendix(&self) -> Markup {
        let (report, words) = (self.report, self.words);
        html! {
            section.appendix {
                h2 { (words.pick("Phụ lục: tất cả điểm cầu", "Appendix: all sites")) }
                p.note { (words.pick(
                    "Khi còn kết nối: mất gói cả phiên / p95 theo phút, %; độ trễ và jitter trung vị / p95, ms; MOS trung vị / p5.",
                    "While connected: loss of the whole session / p95 of minutes, %; round trip and jitter median / p95, ms; MOS median / p5."
                )) }
                @for (at, group) in report.groups.iter().enumerate() {
                    @let members = report.sites.iter().filter(|site| site.group == at);
                    table.dense {
                        thead {
                            tr {
                                th { (words.group(&group.name)) }
                                th.n { (words.pick("Sẵn sàng", "Available")) }
                                th.n { (words.pick("Gián đoạn", "Interrupted")) }
                                th.n { (words.pick("Mất gói", "Loss")) }
                                th.n { (words.pick("Độ trễ", "Round trip")) }
                                th.n { "Jitter" }
                                th.n { "MOS" }
                            }
                        }
                        tbody {
                            @for site in members {
                                @let [loss, rtt, jitter, mos] = words.path(site.path.as_ref());
                                tr {
                                    th scope="row" { (site.name) }
                                    td.n { (self.share(site.time.availability())) }
                                    td.n.strong[!site.time.down.is_zero()] {
                                        @if site.time.down.is_zero() { "–" } @else { (words.clock(site.time.down)) }
                                    }
                                    td.n { (loss) }
                                    td.n { (rtt) }
                                    td.n { (jitter) }
                                    td.n { (mos) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
