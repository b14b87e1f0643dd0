//! The Alertmanager channel against Debian's prometheus-alertmanager: what it shows while an alert
//! is on, when it is over, after it was started anew, and with a member of the cluster away.

use std::time::Duration;

use vchealth::config::{Address, AlertmanagerSettings, ChannelKind, SecretSource};
use vchealth::model::{NotificationKind, Severity, WebAddress};
use vchealth::notify::{Direct, Letter, Retry};

use crate::channels::{Peer, Place, direct, eventually, letter};
use crate::ports::free_port;

/// An Alertmanager of this test's own.
struct Alertmanager {
    place: Place,
    port: u16,
    process: Peer,
}

impl Alertmanager {
    async fn start() -> Self {
        let place = Place::new("alertmanager");
        place.write("conf.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n");
        let port = free_port();
        let process = Self::run(&place, port);
        let mut it = Self { place, port, process };
        it.ready().await;
        it
    }

    fn run(place: &Place, port: u16) -> Peer {
        let dir = place.path().display();
        let args = [
            format!("--config.file={dir}/conf.yml"),
            format!("--storage.path={dir}/data"),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
            "--log.level=error".to_owned(),
        ];
        Peer::start("prometheus-alertmanager", "prometheus-alertmanager", &args)
    }

    /// Starts it anew: it has forgotten every alert.
    async fn restart(&mut self) {
        self.process.end();
        self.process = Self::run(&self.place, self.port);
        self.ready().await;
    }

    async fn ready(&mut self) {
        let url = format!("{}/-/ready", self.url());
        eventually("Alertmanager is ready", async || {
            self.process.must_run();
            crate::channels::get(&url).await.map(drop)
        })
        .await;
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The alerts that it holds to be on.
    async fn active(&self) -> Vec<serde_json::Value> {
        let url = format!("{}/api/v2/alerts?active=true", self.url());
        serde_json::from_str(&crate::channels::get(&url).await.unwrap()).unwrap()
    }

    async fn until_active(&self, count: usize) -> Vec<serde_json::Value> {
        eventually("the number of alerts", async || {
            let active = self.active().await;
            (active.len() == count).then_some(active)
        })
        .await
    }
}

fn channel(urls: Vec<String>, resend: Duration) -> Direct {
    of_members(urls.into_iter().map(|url| WebAddress::new(url).into()).collect(), resend)
}

fn of_members(urls: Vec<Address>, resend: Duration) -> Direct {
    direct(ChannelKind::Alertmanager(AlertmanagerSettings {
        urls,
        token: None,
        timeout: Duration::from_secs(20),
        resend,
    }))
}

const SELDOM: Duration = Duration::from_mins(10);

fn firing() -> Letter {
    letter("n1", "i1", NotificationKind::Firing)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_begins_grows_and_ends() {
    let peer = Alertmanager::start().await;
    let cluster = channel(vec![peer.url()], SELDOM);
    let firing = firing();
    cluster.deliver(&firing).await.unwrap();
    let active = peer.until_active(1).await;
    let labels = &active[0]["labels"];
    assert_eq!(labels["site"], "tan-lap");
    assert_eq!(labels["cause"], "access");
    assert_eq!(labels["incident"], serde_json::Value::Null, "each monitor makes its own");
    assert_eq!(active[0]["annotations"]["incident"], "i1");
    let summary = active[0]["annotations"]["summary"].as_str().unwrap();
    assert!(summary.contains("Xã Tân Lập MẤT KẾT NỐI"), "{summary}");

    // Another severity is another alert to Alertmanager; there must not be two of one incident.
    let mut less = firing.clone();
    let mut notification = (*less.items[0].notification).clone();
    notification.alert.incident.severity = Severity::Warning;
    less.items[0].notification = notification.into();
    cluster.deliver(&less).await.unwrap();
    let active = peer.until_active(1).await;
    assert_eq!(active[0]["labels"]["severity"], "warning");

    cluster.deliver(&letter("n2", "i1", NotificationKind::Resolved)).await.unwrap();
    peer.until_active(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_started_anew_is_told_again() {
    let mut peer = Alertmanager::start().await;
    let cluster = channel(vec![peer.url()], Duration::from_secs(1));
    cluster.deliver(&firing()).await.unwrap();
    peer.until_active(1).await;
    peer.restart().await;
    peer.until_active(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_our_own_restart_what_stands_is_told_at_once() {
    let peer = Alertmanager::start().await;
    let cluster = channel(vec![peer.url()], SELDOM);
    cluster.restore(vec![(*firing().items[0].notification).clone()]);
    peer.until_active(1).await;
    // The end is told under the labels that were restored.
    cluster.deliver(&letter("n2", "i1", NotificationKind::Resolved)).await.unwrap();
    peer.until_active(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_is_enough_and_the_other_learns_of_it_later() {
    let mut away = Alertmanager::start().await;
    let here = Alertmanager::start().await;
    away.process.end();
    let cluster = channel(vec![away.url(), here.url()], Duration::from_secs(1));
    cluster.deliver(&firing()).await.unwrap();
    here.until_active(1).await;
    away.restart().await;
    away.until_active(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_address_holds_a_log_in_is_named_by_a_file_and_keeps_nobody_from_the_others()
{
    let peer = Alertmanager::start().await;
    let (lies, missing) = (peer.place.path().join("member"), peer.place.path().join("missing"));
    let url = peer.url().replace("http://", "http://giam-sat:pl4nted@");
    std::fs::write(&lies, format!("{url}\n")).unwrap();
    let kept = |path: &std::path::Path| Address::Kept(SecretSource::File(path.to_owned()));
    let cluster = of_members(vec![kept(&missing), kept(&lies)], SELDOM);
    cluster.deliver(&firing()).await.unwrap();
    peer.until_active(1).await;
    let error = of_members(vec![kept(&missing)], SELDOM).deliver(&firing()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Later, "somebody may put it there");
    assert!(error.text.contains("missing"), "{}", error.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_is_tried_again() {
    let cluster = channel(vec![format!("http://127.0.0.1:{}", free_port())], SELDOM);
    assert_eq!(cluster.deliver(&firing()).await.unwrap_err().retry, Retry::Later);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_it_does_not_take_is_refused_for_good() {
    let peer = Alertmanager::start().await;
    // No such path there: 404.
    let cluster = channel(vec![format!("{}/elsewhere", peer.url())], SELDOM);
    assert_eq!(cluster.deliver(&firing()).await.unwrap_err().retry, Retry::Never);
}
