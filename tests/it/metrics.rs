//! The page of metrics: true to the table, readable by anybody's parser, correct in promtool's
//! eyes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use vchealth::metrics::{self, Figures, Page, table};
use vchealth::model::{
    ChannelStatus, CheckId, Detail, Effort, EndpointId, Failure, Health, IcmpDetail, LevelId,
    Outcome, ProbeRequest, RemoteFailure, Reply, RttList, SiteId, Snapshot, StoreStatus, TargetIx,
    Topology, Trigger,
};

use crate::exposition::{Series, is_name, read};
use crate::province;

fn page(snapshot: &Snapshot) -> String {
    Page::whole(|page| metrics::write(snapshot, page))
}

/// A page with every family on it.
fn full_page() -> String {
    let mut snapshot = province::troubled(204);
    snapshot.targets[0].local_failures = 2;
    let now = province::now().wall;
    let figures = Figures::new("0.1.0", now);
    let mut tally = figures.tally();
    tally.adopt(&snapshot.topology, 1);
    tally.record(&outcome(0, Err(Failure::Remote(RemoteFailure::Timeout))));
    figures.answered("/metrics", "200");
    figures.calendar("office", true, 4, 0);
    Page::whole(|page| {
        metrics::write(&snapshot, page);
        metrics::write_delivery(&StoreStatus::default(), &[province::channel()], now, page);
        figures.write(page);
    })
}

fn outcome(target: usize, result: Result<Reply, Failure>) -> Outcome {
    let now = province::now();
    Outcome {
        request: ProbeRequest {
            generation: 1,
            target: TargetIx::new(target),
            trigger: Trigger::Scheduled,
            effort: Effort::Normal,
            due: now.mono,
        },
        started: now.plus(Duration::from_millis(2)),
        finished: now.mono + Duration::from_millis(9),
        lost: u16::from(result.is_err()),
        heard: None,
        result,
    }
}

fn echo(rtt: Duration) -> Reply {
    let detail = IcmpDetail {
        sent: 1,
        received: 1,
        rtts: RttList::One(rtt),
        ttl: None,
        tos: None,
        duplicates: 0,
    };
    Reply { rtt: Some(rtt), detail: Detail::Icmp(detail) }
}

/// What `promtool check metrics` says about a page.
fn promtool(page: &str) -> Vec<String> {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.unwrap_or_else(|error| {
        panic!("promtool does not start ({error}): install the Debian package `prometheus`")
    });
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(page.as_bytes()).expect("promtool reads");
    drop(input);
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let mut complaints: Vec<String> =
        String::from_utf8_lossy(&said).lines().map(str::to_owned).collect();
    complaints.dedup();
    assert_eq!(output.status.success(), complaints.is_empty(), "{}: {complaints:?}", output.status);
    complaints
}

#[test]
fn promtool_finds_nothing_to_complain_of() {
    assert_eq!(promtool(&full_page()), Vec::<String>::new());
}

#[test]
fn promtool_would_complain_if_there_were_something() {
    assert!(!promtool("# TYPE x counter\nx 1\n").is_empty());
}

#[test]
fn promtool_reads_hostile_names() {
    let mut snapshot = province::troubled(204);
    let topology = Arc::make_mut(&mut snapshot.topology);
    let hostile = [
        "\"} 1\nvchealth_site_info{site=\"x",
        "\\",
        "\\n",
        "\n\n# TYPE vchealth_target_up counter",
        "\u{202e}\u{0}\u{7f}\u{85}\u{2028}\u{feff}",
        "{}=,\"\"",
        "𐍈 Xã \"Tân Lập\"\\",
    ];
    for (site, name) in topology.sites.iter_mut().zip(hostile) {
        name.clone_into(&mut site.name);
        site.labels = hostile.iter().map(|key| ((*key).to_owned(), name.to_owned())).collect();
    }
    let page = page(&snapshot);
    assert_eq!(promtool(&page), Vec::<String>::new());
    let read = read(&page);
    for (info, name) in read.family("vchealth_site_info").iter().zip(hostile) {
        assert_eq!(info.labels["name"], name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_name_holds_reads_back(
        names in proptest::collection::vec(any::<String>(), 6),
        labels in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..5),
    ) {
        let mut snapshot = province::quiet(3);
        let topology = Arc::make_mut(&mut snapshot.topology);
        topology.sites[0].id = SiteId::new(names[0].as_str());
        topology.sites[0].name.clone_from(&names[1]);
        topology.sites[0].labels.clone_from(&labels);
        topology.levels[0].id = LevelId::new(names[2].as_str());
        topology.levels[0].name.vi.clone_from(&names[3]);
        topology.endpoints[0].id = EndpointId::new(names[4].as_str());
        topology.checks[0].id = CheckId::new(names[5].as_str());
        let read = read(&page(&snapshot));

        let info = &read.family("vchealth_site_info")[0].labels;
        prop_assert_eq!(&info["site"], &names[0]);
        prop_assert_eq!(&info["name"], &names[1]);
        prop_assert_eq!(&info["level"], &names[2]);
        prop_assert_eq!(&read.family("vchealth_level_info")[0].labels["name_vi"], &names[3]);
        let up = &read.family("vchealth_target_up")[0].labels;
        prop_assert_eq!(&up["endpoint"], &names[4]);
        prop_assert_eq!(&up["check"], &names[5]);
        let mut kept: Vec<&String> =
            info.iter().filter(|(key, _)| key.starts_with("label_")).map(|(_, v)| v).collect();
        let mut given: Vec<&String> = labels.values().collect();
        kept.sort();
        given.sort();
        prop_assert_eq!(kept, given);
    }
}

#[test]
fn the_page_holds_what_the_table_lists_and_nothing_else() {
    let page = full_page();
    let read = read(&page);
    let from_the_system = |name: &str| name.starts_with("process_");
    let listed: BTreeSet<&str> =
        table::all().map(|metric| metric.name).filter(|name| !from_the_system(name)).collect();
    let written: BTreeSet<&str> = read.families.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(written, listed);
    for (name, kind, series) in &read.families {
        let metric = table::all().find(|metric| metric.name == name).expect("just compared");
        assert_eq!(kind, metric.kind.word(), "{name}");
        let free = |label: &&str| label.starts_with("label_");
        let known: BTreeSet<&str> = metric.labels.iter().copied().filter(|l| !free(l)).collect();
        for one in series {
            let labels: BTreeSet<&str> = one
                .labels
                .keys()
                .map(String::as_str)
                .filter(|label| !free(label) && *label != "le")
                .collect();
            assert_eq!(labels, known, "{name}");
        }
    }
}

#[test]
fn every_name_stands_once_in_the_table() {
    let mut names = BTreeSet::new();
    for metric in table::all() {
        assert!(names.insert(metric.name), "{} stands twice", metric.name);
        assert!(is_name(metric.name));
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.kind == table::Kind::Counter,
            "{}",
            metric.name
        );
        assert!(!metric.help.contains('\n'));
    }
}

#[test]
fn no_more_series_than_the_table_admits() {
    let snapshot = province::troubled(204);
    let topology = &snapshot.topology;
    let read = read(&full_page());
    for (name, _, series) in &read.families {
        let metric = table::all().find(|metric| metric.name == name).expect("a metric");
        let many = match metric.series.per {
            table::Per::Daemon => 1,
            table::Per::Level => topology.levels.len(),
            table::Per::Site => topology.sites.len(),
            table::Per::Endpoint => topology.endpoints.len(),
            table::Per::Target => topology.targets.len(),
            table::Per::Check => topology.checks.len(),
            table::Per::Session => snapshot.sessions.len(),
            table::Per::Incident => snapshot.incidents.iter().filter(|i| i.is_active()).count(),
            table::Per::Channel => 1,
            table::Per::Duty => snapshot.duty.iter().map(|duty| duty.now.len()).sum(),
        };
        let most = many * usize::from(metric.series.most);
        assert!(series.len() <= most, "{name}: {} series, {most} at most", series.len());
    }
}

#[test]
fn a_usual_site_has_as_many_series_as_the_readme_says() {
    let mut snapshot = province::troubled(204);
    let site = snapshot.topology.find_site(&SiteId::new("y-te")).expect("a site");
    province::site_mut(&mut snapshot, site).silenced = false;
    for target in snapshot.topology.target_ixs() {
        if snapshot.topology.check_of(target).kind.word() == "sip" {
            let service = snapshot.targets[target.ix()].service.get_or_insert_default();
            Arc::make_mut(service).clock_offset_s = Some(0);
        }
    }
    let read = read(&page(&snapshot));
    let of_site = |series: &&Series| series.labels.get("site").is_some_and(|s| s == "y-te");
    let count = read.families.iter().flat_map(|(.., series)| series).filter(of_site).count();
    let said = format!(": {count} for a site with a router");
    assert!(metrics::readme().contains(&said), "{count} series");
}

#[test]
fn two_pages_of_one_snapshot_are_equal() {
    let snapshot = province::troubled(204);
    assert_eq!(page(&snapshot), page(&snapshot.clone()));
}

#[test]
fn a_dead_codec_reads_as_zero_and_has_no_round_trip() {
    let read = read(&page(&province::troubled(204)));
    let codec = [("site", "nam-mau"), ("endpoint", "codec"), ("check", "sip")];
    assert_eq!(read.value("vchealth_target_up", &codec), Some(0.0));
    assert_eq!(read.value("vchealth_rtt_seconds", &codec), None);
    assert_eq!(read.value("vchealth_endpoint_up", &codec[..2]), Some(0.0));
    let down = [("site", "nam-mau"), ("health", "down")];
    assert_eq!(read.value("vchealth_site_health", &down), Some(1.0));
    let up = [("site", "nam-mau"), ("health", "up")];
    assert_eq!(read.value("vchealth_site_health", &up), Some(0.0));
    let router = [("site", "nam-mau"), ("endpoint", "router"), ("check", "ping")];
    assert_eq!(read.value("vchealth_target_up", &router), Some(1.0));
    assert!(read.value("vchealth_rtt_seconds", &router).is_some_and(|rtt| rtt > 0.004));
}

#[test]
fn what_is_not_known_is_absent_and_not_down() {
    let read = read(&page(&province::troubled(204)));
    let site = [("site", "co-linh")];
    let of_site = |name: &str| {
        read.family(name).iter().filter(|series| series.labels["site"] == "co-linh").count()
    };
    assert_eq!(of_site("vchealth_target_up"), 0);
    assert_eq!(of_site("vchealth_endpoint_up"), 0);
    assert_eq!(of_site("vchealth_endpoint_mos"), 0);
    assert_eq!(read.value("vchealth_site_health_since_timestamp_seconds", &site), None);
    let unknown = [("site", "co-linh"), ("health", "unknown")];
    assert_eq!(read.value("vchealth_site_health", &unknown), Some(1.0));
    let local = [("site", "co-linh"), ("endpoint", "codec"), ("check", "sip"), ("result", "local")];
    assert_eq!(read.value("vchealth_probes_total", &local), Some(3.0));
}

#[test]
fn a_site_that_is_removed_is_gone_from_the_next_page() {
    assert!(page(&province::quiet(204)).contains("site=\"y-te\""));
    assert!(!page(&province::quiet(117)).contains("site=\"y-te\""));
}

#[test]
fn only_incidents_to_look_at_are_listed_but_every_cause_is_counted() {
    let read = read(&page(&province::troubled(204)));
    assert_eq!(read.family("vchealth_incident_info").len(), 3);
    assert_eq!(read.family("vchealth_incidents_open").len(), 24);
    let uplink = [("cause", "uplink"), ("severity", "critical")];
    assert_eq!(read.value("vchealth_incidents_open", &uplink), Some(1.0));
    let cut = [("incident", "cho-don-1")];
    assert_eq!(read.value("vchealth_incident_affected_sites", &cut), Some(21.0));
    let info = &read.family("vchealth_incident_info")[0].labels;
    assert_eq!((&*info["level"], &*info["parent"]), ("district", "bac-kan"));
}

#[test]
fn a_session_tells_its_sites_and_delegates_by_health() {
    let read = read(&page(&province::troubled(204)));
    let down = [("session", "2023-11-24-ubnd"), ("health", "down")];
    assert_eq!(read.value("vchealth_session_sites", &down), Some(22.0));
    assert_eq!(read.value("vchealth_session_delegates", &down), Some(22.0 * 53.0));
    let session = [("session", "2023-11-24-ubnd")];
    assert_eq!(read.value("vchealth_session_expected_sites", &session), Some(204.0));
    assert_eq!(read.value("vchealth_session_lost_seconds_total", &session), Some(5_700.0));
    let live = [("session", "2023-11-24-ubnd"), ("phase", "live")];
    assert_eq!(read.value("vchealth_session_phase", &live), Some(1.0));
}

#[test]
fn round_trips_fall_into_the_buckets_of_their_level() {
    let figures = Figures::new("0.1.0", province::now().wall);
    let topology = Arc::new(province::topology(204));
    let mut tally = figures.tally();
    tally.adopt(&topology, 1);
    tally.record(&outcome(0, Ok(echo(Duration::from_millis(7)))));
    tally.record(&outcome(0, Ok(echo(Duration::from_millis(120)))));
    let out = Page::whole(|page| figures.write(page));
    let read = read(&out);
    let bucket = |level: &str, le: &str| {
        let of = |s: &&Series| {
            s.labels.get("level").is_some_and(|l| l == level)
                && s.labels.get("le").is_some_and(|l| l == le)
        };
        read.family("vchealth_level_rtt_seconds").iter().find(of).map(|series| series.value)
    };
    assert_eq!(bucket("province", "0.005"), Some(0.0));
    assert_eq!(bucket("province", "0.01"), Some(1.0));
    assert_eq!(bucket("province", "0.15"), Some(2.0));
    assert_eq!(bucket("commune", "+Inf"), Some(0.0));
}

#[test]
fn a_reload_keeps_the_counts_of_what_stays_and_drops_the_rest() {
    let figures = Figures::new("0.1.0", province::now().wall);
    let mut tally = figures.tally();
    tally.adopt(&Arc::new(province::topology(204)), 1);
    tally.record(&outcome(0, Ok(echo(Duration::from_millis(7)))));
    tally.record(&outcome(1, Err(Failure::Remote(RemoteFailure::Refused))));
    tally.record(&outcome(2, Err(Failure::Remote(RemoteFailure::Timeout))));

    let mut flat = province::topology(204);
    flat.levels[3].id = LevelId::new("department");
    flat.checks[1].id = CheckId::new("options");
    tally.adopt(&Arc::new(flat), 2);
    // An answer to a question asked before the reload.
    tally.record(&outcome(0, Ok(echo(Duration::from_millis(7)))));

    let out = Page::whole(|page| figures.write(page));
    let read = read(&out);
    let count = |level: &str| {
        let named = |s: &&Series| s.name.ends_with("_count") && s.labels["level"] == level;
        read.family("vchealth_level_rtt_seconds").iter().find(named).map(|series| series.value)
    };
    assert_eq!(count("province"), Some(1.0));
    assert_eq!(count("agency"), None);
    assert_eq!(count("department"), Some(0.0));
    let failures = read.family("vchealth_probe_failures_total");
    assert_eq!(failures.len(), 1);
    assert_eq!((&*failures[0].labels["check"], failures[0].value), ("ping", 1.0));
}

#[test]
fn an_outcome_of_a_stranger_is_not_counted() {
    let figures = Figures::new("0.1.0", province::now().wall);
    let mut tally = figures.tally();
    tally.adopt(&Arc::new(Topology::default()), 1);
    tally.record(&outcome(5, Err(Failure::Remote(RemoteFailure::Timeout))));
    let out = Page::whole(|page| figures.write(page));
    assert!(read(&out).family("vchealth_probe_failures_total").is_empty());
}

#[test]
fn the_oldest_waiting_message_has_an_age() {
    let later = province::now().wall + jiff::SignedDuration::from_millis(2_500);
    let written = |channel: ChannelStatus| {
        let store = StoreStatus::default();
        Page::whole(|page| metrics::write_delivery(&store, &[channel], later, page))
    };
    let out = written(province::channel());
    let webhook = [("channel", "webhook")];
    let read = read(&out);
    assert_eq!(read.value("vchealth_outbox_oldest_age_seconds", &webhook), Some(62.5));
    assert_eq!(read.value("vchealth_outbox_queued", &webhook), Some(2.0));
    assert_eq!(read.value("vchealth_channel_failing", &webhook), Some(1.0));

    assert_eq!(read.value("vchealth_outbox_untold_age_seconds", &webhook), Some(62.5));

    let out = written(ChannelStatus { oldest: None, ..province::channel() });
    assert!(out.contains("vchealth_outbox_oldest_age_seconds{channel=\"webhook\"} 0\n"));
    let out = written(ChannelStatus { untold: None, ..province::channel() });
    assert!(out.contains("vchealth_outbox_untold_age_seconds{channel=\"webhook\"} 0\n"));
    assert!(out.contains("vchealth_outbox_oldest_age_seconds{channel=\"webhook\"} 62.5\n"));
}

#[test]
fn health_words_are_those_of_the_state_set() {
    let read = read(&page(&province::troubled(204)));
    let words: BTreeSet<&str> = read
        .family("vchealth_site_health")
        .iter()
        .map(|series| series.labels["health"].as_str())
        .collect();
    assert_eq!(words, Health::ALL.iter().map(|health| health.word()).collect());
}
