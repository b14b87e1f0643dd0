//! The `checks` of `vchealth.yaml`: named ways of probing.
//!
//! Some exist without being written; writing one of their names changes only what is written
//! there. Every other name needs its kind and starts from what that kind does by default.

use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::defaults;
use super::diagnostic::Findings;
use super::read::{
    Fields, by_phase, duration, duration_since, each, flag, line, well_formed_id, whole, word,
    written,
};
use super::sites::host;
use super::source::Span;
use super::yaml::{Key, Node, brief};
use crate::model::{
    Check, CheckKind, Host, HttpCheck, HttpMethod, IcmpCheck, SipCheck, SipTransport,
};

/// Shortest pace of an H.323 check: a codec has few call slots, and some keep one for each
/// connection.
const H323_PACE: Duration = Duration::from_secs(30);
/// Shortest pace of a SIP check: an unanswered request is sent three times, and devices shut out
/// who sends more than one a second.
const SIP_PACE: Duration = Duration::from_secs(3);
/// Shortest pace of checks that make a device set up a connection.
const CONNECTION_PACE: Duration = Duration::from_secs(1);
/// Shortest pace of an echo check.
const ICMP_PACE: Duration = Duration::from_millis(100);
const LONGEST_PACE: Duration = Duration::from_hours(24);
/// Memory that a compiled pattern may take, in bytes.
const PATTERN: usize = 1 << 20;

/// The checks that exist without being written, as changed by what is, and those that are new.
pub(super) fn read(node: &Node, out: &Findings) -> Option<Vec<Check>> {
    let mut fields = Fields::of(node, "`checks`", out)?;
    let mut checks = defaults::checks();
    for (key, node) in fields.others() {
        let good = well_formed_id(&key.text, key.span, out);
        let known = checks.iter().position(|check| check.id.as_str() == key.text);
        let Some(check) = check(key, node, known.map(|at| &checks[at]), out) else { continue };
        match known {
            Some(at) => checks[at] = check,
            None if good => checks.push(check),
            None => {}
        }
    }
    Some(checks)
}

/// The kinds of check, as written.
const KINDS: &[(&str, &str)] =
    &[("icmp", "icmp"), ("tcp", "tcp"), ("http", "http"), ("sip", "sip"), ("h323", "h323")];

fn check(key: &Key, node: &Node, known: Option<&Check>, out: &Findings) -> Option<Check> {
    let mut fields = Fields::of(node, "a check", out)?;
    let kind = match known {
        Some(known) => fields.read("kind", known.kind.word(), word(KINDS)),
        None => fields.need("kind", word(KINDS))?,
    };
    let mut check = match known {
        Some(known) if known.kind.word() == kind => known.clone(),
        _ => defaults::check(&key.text, kind)?,
    };
    const SLOTS: &str = "a codec has few call slots";
    const THRICE: &str = "an unanswered request is sent three times";
    let (section, least_pace, least_gap, why) = match check.kind {
        CheckKind::Icmp(_) => ("an icmp check", ICMP_PACE, Duration::from_millis(10), None),
        CheckKind::Tcp(_) => ("a tcp check", CONNECTION_PACE, CONNECTION_PACE, None),
        CheckKind::Http(_) => ("an http check", CONNECTION_PACE, CONNECTION_PACE, None),
        CheckKind::Sip(_) => ("a sip check", SIP_PACE, CONNECTION_PACE, Some(THRICE)),
        CheckKind::H323(_) => ("an h323 check", H323_PACE, H323_PACE, Some(SLOTS)),
    };
    let pace = duration_since(least_pace..=LONGEST_PACE, why);
    fields.is(section);
    let before = out.count();
    match &mut check.kind {
        CheckKind::Icmp(echo) => icmp(&mut fields, echo),
        CheckKind::Tcp(tcp) => tcp.port = fields.need("port", port).unwrap_or(tcp.port),
        CheckKind::Http(request) => http(&mut fields, request),
        CheckKind::Sip(options) => sip(&mut fields, options),
        CheckKind::H323(call) => call.port = fields.read("port", call.port, port),
    }
    let patience = duration(Duration::from_millis(10)..=Duration::from_mins(1));
    check.timeout = fields.read("timeout", check.timeout, patience);
    let paces = check.paces;
    check.paces =
        fields.read("pace", paces, |node, out| by_phase(node, "`pace`", paces, &pace, out));
    let gap = duration_since(least_gap..=LONGEST_PACE, why);
    check.confirm_after = fields.read("confirm_after", check.confirm_after, gap);
    // Where a figure could not be read, its default might seem impossible beside the others.
    if out.count() == before {
        possible(&check, &fields, key.span);
    }
    fields.end();
    Some(check)
}

fn port(node: &Node, out: &Findings) -> Option<u16> {
    whole(1..=u16::MAX)(node, out)
}

fn icmp(fields: &mut Fields<'_>, echo: &mut IcmpCheck) {
    echo.count = fields.read("count", echo.count, whole(1..=100));
    let spacing = duration(Duration::from_millis(1)..=Duration::from_secs(10));
    echo.spacing = fields.read("spacing", echo.spacing, spacing);
    // The largest IPv4 packet less the headers of IP and ICMP.
    echo.size = fields.read("size", echo.size, whole(16..=65_507));
    echo.dscp = fields.read("dscp", echo.dscp, whole(0..=63));
    echo.dont_fragment = fields.read("dont_fragment", echo.dont_fragment, flag);
}

fn http(fields: &mut Fields<'_>, request: &mut HttpCheck) {
    const METHODS: &[(&str, HttpMethod)] =
        &[("GET", HttpMethod::Get), ("HEAD", HttpMethod::Head), ("OPTIONS", HttpMethod::Options)];
    let tls = fields.read("tls", request.tls, flag);
    if tls != request.tls {
        request.port = HttpCheck::usual(tls).port;
        request.tls = tls;
    }
    request.port = fields.read("port", request.port, port);
    request.path = fields.read("path", request.path.clone(), |node, out| {
        let text = line(2048)(node, out)?;
        let good = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic());
        if !good {
            out.say(node.span, "a path begins with `/` and has neither spaces nor accents");
        }
        good.then_some(text)
    });
    request.method = fields.read("method", request.method, word(METHODS));
    request.expect_status =
        fields.read("expect_status", request.expect_status.clone(), |node, out| {
            each(node, out, |item| whole(100..=599)(item, out))
        });
    request.expect_body = match fields.get("expect_body") {
        Some(node) => pattern(node, fields.out),
        None => request.expect_body.clone(),
    };
    request.verify_tls = fields.read("verify_tls", request.verify_tls, flag);
    request.host = match fields.get("host") {
        Some(node) => host_name(node, fields.out),
        None => request.host.clone(),
    };
}

fn pattern(node: &Node, out: &Findings) -> Option<Regex> {
    let text = line(1000)(node, out)?;
    match RegexBuilder::new(&text).size_limit(PATTERN).build() {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The last line of the explanation is the reason; those before draw the place.
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim();
            out.say(
                node.span,
                format!("this is no pattern: {}", why.trim_start_matches("error: ")),
            );
            None
        }
    }
}

fn host_name(node: &Node, out: &Findings) -> Option<String> {
    match host(node, out)? {
        Host::Name(name) => Some(name),
        Host::Ip(ip) => Some(ip.to_string()),
    }
}

fn sip(fields: &mut Fields<'_>, options: &mut SipCheck) {
    const TRANSPORTS: &[(&str, SipTransport)] =
        &[("udp", SipTransport::Udp), ("tcp", SipTransport::Tcp), ("tls", SipTransport::Tls)];
    let transport = fields.read("transport", options.transport, word(TRANSPORTS));
    if transport != options.transport {
        options.port = SipCheck::usual(transport).port;
        options.transport = transport;
    }
    options.port = fields.read("port", options.port, port);
    options.user = match fields.get("user") {
        Some(node) => sip_user(node, fields.out),
        None => options.user.clone(),
    };
    options.verify_tls = fields.read("verify_tls", options.verify_tls, flag);
}

/// The user part of a SIP URI (RFC 3261 §25.1: `unreserved` and `user-unreserved`, without the
/// escapes that nobody needs for a room's name).
fn sip_user(node: &Node, out: &Findings) -> Option<String> {
    let text = line(64)(node, out)?;
    let good = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&b));
    if !good {
        let hint = text.split('@').next().filter(|user| *user != text && !user.is_empty());
        let hint = hint.map(|user| format!("did you mean `{user}`, without the host?"));
        out.hint(node.span, format!("`{}` is no user of a SIP address", brief(&text)), hint);
    }
    good.then_some(text)
}

/// What a pace has to leave room for.
///
/// 1. Probes of one target never overlap, so the time limit is at most the quickest pace.
/// 2. A train of echoes ends, and the last has its time limit, before the next probe is due.
/// 3. A confirmation probe comes before the next probe would have come anyway.
fn possible(check: &Check, fields: &Fields<'_>, name: Span) {
    let out = fields.out;
    let quickest = check.paces.quickest();
    let at = |key: &str| if fields.has(key) { fields.at(key) } else { name };
    if check.timeout > quickest {
        let at = if fields.has("timeout") { at("timeout") } else { at("pace") };
        let reason = format!(
            "an impossible pace: a probe may take {} and the next is due after {}",
            written(check.timeout),
            written(quickest)
        );
        out.hint(at, reason, "shorten `timeout` or slow the quickest `pace`".to_owned());
    } else if let CheckKind::Icmp(echo) = &check.kind {
        let train = echo.spacing * u32::from(echo.count - 1) + check.timeout;
        if train > quickest {
            let reason = format!(
                "an impossible pace: {} echoes {} apart, the last waiting {}, take {}, and the \
                 next probe is due after {}",
                echo.count,
                written(echo.spacing),
                written(check.timeout),
                written(train),
                written(quickest)
            );
            let hint = "fewer echoes, closer together, or a slower quickest `pace`".to_owned();
            out.hint(at("count"), reason, hint);
        }
    }
    if check.confirm_after > quickest {
        let at = if fields.has("confirm_after") { at("confirm_after") } else { at("pace") };
        let reason = format!(
            "`confirm_after` is {} and the next probe is due after {} anyway",
            written(check.confirm_after),
            written(quickest)
        );
        out.say(at, reason);
    }
}
