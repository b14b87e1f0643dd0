//! The whole program, killed again and again at random moments while doors of sites close and open,
//! people take incidents on, links are pressed, silences set and lifted, and the receiver of its
//! messages fails half the time.
//!
//! What must hold is judged from outside: by what the receiver took, by what people were answered,
//! and by what lies on the disk after each kill. `VCHEALTH_SEED` tries one run of choices again;
//! the moments differ all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use vchealth::lab::world::Dice;
use vchealth::model::{IncidentId, NotificationKind, SilenceId};
use vchealth::store::{FILE_NAME, History, MarkState, Store};

use crate::acting::{Running, read};
use crate::fixtures::{Scratch, kills, random};
use crate::ports::free_port;

/// Longer than anything here takes on the slowest machine, kills included.
const PATIENCE: Duration = Duration::from_secs(120);
/// Things that go on at once around one program.
const STORIES: usize = 10;
/// Sites of each of them, whose doors close in turn: what fails again within a minute is the same
/// incident, and others shall be new.
const SITES: usize = 8;
/// Programs that run side by side: each mostly waits for its next probe.
const WORLDS: u8 = 2;
/// Letters that a webhook has under way at once.
const UNDER_WAY: usize = 4;
/// The most that one lives before it is killed, in milliseconds.
const LIFE: u64 = 1_500;

/// One alert as the receiver took it.
#[derive(Debug, Clone)]
struct Told {
    message: String,
    incident: String,
    site: String,
    fires: bool,
    link: Option<String>,
}

/// What everybody outside the program knows.
#[derive(Debug, Default)]
struct Ledger {
    /// Every message when it was taken first.
    told: Vec<Told>,
    /// Under which keys each message was taken and in which life of the program, by its id.
    keys: BTreeMap<String, Vec<(String, usize)>>,
    no_repeats: bool,
    /// The life that the program is in, and what was on record as waiting when each one before it
    /// ended.
    life: usize,
    waited: Vec<BTreeSet<String>>,
    /// Incident and name of every ack that was answered with success.
    acks: Vec<(String, String)>,
    /// The names that each link was pressed under, by incident and link.
    presses: BTreeMap<(String, String), BTreeSet<String>>,
    /// Those of them that were ever seen on record.
    pressed: BTreeMap<String, BTreeSet<String>>,
    /// Silences that are confirmed and that nobody has tried to lift.
    silences: BTreeSet<String>,
    /// Silences whose end is confirmed.
    lifted: BTreeSet<String>,
}

impl Ledger {
    fn take(&mut self, key: &str, body: &Value) -> bool {
        let alerts = body["alerts"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all: Vec<Told> = alerts
            .iter()
            .map(|alert| Told {
                message: text(&alert["annotations"]["notification"]),
                incident: text(&alert["labels"]["incident"]),
                site: text(&alert["labels"]["site"]),
                fires: alert["status"] == "firing",
                link: alert["annotations"]["ack_url"].as_str().map(str::to_owned),
            })
            .collect();
        if self.no_repeats && all.iter().any(|it| self.keys.contains_key(&it.message)) {
            return false;
        }
        for told in all {
            let keys = self.keys.entry(told.message.clone()).or_default();
            keys.push((key.to_owned(), self.life));
            if keys.len() == 1 {
                self.told.push(told);
            }
        }
        true
    }

    /// Messages that came twice, with the incident that each is about.
    fn repeated(&self) -> Vec<Told> {
        let twice = |it: &&Told| self.keys[&it.message].len() > 1;
        self.told.iter().filter(twice).cloned().collect()
    }

    /// Whether a message came twice only because the program was killed between its receiver's yes
    /// and the record of that.
    fn is_excused(&self, message: &str) -> bool {
        let [(first, before), rest @ ..] = &self.keys[message][..] else { return false };
        rest.iter().all(|(key, after)| {
            // By the key a receiver drops the repeat.
            key == first && before < after && self.waited[*before].contains(message)
        })
    }
}

/// One program with all around it.
struct World {
    seed: u64,
    number: u8,
    scratch: Scratch,
    listen: String,
    duty: TcpListener,
    door: u16,
    ledger: Mutex<Ledger>,
    /// No new fault begins.
    ending: AtomicBool,
    /// Something is wrong: nobody waits any longer.
    broken: AtomicBool,
    /// Nothing comes any more: the receiver may go.
    over: AtomicBool,
    names: AtomicU64,
    /// Counts what was taken and what was confirmed.
    news: AtomicU64,
}

/// Lets everybody go when the one that drives them is done, or fails.
struct End<'a>(&'a World);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.broken.store(std::thread::panicking(), Ordering::SeqCst);
        self.0.ending.store(true, Ordering::SeqCst);
        self.0.over.store(true, Ordering::SeqCst);
        // It waits for the next connection.
        drop(TcpStream::connect(self.0.duty.local_addr().unwrap()));
    }
}

impl World {
    fn new(seed: u64, number: u8) -> Self {
        let world = Self {
            seed,
            number,
            scratch: Scratch::new(&format!("kills-{number}")),
            listen: format!("127.0.0.1:{}", free_port()),
            duty: TcpListener::bind("127.0.0.1:0").unwrap(),
            door: TcpListener::bind((address(number, 0), 0)).unwrap().local_addr().unwrap().port(),
            ledger: Mutex::default(),
            ending: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            over: AtomicBool::new(false),
            names: AtomicU64::new(0),
            news: AtomicU64::new(0),
        };
        let (dir, listen, door) = (world.scratch.path(), &world.listen, world.door);
        let settings = format!(
            "listen: {listen}\nstate_dir: {}\npublic_url: http://{listen}/\n\
             channels: {{duty: {{kind: webhook, url: \"http://{}/\"}}}}\n\
             grouping: {{idle: 0s, readiness: 0s, live: 0s, wrap_up: 0s}}\n\
             hysteresis: {{fail_after: 1, recover_after: 1}}\n\
             correlation: {{wait: 0s}}\n\
             flapping: {{stable_for: 0s, relapses: 100, window: 1m, messages_per_hour: 1000}}\n\
             checks: {{door: {{kind: tcp, port: {door}, timeout: 500ms, pace: 1s, confirm_after: 1s}}}}\n",
            world.state().display(),
            world.duty.local_addr().unwrap(),
        );
        let mut sites = "levels: [{id: commune, name: Xã}]\n\
             classes: {commune: {level: commune, endpoints: [{id: codec, checks: [ping, door]}]}}\n\
             sites:\n"
            .to_owned();
        for n in 0..STORIES * SITES {
            let _ =
                writeln!(sites, "  - {{id: s{n}, name: Xã Số {n}, codec: {}}}", address(number, n));
        }
        fs::write(dir.join("vchealth.yaml"), settings).unwrap();
        fs::write(dir.join("sites.yaml"), sites).unwrap();
        fs::write(dir.join("sessions.yaml"), "sessions: []\n").unwrap();
        world
    }

    fn state(&self) -> PathBuf {
        self.scratch.path().join("state")
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// The program, which says what it has to say into a file.
    fn start(&self) -> Running {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.scratch.path().join("log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vchealth"))
            .args(["run", "--config"])
            .arg(self.scratch.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        Running(child.expect("the program starts"))
    }

    /// Asks until there is an answer, whether the program runs at the moment or not.
    fn wait<T>(&self, what: &str, ask: impl Fn() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = ask() {
                return found;
            }
            assert!(!self.broken.load(Ordering::SeqCst), "{what}: somebody else has failed");
            assert!(Instant::now() < end, "seed {}: waited in vain: {what}", self.seed);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One request; none when the program dies meanwhile, or is dead.
    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.listen).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.listen,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let (head, body) = read(&mut stream)?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Option<(u16, String)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, path, "application/json", &body)
    }

    fn name(&self) -> String {
        format!("P{}", self.names.fetch_add(1, Ordering::SeqCst))
    }

    /// Takes messages, half of them, until the world ends.
    fn receive(&self) {
        let mut dice = Dice::new(self.seed, 1_000);
        while let Ok((mut stream, _)) = self.duty.accept() {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let Some((head, body)) = read(&mut stream) else { continue };
            if head.starts_with("GET /fence ") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                continue;
            }
            let key = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("idempotency-key").then(|| value.trim().to_owned())
            });
            let body = serde_json::from_slice(&body).unwrap();
            let answer = match dice.up_to(3) {
                // It fails half the time: with an answer, or without one.
                0 => continue,
                1 => "503 Busy",
                _ if self.ledger().take(&key.expect("a key"), &body) => {
                    self.news.fetch_add(1, Ordering::SeqCst);
                    "200 OK"
                }
                _ => "503 Busy",
            };
            // Whoever asked may have been killed.
            let _ = write!(
                stream,
                "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
    }

    /// Opens the door of a site.
    fn open(&self, n: usize) -> TcpListener {
        self.wait("the door is free", || {
            let door = TcpListener::bind((address(self.number, n), self.door)).ok()?;
            door.set_nonblocking(true).ok()?;
            Some(door)
        })
    }

    /// What happens at some sites until the end: they come and go, are told of, and people act.
    /// Gives their doors, which stay open.
    fn live(&self, story: usize) -> Vec<TcpListener> {
        let mut dice = Dice::new(self.seed, story as u64);
        let first = story * SITES;
        let mut doors: Vec<TcpListener> = (first..first + SITES).map(|n| self.open(n)).collect();
        let pause = |doors: &[TcpListener], within: u64, dice: &mut Dice| {
            let until = Instant::now() + Duration::from_millis(dice.up_to(within));
            while Instant::now() < until {
                let_in(doors);
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        // What never worked is no fault, so all works at first.
        (0..SITES).for_each(|n| self.works(first + n, &doors));
        for turn in 0.. {
            if self.ending.load(Ordering::SeqCst) {
                break;
            }
            pause(&doors, 1_000, &mut dice);
            let site = format!("s{}", first + turn % SITES);
            drop(doors.remove(0));
            if dice.chance(0.25) {
                // Perhaps nobody hears of it.
                pause(&doors, 1_500, &mut dice);
            } else {
                let firing = self.told(&site, true, &doors).expect("a message");
                self.act(&site, &firing, &mut dice);
            }
            doors.push(self.open(first + turn % SITES));
            if dice.chance(0.5) {
                self.told(&site, false, &doors);
            }
        }
        (0..SITES).for_each(|n| self.works(first + n, &doors));
        doors
    }

    /// Waits until a site is seen to work.
    fn works(&self, n: usize, doors: &[TcpListener]) {
        self.wait("it is seen to work", || {
            let_in(doors);
            let (_, body) = self.json("GET", &format!("/api/v1/sites/s{n}"), &Value::Null)?;
            let body: Value = serde_json::from_str(&body).ok()?;
            let fine = body["health"] == "up" && body["incident"].is_null();
            (fine && body["endpoints"][0]["targets"][1]["health"] == "up").then_some(())
        });
    }

    /// Waits until the last that was told of a site is that it fails, or that it does not. One that
    /// did so for too short a time to be known of is told of no more.
    fn told(&self, site: &str, fires: bool, doors: &[TcpListener]) -> Option<Told> {
        self.wait(&format!("{site} is told of, firing: {fires}"), || {
            let_in(doors);
            let ledger = self.ledger();
            let last = ledger.told.iter().rev().find(|it| it.site == site);
            (last.is_some_and(|it| it.fires) == fires).then(|| last.cloned())
        })
    }

    /// Some of what people do about a message.
    fn act(&self, site: &str, told: &Told, dice: &mut Dice) {
        for _ in 0..dice.up_to(3) {
            match dice.up_to(3) {
                0 | 1 => self.ack(&told.incident),
                2 => self.press(told),
                _ => self.silence(site, dice),
            }
            std::thread::sleep(Duration::from_millis(dice.up_to(300)));
        }
    }

    fn ack(&self, incident: &str) {
        let by = self.name();
        let path = format!("/api/v1/incidents/{incident}/ack");
        let answer = self.json("POST", &path, &json!({ "by": by, "note": "x", "take_over": true }));
        if let Some((200, _)) = answer {
            self.confirmed(incident, by);
        }
    }

    fn confirmed(&self, incident: &str, by: String) {
        self.ledger().acks.push((incident.to_owned(), by));
        self.news.fetch_add(1, Ordering::SeqCst);
    }

    fn press(&self, told: &Told) {
        let link = told.link.as_ref().expect("a link");
        let path = link.strip_prefix(&format!("http://{}", self.listen)).expect("our address");
        let by = self.name();
        {
            let mut ledger = self.ledger();
            let about = (told.incident.clone(), path.to_owned());
            ledger.presses.entry(about).or_default().insert(by.clone());
        }
        let kind = "application/x-www-form-urlencoded";
        let sent = |over: &str| format!("act=ack&why=calling&name={by}{over}");
        let answer = self.ask("POST", path, kind, &sent(""));
        let Some((status, page)) = answer else { return };
        if status == 409 {
            // Somebody has it already: it is taken from them.
            let from = page.split_once("name=\"over\" value=\"").and_then(|(_, rest)| {
                let (value, _) = rest.split_once('"')?;
                Some(value.replace(' ', "+"))
            });
            // Without that, this very link was used by somebody else, and nothing is done.
            let Some(from) = from else { return };
            let over = format!("&over={from}");
            if !matches!(self.ask("POST", path, kind, &sent(&over)), Some((303, _))) {
                return;
            }
        } else if status != 303 {
            return;
        }
        let shown = self.ask("GET", path, kind, "");
        let by = format!("{by} (duty)");
        if shown.is_some_and(|(status, page)| status == 200 && page.contains(&by)) {
            self.confirmed(&told.incident, by);
        }
    }

    /// A silence that is lifted before anything else happens, however often that is tried.
    fn silence(&self, site: &str, dice: &mut Dice) {
        let until = Timestamp::now() + SignedDuration::from_hours(1);
        let wish = json!({ "site": site, "until": until, "by": "Hà", "reason": "kéo cáp" });
        let set = self.wait("a silence is set", || {
            let (status, body) = self.json("POST", "/api/v1/silences", &wish)?;
            assert_eq!(status, 201, "{body}");
            let body: Value = serde_json::from_str(&body).ok()?;
            body["id"].as_str().map(str::to_owned)
        });
        self.ledger().silences.insert(set.clone());
        std::thread::sleep(Duration::from_millis(dice.up_to(500)));
        // One that was not confirmed may have been set all the same.
        self.wait("silences are lifted", || {
            let (_, body) = self.json("GET", "/api/v1/silences", &Value::Null)?;
            let body: Value = serde_json::from_str(&body).ok()?;
            let all = body["silences"].as_array()?;
            let its: Vec<&str> = all
                .iter()
                .filter(|it| it["site"] == site)
                .filter_map(|it| it["id"].as_str())
                .collect();
            for id in &its {
                self.ledger().silences.remove(*id);
                let (status, body) =
                    self.json("DELETE", &format!("/api/v1/silences/{id}"), &Value::Null)?;
                assert!(status == 204 || status == 404, "{status} {body}");
                self.ledger().lifted.insert((*id).to_owned());
            }
            its.is_empty().then_some(())
        });
        let mut ledger = self.ledger();
        ledger.silences.remove(&set);
        ledger.lifted.insert(set);
    }

    /// Kills the program some time after it was started; what anybody was told is on disk.
    fn kill(&self, round: usize) {
        let mut running = self.start();
        // Every fourth time somewhere while it starts, else somewhere while it works; and every
        // fourth time a little after something was taken or confirmed, when its own record of that
        // may be on the way.
        if round.is_multiple_of(4) {
            std::thread::sleep(Duration::from_millis(random(150)));
        } else {
            self.wait("it listens", || TcpStream::connect(&self.listen).ok());
            std::thread::sleep(Duration::from_millis(random(LIFE)));
        }
        if round % 4 == 1 {
            let news = self.news.load(Ordering::SeqCst);
            let end = Instant::now() + Duration::from_millis(LIFE);
            while self.news.load(Ordering::SeqCst) == news && Instant::now() < end {
                std::thread::sleep(Duration::from_micros(100));
            }
            std::thread::sleep(Duration::from_micros(random(3_000)));
        }
        self.spare_repeats();
        running.0.kill().unwrap();
        running.0.wait().unwrap();
        drop(running);
        self.fence();
        let waited = self.look();
        let mut ledger = self.ledger();
        ledger.waited.push(waited);
        ledger.life += 1;
        ledger.no_repeats = false;
    }

    /// Waits until the receiver has read what the dead program still sent it.
    fn fence(&self) {
        let mut stream = TcpStream::connect(self.duty.local_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /fence HTTP/1.1\r\ncontent-length: 0\r\n\r\n").unwrap();
        read(&mut stream).expect("the receiver answers");
    }

    /// Two kills in the very same delivery would repeat it twice, which nothing can prevent: there
    /// is no kill while a repeat is not on record yet.
    fn spare_repeats(&self) {
        self.wait("a repeat is on record", || {
            let repeated = {
                let mut ledger = self.ledger();
                let repeated = ledger.repeated();
                ledger.no_repeats = repeated.is_empty();
                repeated
            };
            if repeated.is_empty() {
                return Some(());
            }
            let history = History::open(&self.state()).ok()?;
            let settled = |told: &Told| {
                let messages = history.messages(&IncidentId::new(&*told.incident)).unwrap();
                let mut found = messages.iter().filter(|it| it.mark.id.as_str() == told.message);
                found.any(|it| it.mark.state != MarkState::Waiting)
            };
            let mut ledger = self.ledger();
            let all = ledger.repeated();
            ledger.no_repeats = all.iter().all(settled);
            ledger.no_repeats.then_some(())
        });
    }

    /// Looks at what a kill left, in a copy, so that the program finds it as it is. Gives the
    /// messages that wait.
    fn look(&self) -> BTreeSet<String> {
        let ledger = self.ledger();
        let copy = self.scratch.path().join("copy");
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir_all(&copy).unwrap();
        let log = format!("{FILE_NAME}-wal");
        for name in [FILE_NAME, &log] {
            // There may be no log yet.
            let _ = fs::copy(self.state().join(name), copy.join(name));
        }
        drop(ledger);
        if !copy.join(FILE_NAME).exists() {
            return BTreeSet::new();
        }
        let (store, durable) = Store::open(&copy, Timestamp::now()).unwrap();
        assert_eq!(store.damage(), None);
        let waiting = store.waiting().unwrap();
        drop(store);
        let known = |id: &str| durable.silences.contains_key(&SilenceId::new(id));
        self.judge_acts(&copy, &known);
        waiting.into_iter().map(|it| it.notification.id.to_string()).collect()
    }

    /// Whatever somebody was told is done is done, and no link did anything twice.
    fn judge_acts(&self, dir: &Path, silenced: &dyn Fn(&str) -> bool) {
        let history = History::open(dir).unwrap();
        let mut ledger = self.ledger();
        let names = |id: &str| -> Option<(BTreeSet<String>, bool)> {
            let it = history.incident(&IncidentId::new(id)).unwrap()?;
            let full = it.earlier_acks.len() >= 20;
            let acks = it.ack.into_iter().chain(it.earlier_acks);
            Some((acks.map(|ack| ack.by).collect(), full))
        };
        for (incident, by) in &ledger.acks {
            let (names, full) = names(incident).expect("what was taken on is on record");
            assert!(
                names.contains(by) || full,
                "seed {}: {by} took {incident} on, {names:?} is on record",
                self.seed
            );
        }
        let Ledger { presses, pressed, .. } = &mut *ledger;
        for ((incident, link), by) in presses {
            let Some((names, _)) = names(incident) else { continue };
            let acted = by.iter().filter(|by| names.contains(&format!("{by} (duty)")));
            let all = pressed.entry(link.clone()).or_default();
            all.extend(acted.cloned());
            assert!(all.len() <= 1, "seed {}: a link acted for {all:?}", self.seed);
        }
        for id in &ledger.silences {
            assert!(silenced(id), "seed {}: silence {id} is gone", self.seed);
        }
        for id in &ledger.lifted {
            assert!(!silenced(id), "seed {}: silence {id} is back", self.seed);
        }
    }

    /// Judges all that was, when everything is at rest.
    fn judge(&self) -> String {
        let history = History::open(&self.state()).unwrap();
        let ledger = self.ledger();
        let seed = self.seed;
        let incidents = history.incidents(Timestamp::MIN, Timestamp::MAX).unwrap();
        let mut messages = 0;
        for it in &incidents {
            assert!(!it.is_open(), "seed {seed}: {} is over", it.id);
            let decided = history.messages(&it.id).unwrap();
            messages += decided.len();
            for message in &decided {
                let (id, state) = (&message.mark.id, message.mark.state);
                let taken = ledger.keys.contains_key(id.as_str());
                let sound = match state {
                    MarkState::Delivered => taken,
                    // What came after it tells it as well.
                    MarkState::Withdrawn => true,
                    MarkState::Waiting | MarkState::Failed => false,
                };
                assert!(sound, "seed {seed}: {id} is {state:?}, taken: {taken}");
            }
            let last = decided.last().map(|it| (it.notification.kind, it.mark.state));
            assert_eq!(
                last,
                Some((NotificationKind::Resolved, MarkState::Delivered)),
                "seed {seed}: the last of {} is its end",
                it.id
            );
            let order: Vec<&str> = decided.iter().map(|it| it.mark.id.as_str()).collect();
            let told = ledger.told.iter().filter(|told| told.incident == it.id.as_str());
            let places: Vec<Option<usize>> =
                told.map(|told| order.iter().position(|id| *id == told.message)).collect();
            assert!(
                places.iter().all(Option::is_some) && places.is_sorted(),
                "seed {seed}: {} is told in order: {places:?} of {order:?}",
                it.id
            );
        }
        let known: BTreeSet<&str> = incidents.iter().map(|it| it.id.as_str()).collect();
        for told in &ledger.told {
            assert!(known.contains(&*told.incident), "seed {seed}: {told:?} is on record");
        }
        for (id, keys) in &ledger.keys {
            let sound = keys.len() == 1 || keys.len() == 2 && ledger.is_excused(id);
            assert!(sound, "seed {seed}: {id} came as {keys:?}");
        }
        let repeated = ledger.repeated();
        let letters: BTreeSet<&str> =
            repeated.iter().map(|it| &*ledger.keys[&it.message][0].0).collect();
        let (letters, kills) = (letters.len(), ledger.waited.len());
        assert!(
            letters <= kills * UNDER_WAY,
            "seed {seed}: {letters} letters came twice for {kills} kills"
        );
        let twice = repeated.len();
        let worked = ledger.pressed.values().filter(|it| !it.is_empty()).count();
        format!(
            "{} incidents, {messages} messages, {} told, {twice} of them twice; {} acks, {worked} \
             of {} links used, {} silences",
            incidents.len(),
            ledger.told.len(),
            ledger.acks.len(),
            ledger.presses.len(),
            ledger.lifted.len(),
        )
    }

    /// The whole story; gives what it amounted to.
    fn run(&self, kills: usize) -> String {
        std::thread::scope(|scope| {
            scope.spawn(|| self.receive());
            let _end = End(self);
            let sites: Vec<_> = (0..STORIES).map(|n| scope.spawn(move || self.live(n))).collect();
            for round in 0..kills {
                self.kill(round);
                assert!(
                    !sites.iter().any(ScopedJoinHandle::is_finished),
                    "seed {}: see above",
                    self.seed
                );
            }
            self.ending.store(true, Ordering::SeqCst);
            let mut running = self.start();
            let _doors: Vec<Vec<TcpListener>> =
                sites.into_iter().map(|it| it.join().expect("a site comes to rest")).collect();
            self.wait("everything is told", || {
                let (_, body) = self.json("GET", "/api/v1/status", &Value::Null)?;
                let body: Value = serde_json::from_str(&body).ok()?;
                (body["channels"][0]["queued"] == 0 && body["incidents"] == 0).then_some(())
            });
            // The last of it is on its way to the disk.
            let _ = Command::new("kill").arg(running.0.id().to_string()).status();
            running.0.wait().unwrap();
            self.look();
        });
        self.judge()
    }
}

/// Lets in whoever stands at the doors.
fn let_in(doors: &[TcpListener]) {
    doors.iter().for_each(|door| while door.accept().is_ok() {});
}

/// Where the device of the `n`th site of a world is.
fn address(world: u8, n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 100, world, u8::try_from(n).unwrap() + 1)
}

#[test]
fn the_whole_program_killed_at_any_moment_loses_nothing_and_repeats_nothing_twice() {
    let given = std::env::var("VCHEALTH_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| random(u64::MAX));
    println!("VCHEALTH_SEED={seed}");
    let each = kills().div_ceil(usize::from(WORLDS));
    std::thread::scope(|scope| {
        let worlds: Vec<_> = (0..WORLDS)
            .map(|number| {
                scope.spawn(move || {
                    World::new(seed.wrapping_add(u64::from(number)), number).run(each)
                })
            })
            .collect();
        for world in worlds {
            println!("{each} kills: {}", world.join().expect("a world that holds"));
        }
    });
}
