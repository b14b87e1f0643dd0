//! The exec channel: a program on this machine, such as a siren, a relay or a modem.
//!
//! It is what still works when the way out of the house is cut. The program gets the letter as
//! JSON on its standard input and says by its exit status whether it told somebody. It is asked
//! directly, without a shell, with a clean environment, for a bounded time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{AccessFlags, Pid, access};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::http::one_line;
use super::secret::Secret;
use super::{DeliveryError, Letter, Retry, Style, disk, keys, sms, texts, webhook};
use crate::config::{ExecSettings, ExecVariable};

/// Bytes of its output that are kept for the log. What comes beyond is read and dropped, so that
/// the program does not stop on a full pipe.
const KEPT: usize = 4 * 1024;
/// How long output is waited for once the program has ended: something that it left behind may
/// hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Exit statuses from which on trying again does not help: used wrongly up to configured wrongly
/// (`sysexits.h`).
const HOPELESS: std::ops::RangeInclusive<i32> = 64..=78;
/// The one among them that asks to be tried again (`EX_TEMPFAIL`).
const TRY_AGAIN: i32 = 75;

/// A program that tells people.
#[derive(Debug)]
pub(super) struct Exec {
    settings: ExecSettings,
    style: Arc<Style>,
}

/// A process group that does not outlive this value.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended a moment ago; then there is nothing to kill.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Exec {
    pub(super) fn new(settings: &ExecSettings, style: Arc<Style>) -> Self {
        Self { settings: settings.clone(), style }
    }

    /// Tells the program of the letter.
    ///
    /// # Errors
    /// When it did not tell anybody, with the beginning of its output.
    pub(super) async fn deliver(&self, letter: &Letter) -> Result<(), DeliveryError> {
        self.run(&input(letter, &self.style)).await
    }

    /// Runs the program with `input`.
    ///
    /// 1. Exit status 0 – told.
    /// 2. 64 to 78 except 75, or it cannot be started – never.
    /// 3. Any other status, a signal, too long, or this machine is short of what starting a program
    ///    takes, or somebody is just writing the file – later.
    ///
    /// What it started in the background goes on after it has ended by itself; when it takes too
    /// long, or the daemon does not wait any more, its whole process group is killed.
    ///
    /// # Errors
    /// When it did not tell anybody.
    async fn run(&self, input: &[u8]) -> Result<(), DeliveryError> {
        let (env, kept) = environment(&self.settings).await?;
        let mut command = self.command(&env);
        // The program may lie on a dead disk, too. What is started when nobody waits for it any
        // more is killed with all that it started.
        let start = move |_: &Path| {
            let child = command.spawn()?;
            let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
            Ok((child, Group(pid)))
        };
        let started = disk::apart(&self.settings.program, disk::PATIENCE, start).await;
        let (mut child, mut group) = started.map_err(|error| DeliveryError {
            retry: if is_passing(&error) { Retry::Later } else { Retry::Never },
            text: unstarted(&self.settings.program, &error),
        })?;
        let limit = self.settings.timeout;
        let Ok((status, said)) = tokio::time::timeout(limit, run(&mut child, input)).await else {
            drop(group);
            // Reaped here, so that no zombie waits for the runtime to look.
            let _ = child.wait().await;
            return Err(DeliveryError {
                retry: Retry::Later,
                text: format!("{} did not end within {} s", self.name(), limit.as_secs_f32()),
            });
        };
        group.0 = None;
        match status {
            Ok(status) => self.verdict(status, &said, &env, &kept),
            Err(error) => Err(DeliveryError {
                retry: Retry::Later,
                text: format!("lost sight of {}: {error}", self.name()),
            }),
        }
    }

    /// Longest that a letter takes.
    pub(super) const fn time_limit(&self) -> Duration {
        let disks = disk::PATIENCE.saturating_mul(2);
        self.settings.timeout.saturating_add(disks).saturating_add(Duration::from_secs(1))
    }

    fn command(&self, env: &BTreeMap<String, String>) -> Command {
        let mut command = Command::new(&self.settings.program);
        command
            .args(&self.settings.args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .envs(env)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// What it is called in messages.
    fn name(&self) -> String {
        let program = &self.settings.program;
        program.file_name().unwrap_or(program.as_os_str()).display().to_string()
    }

    fn verdict(
        &self,
        status: ExitStatus,
        said: &str,
        env: &BTreeMap<String, String>,
        kept: &[Secret],
    ) -> Result<(), DeliveryError> {
        if status.success() {
            return Ok(());
        }
        let hopeless = status.code().is_some_and(|c| HOPELESS.contains(&c) && c != TRY_AGAIN);
        let retry = if hopeless { Retry::Never } else { Retry::Later };
        let mut text = format!("{} ended with {status}", self.name());
        // Programs repeat what they were given when they fail. A key may be a PIN of four digits;
        // what is written in the settings is none if it is short. The longest first: one may be a
        // part of another, and of that the rest would be left.
        let written = self.settings.args.iter().chain(env.values());
        let written = written.filter(|word| word.len() >= 8).map(Secret::new);
        let mut secrets: Vec<Secret> = kept.iter().cloned().chain(written).collect();
        secrets.sort_by_key(|secret| Reverse(secret.reveal().len()));
        let said = one_line(&secrets.iter().fold(said.to_owned(), |said, it| it.scrub(&said)));
        if !said.is_empty() {
            text = format!("{text}: {said}");
        }
        Err(DeliveryError { retry, text })
    }
}

/// Looks whether a program is there and may be started by whoever asks.
///
/// # Errors
/// When not.
pub(super) async fn look(program: &Path) -> Result<(), String> {
    let look = |path: &Path| {
        if !path.metadata()?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        Ok(access(path, AccessFlags::X_OK)?)
    };
    let found = disk::apart(program, disk::PATIENCE, look).await;
    found.map_err(|error| unstarted(program, &error))
}

fn unstarted(program: &Path, error: &std::io::Error) -> String {
    format!("cannot start {}: {error}", program.display())
}

/// What its environment holds besides the usual, and which of it are keys: they are read now, so
/// that they can be replaced without a reload.
async fn environment(
    settings: &ExecSettings,
) -> Result<(BTreeMap<String, String>, Vec<Secret>), DeliveryError> {
    let (mut env, mut kept) = (BTreeMap::new(), Vec::new());
    for (name, variable) in &settings.env {
        match variable {
            ExecVariable::Written(text) => _ = env.insert(name.clone(), text.clone()),
            ExecVariable::Kept(source) => kept.push((name, source)),
        }
    }
    let keys = keys::all(kept).await?;
    env.extend(keys.iter().map(|(name, key)| ((*name).to_owned(), key.reveal().to_owned())));
    Ok((env, keys.into_values().collect()))
}

/// Whether a program may be started later that cannot be started now.
fn is_passing(error: &std::io::Error) -> bool {
    use nix::errno::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw);
    let passes = matches!(
        errno,
        Some(
            Errno::EAGAIN
                | Errno::ENOMEM
                | Errno::EMFILE
                | Errno::ENFILE
                | Errno::ETXTBSY
                | Errno::EINTR
                | Errno::EIO
        )
    );
    passes || error.kind() == std::io::ErrorKind::TimedOut
}

/// What the program reads: the letter in words, and `message`, which is what a webhook gets.
///
/// It is a drill only if nothing else stands in it: a program that keeps its siren silent for a
/// drill must not do so for what is real.
fn input(letter: &Letter, style: &Style) -> Vec<u8> {
    let gravest = letter.items.iter().map(|it| it.notification.alert.incident.severity).max();
    let mut all = letter.items.iter();
    let is_drill = !letter.items.is_empty() && all.all(|it| it.notification.alert.drill);
    let message: serde_json::Value =
        serde_json::from_slice(&webhook::body(letter, style)).unwrap_or_default();
    let input = serde_json::json!({
        "version": 1,
        "id": letter.id,
        "test": letter.test,
        "drill": is_drill,
        "status": if letter.is_resolved() { "resolved" } else { "firing" },
        "severity": gravest.unwrap_or_default().word(),
        "short": sms::short(letter, style),
        "text": texts::plain(letter, style),
        "message": message,
    });
    input.to_string().into_bytes()
}

/// Hands the input over, reads what the program says and waits for its end, all at once: a program
/// may talk before it listens, or never listen.
async fn run(child: &mut Child, input: &[u8]) -> (std::io::Result<ExitStatus>, String) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that does not want it closes its end; its exit status tells.
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let talk = async { tokio::join!(feed, keep(stdout, &mut out), keep(stderr, &mut err)) };
        let mut talk = std::pin::pin!(talk);
        tokio::select! {
            status = child.wait() => {
                let _ = tokio::time::timeout(LAST_WORDS, &mut talk).await;
                status
            }
            _ = &mut talk => child.wait().await,
        }
    };
    let said = if err.is_empty() { out } else { err };
    (status, String::from_utf8_lossy(&said).into_owned())
}

/// Reads to the end, keeping the beginning.
async fn keep(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut chunk = [0; 1_024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
}

#[cfg(test)]
mod tests;
