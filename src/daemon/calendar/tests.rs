//! Calendars against servers that fail, mean ill or never answer, and changes that outlive a
//! restart.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::{self, File};

/// A directory of our own that goes with us.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("vchealth-calendar-{}-{nth}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn config(url: &str) -> Arc<Config> {
    let text = format!("channels: {{}}\ncalendars: {{office: {{url: \"{url}\", timeout: 5s}}}}\n");
    let sources = config::sample().with(File::Settings, "vchealth.yaml", text).with(
        File::Sessions,
        "sessions.yaml",
        "sessions: []\n",
    );
    Arc::new(config::load(&sources).unwrap_or_else(|problems| panic!("{problems}")))
}

fn keeper(dir: &Scratch) -> Arc<Keeper> {
    let started = "2026-12-01T00:00:00Z".parse().unwrap();
    Arc::new(Keeper::open(&dir.0, Figures::new("0", started)))
}

fn at(minutes: u64) -> Now {
    let wall: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    let passed = Duration::from_mins(minutes);
    Now { mono: Mono::ZERO + passed, wall: wall.checked_add(passed).unwrap() }
}

/// Answers one request after the other with these bodies, then listens no longer.
async fn serve(answers: Vec<&'static str>) -> String {
    let whole = |body: &&str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    serve_bytes(answers.iter().map(whole).map(String::into_bytes).collect()).await
}

/// The same with whatever bytes.
async fn serve_bytes(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hop.ics?key=secret", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await.unwrap();
            // Whoever has heard enough hangs up.
            let _ = stream.write_all(&answer).await;
        }
    });
    url
}

const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:u\r\nSUMMARY:Họp\r\n\
    DTSTART:20261209T080000\r\nDURATION:PT2H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[tokio::test]
async fn a_calendar_server_that_fails_changes_nothing() {
    let dir = Scratch::new();
    let base = config(&serve(vec![CALENDAR, "<html>log in</html>"]).await);
    let keeper = keeper(&dir);
    assert_eq!(keeper.gather(&base, at(0).wall).sessions.len(), 0);

    assert!(keeper.fetch_due(&base, at(0)).await);
    assert_eq!(keeper.gather(&base, at(0).wall).sessions.len(), 1);
    assert!(!keeper.fetch_due(&base, at(1)).await, "it is not due yet");

    // A page instead of a calendar, then nobody at all: what is known stays.
    for (minutes, why) in [(6, "BEGIN:VCALENDAR"), (12, "error")] {
        assert!(keeper.fetch_due(&base, at(minutes)).await);
        assert_eq!(keeper.gather(&base, at(minutes).wall).sessions.len(), 1);
        let status = keeper.shown().calendars[0].clone();
        assert_eq!(status.failing_since, Some(at(6).wall));
        let told = status.last_error.unwrap();
        assert!(told.contains(why) && !told.contains("secret"), "{told}");
    }

    // After a restart as well.
    let again = self::keeper(&dir);
    assert_eq!(again.gather(&base, at(20).wall).sessions.len(), 1);
}

#[tokio::test]
async fn a_calendar_server_that_means_ill_is_told_of_and_changes_nothing() {
    let round = b"HTTP/1.1 302 Found\r\nlocation: /hop.ics\r\nconnection: close\r\n\r\n".to_vec();
    let mut endless = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    endless.resize(endless.len() + LARGEST + (1 << 20), b' ');
    let denied = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n".to_vec();
    for (answers, why) in [
        (vec![round; 8], "again and again"),
        (vec![endless], "larger than 4 MiB"),
        (vec![denied], "403"),
    ] {
        let dir = Scratch::new();
        let base = config(&serve_bytes(answers).await);
        let keeper = keeper(&dir);
        keeper.fetch_due(&base, at(0)).await;
        assert_eq!(keeper.gather(&base, at(0).wall).sessions.len(), 0);
        let told = keeper.shown().calendars[0].last_error.clone().unwrap();
        assert!(told.contains(why) && !told.contains("secret"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_calendar_server_that_never_answers_is_waited_for_no_longer_than_its_time_limit() {
    let dir = Scratch::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = config(&format!("http://{}/", listener.local_addr().unwrap()));
    let keeper = keeper(&dir);
    keeper.fetch_due(&base, at(0)).await;
    keeper.gather(&base, at(0).wall);
    let told = keeper.shown().calendars[0].last_error.clone();
    assert_eq!(told.as_deref(), Some("no answer in time"));
}

#[tokio::test]
async fn a_change_of_a_session_survives_a_restart() {
    let dir = Scratch::new();
    let base = config("http://127.0.0.1:1/");
    let id = SessionId::new("hop");
    let change = |title: &str| -> SessionChange {
        let text = serde_json::json!({
            "id": "hop", "title": title, "start": "2026-12-09T01:00:00Z",
            "end": "2026-12-09T03:00:00Z", "all": true, "by": "Hà", "at": "2026-12-01T00:00:00Z",
        });
        serde_json::from_value(text).unwrap()
    };
    let first = keeper(&dir);
    assert_eq!(first.change(&base, &id, Some(change("Họp")), at(0).wall).unwrap(), None);
    drop(first);

    let again = keeper(&dir);
    let sessions = again.gather(&base, at(0).wall).sessions;
    assert_eq!((sessions.len(), sessions[0].title.as_str()), (1, "Họp"));
    assert_eq!(again.change(&base, &id, None, at(0).wall).unwrap(), Some(change("Họp")));
    assert_eq!(keeper(&dir).gather(&base, at(0).wall).sessions.len(), 0);
}

#[tokio::test]
async fn a_change_that_does_not_fit_is_refused_and_one_that_is_taken_back_leaves_nothing() {
    let dir = Scratch::new();
    let base = config("http://127.0.0.1:1/");
    let id = SessionId::new("hop");
    let change = |more: serde_json::Value| -> SessionChange {
        let mut all = serde_json::json!({
            "id": "hop", "by": "Hà", "at": "2026-12-01T00:00:00Z",
        });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    };
    let whole = serde_json::json!({"title": "Họp", "start": "2026-12-09T01:00:00Z",
        "end": "2026-12-09T03:00:00Z", "all": true});
    let keeper = keeper(&dir);
    keeper.change(&base, &id, Some(change(whole.clone())), at(0).wall).unwrap();
    let kept = fs::read(dir.0.join(CHANGES)).unwrap();

    let late = change(serde_json::json!({"start": "2026-12-09T04:00:00Z"}));
    let refused = keeper.change(&base, &id, Some(late), at(0).wall).unwrap_err();
    assert!(matches!(refused, KeepError::Unfit(ChangeError::Backwards)), "{refused:?}");
    let other = SessionId::new("khac");
    for (more, why) in [
        (serde_json::json!({"id": "khac", "title": "Khác"}), ChangeError::Missing("start")),
        (serde_json::json!({"id": "khac", "cancelled": true}), ChangeError::Unknown),
    ] {
        let refused = keeper.change(&base, &other, Some(change(more)), at(0).wall).unwrap_err();
        assert!(matches!(refused, KeepError::Unfit(told) if told == why), "{refused:?}");
    }
    assert_eq!(fs::read(dir.0.join(CHANGES)).unwrap(), kept);

    let mut later = whole;
    later["end"] = serde_json::json!("2026-12-09T04:00:00Z");
    let before = keeper.change(&base, &id, Some(change(later)), at(0).wall).unwrap();
    keeper.change_back(&id, before);
    assert_eq!(fs::read(dir.0.join(CHANGES)).unwrap(), kept);

    // Long after its end it is let go.
    let month_later = at(60 * 24 * 40).wall;
    assert_eq!(keeper.gather(&base, month_later).sessions.len(), 1);
    assert_eq!(fs::read(dir.0.join(CHANGES)).unwrap(), b"{}");
    assert_eq!(keeper.gather(&base, month_later).sessions.len(), 0);
}

#[tokio::test]
async fn a_session_that_was_added_is_changed_and_called_off_like_any_other() {
    let dir = Scratch::new();
    let base = config("http://127.0.0.1:1/");
    let id = SessionId::new("hop");
    let keeper = keeper(&dir);
    let change = |more: serde_json::Value| {
        let mut all = serde_json::json!({
            "id": "hop", "by": "Hà", "at": "2026-12-01T00:00:00Z",
        });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let change = serde_json::from_value(all).unwrap();
        keeper.change(&base, &id, Some(change), at(0).wall)
    };
    let sites = || {
        let sessions = keeper.gather(&base, at(0).wall).sessions;
        sessions.first().map(|session| session.sites.len())
    };
    let when = serde_json::json!({"title": "Họp", "start": "2026-12-09T01:00:00Z",
        "end": "2026-12-09T03:00:00Z", "add": ["tan-lap", "nam-mau"]});
    change(when.clone()).unwrap();
    assert_eq!(sites(), Some(2));

    // A change takes the place of the one before it, and lies over what was added.
    change(serde_json::json!({"add": ["bang-lang"]})).unwrap();
    assert_eq!(sites(), Some(3));
    change(serde_json::json!({"drop": ["tan-lap"]})).unwrap();
    assert_eq!(sites(), Some(1));
    change(serde_json::json!({"cancelled": true})).unwrap();
    assert_eq!(sites(), None);
    let gathered = gather(&base, &BTreeMap::new(), &read_changes(&dir.0).unwrap(), at(0).wall);
    let [off] = &gathered.called_off[..] else { panic!("{gathered:?}") };
    assert_eq!((&*off.session.title, &*off.source, &*off.by), ("Họp", "API", "Hà"));
    change(serde_json::json!({})).unwrap();
    assert_eq!(sites(), Some(2), "it takes place after all, as it was added");

    // All of it said again with that it is off is the same.
    let mut off = when.clone();
    off["cancelled"] = serde_json::json!(true);
    change(off).unwrap();
    assert_eq!(sites(), None);
    // Added anew it is what it is now said to be.
    let mut anew = when;
    anew["add"] = serde_json::json!(["bang-lang"]);
    change(anew).unwrap();
    assert_eq!(sites(), Some(1));
    keeper.change(&base, &id, None, at(0).wall).unwrap();
    assert_eq!(sites(), None, "and withdrawn it is gone");
    assert_eq!(fs::read(dir.0.join(CHANGES)).unwrap(), b"{}");
}

#[tokio::test]
async fn a_calendar_that_comes_from_elsewhere_is_fetched_at_once_and_the_old_copy_goes() {
    let dir = Scratch::new();
    let old = config(&serve(vec![CALENDAR]).await);
    let keeper = keeper(&dir);
    assert!(keeper.fetch_due(&old, at(0)).await);
    assert_eq!(keeper.gather(&old, at(0).wall).sessions.len(), 1);

    let new = config(&serve(vec![CALENDAR]).await);
    assert_eq!(keeper.gather(&new, at(0).wall).sessions.len(), 0);
    // A reload that is not taken leaves the old one as it was.
    assert_eq!(keeper.gather(&old, at(0).wall).sessions.len(), 1);
    keeper.gather(&new, at(0).wall);
    keeper.tidy(&new);
    assert!(keeper.fetch_due(&new, at(0)).await, "it is due though the old one was just read");
    assert_eq!(keeper.gather(&new, at(0).wall).sessions.len(), 1);
    keeper.tidy(&new);
    let kept = fs::read_dir(dir.0.join(COPIES)).unwrap().count();
    assert_eq!(kept, 1, "only the copy of the new one is kept");
}

#[test]
fn changes_that_cannot_be_read_are_put_aside_and_not_written_over() {
    let dir = Scratch::new();
    fs::write(dir.0.join(CHANGES), b"{\"hop\": ").unwrap();
    keeper(&dir);
    assert!(!dir.0.join(CHANGES).exists());
    assert_eq!(fs::read(dir.0.join(CHANGES_ASIDE)).unwrap(), b"{\"hop\": ");
}
