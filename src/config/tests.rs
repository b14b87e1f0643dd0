//! The shipped sample is what it says, and agrees with the defaults.

use std::collections::BTreeSet;

use unicode_normalization::is_nfc;

use super::*;
use crate::model::{CheckId, EndpointId, Phase, SiteId, SiteIx};

const VCHEALTH: &str = include_str!("../../config/vchealth.yaml");
const SITES: &str = include_str!("../../config/sites.yaml");
const SESSIONS: &str = include_str!("../../config/sessions.yaml");

fn shipped() -> Config {
    load(&sample()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A small province with these texts in place of the ordinary ones.
fn with(file: File, text: &str) -> SourceSet {
    small().with(file, file.name(), text)
}

fn small() -> SourceSet {
    SourceSet::new()
        .with(File::Settings, "vchealth.yaml", "channels: {}\n")
        .with(
            File::Sites,
            "sites.yaml",
            "levels: [{id: commune, name: Xã}]
classes:
  commune: {level: commune, endpoints: [{id: router, checks: [ping]}, {id: codec, checks: [ping, sip]}]}
sites:
  - {id: a, name: A, router: 10.0.0.1, codec: 10.0.0.2}
  - {id: b, name: B, parent: a, router: 10.0.1.1, codec: 10.0.1.2}
",
        )
        .with(File::Sessions, "sessions.yaml", "sessions: []\n")
}

#[test]
fn reports_lie_in_the_state_directory_wherever_that_is_unless_their_path_begins_at_the_root() {
    for (report, wanted) in [
        ("{}", "/srv/state/reports"),
        ("{dir: reports}", "/srv/state/reports"),
        ("{dir: bao-cao}", "/srv/state/bao-cao"),
        ("{dir: /srv/bao-cao}", "/srv/bao-cao"),
    ] {
        let text = format!("channels: {{}}\nstate_dir: /srv/state\nreport: {report}\n");
        let config = load(&with(File::Settings, &text)).unwrap();
        assert_eq!(config.settings.report_dir(), std::path::Path::new(wanted), "{report}");
    }
}

#[test]
fn the_sample_is_the_whole_province() {
    let config = shipped();
    let topology = &config.topology;
    let at_level = |id: &str| {
        let sites = topology.site_ixs();
        sites.filter(|site| topology.level_of(*site).id.as_str() == id).count()
    };
    assert_eq!(topology.sites.len(), 204);
    assert_eq!(["province", "district", "commune", "agency"].map(at_level), [1, 8, 108, 87]);
    assert!(topology.sites.iter().all(|site| is_nfc(&site.name) && !site.contacts.is_empty()));
    assert_eq!(topology.vantage, topology.find_site(&SiteId::new("bac-kan")));
    assert_eq!(topology.subtree(SiteIx::new(0)).len(), 204);
}

#[test]
fn names_of_the_sample_are_spelt_as_published() {
    let topology = shipped().topology;
    let name = |id: &str| topology.site(topology.find_site(&SiteId::new(id)).unwrap()).name.clone();
    assert_eq!(name("trung-hoa"), "Xã Trung Hoà");
    assert_eq!(name("xuat-hoa"), "Phường Xuất Hóa");
    assert_eq!(name("liem-thuy"), "Xã Liêm Thuỷ");
}

#[test]
fn the_sample_calendar_is_shaped_like_the_sessions_of_2023() {
    let counts: Vec<(usize, u64)> =
        shipped().sessions.iter().map(|s| (s.sites.len(), s.delegates())).collect();
    assert_eq!(counts, [(196, 10_899), (188, 7_753), (200, 9_000), (204, 11_631), (194, 8_214)]);
}

#[test]
fn the_sample_agrees_with_the_defaults() {
    let sample = shipped();
    let silent = load(&sample_with_settings("channels: {}\n")).unwrap();
    assert_eq!(Settings { channels: Vec::new(), ..sample.settings.clone() }, silent.settings);
    assert_eq!(sample.settings.channels.len(), 1);
    assert_eq!(sample.topology.checks, silent.topology.checks);
    assert_eq!(silent.topology.vantage, None);
}

fn sample_with_settings(text: &str) -> SourceSet {
    sample().with(File::Settings, "vchealth.yaml", text)
}

#[test]
fn a_channel_of_the_sample_has_the_default_values_it_states() {
    let sample = shipped();
    let url = "http://127.0.0.1:9093/alerts";
    let text = format!("channels: {{duty: {{kind: webhook, url: \"{url}\"}}}}");
    let silent = load(&sample_with_settings(&text)).unwrap();
    assert_eq!(sample.settings.channels, silent.settings.channels);
}

/// The people, rotas and routes of the sample, which stand in comments, and channels for them.
fn who_is_told() -> Config {
    let section = VCHEALTH.split_once("\n# people: ").unwrap().1;
    let section = section.split_once("\n# How long a message waits").unwrap().0;
    let written = section.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| {
        let sections = ["rotas: ", "routes: "];
        line.starts_with(' ') || sections.iter().any(|section| line.starts_with(section))
    });
    let mut text = String::from("channels:\n");
    for channel in ["zalo", "zalo-cho-don", "sms-ha", "sms-tu", "sms-binh", "mail"] {
        text += &format!("  {channel}: {{kind: webhook, url: \"http://127.0.0.1/\"}}\n");
    }
    text += "people:\n";
    text.extend(written.map(|line| format!("{line}\n")));
    load(&sample_with_settings(&text)).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn the_people_rotas_and_routes_of_the_sample_are_understood() {
    let settings = who_is_told().settings;
    assert_eq!((settings.people.len(), settings.rotas.len(), settings.routes.len()), (3, 1, 6));
    let on_duty = |at: &str| -> Vec<String> {
        let at = at.parse().unwrap();
        settings.rotas[0].on_duty(at).iter().map(ToString::to_string).collect()
    };
    assert_eq!(on_duty("2026-03-02T07:29:00+07:00"), ["truong-phong"], "nobody by shift");
    assert_eq!(on_duty("2026-03-02T07:30:00+07:00"), ["ha"]);
    assert_eq!(on_duty("2026-03-05T07:29:00+07:00"), ["ha"]);
    assert_eq!(on_duty("2026-03-05T07:30:00+07:00"), ["tu"]);
    assert_eq!(on_duty("2026-03-07T12:00:00+07:00"), ["ha", "tu"]);
    assert_eq!(on_duty("2027-02-07T12:00:00+07:00"), ["tu"], "the days of Tết");
    assert_eq!(settings.routes[0].escalate[1].live, std::time::Duration::from_mins(6));
    let usual = &settings.routes[0].escalate[2];
    let minutes = [usual.after, usual.live].map(|time| time.as_secs() / 60);
    assert_eq!(minutes, [35, 11], "as long after the step before as the settings have it for all");
    let patient = &settings.routes[2].escalate[0];
    let minutes = [patient.after, patient.live].map(|time| time.as_secs() / 60);
    assert_eq!(minutes, [240, 5], "a live session waits for no patience of the office");
}

#[test]
fn a_channel_is_one_persons_own_unless_others_read_it_too() {
    let of = |kind: &str, people: &str| -> Option<String> {
        let text = format!("channels: {{c: {{{kind}}}}}\npeople: {{{people}}}\n");
        let config = load(&sample_with_settings(&text)).unwrap_or_else(|it| panic!("{it}\n{text}"));
        config.settings.reader(&crate::model::ChannelId::new("c")).map(|it| it.name.clone())
    };
    let ha = "ha: {name: Đàm Thị Hà, channels: [c]}";
    let sms = |to: &str| {
        format!(
            "kind: sms, gateway: esms, to: [{to}], api_key_env: K, secret_key_env: S, brandname: B"
        )
    };
    let one = sms("\"0912345678\"");
    assert_eq!(of(&one, ha).as_deref(), Some("Đàm Thị Hà"));
    assert_eq!(of(&one, ""), None, "nobody says whose it is");
    let both = format!("{ha}, tu: {{name: Lý A Tú, channels: [c]}}");
    assert_eq!(of(&one, &both), None);
    let telegram = |chat: &str| format!("kind: telegram, token_env: T, chats: [\"{chat}\"]");
    let zalo = |to: &str| {
        format!("kind: zalo, app_id: \"1\", secret_key_env: S, refresh_token_env: R, {to}")
    };
    let mail = |to: &str| format!("kind: email, host: m.vn, from: a@b.vn, to: [{to}]");
    for (kind, own) in [
        (sms("\"0912345678\", \"0912345679\""), false),
        (telegram("12345"), true),
        (telegram("-10012345"), false),
        (telegram("@kenh"), false),
        (zalo("users: [\"1\"]"), true),
        (zalo("groups: [g]"), false),
        (zalo("users: [\"1\", \"2\"]"), false),
        (mail("c@d.vn"), true),
        (mail("c@d.vn, e@d.vn"), false),
        ("kind: alertmanager, urls: [\"http://a\"]".to_owned(), false),
        ("kind: webhook, url: \"http://a\"".to_owned(), true),
    ] {
        assert_eq!(of(&kind, ha).is_some(), own, "{kind}");
    }
}

#[test]
fn routes_take_what_they_say_and_nothing_else() {
    let config = who_is_told();
    let topology = &config.topology;
    let taken = |site: &str, cause, severity, phase, importance, at: &str| -> Vec<&str> {
        let site = topology.find_site(&SiteId::new(site)).unwrap();
        let matter = Matter {
            topology,
            site: Some(site),
            common: None,
            affected: &[site],
            cause,
            severity,
            phase,
            importance,
            at: at.parse().unwrap(),
        };
        let fits = config.settings.routes.iter().filter(|route| route.when.fits(&matter));
        fits.map(|route| route.name.as_str()).collect()
    };
    use crate::model::{Cause, Importance, Severity};
    let monday = "2026-03-02T09:00:00";
    let night = "2026-03-02T23:00:00";
    assert_eq!(
        taken("tan-lap", Cause::Access, Severity::Critical, Phase::Live, None, monday),
        ["phiên họp", "xã Chợ Đồn", "giờ làm việc", "route 6"]
    );
    assert_eq!(
        taken("tan-lap", Cause::Access, Severity::Warning, Phase::Idle, None, night),
        ["xã Chợ Đồn", "route 6"]
    );
    assert_eq!(
        taken("cho-don", Cause::Uplink, Severity::Warning, Phase::Idle, None, night),
        ["route 6"],
        "the district itself is no commune"
    );
    let high = Some(Importance::High);
    assert_eq!(
        taken("nam-mau", Cause::Quality, Severity::Info, Phase::Live, high, night),
        ["phiên họp quan trọng", "route 6"]
    );
}

#[test]
fn what_concerns_many_sites_is_not_taken_by_the_route_of_some() {
    let config = who_is_told();
    let topology = &config.topology;
    let ix = |id: &str| topology.find_site(&SiteId::new(id)).unwrap();
    let route = &config.settings.routes[1].when;
    let fits = |affected: &[SiteIx], common| {
        route.fits(&Matter {
            topology,
            site: None,
            common,
            affected,
            cause: crate::model::Cause::Access,
            severity: crate::model::Severity::Warning,
            phase: Phase::Idle,
            importance: None,
            at: "2026-03-02T23:00:00".parse().unwrap(),
        })
    };
    assert!(fits(&[ix("tan-lap"), ix("ban-thi")], Some(("power", "lo-7"))));
    assert!(!fits(&[ix("tan-lap"), ix("nam-mau")], Some(("power", "lo-7"))));
    assert!(!fits(&[], None), "the monitor itself");
    let isp =
        &When { labels: [("isp".to_owned(), vec!["VNPT".to_owned()])].into(), ..When::default() };
    let matter = |common| Matter {
        topology,
        site: None,
        common: Some(common),
        affected: &[],
        cause: crate::model::Cause::Access,
        severity: crate::model::Severity::Warning,
        phase: Phase::Idle,
        importance: None,
        at: "2026-03-02T23:00:00".parse().unwrap(),
    };
    assert!(isp.fits(&matter(("isp", "VNPT"))));
    assert!(!isp.fits(&matter(("isp", "Viettel"))));
}

#[test]
fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
    use jiff::civil::Weekday;
    let when = When {
        days: Days::NONE.with(Weekday::Friday),
        hours: Some(Hours { from: "21:00".parse().unwrap(), until: "06:00".parse().unwrap() }),
        ..When::default()
    };
    let topology = shipped().topology;
    let fits = |at: &str| {
        when.fits(&Matter {
            topology: &topology,
            site: None,
            common: None,
            affected: &[],
            cause: crate::model::Cause::Access,
            severity: crate::model::Severity::Warning,
            phase: Phase::Idle,
            importance: None,
            at: at.parse().unwrap(),
        })
    };
    // 6 March 2026 is a Friday.
    assert!(fits("2026-03-06T21:00:00") && fits("2026-03-07T05:59:00"));
    assert!(!fits("2026-03-06T05:59:00") && !fits("2026-03-07T21:00:00"));
}

#[test]
fn the_tcp_check_of_the_sample_has_the_default_values_it_states() {
    let uncommented: String = VCHEALTH
        .lines()
        .skip_while(|line| !line.starts_with("  # recorder:"))
        .map(|line| line.replacen("# ", "", 1) + "\n")
        .collect();
    let written = load(&sample_with_settings(&format!("channels: {{}}\nchecks:\n{uncommented}")));
    let text = "channels: {}\nchecks: {recorder: {kind: tcp, port: 554}}\n";
    let silent = load(&sample_with_settings(text)).unwrap();
    assert_eq!(written.unwrap().topology.checks, silent.topology.checks);
}

#[test]
fn every_key_that_is_understood_stands_in_the_sample() {
    let out = Findings::new();
    read(&sample(), &out).unwrap();
    let asked = out.asked.into_inner();
    let written: BTreeSet<(&str, &str)> =
        asked.iter().filter(|(_, _, written)| *written).map(|(s, k, _)| (*s, *k)).collect();
    let comments: String = [VCHEALTH, SITES, SESSIONS]
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split_once('#').map(|(_, comment)| format!("{comment}\n")))
        .collect();
    let silent: Vec<String> = asked
        .iter()
        .filter(|(section, key, _)| !written.contains(&(*section, *key)))
        .filter(|(_, key, _)| {
            // In a comment it stands as `key: value` or in the column of a table of keys.
            !comments.contains(&format!(" {key}: "))
                && !comments.contains(&format!("{{{key}: "))
                && !comments.contains(&format!(", {key}: "))
                && !comments.contains(&format!("   {key}  "))
        })
        .map(|(section, key, _)| format!("{section}: {key}"))
        .collect();
    assert!(silent.is_empty(), "understood but not shown: {silent:?}");
}

#[test]
fn every_site_of_the_sample_costs_far_less_than_the_budget() {
    let config = shipped();
    let topology = &config.topology;
    let worst = topology
        .site_ixs()
        .flat_map(|site| Phase::ALL.map(|phase| LineCost::of_site(topology, site, phase).worst()))
        .fold(0.0, f64::max);
    assert!(worst > 1.0 && worst < f64::from(config.settings.budget.line_kbit_s) / 2.0, "{worst}");
}

#[test]
fn a_class_gives_a_site_its_endpoints_in_its_order() {
    let topology = load(&small()).unwrap().topology;
    let a = topology.site(SiteIx::new(0));
    let ids: Vec<&str> = a.endpoints.iter().map(|e| topology.endpoint(*e).id.as_str()).collect();
    assert_eq!(ids, ["router", "codec"]);
    let codec_sip = (EndpointId::new("codec"), CheckId::new("sip"));
    assert!(topology.find_target(&a.id, &codec_sip.0, &codec_sip.1).is_some());
    assert_eq!(topology.site(SiteIx::new(1)).parent, Some(SiteIx::new(0)));
    assert_eq!(a.children, [SiteIx::new(1)]);
}

#[test]
fn a_calendar_may_be_empty_and_may_not_be_missing() {
    let sources = SourceSet::new().with(File::Settings, "vchealth.yaml", VCHEALTH).with(
        File::Sites,
        "sites.yaml",
        SITES,
    );
    let empty = sources.clone().with(File::Sessions, "sessions.yaml", "sessions: []\n");
    assert!(load(&empty).unwrap().sessions.is_empty());
    let misnamed = Some("session.yaml".to_owned());
    let missing = sources.without(File::Sessions, "/etc/vchealth/sessions.yaml", misnamed);
    let problems = load(&missing).unwrap_err().to_string();
    let hint = "there is `session.yaml`; rename it to `sessions.yaml`";
    assert!(problems.starts_with("/etc/vchealth/sessions.yaml:1:1: "), "{problems}");
    assert!(problems.contains(hint), "{problems}");
}

#[test]
fn problems_of_all_files_are_told_at_once() {
    let sources = small()
        .with(File::Settings, "vchealth.yaml", "chanels: {}\nlisten: nowhere\n")
        .with(File::Sessions, "sessions.yaml", "sessions: [{id: x}]\n");
    let problems = load(&sources).unwrap_err();
    let files: BTreeSet<&str> = problems.list.iter().map(|d| d.file.as_str()).collect();
    assert_eq!(files.len(), 2);
    assert!(problems.count() >= 6, "{problems}");
}

#[test]
fn names_are_kept_composed() {
    let decomposed: String = unicode_normalization::UnicodeNormalization::nfd("Tân Lập").collect();
    let text = format!(
        "levels: [{{id: l, name: L}}]\nclasses: {{c: {{level: l, endpoints: [{{id: r, checks: \
         [ping]}}]}}}}\nsites: [{{id: a, name: {decomposed}, r: 10.0.0.1}}]\n"
    );
    let config = load(&with(File::Sites, &text)).unwrap();
    assert_eq!(config.topology.sites[0].name, "Tân Lập");
}
