//! What is likely, what to do about it and whom to phone, in Vietnamese.

use super::ourselves::of_ourselves;
use super::words::{devices_with, shared};
use crate::model::Cause;
use crate::texts::seen::Seen;
use crate::texts::{Facts, Place, Shared};

/// What most likely happened.
pub(in crate::texts) fn likely(facts: &Facts<'_>) -> String {
    if let Some((likely, _)) = of_ourselves(facts) {
        return likely.to_owned();
    }
    match facts.place {
        Place::Behind { name, .. } if matches!(facts.cause, Cause::Device | Cause::Service) => {
            let alive = match facts.cause {
                Cause::Service => "bản thân thiết bị vẫn trả lời",
                _ => "bộ định tuyến tại các điểm cầu vẫn trả lời",
            };
            return format!(
                "một nguyên nhân chung trên tuyến qua {name}: tường lửa, hoặc gói nhỏ qua được còn \
                 gói lớn thì không (MTU); {alive}"
            );
        }
        Place::Behind { name, .. } => {
            return format!(
                "đường truyền từ {name} đến các điểm cầu phía sau gặp sự cố; {name} vẫn trả lời"
            );
        }
        Place::Shared { what, others, .. } => {
            let outside = match others {
                (_, 0) => String::new(),
                (0, _) => "; cùng lúc đó không điểm cầu nào khác bị như vậy".to_owned(),
                (hit, of) => {
                    format!("; cùng lúc đó, ngoài nhóm này chỉ {hit}/{of} điểm cầu bị như vậy")
                }
            };
            return if what.of_devices {
                format!(
                    "lỗi chung của {}: bản cập nhật phần mềm hoặc cấu hình đẩy xuống hàng loạt, \
                     giấy phép hết hạn{outside}",
                    devices_with(&what)
                )
            } else {
                format!("sự cố chung của {} {}{outside}", shared(what.label), what.value)
            };
        }
        Place::Everywhere { .. } => {
            return match facts.cause {
                Cause::Service => {
                    "một nguyên nhân chung: tường lửa trên đường truyền, máy chủ trung tâm mà các \
                     điểm cầu cùng dùng, hoặc cấu hình vừa đổi hàng loạt; bản thân thiết bị vẫn \
                     trả lời"
                }
                _ => {
                    "một nguyên nhân chung: tường lửa trên đường truyền, hoặc bản cập nhật, cấu \
                     hình đẩy xuống hàng loạt; bộ định tuyến tại các điểm cầu vẫn trả lời"
                }
            }
            .to_owned();
        }
        Place::Monitor | Place::Site { .. } => {}
    }
    if facts.is_unsteady() && matches!(facts.cause, Cause::Uplink | Cause::Access) {
        return "lỏng cáp, nguồn điện hoặc đường truyền không ổn định".to_owned();
    }
    if facts.is_slow() && matches!(facts.cause, Cause::Uplink | Cause::Access) {
        return "đường truyền nghẽn hoặc quá kém, trả lời về quá muộn nên không dùng được"
            .to_owned();
    }
    match facts.cause {
        Cause::Monitor => {
            "máy giám sát mất mạng, quá tải, đầy đĩa hoặc sai giờ; tình trạng các điểm cầu hiện \
             không rõ"
        }
        Cause::Uplink => "mất điện hoặc đứt đường truyền tại nơi các điểm cầu phía sau đi qua",
        Cause::Access => "mất điện hoặc đứt đường truyền tại riêng điểm cầu này",
        Cause::Device => "thiết bị tắt, treo hoặc tuột dây mạng; bộ định tuyến tại đó vẫn trả lời",
        Cause::Service if facts.is_stalled() => {
            "dịch vụ bị treo hoặc quá tải, nhận kết nối nhưng không trả lời kịp"
        }
        Cause::Service => "dịch vụ chưa bật, bị treo hoặc bị tường lửa chặn; thiết bị vẫn trả lời",
        Cause::Quality => "nghẽn đường truyền, lỗi cáp hoặc lỗi cổng mạng",
        Cause::Certificate => {
            let likely = facts.last_seen(|seen| match seen {
                Seen::CertificateEnds(_) => {
                    Some("chưa ai gia hạn; sau ngày đó kết nối bảo mật sẽ bị từ chối")
                }
                Seen::CertificateNotYet(_) => {
                    Some("chứng thư được tạo khi đồng hồ của thiết bị chạy sai")
                }
                _ => None,
            });
            likely.unwrap_or("chưa ai gia hạn; kết nối bảo mật bị từ chối")
        }
        Cause::Clock => {
            "thiết bị không đồng bộ được với máy chủ thời gian (NTP); giờ sai làm hỏng kết nối bảo \
             mật và lịch họp"
        }
    }
    .to_owned()
}

/// What helps a line that is too full.
const RELIEVE: &str = "\
    Hỏi điểm cầu có ai đang tải dữ liệu lớn không và tạm ngừng; cắm lại dây mạng giữa bộ định tuyến \
    và modem. Nếu vẫn vậy, báo nhà mạng kiểm tra kênh truyền.";

pub(super) fn action(facts: &Facts<'_>) -> String {
    if facts.unshown {
        return "Chưa rõ đã khắc phục hay chưa, chỉ là thiết bị không còn cho thấy: kiểm tra ngay \
                trên thiết bị."
            .to_owned();
    }
    if facts.removed {
        return "Chưa rõ đã khắc phục hay chưa, chỉ là không còn được giám sát. Nếu bị xóa nhầm, \
                khai báo lại trong cấu hình."
            .to_owned();
    }
    if !facts.passed_on.is_empty() {
        return "Vẫn cần xử lý nơi chưa khôi phục: không gọi về những người đang đến đó. Nếu đã cử \
                người đến điểm cầu khác, báo lại cho họ."
            .to_owned();
    }
    if facts.over.is_some() {
        return "Không cần làm gì thêm. Nếu đã cử người đến, báo lại cho họ.".to_owned();
    }
    if let Some((_, action)) = of_ourselves(facts) {
        return action.to_owned();
    }
    let first = match (facts.cause, facts.place) {
        (_, Place::Shared { what: Shared { of_devices: true, .. }, .. }) => {
            "Hỏi người quản lý thiết bị vừa cập nhật hay đổi cấu hình gì; dừng việc đẩy tiếp và lùi \
             lại nếu được. Khởi động lại một thiết bị: nếu được thì làm lần lượt ở các điểm cầu \
             trên, nếu không thì báo nhà cung cấp."
        }
        (_, Place::Shared { what: Shared { label: "power", .. }, .. }) => {
            "Gọi điện lực hỏi phạm vi và thời gian mất điện; hỏi các điểm cầu có máy phát hoặc bộ \
             lưu điện không. Không cần gọi từng điểm cầu để hỏi nguyên nhân."
        }
        (_, Place::Everywhere { .. }) => {
            "Kiểm tra ở trung tâm trước: vừa thay đổi gì trên tường lửa, máy chủ trung tâm hoặc \
             cấu hình thiết bị? Lùi lại thay đổi đó. Không cần gọi từng điểm cầu."
        }
        (Cause::Quality, Place::Shared { .. }) => {
            "Báo nhà mạng kiểm tra kênh truyền chung, đọc cho họ danh sách điểm cầu ở trên."
        }
        (_, Place::Shared { .. }) => {
            "Gọi nhà mạng hoặc đơn vị quản lý phần dùng chung, đọc cho họ danh sách điểm cầu ở \
             trên. Không cần gọi từng điểm cầu để hỏi nguyên nhân."
        }
        (Cause::Quality, Place::Behind { .. }) => {
            "Báo nhà mạng kiểm tra nghẽn trên tuyến chung; tạm ngừng việc truyền dữ liệu lớn trên \
             tuyến này."
        }
        (Cause::Device | Cause::Service, Place::Behind { .. }) => {
            "Kiểm tra tuyến đó trước: vừa thay đổi gì trên tường lửa, bộ lọc hoặc kích thước gói \
             (MTU)? Lùi lại thay đổi đó, hoặc báo nhà mạng kiểm tra. Không cần gọi từng điểm cầu \
             phía sau."
        }
        (_, Place::Behind { .. }) => {
            "Kiểm tra cổng và thiết bị chuyển mạch nối xuống các điểm cầu phía sau; báo nhà mạng \
             đứt tuyến. Không cần gọi từng điểm cầu phía sau."
        }
        (Cause::Monitor, _) => {
            "Kiểm tra dây mạng, cổng ra, dung lượng đĩa và giờ của máy giám sát. Cho đến khi xong, \
             hỏi tình trạng các điểm cầu qua điện thoại."
        }
        (Cause::Uplink | Cause::Access, Place::Site { .. }) if facts.is_unsteady() => {
            "Gọi cán bộ trực tại đó: kiểm tra phích cắm, bộ nguồn và đầu cáp của bộ định tuyến và \
             modem quang. Nếu vẫn chập chờn, báo nhà mạng kiểm tra đường truyền."
        }
        (Cause::Uplink | Cause::Access, Place::Site { .. }) if facts.is_slow() => RELIEVE,
        (Cause::Uplink, _) => {
            "Gọi cán bộ trực tại đó: còn điện không, bộ định tuyến có sáng đèn không. Nếu có điện, \
             báo nhà mạng đứt đường truyền. Không cần gọi từng điểm cầu phía sau."
        }
        (Cause::Access, _) => {
            "Gọi cán bộ trực tại điểm cầu: còn điện không, kiểm tra nguồn bộ định tuyến và modem \
             quang. Nếu đèn LOS đỏ hoặc đèn PON tắt: báo nhà mạng đứt cáp quang."
        }
        (Cause::Device, _) => {
            "Gọi cán bộ trực: bật thiết bị, cắm lại dây mạng giữa thiết bị và bộ định tuyến; nếu \
             treo thì rút nguồn 10 giây rồi cắm lại."
        }
        (Cause::Service, _) if facts.is_stalled() => {
            "Khởi động lại thiết bị; nếu vẫn vậy, xem thiết bị hoặc đường truyền của nó có đang quá \
             tải không."
        }
        (Cause::Service, _) => {
            "Khởi động lại thiết bị; nếu vẫn vậy, kiểm tra cấu hình dịch vụ và tường lửa có chặn \
             cổng không."
        }
        (Cause::Quality, _) => RELIEVE,
        (Cause::Certificate, _) => {
            "Gia hạn hoặc thay chứng thư trên thiết bị, sau khi kiểm tra ngày giờ của nó."
        }
        (Cause::Clock, _) => {
            "Đặt lại ngày giờ và múi giờ của thiết bị, kiểm tra địa chỉ máy chủ NTP trong cấu hình."
        }
    };
    let fallback = match facts.cause {
        Cause::Uplink | Cause::Access | Cause::Device if facts.session_is_near() => {
            " Nếu không kịp giờ họp: cho đại biểu dự qua đường 4G hoặc tại điểm cầu gần nhất."
        }
        _ => "",
    };
    format!("{first}{fallback}")
}

pub(super) fn contact(facts: &Facts<'_>) -> String {
    facts.contacts().unwrap_or_else(|| match facts.place {
        Place::Site { .. } | Place::Behind { .. } => {
            "chưa khai báo người liên hệ của điểm cầu này".to_owned()
        }
        Place::Shared { what, .. } => format!("chưa khai báo người liên hệ của “{}”", what.value),
        Place::Everywhere { what, .. } => format!("chưa khai báo người liên hệ của “{what}”"),
        Place::Monitor => "chưa khai báo người quản trị hệ thống giám sát".to_owned(),
    })
}
