//! Two monitors that watch the same sites, two Alertmanagers that are one cluster, and one message;
//! and the other way to the same people: from a rule through Prometheus and Alertmanager.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use vchealth::web::Limits;

use crate::channels::{Fake, Peer, Place, eventually, get};
use crate::ports::free_port;
use crate::province;
use crate::web::House;

fn deployed(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    fs::read_to_string(path).unwrap()
}

/// The deployed configuration of Alertmanager with its receivers here and without the longest wait.
fn alertmanager_config(place: &Place, receiver: &str) -> String {
    let text = deployed("alertmanager/alertmanager.yml")
        .replace("http://127.0.0.1:9095", receiver)
        .replace("group_wait: 5s", "group_wait: 1s")
        .replace("group_interval: 30s", "group_interval: 10s");
    assert!(text.contains(receiver) && text.contains("group_wait: 1s"), "{text}");
    place.write("alertmanager.yml", &text).display().to_string()
}

/// A member of a cluster whose members listen to each other on these ports.
fn member(place: &Place, receiver: &str, web: u16, [own, other]: [u16; 2]) -> Peer {
    let args = [
        format!("--config.file={}", alertmanager_config(place, receiver)),
        format!("--storage.path={}/am-{own}", place.path().display()),
        format!("--web.listen-address=127.0.0.1:{web}"),
        format!("--cluster.listen-address=127.0.0.1:{own}"),
        format!("--cluster.advertise-address=127.0.0.1:{own}"),
        format!("--cluster.peer=127.0.0.1:{other}"),
        // How long a member waits for the one before it to tell people, and to say that it has.
        "--cluster.peer-timeout=10s".to_owned(),
        "--cluster.gossip-interval=50ms".to_owned(),
        "--log.level=error".to_owned(),
    ];
    Peer::start("prometheus-alertmanager", "prometheus-alertmanager", &args)
}

/// A monitor that stands at `vantage` and tells the cluster.
fn monitor(place: &Place, vantage: &str, members: [u16; 2], service: u16) -> (Peer, u16) {
    let dir = place.path().join(vantage);
    fs::create_dir_all(&dir).unwrap();
    let port = free_port();
    let [one, other] = members.map(|port| format!("\"http://127.0.0.1:{port}\""));
    let settings = format!(
        "listen: 127.0.0.1:{port}\nstate_dir: {}/state\nvantage: {vantage}\n\
         channels: {{cluster: {{kind: alertmanager, urls: [{one}, {other}], resend: 10s}}}}\n\
         flapping: {{stable_for: 0s, messages_per_hour: 1000}}\n\
         checks: {{service: {{kind: tcp, port: {service}, timeout: 500ms, pace: 1s, \
         confirm_after: 1s}}}}\n",
        dir.display()
    );
    let sites = "levels: [{id: l, name: L}]\n\
                 classes:\n  router: {level: l, endpoints: [{id: router, checks: [ping]}]}\n  \
                 both: {level: l, endpoints: [{id: router, checks: [ping]}, \
                 {id: codec, checks: [ping, service]}]}\n\
                 sites:\n  - {id: bac-kan, name: Bắc Kạn, class: router, router: 127.0.0.1}\n  \
                 - {id: ba-be, name: Ba Bể, class: router, router: 127.0.0.3}\n  \
                 - {id: tan-lap, name: Xã Tân Lập, class: both, router: 127.0.0.4, codec: 127.0.0.2}\n";
    fs::write(dir.join("vchealth.yaml"), settings).unwrap();
    fs::write(dir.join("sites.yaml"), sites).unwrap();
    fs::write(dir.join("sessions.yaml"), "sessions: []\n").unwrap();
    let args = ["run".to_owned(), "--config".to_owned(), dir.display().to_string()];
    (Peer::start("vchealth", env!("CARGO_BIN_EXE_vchealth"), &args), port)
}

/// The sum of a metric of Alertmanager over the series that hold `label`.
async fn figure(port: u16, name: &str, label: &str) -> f64 {
    let page = get(&format!("http://127.0.0.1:{port}/metrics")).await.unwrap_or_default();
    let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The health of the service that both monitors watch, as one of them knows it.
async fn health(port: u16) -> Option<String> {
    let site = get(&format!("http://127.0.0.1:{port}/api/v1/sites/tan-lap")).await?;
    let site: Value = serde_json::from_str(&site).ok()?;
    site["endpoints"][1]["targets"][1]["health"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_monitors_tell_two_alertmanagers_people_are_told_once() {
    let place = Place::new("two-monitors");
    let duty = Fake::start(|_, _| (200, String::new())).await;
    let web = [free_port(), free_port()];
    let [one, other] = [free_port(), free_port()];
    let mut members = [
        member(&place, &duty.url, web[0], [one, other]),
        member(&place, &duty.url, web[1], [other, one]),
    ];
    eventually("the cluster is whole", async || {
        members.iter_mut().for_each(Peer::must_run);
        let size = "alertmanager_cluster_members";
        (figure(web[0], size, "").await >= 2.0 && figure(web[1], size, "").await >= 2.0)
            .then_some(())
    })
    .await;
    // What never worked is no fault, so it works at first.
    let service = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let (mut at_bac_kan, board) = monitor(&place, "bac-kan", web, port);
    let (mut at_ba_be, other_board) = monitor(&place, "ba-be", web, port);
    eventually("both monitors see the service", async || {
        at_bac_kan.must_run();
        at_ba_be.must_run();
        (health(board).await? == "up" && health(other_board).await? == "up").then_some(())
    })
    .await;
    let posts = || -> Vec<Value> {
        duty.got().iter().map(|got| serde_json::from_str(&got.body).unwrap()).collect()
    };
    let have_told = async |letters: f64| {
        let told = "vchealth_notifications_delivered_total";
        let [here, there] = [figure(board, told, "").await, figure(other_board, told, "").await];
        (here == letters && there == letters).then_some(())
    };
    // A member tells people every ten seconds what it knows. If that falls between the end that one
    // monitor tells and that of the other, it is another story, and this one begins anew.
    let mut service = Some(service);
    let mut letters = 0.0;
    let told = loop {
        assert!(letters < 20.0, "no end of both monitors comes between two turns: {:#?}", posts());
        let before = posts().len();
        drop(service.take());
        letters += 1.0;
        eventually("both monitors tell it", async || have_told(letters).await).await;
        for port in web {
            let alerts = get(&format!("http://127.0.0.1:{port}/api/v2/alerts")).await.unwrap();
            let alerts: Value = serde_json::from_str(&alerts).unwrap();
            assert_eq!(alerts.as_array().map(Vec::len), Some(1), "two say one thing: {alerts:#}");
            let labels = &alerts[0]["labels"];
            assert_eq!(
                (&labels["alertname"], &labels["site"]),
                (&"ServiceDown".into(), &"tan-lap".into())
            );
            assert_eq!(labels["vantage"], Value::Null, "{labels}");
        }
        eventually("somebody is told", async || (posts().len() > before).then_some(())).await;
        service = Some(TcpListener::bind(("127.0.0.2", port)).unwrap());
        letters += 1.0;
        eventually("both monitors tell its end", async || have_told(letters).await).await;
        let in_time = posts()[before..].iter().all(|post| post["status"] == "firing");
        // A member forgets a group once it has told its end, or found that another member did.
        eventually("both members have had their turn", async || {
            let groups = "alertmanager_dispatcher_aggregation_groups";
            let left = figure(web[0], groups, "").await + figure(web[1], groups, "").await;
            (left == 0.0).then_some(())
        })
        .await;
        if in_time {
            break posts().split_off(before);
        }
    };
    let told: Vec<[Value; 2]> = told
        .iter()
        .map(|post| [post["status"].clone(), post["commonLabels"]["alertname"].clone()])
        .collect();
    let name = Value::from("ServiceDown");
    assert_eq!(told, [["firing".into(), name.clone()], ["resolved".into(), name]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_fires_reaches_people_with_its_group_and_labels() {
    let place = Place::new("chain");
    let duty = Fake::start(|_, _| (200, String::new())).await;
    let house = House::open_with(province::quiet(3), Limits::default());
    let full = vchealth::model::StoreTrouble::Full { dir: "/var/lib/vchealth".into() };
    *house.daemon.trouble.lock().unwrap() = Some(full);
    let (port, web) = (free_port(), free_port());
    let mut alertmanager = Peer::start(
        "prometheus-alertmanager",
        "prometheus-alertmanager",
        &[
            format!("--config.file={}", alertmanager_config(&place, &duty.url)),
            format!("--storage.path={}/am", place.path().display()),
            format!("--web.listen-address=127.0.0.1:{web}"),
            "--cluster.listen-address=".to_owned(),
            "--log.level=error".to_owned(),
        ],
    );
    place.write("rules.yml", &deployed("prometheus/rules.yml"));
    let config = deployed("prometheus/prometheus.yml")
        .replace("127.0.0.1:9093", &format!("127.0.0.1:{web}"))
        .replace("127.0.0.1:9722", &house.address.to_string())
        .replace("_interval: 5s", "_interval: 1s");
    let config = place.write("prometheus.yml", &config);
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
    let post = eventually("the alert arrives", async || {
        alertmanager.must_run();
        prometheus.must_run();
        let got = duty.got();
        got.iter().find(|got| got.body.contains("VchealthStoreTrouble")).cloned()
    })
    .await;
    assert_eq!(post.path, "/it", "the route of those who look after the machines");
    let post: Value = serde_json::from_str(&post.body).unwrap();
    let group = &post["groupLabels"];
    assert_eq!(
        (&group["alertname"], &group["vantage"]),
        (&"VchealthStoreTrouble".into(), &"bac-kan".into())
    );
    let labels = &post["alerts"][0]["labels"];
    assert_eq!((&labels["severity"], &labels["job"]), (&"critical".into(), &"vchealth".into()));
    let summary = &post["alerts"][0]["annotations"]["summary_vi"];
    assert_eq!(summary, "vchealth không ghi được dữ liệu xuống đĩa");
}

#[tokio::test]
async fn a_province_writes_few_series_of_each_site_to_the_middle() {
    let house = House::open(province::troubled(204));
    let page = house.get("/metrics").await.text();
    let kept = ["level_", "session_", "incident_", "monitor_", "site_"];
    let is_kept = |line: &&str| {
        let name = line.strip_prefix("vchealth_");
        name.is_some_and(|name| kept.iter().any(|prefix| name.starts_with(prefix)))
    };
    let config = deployed("prometheus/province.yml");
    assert!(config.contains("vchealth_(level|session|incident|monitor|site)_.+"), "as here");
    // And two that the rules make of each site.
    let (all, written) = (page.lines().count(), page.lines().filter(is_kept).count() + 2 * 204);
    let each = written.div_ceil(204);
    println!("{written} of {all} series are written to the middle, {each} of each site");
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    assert!(readme.unwrap().contains(&format!("about {each} series a site")), "{each}");
    assert!(config.contains(&format!("about {each}\n")), "{each}");
}

#[test]
fn what_is_deployed_is_what_the_programs_take() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for (program, arguments) in [
        ("promtool", ["check", "config", "prometheus/province.yml"].as_slice()),
        ("amtool", &["check-config", "alertmanager/alertmanager.yml"]),
    ] {
        let output = Command::new(program).args(arguments).current_dir(&deploy).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{program}: {said}");
    }
}
