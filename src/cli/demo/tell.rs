//! What a demo says while it runs: for people, or one JSON object a line for scripts.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::scenario::{Act, Judgement, Scenario};
use crate::lab::{Posted, PostedAlert};
use crate::model::{Health, Mono, Snapshot, Topology};

/// Says what happens, each thing once.
pub(super) struct Teller {
    json: bool,
    topology: Arc<Topology>,
    began: Mono,
    posts_told: usize,
    counts: Option<[usize; 4]>,
}

impl Teller {
    pub(super) fn new(json: bool, topology: Arc<Topology>) -> Self {
        Self { json, topology, began: Mono::ZERO, posts_told: 0, counts: None }
    }

    /// Before anything runs: what is emulated and where to look.
    pub(super) fn welcome(&self, scenario: &Scenario, board: &TcpListener, ports: usize) {
        let address = board.local_addr().map_or_else(|_| String::new(), |a| a.to_string());
        if self.json {
            line(&json!({"event": "start", "scenario": scenario.name, "listen": address}));
            return;
        }
        let (sites, endpoints) = (self.topology.sites.len(), self.topology.endpoints.len());
        let targets = self.topology.targets.len();
        println!("An emulated province: {sites} sites, {endpoints} devices, {ports} open ports.");
        println!("The daemon watches it with {targets} targets.\n");
        println!("  board      http://{address}/");
        println!("  metrics    http://{address}/metrics");
        println!("  a metric   curl -s http://{address}/metrics | grep 'health=\"down\"}} 1'\n");
        println!("{}: {}", scenario.name, scenario.description.trim());
        println!("Ctrl-C ends it.\n");
    }

    /// The script begins at `now`.
    pub(super) const fn begin(&mut self, now: Mono) {
        self.began = now;
    }

    /// The script begins again.
    pub(super) fn again(&self) {
        if !self.json {
            println!("\nThe script is over and begins again.\n");
        }
    }

    /// Something goes wrong or well again.
    pub(super) fn step(&self, at: Duration, act: &Act) {
        let words = act.words(&self.topology);
        if self.json {
            line(&json!({"event": "step", "at": at.as_secs_f64(), "what": words}));
        } else {
            println!("{} fault    {words}", stamp(at));
        }
    }

    /// The messages that have come since the last call.
    pub(super) fn messages(&mut self, posts: &[Posted]) {
        for posted in &posts[self.posts_told..] {
            let at = posted.at.mono - self.began;
            for alert in posted.post.iter().flat_map(|post| &post.alerts) {
                self.message(at, alert);
            }
        }
        self.posts_told = posts.len();
    }

    fn message(&self, at: Duration, alert: &PostedAlert) {
        let PostedAlert { status, labels, annotations, .. } = alert;
        if self.json {
            line(&json!({
                "event": "message", "at": at.as_secs_f64(), "status": status,
                "labels": labels, "annotations": annotations,
            }));
            return;
        }
        let said = |name: &str| annotations.get(name).map_or("", String::as_str);
        println!("{} MESSAGE  {}", stamp(at), said("summary"));
        for part in ["description", "action", "contact"] {
            for text in said(part).lines().filter(|text| !text.trim().is_empty()) {
                println!("                 {text}");
            }
        }
    }

    /// The state, if the number of sites in some health has changed.
    pub(super) fn state(&mut self, snapshot: &Snapshot) {
        let count = |health| snapshot.sites.iter().filter(|s| s.standing.hard == health).count();
        let counts = Health::ALL.map(count);
        if self.counts.replace(counts) == Some(counts) {
            return;
        }
        let at = snapshot.taken.mono - self.began;
        if self.json {
            let by: BTreeMap<&str, usize> =
                Health::ALL.iter().map(|h| h.word()).zip(counts).collect();
            line(&json!({"event": "state", "at": at.as_secs_f64(), "sites": by}));
            return;
        }
        let words: Vec<String> = Health::ALL
            .iter()
            .zip(counts)
            .filter(|(_, n)| *n > 0)
            .map(|(health, n)| format!("{n} {}", health.word()))
            .collect();
        println!("{} sites    {}", stamp(at), words.join(", "));
    }

    /// How it went.
    pub(super) fn end(&self, judgement: Option<&Judgement>) {
        let Some(judgement) = judgement else { return };
        if !self.json {
            print!("\n{judgement}");
            return;
        }
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let rows: Vec<Value> = judgement
            .rows
            .iter()
            .map(|row| {
                json!({
                    "what": row.what, "told_after": seconds(row.told_after),
                    "resolved_after": seconds(row.resolved_after), "messages": row.messages,
                    "complaints": row.complaints,
                })
            })
            .collect();
        line(&json!({
            "event": "end", "holds": judgement.holds(), "messages": judgement.messages,
            "rows": rows, "complaints": judgement.complaints,
        }));
    }
}

fn line(value: &Value) {
    println!("{value}");
}

/// Minutes and seconds since the script began.
fn stamp(at: Duration) -> String {
    let tenths = at.as_millis() / 100;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}
