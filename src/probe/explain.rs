//! A probe in words, step by step: what was sent, what came back, what it means.
//!
//! The words are for a technician on the phone, in both languages. What a device itself said is
//! quoted as it is.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::memory::Record;
use crate::model::{
    Certificate, Check, CheckKind, Detail, Failure, HttpMethod, IcmpDetail, IcmpError, Judgement,
    Language, LocalFailure, RemoteFailure, Reply, SipTransport, Step, StepKind, Unreachable, hops,
    quoted,
};

/// How texts are written.
#[derive(Debug, Clone)]
pub struct Style {
    /// In which language.
    pub language: Language,
    /// In which time zone dates are given.
    pub time_zone: TimeZone,
}

/// The whole story of one probe, a line for each step, ending with what it means.
#[must_use]
pub fn story(record: &Record, check: &Check, style: &Style) -> Vec<String> {
    let language = style.language;
    let mut lines = vec![ask(&check.kind, record.address, language)];
    if let (Some(address), CheckKind::Icmp(_)) = (record.address, &check.kind) {
        lines.extend(echoes(record, address, language));
    }
    lines.extend(record.trace.steps().iter().map(|step| in_time(step, style)));
    lines.push(match &record.outcome.result {
        Ok(answer) => format!("=> {}", reply(answer, style)),
        Err(why) => format!("=> {}", failure(why, style)),
    });
    lines
}

/// What a failure means.
#[must_use]
pub fn failure(failure: &Failure, style: &Style) -> String {
    match failure {
        Failure::Remote(remote) => remote_failure(remote, style),
        Failure::Local(local) => local_failure(local, style.language),
    }
}

/// What a reply says.
#[must_use]
pub fn reply(reply: &Reply, style: &Style) -> String {
    let language = style.language;
    let mut text = match &reply.detail {
        Detail::Icmp(echo) => match language {
            Language::Vi => format!("trả lời {} trên {} gói", echo.received, echo.sent),
            Language::En => format!("{} of {} echo requests answered", echo.received, echo.sent),
        },
        Detail::Tcp(_) => language.pick("cổng mở", "the port is open").to_owned(),
        Detail::H323(_) => {
            language.pick("cổng báo hiệu H.323 mở", "the H.323 signalling port is open").to_owned()
        }
        Detail::Http(http) => format!("HTTP {}", http.status),
        Detail::Sip(sip) => {
            let Some(word) = sip_word(sip.status, language) else {
                return with_rtt(format!("SIP {} {}", sip.status, sip.reason), reply.rtt, language);
            };
            format!("SIP {} {}: {word}", sip.status, sip.reason)
        }
    };
    text = with_rtt(text, reply.rtt, language);
    let (certificate, offset, seen_as) = match &reply.detail {
        Detail::Http(http) => (&http.certificate, http.clock_offset_s, None),
        Detail::Sip(sip) => (&sip.certificate, sip.clock_offset_s, sip.seen_as),
        _ => (&None, None, None),
    };
    if let Some(certificate) = certificate {
        let date = date(certificate, style).1;
        let _ = match language {
            Language::Vi => write!(text, "; chứng thư hết hạn {date}"),
            Language::En => write!(text, "; certificate ends {date}"),
        };
    }
    if let Some(offset) = offset.filter(|offset| *offset != 0) {
        let _ = match language {
            Language::Vi => write!(text, "; đồng hồ thiết bị lệch {offset:+} giây"),
            Language::En => write!(text, "; the device's clock is off by {offset:+} s"),
        };
    }
    if let Some(seen_as) = seen_as {
        let _ = match language {
            Language::Vi => write!(text, "; thiết bị thấy ta ở {seen_as}: có NAT trên đường"),
            Language::En => write!(text, "; the device sees us as {seen_as}: NAT on the path"),
        };
    }
    text
}

fn with_rtt(text: String, rtt: Option<Duration>, language: Language) -> String {
    match rtt {
        Some(rtt) => {
            let label = language.pick("độ trễ khứ hồi", "round trip");
            format!("{text}, {label} {}", millis(rtt, language))
        }
        None => text,
    }
}

/// What the probe asks, in one line.
fn ask(kind: &CheckKind, address: Option<IpAddr>, language: Language) -> String {
    let whom = address.map_or_else(
        || language.pick("(chưa biết địa chỉ)", "(address unknown)").to_owned(),
        |address| address.to_string(),
    );
    let what = match kind {
        CheckKind::Icmp(_) => language.pick("ping (ICMP echo)", "ping (ICMP echo)").to_owned(),
        CheckKind::Tcp(tcp) => match language {
            Language::Vi => format!("mở kết nối TCP cổng {}", tcp.port),
            Language::En => format!("open a TCP connection to port {}", tcp.port),
        },
        CheckKind::Http(http) => {
            let method = match http.method {
                HttpMethod::Get => "GET",
                HttpMethod::Head => "HEAD",
                HttpMethod::Options => "OPTIONS",
            };
            let scheme = if http.tls { "https" } else { "http" };
            format!("{scheme} {method} {} ({})", http.path, http.port)
        }
        CheckKind::Sip(sip) => {
            let carrier = match sip.transport {
                SipTransport::Udp => "UDP",
                SipTransport::Tcp => "TCP",
                SipTransport::Tls => "TLS",
            };
            format!("SIP OPTIONS, {carrier} {}", sip.port)
        }
        CheckKind::H323(h323) => match language {
            Language::Vi => format!("H.323: mở rồi đóng ngay cổng TCP {}", h323.port),
            Language::En => format!("H.323: open TCP port {} and close it at once", h323.port),
        },
    };
    match language {
        Language::Vi => format!("Hỏi {whom}: {what}"),
        Language::En => format!("Asking {whom}: {what}"),
    }
}

/// The steps of an echo probe, made from its outcome.
fn echoes(record: &Record, address: IpAddr, language: Language) -> Vec<String> {
    let Ok(Reply { detail: Detail::Icmp(echo), .. }) = &record.outcome.result else {
        return Vec::new();
    };
    let IcmpDetail { sent, received, rtts, ttl, tos, duplicates } = echo;
    let mut lines = vec![match language {
        Language::Vi => format!("đã gửi {sent} gói tới {address}, nhận lại {received}"),
        Language::En => format!("{sent} sent to {address}, {received} came back"),
    }];
    let figures: Vec<String> = rtts.as_slice().iter().map(|rtt| millis(*rtt, language)).collect();
    lines.push(format!("{}: {}", language.pick("độ trễ", "round trips"), figures.join(", ")));
    let mut marks: Vec<String> = Vec::new();
    marks.extend(ttl.map(|ttl| match language {
        Language::Vi => format!("TTL {ttl} (qua {} bộ định tuyến)", hops(ttl)),
        Language::En => format!("TTL {ttl} ({} hops)", hops(ttl)),
    }));
    marks.extend(tos.map(|tos| format!("DSCP {} (TOS 0x{tos:02x})", tos >> 2)));
    if *duplicates > 0 {
        marks.push(match language {
            Language::Vi => format!("{duplicates} gói trùng lặp"),
            Language::En => format!("{duplicates} duplicates"),
        });
    }
    if !marks.is_empty() {
        lines.push(marks.join(", "));
    }
    lines
}

/// One step with its time.
fn in_time(step: &Step, style: &Style) -> String {
    let at = Duration::from_micros(step.at_us);
    format!("{:>10}  {}", millis(at, style.language), self::step(&step.kind, style))
}

/// One step in words.
#[must_use]
pub fn step(kind: &StepKind, style: &Style) -> String {
    let language = style.language;
    let vi = language == Language::Vi;
    match kind {
        StepKind::Address(at) if vi => format!("địa chỉ: {}", port_if_any(at)),
        StepKind::Address(at) => format!("address: {}", port_if_any(at)),
        StepKind::Connecting(at) if vi => format!("đang kết nối tới {at}"),
        StepKind::Connecting(at) => format!("connecting to {at}"),
        StepKind::Connected { local } if vi => format!("đã kết nối (từ {local})"),
        StepKind::Connected { local } => format!("connected (from {local})"),
        StepKind::Secured(with) if vi => format!("đã thiết lập TLS: {with}"),
        StepKind::Secured(with) => format!("TLS stands: {with}"),
        StepKind::Certificate(certificate) => {
            let (from, until) = date(certificate, style);
            let subject = &certificate.subject;
            let signed = if certificate.self_signed {
                language.pick(", tự ký", ", self-signed")
            } else {
                ""
            };
            match language {
                Language::Vi => format!("chứng thư: {subject}, từ {from} đến {until}{signed}"),
                Language::En => format!("certificate: {subject}, {from} to {until}{signed}"),
            }
        }
        StepKind::Sent(what) if vi => format!("gửi: {what}"),
        StepKind::Sent(what) => format!("sent: {what}"),
        StepKind::Received(what) if vi => format!("nhận: {what}"),
        StepKind::Received(what) => format!("received: {what}"),
        StepKind::Ignored(why) if vi => format!("bỏ qua một gói không tính: {why}"),
        StepKind::Ignored(why) => format!("ignored something that does not count: {why}"),
        StepKind::TimedOut if vi => "hết thời gian chờ".to_owned(),
        StepKind::TimedOut => "the time limit passed".to_owned(),
        StepKind::Judged(judgement) if vi => format!("nhận định: {}", judged(judgement, language)),
        StepKind::Judged(judgement) => format!("judged: {}", judged(judgement, language)),
    }
}

/// What the probe makes of an answer.
fn judged(judgement: &Judgement, language: Language) -> String {
    let words = match judgement {
        Judgement::StatusExpected => {
            language.pick("mã trạng thái đúng như mong đợi", "the status is as expected")
        }
        Judgement::StatusUnexpected => language.pick(
            "mã trạng thái không nằm trong các mã mong đợi",
            "the status is not one of those expected",
        ),
        Judgement::BodyExpected => language
            .pick("mã trạng thái và nội dung đúng như mong đợi", "status and body are as expected"),
        Judgement::BodyUnexpected(pattern) => {
            return match language {
                Language::Vi => format!("nội dung không khớp mẫu {pattern:?}"),
                Language::En => format!("the body does not match {pattern:?}"),
            };
        }
        Judgement::ServiceOut => language.pick(
            "máy trả lời thay, dịch vụ phía sau không sẵn sàng",
            "what answers is not what was asked for: the service behind it is out",
        ),
        Judgement::Alive => language.pick(
            "có trả lời cuối cùng nghĩa là thiết bị đang hoạt động",
            "any other final response means that the device is alive",
        ),
        Judgement::SeenAs(seen) => {
            return match language {
                Language::Vi => format!("thiết bị thấy ta ở {seen}: có NAT trên đường"),
                Language::En => format!("the device sees us as {seen}: there is NAT on the path"),
            };
        }
    };
    words.to_owned()
}

/// Echo probes have no port.
fn port_if_any(at: &SocketAddr) -> String {
    if at.port() == 0 { at.ip().to_string() } else { at.to_string() }
}

fn remote_failure(failure: &RemoteFailure, style: &Style) -> String {
    let language = style.language;
    let vi = language == Language::Vi;
    match failure {
        RemoteFailure::Timeout => language
            .pick("không có trả lời trong thời gian chờ", "nothing came back within the time limit")
            .to_owned(),
        RemoteFailure::Slow { after_ms, limit_ms } => {
            let answers = language.pick("có trả lời, nhưng", "it answers, but");
            format!("{answers} {}", language.slow(*after_ms, *limit_ms))
        }
        RemoteFailure::Stalled { reached, limit_ms } => {
            let host = language.pick("máy", "it");
            format!("{host} {}", language.stalled(*reached, *limit_ms))
        }
        RemoteFailure::Refused => language
            .pick(
                "máy có hoạt động nhưng từ chối: dịch vụ không chạy ở cổng này",
                "the host is alive and refuses: nothing listens on this port",
            )
            .to_owned(),
        RemoteFailure::Closed => language
            .pick(
                "máy đóng kết nối giữa chừng, chưa trả lời xong",
                "the peer closed the connection before it had answered",
            )
            .to_owned(),
        RemoteFailure::Unreachable(error) => unreachable(error, language),
        RemoteFailure::Malformed(why) if vi => {
            format!("trả lời không đúng giao thức: {}", quoted(why, language))
        }
        RemoteFailure::Malformed(why) => format!("what came back is not the protocol: {why}"),
        RemoteFailure::ServiceOut { status, reason } if vi => {
            format!("thiết bị trả lời {status} {reason}: dịch vụ phía sau không sẵn sàng")
        }
        RemoteFailure::ServiceOut { status, reason } => {
            format!("it answers {status} {reason}: the service behind it is out")
        }
        RemoteFailure::Unexpected(why) if vi => {
            format!("trả lời không như mong đợi: {}", quoted(why, language))
        }
        RemoteFailure::Unexpected(why) => format!("the answer is not what was expected: {why}"),
        RemoteFailure::Tls(why) if vi => {
            format!("không thiết lập được TLS: {}", quoted(why, language))
        }
        RemoteFailure::Tls(why) => format!("TLS failed: {why}"),
        RemoteFailure::CertificateTime(certificate) => {
            let (from, until) = date(certificate, style);
            let subject = &certificate.subject;
            match language {
                Language::Vi => format!(
                    "chứng thư của {subject} hết hạn hoặc chưa có hiệu lực (từ {from} đến {until})"
                ),
                Language::En => format!(
                    "the certificate of {subject} has expired or is not valid yet ({from} to {until})"
                ),
            }
        }
    }
}

/// What an ICMP error means, with who said it.
fn unreachable(error: &IcmpError, language: Language) -> String {
    let meaning = match (error.kind, language) {
        (Unreachable::Net, Language::Vi) => "không có đường tới mạng của thiết bị".to_owned(),
        (Unreachable::Net, Language::En) => "no route to the device's network".to_owned(),
        (Unreachable::Host, Language::Vi) => {
            "không tới được thiết bị (tắt, rút dây hoặc đứt đường)".to_owned()
        }
        (Unreachable::Host, Language::En) => {
            "the device cannot be reached (off, unplugged or cut off)".to_owned()
        }
        (Unreachable::Protocol, Language::Vi) => "máy không có giao thức này".to_owned(),
        (Unreachable::Protocol, Language::En) => "the host has no such protocol".to_owned(),
        (Unreachable::Port, Language::Vi) => "dịch vụ không chạy ở cổng này".to_owned(),
        (Unreachable::Port, Language::En) => "nothing listens on this port".to_owned(),
        (Unreachable::TooBig { mtu }, Language::Vi) => {
            format!("gói quá lớn, chặng sau chỉ nhận {mtu} byte")
        }
        (Unreachable::TooBig { mtu }, Language::En) => {
            format!("the packet is too big, the next hop takes {mtu} bytes")
        }
        (Unreachable::Prohibited, Language::Vi) => "bị tường lửa chặn".to_owned(),
        (Unreachable::Prohibited, Language::En) => "a firewall rejects it".to_owned(),
        (Unreachable::TimeExceeded, Language::Vi) => {
            "gói đi quá nhiều chặng (lặp đường)".to_owned()
        }
        (Unreachable::TimeExceeded, Language::En) => {
            "the packet passed too many hops (a routing loop)".to_owned()
        }
        (Unreachable::Other, Language::Vi) => "không chuyển được gói".to_owned(),
        (Unreachable::Other, Language::En) => "the packet could not be delivered".to_owned(),
    };
    let code = format!("ICMP {}/{}", error.icmp_type, error.icmp_code);
    match (error.offender, language) {
        (Some(who), Language::Vi) => {
            format!("bộ định tuyến báo: {meaning} ({code} từ {who})")
        }
        (Some(who), Language::En) => format!("a router says: {meaning} ({code} from {who})"),
        (None, Language::Vi) => format!("mạng báo: {meaning}"),
        (None, Language::En) => format!("the network says: {meaning}"),
    }
}

fn local_failure(failure: &LocalFailure, language: Language) -> String {
    let vi = language == Language::Vi;
    let why = match failure {
        LocalFailure::Unresolved(why) if vi => format!("chưa phân giải được tên {why}"),
        LocalFailure::Unresolved(why) => format!("the name is not resolved: {why}"),
        LocalFailure::NoSuchName(name) if vi => format!("tên {name} không có trong DNS"),
        LocalFailure::NoSuchName(name) => format!("DNS knows no name {name}"),
        LocalFailure::NoRoute if vi => {
            "máy giám sát không có đường ra mạng này hoặc cổng mạng bị tắt".to_owned()
        }
        LocalFailure::NoRoute => "this machine has no route or its interface is down".to_owned(),
        // What to do about it takes several lines, which are for whoever runs the program.
        LocalFailure::Forbidden(why) if vi => {
            let why = quoted(why.lines().next().unwrap_or_default(), language);
            format!("hệ điều hành không cho phép: {why}")
        }
        LocalFailure::Forbidden(why) => {
            format!("the kernel forbids it: {}", why.lines().next().unwrap_or_default())
        }
        LocalFailure::Late if vi => "máy giám sát quá tải, kết quả đến quá muộn".to_owned(),
        LocalFailure::Late => "this machine is too busy, the result came too late".to_owned(),
        LocalFailure::Exhausted(why) if vi => {
            format!("máy giám sát cạn tài nguyên: {}", quoted(why, language))
        }
        LocalFailure::Exhausted(why) => format!("this machine has run out: {why}"),
        LocalFailure::Overloaded if vi => "quá nhiều phép thử cùng lúc".to_owned(),
        LocalFailure::Overloaded => "too many probes are under way".to_owned(),
        LocalFailure::Stopping if vi => "chương trình đang dừng".to_owned(),
        LocalFailure::Stopping => "the program is stopping".to_owned(),
        LocalFailure::Other(why) => quoted(why, language),
    };
    match language {
        Language::Vi => format!("không hỏi được (lỗi phía máy giám sát): {why}"),
        Language::En => format!("could not ask (a fault of this machine): {why}"),
    }
}

/// What a final SIP response says about the device (RFC 3261 §21), where it says something.
const fn sip_word(status: u16, language: Language) -> Option<&'static str> {
    Some(match status {
        200..=299 => language.pick("sẵn sàng", "ready"),
        401 | 407 => language.pick("hoạt động, đòi xác thực", "alive, wants credentials"),
        403 | 404 => {
            language.pick("hoạt động, không nhận tên được hỏi", "alive, does not know the name")
        }
        480 => language.pick("hoạt động, tạm không nhận cuộc gọi", "alive, takes no calls now"),
        486 | 600 => language.pick("hoạt động, đang bận cuộc gọi", "alive, busy in a call"),
        _ => return None,
    })
}

/// Begin and end of a certificate.
fn date(certificate: &Certificate, style: &Style) -> (String, String) {
    let day = |at: jiff::Timestamp| {
        let at = at.to_zoned_datetime(style.time_zone.clone());
        match style.language {
            Language::Vi => at.strftime("%d/%m/%Y").to_string(),
            Language::En => at.strftime("%Y-%m-%d").to_string(),
        }
    };
    (day(certificate.not_before), day(certificate.not_after))
}

/// Milliseconds with as many decimals as tell something.
fn millis(duration: Duration, language: Language) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    let decimals = match millis {
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let figure = format!("{millis:.decimals$}");
    match language {
        Language::Vi => format!("{} ms", figure.replace('.', ",")),
        Language::En => format!("{figure} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SipDetail, TcpDetail};

    fn vi() -> Style {
        let time_zone = TimeZone::fixed(jiff::tz::offset(7));
        Style { language: Language::Vi, time_zone }
    }

    fn en() -> Style {
        Style { language: Language::En, time_zone: TimeZone::UTC }
    }

    #[test]
    fn a_router_that_speaks_for_a_dead_codec_is_named() {
        let error = IcmpError {
            kind: Unreachable::Host,
            icmp_type: 3,
            icmp_code: 1,
            offender: Some("10.10.0.254".parse().unwrap()),
        };
        let dead = Failure::Remote(RemoteFailure::Unreachable(error));
        assert_eq!(
            failure(&dead, &vi()),
            "bộ định tuyến báo: không tới được thiết bị (tắt, rút dây hoặc đứt đường) \
             (ICMP 3/1 từ 10.10.0.254)"
        );
        assert_eq!(
            failure(&dead, &en()),
            "a router says: the device cannot be reached (off, unplugged or cut off) \
             (ICMP 3/1 from 10.10.0.254)"
        );
    }

    #[test]
    fn what_answers_too_late_is_not_told_as_dead() {
        let slow = Failure::Remote(RemoteFailure::Slow { after_ms: 1_400, limit_ms: 1_000 });
        assert_eq!(failure(&slow, &vi()), "có trả lời, nhưng sau 1,4 s, giới hạn 1 s");
        assert_eq!(failure(&slow, &en()), "it answers, but after 1.4 s, limit 1 s");
    }

    #[test]
    fn an_expired_certificate_is_told_with_its_dates() {
        let certificate = Certificate {
            not_before: "2024-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2025-12-31T20:00:00Z".parse().unwrap(),
            subject: "CN=codec".to_owned(),
            self_signed: true,
        };
        let expired = Failure::Remote(RemoteFailure::CertificateTime(Box::new(certificate)));
        assert!(failure(&expired, &vi()).contains("từ 01/01/2024 đến 01/01/2026"));
        assert!(failure(&expired, &en()).contains("2024-01-01 to 2025-12-31"));
    }

    #[test]
    fn a_fault_of_ours_is_never_told_as_one_of_theirs() {
        let ours = Failure::Local(LocalFailure::NoRoute);
        assert!(failure(&ours, &vi()).starts_with("không hỏi được (lỗi phía máy giám sát)"));
        assert!(failure(&ours, &en()).starts_with("could not ask"));
    }

    #[test]
    fn a_busy_codec_is_alive() {
        let sip = SipDetail {
            status: 486,
            reason: "Busy Here".to_owned(),
            server: None,
            retransmissions: 0,
            certificate: None,
            seen_as: Some("203.0.113.9".parse().unwrap()),
            clock_offset_s: Some(-75),
        };
        let rtt = Some(Duration::from_micros(12_340));
        let busy = Reply { rtt, detail: Detail::Sip(Box::new(sip)) };
        assert_eq!(
            reply(&busy, &vi()),
            "SIP 486 Busy Here: hoạt động, đang bận cuộc gọi, độ trễ khứ hồi 12,3 ms; đồng hồ \
             thiết bị lệch -75 giây; thiết bị thấy ta ở 203.0.113.9: có NAT trên đường"
        );
        let open = Detail::Tcp(TcpDetail { connect: Duration::from_micros(500) });
        let open = Reply { rtt: Some(Duration::from_micros(500)), detail: open };
        assert_eq!(reply(&open, &en()), "the port is open, round trip 0.500 ms");
    }
}
