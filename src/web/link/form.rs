//! What there is to press on the page behind a link: who, until when, why, and what to do.
//!
//! It is filled in standing in a corridor with one thumb: what is usual is chosen already, and what
//! people mostly write as the reason is there to be touched. There is no script, so a reason that
//! is missing is asked for after a button was pressed.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::Row;
use super::page::{Offer, Page, urgency};
use super::sent::{Amiss, Sent};
use crate::model::Incident;
use crate::web::acks::{Circumstances, REASONS};

/// Minutes that can be chosen besides those that the settings have.
const MINUTES: [u64; 2] = [30, 120];

/// Sites behind another that are named.
const NAMED: usize = 3;

/// What was sent before, and why it was not done.
type Again<'a> = Option<(&'a Sent, Amiss)>;

impl Page<'_> {
    /// The choices. Without a target the form goes to the address of the page itself.
    pub(super) fn form(&self, incident: &Incident, again: Again<'_>) -> Markup {
        html! {
            form method="post" {
                @let held = incident.taken_by(self.now);
                @if let Some(held) = held {
                    p.broken role="alert" {
                        (held.by) " "
                        (self.pick("đã tiếp nhận sự cố này lúc ", "took this on at "))
                        (self.moment(held.at))
                        (self.pick(
                            ". Chỉ nhận thay nếu hai bên đã trao đổi.",
                            ". Take it over only if you have agreed on it.",
                        ))
                    }
                    input type="hidden" name="over" value={ (incident.id) " " (held.by) };
                }
                (self.amiss(again))
                (self.signature(&[incident], again))
                button.main name="act" value="ack" {
                    @match held {
                        Some(held) => { (self.pick("Tôi nhận thay ", "I take over from ")) (held.by) },
                        None => (self.pick("Tôi tiếp nhận xử lý", "I take this on")),
                    }
                }
                @if incident.site.is_some() {
                    @let below = self.below(incident);
                    p.soft {
                        (self.pick(
                            "Hoặc tạm tắt cảnh báo của điểm cầu này",
                            "Or hold back messages about this site",
                        ))
                        (self.and_those(&below)) ":"
                    }
                    div.row {
                        button name="act" value="silence-1" { (self.pick("Tạm tắt 1 giờ", "Silence 1 h")) }
                        button name="act" value="silence-4" { (self.pick("Tạm tắt 4 giờ", "Silence 4 h")) }
                    }
                    p.soft {
                        (self.pick(
                            "Hoặc báo đang bảo trì có kế hoạch ở điểm cầu này",
                            "Or announce planned work at this site",
                        ))
                        (self.and_as_many(&below))
                        (self.pick(
                            " (báo cáo không tính vào thời gian mất kết nối):",
                            " (reports do not count it as lost):",
                        ))
                    }
                    div.row {
                        button name="act" value="maintain-1" { (self.pick("Bảo trì 1 giờ", "Work 1 h")) }
                        button name="act" value="maintain-4" { (self.pick("Bảo trì 4 giờ", "Work 4 h")) }
                    }
                }
                (self.source())
            }
        }
    }

    /// That what is chosen holds for the sites behind as well: how many, and the first by name.
    fn and_those(&self, below: &[&str]) -> Markup {
        let (named, more) = (&below[..below.len().min(NAMED)], below.len().saturating_sub(NAMED));
        html! {
            @if !below.is_empty() {
                (self.pick(" và ", " and the "))
                (self.sites(below.len()))
                (self.pick(" có đường truyền đi qua đây (", " whose line runs through it ("))
                (named.join(", "))
                @if more > 0 {
                    (self.pick(" và ", " and ")) (more) (self.pick(" điểm cầu khác", " more"))
                }
                ")"
            }
        }
    }

    /// The same, where the names stand above.
    fn and_as_many(&self, below: &[&str]) -> Markup {
        html! {
            @if !below.is_empty() {
                (self.pick(" và ", " and the ")) (self.sites(below.len()))
                (self.pick(" nói trên", " named above"))
            }
        }
    }

    /// Several incidents, each with who has it, and the choice to take on those that are left.
    pub(super) fn several(&self, rows: &[Row<'_>], again: Again<'_>) -> Markup {
        let worst = rows.iter().map(|row| row.incident.severity).max().unwrap_or_default();
        let left: Vec<&Incident> =
            rows.iter().filter(|row| row.is_left()).map(|row| row.incident).collect();
        html! {
            form method="post" {
                article.(urgency(worst)) {
                    p.grade { (self.words().severity(worst)) }
                    h1 { (rows.len()) " " (self.pick("sự cố", "incidents")) }
                    ul { @for row in rows { li { (self.row(row, again.map(|(sent, _)| sent))) } } }
                }
                @if rows.iter().any(Row::is_unkept) { (self.unkept()) }
                @if !left.is_empty() {
                    (self.amiss(again))
                    (self.signature(&left, again))
                    button.main name="act" value="ack" {
                        (self.pick("Tôi tiếp nhận những sự cố đã chọn", "I take on what is chosen"))
                    }
                    (self.source())
                } @else {
                    (self.amiss(again))
                }
            }
        }
    }

    /// One of several. What somebody else has is not chosen unless the reader does it.
    fn row(&self, row: &Row<'_>, sent: Option<&Sent>) -> Markup {
        let incident = row.incident;
        let (id, held) = (&incident.id, incident.taken_by(self.now));
        let chosen = sent.is_none_or(|sent| sent.names(incident));
        let told = html! {
            b { (self.place(incident)) } br;
            (self.what(incident)) ", " (self.pick("từ ", "since ")) (self.moment(incident.since()))
            @if let Some(ack) = incident.whose(self.now) {
                br; "✓ " (self.pick("Đã tiếp nhận: ", "Taken on: ")) (self.who(ack))
            }
            @if let Some(at) = incident.resolved {
                br; "✓ " (self.pick("Đã kết thúc lúc ", "Over since ")) (self.moment(at))
            }
        };
        html! {
            @match (row.is_left(), held) {
                (true, Some(held)) => label.choice {
                    input type="checkbox" name="over" value={ (id) " " (held.by) };
                    span { (told) br; em { (self.pick("Chọn để nhận thay", "Choose to take over")) } }
                },
                (true, None) => label.choice {
                    input type="checkbox" name="take" value=(id) checked[chosen];
                    span { (told) }
                },
                (false, _) => span.past { (told) },
            }
        }
    }

    /// Why what was sent is not done.
    fn amiss(&self, again: Again<'_>) -> Markup {
        let Some((_, amiss)) = again else { return html! {} };
        let said = match amiss {
            Amiss::Name => self.pick(
                "CHƯA ghi nhận: hãy ghi tên của bạn, để mọi người biết ai đang xử lý.",
                "NOT done yet: write your name, so that the others know who is at it.",
            ),
            Amiss::OddName => self.pick(
                "CHƯA ghi nhận: tên phải ngắn gọn trên một dòng, không có ký tự ẩn.",
                "NOT done yet: a name is short and on one line, without hidden characters.",
            ),
            Amiss::OddNote => self.pick(
                "CHƯA ghi nhận: lý do quá dài hoặc có ký tự ẩn.",
                "NOT done yet: the reason is too long or holds hidden characters.",
            ),
            Amiss::Reason => self.pick(
                "CHƯA ghi nhận: hãy chọn hoặc ghi lý do, để người khác biết đang làm gì.",
                "NOT done yet: choose or write a reason, so that the others know what is being done.",
            ),
            Amiss::NoneChosen => {
                self.pick("Hãy chọn ít nhất một sự cố.", "Choose one at least.")
            }
            // Of a single one the form says who.
            Amiss::Held if self.is_about_one() => return html! {},
            Amiss::Held => self.pick(
                "Có sự cố vừa có người khác tiếp nhận, xem ở trên. Chỉ chọn sự cố đó nếu bạn muốn \
                 nhận thay.",
                "Somebody else has just taken one on, see above. Choose that only to take it over.",
            ),
            Amiss::Used => self.pick(
                "KHÔNG ghi nhận thêm gì: mỗi sự cố ở trên đã có người tiếp nhận hoặc đã kết thúc.",
                "Nothing more is done: each of these is taken on already or over.",
            ),
        };
        html! { p.broken role="alert" { (said) } }
    }

    /// Who acts, until when and why; what was written before stays.
    fn signature(&self, incidents: &[&Incident], again: Again<'_>) -> Markup {
        let sent = again.map(|(sent, _)| sent);
        let reader = self.link.as_ref().and_then(|(_, offer)| offer.reader.as_ref());
        let name = sent.map(|sent| &sent.name).filter(|name| !name.is_empty()).or(reader);
        html! {
            label {
                (self.pick("Tên của bạn", "Your name"))
                input name="name" required[reader.is_none()] maxlength="60" autocomplete="name"
                    value=[name];
            }
            @if let Some((_, offer)) = &self.link {
                fieldset {
                    legend { (self.pick("Đến khi", "Until")) }
                    @for (value, chosen, said) in self.times(incidents, offer, sent) {
                        (chip("until", &value, chosen, &said))
                    }
                }
            }
            fieldset {
                legend { (self.pick("Lý do", "Reason")) }
                @for (code, vi, en) in REASONS {
                    (chip("why", code, sent.is_some_and(|it| it.why == code), self.pick(vi, en)))
                }
            }
            label {
                (self.pick("Hoặc ghi rõ hơn", "Or in your own words"))
                input name="note" maxlength="200" autocomplete="off"
                    value=[sent.map(|it| &it.note)]
                    placeholder=(self.pick("ví dụ: 15 phút nữa đến nơi", "such as: there in 15 minutes"));
            }
        }
    }

    /// Until when it can be taken on, each as the form sends it, whether it is chosen, and what it
    /// is called: of several incidents by the gravest.
    fn times(
        &self,
        incidents: &[&Incident],
        offer: &Offer,
        sent: Option<&Sent>,
    ) -> Vec<(String, bool, String)> {
        let circumstances =
            Circumstances { snapshot: self.snapshot, lasts: &offer.lasts, now: self.now };
        let usual = incidents.first().and_then(|incident| circumstances.usual(incident));
        let usual = usual.map(|usual| (usual.as_secs() / 60).max(1));
        let minutes: BTreeSet<u64> = MINUTES.into_iter().chain(usual).collect();
        let mut times: Vec<(String, String)> = minutes
            .into_iter()
            .map(|minutes| {
                let end = self.now.checked_add(Duration::from_secs(60 * minutes));
                let end = self.moment(end.unwrap_or(Timestamp::MAX));
                let lasting = self.for_so_long(minutes);
                (minutes.to_string(), format!("{lasting} ({end})"))
            })
            .collect();
        if let Some(session) = incidents.iter().find_map(|it| circumstances.session(it)) {
            let end = self.moment(session.end);
            let said = self.pick("hết phiên họp", "the session is over");
            times.push(("session".to_owned(), format!("{said} ({end})")));
        }
        let said = self.pick("khi sự cố kết thúc", "the incident is over");
        times.push(("over".to_owned(), said.to_owned()));
        let usual = usual.map_or_else(|| "over".to_owned(), |minutes| minutes.to_string());
        let wanted = sent.map(|sent| &sent.until);
        let chosen = wanted.filter(|wanted| times.iter().any(|(it, _)| it == *wanted));
        let chosen = chosen.unwrap_or(&usual).clone();
        times
            .into_iter()
            .map(|(value, said)| {
                let is_chosen = value == chosen;
                (value, is_chosen, said)
            })
            .collect()
    }

    fn for_so_long(&self, minutes: u64) -> String {
        match (minutes / 60, minutes % 60) {
            (1, 0) => self.pick("1 giờ", "1 hour").to_owned(),
            (hours, 0) => format!("{hours} {}", self.pick("giờ", "hours")),
            (0, minutes) => format!("{minutes} {}", self.pick("phút", "minutes")),
            (hours, minutes) => {
                format!("{hours} {} {minutes} {}", self.pick("giờ", "h"), self.pick("phút", "min"))
            }
        }
    }

    /// Where the link comes from.
    fn source(&self) -> Markup {
        html! {
            @if let Some((link, _)) = &self.link {
                p.soft {
                    (self.pick("Liên kết này được gửi qua kênh ", "This link was sent through "))
                    b { (link.channel) }
                    (self.pick(
                        " và dùng được một lần; việc bạn chọn được ghi lại.",
                        " and works once; what you choose is recorded.",
                    ))
                }
            }
        }
    }
}

/// One of several things, to be touched.
fn chip(name: &str, value: &str, chosen: bool, said: &str) -> Markup {
    html! {
        label.chip { input type="radio" name=(name) value=(value) checked[chosen]; span { (said) } }
    }
}
