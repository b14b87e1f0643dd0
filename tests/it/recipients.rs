//! One of several recipients who is not reached any more, though the others are: whoever looks
//! whether alerts arrive hears of it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::channels::{Fake, Place};

/// A gateway that takes messages to every phone but those of somebody who has left.
async fn gateway() -> Fake {
    Fake::start(|now, _| {
        let body: Value = serde_json::from_str(&now.body).unwrap();
        let gone = body["Phone"].as_str().unwrap().ends_with("902");
        let code = if gone { "108" } else { "100" };
        (200, json!({"CodeResult": code, "ErrorMessage": "x"}).to_string())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_names_each_recipient_and_fails_when_one_refuses() {
    let (fake, place) = (gateway().await, Place::new("recipients"));
    let key = place.write("key", "esms-key");
    let key = key.display();
    place.write("sessions.yaml", "sessions: []\n");
    let test = |to: &str| {
        let settings = format!(
            "channels:\n  sms: {{kind: sms, gateway: esms, to: [{to}], brandname: B, \
             api_key_file: {key}, secret_key_file: {key}, base_url: \"{}\"}}\n",
            fake.url
        );
        place.write("vchealth.yaml", &settings);
        fs::copy("config/sites.yaml", place.path().join("sites.yaml")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vchealth"));
        command.args(["alert-test", "--config"]).arg(place.path());
        let out = tokio::task::block_in_place(|| command.output().unwrap());
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let (code, said) = test("'0912 345 901', '0912 345 902', '0912 345 903'");
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "FAIL  sms  sms: 1 of 3 recipients refuse it", "{said}");
    assert_eq!(lines[1], "           recipient 1: accepted", "{said}");
    assert!(lines[2].starts_with("           recipient 2: eSMS answers 108"), "{said}");
    assert_eq!(lines[3], "           recipient 3: accepted", "{said}");
    assert!(!said.contains("345"), "no number is shown: {said}");
    assert_eq!(fake.got().len(), 3, "one message to each, and none that it is over");

    let (code, said) = test("'0912 345 901', '0912 345 903'");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("ok    sms"), "{said}");
    let (code, said) = test("'0912 345 902', '0913 345 902'");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("FAIL  sms  sms: eSMS answers 108"), "{said}");
    assert_eq!(said.matches("recipient 2: eSMS answers 108").count(), 1, "{said}");
}
