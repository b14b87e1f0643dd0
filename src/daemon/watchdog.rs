//! Gives the sign of life to a watchdog elsewhere, as long as this monitor watches.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::face::Face;
use crate::config::HeartbeatSettings;
use crate::model::{Mono, chain};
use crate::notify::{self, Beats, Beep, Signs, expected};
use crate::web::Daemon as _;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until told to stop. A reload may change where the sign is given, and how often.
pub(super) async fn run(face: Arc<Face>, stop: CancellationToken) {
    let mut set: Option<(HeartbeatSettings, Beats, Beep)> = None;
    let mut held: Option<&'static str> = None;
    let mut blind: Option<Mono> = None;
    loop {
        let settings = face.settings.load().heartbeat.clone();
        let now = face.clock.mono();
        blind = face.snapshot().monitor.blind.then(|| blind.unwrap_or(now));
        if settings.as_ref() != set.as_ref().map(|(known, ..)| known) {
            set = settings.and_then(|settings| {
                let beats = Beats::new(settings.every, now);
                match Beep::new(&settings.url, face.clock) {
                    Ok(beep) => Some((settings, beats, beep)),
                    Err(wrong) => {
                        error!("no heartbeat: {}", chain(&wrong));
                        None
                    }
                }
            });
            face.figures.heartbeat_held(false);
        }
        if let Some((_, beats, beep)) = &mut set {
            let wrong = signs(&face, blind, now).wrong(now);
            if wrong != held {
                match wrong {
                    Some(why) => error!("the heartbeat is held back: {why}"),
                    None => info!("the heartbeat goes on"),
                }
                held = wrong;
            }
            face.figures.heartbeat_held(held.is_some());
            if held.is_none() && beats.is_due(now) {
                let result = beep.give().await;
                beats.given(result.is_ok(), face.clock.mono());
                face.figures.heartbeat_given(result.is_ok(), face.clock.now().wall);
                if let Err(wrong) = result {
                    warn!("the watchdog did not get the heartbeat: {wrong}");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What tells whether this monitor watches.
fn signs(face: &Face, blind: Option<Mono>, now: Mono) -> Signs {
    let store = face.store();
    let since = store.since.filter(|_| store.trouble.is_some());
    Signs {
        turned: face.heartbeat.last(),
        learned: face.heartbeat.learned(),
        every: expected(&face.snapshot().topology),
        blind: blind.map(|since| now - since),
        unwritten: since.map(|since| now - since.mono),
        untold: notify::trouble(&face.courier.statuses(), now).is_some(),
    }
}
