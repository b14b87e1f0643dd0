//! What was seen, in one line of Vietnamese.

use super::ourselves::self_doubt;
use super::words::{clock, day, hour, precise};
use crate::model::{Failure, Language, RemoteFailure};
use crate::texts::seen::{Seen, named_by};
use crate::texts::{Facts, Observed, tenths};

pub(in crate::texts) fn evidence(facts: &Facts<'_>) -> Option<String> {
    let seen = facts.evidence();
    let dated = |it: &Observed<'_>| {
        let said = observation(it, facts);
        match facts.seen_before(it) {
            Some(at) => format!("{said} (lúc {})", hour(&at, &facts.now)),
            None => said,
        }
    };
    let parts: Vec<String> = seen.iter().map(dated).collect();
    (!parts.is_empty()).then(|| format!("Dấu hiệu: {}.", parts.join("; ")))
}

pub(super) fn observation(observed: &Observed<'_>, facts: &Facts<'_>) -> String {
    let what = facts.seen_at(&observed.targets, "tại");
    let when = precise(&facts.local(observed.at));
    match observed.seen {
        Seen::Failed(failed) => {
            let words = failure(failed);
            match (failed, named_by(failed, Language::Vi)) {
                (Failure::Remote(RemoteFailure::Stalled { reached, limit_ms }), _) => {
                    let words = Language::Vi.stalled(*reached, *limit_ms);
                    format!("{what}: {words} từ {when}")
                }
                (Failure::Remote(RemoteFailure::Unreachable(_)), Some(router)) => {
                    format!("{what}: {words} (theo {router}) từ {when}")
                }
                (_, Some(detail)) => format!("{what}: {words} ({detail}) từ {when}"),
                (_, None) => format!("{what}: {words} từ {when}"),
            }
        }
        Seen::Answers { rtt_us: Some(rtt) } => {
            format!("{what}: vẫn trả lời sau {} ms", tenths(rtt / 100, ','))
        }
        Seen::Answers { rtt_us: None } => format!("{what}: vẫn trả lời"),
        Seen::Below { answer: 0, of } => {
            format!("cả {of} điểm cầu phía sau {what} đều không liên lạc được")
        }
        Seen::Below { answer, of } if answer == of => {
            format!("cả {of} điểm cầu phía sau {what} đều liên lạc được")
        }
        Seen::Below { answer, of } => {
            format!("{answer}/{of} điểm cầu phía sau {what} vẫn liên lạc được")
        }
        Seen::Path { lost_permille, rtt_ms, jitter_ms } => format!(
            "{what}: tỷ lệ mất gói {} %, độ trễ khứ hồi {rtt_ms} ms, biến động trễ {jitter_ms} ms",
            tenths(lost_permille, ',')
        ),
        Seen::ClockOff(by) => {
            let (off, way) = clock(by);
            format!("{what}: {way} {off}")
        }
        Seen::CertificateEnded(at) => format!("{what}: hết hạn từ {}", day(&facts.local(at))),
        Seen::CertificateEnds(at) => format!("{what}: hết hạn vào {}", day(&facts.local(at))),
        Seen::CertificateNotYet(at) => {
            format!("{what}: chỉ có hiệu lực từ {}", day(&facts.local(at)))
        }
        Seen::Ourselves(doubt) => format!("{} lúc {when}", self_doubt(doubt)),
        Seen::Words(words) => format!("{words}, lúc {when}"),
    }
}

/// What a failure means, in a few words.
pub(super) fn failure(failure: &Failure) -> &'static str {
    match failure.word() {
        "timeout" => "không phản hồi",
        "slow" => "trả lời quá muộn",
        "stalled" => "nhận kết nối nhưng không trả lời kịp",
        "refused" => "từ chối kết nối",
        "closed" => "ngắt giữa chừng",
        "net-unreachable" => "không có đường đi",
        "host-unreachable" => "không tới được thiết bị",
        "protocol-unreachable" | "port-unreachable" => "báo cổng đóng",
        "prohibited" => "bị tường lửa từ chối",
        "too-big" => "không nhận gói tin lớn",
        "time-exceeded" => "không tới được vì lặp vòng định tuyến",
        "unreachable" => "không tới được",
        "malformed" => "trả lời sai giao thức",
        "service-out" => "báo dịch vụ ngừng",
        "unexpected" => "trả lời không như mong đợi",
        "tls" => "lỗi bắt tay TLS",
        "certificate-time" => "có chứng thư ngoài thời hạn",
        _ => "không hỏi được từ máy giám sát",
    }
}
