//! Gives the sign of life to a watchdog elsewhere, as long as this monitor watches.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::face::Face;
use crate::config::HeartbeatSettings;
use crate::model::Mono;
use crate::notify::{self, Beats, Beep, Signs, expected};
use crate::web::Daemon as _;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until told to stop. A reload may change where the sign is given, and how often.
pub(super) async fn run(face: Arc<Face>, stop: CancellationToken) {
    let mut watch = Watch::default();
    loop {
        let settings = face.settings.load().heartbeat.clone();
        watch.look(settings, &face, face.clock.mono()).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What is known from one look to the next.
#[derive(Debug, Default)]
struct Watch {
    set: Option<(HeartbeatSettings, Beats, Beep)>,
    /// Why no sign is given.
    held: Option<&'static str>,
    /// Since when the monitor has been blind.
    blind: Option<Mono>,
}

impl Watch {
    /// Looks at `now` whether this monitor watches, and gives the sign if it is due.
    async fn look(&mut self, settings: Option<HeartbeatSettings>, face: &Face, now: Mono) {
        self.blind = face.snapshot().monitor.blind.then(|| self.blind.unwrap_or(now));
        if settings.as_ref() != self.set.as_ref().map(|(known, ..)| known) {
            self.set = settings.map(|settings| {
                let beats = Beats::new(settings.every, now);
                let beep = Beep::new(&settings.url, face.clock);
                (settings, beats, beep)
            });
            face.figures.heartbeat_held(false);
        }
        let Some((_, beats, beep)) = &mut self.set else { return };
        let wrong = signs(face, self.blind, now).wrong(now);
        if wrong != self.held {
            match wrong {
                Some(why) => error!("the heartbeat is held back: {why}"),
                None => info!("the heartbeat goes on"),
            }
            self.held = wrong;
        }
        face.figures.heartbeat_held(wrong.is_some());
        if wrong.is_none() && beats.is_due(now) {
            let result = beep.give().await;
            beats.given(result.is_ok(), face.clock.mono());
            face.figures.heartbeat_given(result.is_ok(), face.clock.now().wall);
            if let Err(wrong) = result {
                warn!("the watchdog did not get the heartbeat: {wrong}");
            }
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
        stalled: face.courier.is_stalled(now),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::Clock;
    use crate::config::{File, SourceSet};
    use crate::daemon::{Daemon, Options, Source};
    use crate::metrics::Page;
    use crate::model::{Part, Saw, SelfDoubt, WebAddress};
    use crate::store::tests::Scratch;

    /// Longer than any loop that turns stands still.
    const STALLED: Duration = Duration::from_secs(10);

    /// A watchdog that counts what it gets; gives its address.
    fn watchdog(count: Arc<AtomicUsize>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 4_096]);
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                );
            }
        });
        format!("http://{address}/beat")
    }

    fn quiet(state: &std::path::Path, channels: &str) -> Source {
        let settings = format!(
            "listen: 127.0.0.1:0\nstate_dir: {}\nchannels: {{{channels}}}\n\
             checks: {{rare: {{kind: tcp, port: 9, pace: 10m}}}}\n",
            state.display()
        );
        let sites = "levels: [{id: commune, name: Xã}]\n\
                     classes: {commune: {level: commune, endpoints: [{id: codec, checks: [rare]}]}}\n\
                     sites: [{id: tan-lap, name: Xã Tân Lập, codec: 127.0.0.1}]\n";
        let files = SourceSet::new()
            .with(File::Settings, "vchealth.yaml", settings)
            .with(File::Sites, "sites.yaml", sites)
            .with(File::Sessions, "sessions.yaml", "sessions: []\n");
        Source::prepared(files)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_loop_that_stands_still_holds_the_heartbeat_back_until_it_goes_on() {
        let scratch = Scratch::new("standstill");
        let options =
            Options { source: quiet(scratch.path(), ""), listener: None, clock: Clock::start() };
        let daemon = Daemon::start(options).unwrap();
        let face = Arc::clone(&daemon.face);
        let count = Arc::new(AtomicUsize::new(0));
        let url = WebAddress::new(watchdog(Arc::clone(&count))).into();
        // Its own watchdog has nothing to do, so that this one is alone.
        let settings = HeartbeatSettings { url, every: STALLED };
        let mut watch = Watch::default();
        let is_held = || {
            let page = Page::whole(|page| face.figures.write(page));
            page.contains("\nvchealth_heartbeat_held_back 1\n")
        };
        // Whether the sign is held back ten seconds after a moment, by how the loop turned since.
        let mut goes_on = async |turns: bool| {
            let now = face.clock.mono();
            while turns && face.heartbeat.last() <= now {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            watch.look(Some(settings.clone()), &face, now + STALLED).await;
            (is_held(), count.load(Ordering::SeqCst))
        };
        assert_eq!(goes_on(true).await, (false, 1), "the first sign");
        let held = face.heartbeat.gate.hold();
        assert_eq!(goes_on(false).await, (true, 1), "it is due, and held back");
        drop(held);
        assert_eq!(goes_on(true).await, (false, 2), "as soon as all is well");
        daemon.stop().await;
    }

    /// Waits until it is so.
    async fn until(is_so: impl Fn() -> bool) {
        let waits = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waits).await.expect("it comes to be so");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_courier_that_hangs_holds_the_heartbeat_back_and_is_told_until_it_goes_on() {
        let (scratch, clock) = (Scratch::new("courier-hangs"), Clock::movable());
        let duty = "duty: {kind: webhook, url: \"http://127.0.0.1:9/\"}";
        let options = Options { source: quiet(scratch.path(), duty), listener: None, clock };
        let daemon = Daemon::start(options).unwrap();
        let face = Arc::clone(&daemon.face);
        let url = WebAddress::new(watchdog(Arc::default())).into();
        let settings = HeartbeatSettings { url, every: STALLED };
        let mut watch = Watch::default();
        // Why the sign is held back by now.
        let mut held_for = async || {
            let now = clock.mono();
            until(|| face.heartbeat.last() > now).await;
            watch.look(Some(settings.clone()), &face, clock.mono()).await;
            watch.held
        };
        let is_told = || {
            let incidents = &face.snapshot().incidents;
            let saw = incidents.iter().filter(|it| it.is_open()).flat_map(|it| &it.evidence);
            saw.map(|it| &it.saw).any(|saw| {
                matches!(saw, Saw::Ourselves(SelfDoubt::Trouble { part: Part::Courier, .. }))
            })
        };
        assert_eq!(held_for().await, None);
        let hangs = daemon.courier.hold();
        clock.set_forward(Duration::from_secs(31));
        assert_eq!(held_for().await, Some("the courier stands still"));
        assert_eq!(daemon.stands_still(STALLED), Some("the courier"), "it is started anew");
        until(is_told).await;
        drop(hangs);
        // It comes round for whatever reaches it.
        daemon.courier.restore(Vec::new());
        until(|| !face.courier.is_stalled(clock.mono())).await;
        assert_eq!(held_for().await, None);
        assert_eq!(daemon.stands_still(STALLED), None);
        daemon.stop().await;
    }
}
