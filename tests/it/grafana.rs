//! The dashboards of Grafana, made from one source so that both languages agree.
//!
//! `deploy/grafana/dashboards.yaml` says what there is to see; this writes what Grafana reads. With
//! `BLESS=1` in the environment the files are written anew instead of compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use vchealth::model::{Cause, FindingKind, Severity, Verdict};

use crate::web::House;
use crate::{province, report};

/// The data source as it is provisioned.
const SOURCE: &str = "vchealth";
const LANGUAGES: [&str; 2] = ["vi", "en"];

/// The colours of Okabe and Ito, and the grey of what is not known.
const PALETTE: [&str; 8] =
    ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C8C8C"];

type Words = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    states: Vec<State>,
    /// What values of labels are called, by groups.
    words: BTreeMap<String, BTreeMap<String, Word>>,
    variables: BTreeMap<String, Variable>,
    dashboards: Vec<Dashboard>,
}

/// What a value of a label is called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    vi: String,
    en: String,
    #[serde(default)]
    color: Option<String>,
}

impl Word {
    fn text(&self, language: &str) -> &str {
        if language == "vi" { &self.vi } else { &self.en }
    }
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
    /// `label_values(…)`, or a query of which `text` and `value` are labels.
    query: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    value: Option<String>,
    /// Whether the values stand as the query has them.
    #[serde(default)]
    ordered: bool,
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
    /// Whether states are shown by their signs alone.
    #[serde(default)]
    signs: bool,
    /// The group of words by which series are called.
    #[serde(default)]
    words: Option<String>,
    /// One panel for each value of this variable, so many in a row.
    #[serde(default)]
    repeat: Option<String>,
    #[serde(default)]
    across: Option<u32>,
    /// The dashboard that a value leads to.
    #[serde(default)]
    links: Option<String>,
    /// Columns of a table; others are not shown. With several queries, rows of the same labels
    /// become one.
    #[serde(default)]
    columns: Vec<Column>,
    /// The column by which a table is sorted, the largest first.
    #[serde(default)]
    sort: Option<String>,
    #[serde(default)]
    stack: bool,
    /// `name`: the legend is shown and not the value; `value_and_name`: both.
    #[serde(default)]
    text: Option<String>,
    queries: Vec<Query>,
}

/// A column of a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    /// A label, or `Value #A` for that of the first query of several.
    field: String,
    title: Words,
    #[serde(default)]
    unit: Option<String>,
    /// The group of words by which its values are called.
    #[serde(default)]
    words: Option<String>,
    /// Whether they have the colours of those words.
    #[serde(default)]
    coloured: bool,
    /// The dashboard that a value leads to.
    #[serde(default)]
    link: Option<String>,
    /// In pixels.
    #[serde(default)]
    width: Option<u32>,
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

/// Every variable: its name, its query, and the labels of what it finds.
pub(crate) fn variables() -> Vec<(String, String, Vec<String>)> {
    let variables = plan().variables.into_iter();
    variables
        .map(|(name, variable)| {
            let (query, labels) = match (&variable.text, &variable.value) {
                (Some(text), Some(value)) => (variable.query, vec![text.clone(), value.clone()]),
                _ => {
                    let inner = variable.query.strip_prefix("label_values(").unwrap();
                    let inner = inner.strip_suffix(')').unwrap();
                    let (selector, label) = inner.rsplit_once(", ").unwrap();
                    (selector.to_owned(), vec![label.to_owned()])
                }
            };
            (name, query, labels)
        })
        .collect()
}

/// A text for a dashboard in this language.
fn said(text: &str, language: &str) -> String {
    text.replace("{lang}", language)
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
            "step": "30s", "titleFormat": "{{cause}} {{endpoint}}", "textFormat": "{{incident}}",
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
    let mut query = said(&variable.query, language);
    let mut regex = String::new();
    if let (Some(text), Some(value)) = (&variable.text, &variable.value) {
        query = format!("query_result({query})");
        regex = format!("/{text}=\"(?<text>[^\"]+)|{value}=\"(?<value>[^\"]+)/g");
        regex = said(&regex, language);
    }
    let all = if language == "vi" { "Tất cả" } else { "All" };
    json!({
        "name": name, "label": variable.title[language], "type": "query",
        "datasource": source(), "query": { "query": query, "refId": name }, "definition": query,
        "regex": regex, "refresh": 2, "sort": if variable.ordered { 0 } else { 1 },
        "multi": variable.all, "includeAll": variable.all,
        "allValue": if variable.all { json!(".*") } else { Value::Null },
        "current": if variable.all { json!({ "text": all, "value": "$__all" }) } else { json!({}) },
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
        "fieldConfig": { "defaults": field(plan, panel, language), "overrides": overrides(plan, panel, language) },
        "options": options(panel),
    });
    if let (Some(variable), Some(across)) = (&panel.repeat, panel.across) {
        made["repeat"] = json!(variable);
        made["repeatDirection"] = json!("h");
        made["maxPerRow"] = json!(across);
    }
    if !panel.columns.is_empty() {
        made["transformations"] = transformations(panel, language);
    }
    made
}

/// From the answers to all queries to the columns that people see.
fn transformations(panel: &Panel, language: &str) -> Value {
    let columns = || panel.columns.iter();
    let fields: Vec<&String> = columns().map(|column| &column.field).collect();
    let order: BTreeMap<&String, usize> = fields.iter().copied().zip(0..).collect();
    let names: BTreeMap<&String, &String> =
        columns().map(|column| (&column.field, &column.title[language])).collect();
    let mut steps = vec![
        json!({ "id": "merge", "options": {} }),
        json!({ "id": "filterFieldsByName", "options": { "include": { "names": fields } } }),
        json!({ "id": "organize", "options": { "indexByName": order, "renameByName": names } }),
    ];
    if let Some(field) = &panel.sort {
        let sort = json!([{ "field": names[field], "desc": true }]);
        steps.push(json!({ "id": "sortBy", "options": { "fields": {}, "sort": sort } }));
    }
    steps.into()
}

fn target(panel: &Panel, query: &Query, id: &str, language: &str) -> Value {
    let legend = match &query.legend {
        Some(Legend::Pattern(pattern)) => said(pattern, language),
        Some(Legend::Text(words)) => words[language].clone(),
        None => String::new(),
    };
    let table = matches!(panel.kind, Kind::Table);
    let now = query.instant || table || matches!(panel.kind, Kind::Stat | Kind::Tiles);
    json!({
        "refId": id, "datasource": source(), "expr": said(query.expr.trim_end(), language),
        "legendFormat": if legend.is_empty() { "__auto" } else { &legend },
        "instant": now, "range": !now,
        "format": if table { "table" } else { "time_series" },
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
                let text = &state.text[language];
                let sign = text.split(' ').next().expect("a sign");
                let text = if panel.signs { sign } else { text };
                let shown = json!({ "text": text, "color": state.color });
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
        Kind::Timeseries => json!({ "mode": "shades", "fixedColor": PALETTE[0] }),
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
            "url": format!(
                "/d/vchealth-{board}-{language}?var-site=${{__field.labels.site}}&${{vantage:queryparam}}"
            ),
        }]);
    }
    field
}

/// Colours of queries, what series are called, and how columns look.
fn overrides(plan: &Plan, panel: &Panel, language: &str) -> Value {
    let by_name = |name: &str, properties: Value| json!({ "matcher": { "id": "byName", "options": name }, "properties": properties });
    let mut overrides = Vec::new();
    if matches!(panel.kind, Kind::Timeseries) {
        for ((query, color), id) in panel.queries.iter().zip(PALETTE.iter().cycle()).zip('A'..) {
            let color = match &query.color {
                Some(color) => json!({ "mode": "fixed", "fixedColor": color }),
                None => json!({ "mode": "shades", "fixedColor": color }),
            };
            overrides.push(json!({
                "matcher": { "id": "byFrameRefID", "options": id.to_string() },
                "properties": [{ "id": "color", "value": color }],
            }));
        }
    }
    for (value, word) in panel.words.iter().flat_map(|group| &plan.words[group]) {
        let mut properties = vec![json!({ "id": "displayName", "value": word.text(language) })];
        if let Some(color) = &word.color {
            let color = json!({ "mode": "fixed", "fixedColor": color });
            properties.push(json!({ "id": "color", "value": color }));
        }
        overrides.push(by_name(value, properties.into()));
    }
    for column in &panel.columns {
        let mut properties = Vec::new();
        if let Some(unit) = &column.unit {
            properties.push(json!({ "id": "unit", "value": unit }));
        }
        if let Some(width) = column.width {
            properties.push(json!({ "id": "custom.width", "value": width }));
        }
        if let Some(group) = &column.words {
            let words: BTreeMap<&String, Value> = plan.words[group]
                .iter()
                .map(|(value, word)| {
                    (value, json!({ "text": word.text(language), "color": word.color }))
                })
                .collect();
            let mappings = json!([{ "type": "value", "options": words }]);
            properties.push(json!({ "id": "mappings", "value": mappings }));
            if column.coloured {
                let options = json!({ "type": "color-text" });
                properties.push(json!({ "id": "custom.cellOptions", "value": options }));
            }
        }
        if let Some(board) = &column.link {
            let url = format!(
                "/d/vchealth-{board}-{language}?var-site=${{__value.raw}}&${{vantage:queryparam}}"
            );
            let links = json!([{ "title": "${__value.raw}", "url": url }]);
            properties.push(json!({ "id": "links", "value": links }));
        }
        if !properties.is_empty() {
            overrides.push(by_name(&column.title[language], properties.into()));
        }
    }
    overrides.into()
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
            // Left to itself, every tile takes a size of its own.
            "text": { "titleSize": 13, "valueSize": 14 },
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

/// Every colour that is written anywhere in a text.
fn colours(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices("\"#").map(|(at, _)| &text[at + 1..]);
    starts.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn colours_are_those_that_the_colour_blind_can_tell_apart_and_states_have_signs_besides() {
    for (language, board) in
        LANGUAGES.iter().flat_map(|it| plan().dashboards.into_iter().map(move |b| (it, b)))
    {
        let text = dashboard(&plan(), &board, language).to_string();
        for colour in colours(&text) {
            assert!(PALETTE.contains(&colour), "{}: {colour}", board.uid);
        }
        assert!(!text.contains("palette-classic"), "Grafana's own colours are red and green");
    }
    let plan = plan();
    let mappings = plan.dashboards.iter().flat_map(|it| &it.panels).flat_map(|it| &it.mappings);
    for language in LANGUAGES {
        let texts = plan.states.iter().chain(mappings.clone()).map(|it| &it.text[language]);
        for text in texts {
            let sign = text.split(' ').next().unwrap();
            assert!(["✓", "?", "▲", "✕"].contains(&sign), "{text} has no sign");
        }
    }
}

#[test]
fn every_word_that_metrics_have_for_causes_and_verdicts_is_translated() {
    let plan = plan();
    let known = |group: &str| plan.words[group].keys().map(String::as_str).collect::<BTreeSet<_>>();
    assert_eq!(known("cause"), Cause::ALL.iter().map(|it| it.word()).collect());
    assert_eq!(known("severity"), Severity::ALL.iter().map(|it| it.word()).collect());
    assert_eq!(known("verdict"), Verdict::ALL.iter().map(|it| it.word()).collect());
    assert_eq!(known("finding"), FindingKind::ALL.iter().map(|it| it.word()).collect());
}

#[tokio::test]
async fn links_lead_to_dashboards_and_pages_that_there_are() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let plan = plan();
    for board in &plan.dashboards {
        for page in &board.opens {
            let session = match page.path.ends_with("/report") {
                true => report::small().id.to_string(),
                false => "2023-11-24-ubnd".to_owned(),
            };
            let path = page.path.replace("$site", "nam-mau").replace("$session", &session);
            assert!(!path.contains('$'), "{path}");
            let answer = house.get(&format!("{path}?lang=en")).await;
            assert_eq!(answer.status, 200, "{path}");
        }
        let panels = board.panels.iter();
        let links = panels.flat_map(|it| it.columns.iter().map(|it| &it.link).chain([&it.links]));
        for link in links.flatten() {
            let uid = format!("vchealth-{link}");
            assert!(plan.dashboards.iter().any(|it| it.uid == uid), "{uid}");
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
        for page in &board.opens {
            words(&page.title, &page.path);
        }
        for panel in &board.panels {
            words(&panel.title, &board.uid);
            for column in &panel.columns {
                words(&column.title, &column.field);
            }
            for query in &panel.queries {
                if let Some(Legend::Text(text)) = &query.legend {
                    words(text, &query.expr);
                }
            }
        }
    }
}

#[tokio::test]
async fn whatever_the_dashboards_open_is_a_page_that_exists() {
    fn urls(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(url) = fields.get("url").and_then(Value::as_str) {
                    found.insert(url.to_owned());
                }
                fields.values().for_each(|value| urls(value, found));
            }
            Value::Array(all) => all.iter().for_each(|value| urls(value, found)),
            _ => {}
        }
    }
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let (mut dashboards, mut opened) = (BTreeSet::new(), BTreeSet::new());
    let mut found = BTreeSet::new();
    for language in LANGUAGES {
        for file in fs::read_dir(folder().join(language)).expect("dashboards") {
            let text = fs::read_to_string(file.expect("a file").path()).expect("it reads");
            let dashboard: Value = serde_json::from_str(&text).expect("JSON");
            dashboards.insert(dashboard["uid"].as_str().expect("an id").to_owned());
            urls(&dashboard, &mut found);
        }
    }
    for url in &found {
        if let Some(other) = url.strip_prefix("/d/") {
            let uid = other.split('?').next().unwrap_or_default();
            assert!(dashboards.contains(uid), "{url}");
            continue;
        }
        let path = url.strip_prefix("$board").unwrap_or_else(|| panic!("{url} leads elsewhere"));
        // One session is written up, another is near.
        let report = report::small().id;
        let session = if path.contains("/report") { report.as_str() } else { "2023-11-24-ubnd" };
        let path = path.replace("$session", session).replace("$site", "nam-mau");
        assert!(!path.contains('$'), "{url}");
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let reply = house.get(&path).await;
        assert_eq!(reply.status, 200, "{url}");
        let page = reply.text();
        let language = if path.contains("lang=en") { "en" } else { "vi" };
        assert!(page.contains(&format!("<html lang=\"{language}\"")), "{url}");
        opened.insert(path);
    }
    assert!(opened.len() >= 7, "{opened:?}");
}
