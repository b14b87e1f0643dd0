//! Which messages of a line leave next, and which together.

use std::collections::BTreeSet;

use super::super::entry::Entry;
use super::super::{CATCH_UP, CROWD, DIGEST_FROM, PATIENCE};
use super::Line;
use crate::model::{IncidentId, Mono};

impl Line {
    /// Rule 1: positions of what may leave as far as its incident is concerned.
    pub(super) fn tellable(&self) -> impl Iterator<Item = usize> {
        let mut busy: BTreeSet<&IncidentId> =
            self.under_way.values().flatten().map(|e| &e.notification.alert.incident.id).collect();
        self.waiting
            .iter()
            .enumerate()
            .filter(move |(_, entry)| busy.insert(&entry.notification.alert.incident.id))
            .map(|(at, _)| at)
    }

    /// Rules 3 and 5: which one goes next.
    pub(super) fn choose(&self, now: Mono) -> Option<usize> {
        // While the channel works, what some recipients lack keeps nothing from the others.
        let failed = self.waiting.iter().filter(|entry| self.streak > 0 && entry.strikes > 0);
        let failed = failed.map(Entry::letter).collect::<BTreeSet<_>>().len();
        let new = u32::try_from(failed / CROWD).unwrap_or(u32::MAX);
        self.tellable().filter(|at| self.waiting[*at].retry_at <= now).min_by_key(|at| {
            let entry = &self.waiting[*at];
            let doublings = (entry.strikes / PATIENCE).checked_ilog2().map_or(0, |it| it + 1);
            let rounds = if entry.strikes == 0 { new } else { doublings };
            // What a digest was refused with takes long, one by one.
            (rounds, entry.alone, entry.is_over(), entry.order)
        })
    }

    /// Rule 3: which ones leave together with the one at `first`, itself included, in order.
    ///
    /// A digest that was tried before keeps its members, so that its repeat says the same. A new
    /// one ends before the first that was tried alone, so that none overtakes an older one. What a
    /// digest was refused for good with is in no other, as long as this program runs.
    pub(super) fn bundle_with(&self, first: usize, now: Mono) -> Vec<usize> {
        let chosen = &self.waiting[first];
        let most = self.limits.bundle.max(1);
        if chosen.bundle.is_some() {
            let members = self.tellable().filter(|at| self.waiting[*at].group() == chosen.group());
            let members: Vec<usize> = members.take(most).collect();
            return if members.contains(&first) { members } else { vec![first] };
        }
        if chosen.alone {
            return vec![first];
        }
        if self.is_behind(now) {
            let alike = |at: &usize| {
                let entry = &self.waiting[*at];
                let is_due = entry.retry_at <= now && !entry.alone;
                is_due && entry.is_over() == chosen.is_over() && *at != first
            };
            let room = self.limits.bundle.saturating_sub(1);
            let mut together: Vec<usize> = self.tellable().filter(alike).take(room).collect();
            together.push(first);
            together.sort_unstable();
            return together;
        }
        let fresh = |at: &usize| {
            let entry = &self.waiting[*at];
            entry.bundle.is_none() && entry.attempts == 0 && entry.retry_at <= now
        };
        let alike = self.tellable().skip_while(|at| *at < first);
        let alike = alike.filter(|at| self.waiting[*at].told_as == chosen.told_as);
        let together: Vec<usize> = alike.take_while(fresh).take(most).collect();
        if together.len() >= DIGEST_FROM { together } else { vec![first] }
    }

    /// Rule 3: whether telling one by one what is due would take too long.
    pub(super) fn is_behind(&self, now: Mono) -> bool {
        if self.limits.by_id {
            return false;
        }
        let due = self.tellable().filter(|at| self.waiting[*at].retry_at <= now).count();
        let at_once = u32::try_from(self.limits.under_way).unwrap_or(u32::MAX).max(1);
        let each = self.limits.gap.max(self.takes / at_once);
        each.saturating_mul(u32::try_from(due).unwrap_or(u32::MAX)) > CATCH_UP
    }
}
