//! Every kind of channel as it is written, and what is said about one that is written badly.

use super::*;
use crate::config::{File, SourceSet, load, sample};

/// The shipped settings, whose examples stand in comments.
const VCHEALTH: &str = include_str!("../../../config/vchealth.yaml");

fn with(text: &str) -> SourceSet {
    sample().with(File::Settings, "vchealth.yaml", text)
}

fn read(text: &str) -> Result<Vec<Channel>, String> {
    match load(&with(text)) {
        Ok(config) => Ok(config.settings.channels),
        Err(diagnostics) => Err(diagnostics.to_string()),
    }
}

/// The examples of the shipped settings, one block for each.
fn examples() -> Vec<String> {
    let section = VCHEALTH.split("\n# Calendars that others keep").next().unwrap();
    let mut blocks: Vec<String> = Vec::new();
    for line in section.lines().filter_map(|line| line.strip_prefix("  # ")) {
        let starts = line.strip_suffix(':').is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        });
        if starts {
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut().filter(|_| starts || line.starts_with("  ")) {
            block.push_str(&format!("  {line}\n"));
        }
    }
    blocks
}

#[test]
fn every_example_of_the_sample_is_understood() {
    let examples = examples();
    let channels = read(&format!("channels:\n{}", examples.concat())).unwrap();
    let kinds: Vec<&str> = channels.iter().map(|channel| channel.id.as_str()).collect();
    let all = ["cluster", "mail", "zalo", "telegram", "sms", "sms-modem", "siren"];
    assert_eq!(kinds, all);
    let ChannelKind::Zalo(zalo) = &channels[2].kind else { panic!("zalo") };
    assert_eq!(zalo.token_store, Path::new("/var/lib/vchealth/zalo-zalo.json"));
    assert_eq!(zalo.to.len(), 2);
    let ChannelKind::Sms(sms) = &channels[4].kind else { panic!("sms") };
    assert_eq!(sms.to, ["0912345678"]);
}

#[test]
fn the_examples_state_the_defaults() {
    let keys = ["resend", "timeout", "security", "port", "base_url", "oauth_url"];
    for example in examples() {
        let silent: String = example
            .lines()
            .filter(|line| !keys.iter().any(|key| line.trim().starts_with(&format!("{key}: "))))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_ne!(silent, example);
        let (silent, stated) =
            (read(&format!("channels:\n{silent}")), read(&format!("channels:\n{example}")));
        assert_eq!(silent.unwrap(), stated.unwrap());
    }
}

#[test]
fn what_is_written_badly_is_told() {
    for (channel, told) in [
        ("{kind: emial}", "did you mean `email`?"),
        ("{kind: alertmanager, urls: []}", "the list is empty"),
        (
            "{kind: alertmanager, urls: [\"http://a\"], send_resolved: false}",
            "an Alertmanager has to learn of the end",
        ),
        ("{kind: alertmanager, url: \"http://a\"}", "did you mean `urls`?"),
        (
            "{kind: email, host: m, from: a@b.vn, to: [c@d.vn], user: u, password: geheim}",
            "a secret does not stand in the settings",
        ),
        (
            "{kind: email, host: m, from: a@b.vn, to: [c@d.vn], user: u}",
            "`user` and its password go together",
        ),
        (
            "{kind: email, host: m, security: none, from: a@b.vn, to: [c@d.vn], user: u, \
             password_env: P}",
            "for all to read",
        ),
        (
            "{kind: email, host: m, from: nobody, to: [c@d.vn]}",
            "this is no address for mail: there is no `@` in it",
        ),
        ("{kind: email, host: m, from: a b@d.vn, to: [c@d.vn]}", "before `@` names no mailbox"),
        ("{kind: email, host: m, from: a@d..vn, to: [c@d.vn]}", "behind `@` is no domain"),
        ("{kind: email, host: m, from: A <a@d.vn, to: [c@d.vn]}", "`<` is not closed by `>`"),
        ("{kind: email, host: m, from: 'A, B <a@d.vn>', to: [c@d.vn]}", "before `<` is no name"),
        ("{kind: zalo, app_id: \"1\", secret_key_env: S, groups: [g]}", "`refresh_token_file`"),
        (
            "{kind: zalo, app_id: \"1\", secret_key_env: S, refresh_token_env: R}",
            "a zalo channel needs `groups`",
        ),
        ("{kind: telegram, token_env: T, chats: [x y]}", "`x y` is no Telegram chat"),
        (
            "{kind: telegram, token_env: T, token_file: /t, chats: [1]}",
            "`token_file` says already where it lies",
        ),
        ("{kind: telegram, token_env: \"a b\", chats: [1]}", "no name of an environment variable"),
        ("{kind: sms, gateway: esms, to: [abc]}", "`abc` is no telephone number"),
        (
            "{kind: sms, gateway: http, to: [\"0912345678\"], url: \"ftp://{phone}\"}",
            "`ftp` is neither http nor https",
        ),
        (
            "{kind: sms, gateway: http, to: [\"0912345678\"], url: \"http://a\", form: {a: b}, \
             json: {a: b}}",
            "a request has one body",
        ),
        (
            "{kind: sms, gateway: http, to: [\"0912345678\"], url: \"http://a?to={phone}\", \
             form: {t: \"{text}\", k: \"{kye}\"}, secrets: {key: {env: K}}}",
            "did you mean `{key}`?",
        ),
        ("{kind: exec, program: siren}", "expected a path from the root"),
        ("{kind: exec, program: /siren, shell: true}", "an exec channel knows no key `shell`"),
    ] {
        let error = read(&format!("channels: {{truc: {channel}}}")).unwrap_err();
        assert!(error.contains(told), "{channel} is told as\n{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
}

#[test]
fn a_gateway_gets_the_number_and_the_text_wherever_they_stand_and_one_mistake_is_told_once() {
    let told = |request: &str| {
        let channel = format!("{{kind: sms, gateway: http, to: [\"0912345678\"], {request}}}");
        let read = read(&format!("channels: {{truc: {channel}}}"));
        read.map_or_else(|told| told.matches(": error: ").count(), |_| 0)
    };
    for (request, problems) in [
        ("url: \"http://a/{phone}?t={text}\"", 0),
        ("url: \"http://a/\", json: {a: \"+{phone}\"}, headers: {x: \"{text} {id}\"}", 0),
        // What is no name is sent as it stands.
        ("url: \"http://a/?{phone}\", json: {a: '{\"t\": \"{text}\", \"n\": {}}'}", 0),
        ("url: \"http://a/\", form: {a: b}", 2),
        ("url: \"http://a/?{phone}\", form: {a: b}", 1),
        ("url: \"http://a/?{Phone}\", form: {a: \"{text}\"}", 1),
        ("url: \"http://a/?{phone}\", form: {a: \"{ text }\"}", 1),
        ("url: \"http://a/?{phone}\", fom: {a: \"{text}\"}", 1),
        ("url: \"http://a/?{phone}\", form: [\"{text}\"]", 1),
        ("url: \"ftp://{phone}\", form: {a: b}", 1),
        ("url: \"http://a/?{phone}{text}\", secrets: {key: {fle: /k}}, headers: {k: \"{key}\"}", 1),
    ] {
        assert_eq!(told(request), problems, "{request}");
    }
}

#[test]
fn a_key_beside_a_misspelt_name_is_not_shown() {
    let told = |key: &str| {
        let form = format!("form: {{t: \"{{tekst}}\", k: \"{key}\"}}");
        let url = "url: \"http://a/{phone}\"";
        let channel =
            format!("kind: sms, gateway: http, to: [\"0912345678\"],\n  {url},\n  {form}");
        read(&format!("channels:\n truc: {{{channel}}}\n")).unwrap_err()
    };
    for key in ["geheim-geheim", "Bearer geheim{id}"] {
        assert!(!told(key).contains("geheim"), "{}", told(key));
    }
    assert!(told("{id}").contains("form: {t:"), "{}", told("{id}"));
}
