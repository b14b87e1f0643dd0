//! A drill as each kind of channel hands it over: what reaches a person, and not what is meant.

use std::collections::BTreeMap;

use super::*;
use crate::notify::parts::Message;
use crate::texts::tests::write_each;

#[test]
fn a_drill_is_clearly_a_drill_on_every_channel() {
    let all = crate::monitor::tests::drill_letters();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (_, letter) in &all {
        *seen.entry(letter.channel.to_string()).or_default() += 1;
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(seen.values().all(|messages| *messages == 2), "its beginning and its end: {seen:?}");
    write_each("drill", &all, |letter, style| {
        let text = match letter.channel.as_str() {
            "zalo" => {
                let messages = Message::several(letter, style, 2_000, |_| 1);
                messages.into_iter().flat_map(|it| it.pieces).collect::<Vec<_>>().join("\n---\n")
            }
            "sms-tu" => sms::short(letter, style),
            "hook" => {
                let body = webhook::body(letter, style);
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                serde_json::to_string_pretty(&body).unwrap()
            }
            // A mail's text, and what a siren may show.
            _ => texts::plain(letter, style),
        };
        assert!(text.contains("DIỄN TẬP") || text.contains("DIEN TAP") || text.contains("DRILL"));
        format!("{}\n", text.trim_end())
    });
}
