//! Writing: what was decided together becomes one transaction.

use std::io;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::value::{health_number, key_columns, nanos};
use super::{Aside, Doing, Mark, Store, StoreError, outbox};
use crate::model::{
    Batch, Change, Confirmation, Drill, Incident, LinkUse, Maintenance, ReadinessRun, Rollup,
    SessionId, SessionRecord, Silence, SiteId, TargetKey, Watch,
};

impl Store {
    /// Writes batches and marks in one transaction: all of it is on disk when this returns, or
    /// nothing is. Writing the same again changes nothing, so a commit whose end is in doubt can
    /// be repeated. `now` is when messages count as taken back.
    ///
    /// # Errors
    /// When the disk is full or fails, or another program holds the file or put another in its
    /// place.
    pub fn commit(
        &mut self,
        batches: &[Batch],
        marks: &[Mark],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changes = batches.iter().flat_map(|batch| &batch.changes);
        self.write(changes, [].iter(), marks.iter(), now)
    }

    /// As [`Store::commit`], from wherever things are kept.
    pub(super) fn write<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a Change>,
        rollups: impl IntoIterator<Item = &'a Rollup>,
        marks: impl IntoIterator<Item = &'a Mark>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.keep()?;
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).doing("write to")?;
        let next = self.spare.in_use.then_some(self.spare.epoch + 1);
        let lacking = self.lacking.as_ref();
        let written = (|| {
            if let Some(next) = next {
                begin_epoch(&transaction, next)?;
            }
            for change in lacking.iter().flat_map(|lacking| &lacking.changes) {
                write_change(&transaction, change, now)?;
            }
            for mark in lacking.iter().flat_map(|lacking| &lacking.marks) {
                outbox::mark(&transaction, mark)?;
            }
            for change in changes {
                write_change(&transaction, change, now)?;
            }
            for rollup in rollups {
                write_rollup(&transaction, rollup)?;
            }
            for mark in marks {
                outbox::mark(&transaction, mark)?;
            }
            Ok(())
        })();
        written.and_then(|()| transaction.commit()).doing("write to")?;
        if let Some(next) = next {
            (self.spare.epoch, self.spare.in_use, self.lacking) = (next, false, None);
        }
        Ok(())
    }

    /// Keeps beside the database what it does not take; all of it is on the disk then, but for
    /// measurements. Whatever is written later takes its place.
    ///
    /// # Errors
    /// When there is no room for it, or the disk fails.
    pub(super) fn keep_aside<'a>(
        &'a mut self,
        changes: impl IntoIterator<Item = &'a Change>,
        marks: impl IntoIterator<Item = &'a Mark>,
    ) -> io::Result<()> {
        let Self { spare: Aside { spare: Some(spare), epoch, .. }, lacking, .. } = self else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no room kept for it"));
        };
        let (mut all, mut all_marks) = (Vec::<&Change>::new(), Vec::<&Mark>::new());
        if let Some(lacking) = lacking {
            all.extend(&lacking.changes);
            all_marks.extend(&lacking.marks);
        }
        all.extend(changes);
        all_marks.extend(marks);
        spare.keep(*epoch, all, all_marks)?;
        self.spare.in_use = true;
        Ok(())
    }
}

/// The state of the database that what is kept beside it belongs to.
pub(super) fn spare_epoch(db: &Connection) -> rusqlite::Result<u64> {
    let text: Option<String> = db
        .query_row("SELECT value FROM meta WHERE key = 'spare_epoch'", [], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn begin_epoch(db: &Connection, epoch: u64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('spare_epoch', ?)")?
        .execute([epoch.to_string()])?;
    Ok(())
}

pub(super) fn write_change(
    db: &Connection,
    change: &Change,
    now: Timestamp,
) -> rusqlite::Result<()> {
    match change {
        Change::Health { key, state } => {
            let row = target(db, key)?;
            let (number, since) = (health_number(state.health), nanos(state.since));
            db.prepare_cached(
                "INSERT OR REPLACE INTO health (target, health, since, seen_up) VALUES (?, ?, ?, ?)",
            )?
            .execute((row, number, since, state.seen_up))?;
            db.prepare_cached(
                "INSERT OR REPLACE INTO health_change (target, at, health, began)
                 VALUES (?, ?, ?, ?)",
            )?
            .execute((row, since, number, state.began.map(nanos)))?;
        }
        Change::Forget(key) => {
            let row = target(db, key)?;
            db.prepare_cached("DELETE FROM health WHERE target = ?")?.execute([row])?;
        }
        Change::Incident(incident) => write_incident(db, incident)?,
        Change::Silence(silence) => write_silence(db, silence)?,
        Change::Maintenance(window) => write_maintenance(db, window)?,
        Change::Lift(id) => {
            db.prepare_cached("DELETE FROM silence WHERE id = ?")?.execute([id.as_str()])?;
            // Planned work that is over, or was ended early, still explains what a report leaves
            // out.
            db.prepare_cached("UPDATE maintenance SET until = min(until, ?2) WHERE id = ?1")?
                .execute((id.as_str(), nanos(now)))?;
        }
        Change::Duty { rota, handed: None } => {
            db.prepare_cached("DELETE FROM duty WHERE rota = ?")?.execute([rota.as_str()])?;
        }
        Change::Duty { rota, handed: Some(handed) } => {
            db.prepare_cached(
                "INSERT OR REPLACE INTO duty (rota, until, record) VALUES (?, ?, ?)",
            )?
            .execute((rota.as_str(), nanos(handed.until), record(handed)?))?;
        }
        Change::Notify(notification) => outbox::add(db, notification)?,
        Change::Drill(drill) => write_drill(db, drill)?,
        Change::LinkUse(used) => write_link_use(db, used)?,
        Change::Rollup(rollup) => write_rollup(db, rollup)?,
        Change::Session(record) => write_session(db, record)?,
        Change::Cancelled(id) => {
            db.prepare_cached("DELETE FROM session WHERE id = ?")?.execute([id.as_str()])?;
        }
        Change::Reported { session, at } => {
            // A session that goes on meanwhile is written up again once it is closed.
            db.prepare_cached(
                "UPDATE session SET reported = ?2 WHERE id = ?1 AND closed IS NOT NULL",
            )?
            .execute((session.as_str(), nanos(*at)))?;
        }
        Change::Watch(Watch { since, until }) => {
            db.prepare_cached("INSERT OR REPLACE INTO watch (since, until) VALUES (?, ?)")?
                .execute((nanos(*since), nanos(*until)))?;
        }
        Change::Readiness(run) => write_readiness(db, run)?,
        Change::Confirm(said) => write_confirmation(db, said)?,
        Change::Unconfirm { session, site } => {
            db.prepare_cached("DELETE FROM confirmation WHERE session = ? AND site = ?")?
                .execute([session.as_str(), site.as_str()])?;
        }
        Change::Lost { session, lost } => {
            let ms = i64::try_from(lost.ms).unwrap_or(i64::MAX);
            db.prepare_cached(
                "INSERT OR REPLACE INTO session_lost (session, at, ms) VALUES (?, ?, ?)",
            )?
            .execute((session.as_str(), nanos(lost.at), ms))?;
        }
    }
    Ok(())
}

/// The row of a target in the dictionary, added if it is new. It is looked up each time: that takes
/// microseconds, where a copy of the dictionary would take as much memory as all else that is kept
/// here.
fn target(db: &Connection, key: &TargetKey) -> rusqlite::Result<i64> {
    let columns = key_columns(key);
    let row = db
        .prepare_cached(r#"SELECT id FROM target WHERE (site, endpoint, "check") = (?, ?, ?)"#)?
        .query_row(columns, |row| row.get(0))
        .optional()?;
    if let Some(row) = row {
        return Ok(row);
    }
    db.prepare_cached(r#"INSERT INTO target (site, endpoint, "check") VALUES (?, ?, ?)"#)?
        .execute(columns)?;
    Ok(db.last_insert_rowid())
}

fn write_incident(db: &Connection, incident: &Incident) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO incident
             (id, began, resolved, cause, severity, site, session, record)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute((
        incident.id.as_str(),
        nanos(incident.began),
        incident.resolved.map(nanos),
        incident.cause.word(),
        incident.severity.word(),
        incident.site.as_ref().map(SiteId::as_str),
        incident.session.as_ref().map(SessionId::as_str),
        record(incident)?,
    ))?;
    Ok(())
}

fn write_silence(db: &Connection, silence: &Silence) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO silence (id, until, record) VALUES (?, ?, ?)")?
        .execute((silence.id.as_str(), nanos(silence.until), record(silence)?))?;
    Ok(())
}

fn write_maintenance(db: &Connection, window: &Maintenance) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO maintenance (id, until, record) VALUES (?, ?, ?)")?
        .execute((window.id.as_str(), nanos(window.until), record(window)?))?;
    Ok(())
}

fn write_drill(db: &Connection, drill: &Drill) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO drill (session, at, record) VALUES (?, ?, ?)")?
        .execute((drill.session.as_str(), nanos(drill.at), record(drill)?))?;
    Ok(())
}

/// The first use stays: whatever comes later changed nothing.
fn write_link_use(db: &Connection, used: &LinkUse) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO link_use (nonce, at, record) VALUES (?, ?, ?) ON CONFLICT (nonce) DO NOTHING",
    )?
    .execute((used.nonce.as_str(), nanos(used.at), record(used)?))?;
    Ok(())
}

/// Writes a session down; one that goes on after it was closed has to be reported again.
fn write_session(db: &Connection, session: &SessionRecord) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO session (id, began, ended, closed, record) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET began = ?2, ended = ?3, closed = ?4, record = ?5,
             reported = CASE WHEN closed IS ?4 THEN reported END",
    )?
    .execute((
        session.id.as_str(),
        nanos(session.start),
        nanos(session.end),
        session.closed.map(nanos),
        record(session)?,
    ))?;
    Ok(())
}

fn write_rollup(db: &Connection, rollup: &Rollup) -> rusqlite::Result<()> {
    insert_rollup(db, "rollup", target(db, &rollup.key)?, rollup)
}

/// Writes measurements into one of the two tables that hold such.
pub(super) fn insert_rollup(
    db: &Connection,
    table: &str,
    target: i64,
    rollup: &Rollup,
) -> rusqlite::Result<()> {
    let spread = rollup.spread.encode();
    db.prepare_cached(&format!(
        "INSERT OR REPLACE INTO {table}
             (at, target, seconds, probes, failed, local, sent, lost,
              rtt_min, rtt_mean, rtt_max, jitter, lost_down, spread)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ))?
    .execute((
        rollup.from.as_second(),
        target,
        rollup.seconds,
        rollup.probes,
        rollup.failed,
        rollup.local,
        rollup.sent,
        rollup.lost,
        rollup.rtt_min_us,
        rollup.rtt_mean_us,
        rollup.rtt_max_us,
        rollup.jitter_us,
        rollup.lost_down,
        (!spread.is_empty()).then_some(spread),
    ))?;
    Ok(())
}

fn write_readiness(db: &Connection, run: &ReadinessRun) -> rusqlite::Result<()> {
    let (session, start) = (run.session.as_str(), nanos(run.start));
    db.prepare_cached(
        "INSERT OR REPLACE INTO readiness (session, began, start, record) VALUES (?, ?, ?, ?)",
    )?
    .execute((session, nanos(run.began), start, record(run)?))?;
    if run.began >= run.start {
        return Ok(());
    }
    // The session may have been moved since the run before.
    db.prepare_cached("DELETE FROM readiness_verdict WHERE session = ?")?.execute([session])?;
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO readiness_verdict (site, start, session, verdict)
         VALUES (?, ?, ?, ?)",
    )?;
    for site in &run.sites {
        insert.execute((site.site.as_str(), start, session, site.verdict.word()))?;
    }
    Ok(())
}

fn write_confirmation(db: &Connection, said: &Confirmation) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO confirmation (session, site, at, record) VALUES (?, ?, ?, ?)",
    )?
    .execute((said.session.as_str(), said.site.as_str(), nanos(said.at), record(said)?))?;
    Ok(())
}

/// A whole record as it is kept.
fn record(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}
