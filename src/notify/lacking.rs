//! What channels need of this machine and do not find: keys, certificates, and programs to start.
//!
//! Nothing of it is wrong in the settings. A key may be put in its place later, and whoever checks
//! the settings may not read what the daemon reads. But whoever looks at a start, a reload or a
//! check is to learn of it, and not whoever waits for the message of an outage.

use std::path::Path;

use futures_util::future::join_all;

use super::{disk, email, exec, keys};
use crate::config::{Address, ChannelKind, ExecVariable, SecretSource, Settings, SmsGateway};

/// Something outside the settings that they name.
enum Need<'a> {
    /// A key.
    Key(&'a SecretSource),
    /// A key to begin with, of no use once there is a file at this path.
    Seed(&'a SecretSource, &'a Path),
    /// An address, which may lie where keys lie.
    Address(&'a Address),
    /// A program.
    Program(&'a Path),
    /// The certificates of those who sign a server's.
    Authorities(&'a Path),
}

/// What is not there now, each as a sentence such as `channel telegram: the file … gives no key:
/// it is empty`. They name places, never what lies there.
pub async fn lacking(settings: &Settings) -> Vec<String> {
    let beat = settings.heartbeat.iter();
    let beat = beat.map(|it| ("heartbeat".to_owned(), Need::Address(&it.url)));
    let channels = settings.channels.iter().flat_map(|channel| {
        let needs = needs(&channel.kind).into_iter();
        needs.map(|need| (format!("channel {}", channel.id), need))
    });
    let looked = channels.chain(beat).map(async |(who, need)| {
        let why = need.lacks().await?;
        Some(format!("{who}: {why}"))
    });
    // All at once: where a disk is dead, each takes its time.
    join_all(looked).await.into_iter().flatten().collect()
}

fn needs(kind: &ChannelKind) -> Vec<Need<'_>> {
    match kind {
        ChannelKind::Webhook(hook) => {
            let secret = hook.secret.iter().map(Need::Key);
            [Need::Address(&hook.url)].into_iter().chain(secret).collect()
        }
        ChannelKind::Alertmanager(cluster) => {
            let token = cluster.token.iter().map(Need::Key);
            cluster.urls.iter().map(Need::Address).chain(token).collect()
        }
        ChannelKind::Email(mail) => {
            let key = mail.login.iter().map(|(_, it)| Need::Key(it));
            let authorities = mail.ca_file.as_deref().map(Need::Authorities);
            key.chain(authorities).collect()
        }
        ChannelKind::Zalo(zalo) => {
            let seed = Need::Seed(&zalo.refresh_token, &zalo.token_store);
            vec![Need::Key(&zalo.secret_key), seed]
        }
        ChannelKind::Telegram(bot) => vec![Need::Key(&bot.token)],
        ChannelKind::Sms(sms) => match &sms.gateway {
            SmsGateway::Esms(account) => {
                vec![Need::Key(&account.api_key), Need::Key(&account.secret_key)]
            }
            SmsGateway::Http(gateway) => gateway.secrets.values().map(Need::Key).collect(),
        },
        ChannelKind::Exec(program) => {
            let kept = program.env.values().filter_map(|variable| match variable {
                ExecVariable::Kept(source) => Some(Need::Key(source)),
                ExecVariable::Written(_) => None,
            });
            [Need::Program(&program.program)].into_iter().chain(kept).collect()
        }
    }
}

impl Need<'_> {
    /// Why it cannot be had, if it cannot.
    async fn lacks(&self) -> Option<String> {
        match self {
            Self::Key(source) => keys::read(source).await.err().map(|error| error.text),
            Self::Seed(source, kept) => {
                let error = keys::read(source).await.err()?;
                let kept = disk::apart(kept, disk::PATIENCE, Path::metadata).await;
                kept.is_err().then_some(error.text)
            }
            Self::Address(address) => keys::address(address).await.err().map(|error| error.text),
            Self::Program(program) => exec::look(program).await.err(),
            Self::Authorities(path) => email::authorities(path).await.err(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{File, load, sample};

    #[tokio::test]
    async fn keys_and_programs_that_are_not_there_are_told_by_their_places() {
        let name = format!("vchealth-lacking-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        for (file, text) in [("good", "k3y\n"), ("empty", ""), ("two", "geheim\ngeheim\n")] {
            std::fs::write(dir.join(file), text).unwrap();
        }
        std::fs::write(dir.join("address"), "http://127.0.0.1:1/geheim\n").unwrap();
        let at = dir.display();
        let settings = format!(
            "state_dir: {at}
heartbeat: {{url_file: {at}/two}}
channels:
  hook: {{kind: webhook, url_file: {at}/address, secret_file: {at}/good}}
  bare: {{kind: webhook, url_file: {at}/good, secret_file: {at}/none}}
  bot: {{kind: telegram, token_file: {at}/empty, chats: [1]}}
  lost: {{kind: telegram, token_env: VCHEALTH_NO_SUCH_KEY, chats: [1]}}
  oa: {{kind: zalo, app_id: '1', secret_key_file: {at}/good, refresh_token_file: {at}/none,
    groups: [g]}}
  siren: {{kind: exec, program: /bin/sh, env: {{PIN: {{file: {at}/two}}, A: geheim}}}}
  gone: {{kind: exec, program: {at}/none}}
  text: {{kind: exec, program: {at}/good, args: [geheim]}}
  dir: {{kind: exec, program: {at}}}
  post: {{kind: email, host: mail.example, from: a@b.example, to: [c@d.example],
    ca_file: {at}/none}}
"
        );
        let files = sample().with(File::Settings, "vchealth.yaml", settings);
        let config = load(&files).unwrap_or_else(|problems| panic!("{problems}"));
        let told = || async {
            lacking(&config.settings).await.join("\n").replace(&*at.to_string(), "DIR")
        };
        let oa = "channel oa: the file DIR/none gives no key: No such file or directory \
                  (os error 2)\n";
        let expected = format!(
            "channel bare: the file DIR/good gives no address that begins with https:// or http://
channel bare: the file DIR/none gives no key: No such file or directory (os error 2)
channel bot: the file DIR/empty gives no key: it is empty
channel lost: the environment variable VCHEALTH_NO_SUCH_KEY gives no key: it is not set
{oa}channel siren: the file DIR/two gives no key: it holds more than one line of text
channel gone: cannot start DIR/none: No such file or directory (os error 2)
channel text: cannot start DIR/good: Permission denied (os error 13)
channel dir: cannot start DIR: it is no file
channel post: the certificates in DIR/none cannot be used: No such file or directory (os error 2)
heartbeat: the file DIR/two gives no key: it holds more than one line of text"
        );
        assert_eq!(told().await, expected);
        // What Zalo gave since is kept there, and goes on without the token to begin with.
        std::fs::write(dir.join("zalo-oa.json"), "{}").unwrap();
        assert_eq!(told().await, expected.replace(oa, ""));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
