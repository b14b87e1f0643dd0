//! `vchealth demo`: a whole province on this machine, the daemon that watches it, and what goes
//! wrong meanwhile.
//!
//! The same command plays any scenario file and says whether people were told what it expects;
//! the end-to-end tests are that.

mod stage;
mod tell;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout};

use self::stage::Stage;
use self::tell::Teller;
use super::args::Demo;
use super::{Exit, Failed, runtime};
use crate::clock::Clock;
use crate::daemon::{Daemon, DaemonError};
use crate::lab::scenario::{Act, Heard, Problems, Scenario, Script};
use crate::lab::{self, Lab, LabError, Receiver};
use crate::model::{Ack, Maintenance, SessionId, Silence, SilenceId, SiteId, SiteIx, Snapshot};
use crate::monitor::Input;
use crate::web::ControlError;

/// Longest that the first sweep may take before the script begins all the same.
const FIRST_SWEEP: Duration = Duration::from_secs(10);
/// Time after the last step in which messages may still come, unless the scenario gives more.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Runs the demo.
pub(super) fn run(demo: &Demo) -> Result<Exit, Failed> {
    let clock = Clock::start();
    let base = stage::base(demo.dir.as_deref())?;
    let mut scenario = match &demo.scenario {
        Some(path) => read_scenario(path)?,
        None => Scenario::demo_in(&base.topology)?,
    };
    if let Some(times) = demo.patience {
        scenario.expect.iter_mut().for_each(|expected| expected.be_patient(times));
    }
    // What the user's browser is to reach stays on the host: it is bound before we leave it.
    let board = TcpListener::bind(demo.listen).map_err(|source| {
        let doing =
            format!("cannot listen on {}; choose another address with --listen", demo.listen);
        Failed::Other(doing, Box::new(source))
    })?;
    let entered = lab::enter(&lab::Options::default()).map_err(cannot_emulate)?;
    let (config, script) = scenario.stage(&base, clock.now().wall)?;
    let stage = Stage::new(config, clock);
    let topology = Arc::clone(stage.topology());
    let lab = entered.start(topology, scenario.nature, clock).map_err(cannot_emulate)?;
    let play = Play { stage, scenario, script, lab, board, clock };
    runtime()?.block_on(play.run(demo))
}

fn cannot_emulate(error: LabError) -> Failed {
    Failed::Other("cannot emulate a province on this machine".to_owned(), Box::new(error))
}

fn cannot_tell(error: ControlError) -> Failed {
    Failed::Other("cannot tell the daemon".to_owned(), error.into())
}

fn read_scenario(path: &Path) -> Result<Scenario, Failed> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failed::Other(format!("cannot read {}", path.display()), error.into()))?;
    Ok(Scenario::parse(&path.display().to_string(), &text)?)
}

impl From<Problems> for Failed {
    fn from(problems: Problems) -> Self {
        Self::Usage(problems.to_string())
    }
}

/// Everything that takes part.
struct Play {
    stage: Stage,
    scenario: Scenario,
    script: Script,
    lab: Lab,
    board: TcpListener,
    clock: Clock,
}

impl Play {
    async fn run(self, demo: &Demo) -> Result<Exit, Failed> {
        let system = DaemonError::System;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
        let receiver = Receiver::start(self.clock).map_err(system)?;
        let mut teller = Teller::new(demo.json, self.stage.topology().clone());
        teller.welcome(&self.scenario, &self.board, self.lab.ports());

        let mut daemon = Watcher::Awake(self.open(&receiver)?);
        if let Watcher::Awake(daemon) = &daemon {
            // A machine too slow for that shows the script all the same.
            let _ = timeout(FIRST_SWEEP, first_sweep(daemon)).await;
        }
        if demo.scenario.is_none() {
            self.look_ahead(&daemon).await?;
        }
        let began = Instant::now();
        let start = self.clock.now();
        teller.begin(start.mono);
        let endless = demo.scenario.is_none() && demo.lasting.is_none();
        let end = began + demo.lasting.unwrap_or(self.script.lasts + AFTERMATH);
        let mut steps = self.script.steps.iter();
        let mut next = steps.next();
        let mut round = began;
        let mut complete = false;
        let mut noticed = BTreeMap::new();
        loop {
            teller.messages(&receiver.posts());
            match &daemon {
                Watcher::Awake(daemon) => {
                    let snapshot = daemon.snapshot();
                    teller.state(&snapshot);
                    let incidents = snapshot.incidents.iter();
                    noticed.extend(incidents.map(|it| (it.id.clone(), Arc::clone(it))));
                }
                Watcher::Away { until } if Instant::now() >= *until => {
                    daemon = Watcher::Awake(self.open(&receiver)?);
                }
                Watcher::Away { .. } => {}
            }
            let step_at = next.map(|step| round + step.at);
            let look = Instant::now() + Duration::from_millis(100);
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                () = sleep_until(end), if !endless => {
                    complete = end >= began + self.script.lasts;
                    break;
                }
                () = sleep_until(look.min(step_at.unwrap_or(look))) => {}
            }
            if let Some(step) = next.filter(|_| step_at.is_some_and(|at| Instant::now() >= at)) {
                teller.step(self.clock.mono() - start.mono, &step.act);
                self.lab.apply(&step.act);
                daemon = self.act(&step.act, daemon).await?;
                next = steps.next();
            } else if next.is_none() && endless && Instant::now() >= round + self.script.lasts {
                round = Instant::now();
                steps = self.script.steps.iter();
                next = steps.next();
                teller.again();
            }
        }
        teller.messages(&receiver.posts());
        if let Watcher::Awake(daemon) = daemon {
            daemon.stop().await;
        }
        teller.messages(&receiver.posts());
        let heard: Vec<Heard> = receiver
            .posts()
            .iter()
            .filter_map(|posted| Some((posted.at.mono - start.mono, posted.post.as_ref()?)))
            .flat_map(|(at, post)| Heard::from_post(at, post))
            .collect();
        self.lab.shutdown();
        // A run that was cut short, or went round and round, cannot be judged by the script.
        let judgement = complete.then(|| {
            let mut judgement = self.scenario.judge(&heard);
            let noticed = noticed.values().map(AsRef::as_ref);
            judgement.complaints.extend(self.scenario.overlooked(noticed));
            judgement
        });
        teller.end(judgement.as_ref());
        let met = judgement.is_none_or(|judgement| judgement.holds());
        Ok(if met { Exit::Well } else { Exit::Failed })
    }

    fn open(&self, receiver: &Receiver) -> Result<Daemon, Failed> {
        let listener = self.board.try_clone().map_err(DaemonError::System)?;
        Ok(Daemon::start(self.stage.options(receiver.url(), listener))?)
    }

    /// Has it looked whether everybody is ready, as somebody at the board would, so that its
    /// checklist has something to show. Whoever asks themselves is sent no message.
    async fn look_ahead(&self, watcher: &Watcher) -> Result<(), Failed> {
        let Watcher::Awake(daemon) = watcher else { return Ok(()) };
        for session in &self.scenario.sessions {
            let told = daemon.tell(Input::LookAhead(SessionId::new(session.id.as_str()))).await;
            told.map_err(cannot_tell)?;
        }
        Ok(())
    }

    /// Carries out what concerns the daemon; the province has taken the step already.
    async fn act(&self, act: &Act, watcher: Watcher) -> Result<Watcher, Failed> {
        let daemon = match (act, watcher) {
            (Act::Restart { away, .. }, Watcher::Awake(daemon)) => {
                let until = Instant::now() + *away;
                daemon.stop().await;
                return Ok(Watcher::Away { until });
            }
            (Act::Reload { without }, watcher) => {
                self.stage.leave_out(without);
                if let Watcher::Awake(daemon) = &watcher {
                    let reloaded = daemon.reload().await;
                    reloaded
                        .map_err(|error| Failed::Other("cannot reload".to_owned(), error.into()))?;
                }
                return Ok(watcher);
            }
            (_, Watcher::Awake(daemon)) => daemon,
            (_, away @ Watcher::Away { .. }) => return Ok(away),
        };
        for input in self.inputs(act, &daemon.snapshot())? {
            daemon.tell(input).await.map_err(cannot_tell)?;
        }
        Ok(Watcher::Awake(daemon))
    }

    /// What somebody at the board would tell the daemon.
    fn inputs(&self, act: &Act, snapshot: &Snapshot) -> Result<Vec<Input>, Failed> {
        let from = self.clock.now().wall;
        let until = |lasts: &Duration| from.checked_add(*lasts).unwrap_or(from);
        let (by, reason) = ("scenario".to_owned(), self.scenario.name.clone());
        let ids = |sites: &[SiteIx]| -> Vec<SiteId> {
            let topology = self.stage.topology();
            sites.iter().map(|site| topology.site(*site).id.clone()).collect()
        };
        let name = |what: &str| SilenceId::new(format!("{what}-{}", from.as_millisecond()));
        Ok(match act {
            Act::Place { .. } | Act::Lift { .. } | Act::Restart { .. } | Act::Reload { .. } => {
                Vec::new()
            }
            Act::Ack { sites, by, lasts } => {
                let sites = ids(sites);
                let open = snapshot.incidents.iter().filter(|incident| {
                    incident.is_open() && incident.affected_now().any(|site| sites.contains(site))
                });
                let until = lasts.and_then(|lasts| from.checked_add(lasts).ok());
                let ack = Ack { by: by.clone(), at: from, note: String::new(), until };
                open.map(|i| Input::Ack { incident: i.id.clone(), ack: ack.clone() }).collect()
            }
            Act::Silence { sites, lasts } => {
                let silences = ids(sites).into_iter().map(|site| Silence {
                    id: name(site.as_str()),
                    site: Some(site),
                    from,
                    until: until(lasts),
                    by: by.clone(),
                    reason: reason.clone(),
                });
                silences.map(Input::Silence).collect()
            }
            Act::Maintenance { sites, lasts } => vec![Input::Maintenance(Maintenance {
                id: name("work"),
                sites: ids(sites),
                from,
                until: until(lasts),
                by,
                reason,
            })],
            Act::ClockStep(_) => {
                let file = &self.scenario.file;
                let why = "the clock of this machine is not a demo's to set: write `real: false`";
                return Err(Failed::Usage(format!("{file}: {why}")));
            }
        })
    }
}

/// The daemon, which a scenario may send away for a while.
enum Watcher {
    Awake(Daemon),
    Away { until: Instant },
}

/// Waits until every target was probed once.
async fn first_sweep(daemon: &Daemon) {
    let mut published = daemon.published();
    while daemon.snapshot().targets.iter().any(|target| target.last.is_none()) {
        if published.changed().await.is_err() {
            return;
        }
    }
}
