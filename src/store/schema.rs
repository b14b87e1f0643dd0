//! The tables, and how a file of an earlier version becomes one of this version.
//!
//! A step is never changed once it was released; a change is a further step. The number of steps
//! taken is the file's `user_version`.

use rusqlite::{Connection, TransactionBehavior};

/// Marks the file as ours in SQLite's header: "vche".
pub(super) const APPLICATION_ID: i64 = 0x7663_6865;

/// The steps from an empty file to the present tables.
pub(super) const STEPS: &[&str] =
    &[FIRST, FALLBACK, LINK_USE, DRILL, REPORTS, READINESS, DUTY, HEARD, REFUSING];

/// The tables as first released. Instants are nanoseconds since 1970 unless a column says
/// otherwise; health is 0 up, 1 degraded, 2 down, 3 unknown.
const FIRST: &str = r#"
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The dictionary that keeps history rows small. An endpoint has no check, a site neither: ''.
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    "check" TEXT NOT NULL,
    UNIQUE (site, endpoint, "check")
) STRICT;

-- The confirmed health of whatever is watched now.
CREATE TABLE health (
    target INTEGER PRIMARY KEY REFERENCES target,
    health INTEGER NOT NULL,
    since INTEGER NOT NULL,
    seen_up INTEGER NOT NULL
) STRICT;

-- Every confirmed change, for reports.
CREATE TABLE health_change (
    target INTEGER NOT NULL REFERENCES target,
    at INTEGER NOT NULL,
    health INTEGER NOT NULL,
    PRIMARY KEY (target, at)
) STRICT, WITHOUT ROWID;

-- The record is whole; the columns beside it are for finding it.
CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    began INTEGER NOT NULL,
    resolved INTEGER,
    cause TEXT NOT NULL,
    severity TEXT NOT NULL,
    site TEXT,
    session TEXT,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_began ON incident (began);
CREATE INDEX incident_resolved ON incident (resolved);

CREATE TABLE silence (
    id TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE maintenance (
    id TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- state: 0 waiting, 1 delivered, 2 failed, 3 withdrawn. Messages with the same bundle leave
-- together under the bundle's name.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    incident TEXT NOT NULL,
    told_as TEXT NOT NULL,
    created INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    settled INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER,
    error TEXT,
    bundle TEXT,
    notification TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_waiting ON outbox (seq) WHERE state = 0;
CREATE INDEX outbox_incident ON outbox (incident);

-- In order of time, so that writing appends; instants in seconds, round trips in microseconds.
CREATE TABLE rollup (
    at INTEGER NOT NULL,
    target INTEGER NOT NULL REFERENCES target,
    seconds INTEGER NOT NULL,
    probes INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    local INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    rtt_min INTEGER,
    rtt_mean INTEGER,
    rtt_max INTEGER,
    jitter INTEGER,
    PRIMARY KEY (at, target)
) STRICT, WITHOUT ROWID;
"#;

/// The channel that tells a message in place of its own.
const FALLBACK: &str = "ALTER TABLE outbox ADD COLUMN fallback TEXT;";

/// Links in messages that were used.
const LINK_USE: &str = "
CREATE TABLE link_use (
    nonce TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Drills before sessions.
const DRILL: &str = "
CREATE TABLE drill (
    session TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What reports need: sessions as they were held, when we were there to see, when each change
/// began, and measurements as distributions. Older rows have none of it and stay as they are.
const REPORTS: &str = r#"
-- When the change began by the first outcome that said so; NULL where only `at` is known.
ALTER TABLE health_change ADD COLUMN began INTEGER;

-- Packets lost while the target was confirmed down, and the distributions (model::Spread).
ALTER TABLE rollup ADD COLUMN lost_down INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollup ADD COLUMN spread BLOB;

-- The same of longer stretches: what the rows of `rollup` become when they are old.
CREATE TABLE rollup_old (
    at INTEGER NOT NULL,
    target INTEGER NOT NULL REFERENCES target,
    seconds INTEGER NOT NULL,
    probes INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    local INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    rtt_min INTEGER,
    rtt_mean INTEGER,
    rtt_max INTEGER,
    jitter INTEGER,
    lost_down INTEGER NOT NULL,
    spread BLOB,
    PRIMARY KEY (at, target)
) STRICT, WITHOUT ROWID;

-- The record is whole; the columns beside it are for finding it. A session that is closed and not
-- reported is still to be written up.
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    began INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    closed INTEGER,
    reported INTEGER,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_ended ON session (ended);

-- When this monitor was watching, one row for each run.
CREATE TABLE watch (
    since INTEGER PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;
CREATE INDEX watch_until ON watch (until);
"#;

/// Readiness runs, what they said of each site, and what people confirmed.
const READINESS: &str = "
-- The record is whole; the columns beside it are for finding it.
CREATE TABLE readiness (
    session TEXT NOT NULL,
    began INTEGER NOT NULL,
    start INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (session, began)
) STRICT, WITHOUT ROWID;
CREATE INDEX readiness_start ON readiness (start);

-- What the last run before a session said of each site.
CREATE TABLE readiness_verdict (
    site TEXT NOT NULL,
    start INTEGER NOT NULL,
    session TEXT NOT NULL,
    verdict TEXT NOT NULL,
    PRIMARY KEY (site, start, session)
) STRICT, WITHOUT ROWID;

-- Who saw the picture and heard the sound of a site.
CREATE TABLE confirmation (
    session TEXT NOT NULL,
    site TEXT NOT NULL,
    at INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (session, site)
) STRICT, WITHOUT ROWID;
CREATE INDEX confirmation_at ON confirmation (at);

-- Milliseconds that sites of a session were down while it was on, counted until `at`.
CREATE TABLE session_lost (
    session TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Duty that was handed over.
const DUTY: &str = "
CREATE TABLE duty (
    rota TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Which recipients have a message that waits for others of its channel (a list of `store::Heard`).
const HEARD: &str = "ALTER TABLE outbox ADD COLUMN heard TEXT;";

/// Which recipients of its channel refused when a message was delivered (a list of
/// `store::Refuses`); the last message of each channel tells who does now.
const REFUSING: &str = "
ALTER TABLE outbox ADD COLUMN refusing TEXT;
CREATE INDEX outbox_delivered ON outbox (channel, settled) WHERE state = 1;
";

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Nothing in it yet.
    Empty,
    /// Written by some vchealth; this many steps taken.
    Ours(i64),
    /// Something else's.
    Foreign,
}

/// Reads how far the file is.
pub(super) fn version(db: &Connection) -> rusqlite::Result<Version> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = number("application_id")?;
    let steps = number("user_version")?;
    if application == APPLICATION_ID {
        return Ok(Version::Ours(steps));
    }
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if tables == 0 && steps == 0 { Version::Empty } else { Version::Foreign })
}

/// Takes the steps that are still to take, all or none.
pub(super) fn upgrade(db: &mut Connection, taken: usize, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in steps.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    let taken = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", taken)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_file_takes_only_the_steps_it_lacks() {
        let mut db = Connection::open_in_memory().unwrap();
        upgrade(&mut db, 0, &["CREATE TABLE a (x) STRICT"]).unwrap_err();
        assert_eq!(version(&db).unwrap(), Version::Empty, "a step that fails leaves nothing");

        upgrade(&mut db, 0, &["CREATE TABLE a (x ANY) STRICT"]).unwrap();
        db.execute("INSERT INTO a VALUES (1)", []).unwrap();
        assert_eq!(version(&db).unwrap(), Version::Ours(1));

        let steps = ["CREATE TABLE a (x ANY) STRICT", "ALTER TABLE a ADD COLUMN y ANY DEFAULT 7"];
        upgrade(&mut db, 1, &steps).unwrap();
        assert_eq!(version(&db).unwrap(), Version::Ours(2));
        let kept: (i64, i64) =
            db.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(kept, (1, 7));
    }

    #[test]
    fn a_database_of_another_program_is_not_ours() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert_eq!(version(&db).unwrap(), Version::Foreign);
    }
}
