//! The whole program on a disk without a byte left: people are told with tokens that cannot be kept
//! and press links, and a kill as soon as there is room again loses neither.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::acting::{ask, read, run, wait};
use crate::fixtures::{Scratch, in_namespaces};
use crate::ports::free_port;
use crate::store::fill;

/// A Zalo that gives a token for each refresh token once, and what it was asked.
#[derive(Default)]
struct Zalo {
    tokens: usize,
    texts: Vec<String>,
}

impl Zalo {
    fn open() -> (String, Arc<Mutex<Self>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let zalo: Arc<Mutex<Self>> = Arc::default();
        let shared = Arc::clone(&zalo);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Some((head, body)) = read(&mut stream) else { continue };
                let said = shared.lock().unwrap().answer(&head, &body).to_string();
                let length = said.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}"
                );
            }
        });
        (address, zalo)
    }

    fn answer(&mut self, head: &str, body: &[u8]) -> Value {
        if head.starts_with("POST /v4/oa/access_token ") {
            let due = format!("refresh_token=refresh-{}&", self.tokens);
            if !String::from_utf8_lossy(body).starts_with(&due) {
                return json!({"error": -14014, "error_name": "Invalid refresh token"});
            }
            self.tokens += 1;
            let refresh = format!("refresh-{}", self.tokens);
            return json!({
                "access_token": "the-access-token", "refresh_token": refresh, "expires_in": "90000",
            });
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        self.texts.push(body["message"]["text"].as_str().unwrap().to_owned());
        json!({"error": 0, "message": "Success"})
    }
}

fn configure(dir: &Path, listen: &str, zalo: &str, door: u16) {
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    write("secret", "the-secret-key\n");
    write("refresh", "refresh-0\n");
    let settings = format!(
        "listen: {listen}\nstate_dir: {state}\npublic_url: http://{listen}/\n\
         channels:\n  zalo: {{kind: zalo, app_id: \"1\", secret_key_file: {secret}, \
         refresh_token_file: {refresh}, groups: [g], base_url: \"http://{zalo}\", \
         oauth_url: \"http://{zalo}\"}}\n\
         grouping: {{idle: 0s, readiness: 0s, live: 0s, wrap_up: 0s}}\n\
         hysteresis: {{fail_after: 1, recover_after: 1}}\n\
         correlation: {{wait: 0s}}\n\
         flapping: {{stable_for: 0s}}\n\
         checks: {{door: {{kind: tcp, port: {door}, timeout: 500ms, pace: 1s, confirm_after: 1s}}}}\n",
        state = dir.join("disk/state").display(),
        secret = dir.join("secret").display(),
        refresh = dir.join("refresh").display(),
    );
    write("vchealth.yaml", &settings);
    write(
        "sites.yaml",
        "levels: [{id: commune, name: Xã}]\n\
         classes: {commune: {level: commune, endpoints: [{id: codec, checks: [door]}]}}\n\
         sites: [{id: tan-lap, name: Xã Tân Lập, codec: 127.0.0.1}]\n",
    );
    write("sessions.yaml", "sessions: []\n");
}

#[test]
#[ignore = "run as a child by the test below, on a small disk of its own"]
fn child_with_a_full_disk() {
    let Some(dir) = std::env::var_os("VCHEALTH_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    let (address, zalo) = Zalo::open();
    let listen = format!("127.0.0.1:{}", free_port());
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    configure(dir, &listen, &address, port);
    let status = |path: &str| -> Option<Value> {
        let stream = TcpStream::connect(&listen).ok()?;
        drop(stream);
        serde_json::from_str(&ask(&listen, "GET", path, "").1).ok()
    };
    let running = run(dir);
    wait(|| (status("/api/v1/sites/tan-lap")?["health"] == "up").then_some(()));

    let filler = dir.join("disk/filler");
    fill(&filler);
    drop(door);
    // That the disk is full is told as well, at any time.
    let told = |nth: usize| {
        let zalo = zalo.lock().unwrap();
        let mut about_it = zalo.texts.iter().filter(|text| text.contains("Xã Tân Lập"));
        about_it.nth(nth).cloned()
    };
    let firing = wait(|| told(0));
    let tokens = dir.join("disk/state/zalo-zalo.json");
    let kept = || fs::read_to_string(&tokens).is_ok_and(|text| text.contains("refresh-1"));
    assert!(!kept(), "there is no room for what is told with");
    let (_, link) = firing
        .lines()
        .filter_map(|line| line.split_once(&format!("http://{listen}")))
        .find(|(_, path)| path.starts_with("/a/"))
        .unwrap_or_else(|| panic!("no link: {firing}"));
    let pressed = ask(&listen, "POST", link, "act=ack&name=Nguyen+Ha&note=goi+xa").0;
    assert!(pressed.starts_with("HTTP/1.1 303"), "{pressed}");

    // Nothing else is told meanwhile that could take the tokens along.
    fs::remove_file(&filler).unwrap();
    wait(|| kept().then_some(()));
    wait(|| status("/api/v1/status")?["store"]["trouble"].is_null().then_some(()));
    drop(running);
    let running = run(dir);
    wait(|| TcpStream::connect(&listen).ok());
    let page = ask(&listen, "GET", link, "").1;
    assert!(page.contains("Nguyen Ha (zalo)"), "the link opens, and what it did is known: {page}");
    let _door = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let over = wait(|| told(1));
    assert!(!over.contains("/a/"), "{over}");
    assert_eq!(zalo.lock().unwrap().tokens, 1, "the token that was kept is used");
    drop(running);
    println!("full disk survived");
}

#[test]
fn a_disk_that_is_full_costs_neither_tokens_nor_links() {
    let scratch = Scratch::new("full-program");
    fs::create_dir(scratch.path().join("disk")).unwrap();
    // A network of its own besides, in which it may send echo requests.
    let disk = r#"ip link set lo up && mount -t tmpfs -o size=8m none "$VCHEALTH_CHILD_DIR/disk""#;
    let child = "full_disk::child_with_a_full_disk";
    let said = in_namespaces("-mn", disk, &[child], scratch.path());
    assert!(said.contains("full disk survived"), "{said}");
}
