//! The pictures of the README: made of the emulated province by one command, and kept small.
//!
//! `cargo test --test it -- --ignored pictures_of_the_readme` makes them anew.

use std::path::{Path, PathBuf};

use super::Demo;
use crate::browser::Browser;

/// Largest picture, in bytes: the README is read over slow lines as well.
const LARGEST: u64 = 60_000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/pictures")
}

/// A district is cut off in a live session, a codec hangs elsewhere, a line loses packets.
const SCRIPT: &str = "
name: What the README shows
description: A cut line, a dead codec and a poor line in one session.
province: sample
sessions:
  - {id: giao-ban, title: Phiên họp UBND tỉnh mở rộng, from: -40m, to: +1h 20m, delegates: 40}
lasts: 30m
timeline:
  - {at: 5s, site: ngan-son, fault: uplink-cut}
  - {at: 8s, site: nam-mau, endpoint: codec, fault: device-off}
  - {at: 11s, site: cho-ra, fault: {loss: 20%}}
expect: []
";

#[test]
#[ignore = "it makes the pictures of the README anew, which differ each time"]
fn pictures_of_the_readme() {
    let demo = Demo::play(SCRIPT);
    let at = |path: &str| format!("http://{}{path}", demo.address);
    let directory = directory();
    std::fs::create_dir_all(&directory).expect("a directory");
    let mut browser = Browser::open(1920, 1080);
    browser.visit(&at("/"));
    let all = "document.querySelectorAll('#cards .card').length >= 3 \
        && document.querySelectorAll('.c.lost').length >= 15";
    browser.until("everything fails", all);
    browser.click("#cards [data-act=ack]");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.enter("Nguyễn Thị Hà");
    browser.click("#ask [data-say]");
    browser.press("Enter");
    browser.until("it is told", "document.querySelector('#cards .ack')");
    browser.until("nothing flickers", "!document.querySelector('.c.fresh')");
    // The rest of the sites adds bytes and nothing that is not seen above.
    browser.small_picture(&directory.join("wall.webp"), 0.5, 50, 690);

    let mut phone = Browser::open(390, 844);
    phone.resize(390, 844, true);
    phone.media("dark", "screen");
    phone.visit(&at("/?lang=en"));
    phone.until("it is there", "document.querySelector('#cards .card')");
    phone.small_picture(&directory.join("phone.webp"), 0.75, 72, 844);

    browser.resize(1366, 854, false);
    browser.visit(&at("/readiness"));
    browser.click("[data-ready]");
    browser.until("all are checked", "document.querySelector('#summary .large')");
    browser.small_picture(&directory.join("readiness.webp"), 0.75, 72, 854);
    browser.visit(&at("/sites/cho-ra"));
    browser.until("there are charts", "document.querySelector('#history svg')");
    browser.click("[data-probe]");
    browser.until("it is probed", "document.querySelector('#probed details')");
    browser.eval("scrollTo(0, 0)");
    browser.small_picture(&directory.join("site.webp"), 0.75, 72, 854);
    the_readme_shows_small_pictures_and_says_what_is_on_them();
}

#[test]
fn the_readme_shows_small_pictures_and_says_what_is_on_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let mut shown = Vec::new();
    for picture in readme.split("![").skip(1) {
        let (words, rest) = picture.split_once("](").expect("a picture");
        let file = rest.split(')').next().expect("its file");
        assert!(words.chars().count() >= 20, "{file}: who cannot see it reads {words:?}");
        let bytes =
            std::fs::read(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(bytes.len() as u64 <= LARGEST, "{file} has {} bytes", bytes.len());
        assert!(bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WEBP", "{file}");
        shown.push(root.join(file));
    }
    assert!(shown.len() >= 3, "{shown:?}");
    for file in std::fs::read_dir(directory()).expect("the pictures") {
        let file = file.expect("a file").path();
        assert!(shown.contains(&file), "nobody sees {}", file.display());
    }
}
