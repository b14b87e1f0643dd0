//! What people do about incidents, sites and sessions: told to the brain, and confirmed once it is
//! on disk.
//!
//! 1. Whoever is told that something is done can rely on it: the answer waits until the transaction
//!    that it is part of is committed. What is published meanwhile says nothing about that, since a
//!    disk in trouble keeps nobody from being shown what is decided.
//! 2. By then everybody is shown it as well, so that who asks next sees what they did.
//! 3. When the disk does not take it in time, the answer says that it is done and may be forgotten.
//!    It is written as soon as the disk takes it.
//! 4. A link is claimed before anything is done with it, so that of two who press at once one is
//!    second. Only the brain gives it back, by saying that there was nothing to do it about: while
//!    it has not answered, it may do it yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::brain::{Receipt, Request};
use super::face::Face;
use crate::model::{
    Ack, Act, Confirmation, HandOver, IncidentId, LinkUse, Maintenance, ReadinessRun, RotaId,
    SessionId, Silence, SilenceId, SiteId, Snapshot,
};
use crate::monitor::{Input, Taken};
use crate::store::Ticket;
use crate::texts::LINK_LASTS;
use crate::web::{ControlError, UsedLink};

/// Longest that the loop may take to take something in before whoever asked is told so, and that
/// it may take until everybody is shown it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest that a disk may take for what everybody is shown already before whoever did it is told
/// so.
const GRACE: Duration = Duration::from_secs(1);

impl Face {
    /// Tells the brain something and waits until it has taken it in.
    pub(super) async fn tell(&self, input: Input) -> Result<(), ControlError> {
        self.told(input).await.map(drop)
    }

    async fn told(&self, input: Input) -> Result<Receipt, ControlError> {
        let requests = self.requests.load_full();
        timeout(PATIENCE, ask(requests, input)).await.map_err(|_| ControlError::Late)?
    }

    /// Has the brain do something, and waits until everybody is shown it and it is on disk.
    async fn carry(&self, input: Input) -> Result<(), ControlError> {
        let receipt = self.told(input).await?;
        self.kept(receipt).await
    }

    /// Rules 1 to 3.
    async fn kept(&self, receipt: Receipt) -> Result<(), ControlError> {
        if receipt.taken == Taken::NotThere {
            return Err(ControlError::NotFound);
        }
        let mut published = self.shown.published.subscribe();
        let shown = async {
            while self.shown.snapshot.load().taken.mono < receipt.at {
                if published.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whether it is kept counts, and that is asked next.
        let _ = timeout(PATIENCE, shown).await;
        match self.writer.committed(receipt.ticket, GRACE).await {
            true => Ok(()),
            false => Err(ControlError::Unkept),
        }
    }

    pub(super) async fn take_on(&self, incident: IncidentId, ack: Ack) -> Result<(), ControlError> {
        self.carry(Input::Ack { incident, ack }).await
    }

    pub(super) async fn hold_back(&self, silence: Silence) -> Result<(), ControlError> {
        self.carry(Input::Silence(silence)).await
    }

    pub(super) async fn announce(&self, window: Maintenance) -> Result<(), ControlError> {
        self.carry(Input::Maintenance(window)).await
    }

    pub(super) async fn pass_duty(&self, handed: HandOver) -> Result<(), ControlError> {
        self.carry(Input::HandOver(Box::new(handed))).await
    }

    pub(super) async fn pass_duty_back(&self, rota: RotaId) -> Result<(), ControlError> {
        self.carry(Input::TakeDutyBack(rota)).await
    }

    pub(super) async fn end(&self, silence: SilenceId) -> Result<(), ControlError> {
        self.carry(Input::Lift(silence)).await
    }

    pub(super) async fn keep_run(&self, run: ReadinessRun) -> Result<(), ControlError> {
        if !self.knows(&run.session) {
            return Err(ControlError::NotFound);
        }
        self.carry(Input::Readiness(Box::new(run))).await
    }

    pub(super) async fn note_confirmed(&self, said: Confirmation) -> Result<(), ControlError> {
        if !self.knows(&said.session) {
            return Err(ControlError::NotFound);
        }
        self.carry(Input::Confirm(Box::new(said))).await
    }

    pub(super) async fn take_back(
        &self,
        session: SessionId,
        site: SiteId,
    ) -> Result<(), ControlError> {
        self.carry(Input::Unconfirm { session, site }).await
    }

    /// Rule 4.
    pub(super) async fn use_link_for(&self, used: LinkUse, act: Act) -> Result<(), ControlError> {
        // What is over uses no link up, however busy the brain is.
        if !is_open(&self.shown.snapshot.load(), &used.incident) {
            return Err(ControlError::NotFound);
        }
        let nonce = used.nonce.clone();
        self.links.claim(used.clone())?;
        let (requests, links) = (self.requests.load_full(), Arc::clone(&self.links));
        // Goes on when nobody waits for it any more, so that the claim is settled in any case.
        let told = tokio::spawn(async move {
            let told = ask(requests, Input::LinkUse { used, act }).await;
            links.settle(&nonce, told.as_ref().ok());
            told
        });
        let told = timeout(PATIENCE, told).await.map_err(|_| ControlError::Late)?;
        let receipt = told.map_err(|_| ControlError::Broken)??;
        self.kept(receipt).await
    }

    /// What the link of this number was used for.
    pub(super) fn used_link(&self, nonce: &str) -> Option<UsedLink> {
        let (used, ticket) = self.links.used(nonce)?;
        Some(UsedLink { used, kept: self.writer.has_committed(ticket) })
    }
}

/// Tells the brain something, and gives what it says. The sender is not held on to while it thinks:
/// the loop ends once nobody can send it anything.
async fn ask(
    requests: Arc<Option<mpsc::Sender<Request>>>,
    input: Input,
) -> Result<Receipt, ControlError> {
    let (taken, answer) = oneshot::channel();
    {
        let requests = requests;
        let Some(requests) = requests.as_ref() else { return Err(ControlError::Stopping) };
        let request = Request { input, taken: Some(taken) };
        requests.send(request).await.map_err(|_| ControlError::Stopping)?;
    }
    answer.await.map_err(|_| ControlError::Stopping)
}

fn is_open(snapshot: &Snapshot, incident: &IncidentId) -> bool {
    snapshot.incidents.iter().any(|it| it.id == *incident && it.is_open())
}

/// What links in messages were used for, by the number of the link.
#[derive(Debug, Default)]
pub(super) struct UsedLinks(Mutex<BTreeMap<String, Claim>>);

#[derive(Debug)]
struct Claim {
    used: LinkUse,
    /// Names the transaction that says so; none while the brain has not answered.
    ticket: Option<Ticket>,
}

impl UsedLinks {
    /// These are on disk.
    pub(super) fn known(uses: Vec<LinkUse>) -> Self {
        let of =
            |used: LinkUse| (used.nonce.clone(), Claim { used, ticket: Some(Ticket::default()) });
        Self(Mutex::new(uses.into_iter().map(of).collect()))
    }

    /// Claims a link for one use.
    fn claim(&self, used: LinkUse) -> Result<(), ControlError> {
        let mut claims = self.lock();
        match claims.get(&used.nonce) {
            Some(Claim { ticket: Some(_), .. }) => Err(ControlError::Used),
            Some(Claim { ticket: None, .. }) => Err(ControlError::Late),
            None => {
                forget_expired(&mut claims, used.at);
                claims.insert(used.nonce.clone(), Claim { used, ticket: None });
                Ok(())
            }
        }
    }

    /// Takes in what the brain said of a claim, if anything.
    fn settle(&self, nonce: &str, receipt: Option<&Receipt>) {
        let mut claims = self.lock();
        match receipt {
            Some(Receipt { taken: Taken::In, ticket, .. }) => {
                if let Some(claim) = claims.get_mut(nonce) {
                    claim.ticket = Some(*ticket);
                }
            }
            Some(Receipt { taken: Taken::NotThere, .. }) => {
                claims.remove(nonce);
            }
            // The loop has ended; what it has done by then is read at the next start.
            None => {}
        }
    }

    /// What a link was used for, and the transaction that says so.
    fn used(&self, nonce: &str) -> Option<(LinkUse, Ticket)> {
        let claims = self.lock();
        let claim = claims.get(nonce)?;
        claim.ticket.map(|ticket| (claim.used.clone(), ticket))
    }

    /// Every change of it is one step, so a panic leaves it whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets uses of links that open no more, so that their number is bounded by the messages of two
/// days. Twice as long as a link lasts, in case the clock is set back meanwhile.
fn forget_expired(claims: &mut BTreeMap<String, Claim>, now: Timestamp) {
    let oldest = now.checked_sub(LINK_LASTS.saturating_mul(2)).unwrap_or(Timestamp::MIN);
    claims.retain(|_, claim| claim.used.at >= oldest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Chosen, Mono};
    use crate::store::tests::at;

    fn used(nonce: &str, when: &str) -> LinkUse {
        LinkUse {
            nonce: nonce.to_owned(),
            incident: IncidentId::new("tan-lap.access.x"),
            at: at(when),
            by: "Hà".to_owned(),
            chosen: Chosen::Ack,
        }
    }

    const NOW: &str = "2026-02-03T01:00:00Z";

    fn receipt(taken: Taken) -> Receipt {
        Receipt { taken, ticket: Ticket::default(), at: Mono::ZERO }
    }

    #[test]
    fn a_link_whose_use_is_not_decided_yet_is_neither_used_nor_free() {
        let links = UsedLinks::default();
        assert_eq!(links.claim(used("7", NOW)), Ok(()));
        assert_eq!(links.claim(used("7", NOW)), Err(ControlError::Late), "it may be done yet");
        assert_eq!(links.used("7"), None, "nobody is told that it is done");
        links.settle("7", Some(&receipt(Taken::In)));
        assert_eq!(links.claim(used("7", NOW)), Err(ControlError::Used));
        assert_eq!(links.used("7").map(|(used, _)| used), Some(used("7", NOW)));
    }

    #[test]
    fn a_link_for_which_there_was_nothing_to_do_is_free_again() {
        let links = UsedLinks::default();
        for _ in 0..2 {
            assert_eq!(links.claim(used("7", NOW)), Ok(()));
            links.settle("7", Some(&receipt(Taken::NotThere)));
        }
        assert_eq!(links.claim(used("7", NOW)), Ok(()));
        links.settle("7", None);
        assert_eq!(links.claim(used("7", NOW)), Err(ControlError::Late), "it may be done");
    }

    #[test]
    fn what_was_used_before_a_restart_stays_used_until_the_link_is_long_over() {
        let links = UsedLinks::known(vec![used("7", NOW)]);
        assert_eq!(links.claim(used("7", NOW)), Err(ControlError::Used));
        assert_eq!(links.claim(used("8", "2026-02-04T23:00:00Z")), Ok(()));
        assert!(links.used("7").is_some());
        assert_eq!(links.claim(used("9", "2026-02-06T02:00:00Z")), Ok(()));
        assert_eq!(links.used("7"), None, "links open for a day");
    }
}
