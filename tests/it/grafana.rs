//! The dashboards of Grafana, made from one source so that both languages agree.
//!
//! `deploy/grafana/dashboards.yaml` says what there is to see; this writes what Grafana reads. With
//! `BLESS=1` in the environment the files are written anew instead of compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

/// The data source as it is provisioned.
const SOURCE: &str = "vchealth";
const LANGUAGES: [&str; 2] = ["vi", "en"];

type Words = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    states: Vec<State>,
    variables: BTreeMap<String, Variable>,
    dashboards: Vec<Dashboard>,
}

/// A value that is shown as a word in a colour.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    #[serde(alias = "value")]
    code: u32,
    color: String,
    text: Words,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    title: Words,
    query: String,
    #[serde(default)]
    all: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dashboard {
    uid: String,
    title: Words,
    refresh: String,
    from: String,
    /// Whether incidents are marked in the charts.
    #[serde(default)]
    annotations: bool,
    variables: Vec<String>,
    /// Pages of the daemon that it leads to.
    #[serde(default)]
    opens: Vec<Page>,
    panels: Vec<Panel>,
}

/// A page of the daemon.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    title: Words,
    path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    title: Words,
    kind: Kind,
    at: [u32; 4],
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    steps: Vec<Threshold>,
    #[serde(default)]
    mappings: Vec<State>,
    /// Whether values are the states of sites.
    #[serde(default)]
    states: bool,
    /// One panel for each value of this variable.
    #[serde(default)]
    repeat: Option<String>,
    /// The dashboard that a value leads to.
    #[serde(default)]
    links: Option<String>,
    /// Columns of a table that are not shown.
    #[serde(default)]
    hide: Vec<String>,
    #[serde(default)]
    stack: bool,
    /// `name`: the legend is shown and not the value.
    #[serde(default)]
    text: Option<String>,
    queries: Vec<Query>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Stat,
    Tiles,
    Table,
    Timeseries,
    Timeline,
    Bars,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Threshold {
    #[serde(default)]
    from: Option<f64>,
    color: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    expr: String,
    #[serde(default)]
    legend: Option<Legend>,
    #[serde(default)]
    color: Option<String>,
    #[serde(default)]
    table: bool,
    #[serde(default)]
    instant: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Legend {
    Pattern(String),
    Text(Words),
}

/// A query of a panel.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The dashboard and the panel, for messages.
    pub(crate) place: String,
    /// As it is written, with its variables.
    pub(crate) expr: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana")
}

fn plan() -> Plan {
    let text = fs::read_to_string(folder().join("dashboards.yaml")).expect("the source");
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("dashboards.yaml: {error}"))
}

/// Every query of every panel.
pub(crate) fn queries() -> Vec<Asked> {
    let mut queries = Vec::new();
    for dashboard in plan().dashboards {
        for panel in dashboard.panels {
            for query in panel.queries {
                let place = format!("{}: {}", dashboard.uid, panel.title["en"]);
                queries.push(Asked { place, expr: query.expr });
            }
        }
    }
    queries
}

/// Every variable: its name, the label whose values it takes, and the metric it takes them from.
pub(crate) fn variables() -> Vec<(String, String, String)> {
    let variables = plan().variables.into_iter();
    variables
        .map(|(name, variable)| {
            let inner = variable.query.strip_prefix("label_values(").unwrap();
            let (selector, label) = inner.strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
            let metric = selector.split('{').next().unwrap();
            (name, label.to_owned(), metric.to_owned())
        })
        .collect()
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": SOURCE })
}

fn dashboard(plan: &Plan, dashboard: &Dashboard, language: &str) -> Value {
    let panels = dashboard.panels.iter().zip(1u32..);
    let mut variables: Vec<Value> = dashboard
        .variables
        .iter()
        .map(|name| variable(name, &plan.variables[name], language))
        .collect();
    let board = match language {
        "vi" => "Trang vchealth",
        _ => "vchealth board",
    };
    variables.push(json!({
        "name": "board", "label": board, "type": "textbox", "query": "http://127.0.0.1:9722",
        "current": { "text": "http://127.0.0.1:9722", "value": "http://127.0.0.1:9722" },
    }));
    let others = plan.dashboards.iter().filter(|other| other.uid != dashboard.uid);
    let mut links: Vec<Value> = others
        .map(|other| {
            json!({
                "title": other.title[language], "type": "link", "icon": "dashboard",
                "url": format!("/d/{}-{language}", other.uid), "keepTime": false,
                "includeVars": true, "targetBlank": false,
            })
        })
        .collect();
    links.push(json!({
        "title": board, "type": "link", "icon": "external link", "url": "$board",
        "targetBlank": true,
    }));
    links.extend(dashboard.opens.iter().map(|page| {
        json!({
            "title": page.title[language], "type": "link", "icon": "external link",
            "url": format!("$board{}?lang={language}", page.path), "targetBlank": true,
        })
    }));
    let mut annotations = Vec::new();
    if dashboard.annotations {
        annotations.push(json!({
            "name": if language == "vi" { "Sự cố" } else { "Incidents" },
            "enable": true, "datasource": source(), "iconColor": "#D55E00",
            "expr": "vchealth_incident_info{vantage=~\"$vantage\", site=\"$site\"}",
            "step": "30s", "titleFormat": "{{cause}}", "textFormat": "{{incident}}",
        }));
    }
    json!({
        "uid": format!("{}-{language}", dashboard.uid),
        "title": dashboard.title[language],
        "tags": ["vchealth", language],
        "schemaVersion": 39,
        "editable": true,
        "graphTooltip": 1,
        "refresh": dashboard.refresh,
        "time": { "from": dashboard.from, "to": "now" },
        "timezone": "browser",
        "links": links,
        "annotations": { "list": annotations },
        "templating": { "list": variables },
        "panels": panels.map(|(p, id)| panel(plan, p, id, language)).collect::<Vec<_>>(),
    })
}

fn variable(name: &str, variable: &Variable, language: &str) -> Value {
    let query = &variable.query;
    json!({
        "name": name, "label": variable.title[language], "type": "query",
        "datasource": source(), "query": { "query": query, "refId": name }, "definition": query,
        "refresh": 2, "sort": 1, "multi": variable.all, "includeAll": variable.all,
        "allValue": if variable.all { json!(".*") } else { Value::Null },
        "current": if variable.all { json!({ "text": "All", "value": "$__all" }) } else { json!({}) },
    })
}

fn panel(plan: &Plan, panel: &Panel, id: u32, language: &str) -> Value {
    let [x, y, w, h] = panel.at;
    let kind = match panel.kind {
        Kind::Stat | Kind::Tiles => "stat",
        Kind::Table => "table",
        Kind::Timeseries => "timeseries",
        Kind::Timeline => "state-timeline",
        Kind::Bars => "bargauge",
    };
    let letters = ('A'..='Z').map(String::from);
    let targets: Vec<Value> =
        panel.queries.iter().zip(letters).map(|(q, r)| target(panel, q, &r, language)).collect();
    let mut made = json!({
        "id": id,
        "title": panel.title[language],
        "type": kind,
        "datasource": source(),
        "gridPos": { "x": x, "y": y, "w": w, "h": h },
        "targets": targets,
        "fieldConfig": { "defaults": field(plan, panel, language), "overrides": overrides(panel, language) },
        "options": options(panel),
    });
    if let Some(variable) = &panel.repeat {
        made["repeat"] = json!(variable);
        made["repeatDirection"] = json!("v");
    }
    if matches!(panel.kind, Kind::Table) {
        let hidden: BTreeMap<&String, bool> = panel.hide.iter().map(|name| (name, true)).collect();
        made["transformations"] =
            json!([{ "id": "organize", "options": { "excludeByName": hidden } }]);
    }
    made
}

fn target(panel: &Panel, query: &Query, id: &str, language: &str) -> Value {
    let legend = match &query.legend {
        Some(Legend::Pattern(pattern)) => pattern.clone(),
        Some(Legend::Text(words)) => words[language].clone(),
        None => String::new(),
    };
    let now = query.instant || query.table || matches!(panel.kind, Kind::Stat | Kind::Tiles);
    json!({
        "refId": id, "datasource": source(), "expr": query.expr.trim_end(),
        "legendFormat": if legend.is_empty() { "__auto" } else { &legend },
        "instant": now, "range": !now,
        "format": if query.table { "table" } else { "time_series" },
    })
}

fn field(plan: &Plan, panel: &Panel, language: &str) -> Value {
    let mut field = json!({});
    if let Some(unit) = &panel.unit {
        field["unit"] = json!(unit);
    }
    let states = if panel.states { &plan.states } else { &panel.mappings };
    if !states.is_empty() {
        let options: BTreeMap<String, Value> = states
            .iter()
            .map(|state| {
                let shown = json!({ "text": state.text[language], "color": state.color });
                (state.code.to_string(), shown)
            })
            .collect();
        field["mappings"] = json!([{ "type": "value", "options": options }]);
    }
    let calm = [json!({ "value": null, "color": "#0072B2" })];
    let steps: Vec<Value> = if panel.steps.is_empty() {
        calm.to_vec()
    } else {
        panel.steps.iter().map(|step| json!({ "value": step.from, "color": step.color })).collect()
    };
    field["thresholds"] = json!({ "mode": "absolute", "steps": steps });
    field["color"] = match panel.kind {
        Kind::Timeseries => json!({ "mode": "palette-classic" }),
        _ => json!({ "mode": "thresholds" }),
    };
    if matches!(panel.kind, Kind::Timeseries) {
        let stacking = if panel.stack { "normal" } else { "none" };
        field["custom"] = json!({
            "lineWidth": 2, "fillOpacity": if panel.stack { 40 } else { 0 },
            "showPoints": "never", "spanNulls": false, "stacking": { "mode": stacking },
        });
    }
    if let Some(board) = &panel.links {
        field["links"] = json!([{
            "title": "${__field.displayName}",
            "url": format!("/d/vchealth-{board}-{language}?var-site=${{__field.labels.site}}"),
        }]);
    }
    field
}

/// Colours that a query names.
fn overrides(panel: &Panel, language: &str) -> Value {
    let fixed = panel.queries.iter().filter_map(|query| {
        let (Some(color), Some(Legend::Text(words))) = (&query.color, &query.legend) else {
            return None;
        };
        Some(json!({
            "matcher": { "id": "byName", "options": words[language] },
            "properties": [{ "id": "color", "value": { "mode": "fixed", "fixedColor": color } }],
        }))
    });
    fixed.collect::<Vec<_>>().into()
}

fn options(panel: &Panel) -> Value {
    let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
    match panel.kind {
        Kind::Stat => json!({
            "reduceOptions": last, "colorMode": "value", "graphMode": "none",
            "textMode": panel.text.as_deref().unwrap_or("auto"), "justifyMode": "center",
        }),
        Kind::Tiles => json!({
            "reduceOptions": last, "colorMode": "background", "graphMode": "none",
            "textMode": "value_and_name", "justifyMode": "center", "wideLayout": true,
        }),
        Kind::Table => json!({ "showHeader": true, "cellHeight": "md" }),
        Kind::Timeseries => json!({
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        }),
        Kind::Timeline => json!({
            "showValue": "never", "mergeValues": true, "rowHeight": 0.9,
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
        }),
        Kind::Bars => json!({
            "reduceOptions": last, "orientation": "horizontal", "displayMode": "basic",
            "showUnfilled": true, "valueMode": "text",
        }),
    }
}

#[test]
fn the_dashboards_are_what_their_source_says_in_both_languages() {
    let plan = plan();
    let mut wanted = BTreeSet::new();
    for (language, board) in
        LANGUAGES.iter().flat_map(|language| plan.dashboards.iter().map(move |b| (*language, b)))
    {
        let name = board.uid.trim_start_matches("vchealth-");
        let path = folder().join(language).join(format!("{name}.json"));
        let mut text = serde_json::to_string_pretty(&dashboard(&plan, board, language)).unwrap();
        text.push('\n');
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{} is old: `BLESS=1 cargo test --test it grafana`", path.display());
        wanted.insert(path);
    }
    for language in LANGUAGES {
        for entry in fs::read_dir(folder().join(language)).unwrap() {
            let path = entry.unwrap().path();
            assert!(wanted.contains(&path), "{} has no source", path.display());
        }
    }
}

#[test]
fn panels_do_not_overlap_and_stay_within_the_grid() {
    for board in plan().dashboards {
        let mut taken = BTreeSet::new();
        for panel in board.panels {
            let [x, y, w, h] = panel.at;
            let title = &panel.title["en"];
            assert!(x + w <= 24 && w > 0 && h > 0, "{title} leaves the grid");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{}: {title} lies on another panel", board.uid);
            }
        }
    }
}

#[test]
fn everything_that_people_read_stands_in_both_languages() {
    let plan = plan();
    let words = |words: &Words, place: &str| {
        for language in LANGUAGES {
            let text = words.get(language).unwrap_or_else(|| panic!("{place} has no {language}"));
            assert!(!text.trim().is_empty(), "{place} is empty in {language}");
        }
    };
    for state in &plan.states {
        words(&state.text, "a state");
    }
    for (name, variable) in &plan.variables {
        words(&variable.title, name);
    }
    for board in &plan.dashboards {
        words(&board.title, &board.uid);
        for panel in &board.panels {
            words(&panel.title, &board.uid);
            for query in &panel.queries {
                if let Some(Legend::Text(text)) = &query.legend {
                    words(text, &query.expr);
                }
            }
        }
    }
}
