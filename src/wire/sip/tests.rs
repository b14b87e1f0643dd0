//! What real devices wrote, what none should, and properties over everything else.

use proptest::prelude::*;

use super::*;

/// The reply of a real server (Kamailio 5.6.3), with `branch` between `rport` and `received`.
const KAMAILIO: &str = "SIP/2.0 200 Keepalive\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:43982;rport=43982;branch=z9hG4bKf5b703048fe4;received=127.0.0.1\r\n\
    From: <sip:vchealth@127.0.0.1>;tag=944fff2f\r\n\
    To: <sip:127.0.0.1:5070>;tag=df673b98c9e0bd9172cfc0d849035098.9a5a7bd7\r\n\
    Call-ID: 245ff18edc73ff28@127.0.0.1\r\n\
    CSeq: 1 OPTIONS\r\n\
    Server: kamailio (5.6.3 (x86_64/linux))\r\n\
    Content-Length: 0\r\n\r\n";

fn ids() -> Ids {
    Ids {
        branch: "z9hG4bKf5b703048fe4".to_owned(),
        tag: "944fff2f".to_owned(),
        call_id: "245ff18edc73ff28@127.0.0.1".to_owned(),
        cseq: 1,
    }
}

fn parse(text: &str) -> Result<Response, Malformed> {
    Response::parse(text.as_bytes())
}

#[test]
fn the_reply_of_a_real_server_is_read() {
    let response = parse(KAMAILIO).unwrap();
    assert_eq!((response.status, response.reason.as_str()), (200, "Keepalive"));
    assert_eq!(response.server.as_deref(), Some("kamailio (5.6.3 (x86_64/linux))"));
    assert_eq!(response.via.received, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(response.via.rport, Some(43982));
    assert_eq!(response.answers(&ids()), Ok(()));
    assert!(!response.is_provisional());
}

#[test]
fn bare_line_ends_folding_compact_names_and_any_case_are_read() {
    let response = parse(
        "\r\n\r\nsip/2.0 486 Busy Here\n\
         v: SIP / 2.0 / UDP 10.0.0.5:5060\n\t;received=10.9.8.7 ; BRANCH = z9hG4bKf5b703048fe4;rport\n\
         I: 245ff18edc73ff28@127.0.0.1\ncseq:   1\n   OPTIONS\nl: 0\n\
         user-AGENT: Codec\nDate: Sun, 06 Nov 1994 08:49:37 GMT\n\n",
    )
    .unwrap();
    assert_eq!((response.status, response.reason.as_str()), (486, "Busy Here"));
    assert_eq!(response.answers(&ids()), Ok(()));
    assert_eq!(response.via.received, Some("10.9.8.7".parse().unwrap()));
    assert_eq!(response.via.rport, None);
    assert_eq!(response.server.as_deref(), Some("Codec"));
    assert_eq!(response.date, Some("1994-11-06T08:49:37Z".parse().unwrap()));
}

#[test]
fn only_the_topmost_via_counts() {
    let two_headers =
        KAMAILIO.replace("From:", "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKother\r\nFrom:");
    assert_eq!(parse(&two_headers).unwrap().answers(&ids()), Ok(()));
    let one_header = KAMAILIO.replace(
        ";received=127.0.0.1",
        ";x=\"a,b\";received=127.0.0.1, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKother",
    );
    let response = parse(&one_header).unwrap();
    assert_eq!(response.answers(&ids()), Ok(()));
    assert_eq!(response.via.received, Some("127.0.0.1".parse().unwrap()));
}

#[test]
fn a_reply_to_another_question_is_told_apart() {
    let check = |from: &str, to: &str| parse(&KAMAILIO.replace(from, to)).unwrap().answers(&ids());
    assert_eq!(check("z9hG4bKf5b703048fe4", "z9hG4bKf5b703048fe5"), Err(Mismatch::Branch));
    assert_eq!(check("1 OPTIONS", "1 INVITE"), Err(Mismatch::CSeq));
    assert_eq!(check("1 OPTIONS", "2 OPTIONS"), Err(Mismatch::CSeq));
    assert_eq!(check("245ff18edc73ff28", "345ff18edc73ff28"), Err(Mismatch::CallId));
}

#[test]
fn what_is_no_response_says_why() {
    let without = |name: &str| {
        let kept: Vec<&str> = KAMAILIO.split("\r\n").filter(|l| !l.starts_with(name)).collect();
        parse(&kept.join("\r\n")).unwrap_err()
    };
    assert_eq!(without("Via"), Malformed::Missing("Via"));
    assert_eq!(without("CSeq"), Malformed::Missing("CSeq"));
    assert_eq!(without("Call-ID"), Malformed::Missing("Call-ID"));
    assert_eq!(parse(""), Err(Malformed::Truncated));
    assert_eq!(parse("\r\n\r\n"), Err(Malformed::Truncated));
    assert_eq!(parse(KAMAILIO.trim_end()), Err(Malformed::Truncated));
    assert_eq!(parse("HTTP/1.1 400 Bad Request\r\n\r\n"), Err(Malformed::NotAResponse));
    assert_eq!(parse("OPTIONS sip:a SIP/2.0\r\n\r\n"), Err(Malformed::NotAResponse));
    for status in ["20", "2000", "099", "700", "2x0", "+20", ""] {
        let text = KAMAILIO.replace("200", status);
        assert_eq!(parse(&text), Err(Malformed::BadStatus), "{status:?}");
    }
    assert_eq!(parse(&KAMAILIO.replace("From:", "From")).unwrap().status, 200, "From has colons");
    assert_eq!(parse(&KAMAILIO.replace("Server: ", "Server ")), Err(Malformed::BadHeader));
    let long = KAMAILIO.replace("Length: 0", "Length: 99999999");
    assert_eq!(parse(&long), Err(Malformed::BodyTooLong));
}

#[test]
fn a_head_without_end_is_given_up_at_the_limit() {
    let endless = "SIP/2.0 200 OK\r\nX: ".to_owned() + &"y".repeat(HEAD_LIMIT);
    assert_eq!(parse(&endless), Err(Malformed::HeadTooLong));
    assert_eq!(head_len(&vec![b'\n'; HEAD_LIMIT]), Err(Malformed::HeadTooLong));
    let many = "SIP/2.0 200 OK\r\n".to_owned() + &"a:\r\n".repeat(LINES_LIMIT) + "\r\n";
    assert_eq!(parse(&many), Err(Malformed::HeadTooLong));
}

#[test]
fn the_request_is_the_one_that_devices_answer() {
    let request = Options {
        transport: SipTransport::Udp,
        host: "127.0.0.1",
        port: 5070,
        user: None,
        local: "127.0.0.1:43982".parse().unwrap(),
        ids: &ids(),
        agent: "vchealth/0.1",
    };
    let text = String::from_utf8(request.write()).unwrap();
    assert_eq!(
        text,
        "OPTIONS sip:127.0.0.1:5070 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:43982;rport;branch=z9hG4bKf5b703048fe4\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:vchealth@127.0.0.1>;tag=944fff2f\r\n\
         To: <sip:127.0.0.1:5070>\r\n\
         Call-ID: 245ff18edc73ff28@127.0.0.1\r\n\
         CSeq: 1 OPTIONS\r\n\
         Contact: <sip:vchealth@127.0.0.1:43982>\r\n\
         Accept: application/sdp\r\n\
         User-Agent: vchealth/0.1\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn a_default_port_is_left_out_and_an_ipv6_address_is_bracketed() {
    let line = |transport, host: &str, port, user| {
        let local = "[2001:db8::1]:5060".parse().unwrap();
        let ids = ids();
        let options = Options { transport, host, port, user, local, ids: &ids, agent: "a" };
        let text = String::from_utf8(options.write()).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    use SipTransport::{Tcp, Tls, Udp};
    assert_eq!(line(Udp, "2001:db8::5", 5060, None), "OPTIONS sip:[2001:db8::5] SIP/2.0");
    assert_eq!(
        line(Tcp, "codec", 5060, Some("101")),
        "OPTIONS sip:101@codec;transport=tcp SIP/2.0"
    );
    assert_eq!(line(Tls, "codec", 5060, None), "OPTIONS sip:codec:5060;transport=tls SIP/2.0");
    assert_eq!(
        line(Udp, "a\r\nEvil: b", 5061, Some("phòng họp@x")),
        "OPTIONS sip:ph%C3%B2ng%20h%E1%BB%8Dp%40x@[aEvil:b]:5061 SIP/2.0",
        "nothing from the configuration can end the line"
    );
}

/// A response with these parts, written in one of the styles that devices use.
fn written(response: &Response, style: u8) -> Vec<u8> {
    let end = if style & 1 == 0 { "\r\n" } else { "\n" };
    let name = |full: &str, compact: &str| match style & 6 {
        0 => full.to_owned(),
        2 => compact.to_owned(),
        4 => full.to_uppercase(),
        _ => full.to_lowercase(),
    };
    let fold = if style & 8 == 0 { String::new() } else { format!("{end} ") };
    let mut params = vec![format!("branch={}", response.via.branch)];
    params.extend(response.via.received.map(|ip| format!("received={ip}")));
    params.push(response.via.rport.map_or("rport".to_owned(), |port| format!("rport={port}")));
    if style & 16 != 0 {
        params.reverse();
    }
    let mut lines = vec![
        format!("SIP/2.0 {} {}", response.status, response.reason),
        format!("{}: SIP/2.0/UDP h:1{fold};{}", name("Via", "v"), params.join(";")),
        format!("{}: {fold}{}", name("Call-ID", "i"), response.call_id),
        format!("CSeq: {} {fold}{}", response.cseq, response.method),
        format!("{}: {}", name("Content-Length", "l"), response.content_length),
    ];
    lines.extend(response.server.iter().map(|server| format!("Server: {server}")));
    lines.extend(
        response.date.map(|at| format!("Date: {}", at.strftime("%a, %d %b %Y %H:%M:%S GMT"))),
    );
    (lines.join(end) + end + end).into_bytes()
}

prop_compose! {
    fn response()(
        status in 100_u16..700,
        reason in "([A-Za-z0-9à-ỹ]{1,12}( [A-Za-z]{1,8})?)?",
        branch in "z9hG4bK[0-9a-f]{1,16}",
        received in proptest::option::of(any::<IpAddr>()),
        rport in proptest::option::of(any::<u16>()),
        call_id in "[0-9a-f]{1,24}(@[a-z0-9.]{1,8})?",
        cseq in any::<u32>(),
        method in "[A-Z]{1,10}",
        server in proptest::option::of("[!-~]{1,20}"),
        date in proptest::option::of(0_i64..4_000_000_000),
        content_length in 0..=BODY_LIMIT,
    ) -> Response {
        let via = Via { branch, received, rport };
        let date = date.and_then(|second| Timestamp::from_second(second).ok());
        Response { status, reason, via, call_id, cseq, method, server, date, content_length }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_response_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Response::parse(&bytes);
    }

    #[test]
    fn a_damaged_response_is_a_response_or_a_reason(
        at in 0..KAMAILIO.len(),
        byte in any::<u8>(),
        cut in 0..=KAMAILIO.len(),
    ) {
        let mut bytes = KAMAILIO.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = Response::parse(&bytes);
    }

    #[test]
    fn a_written_response_is_read_back(response in response(), style in any::<u8>()) {
        prop_assert_eq!(Response::parse(&written(&response, style)), Ok(response));
    }

    #[test]
    fn a_head_arrives_in_any_pieces(response in response(), style in any::<u8>(), cut in any::<proptest::sample::Index>()) {
        let bytes = written(&response, style);
        prop_assert_eq!(head_len(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(head_len(&bytes[..cut.index(bytes.len())]), Ok(None));
    }

    #[test]
    fn a_request_has_eleven_lines_whatever_the_configuration_says(
        host in ".{0,40}",
        user in proptest::option::of(".{0,40}"),
        port in any::<u16>(),
    ) {
        let ids = Ids::from_random([7; 24]);
        let local = "192.0.2.1:5".parse().unwrap();
        let options = Options {
            transport: SipTransport::Udp, host: &host, port, user: user.as_deref(), local, ids: &ids, agent: "a",
        };
        let bytes = options.write();
        prop_assert_eq!(head_len(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 12);
    }
}
