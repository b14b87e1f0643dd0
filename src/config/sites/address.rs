//! Where an endpoint is: an address, or a name that is resolved later.

use std::net::IpAddr;

use crate::config::diagnostic::Findings;
use crate::config::read::expected;
use crate::config::yaml::Node;
use crate::model::Host;

/// An address or a name that is resolved later.
pub(in crate::config) fn host(node: &Node, out: &Findings) -> Option<Host> {
    let Some(scalar) = node.scalar() else {
        expected(node, "an address", out);
        return None;
    };
    let text = scalar.text.as_str();
    if let Ok(ip) = text.parse::<IpAddr>() {
        let ip = ip.to_canonical();
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        if ip.is_unspecified() || ip.is_multicast() || broadcast {
            out.say(node.span, format!("`{ip}` is not the address of one device"));
            return None;
        }
        if matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
            // Which link is meant depends on this machine's interfaces (RFC 4007 §6).
            let hint = "write its global or unique local address".to_owned();
            let words = format!("`{ip}` means something on one link only, and does not say which");
            out.hint(node.span, words, Some(hint));
            return None;
        }
        return Some(Host::Ip(ip));
    }
    if is_host_name(text) {
        return Some(Host::Name(text.to_ascii_lowercase()));
    }
    let hint = if text.contains("://") {
        Some("write the address alone; port and path belong to the check".to_owned())
    } else if text.parse::<std::net::SocketAddr>().is_ok() {
        Some("write the address alone; the port belongs to the check".to_owned())
    } else if text.contains('/') {
        Some("write the address alone, without the length of the network's prefix".to_owned())
    } else {
        None
    };
    out.hint(node.span, format!("{} is neither an address nor a host name", node.found()), hint);
    None
}

/// A host name (RFC 1123 §2.1); its last part is not a number, so that no mistyped address passes.
pub(in crate::config) fn is_host_name(text: &str) -> bool {
    let part = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(part) && last.bytes().any(|b| b.is_ascii_alphabetic())
}
