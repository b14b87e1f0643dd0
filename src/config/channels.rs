//! The `channels` section of `vchealth.yaml`: ways to reach people.
//!
//! Keys and passwords never stand in the file, which many read: it says in which file or
//! environment variable they lie. Whether they lie there is looked up when they are needed, since
//! `check-config` is often run by somebody who may not read them.

mod placeholders;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::defaults;
use super::diagnostic::Findings;
use super::hint::nearest;
use super::read::{Fields, duration, each, flag, line, list, well_formed_id, whole, word};
use super::settings::{
    Address, AlertmanagerSettings, Channel, ChannelKind, EmailSettings, EsmsSettings, ExecSettings,
    ExecVariable, Fallback, MailSecurity, SecretSource, SmsBody, SmsGateway, SmsHttpSettings,
    SmsSettings, TelegramSettings, WebhookSettings, ZaloRecipient, ZaloSettings,
};
use super::source::Span;
use super::yaml::{Key, Node, Value, brief};
use crate::model::{ChannelId, WebAddress};

/// Longest text of a setting.
const LONG: usize = 2_048;
/// Bounds of time limits.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_mins(1);
/// Longest that a channel may fail before another one stands in.
const LONGEST_ALONE: Duration = Duration::from_hours(24);

/// All channels. `state_dir` is where a channel may keep what it must not forget.
pub(super) fn channels(node: &Node, state_dir: &Path, out: &Findings) -> Option<Vec<Channel>> {
    let mut fields = Fields::of(node, "`channels`", out)?;
    let written = fields.others();
    let read = written.iter().filter_map(|(key, node)| {
        let good = well_formed_id(&key.text, key.span, out);
        let id = ChannelId::new(key.text.as_str());
        channel(id, node, state_dir, out).filter(|_| good)
    });
    let read: Vec<Channel> = read.collect();
    fallbacks(&written, &read, out);
    Some(read)
}

/// Every fallback is another channel of the file, and none leads back to where it began. What is
/// written decides, not what was understood: a channel with a mistake in it is no unknown one.
fn fallbacks(written: &[(&Key, &Node)], read: &[Channel], out: &Findings) {
    let next = |id: &str| {
        let channel = read.iter().find(|channel| channel.id.as_str() == id)?;
        channel.fallback.as_ref().map(|fallback| fallback.to.as_str())
    };
    let mut told: Vec<&str> = Vec::new();
    for (key, node) in written {
        let Some(to) = next(&key.text) else { continue };
        let Some(at) = node.entry("fallback").map(|node| node.span) else { continue };
        let names = || written.iter().map(|(key, _)| key.text.as_str());
        if !names().any(|name| name == to) {
            let others = names().filter(|name| *name != key.text);
            let hint = nearest(to, others, out);
            out.hint(at, format!("there is no channel `{}`", brief(to)), hint);
            continue;
        }
        let mut way = vec![key.text.as_str()];
        let mut here = Some(to);
        while let Some(id) = here.filter(|id| !way.contains(id)) {
            way.push(id);
            here = next(id);
        }
        // One circle is one mistake, told where it is met first.
        if here == Some(key.text.as_str()) && !told.contains(&key.text.as_str()) {
            told.extend(&way);
            way.push(&key.text);
            let reason = match way.as_slice() {
                [_, _] => "a channel cannot stand in for itself".to_owned(),
                way => format!("the fallbacks run in a circle: {}", way.join(" → ")),
            };
            let hint = "the last one has none; let it be one on this machine, such as a siren";
            out.hint(at, reason, hint.to_owned());
        }
    }
}

fn channel(id: ChannelId, node: &Node, state_dir: &Path, out: &Findings) -> Option<Channel> {
    #[derive(Clone, Copy)]
    enum Written {
        Webhook,
        Alertmanager,
        Email,
        Zalo,
        Telegram,
        Sms,
        Exec,
    }
    let mut fields = Fields::of(node, "a channel", out)?;
    let kinds = word(&[
        ("webhook", Written::Webhook),
        ("alertmanager", Written::Alertmanager),
        ("email", Written::Email),
        ("zalo", Written::Zalo),
        ("telegram", Written::Telegram),
        ("sms", Written::Sms),
        ("exec", Written::Exec),
    ]);
    let kind = fields.need("kind", kinds);
    if fields.has("min_severity") {
        let hint = format!("`routes: [{{when: {{severity: critical}}, to: [{id}]}}, …]`");
        let reason = "which alerts go where is said by `routes`, for all channels in one place";
        out.hint(fields.at("min_severity"), reason, hint);
        fields.ignore("min_severity");
    }
    let send_resolved = fields.read("send_resolved", defaults::SEND_RESOLVED, flag);
    let fallback = fallback(&mut fields);
    let kind = match kind? {
        Written::Webhook => webhook(&mut fields).map(ChannelKind::Webhook),
        Written::Alertmanager => {
            fields.is("an alertmanager channel");
            if !send_resolved {
                let hint = "leave the line out".to_owned();
                let reason = "an Alertmanager has to learn of the end, or it is told for ever";
                out.hint(fields.at("send_resolved"), reason, hint);
            }
            alertmanager(&mut fields).map(ChannelKind::Alertmanager)
        }
        Written::Email => {
            fields.is("an email channel");
            email(&mut fields).map(ChannelKind::Email)
        }
        Written::Zalo => {
            fields.is("a zalo channel");
            let token_store = state_dir.join(format!("zalo-{id}.json"));
            zalo(&mut fields, token_store).map(ChannelKind::Zalo)
        }
        Written::Telegram => {
            fields.is("a telegram channel");
            telegram(&mut fields).map(ChannelKind::Telegram)
        }
        Written::Sms => {
            fields.is("an sms channel");
            sms(&mut fields).map(ChannelKind::Sms)
        }
        Written::Exec => {
            fields.is("an exec channel");
            exec(&mut fields).map(ChannelKind::Exec)
        }
    };
    fields.end();
    Some(Channel { id, kind: kind?, send_resolved, fallback })
}

/// The channel that stands in. Whether there is one of that name is seen when all are read.
fn fallback(fields: &mut Fields<'_>) -> Option<Fallback> {
    let to = fields.get("fallback").and_then(|node| line(63)(node, fields.out));
    let lengths = duration(Duration::from_secs(1)..=LONGEST_ALONE);
    let after = fields.read("fallback_after", defaults::FALLBACK_AFTER, lengths);
    if fields.has("fallback_after") && !fields.has("fallback") {
        let reason = "after this long nothing happens: no `fallback` is named";
        fields.out.say(fields.at("fallback_after"), reason);
    }
    Some(Fallback { to: ChannelId::new(to?), after })
}

fn webhook(fields: &mut Fields<'_>) -> Option<WebhookSettings> {
    let url = address(fields, web_address);
    let mut keys = ["url", "url_file", "url_env"].into_iter();
    if !keys.any(|key| fields.has(key) || fields.has_misspelt(key)) {
        fields.missing("url");
    }
    let secret = secret(fields, "secret", "secret_file", "secret_env");
    let timeout = timeout(fields, defaults::WEBHOOK_TIMEOUT);
    Some(WebhookSettings { url: url?, secret, timeout })
}

fn alertmanager(fields: &mut Fields<'_>) -> Option<AlertmanagerSettings> {
    let urls = fields.need("urls", some(member));
    let token = secret(fields, "token", "token_file", "token_env");
    let timeout = timeout(fields, defaults::WEBHOOK_TIMEOUT);
    let lengths = duration(Duration::from_secs(1)..=Duration::from_mins(10));
    let resend = fields.read("resend", defaults::ALERTMANAGER_RESEND, lengths);
    Some(AlertmanagerSettings { urls: urls?, token, timeout, resend })
}

fn email(fields: &mut Fields<'_>) -> Option<EmailSettings> {
    let host = fields.need("host", line(255));
    let securities = word(&[
        ("starttls", MailSecurity::Starttls),
        ("tls", MailSecurity::Tls),
        ("none", MailSecurity::None),
    ]);
    let security = fields.read("security", MailSecurity::default(), securities);
    let port = match security {
        MailSecurity::Starttls => 587,
        MailSecurity::Tls => 465,
        MailSecurity::None => 25,
    };
    let port = fields.read("port", port, whole(1..=u16::MAX));
    let user = fields.get("user").and_then(|node| line(255)(node, fields.out));
    let password = secret(fields, "password", "password_file", "password_env");
    if user.is_some() != password.is_some() {
        let reason = "`user` and its password go together";
        let hint = "say where the password lies: `password_file: /etc/vchealth/mail-password`";
        fields.out.hint(fields.at("user"), reason, hint.to_owned());
    }
    let here = host.as_deref().is_some_and(|host| {
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    });
    if security == MailSecurity::None && password.is_some() && !here {
        let reason = "without TLS the password and the alerts go over the network for all to read";
        let hint = "use `starttls` or `tls`".to_owned();
        fields.out.hint(fields.at("security"), reason, hint);
    }
    let ca_file = fields.get("ca_file").and_then(|node| path(node, fields.out));
    let from = fields.need("from", mail_address);
    let to = fields.need("to", some(mail_address));
    let hello = fields.get("hello").and_then(|node| line(255)(node, fields.out));
    let timeout = timeout(fields, defaults::EMAIL_TIMEOUT);
    let login = user.zip(password);
    Some(EmailSettings {
        host: host?,
        port,
        security,
        login,
        ca_file,
        from: from?,
        to: to?,
        hello,
        timeout,
    })
}

fn zalo(fields: &mut Fields<'_>, token_store: PathBuf) -> Option<ZaloSettings> {
    let app_id = fields.need("app_id", line(64));
    let secret_key = needed(fields, "secret_key", "secret_key_file", "secret_key_env");
    let refresh_token = needed(fields, "refresh_token", "refresh_token_file", "refresh_token_env");
    let name = line(128);
    let groups = fields.read("groups", Vec::new(), some(&name));
    let users = fields.read("users", Vec::new(), some(&name));
    if groups.is_empty() && users.is_empty() {
        fields.missing("groups");
    }
    let base_url = fields.read("base_url", WebAddress::new(defaults::ZALO_URL), web_address);
    let oauth_url =
        fields.read("oauth_url", WebAddress::new(defaults::ZALO_OAUTH_URL), web_address);
    let timeout = timeout(fields, defaults::SERVICE_TIMEOUT);
    let groups = groups.into_iter().map(ZaloRecipient::Group);
    let to = groups.chain(users.into_iter().map(ZaloRecipient::User)).collect();
    Some(ZaloSettings {
        app_id: app_id?,
        secret_key: secret_key?,
        refresh_token: refresh_token?,
        token_store,
        to,
        base_url,
        oauth_url,
        timeout,
    })
}

fn telegram(fields: &mut Fields<'_>) -> Option<TelegramSettings> {
    let token = needed(fields, "token", "token_file", "token_env");
    let chats = fields.need("chats", some(chat));
    let base_url = fields.read("base_url", WebAddress::new(defaults::TELEGRAM_URL), web_address);
    let timeout = timeout(fields, defaults::SERVICE_TIMEOUT);
    Some(TelegramSettings { token: token?, chats: chats?, base_url, timeout })
}

fn sms(fields: &mut Fields<'_>) -> Option<SmsSettings> {
    #[derive(Clone, Copy)]
    enum Written {
        Esms,
        Http,
    }
    let gateway = fields.need("gateway", word(&[("esms", Written::Esms), ("http", Written::Http)]));
    let to = fields.need("to", some(phone));
    let timeout = timeout(fields, defaults::SERVICE_TIMEOUT);
    let gateway = match gateway? {
        Written::Esms => {
            fields.is("an sms channel of gateway esms");
            let api_key = needed(fields, "api_key", "api_key_file", "api_key_env");
            let secret_key = needed(fields, "secret_key", "secret_key_file", "secret_key_env");
            let brandname = fields.need("brandname", line(32));
            let base_url =
                fields.read("base_url", WebAddress::new(defaults::ESMS_URL), web_address);
            SmsGateway::Esms(EsmsSettings {
                api_key: api_key?,
                secret_key: secret_key?,
                brandname: brandname?,
                base_url,
            })
        }
        Written::Http => {
            fields.is("an sms channel of gateway http");
            SmsGateway::Http(sms_http(fields)?)
        }
    };
    Some(SmsSettings { gateway, to: to?, timeout })
}

fn sms_http(fields: &mut Fields<'_>) -> Option<SmsHttpSettings> {
    let out = fields.out;
    let before = out.count();
    // What stands in braces is no part of an address yet.
    let url = fields.need("url", |node, out| {
        let text = line(LONG)(node, out)?;
        judged(&text.replace(['{', '}'], "x"), node, out).map(|_| WebAddress::new(text))
    });
    let [form, json, headers, keys] =
        ["form", "json", "headers", "secrets"].map(|key| fields.get(key));
    let written = [form, json, headers].into_iter().flatten().flat_map(entries);
    let written = written.filter_map(|(_, node)| Some((node.span, node.scalar()?.text.as_str())));
    let at = fields.at("url");
    let written: Vec<(Span, &str)> =
        url.iter().map(|url| (at, url.reveal())).chain(written).collect();
    let [form, json, headers] = [form, json, headers].map(|node| texts(node?, out));
    let secrets = keys.and_then(|node| secrets(node, out));
    let accepted_if = fields.get("accepted_if").and_then(|node| line(LONG)(node, out));
    let body = match (form, json) {
        (Some(_), Some(_)) => {
            out.say(fields.at("json"), "a request has one body: `form` or `json`");
            return None;
        }
        (Some(form), None) => SmsBody::Form(form),
        (None, Some(json)) => SmsBody::Json(json),
        (None, None) => SmsBody::None,
    };
    // One mistake is told once: what is wrong may be where the number or the text stands.
    let told = || {
        let mut texts = ["form", "json", "headers"].into_iter();
        out.count() > before || texts.any(|key| fields.has_misspelt(key))
    };
    let keys: Vec<&str> = keys.map_or(&[][..], entries).iter().map(|(key, _)| &*key.text).collect();
    placeholders::judge(&written, &keys, at, told, out);
    Some(SmsHttpSettings {
        url: url?,
        body,
        headers: headers.unwrap_or_default(),
        secrets: secrets.unwrap_or_default(),
        accepted_if,
    })
}

/// What stands in a map.
const fn entries(node: &Node) -> &[(Key, Node)] {
    match &node.value {
        Value::Map(map) => map.as_slice(),
        Value::Scalar(_) | Value::List(_) => &[],
    }
}

fn exec(fields: &mut Fields<'_>) -> Option<ExecSettings> {
    let program = fields.need("program", path);
    let args = fields.read("args", Vec::new(), |node, out| {
        list(node, out)?.iter().map(|item| line(LONG)(item, out)).collect()
    });
    let env = fields.get("env").and_then(|node| variables(node, fields.out));
    let timeout = timeout(fields, defaults::EXEC_TIMEOUT);
    Some(ExecSettings { program: program?, args, env: env.unwrap_or_default(), timeout })
}

fn timeout(fields: &mut Fields<'_>, default: Duration) -> Duration {
    fields.read("timeout", default, duration(SHORTEST..=LONGEST))
}

/// Where a secret lies; a secret that stands in the file itself is told and not taken.
fn secret(
    fields: &mut Fields<'_>,
    name: &'static str,
    file: &'static str,
    env: &'static str,
) -> Option<SecretSource> {
    if fields.has(name) {
        let hint =
            format!("put it in a file that only vchealth may read: `{file}: /etc/vchealth/…`");
        fields.out.secret(fields.at(name), "a secret does not stand in the settings", hint);
        // Asked for, so that it is not called unknown as well.
        fields.ignore(name);
    }
    let from_file = fields.get(file).and_then(|node| path(node, fields.out));
    let from_env = fields.get(env).and_then(|node| variable(node, fields.out));
    if from_file.is_some() && from_env.is_some() {
        fields.out.say(fields.at(env), format!("`{file}` says already where it lies"));
    }
    from_file.map(SecretSource::File).or(from_env.map(SecretSource::Env))
}

/// The same for a secret that has to be there.
fn needed(
    fields: &mut Fields<'_>,
    name: &'static str,
    file: &'static str,
    env: &'static str,
) -> Option<SecretSource> {
    let found = secret(fields, name, file, env);
    if !fields.has(file) && !fields.has(env) {
        fields.missing(file);
    }
    found
}

/// An address, or where one lies that is a key itself: `url`, `url_file` or `url_env`.
pub(super) fn address(
    fields: &mut Fields<'_>,
    written: impl Fn(&Node, &Findings) -> Option<WebAddress>,
) -> Option<Address> {
    let url = fields.get("url").map(|node| written(node, fields.out).map(Address::Written));
    let file = fields.get("url_file").map(|node| path(node, fields.out).map(SecretSource::File));
    let env = fields.get("url_env").map(|node| variable(node, fields.out).map(SecretSource::Env));
    let kept = |source: Option<Option<SecretSource>>| source.map(|it| it.map(Address::Kept));
    let keys = ["url", "url_file", "url_env"].into_iter();
    let mut found = keys.zip([url, kept(file), kept(env)]).filter_map(|(key, it)| Some((key, it?)));
    let (first, address) = found.next()?;
    for (key, _) in found {
        fields.out.say(fields.at(key), format!("`{first}` says already which address it is"));
    }
    address
}

/// The address of a member of a cluster, or where one lies that holds a log-in: `{file: …}` or
/// `{env: …}`.
fn member(node: &Node, out: &Findings) -> Option<Address> {
    match node.value {
        Value::Map(_) => source(node, "an address", out).map(Address::Kept),
        _ => web_address(node, out).map(Address::Written),
    }
}

/// A source of a secret: `{file: …}` or `{env: …}`.
fn source(node: &Node, what: &'static str, out: &Findings) -> Option<SecretSource> {
    let mut fields = Fields::of(node, what, out)?;
    let file = fields.get("file").and_then(|node| path(node, out));
    let env = fields.get("env").and_then(|node| variable(node, out));
    if !["file", "env"].into_iter().any(|key| fields.has(key) || fields.has_misspelt(key)) {
        fields.missing("file");
    }
    if file.is_some() && env.is_some() {
        out.say(fields.at("env"), "`file` says already where it lies");
    }
    fields.end();
    file.map(SecretSource::File).or(env.map(SecretSource::Env))
}

/// Variables of an environment: texts, or where a text lies that is a key.
fn variables(node: &Node, out: &Findings) -> Option<BTreeMap<String, ExecVariable>> {
    let mut fields = Fields::of(node, "a map of variables", out)?;
    let read = fields.others().into_iter().filter_map(|(key, node)| {
        let variable = if matches!(node.value, Value::Map(_)) {
            source(node, "a variable", out).map(ExecVariable::Kept)
        } else {
            line(LONG)(node, out).map(ExecVariable::Written)
        };
        Some((key.text.clone(), variable?))
    });
    Some(read.collect())
}

/// Secrets by name.
fn secrets(node: &Node, out: &Findings) -> Option<BTreeMap<String, SecretSource>> {
    let mut fields = Fields::of(node, "`secrets`", out)?;
    let read = fields.others().into_iter();
    let read = read.filter_map(|(key, node)| {
        source(node, "a secret", out).map(|source| (key.text.clone(), source))
    });
    Some(read.collect())
}

/// A map of texts whose keys somebody else chose.
fn texts(node: &Node, out: &Findings) -> Option<BTreeMap<String, String>> {
    let mut fields = Fields::of(node, "a map of texts", out)?;
    let read = fields.others().into_iter();
    Some(read.filter_map(|(key, node)| Some((key.text.clone(), line(LONG)(node, out)?))).collect())
}

/// A list of at least one, each once.
pub(super) fn some<T: Ord + Clone>(
    reader: impl Fn(&Node, &Findings) -> Option<T>,
) -> impl Fn(&Node, &Findings) -> Option<Vec<T>> {
    move |node, out| {
        if list(node, out)?.is_empty() {
            out.say(node.span, "the list is empty");
            return None;
        }
        each(node, out, |item| reader(item, out))
    }
}

/// The name of a variable of the environment.
fn variable(node: &Node, out: &Findings) -> Option<String> {
    let text = line(255)(node, out)?;
    let good = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !good {
        let reason = format!("`{}` is no name of an environment variable", brief(&text));
        out.say(node.span, reason);
    }
    good.then_some(text)
}

/// An absolute path.
fn path(node: &Node, out: &Findings) -> Option<PathBuf> {
    let path = PathBuf::from(line(LONG)(node, out)?);
    if !path.is_absolute() {
        out.say(node.span, "expected a path from the root, such as `/etc/vchealth/mail-password`");
        return None;
    }
    Some(path)
}

/// A telephone number, kept as digits with a plus in front if there is one.
fn phone(node: &Node, out: &Findings) -> Option<String> {
    let text = line(32)(node, out)?;
    let number: String = text.chars().filter(|c| !matches!(c, ' ' | '.' | '-')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    if !(8..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let hint = "write it in quotes, like \"0912 345 678\" or \"+84912345678\"".to_owned();
        out.hint(node.span, format!("`{}` is no telephone number", brief(&text)), hint);
        return None;
    }
    Some(number)
}

/// A Telegram chat: its number, or the name of a channel.
fn chat(node: &Node, out: &Findings) -> Option<String> {
    let text = line(64)(node, out)?;
    let named = text.strip_prefix('@').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    if !named && text.parse::<i64>().is_err() {
        let hint = "write its number, like -1001234567890, or \"@name\"".to_owned();
        out.hint(node.span, format!("`{}` is no Telegram chat", brief(&text)), hint);
        return None;
    }
    Some(text)
}

/// What is wrong with what is no address for mail, which its reader does not tell.
fn amiss_in(text: &str) -> &'static str {
    use lettre::address::AddressError;
    let bare = match text.split_once('<') {
        Some((_, address)) => match address.trim_end().strip_suffix('>') {
            Some(address) => address,
            None => return "`<` is not closed by `>` at its end",
        },
        None => text,
    };
    match bare.trim().parse::<lettre::Address>() {
        Err(AddressError::MissingParts) => "there is no `@` in it",
        Err(AddressError::InvalidUser) => "what stands before `@` names no mailbox",
        Err(AddressError::InvalidDomain) => "what stands behind `@` is no domain",
        Err(_) => "it is not `mailbox@domain`",
        Ok(_) => "what stands before `<` is no name, unless it stands in quotes",
    }
}

/// An address for mail, judged by the same reader that the client uses.
fn mail_address(node: &Node, out: &Findings) -> Option<String> {
    let text = line(320)(node, out)?;
    if text.parse::<lettre::message::Mailbox>().is_err() {
        let why = amiss_in(&text);
        let hint = "write it like `truc@tinh.example` or `Trực <truc@tinh.example>`".to_owned();
        out.hint(node.span, format!("this is no address for mail: {why}"), hint);
        return None;
    }
    Some(text)
}

/// A web address.
pub(super) fn web_address(node: &Node, out: &Findings) -> Option<WebAddress> {
    let text = line(LONG)(node, out)?;
    judged(&text, node, out).map(|()| WebAddress::new(text))
}

/// Judges a web address by the same reader that the client uses. What may hold a key is not shown,
/// be it right or wrong.
fn judged(text: &str, node: &Node, out: &Findings) -> Option<()> {
    if !WebAddress::new(text).is_bare() {
        out.hide(node.span);
    }
    let why = match reqwest::Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("`{}` is neither http nor https", url.scheme())
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => "it names no host".to_owned(),
        Ok(_) => return Some(()),
        Err(error) => error.to_string(),
    };
    let hint = "write it like `http://127.0.0.1:9093/alerts`".to_owned();
    out.hint(node.span, format!("this is no web address: {why}"), hint);
    None
}

#[cfg(test)]
mod tests;
