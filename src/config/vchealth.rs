//! `vchealth.yaml`: how the daemon behaves.
//!
//! Everything but `channels` has a default, so an empty section is as good as none. The channels
//! have to be written even when there are none: a file cut short must not silence all alerts.

mod telling;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use self::telling::{
    acks, drill, escalation, grouping, heartbeat, quiet, reminders, within_the_limit,
};
use super::channels::{channels, web_address};
use super::checks;
use super::defaults;
use super::diagnostic::Findings;
use super::hint::nearest;
use super::people::{self, Names};
use super::read::{Fields, by_phase, bytes, duration, each, line, number, share, whole, word};
use super::settings::{
    Budget, CorrelationSettings, FlappingSettings, HygieneSettings, Hysteresis, IcmpEngine,
    IcmpSettings, PhaseSettings, QualitySettings, ReadinessSettings, ReportSettings,
    ResolverSettings, RetentionSettings, Settings, WebSettings,
};
use super::sites;
use super::yaml::{Node, brief};
use crate::model::{Check, Language, ReportFormat, Verdict};

/// What stands in `vchealth.yaml`.
pub(super) struct Vchealth<'a> {
    pub(super) settings: Settings,
    pub(super) checks: Vec<Check>,
    /// The site where this monitor stands, by the id that is written.
    pub(super) vantage: Option<&'a Node>,
    /// What routes may name as somebody to tell.
    pub(super) names: Names,
    /// Whom to phone for what sites share, which can only be read when the sites are known.
    pub(super) contacts: Option<&'a Node>,
    /// The routes, which can only be read when the sites are known.
    pub(super) routes: Option<&'a Node>,
    /// The web configuration file, which is another file.
    pub(super) web_file: Option<&'a Node>,
    /// Calendars; whom their events concern is known once the sites are.
    pub(super) calendars: Option<&'a Node>,
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Reads the file.
pub(super) fn read<'a>(node: &'a Node, out: &'a Findings) -> Option<Vchealth<'a>> {
    if node.is_nothing() {
        let hint = "the least that has to stand is `channels:`".to_owned();
        out.hint(node.span, "the file is empty", hint);
        return None;
    }
    let default = Settings::default();
    let mut file = Fields::of_file(node, out)?;
    let state_dir = file.read("state_dir", default.state_dir, directory);
    let time_zone = file.read("time_zone", default.time_zone, time_zone);
    let channels =
        file.need("channels", |node, out| channels(node, &state_dir, out).map(|it| (node, it)));
    let (node, channels) = channels.unzip();
    let mut names = people::channel_names(node, out);
    let people =
        file.read("people", default.people, |node, out| people::people(node, &mut names, out));
    let rotas = file
        .read("rotas", default.rotas, |node, out| people::rotas(node, &time_zone, &mut names, out));
    let web_file = file.get("web").and_then(|node| web_file(node, out));
    let web = WebSettings {
        config_file: web_file.and_then(|node| file_name(node, out)),
        ..WebSettings::default()
    };
    let mut settings = Settings {
        web,
        listen: file.read("listen", default.listen, listen),
        public_url: file.get("public_url").and_then(|node| base_address(node, out)),
        language: file.read("language", default.language, language),
        time_zone,
        icmp: file.read("icmp", default.icmp, icmp),
        resolver: file.read("resolver", default.resolver, resolver),
        phases: file.read("phases", default.phases, phases),
        hysteresis: file.read("hysteresis", default.hysteresis, hysteresis),
        quality: file.read("quality", default.quality, quality),
        correlation: file.read("correlation", default.correlation, correlation),
        flapping: file.read("flapping", default.flapping, flapping),
        hygiene: file.read("hygiene", default.hygiene, hygiene),
        readiness: file.read("readiness", default.readiness, readiness),
        budget: file.read("budget", default.budget, budget),
        report: file.read("report", default.report, |node, out| report(node, &state_dir, out)),
        retention: file.read("retention", default.retention, retention),
        channels: channels.unwrap_or_default(),
        contacts: default.contacts,
        people,
        rotas,
        routes: default.routes,
        escalation: file.read("escalation", default.escalation, escalation),
        grouping: file.read("grouping", default.grouping, grouping),
        reminders: file.read("reminders", default.reminders, reminders),
        acks: file.read("acks", default.acks, acks),
        quiet_hours: file
            .read("quiet_hours", default.quiet_hours, |node, out| quiet(node, &names, out)),
        drill: file.read("drill", default.drill, drill),
        heartbeat: file.get("heartbeat").and_then(|node| heartbeat(node, out)),
        calendars: default.calendars,
        state_dir,
    };
    // Whatever is told in the language of messages changes with it.
    let usual = settings.language;
    settings.report.language = settings.report.language.filter(|language| *language != usual);
    within_the_limit(&settings, &file);
    let contacts = file.get("contacts");
    let routes = file.get("routes");
    let checks = file.read("checks", defaults::checks(), checks::read);
    let vantage = file.get("vantage");
    let calendars = file.get("calendars");
    file.end();
    Some(Vchealth { settings, checks, vantage, names, contacts, routes, web_file, calendars })
}

fn language(node: &Node, out: &Findings) -> Option<Language> {
    word(&[("vi", Language::Vi), ("en", Language::En)])(node, out)
}

fn listen(node: &Node, out: &Findings) -> Option<SocketAddr> {
    let address = node.scalar().and_then(|scalar| scalar.text.parse().ok());
    if address.is_none() {
        let what = "expected an address with a port, such as `127.0.0.1:9722` or `[::]:9722`";
        let port = node.scalar().and_then(|scalar| scalar.text.strip_prefix("localhost:"));
        let hint = port.map(|port| format!("did you mean `127.0.0.1:{port}`?"));
        out.hint(node.span, format!("{what}, found {}", node.found()), hint);
    }
    address
}

/// Where the web configuration file is named.
fn web_file<'a>(node: &'a Node, out: &'a Findings) -> Option<&'a Node> {
    let mut fields = Fields::of(node, "`web`", out)?;
    let file = fields.get("config_file");
    fields.end();
    file
}

/// The name of a file.
pub(super) fn file_name(node: &Node, out: &Findings) -> Option<String> {
    line(4096)(node, out)
}

/// A web address that paths can be added to.
fn base_address(node: &Node, out: &Findings) -> Option<String> {
    let text = web_address(node, out)?;
    let text = text.reveal();
    if text.contains(['?', '#']) {
        let hint = "write it like `https://giam-sat.example` or `https://tinh.example/giam-sat`";
        out.hint(node.span, "paths are added to this address", hint.to_owned());
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn directory(node: &Node, out: &Findings) -> Option<PathBuf> {
    line(4096)(node, out).map(PathBuf::from)
}

/// An IANA time zone.
pub(super) fn time_zone(node: &Node, out: &Findings) -> Option<TimeZone> {
    let name = line(64)(node, out)?;
    match TimeZone::get(&name) {
        // What is not in the IANA database has no name to write into a report.
        Ok(zone) if zone.iana_name().is_some() => Some(zone),
        _ => {
            let known: Vec<String> =
                jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
            let hint = nearest(&name, known.iter().map(String::as_str), out)
                .unwrap_or_else(|| "time zones are named like `Asia/Ho_Chi_Minh`".to_owned());
            out.hint(node.span, format!("there is no time zone `{}`", brief(&name)), hint);
            None
        }
    }
}

fn icmp(node: &Node, out: &Findings) -> Option<IcmpSettings> {
    let default = IcmpSettings::default();
    let mut fields = Fields::of(node, "`icmp`", out)?;
    let engines = word(&[
        ("auto", IcmpEngine::Auto),
        ("kernel", IcmpEngine::Kernel),
        ("surge", IcmpEngine::Surge),
    ]);
    let read = IcmpSettings {
        engine: fields.read("engine", default.engine, engines),
        receive_buffer: fields.read(
            "receive_buffer",
            default.receive_buffer,
            bytes(64 << 10..=256 << 20),
        ),
    };
    fields.end();
    Some(read)
}

fn resolver(node: &Node, out: &Findings) -> Option<ResolverSettings> {
    let default = ResolverSettings::default();
    let mut fields = Fields::of(node, "`resolver`", out)?;
    let read = ResolverSettings {
        refresh: fields.read("refresh", default.refresh, duration(SECOND..=DAY)),
        timeout: fields.read("timeout", default.timeout, duration(100 * MILLISECOND..=MINUTE)),
    };
    if read.timeout > read.refresh {
        out.say(fields.at("timeout"), "`timeout` is longer than `refresh`");
    }
    fields.end();
    Some(read)
}

fn phases(node: &Node, out: &Findings) -> Option<PhaseSettings> {
    let default = PhaseSettings::default();
    let mut fields = Fields::of(node, "`phases`", out)?;
    let read = PhaseSettings {
        readiness_before: fields.read(
            "readiness_before",
            default.readiness_before,
            duration(Duration::ZERO..=7 * DAY),
        ),
        wrap_up_after: fields.read(
            "wrap_up_after",
            default.wrap_up_after,
            duration(Duration::ZERO..=DAY),
        ),
    };
    fields.end();
    Some(read)
}

fn hysteresis(node: &Node, out: &Findings) -> Option<Hysteresis> {
    let default = Hysteresis::default();
    let mut fields = Fields::of(node, "`hysteresis`", out)?;
    let read = Hysteresis {
        fail_after: fields.read("fail_after", default.fail_after, whole(1..=100)),
        recover_after: fields.read("recover_after", default.recover_after, whole(1..=100)),
    };
    fields.end();
    Some(read)
}

fn quality(node: &Node, out: &Findings) -> Option<QualitySettings> {
    let default = QualitySettings::default();
    let mut fields = Fields::of(node, "`quality`", out)?;
    let delay = || duration(MILLISECOND..=MINUTE);
    let read = QualitySettings {
        window: fields.read("window", default.window, duration(SECOND..=HOUR)),
        min_samples: fields.read("min_samples", default.min_samples, whole(1..=10_000)),
        fair_loss: fields.read("fair_loss", default.fair_loss, share),
        poor_loss: fields.read("poor_loss", default.poor_loss, share),
        fair_rtt: fields.read("fair_rtt", default.fair_rtt, delay()),
        poor_rtt: fields.read("poor_rtt", default.poor_rtt, delay()),
        fair_jitter: fields.read("fair_jitter", default.fair_jitter, delay()),
        poor_jitter: fields.read("poor_jitter", default.poor_jitter, delay()),
        better_after: fields.read(
            "better_after",
            default.better_after,
            duration(Duration::ZERO..=HOUR),
        ),
        ie: fields.read("ie", default.ie, number(0.0..=95.0)),
        bpl: fields.read("bpl", default.bpl, number(1.0..=100.0)),
    };
    let pairs = [
        ("poor_loss", "fair_loss", read.fair_loss < read.poor_loss),
        ("poor_rtt", "fair_rtt", read.fair_rtt < read.poor_rtt),
        ("poor_jitter", "fair_jitter", read.fair_jitter < read.poor_jitter),
    ];
    for (poor, fair, good) in pairs {
        if !good {
            let at = if fields.has(poor) { poor } else { fair };
            out.say(fields.at(at), format!("`{poor}` has to be more than `{fair}`"));
        }
    }
    fields.end();
    Some(read)
}

fn correlation(node: &Node, out: &Findings) -> Option<CorrelationSettings> {
    let default = CorrelationSettings::default();
    let mut fields = Fields::of(node, "`correlation`", out)?;
    let labels = |node: &Node, out: &Findings| each(node, out, |item| sites::label_name(item, out));
    let mut read = CorrelationSettings {
        wait: fields.read("wait", default.wait, duration(Duration::ZERO..=MINUTE)),
        window: fields.read("window", default.window, duration(SECOND..=HOUR)),
        children_share: fields.read("children_share", default.children_share, share),
        common_min: fields.read("common_min", default.common_min, whole(2..=10_000)),
        common_inside: fields.read("common_inside", default.common_inside, share),
        common_outside: fields.read("common_outside", default.common_outside, share),
        common_labels: fields.read("common_labels", default.common_labels, labels),
        device_labels: fields.read("device_labels", default.device_labels, labels),
    };
    if read.common_outside >= read.common_inside {
        let at = if fields.has("common_outside") { "common_outside" } else { "common_inside" };
        out.say(fields.at(at), "`common_outside` has to be less than `common_inside`");
    }
    let common = &read.common_labels;
    if !fields.has("device_labels") {
        read.device_labels.retain(|label| !common.contains(label));
    }
    for label in read.device_labels.iter().filter(|label| common.contains(label)) {
        let said = format!("`{label}` stands in `common_labels` as well");
        let hint = "what can silence whole sites goes there, what only their devices share here";
        out.hint(fields.at("device_labels"), said, hint.to_owned());
    }
    fields.end();
    Some(read)
}

fn flapping(node: &Node, out: &Findings) -> Option<FlappingSettings> {
    let default = FlappingSettings::default();
    let mut fields = Fields::of(node, "`flapping`", out)?;
    let read = FlappingSettings {
        stable_for: fields.read("stable_for", default.stable_for, duration(Duration::ZERO..=HOUR)),
        relapses: fields.read("relapses", default.relapses, whole(1..=100)),
        window: fields.read("window", default.window, duration(MINUTE..=DAY)),
        flapping_stable_for: fields.read(
            "flapping_stable_for",
            default.flapping_stable_for,
            duration(Duration::ZERO..=DAY),
        ),
        messages_per_hour: fields.read(
            "messages_per_hour",
            default.messages_per_hour,
            whole(1..=1000),
        ),
        settled_after: fields.read("settled_after", default.settled_after, |node, out| {
            let length = duration(Duration::ZERO..=HOUR);
            by_phase(node, "`settled_after`", default.settled_after, &length, out)
        }),
    };
    if read.flapping_stable_for < read.stable_for {
        let at =
            if fields.has("flapping_stable_for") { "flapping_stable_for" } else { "stable_for" };
        out.say(fields.at(at), "`flapping_stable_for` is shorter than `stable_for`");
    }
    fields.end();
    Some(read)
}

fn hygiene(node: &Node, out: &Findings) -> Option<HygieneSettings> {
    let default = HygieneSettings::default();
    let mut fields = Fields::of(node, "`hygiene`", out)?;
    let read = HygieneSettings {
        certificate_before: fields.read(
            "certificate_before",
            default.certificate_before,
            duration(Duration::ZERO..=365 * DAY),
        ),
        clock_offset: fields.read("clock_offset", default.clock_offset, duration(SECOND..=DAY)),
    };
    fields.end();
    Some(read)
}

fn readiness(node: &Node, out: &Findings) -> Option<ReadinessSettings> {
    let default = ReadinessSettings::default();
    let mut fields = Fields::of(node, "`readiness`", out)?;
    let moments = |node: &Node, out: &Findings| {
        let read = duration(MINUTE..=7 * DAY);
        let mut moments = each(node, out, |item| read(item, out))?;
        moments.sort_by(|a, b| b.cmp(a));
        Some(moments)
    };
    let verdicts = word(&[
        ("not-ready", Verdict::NotReady),
        ("cannot-tell", Verdict::CannotTell),
        ("at-risk", Verdict::AtRisk),
        ("always", Verdict::Ready),
    ]);
    let read = ReadinessSettings {
        at: fields.read("at", default.at, moments),
        tell: fields.read("tell", default.tell, verdicts),
        train: fields.read("train", default.train, duration(SECOND..=MINUTE)),
        packet_rate: fields.read("packet_rate", default.packet_rate, whole(1..=200)),
        // The headers of IPv6 and ICMP and the mark that knows an echo again.
        packet_size: fields.read("packet_size", default.packet_size, whole(64..=1500)),
        dscp: fields.read("dscp", default.dscp, whole(0..=63)),
        mtu: fields.read("mtu", default.mtu, whole(0..=9000)),
        sites_at_once: fields.read("sites_at_once", default.sites_at_once, whole(1..=10_000)),
    };
    if (1..576).contains(&read.mtu) {
        // What every host takes (RFC 791 §3.1) is taken for granted.
        out.say(fields.at("mtu"), "`mtu` is 0, which asks for nothing, or at least 576");
    }
    fields.end();
    Some(read)
}

fn budget(node: &Node, out: &Findings) -> Option<Budget> {
    let default = Budget::default();
    let mut fields = Fields::of(node, "`budget`", out)?;
    let read = Budget {
        line_kbit_s: fields.read("line_kbit_s", default.line_kbit_s, whole(1..=10_000_000)),
        in_flight: fields.read("in_flight", default.in_flight, whole(1..=100_000)),
    };
    fields.end();
    Some(read)
}

fn report(node: &Node, state_dir: &Path, out: &Findings) -> Option<ReportSettings> {
    let default = ReportSettings::default();
    let mut fields = Fields::of(node, "`report`", out)?;
    let form = word(&[
        ("html", ReportFormat::Html),
        ("xlsx", ReportFormat::Xlsx),
        ("csv", ReportFormat::Csv),
        ("json", ReportFormat::Json),
    ]);
    let formats = |node: &Node, out: &Findings| each(node, out, |item| form(item, out));
    let usual = state_dir.join("reports");
    // One from the root stays what it is.
    let dir = fields.get("dir").and_then(|node| directory(node, out));
    let read = ReportSettings {
        dir: dir.map(|dir| state_dir.join(dir)).filter(|dir| *dir != usual),
        formats: fields.read("formats", default.formats, formats),
        language: fields.get("language").and_then(|node| language(node, out)),
    };
    fields.end();
    Some(read)
}

fn retention(node: &Node, out: &Findings) -> Option<RetentionSettings> {
    let default = RetentionSettings::default();
    let mut fields = Fields::of(node, "`retention`", out)?;
    let read = RetentionSettings {
        minutes: fields.read("minutes", default.minutes, duration(DAY..=3650 * DAY)),
        history: fields.read("history", default.history, duration(30 * DAY..=3650 * DAY)),
        messages: fields.read("messages", default.messages, duration(DAY..=3650 * DAY)),
    };
    if read.minutes > read.history {
        let at = if fields.has("minutes") { "minutes" } else { "history" };
        out.say(fields.at(at), "`minutes` is longer than `history`");
    }
    fields.end();
    Some(read)
}
