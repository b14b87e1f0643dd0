//! What lies in `deploy/` for Prometheus and Grafana, against the real Prometheus.
//!
//! The demo's province with its faults is scraped; every query of every panel, every rule and every
//! variable must find something there. A panel that shows nothing looks like a calm province.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use vchealth::model::{
    Failure, Finding, Found, ReadinessRun, RemoteFailure, SessionId, SiteId, SiteReadiness, Verdict,
};

use crate::channels::{Peer, Place, client, eventually, get};
use crate::grafana;
use crate::ports::free_port;

/// The site that the demo lets die first.
const SITE: &str = "tan-lap";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("promtool does not start ({error}): install the Debian package `prometheus`")
    });
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}{complained}");
}

/// The rules: name of an alert or of a series, and its expression.
fn rules() -> Vec<(&'static str, String, String)> {
    let text = fs::read_to_string(root().join("deploy/prometheus/rules.yml")).unwrap();
    let rules: Value = serde_yaml::from_str(&text).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let all = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    all.map(|rule| {
        let kind = if rule["alert"].is_string() { "alert" } else { "record" };
        let text = |key: &str| rule[key].as_str().unwrap().to_owned();
        (kind, text(kind), text("expr"))
    })
    .collect()
}

#[test]
fn promtool_accepts_configuration_and_rules() {
    promtool(&["check", "config", "deploy/prometheus/prometheus.yml"]);
    promtool(&["check", "rules", "deploy/prometheus/rules.yml"]);
}

#[test]
fn every_rule_is_seen_to_hold_and_not_to_hold() {
    promtool(&["test", "rules", "tests/prometheus/rules-test.yml"]);
    let text = fs::read_to_string(root().join("tests/prometheus/rules-test.yml")).unwrap();
    for (kind, name, _) in rules() {
        let tested = match kind {
            "alert" => text.matches(&format!("alertname: {name}\n")).count() >= 2,
            _ => text.contains(&name) || name.starts_with("session:"),
        };
        assert!(tested, "{name} has no case in tests/prometheus/rules-test.yml");
    }
}

/// Words in an expression that look like metrics of ours.
fn metrics_in(expr: &str) -> BTreeSet<String> {
    let words = expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| word.starts_with("vchealth_")).map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboards_name_only_metrics_that_there_are() {
    let table: BTreeSet<&str> = vchealth::metrics::table::all().map(|family| family.name).collect();
    let rules = rules().into_iter().map(|(_, name, expr)| (name, expr));
    let panels = grafana::queries().into_iter().map(|asked| (asked.place, asked.expr));
    for (place, expr) in rules.chain(panels) {
        for name in metrics_in(&expr) {
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix).filter(|base| table.contains(base)));
            let known = table.contains(name.as_str()) || base.is_some();
            assert!(known, "{place} asks for {name}, which there is not");
        }
    }
}

/// Puts what Grafana would put in the place of its variables.
fn filled(expr: &str) -> String {
    expr.replace("{lang}", "vi")
        .replace("$__range_s", "60")
        .replace("$__range", "1m")
        .replace("$site", SITE)
        .replace("=~\"$vantage\"", "=~\".*\"")
        .replace("=~\"$level\"", "=~\".*\"")
        .replace("=~\"$parent\"", "=~\".*\"")
        .replace("=~\"$session\"", "=~\".*\"")
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A value of a form.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Whether Prometheus finds anything for an expression since `start`.
async fn finds(url: &str, expr: &str, start: i64) -> Result<(), String> {
    let now = jiff::Timestamp::now().as_second();
    let form = [
        ("query", expr.to_owned()),
        ("start", start.to_string()),
        ("end", now.to_string()),
        ("step", "1".to_owned()),
    ];
    let body: Vec<String> =
        form.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    let answer = client()
        .post(format!("{url}/api/v1/query_range"))
        .header("content-type", FORM)
        .body(body.join("&"))
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
    if answer["status"] != "success" {
        return Err(answer["error"].to_string());
    }
    let found = answer["data"]["result"].as_array().is_some_and(|result| !result.is_empty());
    found.then_some(()).ok_or_else(|| "nothing".to_owned())
}

/// Has somebody look whether the first session is ready: one site is not, one is at risk.
async fn post_readiness(daemon: &str) {
    let sessions = get(&format!("{daemon}/api/v1/sessions")).await.unwrap();
    let sessions: Value = serde_json::from_str(&sessions).unwrap();
    let session = &sessions["sessions"][0];
    let now = jiff::Timestamp::now();
    let site = |site: &str, name: &str, finding: Option<(Verdict, Found)>| SiteReadiness {
        work: None,
        site: SiteId::new(site),
        name: name.to_owned(),
        delegates: 40,
        verdict: finding.as_ref().map_or(Verdict::Ready, |(verdict, _)| *verdict),
        findings: finding
            .map(|(verdict, found)| Finding { verdict, endpoint: None, check: None, found })
            .into_iter()
            .collect(),
        train: None,
        mtu: None,
        contacts: Vec::new(),
        checked: now,
    };
    let silent = Found::Silent(Failure::Remote(RemoteFailure::Timeout));
    let run = ReadinessRun {
        session: SessionId::new(session["id"].as_str().unwrap()),
        title: "Họp".to_owned(),
        start: session["start"].as_str().unwrap().parse().unwrap(),
        end: session["end"].as_str().unwrap().parse().unwrap(),
        lead_s: None,
        began: now,
        finished: now,
        own_clock_off_s: None,
        told: Vec::new(),
        said: Vec::new(),
        sites: vec![
            site(SITE, "Xã Tân Lập", Some((Verdict::NotReady, silent))),
            site("cho-don", "Chợ Đồn", Some((Verdict::AtRisk, Found::Clock { offset_s: 300 }))),
            site("phu-thong", "Phủ Thông", None),
        ],
    };
    let url = format!("{daemon}/api/v1/sessions/{}/readiness", run.session);
    let answer = client().post(url).json(&run).send().await.unwrap();
    let (status, said) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_every_panel_and_rule_finds_something_in_a_province_with_faults() {
    let place = Place::new("prometheus");
    let (board, port) = (free_port(), free_port());
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: [{}]\n\
         scrape_configs:\n- job_name: vchealth\n  static_configs:\n  \
         - targets: [\"127.0.0.1:{board}\"]\n    labels: {{vantage: bac-kan}}\n",
        root().join("deploy/prometheus/rules.yml").display()
    );
    let config = place.write("prometheus.yml", &config);
    let mut demo = Peer::start(
        "vchealth",
        env!("CARGO_BIN_EXE_vchealth"),
        &["demo".to_owned(), "--listen".to_owned(), format!("127.0.0.1:{board}")],
    );
    let mut prometheus = Peer::start(
        "prometheus",
        "prometheus",
        &[
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}/data", place.path().display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=error".to_owned(),
        ],
    );
    let url = format!("http://127.0.0.1:{port}");
    let start = jiff::Timestamp::now().as_second();
    // The first site of the script has died, and it is on the page that Prometheus keeps.
    eventually("an incident in Prometheus", async || {
        demo.must_run();
        prometheus.must_run();
        let died = format!("vchealth_incident_info{{site=\"{SITE}\"}}");
        finds(&url, &died, start).await.ok()
    })
    .await;

    post_readiness(&format!("http://127.0.0.1:{board}")).await;

    let panels = grafana::queries();
    let mut asked: Vec<(String, String)> =
        panels.into_iter().map(|asked| (asked.place, filled(&asked.expr))).collect();
    asked.extend(
        rules()
            .into_iter()
            .filter(|(kind, ..)| *kind == "record")
            .map(|(_, name, _)| (name.clone(), name)),
    );
    let (mut answered, mut failed) = (0, Vec::new());
    for (place, expr) in &asked {
        // A rate needs a second scrape, and rules a round of their own.
        let mut last = Ok(());
        for _ in 0..100 {
            last = finds(&url, expr, start).await;
            if last.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        match last {
            Ok(()) => answered += 1,
            Err(why) => failed.push(format!("{place}: {expr}: {why}")),
        }
    }
    // An alert that holds must not be missed for a slip in its expression: all of them evaluate.
    let health = get(&format!("{url}/api/v1/rules")).await.unwrap();
    let health: Value = serde_json::from_str(&health).unwrap();
    for group in health["data"]["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
    }
    for (name, query, labels) in grafana::variables() {
        let url = format!("{url}/api/v1/query");
        let body = format!("query={}", escaped(&filled(&query)));
        let asked = client().post(url).header("content-type", FORM).body(body).send().await;
        let answer: Value = asked.unwrap().json().await.unwrap();
        let found =
            answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{name}: {answer}"));
        assert!(!found.is_empty(), "the variable {name} has no values");
        for (label, one) in labels.iter().flat_map(|label| found.iter().map(move |it| (label, it)))
        {
            let value = &one["metric"][label.replace("{lang}", "vi")];
            assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{name}: {one}");
        }
    }
    println!("{} queries asked, {answered} answered", asked.len());
    assert!(failed.is_empty(), "{} queries find nothing:\n{}", failed.len(), failed.join("\n"));
}
