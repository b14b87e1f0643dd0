//! The web configuration file: who may reach the web server, and how.
//!
//! It has the form that Prometheus and its exporters share, so that one file and one habit serve
//! all of them: `tls_server_config`, `http_server_config`, `basic_auth_users` with bcrypt hashes,
//! `rate_limit`, `auth_excluded_paths`. Beyond it there are `bearer_tokens`, for programs, and
//! `roles`: whoever has none may look and change nothing.
//!
//! What in it is a secret is never shown, and while it cannot be told what is, nothing is.

mod access;
mod tls;

use std::collections::BTreeMap;
use std::time::Duration;

use super::diagnostic::{Diagnostics, Findings};
use super::read::{Defined, Fields, duration, each, expected, flag, line, whole, word};
use super::source::{File, SourceSet};
use super::vchealth::file_name;
use super::yaml::{self, Key, Node, Value, brief};

pub use access::{Access, ClientName, Limit, PasswordHash, Role, TlsServer, WebToken, WebUser};

/// Longest name of a user, in characters; it is written into every log line about them.
const NAME: usize = 64;
/// Cheapest and dearest bcrypt hash that is taken: dearer ones keep a processor busy for seconds
/// with every wrong password.
const COST: std::ops::RangeInclusive<u32> = 4..=14;
/// Headers that may be set, and what they may say if not everything.
const HEADERS: &[(&str, &[&str])] = &[
    ("Content-Security-Policy", &[]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-XSS-Protection", &[]),
    ("Strict-Transport-Security", &[]),
];

/// The web configuration file that the settings name, if they can be read that far.
#[must_use]
pub fn web_file(sources: &SourceSet) -> Option<String> {
    let out = Findings::new();
    let settings = yaml::read(File::Settings, sources.get(File::Settings)?, &out)?;
    file_name(settings.entry("web")?.entry("config_file")?, &out)
}

/// The files that the web configuration names, relative to its own directory, if it can be read.
#[must_use]
pub fn web_names(sources: &SourceSet) -> Vec<String> {
    let out = Findings::new();
    let tree = sources.get(File::Web).and_then(|source| yaml::read(File::Web, source, &out));
    let Some(tls) = tree.as_ref().and_then(|tree| tree.entry("tls_server_config")) else {
        return Vec::new();
    };
    let names = ["cert_file", "key_file", "client_ca_file"];
    names.iter().filter_map(|key| file_name(tls.entry(key)?, &out)).collect()
}

/// Reads the web configuration by itself.
///
/// # Errors
/// All its problems.
pub fn access(sources: &SourceSet) -> Result<Access, Diagnostics> {
    let out = Findings::new();
    match of_file(sources, &out) {
        Some(access) if out.count() == 0 => Ok(access),
        _ => Err(out.into_diagnostics(sources)),
    }
}

/// Reads the web configuration that the settings name at `node`.
pub(super) fn named(node: &Node, sources: &SourceSet, out: &Findings) -> Option<Access> {
    if sources.get(File::Web).is_none() {
        let why = sources.instead(File::Web).unwrap_or("there is no such file");
        out.say(node.span, format!("{} cannot be read: {why}", node.found()));
        return None;
    }
    of_file(sources, out)
}

fn of_file(sources: &SourceSet, out: &Findings) -> Option<Access> {
    let Some(node) = yaml::read(File::Web, sources.get(File::Web)?, out) else {
        out.seal(File::Web);
        return None;
    };
    if node.is_nothing() {
        // An empty file asks for nothing, as with Prometheus.
        return Some(Access::default());
    }
    let mut file = Fields::of_file(&node, out)?;
    let tls = file.get("tls_server_config").and_then(|node| tls::tls(node, sources, out));
    let headers = file.get("http_server_config").and_then(|node| http(node, out));
    let mut names = Defined::new("user or token");
    let mut people: Vec<(String, PasswordHash)> = Vec::new();
    let mut programs: Vec<(String, [u8; 32])> = Vec::new();
    if let Some(node) = file.get("basic_auth_users") {
        people = entries(node, "`basic_auth_users`", &mut names, out, password_hash);
    }
    if let Some(node) = file.get("bearer_tokens") {
        programs = entries(node, "`bearer_tokens`", &mut names, out, digest);
    }
    let certificates = tls.as_ref().is_some_and(|tls| tls.required);
    let roles = file.get("roles").and_then(|node| roles(node, &names, certificates, out));
    let rate_limit = file.get("rate_limit").and_then(|node| rate_limit(node, out));
    let excluded =
        file.get("auth_excluded_paths").and_then(|node| each(node, out, |it| path(it, out)));
    file.end();
    let mut roles = roles.unwrap_or_default();
    let mut role = |name: &str| roles.remove(name).unwrap_or(Role::Viewer);
    let users =
        people.into_iter().map(|(name, hash)| WebUser { role: role(&name), name, hash }).collect();
    let tokens = programs
        .into_iter()
        .map(|(name, digest)| WebToken { role: role(&name), name, digest })
        .collect();
    Some(Access {
        tls,
        headers: headers.unwrap_or_default(),
        users,
        tokens,
        certificates: roles.into_iter().collect(),
        rate_limit,
        excluded: excluded.unwrap_or_default(),
    })
}

/// `http_server_config`. HTTP/2 may be on or off in a file that others read as well: here all is
/// HTTP/1.1, which every client of the other speaks.
fn http(node: &Node, out: &Findings) -> Option<Vec<(String, String)>> {
    let mut fields = Fields::of(node, "`http_server_config`", out)?;
    fields.read("http2", true, flag);
    let headers = fields.get("headers").and_then(|node| {
        let mut fields = Fields::of(node, "`headers`", out)?;
        let mut set = Vec::new();
        for (name, values) in HEADERS {
            let Some(node) = fields.get(name) else { continue };
            let Some(value) = line(1_024)(node, out) else { continue };
            if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
                out.say(node.span, "a header holds letters, digits and signs of ASCII only");
            } else if !values.is_empty() && !values.contains(&value.as_str()) {
                expected(node, &values.join(" or "), out);
            } else {
                set.push(((*name).to_owned(), value));
            }
        }
        fields.end();
        Some(set)
    });
    fields.end();
    Some(headers.unwrap_or_default())
}

/// Names, each with something that nobody is shown.
fn entries<T>(
    node: &Node,
    section: &'static str,
    names: &mut Defined<()>,
    out: &Findings,
    read: impl Fn(&Key, &Node, &Findings) -> Option<T>,
) -> Vec<(String, T)> {
    if let Value::Map(map) = &node.value {
        for (_, value) in map {
            out.hide(value.span);
        }
    } else {
        out.hide(node.span);
    }
    let Some(mut fields) = Fields::of(node, section, out) else { return Vec::new() };
    let mut all = Vec::new();
    for (key, node) in fields.others() {
        let value = read(key, node, out);
        if good_name(key, out)
            && names.add(&key.text, key.span, (), out)
            && let Some(value) = value
        {
            all.push((key.text.clone(), value));
        }
    }
    all
}

/// Whether this can be a name: what a browser can send, and a log line can hold.
fn good_name(key: &Key, out: &Findings) -> bool {
    let length = key.text.chars().count();
    let plain = |c: char| !c.is_control() && c != ':';
    let good = (1..=NAME).contains(&length) && key.text.chars().all(plain);
    if !good {
        let why = format!("a name has 1 to {NAME} characters and no colon");
        out.say(key.span, why);
    }
    good
}

/// A bcrypt hash, as `htpasswd -B` and `vchealth hash-password` make it.
fn password_hash(_: &Key, node: &Node, out: &Findings) -> Option<PasswordHash> {
    let hint = "`vchealth hash-password` makes one".to_owned();
    let text = node.scalar().map(|scalar| scalar.text.as_str()).unwrap_or_default();
    let cost = text
        .strip_prefix("$2")
        .and_then(|rest| rest.strip_prefix(['a', 'b', 'x', 'y']))
        .and_then(|rest| rest.strip_prefix('$'))
        .and_then(|rest| rest.split_once('$'))
        .filter(|(_, salted)| {
            let of_hash = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
            salted.len() == 53 && salted.bytes().all(of_hash)
        })
        .and_then(|(cost, _)| cost.parse::<u32>().ok());
    match cost {
        Some(cost) if COST.contains(&cost) => Some(PasswordHash::new(text.to_owned())),
        Some(cost) => {
            let (least, most) = (COST.start(), COST.end());
            let why = format!("the cost of this hash is {cost}, allowed are {least} to {most}");
            out.secret(node.span, why, hint);
            None
        }
        None => {
            out.secret(node.span, "expected a password's bcrypt hash", hint);
            None
        }
    }
}

/// SHA-256 in hexadecimal digits, as `sha256sum` prints it.
fn digest(_: &Key, node: &Node, out: &Findings) -> Option<[u8; 32]> {
    let text = node.scalar().map(|scalar| scalar.text.as_bytes()).unwrap_or_default();
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let bytes: Option<Vec<u8>> =
        text.chunks(2).map(|two| Some(digit(*two.first()?)? << 4 | digit(*two.get(1)?)?)).collect();
    let digest = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    if digest.is_none() {
        let hint = "`vchealth hash-password --token` makes a token and its hash".to_owned();
        out.secret(node.span, "expected a token's SHA-256, 64 hexadecimal digits", hint);
    }
    digest
}

/// Who may do what. Without client certificates every name has to be known.
fn roles(
    node: &Node,
    names: &Defined<()>,
    certificates: bool,
    out: &Findings,
) -> Option<BTreeMap<String, Role>> {
    let mut fields = Fields::of(node, "`roles`", out)?;
    let mut roles = BTreeMap::new();
    for (key, node) in fields.others() {
        let known = certificates || names.find_text(&key.text, key.span, out).is_some();
        let role = word(&[("viewer", Role::Viewer), ("operator", Role::Operator)])(node, out);
        if let (true, Some(role)) = (known, role) {
            roles.insert(key.text.clone(), role);
        }
    }
    Some(roles)
}

/// How fast one address may ask.
fn rate_limit(node: &Node, out: &Findings) -> Option<Limit> {
    let mut fields = Fields::of(node, "`rate_limit`", out)?;
    let span = Duration::from_millis(1)..=Duration::from_mins(1);
    let interval = fields.need("interval", duration(span));
    let burst = fields.read("burst", 1, whole(1..=1_000_000));
    fields.end();
    Some(Limit { interval: interval?, burst })
}

/// A path of ours.
fn path(node: &Node, out: &Findings) -> Option<String> {
    let path = line(255)(node, out)?;
    if path.starts_with('/') && !path.contains(['*', '?', '#']) {
        return Some(path);
    }
    let why = format!("`{}` is no path; write it like `/-/healthy`", brief(&path));
    out.say(node.span, why);
    None
}
