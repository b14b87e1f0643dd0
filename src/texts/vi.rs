//! Messages in Vietnamese, in the words that provincial technicians use.
//!
//! Longer than other files, since a message is read from its first line to its last: what follows
//! one another there stands together here, and beside the same in [`super::en`].

mod advice;
mod evidence;
mod ourselves;
mod words;

use std::time::Duration;

pub(super) use advice::likely;
use advice::{action, contact};
pub(super) use evidence::evidence;
use evidence::observation;
pub(super) use ourselves::{self_doubt, topic};
use words::{
    clock, day, devices_with, duration, hour, lower_first, moment, named, precise, sentence_case,
};
pub(super) use words::{grade, shared};

use super::seen::Seen;
use super::{
    Account, Circle, Facts, Lines, Message, Place, Shared, Stands, TouchedSession, common_cause,
    grouped, kinds, removed, shared_by_all, titled,
};
use crate::model::{Cause, Language, NotificationKind};

/// Writes what is told of one incident.
pub(super) fn message(facts: &Facts<'_>) -> Message {
    Message {
        summary: summary(facts),
        description: description(facts),
        action: action(facts),
        contact: contact(facts),
        link: None,
    }
}

/// Writes a test of the channel.
pub(super) fn test(facts: &Facts<'_>) -> Message {
    let over = facts.kind == NotificationKind::Resolved;
    let (channel, when) = (facts.channel, hour(&facts.now, &facts.now));
    Message {
        summary: if over {
            format!("[THỬ NGHIỆM] Kết thúc tin thử qua kênh “{channel}” lúc {when}")
        } else {
            format!("[THỬ NGHIỆM] Tin thử qua kênh “{channel}” lúc {when}, không có sự cố nào")
        },
        description: "Tin này chỉ để kiểm tra việc gửi cảnh báo. Nếu đọc được, kênh này hoạt động \
                      tốt."
            .to_owned(),
        action: "Không cần làm gì.".to_owned(),
        contact: "Người vừa chạy lệnh gửi tin thử.".to_owned(),
        link: None,
    }
}

/// The first line of a drill: what a real alert would say, under a mark.
pub(super) fn as_drill(summary: &str) -> String {
    format!("[DIỄN TẬP] {summary}")
}

/// A drill before a session: what a real alert would say, marked so that nobody acts on it.
pub(super) fn drill(real: &Message, facts: &Facts<'_>) -> Message {
    let session = facts.session.as_ref().map(|touched| {
        let title = touched.title.map(|title| format!(" “{title}”")).unwrap_or_default();
        format!(" trước phiên họp{title} lúc {}", hour(&touched.start, &facts.now))
    });
    let missed: String =
        facts.missed().map(|doubt| format!("KHÔNG ĐẠT: {}.\n", self_doubt(doubt))).collect();
    Message {
        summary: if missed.is_empty() {
            as_drill(&real.summary)
        } else {
            // What a phone shows first is what failed: that it is over makes nobody look.
            let missed: Vec<String> = facts.missed().map(self_doubt).collect();
            format!("[DIỄN TẬP KHÔNG ĐẠT] {}", sentence_case(&missed.join("; ")))
        },
        description: format!(
            "{missed}Đây là diễn tập{}: KHÔNG có sự cố nào, điểm cầu này không có thật. Tin đi \
             đúng con đường của một cảnh báo thật, từ bộ giám sát đến kênh “{}”.\n{}",
            session.unwrap_or_default(),
            facts.channel,
            real.description
        ),
        action: if missed.is_empty() {
            "Không cần làm gì. Hỏi những người cùng trực: ai không nhận được tin này thì kiểm tra \
             lại kênh của họ ngay."
        } else {
            "Kiểm tra ngay các kênh nói trên, khi còn thời gian trước phiên họp."
        }
        .to_owned(),
        contact: facts.contacts().unwrap_or_else(|| "Người quản trị hệ thống giám sát.".to_owned()),
        link: None,
    }
}

/// Tells what an incident was.
pub(super) fn account(facts: &Facts<'_>) -> Account {
    let fault =
        if facts.incident.flapping { "chập chờn".to_owned() } else { plain_fault(facts) };
    Account {
        subject: sentence_case(&subject(facts)),
        fault,
        likely: likely(facts),
        evidence: facts.evidence().iter().map(|it| observation(it, facts)).collect(),
        action: action(facts),
    }
}

/// A message as one text.
pub(super) fn whole(message: &Message, page: &str) -> String {
    let Message { summary, description, action, contact, link } = message;
    let mut text = format!("{summary}\n\n{description}\n\nViệc cần làm: {action}\n");
    if !contact.is_empty() {
        text.push_str(&format!("Liên hệ: {contact}\n"));
    }
    text.extend(link.iter().map(|link| format!("Tiếp nhận hoặc tạm tắt cảnh báo: {link}\n")));
    text.push_str(&format!("Chi tiết: {page}\n"));
    text
}

/// Several incidents that are over, or on, one line each: that of people's own texts if they have
/// one.
pub(super) fn digest(
    all: &[Facts<'_>],
    board: &str,
    link: Option<&str>,
    lines: Lines,
    own: impl Fn(&Facts<'_>) -> Option<String>,
) -> String {
    let on: Vec<&Facts<'_>> = all.iter().filter(|facts| facts.over.is_none()).collect();
    let mut text = format!("{}\n", titled(first_line(all), all, Language::Vi));
    let mixed = kinds(all).len() > 1;
    for facts in all {
        if let Some(line) = own(facts) {
            text.push_str(&format!("• {line}\n"));
            continue;
        }
        let subject = sentence_case(&subject(facts));
        let what =
            if facts.is_unsteady() { "chập chờn".to_owned() } else { plain_fault(facts) };
        let line = match &facts.over {
            Some((end, lasted)) => {
                let (times, first) = if lines < Lines::WithoutTimes {
                    let (since, end) = (hour(&facts.since, &facts.now), hour(end, &facts.now));
                    (format!(" {since}–{end}"), first_time(facts))
                } else {
                    (String::new(), None)
                };
                let first = first.map_or_else(String::new, |first| format!(" ({first})"));
                let about = topic(facts).map_or_else(String::new, |it| format!(" về {it}"));
                let gone = if facts.removed { "; không còn được giám sát" } else { "" };
                let (lasted, still) = (duration(*lasted), still(facts, true));
                format!("{subject} {what}{about}{times}, {lasted}{first}{still}{gone}")
            }
            None => {
                let since = match figure(facts).filter(|_| !facts.is_unsteady()) {
                    Some(figure) => figure,
                    None if lines < Lines::WithoutTimes => {
                        format!(" từ {}", hour(&facts.since, &facts.now))
                    }
                    None => String::new(),
                };
                let what = if facts.again.is_some() { format!("lại {what}") } else { what };
                let extent = extent(facts);
                let call = if lines == Lines::Full { first_contact(facts) } else { String::new() };
                let again = facts.let_go().map_or_else(String::new, |ack| {
                    format!("; cần tiếp nhận lại (trước đó: {})", ack.by)
                });
                let last = if facts.last_for_now {
                    "; sẽ báo khi đã ổn định trở lại"
                } else {
                    ""
                };
                format!("{subject} {what}{since}{extent}{again}{last}{call}")
            }
        };
        let mark = if mixed { mark(facts) } else { "" };
        text.push_str(&format!("• {mark}{line}\n"));
    }
    if !on.is_empty() {
        text.extend(who_knows(&on).iter().map(|line| format!("{line}\n")));
        text.extend(link.map(|link| format!("Tiếp nhận: {link}\n")));
        text.push_str(&format!("Bảng theo dõi: {board}\n"));
    }
    text
}

/// The first line about several incidents. Where they are told as different things, it says how
/// many are new and how many are told again; each line that is not new is marked.
pub(super) fn first_line(all: &[Facts<'_>]) -> String {
    use NotificationKind::{Escalation, Firing, Reminder, Resolved, Update};
    let grade = grade(all.iter().map(|facts| facts.severity).max().unwrap_or_default());
    let session = shared_by_all(all, session_in_brief).unwrap_or_default();
    let count = all.len();
    match kinds(all).as_slice() {
        [(Resolved, _)] => match all.iter().filter(|facts| facts.removed).count() {
            0 => format!("[ĐÃ KHẮC PHỤC] {count} sự cố đã kết thúc"),
            gone if gone == count => {
                format!("[KẾT THÚC] {count} sự cố đã kết thúc vì không còn được giám sát")
            }
            gone => format!(
                "[KẾT THÚC] {count} sự cố đã kết thúc, {gone} vì không còn được giám sát{}",
                removed(all)
            ),
        },
        [(Update, _)] => {
            format!("[CẬP NHẬT – {grade}] {count} sự cố lan rộng hoặc nặng thêm{session}")
        }
        [(Reminder, _)] => format!("[NHẮC LẠI – {grade}] {count} sự cố chưa kết thúc{session}"),
        [(Escalation, _)] => {
            let after = all.iter().filter_map(Facts::untaken).min();
            let after = after.map_or_else(String::new, waited);
            format!("[CHUYỂN CẤP – {grade}] {count} sự cố chưa ai tiếp nhận{after}{session}")
        }
        [] | [(Firing, _)] => {
            let what = match common_cause(all) {
                Some(Cause::Access) => "điểm cầu mất kết nối",
                Some(Cause::Device) => "thiết bị không phản hồi",
                Some(Cause::Service) => "dịch vụ ngừng hoạt động",
                Some(Cause::Quality) => "đường truyền suy giảm chất lượng",
                Some(Cause::Certificate) => "chứng thư cần gia hạn",
                Some(Cause::Clock) => "đồng hồ sai giờ",
                Some(Cause::Monitor | Cause::Uplink) | None => "sự cố",
            };
            format!("[{grade}] {count} {what}{session}")
        }
        several => {
            let words = |(kind, count): &(NotificationKind, usize)| match kind {
                Firing => format!("{count} mới"),
                Escalation => format!("{count} chưa ai tiếp nhận"),
                Update => format!("{count} lan rộng hoặc nặng thêm"),
                Reminder => format!("{count} nhắc lại"),
                Resolved => format!("{count} đã kết thúc"),
            };
            let counts: Vec<String> = several.iter().map(words).collect();
            format!("[{grade}] {count} sự cố: {}{session}", counts.join(", "))
        }
    }
}

/// The same with since when they are on, if all are since then.
pub(super) fn brief(all: &[Facts<'_>]) -> String {
    let since = |facts: &Facts<'_>| {
        let since = hour(&facts.since, &facts.now);
        let is_told = facts.over.is_none() && figure(facts).is_none();
        is_told.then(|| format!(" từ {since}"))
    };
    let since = shared_by_all(all, since).flatten().unwrap_or_default();
    format!("{}{since}", first_line(all))
}

/// What a line is about among others that are news.
const fn mark(facts: &Facts<'_>) -> &'static str {
    match facts.kind {
        NotificationKind::Firing => "",
        NotificationKind::Escalation => "[CHUYỂN CẤP] ",
        NotificationKind::Update => "[CẬP NHẬT] ",
        NotificationKind::Reminder => "[NHẮC LẠI] ",
        NotificationKind::Resolved if facts.removed => "[KẾT THÚC] ",
        NotificationKind::Resolved => "[ĐÃ KHẮC PHỤC] ",
    }
}

/// Whom to phone first, at the end of a line.
fn first_contact(facts: &Facts<'_>) -> String {
    match facts.alert.contacts.iter().find(|contact| !contact.phone.is_empty()) {
        Some(contact) => format!("; gọi {} {}", contact.name, contact.phone),
        None => String::new(),
    }
}

fn summary(facts: &Facts<'_>) -> String {
    let subject = sentence_case(&subject(facts));
    let extent = extent(facts);
    let since = hour(&facts.since, &facts.now);
    let session = session_in_brief(facts);
    let grade = grade(facts.severity);
    let fault = match (facts.again, facts.is_unsteady()) {
        (Some(_), true) => format!("CHẬP CHỜN, LẠI {}", fault(facts)),
        (Some(_), false) => format!("LẠI {}", fault(facts)),
        (None, true) => "CHẬP CHỜN".to_owned(),
        (None, false) => fault(facts),
    };
    let is_named = facts.again.is_some() || !facts.is_unsteady();
    let figure = figure(facts).filter(|_| is_named);
    match facts.kind {
        NotificationKind::Firing => {
            let when = if is_named { "lúc" } else { "từ" };
            let when = figure.unwrap_or_else(|| format!(" {when} {since}"));
            let nth = facts.again.map_or_else(String::new, |nth| format!(" (lần {nth})"));
            format!("[{grade}] {subject} {fault}{when}{nth}{extent}{session}")
        }
        NotificationKind::Update => {
            let when = figure.unwrap_or_else(|| format!(" từ {since}"));
            format!("[CẬP NHẬT – {grade}] {subject} {fault}{when}{extent}{session}")
        }
        NotificationKind::Reminder => {
            let still = match figure {
                Some(figure) => format!("{fault}{figure}"),
                None => format!("vẫn {fault}, đã {}", duration(facts.so_far)),
            };
            format!("[NHẮC LẠI – {grade}] {subject} {still}{extent}{session}")
        }
        NotificationKind::Escalation => {
            let still =
                figure.map_or_else(|| format!("vẫn {fault}"), |figure| format!("{fault}{figure}"));
            let after = waited(facts.untaken().unwrap_or(facts.so_far));
            format!(
                "[CHUYỂN CẤP – {grade}] {subject} {still}, chưa ai tiếp nhận{after}{extent}{session}"
            )
        }
        NotificationKind::Resolved => {
            let Some((end, lasted)) = &facts.over else {
                return format!("[ĐÃ KHẮC PHỤC] {subject} {}{extent}", works_again(facts));
            };
            let (end, lasted) = (hour(end, &facts.now), duration(*lasted));
            if facts.removed {
                return format!(
                    "[KẾT THÚC] {subject} không còn được giám sát từ {end}, sau {lasted} có sự cố"
                );
            }
            let nth = facts.again.map_or_else(String::new, |nth| format!(" (lần {nth})"));
            let works_again = works_again(facts);
            format!("[ĐÃ KHẮC PHỤC] {subject} {works_again} lúc {end}, sau {lasted}{nth}{extent}")
        }
    }
}

/// The day or the amount of a fault that was there before it was noticed, and that says more than
/// since when it is known.
fn figure(facts: &Facts<'_>) -> Option<String> {
    let figure = facts.last_seen(|seen| match seen {
        Seen::CertificateEnded(at) | Seen::CertificateEnds(at) => {
            Some(format!(" ngày {}", day(&facts.local(at))))
        }
        Seen::CertificateNotYet(at) => Some(format!(", chỉ từ {}", day(&facts.local(at)))),
        Seen::ClockOff(by) => Some(format!(" {}", clock(by).0)),
        _ => None,
    });
    figure.filter(|_| matches!(facts.cause, Cause::Certificate | Cause::Clock))
}

fn description(facts: &Facts<'_>) -> String {
    let mut lines = vec![what_happened(facts)];
    lines.extend(grown(facts));
    if facts.over.is_none() {
        lines.push(format!("Khả năng: {}.", likely(facts)));
        lines.extend(evidence(facts).filter(|_| !facts.is_only_doubt()));
    }
    lines.extend(affected(facts));
    lines.extend(facts.session.as_ref().map(|touched| session(touched, facts)));
    lines.extend(facts.had().map(|ack| {
        let at = hour(&facts.local(ack.at), &facts.now);
        format!("Đã tiếp nhận: {} lúc {at}.", ack.by)
    }));
    if facts.over.is_none() {
        match facts.ack() {
            Some(ack) => {
                let note =
                    if ack.note.is_empty() { String::new() } else { format!(" ({})", ack.note) };
                let at = hour(&facts.local(ack.at), &facts.now);
                let until = ack
                    .until
                    .map(|until| format!(" đến {}", hour(&facts.local(until), &facts.now)));
                let until = until.unwrap_or_default();
                lines.push(format!("Đã tiếp nhận: {} lúc {at}{until}{note}.", ack.by));
            }
            None => lines.extend(untaken(facts)),
        }
        lines.extend(who_knows(&[facts]));
    }
    lines.extend(
        facts
            .instead_of
            .map(|channel| format!("Gửi thay kênh “{channel}”, vì kênh đó hiện không gửi được.")),
    );
    lines.extend(late(facts, "Tin này viết lúc"));
    lines.join("\n")
}

/// That it left long after it was decided.
fn late(facts: &Facts<'_>, at: &str) -> Option<String> {
    let left = facts.late.as_ref()?;
    let (written, left) = (hour(&facts.now, left), hour(left, left));
    Some(format!("{at} {written}, đến {left} mới gửi được."))
}

/// The same of several, by the oldest of them.
pub(super) fn late_digest(oldest: &Facts<'_>) -> Option<String> {
    late(oldest, "Phần cũ nhất của tin này viết lúc")
}

/// That nobody has it, where the message is about that or somebody may believe that they do.
fn untaken(facts: &Facts<'_>) -> Option<String> {
    let had = facts.let_go().map(|ack| {
        let at = hour(&facts.local(ack.at), &facts.now);
        format!("{} đã tiếp nhận lúc {at}, nay cần tiếp nhận lại", ack.by)
    });
    let kind = match facts.kind {
        NotificationKind::Escalation => "Chuyển cấp",
        NotificationKind::Reminder => "Nhắc lại",
        _ => return had.map(|had| format!("{had}.")),
    };
    let after = facts.untaken().map_or_else(String::new, waited);
    Some(match facts.ran_out() {
        Some((by, until)) => format!(
            "{kind}: {by} đã tiếp nhận đến {}, nay chưa ai tiếp nhận{after}.",
            hour(&until, &facts.now)
        ),
        None => match had {
            Some(had) => format!("{kind}: {had}, nhưng chưa ai nhận{after}."),
            // The first line says it.
            None if facts.kind == NotificationKind::Escalation => return None,
            None => format!("{kind}: chưa ai tiếp nhận{after}."),
        },
    })
}

/// After how long, where that is long enough to be worth a word.
fn waited(it: Duration) -> String {
    if it.as_secs() > 0 { format!(" sau {}", duration(it)) } else { String::new() }
}

/// For whom a message about all of these is, who else knows, and who was to know and does not.
fn who_knows(all: &[&Facts<'_>]) -> Vec<String> {
    let circle = Circle::of(all);
    let mut lines = Vec::new();
    let readers = circle.readers();
    if !readers.is_empty() {
        lines.push(format!("Gửi tới: {}.", readers.join(", ")));
    }
    for (what, names) in [("Cũng đã báo", &circle.told), ("Chưa báo được", &circle.unreached)]
    {
        let channels = names.channels.iter().map(|channel| format!("kênh “{channel}”"));
        let people = names.people.iter().map(|name| circle.with_phone(name));
        let names: Vec<String> = people.chain(channels).collect();
        if !names.is_empty() {
            lines.push(format!("{what}: {}.", names.join(", ")));
        }
    }
    lines
}

fn what_happened(facts: &Facts<'_>) -> String {
    let subject = sentence_case(&subject(facts));
    let place = where_it_is(facts);
    let began = moment(&facts.began);
    let fault = plain_fault(facts);
    let first = first_time(facts);
    let relapses = match facts.incident.relapses.len() {
        0 => String::new(),
        _ if first.is_some() => String::new(),
        times => format!(" Đã lặp lại {times} lần."),
    };
    let first = first.map_or_else(String::new, |first| format!("; {first}"));
    let told = match facts.again {
        Some(_) => format!(", lại {fault} lúc {}", hour(&facts.since, &facts.now)),
        None => String::new(),
    };
    let last =
        if facts.last_for_now { " Sẽ báo khi đã ổn định trở lại." } else { "" };
    let figure = figure(facts);
    let again = facts.over.is_some() && facts.again.is_some() && figure.is_none();
    let fault = if again { format!("lại {fault}") } else { fault };
    let since = match &figure {
        Some(figure) => format!("{figure}, phát hiện lúc {began}"),
        None if again => format!(" từ {}", moment(&facts.since)),
        None => format!(" từ {began}"),
    };
    match &facts.over {
        Some((end, lasted)) if facts.unshown => format!(
            "{subject}{place} {fault}{since}. Từ {} không còn biết được vì thiết bị không còn cho \
             thấy; khi đó sự cố đã kéo dài {}{first}.{relapses}",
            precise(end),
            duration(*lasted)
        ),
        Some((end, lasted)) if facts.removed => format!(
            "{subject}{place} {fault}{since}. Từ {} không còn được giám sát vì đã bị gỡ khỏi \
             cấu hình; khi đó sự cố đã kéo dài {}{first}.{relapses}",
            precise(end),
            duration(*lasted)
        ),
        Some((end, lasted)) => format!(
            "{subject}{place} {fault}{since}, {} lúc {}{}. Kéo dài {}{first}.{relapses}",
            works_again(facts),
            precise(end),
            still(facts, false),
            duration(*lasted)
        ),
        None if facts.is_unsteady() => format!(
            "{subject}{place} chập chờn, lúc được lúc mất, từ {began}{told}.{relapses}{last}"
        ),
        None if figure.is_some() => format!("{subject}{place} {fault}{since}.{last}"),
        None if facts.since > facts.began => format!(
            "{subject}{place} lại {fault} lúc {}, lần đầu lúc {}.{relapses}{last}",
            moment(&facts.since),
            hour(&facts.began, &facts.now)
        ),
        None => format!("{subject}{place} {fault}{since}{}.{relapses}{last}", why(facts)),
    }
}

/// When it first was, and how often it came back, where what was told over is not all of it.
fn first_time(facts: &Facts<'_>) -> Option<String> {
    let (first, times) = (hour(&facts.began, &facts.now), facts.incident.relapses.len());
    let is_last_of_several = facts.over.is_some() && facts.again.is_some();
    is_last_of_several.then(|| format!("lần đầu lúc {first}, tái diễn {times} lần"))
}

/// What an update is about.
fn grown(facts: &Facts<'_>) -> Option<String> {
    if facts.kind != NotificationKind::Update {
        return None;
    }
    let (severity, sites, place) = facts.told_before()?;
    let mut news = Vec::new();
    if let Some(place) = place {
        let now = match facts.place {
            Place::Everywhere { .. } => subject(facts),
            _ => facts.place_name().to_owned(),
        };
        news.push(format!("nơi gặp sự cố từ {place} thành {now}"));
    }
    if severity != facts.severity {
        let from = grade(severity).to_lowercase();
        news.push(format!("mức độ từ {from} thành {}", grade(facts.severity).to_lowercase()));
    }
    if facts.affected.len() != sites && sites > 0 {
        news.push(format!("số điểm cầu bị ảnh hưởng từ {sites} thành {}", facts.affected.len()));
    }
    (!news.is_empty()).then(|| format!("Thay đổi: {}.", news.join("; ")))
}

/// What the fault is about, in the middle of a sentence.
fn subject(facts: &Facts<'_>) -> String {
    let at = match facts.place {
        Place::Monitor => return "hệ thống giám sát".to_owned(),
        Place::Site { name, .. } => named(name),
        Place::Behind { name, sites, itself } => {
            let sites = match itself {
                true => format!("{name} và {sites} điểm cầu phía sau"),
                false => format!("{sites} điểm cầu phía sau {name}"),
            };
            return match facts.cause {
                Cause::Quality => format!("đường truyền đến {sites}"),
                Cause::Device => format!("thiết bị tại {sites}"),
                Cause::Service => format!("dịch vụ tại {sites}"),
                _ => sites,
            };
        }
        Place::Shared { what, failing, of, .. } if what.of_devices => {
            let devices = devices_with(&what);
            let devices = match of {
                all if all == failing => format!("toàn bộ {all} {devices}"),
                _ => format!("{failing}/{of} {devices}"),
            };
            return match facts.cause {
                Cause::Service => format!("dịch vụ trên {devices}"),
                _ => devices,
            };
        }
        Place::Shared { what: Shared { label, value, .. }, failing, of, .. } => {
            let sites = format!("{failing}/{of} điểm cầu cùng {} {value}", shared(label));
            return match facts.cause {
                Cause::Quality => format!("đường truyền đến {sites}"),
                Cause::Device => format!("thiết bị tại {sites}"),
                Cause::Service => format!("dịch vụ tại {sites}"),
                _ => sites,
            };
        }
        Place::Everywhere { what, failing, of } => {
            let sites = match failing == of {
                true => format!("toàn bộ {of} điểm cầu"),
                false => format!("{failing}/{of} điểm cầu"),
            };
            return match facts.cause {
                Cause::Service => format!("dịch vụ {what} tại {sites}"),
                _ => format!("thiết bị {what} tại {sites}"),
            };
        }
    };
    let device = match facts.device() {
        "" => "thiết bị",
        device => device,
    };
    match facts.cause {
        Cause::Monitor => "hệ thống giám sát".to_owned(),
        Cause::Uplink | Cause::Access => at,
        Cause::Device if device == "thiết bị" => format!("{device} tại {at}"),
        Cause::Device => format!("thiết bị {device} tại {at}"),
        Cause::Service => match facts.check() {
            "" => format!("dịch vụ trên {device} tại {at}"),
            check => format!("dịch vụ {check} trên {device} tại {at}"),
        },
        Cause::Quality => format!("đường truyền đến {at}"),
        Cause::Certificate => format!("chứng thư của {device} tại {at}"),
        Cause::Clock => format!("đồng hồ của {device} tại {at}"),
    }
}

/// The fault in capitals, for the first line.
fn fault(facts: &Facts<'_>) -> String {
    match facts.cause {
        Cause::Monitor if facts.ails().is_some() => "CÓ TRỤC TRẶC",
        Cause::Monitor => "KHÔNG QUAN SÁT ĐƯỢC",
        Cause::Uplink | Cause::Access | Cause::Device if facts.is_slow() => "TRẢ LỜI QUÁ CHẬM",
        Cause::Uplink | Cause::Access => "MẤT KẾT NỐI",
        Cause::Device => "KHÔNG PHẢN HỒI",
        Cause::Service => "NGỪNG HOẠT ĐỘNG",
        Cause::Quality => "SUY GIẢM CHẤT LƯỢNG",
        Cause::Certificate | Cause::Clock => return plain_fault(facts).to_uppercase(),
    }
    .to_owned()
}

/// The fault in the middle of a sentence.
fn plain_fault(facts: &Facts<'_>) -> String {
    match facts.cause {
        Cause::Monitor if facts.ails().is_some() => "có trục trặc",
        Cause::Monitor => "không quan sát được",
        Cause::Uplink | Cause::Access | Cause::Device if facts.is_slow() => "trả lời quá chậm",
        Cause::Uplink | Cause::Access => "mất kết nối",
        Cause::Device => "không phản hồi",
        Cause::Service => "ngừng hoạt động",
        Cause::Quality => "suy giảm chất lượng",
        Cause::Certificate => {
            let said = facts.last_seen(|seen| match seen {
                Seen::CertificateEnded(_) => Some("đã hết hạn"),
                Seen::CertificateEnds(_) => Some("sắp hết hạn"),
                Seen::CertificateNotYet(_) => Some("chưa có hiệu lực"),
                _ => None,
            });
            said.unwrap_or("ngoài thời hạn")
        }
        Cause::Clock => {
            let said = facts.last_seen(|seen| match seen {
                Seen::ClockOff(by) if by > 0 => Some("chạy nhanh"),
                Seen::ClockOff(_) => Some("chạy chậm"),
                _ => None,
            });
            said.unwrap_or("lệch giờ")
        }
    }
    .to_owned()
}

fn works_again(facts: &Facts<'_>) -> String {
    if let Some(topic) = topic(facts) {
        return format!("đã hết trục trặc về {topic}");
    }
    if facts.is_unsteady() {
        return "đã ổn định trở lại".to_owned();
    }
    match facts.cause {
        Cause::Monitor => "đã quan sát lại được",
        Cause::Uplink | Cause::Access | Cause::Device if facts.is_slow() => {
            "đã trả lời kịp trở lại"
        }
        Cause::Device | Cause::Service => "đã hoạt động trở lại",
        Cause::Uplink | Cause::Access => "đã khôi phục kết nối",
        Cause::Quality => "đã ổn định trở lại",
        Cause::Certificate => {
            let said = facts.last_seen(|seen| match seen {
                Seen::CertificateEnds(_) => Some("đã được gia hạn"),
                Seen::CertificateNotYet(_) => Some("đã có hiệu lực"),
                _ => None,
            });
            said.unwrap_or("đã hợp lệ trở lại")
        }
        Cause::Clock => "đã đúng giờ trở lại",
    }
    .to_owned()
}

/// What is wrong with this monitor while it is, after what is said of it.
fn why(facts: &Facts<'_>) -> String {
    let doubt = facts.doubt().filter(|_| facts.over.is_none());
    doubt.map_or_else(String::new, |doubt| format!(": {}", self_doubt(doubt)))
}

/// Who else is affected, or what is wrong with this monitor, for the first line.
fn extent(facts: &Facts<'_>) -> String {
    match facts.place {
        Place::Monitor => why(facts),
        Place::Site { others: 0, .. } => still(facts, true),
        Place::Site { others, .. } if facts.over.is_some() => {
            format!(", cùng {others} điểm cầu phía sau{}", still(facts, true))
        }
        Place::Site { others, .. } => format!(", kéo theo {others} điểm cầu phía sau"),
        Place::Behind { .. } | Place::Shared { .. } | Place::Everywhere { .. } => {
            still(facts, true)
        }
    }
}

/// Which sites have not come back with the others, after what is said of those.
fn still(facts: &Facts<'_>, in_first_line: bool) -> String {
    let fault = match facts.cause {
        Cause::Quality => "chưa ổn định".to_owned(),
        _ => format!("còn {}", plain_fault(facts)),
    };
    match facts.named_passed_on(in_first_line) {
        ([], 0) => String::new(),
        ([], many) => format!("; {fault}: {many} điểm cầu"),
        (named, 0) => format!("; {fault}: {}", named.join(", ")),
        (named, more) => format!("; {fault}: {} và {more} điểm cầu khác", named.join(", ")),
    }
}

/// Level and parent of the site, after its name.
fn where_it_is(facts: &Facts<'_>) -> String {
    let Place::Site { .. } = facts.place else { return String::new() };
    let level = facts.alert.level_name.as_str();
    let parent = facts.alert.parent_name.as_str();
    match (level, parent) {
        ("", "") => String::new(),
        (level, "") => format!(" (cấp {})", lower_first(level)),
        ("", parent) => format!(" (kết nối qua {parent})"),
        (level, parent) => format!(" (cấp {}, kết nối qua {parent})", lower_first(level)),
    }
}

fn affected(facts: &Facts<'_>) -> Option<String> {
    let sites = facts.affected.len();
    if sites == 0 {
        return None;
    }
    if let Place::Monitor = facts.place {
        let known = if facts.over.is_some() { "khi đó không rõ" } else { "không rõ" };
        let mut text = format!("Ảnh hưởng: {known} tình trạng của {sites} điểm cầu");
        if facts.ails().is_some() {
            let (named, more) = facts.named();
            text.push_str(&format!(": {}", named.join(", ")));
            if more > 0 {
                text.push_str(&format!(" và {more} điểm cầu khác"));
            }
        }
        text.push('.');
        return Some(text);
    }
    let of = facts.incident.of as usize;
    let mut text = if sites > 1 && of > sites {
        format!("Ảnh hưởng: {sites} trên {of} điểm cầu")
    } else {
        format!("Ảnh hưởng: {sites} điểm cầu")
    };
    if facts.incident.delegates > 0 {
        text.push_str(&format!(", {} đại biểu", grouped(facts.incident.delegates.into(), '.')));
    }
    if sites > 1 {
        let (named, more) = facts.named();
        text.push_str(&format!(": {}", named.join(", ")));
        if more > 0 {
            text.push_str(&format!(" và {more} điểm cầu khác"));
        }
    }
    text.push('.');
    Some(text)
}

fn session(touched: &TouchedSession<'_>, facts: &Facts<'_>) -> String {
    let title = touched.title.map(|title| format!(" “{title}”")).unwrap_or_default();
    let start = hour(&touched.start, &facts.now);
    match touched.stands {
        Stands::Begins(after) => {
            format!("Phiên họp{title} bắt đầu lúc {start}, còn {}.", duration(after))
        }
        Stands::On(since) => {
            format!("Phiên họp{title} đang diễn ra từ {start}, đã {}.", duration(since))
        }
        Stands::Over => format!("Phiên họp{title} lúc {start} đã kết thúc."),
    }
}

fn session_in_brief(facts: &Facts<'_>) -> String {
    match &facts.session {
        Some(touched) => match touched.stands {
            Stands::Begins(_) => format!(" (phiên họp {})", hour(&touched.start, &facts.now)),
            Stands::On(_) => " (đang họp)".to_owned(),
            Stands::Over => String::new(),
        },
        None => String::new(),
    }
}
