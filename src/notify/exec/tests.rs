//! The exec channel against real programs.

use std::path::PathBuf;

use super::*;
use crate::texts::tests::{shapes_and_drills, write_each};

fn style() -> Arc<Style> {
    let time_zone = jiff::tz::TimeZone::UTC;
    Arc::new(Style::new(crate::model::Language::Vi, time_zone, ""))
}

fn shell(script: &str) -> Exec {
    Exec::new(
        &ExecSettings {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: [("PIN".to_owned(), ExecVariable::Written("17".to_owned()))].into(),
            timeout: Duration::from_secs(20),
        },
        style(),
    )
}

async fn run(script: &str) -> Result<(), DeliveryError> {
    shell(script).run(b"{\"subject\":\"t\"}").await
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("vchealth-exec-{}-{name}", std::process::id()))
}

#[tokio::test]
async fn a_key_in_its_environment_lies_in_a_file_and_is_told_nobody() {
    let key = scratch("key");
    std::fs::write(&key, "pin-of-the-modem\n").unwrap();
    let mut siren = shell("test \"$KEY\" = pin-of-the-modem || exit 64; echo $KEY; exit 75");
    let kept = ExecVariable::Kept(crate::config::SecretSource::File(key.clone()));
    siren.settings.env = [("KEY".to_owned(), kept)].into();
    let error = siren.run(b"{}").await.unwrap_err();
    assert!(error.text.ends_with("ended with exit status: 75: ***"), "{error}");
    std::fs::remove_file(&key).unwrap();
    let error = siren.run(b"{}").await.unwrap_err();
    assert_eq!(error.retry, Retry::Later, "somebody may put it there");
    assert!(error.text.contains("gives no key"), "{error}");
}

#[tokio::test]
async fn a_key_of_four_digits_is_told_nobody_either_and_a_short_word_that_is_none_may_be() {
    let key = scratch("pin");
    std::fs::write(&key, "4821\n").unwrap();
    let said = "AT+CPIN=$PIN, NDgyMQ==: no relay $RELAY of $NAME";
    let mut modem = shell(&format!("echo \"{said}\"; exit 1"));
    let kept = ExecVariable::Kept(crate::config::SecretSource::File(key.clone()));
    let written = |text: &str| ExecVariable::Written(text.to_owned());
    let env = [("PIN", kept), ("RELAY", written("17")), ("NAME", written("tang-hai"))];
    modem.settings.env = env.map(|(name, it)| (name.to_owned(), it)).into();
    let error = modem.run(b"{}").await.unwrap_err();
    std::fs::remove_file(&key).unwrap();
    let expected = "sh ended with exit status: 1: AT+CPIN=***, ***: no relay 17 of ***";
    assert_eq!(error.text, expected);
}

#[tokio::test]
async fn a_key_that_is_part_of_another_uncovers_nothing_of_it() {
    let (pin, token) = (scratch("part"), scratch("whole"));
    std::fs::write(&pin, "1234\n").unwrap();
    std::fs::write(&token, "canhbao1234-x9\n").unwrap();
    let mut modem = shell("echo \"$PIN: $TOKEN refused\"; exit 1");
    let kept = |file: &Path| ExecVariable::Kept(crate::config::SecretSource::File(file.to_owned()));
    let env = [("PIN", kept(&pin)), ("TOKEN", kept(&token))];
    modem.settings.env = env.map(|(name, it)| (name.to_owned(), it)).into();
    let error = modem.run(b"{}").await.unwrap_err();
    std::fs::remove_file(&pin).unwrap();
    std::fs::remove_file(&token).unwrap();
    assert_eq!(error.text, "sh ended with exit status: 1: ***: *** refused");
}

#[tokio::test]
async fn the_letter_comes_on_standard_input_and_the_environment_is_clean() {
    let found = scratch("clean");
    let script = format!("cat >{f}; env | sort >>{f}; pwd >>{f}", f = found.display());
    run(&script).await.unwrap();
    let told = std::fs::read_to_string(&found).unwrap();
    std::fs::remove_file(&found).unwrap();
    let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with("_=")).collect();
    let expected = [
        "{\"subject\":\"t\"}LANG=C.UTF-8",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "PIN=17",
        "PWD=/",
        "/",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_program_that_is_just_being_replaced_is_tried_again_and_none_at_all_is_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = scratch("replaced");
    std::fs::copy("/bin/true", &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut exec = shell("");
    exec.settings.args.clear();
    exec.settings.program.clone_from(&program);
    let writer = std::fs::OpenOptions::new().write(true).open(&program).unwrap();
    assert_eq!(exec.run(b"{}").await.unwrap_err().retry, Retry::Later);
    drop(writer);
    std::fs::remove_file(&program).unwrap();
    assert_eq!(exec.run(b"{}").await.unwrap_err().retry, Retry::Never);
}

#[tokio::test]
async fn the_exit_status_says_whether_to_try_again() {
    assert_eq!(run("exit 0").await, Ok(()));
    for (script, retry) in [
        ("exit 1", Retry::Later),
        ("exit 75", Retry::Later),
        ("exit 64", Retry::Never),
        ("exit 78", Retry::Never),
        ("exit 127", Retry::Later),
        ("kill -9 $$", Retry::Later),
    ] {
        assert_eq!(run(script).await.unwrap_err().retry, retry, "{script}");
    }
    let error = run("echo fine; echo 'no\tmodem' >&2; exit 1").await.unwrap_err();
    assert_eq!(error.text, "sh ended with exit status: 1: no modem");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_not_asked_again() {
    let exec = Exec::new(
        &ExecSettings {
            program: PathBuf::from("/nonexistent/siren"),
            args: Vec::new(),
            env: [].into(),
            timeout: Duration::from_secs(20),
        },
        style(),
    );
    assert_eq!(exec.run(b"").await.unwrap_err().retry, Retry::Never);
}

#[tokio::test]
async fn one_that_never_listens_and_talks_without_end_does_no_harm() {
    let input = vec![b'x'; 1 << 20];
    let told = shell("exec <&-; head -c 3000000 /dev/zero; exit 3").run(&input).await;
    assert!(told.unwrap_err().text.starts_with("sh ended with exit status: 3"));
}

#[tokio::test]
async fn what_it_leaves_behind_does_not_hold_the_letter_up() {
    let pid = scratch("left");
    run(&format!("sleep 1000 & echo $! >{}", pid.display())).await.unwrap();
    let left = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    std::fs::remove_file(&pid).unwrap();
    // It goes on by itself: a siren sounds longer than the letter takes.
    nix::sys::signal::kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
}

/// Whether a process is there and no zombie.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn gone(pid: &str) {
    while runs(pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn one_that_takes_too_long_is_killed_with_all_that_it_started() {
    let pid = scratch("slow");
    let mut exec = shell(&format!("trap '' TERM; sleep 1000 & echo $! >{}; wait", pid.display()));
    exec.settings.timeout = Duration::from_millis(500);
    let error = exec.run(b"").await.unwrap_err();
    assert_eq!((error.retry, &*error.text), (Retry::Later, "sh did not end within 0.5 s"));
    let child = std::fs::read_to_string(&pid).unwrap();
    std::fs::remove_file(&pid).unwrap();
    gone(child.trim()).await;
}

#[tokio::test]
async fn nothing_goes_on_when_nobody_waits_any_more() {
    let pid = scratch("dropped");
    let exec = shell(&format!("sleep 1000 & echo $! >{}; wait", pid.display()));
    let mut delivery = Box::pin(exec.run(b""));
    let child = loop {
        tokio::select! {
            _ = &mut delivery => panic!("it waits for its child"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        match std::fs::read_to_string(&pid) {
            Ok(text) if text.ends_with('\n') => break text,
            _ => {}
        }
    };
    drop(delivery);
    std::fs::remove_file(&pid).unwrap();
    gone(child.trim()).await;
}

#[test]
fn what_a_program_is_given_can_be_read() {
    // `message` is what a webhook gets.
    write_each("exec", &shapes_and_drills(), |letter, style| {
        let mut read: serde_json::Value = serde_json::from_slice(&input(letter, style)).unwrap();
        let message = read.as_object_mut().unwrap().remove("message").unwrap();
        let posted: serde_json::Value =
            serde_json::from_slice(&webhook::body(letter, style)).unwrap();
        assert_eq!(message, posted);
        format!("{read:#}\n")
    });
}

#[test]
fn what_is_a_drill_from_end_to_end_and_nothing_else_is_marked_as_one() {
    let is_drill = |letter: &Letter| {
        let read: serde_json::Value = serde_json::from_slice(&input(letter, &style())).unwrap();
        read["drill"].as_bool().unwrap()
    };
    let (drills, real): (Vec<_>, Vec<_>) = shapes_and_drills()
        .into_iter()
        .map(|(_, letter)| letter)
        .partition(|letter| letter.items.iter().all(|it| it.notification.alert.drill));
    assert!(drills.len() >= 2, "a drill and its end");
    assert!(drills.iter().all(is_drill) && !real.iter().any(is_drill));
    let mut both = drills[0].clone();
    both.items.extend(real[0].items.clone());
    assert!(!is_drill(&both), "the siren has to sound");
}
