//! What is remembered of readiness: the last run of a session, what runs said before earlier ones,
//! and what people confirmed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::value::{instant, key, nanos, parse};
use super::{Doing, History, StoreError};
use crate::model::{
    Confirmation, LostTime, PastVerdict, ReadinessRun, SessionId, SiteId, TargetKey, Verdict,
};

impl History {
    /// The last readiness run of a session.
    ///
    /// # Errors
    /// When the file or the record cannot be read.
    pub fn last_readiness(&self, session: &SessionId) -> Result<Option<ReadinessRun>, StoreError> {
        self.db()
            .query_row(
                "SELECT record FROM readiness WHERE session = ? ORDER BY began DESC LIMIT 1",
                [session.as_str()],
                |row| parse(row.get::<_, String>(0)?),
            )
            .optional()
            .doing("read")
    }

    /// Hands out the readiness runs of a session, newest first, `most` at most. One is at hand at a
    /// time: a run of ten thousand sites is megabytes.
    ///
    /// # Errors
    /// When the file or a record cannot be read.
    pub fn readiness_back(
        &self,
        session: &SessionId,
        most: usize,
        mut take: impl FnMut(&ReadinessRun),
    ) -> Result<(), StoreError> {
        let mut select = self
            .db()
            .prepare_cached(
                "SELECT record FROM readiness WHERE session = ? ORDER BY began DESC LIMIT ?",
            )
            .doing("read")?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut rows = select.query((session.as_str(), most)).doing("read")?;
        while let Some(row) = rows.next().doing("read")? {
            take(&row.get::<_, String>(0).and_then(parse).doing("read")?);
        }
        Ok(())
    }

    /// What people confirmed for a session.
    ///
    /// # Errors
    /// When the file or a record cannot be read.
    pub fn confirmations(&self, session: &SessionId) -> Result<Vec<Confirmation>, StoreError> {
        let mut select = self
            .db()
            .prepare_cached("SELECT record FROM confirmation WHERE session = ? ORDER BY site")
            .doing("read")?;
        let rows = select
            .query_map([session.as_str()], |row| parse(row.get::<_, String>(0)?))
            .doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }

    /// What the last runs before each site's sessions said of it, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn verdicts(&self) -> Result<BTreeMap<SiteId, Vec<PastVerdict>>, StoreError> {
        verdicts(self.db()).doing("read")
    }

    /// Targets that were judged and never seen to work.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn never_up(&self) -> Result<BTreeSet<TargetKey>, StoreError> {
        let mut select = self
            .db()
            .prepare_cached(
                r#"SELECT site, endpoint, "check" FROM health JOIN target ON target.id = target
                   WHERE NOT seen_up AND "check" <> ''"#,
            )
            .doing("read")?;
        let rows = select.query_map([], |row| key(row, 0)).doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }
}

/// What the last runs before each site's sessions said of it, newest first.
pub(super) fn verdicts(db: &Connection) -> rusqlite::Result<BTreeMap<SiteId, Vec<PastVerdict>>> {
    let mut select = db.prepare(
        "SELECT site, session, start, verdict FROM
             (SELECT *, row_number() OVER (PARTITION BY site ORDER BY start DESC) AS nth
              FROM readiness_verdict)
         WHERE nth <= ? ORDER BY site, start DESC",
    )?;
    let most = i64::try_from(PastVerdict::KEPT).unwrap_or(i64::MAX);
    let mut rows = select.query([most])?;
    let mut all: BTreeMap<SiteId, Vec<PastVerdict>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(3)?;
        let Some(verdict) = Verdict::ALL.into_iter().find(|it| it.word() == word) else { continue };
        let session = SessionId::new(row.get::<_, String>(1)?);
        let past = PastVerdict { session, start: instant(row.get(2)?), verdict };
        all.entry(SiteId::new(row.get::<_, String>(0)?)).or_default().push(past);
    }
    Ok(all)
}

/// What each session lost so far that was on since `recent`.
pub(super) fn lost(
    db: &Connection,
    recent: Timestamp,
) -> rusqlite::Result<BTreeMap<SessionId, LostTime>> {
    let mut select = db.prepare("SELECT session, at, ms FROM session_lost WHERE at > ?")?;
    let rows = select.query_map([nanos(recent)], |row| {
        let ms = u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default();
        let lost = LostTime { at: instant(row.get(1)?), ms };
        Ok((SessionId::new(row.get::<_, String>(0)?), lost))
    })?;
    rows.collect()
}
