//! Recipients who accept, hang, refuse and ask for time, in virtual time.

use std::sync::atomic::{AtomicBool, Ordering};

use super::memory::{BEGUN, REMEMBERED};
use super::*;
use crate::model::{NotificationId, NotificationKind};
use crate::notify::{HeardOf, Item};
use crate::store::tests::{incident, notification};
use crate::texts::tests::{every_letter, shapes, write_each};

const FIRING: NotificationKind = NotificationKind::Firing;
const UPDATE: NotificationKind = NotificationKind::Update;

fn failed(retry: Retry) -> DeliveryError {
    DeliveryError { retry, text: "no".to_owned() }
}

fn partly(after: Duration, works: bool) -> Result<(), DeliveryError> {
    Err(failed(Retry::Partly { after, works }))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What is told of an incident, as a message of this id.
fn item(id: &str, about: &str, kind: NotificationKind, told_as: NotificationKind) -> Item {
    Item::new(told_as, Arc::new(notification(id, incident(about, "x"), kind)))
}

/// News about these incidents, each in a message of the same name.
fn letter(id: &str, about: &[&str]) -> Letter {
    let items = about.iter().map(|it| item(&format!("{it}-1"), it, FIRING, FIRING)).collect();
    letter_of(id, items)
}

fn letter_of(id: &str, items: Vec<Item>) -> Letter {
    let first = &items[0].notification;
    let (channel, created) = (first.channel.clone(), first.created);
    Letter { id: NotificationId::new(id), channel, created, items, test: false }
}

/// Recipients by number who answer by a script. A letter leaves as messages of so many incidents,
/// each in so many pieces, and each post takes so long.
struct Row<F> {
    recipients: usize,
    at_once: usize,
    items: usize,
    pieces: usize,
    takes: Duration,
    posts: Mutex<Vec<String>>,
    answer: F,
}

impl<F: Fn(usize, &str) -> Option<Retry> + Sync> Row<F> {
    fn new(recipients: usize, answer: F) -> Self {
        let (at_once, items, pieces, takes) = (1, 100, 1, Duration::ZERO);
        Self { recipients, at_once, items, pieces, takes, posts: Mutex::default(), answer }
    }

    /// Posts since the last time, as `recipient:message`.
    fn posts(&self) -> Vec<String> {
        std::mem::take(&mut self.posts.lock().unwrap())
    }
}

impl<F: Fn(usize, &str) -> Option<Retry> + Sync> Post for Row<F> {
    fn names(&self) -> Vec<String> {
        (0..self.recipients).map(|n| format!("r{n}")).collect()
    }

    fn label(&self, recipient: usize) -> String {
        recipient.to_string()
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        let some = letter.items.chunks(self.items).filter_map(|some| letter.only(some.to_vec()));
        let word = |item: &Item| {
            let late = if item.late.is_some() { " late" } else { "" };
            match item.told_as {
                FIRING => format!("{}{late}", item.notification.id),
                other => format!("{} as {}{late}", item.notification.id, other.word()),
            }
        };
        let text = |letter: &Letter| letter.items.iter().map(word).collect::<Vec<_>>().join("+");
        let pieces = |letter: &Letter| match self.pieces {
            1 => vec![text(letter)],
            n => (1..=n).map(|piece| format!("{}/{piece}", text(letter))).collect(),
        };
        some.map(|letter| Message { pieces: pieces(&letter), letter }).collect()
    }

    async fn post(&self, recipient: usize, _: &Letter, piece: &str) -> Result<(), DeliveryError> {
        self.posts.lock().unwrap().push(format!("{recipient}:{piece}"));
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        match (self.answer)(recipient, piece) {
            None => Ok(()),
            Some(Retry::Later) if piece.contains("hang") => std::future::pending().await,
            Some(Retry::Later) if piece.contains("slow") => {
                tokio::time::sleep(seconds(10)).await;
                Err(failed(Retry::Later))
            }
            Some(retry) => Err(failed(retry)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_brings_nobody_the_same_piece_twice() {
    let known = Recipients::default();
    let hangs = |to, piece: &str| (to == 1 && piece.ends_with("/2")).then_some(Retry::Later);
    let row = Row { pieces: 2, ..Row::new(2, hangs) };
    let letter = letter("hang", &["hang"]);
    for posts in [&["0:hang-1/1", "0:hang-1/2", "1:hang-1/1", "1:hang-1/2"][..], &["1:hang-1/2"]] {
        let late = tokio::time::timeout(seconds(1), known.deliver(&letter, &row)).await;
        assert!(late.is_err(), "the second recipient hangs");
        assert_eq!(row.posts(), posts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_is_waited_for_once_and_not_for_every_recipient() {
    let known = Recipients::default();
    let row = Row::new(10, |_, _: &str| Some(Retry::Later));
    let letter = letter("slow", &["slow"]);
    let began = Instant::now();
    assert_eq!(known.deliver(&letter, &row).await.result, Err(failed(Retry::Later)));
    assert_eq!((row.posts().len(), began.elapsed()), (1, seconds(10)));
}

#[tokio::test(start_paused = true)]
async fn a_recipient_who_hangs_keeps_the_others_from_being_told_once_only() {
    let known = Recipients::default();
    let row = Row::new(3, |to, _: &str| (to == 0).then_some(Retry::Later));
    let letter = letter("slow", &["slow"]);
    assert_eq!(known.deliver(&letter, &row).await.result, Err(failed(Retry::Later)));
    assert_eq!(row.posts(), ["0:slow-1"]);
    assert_eq!(known.deliver(&letter, &row).await.result, partly(Duration::ZERO, true));
    assert_eq!(row.posts(), ["1:slow-1", "2:slow-1", "0:slow-1"]);
}

/// The same with a service that takes a second over each post and eight at once.
#[tokio::test(start_paused = true)]
async fn who_hung_is_not_kept_waiting_by_one_who_may_be_posted_to_only_later() {
    let known = Recipients::default();
    let row = Row::new(2, |_, _: &str| None);
    let letter = letter("x", &["x"]);
    let runs = known.runs(&letter, &row);
    let busy = Pace { apart: seconds(55), most: None };
    for (run, pace) in runs.iter().zip([busy, Pace::default()]) {
        known.posting(&run.who, pace);
    }
    known.note_hung(&runs[1].who, true);
    let state = State { runs, anew: false, answered: None };
    let way = &Paced(row);
    let round = Round { known: &known, account: 0, way, state: Mutex::new(state) };
    assert_eq!(round.take_next(), Some((1, Instant::now())));
    assert_eq!(round.take_next(), Some((0, Instant::now() + seconds(55))));
}

/// Recipients of whom the first may be posted to once in 55 seconds.
struct Paced<P>(P);

impl<P: Post> Post for Paced<P> {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn label(&self, recipient: usize) -> String {
        self.0.label(recipient)
    }

    fn pace(&self, recipient: usize) -> Pace {
        let apart = if recipient == 0 { seconds(55) } else { Duration::ZERO };
        Pace { apart, most: None }
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        self.0.messages(letter)
    }

    async fn post(&self, to: usize, letter: &Letter, text: &str) -> Result<(), DeliveryError> {
        self.0.post(to, letter, text).await
    }
}

fn side_by_side<F>(row: Row<F>) -> Row<F> {
    Row { at_once: 8, takes: seconds(1), ..row }
}

#[tokio::test(start_paused = true)]
async fn side_by_side_each_gets_theirs_in_order_and_nobody_anything_twice() {
    let known = Recipients::default();
    // Every fourth refuses for good, one asks for time at the second message, one hangs.
    let answer = |to: usize, piece: &str| match to {
        3 | 7 | 11 => Some(Retry::Never),
        5 if piece == "slow2-1" => Some(Retry::After(seconds(30))),
        6 => Some(Retry::Later),
        _ => None,
    };
    let row = Row { items: 1, ..side_by_side(Row::new(12, answer)) };
    let names = ["slow1", "slow2", "slow3"];
    let digest = letter("digest", &names);
    assert_eq!(known.deliver(&digest, &row).await.result, partly(Duration::ZERO, true));
    let posts = row.posts();
    let of = |posts: &[String], to: usize| -> Vec<String> {
        let its = posts.iter().filter_map(|post| post.strip_prefix(&format!("{to}:")));
        its.map(str::to_owned).collect()
    };
    let all = names.map(|name| format!("{name}-1"));
    for to in 0..12 {
        let told = match to {
            3 | 6 | 7 | 11 => &all[..1],
            5 => &all[..2],
            _ => &all,
        };
        assert_eq!(of(&posts, to), told, "{to}");
    }
    tokio::time::advance(seconds(30)).await;
    let again = Row { items: 1, ..side_by_side(Row::new(12, |_, _| None)) };
    assert_eq!(known.deliver(&digest, &again).await.result, Ok(()));
    let posts = again.posts();
    for to in 0..12 {
        let told = match to {
            5 => &all[1..],
            6 => &all,
            _ => &[],
        };
        assert_eq!(of(&posts, to), told, "{to} at the repeat");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_service_gets_one_post_after_the_other() {
    let known = Recipients::default();
    let busy = Row::new(1, |_, _: &str| Some(Retry::After(seconds(60))));
    known.deliver(&letter("a", &["a"]), &busy).await.result.unwrap_err();
    // It is gone meanwhile, and says no to every connection.
    let dead = side_by_side(Row::new(12, |_: usize, _: &str| Some(Retry::Later)));
    let began = Instant::now();
    known.deliver(&letter("b", &["b"]), &dead).await.result.unwrap_err();
    let asked = u32::try_from(dead.posts().len()).unwrap();
    assert_eq!((asked, began.elapsed()), (11, asked * seconds(1)), "whoever was left in peace");
    // One refusal shows that it is there.
    let back = side_by_side(Row::new(12, |_: usize, _: &str| Some(Retry::Never)));
    let began = Instant::now();
    known.deliver(&letter("c", &["c"]), &back).await.result.unwrap_err();
    assert_eq!((back.posts().len(), began.elapsed()), (11, seconds(3)));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_dies_while_it_is_posted_to_side_by_side_is_left_alone_soon() {
    let known = Recipients::default();
    let began = Instant::now();
    let dies = move |_: usize, _: &str| (began.elapsed() >= seconds(3)).then_some(Retry::Later);
    let row = side_by_side(Row::new(100, dies));
    known.deliver(&letter("slow", &["slow"]), &row).await.result.unwrap_err();
    assert_eq!(row.posts().len(), 1 + 8 + 8, "one, those it took, and those that hang");
}

#[tokio::test(start_paused = true)]
async fn everybody_who_was_asked_stands_in_the_receipt() {
    let known = Recipients::default();
    let row = Row::new(3, |to, _: &str| [None, Some(Retry::Never), Some(Retry::Later)][to]);
    let letter = letter("a", &["a"]);
    let receipt = known.deliver(&letter, &row).await;
    let fared = |recipient: &str, result| Fared {
        recipient: recipient.to_owned(),
        key: RecipientKey::of(&format!("r{recipient}")),
        asked: true,
        result,
    };
    let (refused, later) = (Err(failed(Retry::Never)), Err(failed(Retry::Later)));
    assert_eq!(receipt.recipients, [fared("0", Ok(())), fared("1", refused), fared("2", later)]);
    assert_eq!(receipt.lacking().map(|(who, _)| &*who.recipient).collect::<Vec<_>>(), ["1", "2"]);
    let again = known.deliver(&letter, &Row::new(3, |_, _| None)).await;
    let known_to_refuse = Fared { asked: false, ..fared("1", Err(failed(Retry::Never))) };
    let recipients = vec![known_to_refuse, fared("2", Ok(()))];
    assert_eq!(again, Receipt { recipients, ..Ok(()).into() });
    let nobody = known.deliver(&letter, &Row::new(2, |_, _| Some(Retry::Never))).await;
    assert_eq!(nobody.recipients.len(), 2);
    assert_eq!(nobody.lacking().count(), 0, "nobody has what they lack");
    let only = known.deliver(&letter, &Row::new(1, |_, _| Some(Retry::Later))).await;
    assert_eq!(only.recipients, [], "of one the verdict says it all");
}

#[tokio::test(start_paused = true)]
async fn who_was_not_asked_because_another_one_hangs_is_not_said_to_hang() {
    let known = Recipients::default();
    let row = Row::new(2, |_, _: &str| Some(Retry::Later));
    let receipt = known.deliver(&letter("slow", &["slow"]), &row).await;
    let asked: Vec<_> = receipt.recipients.iter().map(|it| (it.asked, it.result.is_ok())).collect();
    assert_eq!(asked, [(true, false), (false, false)]);
}

#[tokio::test(start_paused = true)]
async fn the_only_recipient_who_gets_half_a_text_stands_in_the_receipt() {
    let known = Recipients::default();
    let half = |_, piece: &str| piece.ends_with("/2").then_some(Retry::Never);
    let row = Row { pieces: 2, ..Row::new(1, half) };
    let receipt = known.deliver(&letter("a", &["a"]), &row).await;
    assert_eq!(receipt.result, Ok(()), "they know of it");
    let lacks: Vec<_> = receipt.lacking().map(|(who, error)| (&*who.recipient, error)).collect();
    assert_eq!(lacks, [("0", &failed(Retry::Never))]);
}

#[tokio::test(start_paused = true)]
async fn what_everybody_has_is_not_remembered() {
    let known = Recipients::default();
    let letter = letter("a", &["a"]);
    assert_eq!(known.deliver(&letter, &Row::new(2, |_, _| None)).await.result, Ok(()));
    assert!(known.lacks("r0", &letter).is_some());
    let row = Row::new(2, |to, _| (to == 1).then_some(Retry::Later));
    assert_eq!(known.deliver(&letter, &row).await.result, partly(Duration::ZERO, true));
    assert_eq!(known.lacks("r0", &letter), None);
    assert!(known.lacks("r1", &letter).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_digest_whose_lines_changed_tells_each_only_what_they_lack() {
    let known = Recipients::default();
    let row = Row::new(2, |to, _| (to == 1).then_some(Retry::Later));
    let first = letter("digest-a-1", &["a", "b", "c"]);
    assert_eq!(known.deliver(&first, &row).await.result, partly(Duration::ZERO, true));
    assert_eq!(row.posts(), ["0:a-1+b-1+c-1", "1:a-1+b-1+c-1"]);
    // One is over and another one began.
    let second = letter("digest-a-1", &["a", "c", "d"]);
    assert_eq!(known.deliver(&second, &row).await.result, partly(Duration::ZERO, true));
    assert_eq!(row.posts(), ["0:d-1", "1:a-1+c-1+d-1"]);
    let third = letter("digest-a-1", &["a", "c"]);
    assert_eq!(known.deliver(&third, &row).await.result, partly(Duration::ZERO, false));
    assert_eq!(row.posts(), ["1:a-1+c-1"], "and nothing shows that the channel works");
}

#[tokio::test(start_paused = true)]
async fn who_knows_of_a_fault_hears_what_is_new_and_who_does_not_hears_it_as_new() {
    let known = Recipients::default();
    let row = Row::new(2, |to, _| (to == 1).then_some(Retry::Later));
    known.deliver(&letter("a-1", &["a"]), &row).await.result.unwrap_err();
    row.posts();
    let newer = letter_of("a-2", vec![item("a-2", "a", UPDATE, FIRING)]);
    known.deliver(&newer, &row).await.result.unwrap_err();
    assert_eq!(row.posts(), ["0:a-2 as update", "1:a-2"]);
    let over = NotificationKind::Resolved;
    let over = letter_of("a-3", vec![item("a-3", "a", over, over)]);
    assert_eq!(known.deliver(&over, &Row::new(2, |_, _| None)).await.result, Ok(()));
    assert!(known.lacks("r0", &newer).is_some(), "it is settled and forgotten");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_time_is_left_alone_until_then_by_every_letter() {
    let known = Recipients::default();
    let busy = Row::new(2, |to, _| (to == 1).then_some(Retry::After(seconds(30))));
    let told = known.deliver(&letter("a", &["a"]), &busy).await.result;
    assert_eq!(told, partly(seconds(30), true));
    busy.posts();
    tokio::time::advance(seconds(10)).await;
    assert_eq!(known.deliver(&letter("b", &["b"]), &busy).await.result, partly(seconds(20), true));
    assert_eq!(known.deliver(&letter("a", &["a"]), &busy).await.result, partly(seconds(20), false));
    assert_eq!(busy.posts(), ["0:b-1"]);
    tokio::time::advance(seconds(20)).await;
    assert_eq!(known.deliver(&letter("a", &["a"]), &Row::new(2, |_, _| None)).await.result, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn who_asked_one_account_for_time_has_asked_no_other_one() {
    let known = Recipients::default();
    let busy = Row::new(1, |_, _: &str| Some(Retry::After(seconds(600))));
    known.deliver(&letter("a", &["a"]), &busy).await.result.unwrap_err();
    known.change_account();
    let row = Row::new(1, |_, _| None);
    assert_eq!(known.deliver(&letter("a", &["a"]), &row).await.result, Ok(()));

    // Nor has who is asked by the former one while the settings change.
    let slow =
        Row { takes: seconds(2), ..Row::new(1, |_, _: &str| Some(Retry::After(seconds(600)))) };
    let change = async {
        tokio::time::sleep(seconds(1)).await;
        known.change_account();
    };
    let b = letter("b", &["b"]);
    let (receipt, ()) = tokio::join!(known.deliver(&b, &slow), change);
    assert!(receipt.result.is_err());
    assert_eq!(known.deliver(&b, &row).await.result, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_only_recipient_is_not_some_of_several() {
    let known = Recipients::default();
    let flooded = |_, piece: &str| (piece == "b-1").then_some(Retry::After(seconds(30)));
    let row = Row { items: 1, ..Row::new(1, flooded) };
    let digest = letter("digest-a-1", &["a", "b", "c"]);
    let told = known.deliver(&digest, &row).await.result;
    assert_eq!(told, Err(failed(Retry::After(seconds(30)))), "the whole channel waits");
    assert_eq!(row.posts(), ["0:a-1", "0:b-1"]);
    tokio::time::advance(seconds(30)).await;
    let row = Row { items: 1, ..Row::new(1, |_, _| None) };
    assert_eq!(known.deliver(&digest, &row).await.result, Ok(()));
    assert_eq!(row.posts(), ["0:b-1", "0:c-1"], "in order, and nothing twice");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_asks_for_time_does_so_for_everybody() {
    struct Account<P>(P);
    impl<P: Post> Post for Account<P> {
        const ASKS_FOR_ALL: bool = true;

        fn names(&self) -> Vec<String> {
            self.0.names()
        }

        fn label(&self, recipient: usize) -> String {
            self.0.label(recipient)
        }

        fn messages(&self, letter: &Letter) -> Vec<Message> {
            self.0.messages(letter)
        }

        async fn post(&self, to: usize, letter: &Letter, text: &str) -> Result<(), DeliveryError> {
            self.0.post(to, letter, text).await
        }
    }
    let known = Recipients::default();
    let asks = |to, _: &str| (to == 1).then_some(Retry::After(seconds(60)));
    let account = Account(Row::new(3, asks));
    assert_eq!(
        known.deliver(&letter("a", &["a"]), &account).await.result,
        partly(seconds(60), true)
    );
    assert_eq!(account.0.posts(), ["0:a-1", "1:a-1"]);
    let told = known.deliver(&letter("b", &["b"]), &account).await.result;
    assert_eq!(told, Err(failed(Retry::After(seconds(60)))));
    assert_eq!(account.0.posts(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_one_refuses_for_good_is_not_offered_again_while_another_is_waited_for() {
    let known = Recipients::default();
    let row = Row::new(3, |to, _| [None, Some(Retry::Never), Some(Retry::Later)][to]);
    let letter = letter("a", &["a"]);
    for posts in [&["0:a-1", "1:a-1", "2:a-1"][..], &["2:a-1"]] {
        known.deliver(&letter, &row).await.result.unwrap_err();
        assert_eq!(row.posts(), posts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_digest_of_which_a_part_is_refused_for_good_is_no_delivered_one() {
    let known = Recipients::default();
    let odd = |_, piece: &str| (piece == "b-1").then_some(Retry::Never);
    let row = Row { items: 1, ..Row::new(1, odd) };
    let told = known.deliver(&letter("digest-a-1", &["a", "b", "c"]), &row).await.result;
    assert_eq!(told, Err(failed(Retry::Never)), "the courier tells each alone");
    row.posts();
    for about in ["a", "b", "c"] {
        let told = known.deliver(&letter(&format!("{about}-1"), &[about]), &row).await.result;
        assert_eq!(told.is_ok(), about != "b");
    }
    assert_eq!(row.posts(), ["0:b-1", "0:c-1"]);
}

#[tokio::test(start_paused = true)]
async fn who_refuses_for_good_is_not_asked_again_while_nobody_has_it_either() {
    let known = Recipients::default();
    let row = Row::new(2, |to, _| [Some(Retry::Never), Some(Retry::Later)][to]);
    let first = letter("a", &["a"]);
    for posts in [&["0:a-1", "1:a-1"][..], &["1:a-1"]] {
        assert_eq!(known.deliver(&first, &row).await.result, Err(failed(Retry::Later)));
        assert_eq!(row.posts(), posts);
    }
    let newer = letter_of("a-2", vec![item("a-2", "a", UPDATE, FIRING)]);
    known.deliver(&newer, &row).await.result.unwrap_err();
    assert_eq!(row.posts(), ["0:a-2", "1:a-2"], "what comes next is offered to all, as news");
    let nobody = Row::new(2, |_, _| Some(Retry::Never));
    assert_eq!(known.deliver(&newer, &nobody).await.result, Err(failed(Retry::Never)));
    assert_eq!(nobody.posts(), ["1:a-2"]);
    assert_eq!(known.heard(&newer), HeardOf::new(), "nobody takes it: it is given up");
}

/// What a restart knows of a letter: what was on record with it.
fn restarted(known: &Recipients, letter: &Letter) -> Recipients {
    let after = Recipients::default();
    for (incident, heard) in known.heard(letter) {
        let text = serde_json::to_string(&heard).unwrap();
        after.recall(&incident, &serde_json::from_str::<Vec<_>>(&text).unwrap());
    }
    after
}

#[tokio::test(start_paused = true)]
async fn a_restart_brings_nobody_again_what_they_have() {
    let known = Recipients::default();
    let row = Row::new(3, |to, _| [None, Some(Retry::Never), Some(Retry::Later)][to]);
    let digest = letter("digest-a-1", &["a", "b"]);
    known.deliver(&digest, &row).await.result.unwrap_err();
    let known = restarted(&known, &digest);
    let again = Row::new(3, |_, _| None);
    assert_eq!(known.deliver(&digest, &again).await.result, Ok(()));
    assert_eq!(again.posts(), ["2:a-1+b-1"], "nor is who refuses it asked again");
    assert_eq!(known.heard(&digest), HeardOf::new(), "it is over");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_text_goes_on_with_the_piece_that_is_lacking() {
    let known = Recipients::default();
    let hangs = |_, piece: &str| piece.ends_with("/3").then_some(Retry::Later);
    let row = Row { pieces: 4, ..Row::new(1, hangs) };
    let letter = letter("hang", &["hang"]);
    let late = tokio::time::timeout(seconds(1), known.deliver(&letter, &row)).await;
    assert!(late.is_err(), "the third piece hangs");
    let known = restarted(&known, &letter);
    let row = Row { pieces: 4, ..Row::new(1, |_, _| None) };
    assert_eq!(known.deliver(&letter, &row).await.result, Ok(()));
    assert_eq!(row.posts(), ["0:hang-1/3", "0:hang-1/4"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_the_middle_of_a_letter_is_known_after_a_restart_in_the_middle() {
    let answer = |to, piece: &str| match to {
        0 => piece.ends_with("/2").then_some(Retry::Never),
        _ => Some(Retry::Later),
    };
    let letter = letter("hang", &["hang"]);
    for last in [None, Some(Retry::Never)] {
        let (known, row) = (Recipients::default(), Row { pieces: 2, ..Row::new(2, answer) });
        let late = tokio::time::timeout(seconds(1), known.deliver(&letter, &row)).await;
        assert!(late.is_err(), "the second one hangs");
        assert_eq!(row.posts(), ["0:hang-1/1", "0:hang-1/2", "1:hang-1/1"]);
        let known = restarted(&known, &letter);
        let row = Row { pieces: 2, ..Row::new(2, |_, _| last) };
        let receipt = known.deliver(&letter, &row).await;
        assert_eq!(receipt.result, Ok(()), "the first one knows of it at least");
        assert!(row.posts().iter().all(|post| post.starts_with("1:")), "nor is that one asked");
        let lacking: Vec<_> = receipt.lacking().map(|(it, _)| (&*it.recipient, it.asked)).collect();
        let second = last.map(|_| ("1", true));
        assert_eq!(lacking, [("0", false)].into_iter().chain(second).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_who_knows_of_a_fault_hears_what_is_new() {
    let known = Recipients::default();
    let row = Row::new(2, |to, _| (to == 1).then_some(Retry::Later));
    let first = letter("a-1", &["a"]);
    known.deliver(&first, &row).await.result.unwrap_err();
    let known = restarted(&known, &first);
    let newer = letter_of("a-2", vec![item("a-2", "a", UPDATE, FIRING)]);
    let row = Row::new(2, |_, _| None);
    assert_eq!(known.deliver(&newer, &row).await.result, Ok(()));
    assert_eq!(row.posts(), ["0:a-2 as update", "1:a-2"]);
}

#[tokio::test(start_paused = true)]
async fn the_memory_is_bounded() {
    let known = Recipients::default();
    let names: Vec<String> = (0..1_000).map(|n| format!("i{n}")).collect();
    let who = RecipientKey::of("r0");
    for name in &names {
        known.accepted(&who, &letter(name, &[name]), None);
        known.accepted(&who, &letter(name, &[name]), Some(0));
        known.refuses(&who, &letter(&format!("{name}-of"), &[&format!("{name}-of")]), "no");
    }
    let all = known.all();
    assert_eq!((all[&who].heard.len(), all[&who].begun.len()), (REMEMBERED, BEGUN));
    assert_eq!(all[&who].refused.len(), REMEMBERED);
    drop(all);
    assert_eq!(known.lacks("r0", &letter("i999", &["i999"])), None);
}

#[test]
fn a_letter_waits_for_the_first_who_may_be_asked_again() {
    let [soon, late] = [30, 34].map(|s| failed(Retry::After(seconds(s))));
    let failures = vec![failed(Retry::Never), late.clone(), soon.clone()];
    assert_eq!(verdict(false, false, false, failures.clone()), Err(soon));
    assert_eq!(verdict(true, true, true, failures), partly(seconds(30), true));
    let failures = vec![late, failed(Retry::Later)];
    assert_eq!(verdict(true, true, false, failures), partly(Duration::ZERO, false));
}

#[test]
fn somebody_reached_is_enough_when_the_others_are_refused_for_good() {
    let never = || vec![failed(Retry::Never)];
    assert_eq!(verdict(true, true, true, never()), Ok(()));
    assert_eq!(verdict(false, true, true, never()), Ok(()));
    assert_eq!(verdict(false, false, false, never()), Err(failed(Retry::Never)));
    assert_eq!(verdict(true, true, false, Vec::new()), Ok(()));
}

#[test]
fn a_message_in_a_chat_has_a_tag_that_a_repeat_has_too_and_no_other_message() {
    let style = Style::new(crate::model::Language::Vi, jiff::tz::TimeZone::UTC, "http://b");
    let tag = |letter: &Letter| {
        let messages = Message::several(letter, &style, 2_000, |_| 1);
        let last = messages.last().and_then(|it| it.pieces.last()).expect("a text");
        last.lines().last().unwrap().to_owned()
    };
    let mut seen = std::collections::BTreeSet::new();
    for (name, letter) in shapes() {
        let letter = Letter { id: NotificationId::new(name), ..letter };
        let word = tag(&letter);
        assert_eq!(word, tag(&letter.clone()), "{name}");
        let signs = word.strip_prefix('#').expect("a hash");
        assert!(signs.len() == 5 && signs.starts_with(char::is_alphabetic), "{word}");
        assert!(seen.insert(word), "{name}");
    }
}

/// Telegram and Zalo take texts; what is longer than they allow leaves as several messages.
#[test]
fn what_a_chat_gets_can_be_read() {
    let mut all: Vec<(String, Letter)> =
        shapes().into_iter().map(|(name, letter)| (name.to_owned(), letter)).collect();
    all.extend(every_letter().into_iter().filter(|(name, _)| {
        name.starts_with("two dozen") || name.starts_with("drill") && name.ends_with("zalo")
    }));
    write_each("chat", &all, |letter, style| {
        let messages = Message::several(letter, style, 2_000, |_| 1);
        let pieces: Vec<String> = messages.into_iter().flat_map(|it| it.pieces).collect();
        assert!(pieces.iter().all(|piece| piece.chars().count() <= 2_000));
        pieces.join("\n\n--- the next message\n\n") + "\n"
    });
}

#[tokio::test(start_paused = true)]
async fn a_text_of_which_somebody_has_a_piece_is_not_written_anew() {
    let second_fails = AtomicBool::new(true);
    let answer = |_: usize, piece: &str| {
        let fails = piece.ends_with("/2") && second_fails.load(Ordering::Relaxed);
        fails.then_some(Retry::Later)
    };
    let row = Row { pieces: 2, ..Row::new(1, answer) };
    let (known, mut letter) = (Recipients::default(), letter("l", &["i"]));
    assert!(known.deliver(&letter, &row).await.result.is_err());
    assert_eq!(row.posts(), ["0:i-1/1", "0:i-1/2"]);
    letter.items[0].late = Some(letter.created);
    second_fails.store(false, Ordering::Relaxed);
    known.deliver(&letter, &row).await.result.unwrap();
    assert_eq!(row.posts(), ["0:i-1/2"]);
    // Once it is told, nothing is left of that.
    assert!(known.deliver(&letter, &row).await.result.is_ok());
    assert_eq!(row.posts(), ["0:i-1 late/1", "0:i-1 late/2"]);
}
