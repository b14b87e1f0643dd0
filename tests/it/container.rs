//! What lies in `deploy/container` and `deploy/debian` agrees with what it brings up: paths, ports,
//! names, versions. No image can be pulled in a test; `tests/install` carries out the steps of the
//! container file by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().map_or(Vec::new(), |list| list.iter().map(|it| it.as_str().unwrap()).collect())
}

/// A service of the compose file.
struct Service<'a>(&'a Value);

impl<'a> Service<'a> {
    /// What is mounted: where in the container, and from which file or volume.
    fn mounts(&self) -> BTreeMap<&'a str, &'a str> {
        let volumes = texts(&self.0["volumes"]).into_iter();
        volumes
            .map(|volume| {
                let mut parts = volume.split(':');
                let (from, to) = (parts.next().unwrap(), parts.next().unwrap());
                (to, from)
            })
            .collect()
    }

    /// The port inside that is published.
    fn port(&self) -> &'a str {
        let ports = texts(&self.0["ports"]);
        let [port] = ports.as_slice() else { panic!("one port, not {ports:?}") };
        let inside = port.rsplit(':').next().unwrap();
        assert_eq!(
            *port,
            format!("127.0.0.1:{inside}:{inside}"),
            "on loopback, under its own number"
        );
        inside
    }
}

#[test]
fn every_file_that_is_mounted_is_there_and_every_volume_declared() {
    let compose = yaml("deploy/container/compose.yaml");
    let services = compose["services"].as_object().unwrap();
    assert!(services.keys().eq(["alertmanager", "grafana", "prometheus", "vchealth"].iter()));
    for (name, service) in services {
        for (to, from) in Service(service).mounts() {
            let there = match from.strip_prefix('.') {
                Some(_) => root().join("deploy/container").join(from).exists(),
                None => compose["volumes"].as_object().unwrap().contains_key(from),
            };
            assert!(there, "{name} mounts {from} at {to}, which is not there");
        }
        // An image that changes under the same name cannot be agreed with.
        let image = service["image"].as_str().unwrap();
        assert!(name == "vchealth" || image.rsplit(':').next().unwrap().starts_with(['v', '1']));
    }
    let build = &compose["services"]["vchealth"]["build"];
    assert!(root().join("deploy/container").join(build["context"].as_str().unwrap()).is_dir());
    assert!(root().join(build["dockerfile"].as_str().unwrap()).exists());
}

#[test]
fn containers_find_each_other_by_name_and_port() {
    let compose = yaml("deploy/container/compose.yaml");
    let at = |name: &str| format!("{name}:{}", Service(&compose["services"][name]).port());
    // The shipped files of Prometheus and Grafana with the names of the containers, nothing else.
    let named = |path: &str| -> Value {
        let text = text(path)
            .replace("127.0.0.1:9722", &at("vchealth"))
            .replace("127.0.0.1:9093", &at("alertmanager"))
            .replace("127.0.0.1:9090", &at("prometheus"));
        serde_yaml::from_str(&text).unwrap()
    };
    assert_eq!(yaml("deploy/container/prometheus.yml"), named("deploy/prometheus/prometheus.yml"));
    assert_eq!(
        yaml("deploy/container/datasource.yaml"),
        named("deploy/grafana/provisioning/datasources/vchealth.yaml")
    );
    let settings = yaml("deploy/container/vchealth/vchealth.yaml");
    let listen = settings["listen"].as_str().unwrap();
    assert_eq!(listen, format!("0.0.0.0:{}", Service(&compose["services"]["vchealth"]).port()));
    let cluster = &settings["channels"]["cluster"];
    assert_eq!(texts(&cluster["urls"]), [format!("http://{}", at("alertmanager"))]);
    for (name, check) in settings["checks"].as_object().unwrap() {
        assert_eq!(format!("{name}:{}", check["port"]), at(name));
    }
}

#[test]
fn programs_in_containers_find_their_files_where_they_are_mounted() {
    let compose = yaml("deploy/container/compose.yaml");
    let mounts = |name: &str| Service(&compose["services"][name]).mounts();
    for (name, flag) in [("prometheus", "--config.file="), ("alertmanager", "--config.file=")] {
        let command = texts(&compose["services"][name]["command"]);
        let file = command.iter().find_map(|it| it.strip_prefix(flag)).unwrap();
        assert!(mounts(name).contains_key(file), "{name} has no {file}");
    }
    let rules = yaml("deploy/container/prometheus.yml");
    for file in texts(&rules["rule_files"]) {
        let file = format!("/etc/prometheus/{file}");
        assert_eq!(mounts("prometheus")[file.as_str()], "../prometheus/rules.yml");
    }
    let provisioned = "/etc/grafana/provisioning";
    assert!(
        mounts("grafana").keys().any(|to| to.starts_with(&format!("{provisioned}/datasources/")))
    );
    let provider = mounts("grafana")[format!("{provisioned}/dashboards/vchealth.yaml").as_str()];
    let provider = yaml(&format!("deploy/{}", provider.trim_start_matches("../")));
    for provider in provider["providers"].as_array().unwrap() {
        let path = provider["options"]["path"].as_str().unwrap();
        let from = mounts("grafana")[path].trim_start_matches("../").to_owned();
        let found = fs::read_dir(root().join("deploy").join(&from)).unwrap().count();
        assert!(found > 0, "no dashboard in deploy/{from}");
    }
    let containerfile = text("deploy/container/Containerfile");
    for volume in containerfile.lines().filter_map(|line| line.strip_prefix("VOLUME ")) {
        assert_eq!(mounts("vchealth")[volume], "vchealth");
    }
    let port = Service(&compose["services"]["vchealth"]).port().to_owned();
    assert!(containerfile.contains(&format!("\nEXPOSE {port}\n")));
}

#[test]
fn what_comes_with_the_package_and_the_containers_is_sound() {
    let sound = |dir: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_vchealth"))
            .args(["check-config", "--config"])
            .arg(root().join(dir))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{dir}:\n{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let begin = sound("config/start");
    assert!(begin.starts_with("sound: 1 site, 1 endpoint, 1 target, 0 sessions"), "{begin}");
    let sites = yaml("config/start/sites.yaml");
    assert_eq!(sites["sites"][0]["router"], "127.0.0.1", "it begins with nothing but this machine");
    let containers = sound("deploy/container/vchealth");
    assert!(containers.starts_with("sound: 1 site, 3 endpoints, 6 targets,"), "{containers}");
    let told = Command::new("amtool")
        .args(["check-config", "deploy/container/alertmanager.yml"])
        .current_dir(root())
        .output()
        .expect("amtool of the Debian package prometheus-alertmanager");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = Command::new("promtool")
        .args(["check", "config", "--syntax-only", "deploy/container/prometheus.yml"])
        .current_dir(root())
        .output()
        .expect("promtool of the Debian package prometheus");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

#[test]
fn operators_of_the_containers_are_named_by_taking_comments_away() {
    let place = crate::channels::Place::new("operators");
    for file in ["vchealth.yaml", "sites.yaml", "sessions.yaml"] {
        place.write(file, &text(&format!("deploy/container/vchealth/{file}")));
    }
    let told = text("deploy/container/vchealth/web-config.yml");
    let setting =
        |line: &str| ["basic_auth_users:", "  ha:", "roles:"].iter().any(|it| line.starts_with(it));
    let lines = told.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if setting(rest) => rest,
        _ => line,
    });
    let named = lines.collect::<Vec<_>>().join("\n");
    let hash = bcrypt::hash("ha", 4).unwrap();
    let named = named.replace("$2b$10$…", &format!("\"{hash}\""));
    assert!(named.contains(&hash), "{named}");
    place.write("web-config.yml", &named);
    let output = Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["check-config", "--config"])
        .arg(place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 user, 0 tokens; 1 may change things."), "{said}{output:?}");
    // Prometheus and the health check of the image go on without a log-in.
    let excluded = &yaml("deploy/container/vchealth/web-config.yml")["auth_excluded_paths"];
    assert_eq!(texts(excluded), ["/metrics", "/-/healthy", "/-/ready"]);
}

#[test]
fn the_package_has_the_version_of_the_program() {
    let changelog = text("deploy/debian/changelog");
    let version = changelog.split(['(', ')']).nth(1).unwrap();
    let (upstream, _revision) = version.rsplit_once('-').unwrap();
    assert_eq!(upstream, env!("CARGO_PKG_VERSION"));
}

#[test]
fn files_to_begin_with_are_written_once_and_never_over_what_is_there() {
    let place = crate::channels::Place::new("init");
    let kept = place.write("sites.yaml", "mine\n");
    let init = || {
        let output = Command::new(env!("CARGO_BIN_EXE_vchealth"))
            .args(["init", "--config"])
            .arg(place.path())
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let said = init();
    assert!(said.contains("wrote ") && said.contains("sites.yaml as it is"), "{said}");
    assert!(!init().contains("wrote "));
    assert_eq!(fs::read_to_string(kept).unwrap(), "mine\n");
    let written = fs::read_to_string(place.path().join("vchealth.yaml")).unwrap();
    assert_eq!(written, text("config/start/vchealth.yaml"));
}

#[test]
fn the_manual_is_set_without_a_warning() {
    let place = crate::channels::Place::new("manual");
    let made = Command::new(env!("CARGO_BIN_EXE_vchealth")).arg("man").arg(place.path()).status();
    assert!(made.unwrap().success());
    let mut pages = 0;
    let sections =
        ["man1", "man5"].map(|section| fs::read_dir(place.path().join(section)).unwrap());
    for page in sections.into_iter().flatten() {
        let page = page.unwrap().path();
        let output = Command::new("man")
            .args(["--warnings", "--encoding=UTF-8", "--local-file"])
            .arg(&page)
            .env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("man of the Debian package man-db");
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && complained.is_empty(),
            "{}: {complained}",
            page.display()
        );
        let set = String::from_utf8_lossy(&output.stdout);
        let wide = set.lines().filter(|line| line.chars().count() > 80);
        let wide: Vec<&str> = wide.collect();
        assert!(wide.is_empty(), "{}: wider than a terminal: {wide:#?}", page.display());
        for section in ["NAME", "DESCRIPTION", "SEE ALSO"] {
            assert!(
                set.lines().any(|line| line == section),
                "{} without {section}",
                page.display()
            );
        }
        pages += 1;
    }
    assert!(pages > 15, "{pages} pages");
}
