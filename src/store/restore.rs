//! What the brain is given back at the start.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::OptionalExtension as _;
use serde::de::DeserializeOwned;
use tracing::error;

use super::spare::Account;
use super::value::{health, instant, key, nanos};
use super::{Doing, Store, StoreError, readiness};
use crate::model::{
    Confirmation, Drill, Durable, HandOver, HardState, Incident, LinkUse, Maintenance,
    ReadinessRun, SessionRecord, Silence, Watch,
};

/// An incident resolved this recently may still flap or be told late. Longer than any time that
/// the settings allow for either. What was to last until so lately may not be over: the clock may
/// be ahead by mistake.
const RECENT: Duration = Duration::from_hours(24);
/// What was confirmed this recently may be about a session that is still to come.
const CONFIRMED: Duration = Duration::from_hours(24 * 31);

/// Drills this old are of no session that is still to come: none begins earlier before one.
const DRILLS: Duration = Duration::from_hours(8 * 24);

impl Store {
    /// Everything that the brain must remember. A record that cannot be read is logged and left
    /// where it is: the others are worth having.
    pub(super) fn restore(&self, now: Timestamp) -> Result<Durable, StoreError> {
        let recent = now.checked_sub(RECENT).unwrap_or(Timestamp::MIN);
        let mut durable = Durable::default();
        self.restore_health(&mut durable)?;
        for incident in self.records::<Incident>(
            "incident",
            "SELECT id, record FROM incident WHERE resolved IS NULL OR resolved >= ?",
            recent,
        )? {
            durable.incidents.insert(incident.id.clone(), incident);
        }
        for silence in self.records::<Silence>(
            "silence",
            "SELECT id, record FROM silence WHERE until > ?",
            recent,
        )? {
            durable.silences.insert(silence.id.clone(), silence);
        }
        for window in self.records::<Maintenance>(
            "maintenance",
            "SELECT id, record FROM maintenance WHERE until > ?",
            recent,
        )? {
            durable.maintenance.insert(window.id.clone(), window);
        }
        for handed in self.records::<HandOver>(
            "duty",
            "SELECT rota, record FROM duty WHERE until > ?",
            recent,
        )? {
            durable.duty.insert(handed.rota.clone(), handed);
        }
        let lately = now.checked_sub(DRILLS).unwrap_or(Timestamp::MIN);
        for drill in self.records::<Drill>(
            "drill",
            "SELECT session, record FROM drill WHERE at >= ?",
            lately,
        )? {
            durable.drills.insert(drill.session.clone(), drill);
        }
        durable.watched = self
            .db
            .query_row("SELECT since, until FROM watch ORDER BY until DESC LIMIT 1", [], |row| {
                Ok(Watch { since: instant(row.get(0)?), until: instant(row.get(1)?) })
            })
            .optional()
            .doing("read")?;
        for session in self.records::<SessionRecord>(
            "session",
            "SELECT id, record FROM session WHERE closed IS NULL OR ended >= ?",
            recent,
        )? {
            durable.sessions.insert(session.id.clone(), session);
        }
        for run in self.records::<ReadinessRun>(
            "readiness",
            "SELECT session, record FROM readiness WHERE start > ? ORDER BY began",
            recent,
        )? {
            durable.readiness.insert(run.session.clone(), run);
        }
        let lately = now.checked_sub(CONFIRMED).unwrap_or(Timestamp::MIN);
        for said in self.records::<Confirmation>(
            "confirmation",
            "SELECT site, record FROM confirmation WHERE at > ?",
            lately,
        )? {
            durable.confirmations.insert((said.session.clone(), said.site.clone()), said);
        }
        durable.verdicts = readiness::verdicts(&self.db).doing("read")?;
        durable.lost = readiness::lost(&self.db, recent).doing("read")?;
        Ok(durable)
    }

    /// The links that were used and that could still be tried again.
    ///
    /// # Errors
    /// When SQLite cannot read the table.
    pub fn link_uses(&self) -> Result<Vec<LinkUse>, StoreError> {
        let sql = "SELECT nonce, record FROM link_use WHERE at >= ?";
        let mut uses: Vec<LinkUse> = self.records("link_use", sql, Timestamp::MIN)?;
        uses.extend(self.lacking.iter().flat_map(Account::link_uses).cloned());
        Ok(uses)
    }

    fn restore_health(&self, durable: &mut Durable) -> Result<(), StoreError> {
        let mut select = self
            .db
            .prepare(
                r#"SELECT health, since, seen_up, site, endpoint, "check"
                   FROM health JOIN target ON target.id = health.target"#,
            )
            .doing("read")?;
        let mut rows = select.query([]).doing("read")?;
        while let Some(row) = rows.next().doing("read")? {
            let state = HardState {
                health: health(row.get(0).doing("read")?),
                since: instant(row.get(1).doing("read")?),
                began: None,
                seen_up: row.get(2).doing("read")?,
            };
            durable.health.insert(key(row, 3).doing("read")?, state);
        }
        Ok(())
    }

    fn records<T: DeserializeOwned>(
        &self,
        table: &str,
        select: &str,
        bound: Timestamp,
    ) -> Result<Vec<T>, StoreError> {
        let mut select = self.db.prepare(select).doing("read")?;
        let mut rows = select.query([nanos(bound)]).doing("read")?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().doing("read")? {
            let id: String = row.get(0).doing("read")?;
            let text: String = row.get(1).doing("read")?;
            match serde_json::from_str(&text) {
                Ok(record) => records.push(record),
                Err(reason) => {
                    error!(table, id, %reason, "a record cannot be read and is left out");
                }
            }
        }
        Ok(records)
    }
}
