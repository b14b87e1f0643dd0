//! A headless Chromium, spoken to through a pipe in the `DevTools` protocol.
//!
//! The browser's own pipe (`--remote-debugging-pipe`) needs no web socket and no driver beside it:
//! requests and answers are JSON, each with a zero byte behind it. The shell puts our two pipes
//! where the browser looks for them, at descriptors 3 and 4.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Says where the middle of an element is in the window, and has the page tell us whether the next
/// click is one on it. Nothing if something else lies there now.
const AIM: &str = "selector => {
    const it = document.querySelector(selector);
    it?.scrollIntoView({ block: 'center', behavior: 'instant' });
    const box = it?.getBoundingClientRect();
    if (!box) return null;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const isIt = node => !!node?.closest?.(selector);
    if (!isIt(document.elementFromPoint(x, y))) return null;
    let landed = false;
    const say = where => { if (!landed) told(where); landed = true; };
    addEventListener('click', event => { if (isIt(event.target)) say('there'); },
        { capture: true, once: true });
    addEventListener('mouseup', () => setTimeout(() => say('elsewhere')),
        { capture: true, once: true });
    return [x, y];
}";

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    next: u64,
    /// Exceptions and errors that the page wrote to its console.
    pub(crate) complaints: VecDeque<String>,
    /// Of each click that was aimed at an element, whether it reached it.
    clicks: VecDeque<bool>,
    /// Names and passwords that are typed when the browser asks for them, one after the other.
    logins: VecDeque<(String, String)>,
    profile: PathBuf,
}

impl Browser {
    /// A browser whose window has this many pixels.
    pub(crate) fn open(width: u32, height: u32) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("vchealth-browser-{}-{number}", std::process::id());
        let profile = std::env::temp_dir().join(name);
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 >/dev/null 2>&1", "chromium"])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--disable-background-networking", "--mute-audio"])
            .args(["--disable-dev-shm-usage", "--disable-extensions", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromium, see .ci/packages");
        let to = child.stdin.take().expect("a pipe");
        let mut pipe = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while pipe.read_until(0, &mut bytes).is_ok_and(|read| read > 0) {
                bytes.pop();
                let Ok(message) = serde_json::from_slice(&bytes) else { break };
                if sender.send(message).is_err() {
                    break;
                }
                bytes.clear();
            }
        });
        let mut browser = Self {
            child,
            to,
            from,
            session: String::new(),
            next: 0,
            complaints: VecDeque::new(),
            clicks: VecDeque::new(),
            logins: VecDeque::new(),
            profile,
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Network.enable", "Log.enable"] {
            browser.call(domain, &json!({}));
        }
        browser.call("Runtime.addBinding", &json!({ "name": "told" }));
        browser.resize(width, height, false);
        browser
    }

    /// A window of this many pixels, with a finger or a mouse.
    pub(crate) fn resize(&mut self, width: u32, height: u32, phone: bool) {
        let metrics = json!({
            "width": width, "height": height, "mobile": phone,
            "deviceScaleFactor": if phone { 2 } else { 1 },
        });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        self.call("Emulation.setTouchEmulationEnabled", &json!({ "enabled": phone }));
    }

    /// Light or dark, for the screen or for print.
    pub(crate) fn media(&mut self, scheme: &str, media: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "media": media, "features": features }));
    }

    /// For somebody whom movement makes dizzy, or not.
    pub(crate) fn motion(&mut self, reduced: bool) {
        let value = if reduced { "reduce" } else { "no-preference" };
        let features = json!([{ "name": "prefers-reduced-motion", "value": value }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// What to type when the browser next asks for a name and a password; without any, the question
    /// is waved away.
    pub(crate) fn log_in_as(&mut self, name: &str, password: &str) {
        self.logins.push_back((name.to_owned(), password.to_owned()));
        self.call("Fetch.enable", &json!({ "handleAuthRequests": true }));
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) fn visit(&mut self, address: &str) {
        let gone = self.call("Page.navigate", &json!({ "url": address }));
        assert!(gone.get("errorText").is_none(), "{address}: {gone}");
        self.until("the page is loaded", "document.readyState === 'complete'");
    }

    /// What an expression gives.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
            "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", &ask);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// What an expression gives, as text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        match self.eval(expression) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// Waits until an expression is true; `what` is what the test waits for.
    pub(crate) fn until(&mut self, what: &str, expression: &str) {
        let began = Instant::now();
        let ask = json!({ "expression": format!("!!({expression})"), "returnByValue": true });
        loop {
            // While another page is being loaded there may be nothing to ask.
            let answer = self.try_call("Runtime.evaluate", &ask);
            if answer.is_ok_and(|answer| answer["result"]["value"] == true) {
                return;
            }
            if began.elapsed() > PATIENCE {
                let page = self.text("document.body.innerText");
                panic!("never: {what}\n{page}\n{:?}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses and lets go a key, such as `Tab` or `/`.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowRight" => 39,
            " " => 32,
            _ => 0,
        };
        let text = if key.len() == 1 {
            key
        } else if key == "Enter" {
            "\r"
        } else {
            ""
        };
        let down = json!({
            "type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code,
        });
        self.call("Input.dispatchKeyEvent", &down);
        let up = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", &up);
    }

    /// Types into what has the focus.
    pub(crate) fn enter(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Clicks in the middle of the first element that a selector finds, where a person would, and
    /// as a person would once more if it moved away meanwhile and the click did not reach it.
    pub(crate) fn click(&mut self, selector: &str) {
        let began = Instant::now();
        loop {
            let place = self.hold(selector);
            if self.let_go(&place) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{selector} cannot be clicked");
        }
    }

    /// Presses the mouse in the middle of the first element that a selector finds; gives the place.
    pub(crate) fn hold(&mut self, selector: &str) -> Value {
        let quoted = Value::from(selector).to_string();
        let visible = format!("document.querySelector({quoted})?.checkVisibility()");
        let began = Instant::now();
        loop {
            self.until(&format!("there is {selector}"), &visible);
            let place = self.eval(&format!("({AIM})({quoted})"));
            if place.is_array() {
                self.mouse("mousePressed", &place);
                return place;
            }
            assert!(began.elapsed() < PATIENCE, "{selector} is behind something");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets the mouse go; says whether that was a click on what was pressed.
    pub(crate) fn let_go(&mut self, place: &Value) -> bool {
        self.mouse("mouseReleased", place);
        loop {
            if let Some(landed) = self.clicks.pop_front() {
                return landed;
            }
            let message = self.from.recv_timeout(PATIENCE).expect("the page says where it went");
            self.hear(&message);
        }
    }

    fn mouse(&mut self, kind: &str, place: &Value) {
        let event = json!({
            "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1,
        });
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Writes a picture of the window into the directory that `VCHEALTH_PICTURES` names, if any.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(dir) = std::env::var_os("VCHEALTH_PICTURES") else { return };
        let shot = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let bytes = base64(shot["data"].as_str().expect("a picture"));
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(PathBuf::from(dir).join(format!("{name}.png")), bytes).expect("written");
    }

    /// Writes the upper part of the window, down to this line, as a `WebP` of this quality and
    /// share of its size.
    pub(crate) fn small_picture(
        &mut self,
        file: &std::path::Path,
        scale: f64,
        quality: u32,
        height: u32,
    ) {
        let width = self.eval("innerWidth");
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": scale });
        let shot = json!({ "format": "webp", "quality": quality, "clip": clip });
        let shot = self.call("Page.captureScreenshot", &shot);
        let bytes = base64(shot["data"].as_str().expect("a picture"));
        std::fs::write(file, bytes).expect("written");
    }

    /// Sends one request and gives its result.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        let sent = self.send(method, params);
        loop {
            let mut message = self.from.recv_timeout(PATIENCE).expect("the browser answers");
            if message["id"] == sent {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].take()),
                };
            }
            self.hear(&message);
        }
    }

    /// Sends one request; gives the number that its answer will have.
    fn send(&mut self, method: &str, params: &Value) -> u64 {
        self.next += 1;
        let mut request = json!({ "id": self.next, "method": method, "params": params });
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser lives");
        self.next
    }

    fn hear(&mut self, message: &Value) {
        let params = &message["params"];
        let asked = &params["requestId"];
        match message["method"].as_str() {
            Some("Fetch.requestPaused") => {
                self.send("Fetch.continueRequest", &json!({ "requestId": asked }));
            }
            Some("Fetch.authRequired") => {
                let typed = match self.logins.pop_front() {
                    Some((username, password)) => json!({
                        "response": "ProvideCredentials", "username": username, "password": password,
                    }),
                    None => json!({ "response": "CancelAuth" }),
                };
                let answer = json!({ "requestId": asked, "authChallengeResponse": typed });
                self.send("Fetch.continueWithAuth", &answer);
            }
            Some("Runtime.bindingCalled") => self.clicks.push_back(params["payload"] == "there"),
            _ => {}
        }
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => params["exceptionDetails"].to_string(),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                params["entry"]["text"].to_string() + &params["entry"]["url"].to_string()
            }
            _ => return,
        };
        self.complaints.push_back(complaint);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// RFC 4648 §4.
fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(value).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for four in digits.chunks(4) {
        let whole = four.iter().fold(0_u32, |whole, digit| whole << 6 | u32::from(*digit));
        let whole = whole << (6 * (4 - four.len()));
        bytes.extend_from_slice(&whole.to_be_bytes()[1..four.len()]);
    }
    bytes
}
