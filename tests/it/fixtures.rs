//! Incidents, messages and places to keep them, for tests of what keeps and tells.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use vchealth::model::{
    Affected, Alert, Cause, Change, ChannelId, HardState, Health, Incident, IncidentId,
    Notification, NotificationId, NotificationKind, Phase, Severity, SiteId, TargetKey,
};

/// A directory of its own that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("vchealth-it-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn site_key(site: &str) -> TargetKey {
    TargetKey { site: SiteId::new(site), endpoint: None, check: None }
}

pub(crate) fn health(site: &str, health: Health, since: Timestamp) -> Change {
    Change::Health {
        key: site_key(site),
        state: HardState { health, since, began: None, seen_up: true },
    }
}

pub(crate) fn incident(id: &str, site: &str) -> Incident {
    let began = at("2026-02-03T00:42:10Z");
    Incident {
        site: Some(SiteId::new(site)),
        opened: at("2026-02-03T00:42:14Z"),
        severity: Severity::Critical,
        affected: vec![Affected {
            site: SiteId::new(site),
            since: began,
            until: None,
            passed_on: false,
        }],
        of: 1,
        delegates: 31,
        ..Incident::blank(IncidentId::new(id), Cause::Access, began)
    }
}

pub(crate) fn notification(id: &str, incident: Incident, kind: NotificationKind) -> Notification {
    let site = incident.site.clone().unwrap();
    Notification {
        id: NotificationId::new(id),
        channel: ChannelId::new("duty"),
        kind,
        created: at("2026-02-03T00:42:14Z"),
        alert: Alert {
            incident,
            site_name: "Xã Tân Lập".to_owned(),
            level: "commune".to_owned(),
            level_name: "Xã".to_owned(),
            parent: "pac-nam".to_owned(),
            parent_name: "Huyện Pác Nặm".to_owned(),
            contacts: Vec::new(),
            names: [(site, "Xã Tân Lập".to_owned())].into(),
            phase: Phase::Idle,
            session_title: None,
            session_start: None,
            drill: false,
            phones: [].into(),
            readiness: None,
        },
        instead_of: None,
    }
}

/// Starts this test binary again to run one of its ignored tests in a process that may be killed.
/// Its standard output can be read.
pub(crate) fn child(test: &str, variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Runs ignored tests of this binary one after the other in namespaces of their own, which no other
/// test and no other program sees: those of users and `kind`, an option of `unshare`. The shell
/// command `first` prepares them, and both find `dir` in `VCHEALTH_CHILD_DIR`. Gives what they and
/// it say; a test that fails says so.
pub(crate) fn in_namespaces(kind: &str, first: &str, tests: &[&str], dir: &Path) -> String {
    let script = format!(
        "{first} || exit; for test; do \
         \"$0\" \"$test\" --exact --ignored --nocapture; done 2>&1"
    );
    let output = Command::new("unshare")
        .args(["--map-root-user", kind, "--", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(tests)
        .env("VCHEALTH_CHILD_DIR", dir)
        .output()
        .expect("unshare of util-linux");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// How often a test kills its child: 20 times unless the environment asks for more.
pub(crate) fn kills() -> usize {
    std::env::var("VCHEALTH_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// A random number below `bound`. Nothing depends on it but which moment is tried.
pub(crate) fn random(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % bound
}
