//! The courier: carries out what the queue decides, and records how it went.
//!
//! It runs as one task that owns the queue; every delivery is a task of its own, bounded in time.
//! Nothing here is ever waited for by whoever probes or decides. Writing a hundred messages takes
//! some milliseconds, in which a thread does nothing else; so all of this runs on a thread of its
//! own, and not on those on which probes start.
//!
//! What others hold of it and its rounds stand together in one file: what they share is what the
//! one shows of the other.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinHandle, JoinSet};
use tracing::{error, info, warn};

use super::channel::{self, Hand, Shared};
use super::queue::{Due, Event, LineSetup, Queue};
use super::{DeliveryError, HeardOf, Letter, Receipt, Retry, Setup, Style};
use crate::clock::Clock;
use crate::config::Channel;
use crate::model::{ChannelId, ChannelStatus, Mono, Notification, Refusal};
use crate::store::{Outstanding, Ticket, WriterHandle};

/// Longest that a message waits until it is on record that it was tried.
const RECORD_FIRST: Duration = Duration::from_secs(1);
/// Longest from one round to the next, so that it shows that they go on.
const ROUND: Duration = Duration::from_secs(10);
/// Longest that it takes to record what was broken off.
const LAST_RECORD: Duration = Duration::from_secs(2);
/// A courier that has not come round for so long stands still.
const STALLED: Duration = Duration::from_secs(30);

/// Where messages for the courier go in. Exists before the courier does, since the writer passes
/// messages on and the courier records them with the writer.
#[derive(Debug, Clone)]
pub struct Inbox {
    orders: mpsc::UnboundedSender<Order>,
}

/// The running courier. Stops at once when dropped; [`Courier::stop`] lets it finish.
#[derive(Debug)]
pub struct Courier {
    inbox: Inbox,
    statuses: Arc<ArcSwap<Vec<ChannelStatus>>>,
    given_up: Arc<Mutex<Vec<Refusal>>>,
    turned: Arc<AtomicU64>,
    task: JoinHandle<()>,
    /// What all of it runs on; taken when it ends.
    runtime: Option<Box<Runtime>>,
}

/// A way to look at the courier and to change its channels, for as many as need one.
#[derive(Debug, Clone)]
pub struct Remote {
    inbox: Inbox,
    statuses: Arc<ArcSwap<Vec<ChannelStatus>>>,
    given_up: Arc<Mutex<Vec<Refusal>>>,
    turned: Arc<AtomicU64>,
}

impl Remote {
    /// Whether the courier has not come round for so long that something holds it: nobody is told
    /// anything then.
    #[must_use]
    pub fn is_stalled(&self, now: Mono) -> bool {
        now - Mono::from_nanos(self.turned.load(Ordering::Relaxed)) >= STALLED
    }

    /// Takes over other channels or another style. What waits for a channel that is gone is
    /// given up, loudly.
    pub fn configure(&self, setup: Setup) {
        self.inbox.order(Order::Setup(setup));
    }

    /// What was given up since somebody last asked, and what was before the start about incidents
    /// that go on.
    #[must_use]
    pub fn take_given_up(&self) -> Vec<Refusal> {
        std::mem::take(&mut self.given_up.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How every channel does.
    #[must_use]
    pub fn statuses(&self) -> Arc<Vec<ChannelStatus>> {
        self.statuses.load_full()
    }
}

/// What reaches the courier. Messages are bounded by what the brain may tell in an hour, so the
/// queue of orders needs no bound of its own.
#[derive(Debug)]
pub(super) enum Order {
    Mail(Vec<Arc<Notification>>),
    Setup(Setup),
    Standing(Vec<Notification>),
    Stop { within: Duration, done: oneshot::Sender<usize> },
}

/// The end of the inbox that the courier reads.
#[derive(Debug)]
pub struct Orders(mpsc::UnboundedReceiver<Order>);

impl Inbox {
    /// An inbox, and the end that [`Courier::start`] takes.
    #[must_use]
    pub fn new() -> (Self, Orders) {
        let (orders, received) = mpsc::unbounded_channel();
        (Self { orders }, Orders(received))
    }

    /// Hands messages over, in the order decided. Returns at once.
    pub fn deliver(&self, mail: Vec<Arc<Notification>>) {
        self.order(Order::Mail(mail));
    }

    fn order(&self, order: Order) {
        // A courier that has ended tells nobody anything; the outbox keeps what was decided.
        let _ = self.orders.send(order);
    }
}

impl Courier {
    /// Starts the courier. `waiting` is what the outbox held at the start.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        inbox: Inbox,
        orders: Orders,
        setup: &Setup,
        waiting: Outstanding,
        writer: WriterHandle,
        clock: Clock,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("courier")
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let statuses = Arc::new(ArcSwap::default());
        let given_up = Arc::new(Mutex::new(waiting.given_up));
        let mut round = Round {
            queue: Queue::default(),
            style: Arc::new(setup.style.clone()),
            hands: BTreeMap::new(),
            deliveries: JoinSet::new(),
            carries: HashMap::new(),
            shared: Shared::new(clock),
            writer,
            clock,
            statuses: Arc::clone(&statuses),
            given_up: Arc::clone(&given_up),
            turned: Arc::new(AtomicU64::new(clock.mono().as_nanos())),
        };
        let turned = Arc::clone(&round.turned);
        round.configure(setup);
        round.queue.restore_stand_ins(waiting.stand_ins);
        round.queue.restore_drills(&waiting.drills);
        round.queue.restore_refusing(waiting.refusing, clock.now());
        round.queue.restore_accepted(&waiting.accepted);
        for message in waiting.messages {
            if let Some((_, hand)) = round.hands.get(&message.notification.channel) {
                hand.recall(&message.notification.alert.incident.id, &message.heard);
            }
            round.queue.restore(message, clock.now());
        }
        round.record();
        let task = tokio::spawn(round.run(orders.0));
        drop(inside);
        Ok(Self { inbox, statuses, given_up, turned, task, runtime: Some(Box::new(runtime)) })
    }

    /// Takes up what was accepted before the daemon ended and is not over, for channels that tell
    /// again of what stands.
    pub fn restore(&self, standing: Vec<Notification>) {
        self.inbox.order(Order::Standing(standing));
    }

    /// A way to look at it and to change its channels from elsewhere.
    #[must_use]
    pub fn remote(&self) -> Remote {
        Remote {
            inbox: self.inbox.clone(),
            statuses: Arc::clone(&self.statuses),
            given_up: Arc::clone(&self.given_up),
            turned: Arc::clone(&self.turned),
        }
    }

    /// Returns when it delivers no more, though nobody stopped it.
    pub async fn ended(&self) {
        self.inbox.orders.closed().await;
    }

    /// Delivers what is due, for at most `within`; gives how many messages still wait. They stay
    /// in the outbox. One that stands still is left to itself.
    pub async fn stop(self, within: Duration) -> usize {
        let (done, left) = oneshot::channel();
        self.inbox.order(Order::Stop { within, done });
        match tokio::time::timeout(within + LAST_RECORD, left).await {
            Ok(left) => left.unwrap_or_default(),
            Err(_) => {
                error!("the courier does not end; what it has not recorded may be told again");
                0
            }
        }
    }
}

#[cfg(test)]
impl Courier {
    /// Holds the thread on which everything is delivered, as a post does that comes to no end and
    /// heeds no limit; returns once it stands still, which it does until the sender is dropped.
    pub(crate) fn hold(&self) -> std::sync::mpsc::SyncSender<()> {
        let (stands, waits) = std::sync::mpsc::sync_channel(1);
        let (goes, held) = std::sync::mpsc::sync_channel::<()>(1);
        let runtime = self.runtime.as_ref().expect("it has not ended");
        runtime.spawn(async move {
            let _ = stands.send(());
            let _ = held.recv();
        });
        waits.recv().expect("it goes on");
        goes
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.task.abort();
        // Whoever drops it may be a task of another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The courier at work.
struct Round {
    queue: Queue,
    style: Arc<Style>,
    /// The channels with the settings that they were made from.
    hands: BTreeMap<ChannelId, (Channel, Arc<Hand>)>,
    deliveries: JoinSet<Receipt>,
    /// Which letter each delivery carries, and by which channel.
    carries: HashMap<task::Id, Carried>,
    shared: Shared,
    writer: WriterHandle,
    clock: Clock,
    statuses: Arc<ArcSwap<Vec<ChannelStatus>>>,
    given_up: Arc<Mutex<Vec<Refusal>>>,
    /// When it last came round, in nanoseconds.
    turned: Arc<AtomicU64>,
}

/// What a delivery carries.
struct Carried {
    letter: Arc<Letter>,
    hand: Option<Arc<Hand>>,
}

impl Carried {
    fn heard(&self) -> HeardOf {
        self.hand.as_ref().map(|hand| hand.heard(&self.letter)).unwrap_or_default()
    }
}

impl Round {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut stopping: Option<(Mono, oneshot::Sender<usize>)> = None;
        loop {
            let now = self.clock.now();
            self.turned.store(now.mono.as_nanos(), Ordering::Relaxed);
            while let Some(due) = self.queue.next(now) {
                self.send(due);
            }
            self.record();
            let due = self.queue.poll_timeout().unwrap_or(Mono::NEVER);
            let end = stopping.as_ref().map_or(Mono::NEVER, |(end, _)| *end);
            if stopping.is_some() && (self.deliveries.is_empty() || now.mono >= end) {
                break;
            }
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Mail(mail)) => self.take_in(mail),
                    Some(Order::Setup(setup)) => self.configure(&setup),
                    Some(Order::Standing(standing)) => self.restore(standing),
                    Some(Order::Stop { within, done }) => {
                        stopping = Some((self.clock.mono() + within, done));
                    }
                    None => return,
                },
                Some(ended) = self.deliveries.join_next_with_id() => self.settle(ended),
                () = sleep_until(self.clock, due.min(end).min(now.mono + ROUND)) => {}
            }
        }
        self.break_off().await;
        if let Some((_, done)) = stopping {
            let left = self
                .queue
                .statuses(self.clock.now())
                .iter()
                .map(|status| status.queued as usize)
                .sum();
            // Whoever stopped us may have stopped waiting.
            let _ = done.send(left);
        }
    }

    fn configure(&mut self, setup: &Setup) {
        let hands = &self.hands;
        let lines = setup.channels.iter().map(|channel| LineSetup {
            id: channel.id.clone(),
            kind: channel.kind.word(),
            anew: hands.get(&channel.id).is_none_or(|(known, _)| known.kind != channel.kind),
            limits: channel::limits(&channel.kind),
            fallback: channel.fallback.clone(),
            ends: channel.send_resolved,
            recipients: channel::recipients(&channel.kind),
        });
        self.queue.configure(lines.collect(), self.clock.now());
        let same_style = *self.style == setup.style;
        if !same_style {
            self.style = Arc::new(setup.style.clone());
        }
        let mut before = std::mem::take(&mut self.hands);
        for channel in &setup.channels {
            // What did not change goes on: what it knows of what it has told, and when it tells
            // again.
            let hand = match before.remove(&channel.id) {
                Some((known, hand)) if same_style && known == *channel => hand,
                before => {
                    let before = before.as_ref().map(|(known, hand)| (known, &**hand));
                    Arc::new(Hand::new(channel, &self.style, &self.shared, before))
                }
            };
            self.hands.insert(channel.id.clone(), (channel.clone(), hand));
        }
    }

    fn restore(&self, standing: Vec<Notification>) {
        let mut lines: BTreeMap<ChannelId, Vec<Notification>> = BTreeMap::new();
        for notification in standing {
            lines.entry(notification.channel.clone()).or_default().push(notification);
        }
        for (channel, standing) in lines {
            if let Some((_, hand)) = self.hands.get(&channel) {
                hand.restore(standing);
            }
        }
    }

    fn take_in(&mut self, mail: Vec<Arc<Notification>>) {
        let now = self.clock.now();
        for notification in mail {
            self.queue.enqueue(notification, now);
        }
    }

    /// Ends what is under way, and records who has it already. What came to its end just now counts
    /// as it ended.
    async fn break_off(&mut self) {
        self.deliveries.abort_all();
        while let Some(ended) = self.deliveries.join_next_with_id().await {
            if ended.as_ref().is_err_and(JoinError::is_cancelled) {
                continue;
            }
            self.settle(ended);
        }
        let now = self.clock.now();
        for carried in std::mem::take(&mut self.carries).into_values() {
            let (letter, heard) = (&carried.letter, carried.heard());
            self.queue.break_off(&letter.channel, &letter.id, &heard, now);
        }
        self.record();
    }

    /// Starts the delivery of a letter.
    fn send(&mut self, due: Due) {
        let Due { letter, record_first } = due;
        let letter = Arc::new(letter);
        let recorded = self.record();
        let writer = self.writer.clone();
        let hand = self.hands.get(&letter.channel).map(|(_, hand)| Arc::clone(hand));
        let carries = Carried { letter: Arc::clone(&letter), hand: hand.clone() };
        let delivery = self.deliveries.spawn(async move {
            let Some(hand) = hand else {
                let text = "the channel is no longer configured".to_owned();
                return Err(DeliveryError { retry: Retry::Never, text }).into();
            };
            // A disk in trouble is no reason to wait: telling comes first.
            if record_first && writer.status().trouble.is_none() {
                writer.committed(recorded, RECORD_FIRST).await;
            }
            let limit = hand.time_limit();
            match tokio::time::timeout(limit, hand.deliver(&letter)).await {
                Ok(receipt) => receipt,
                Err(_) => {
                    let text = format!("no answer within {} s", limit.as_secs_f32());
                    Err(DeliveryError { retry: Retry::Later, text }).into()
                }
            }
        });
        self.carries.insert(delivery.id(), carries);
    }

    fn settle(&mut self, ended: Result<(task::Id, Receipt), JoinError>) {
        let (id, mut receipt) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let text = "the delivery ended in a fault of this program".to_owned();
                (error.id(), Err(DeliveryError { retry: Retry::Later, text }).into())
            }
        };
        let Some(carried) = self.carries.remove(&id) else { return };
        // However it ended: by what some have accepted by then.
        receipt.heard = carried.heard();
        let Letter { id: letter, channel, .. } = &*carried.letter;
        match &receipt.result {
            Ok(()) => info!(%channel, id = %letter, "told"),
            Err(error) => warn!(%channel, id = %letter, "not told yet: {error}"),
        }
        self.queue.settle(channel, letter, receipt, self.clock.now());
    }

    /// Records, logs and shows what has changed.
    fn record(&mut self) -> Ticket {
        let at = self.clock.now().wall;
        for event in self.queue.take_events() {
            if let Event::GivenUp { channel, id, incident, instead, .. } = &event {
                let refusal = Refusal::of(id, incident, channel, instead.as_ref(), at);
                let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
                given_up.extend(refusal);
            }
            match event {
                Event::GivenUp { channel, id, incident, reason, instead: None } => error!(
                    %channel, %id, %incident,
                    "a message is given up and nobody was told this way: {reason}"
                ),
                Event::GivenUp { channel, id, incident, reason, instead: Some(instead) } => error!(
                    %channel, %id, %incident, %instead,
                    "a message is given up, another channel has it: {reason}"
                ),
                Event::PartlyTold { channel, id, reason, instead: None } => error!(
                    %channel, %id,
                    "a message is given up for those who have not got it; others have: {reason}"
                ),
                Event::PartlyTold { channel, id, reason, instead: Some(instead) } => error!(
                    %channel, %id, %instead,
                    "a message is given up for those who have not got it; others have, and so has \
                     another channel: {reason}"
                ),
                Event::Refused { channel, id, recipient, reason } => error!(
                    %channel, %id, recipient,
                    "a recipient does not get what others have, or the rest of it: {reason}"
                ),
                Event::Reached { channel, recipient } => {
                    info!(%channel, recipient, "a recipient who was not reached accepts again");
                }
                Event::FallsBack { channel, id, to } => {
                    warn!(%channel, %id, %to, "goes through the fallback as well");
                }
                Event::Failing { channel, reason } => {
                    error!(%channel, "the channel fails: {reason}");
                }
                Event::Working { channel, failures } => {
                    info!(%channel, failures, "the channel works again");
                }
            }
        }
        self.statuses.store(Arc::new(self.queue.statuses(self.clock.now())));
        self.writer.note(self.queue.take_added(), self.queue.take_marks())
    }
}

/// Waits until monotonic time reads `until`.
async fn sleep_until(clock: Clock, until: Mono) {
    tokio::time::sleep(until - clock.mono()).await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::Language;
    use crate::store::Writer;
    use crate::store::tests::Scratch;

    /// One that has nothing to deliver, and who writes for it.
    fn idle(dir: &Scratch, clock: Clock) -> (Courier, Writer) {
        let (store, _) = dir.open();
        let waiting = store.outstanding().unwrap();
        let writer = Writer::start(store, clock, |_| {}).unwrap();
        let style = Style::new(Language::Vi, TimeZone::UTC, "http://127.0.0.1");
        let setup = Setup { channels: Vec::new(), style };
        let (inbox, orders) = Inbox::new();
        let courier = Courier::start(inbox, orders, &setup, waiting, writer.handle(), clock);
        (courier.unwrap(), writer)
    }

    #[tokio::test]
    async fn it_is_noticed_when_the_courier_breaks_off_and_when_it_comes_round() {
        let (clock, dir) = (Clock::start(), Scratch::new("courier-breaks-off"));
        let (courier, _writer) = idle(&dir, clock);
        let mut ended = pin!(courier.ended());
        tokio::select! {
            biased;
            () = &mut ended => panic!("it has only begun"),
            () = task::yield_now() => {}
        }
        let (remote, now) = (courier.remote(), clock.mono());
        // It comes round for whatever reaches it.
        courier.restore(Vec::new());
        let comes_round = async {
            while remote.is_stalled(now + STALLED) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(STALLED, comes_round).await.expect("it says that it came round");
        courier.task.abort();
        ended.await;
        assert!(remote.is_stalled(clock.mono() + STALLED), "it comes round no more");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stands_still_keeps_nobody_from_ending() {
        let (clock, dir) = (Clock::start(), Scratch::new("courier-stands-still"));
        let (courier, writer) = idle(&dir, clock);
        let held = courier.hold();
        let within = Duration::from_secs(5);
        let stopped = tokio::time::timeout(2 * within, courier.stop(within)).await;
        assert_eq!(stopped, Ok(0), "it ends, or this would for ever");
        drop(held);
        assert_eq!(writer.stop(within), 0, "the store is closed in order all the same");
    }
}
