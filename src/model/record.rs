//! A session as it was held: who took part from when to when, under which names, written down
//! while it was on, so that it can be reported when the configuration has long changed.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Bilingual, CheckId, CheckKind, EndpointId, Importance, LevelId, Session, SessionId, SiteId,
    SiteIx, Topology,
};

/// A session as it was held. The record is whole: names stand in it as they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// What people call it.
    pub title: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended or is to end; after `start`.
    pub end: Timestamp,
    /// How much an outage mattered.
    pub importance: Importance,
    /// Every site that took part at any time, in file order, those added later behind.
    pub sites: Vec<Attendance>,
    /// Names of the levels.
    pub levels: BTreeMap<LevelId, Bilingual>,
    /// Names of the sites that lines of taking-part sites run through.
    pub names: BTreeMap<SiteId, String>,
    /// When everything about it was known; none before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Timestamp>,
}

/// A site that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendance {
    /// The site.
    pub site: SiteId,
    /// Its name.
    pub name: String,
    /// Its level.
    pub level: LevelId,
    /// The sites that its line runs through, nearest first.
    pub line: Vec<SiteId>,
    /// Its delegates.
    pub delegates: u32,
    /// The target whose echoes stand for its path: of the first device behind the router that is
    /// pinged, or of the router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<(EndpointId, CheckId)>,
    /// When it took part, never empty.
    pub stays: Vec<Stay>,
}

/// A stretch of time for which a site took part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// When it was added to a session that was on; none when it was there from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When it was taken out of a session that was on; none when it stayed to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Changes that began before a session's end are confirmed by then at the latest: three probes and
/// their time limits, and the wait for what explains them.
const SETTLES_AFTER: Duration = Duration::from_secs(20);

impl SessionRecord {
    /// From when on everything that happened until the end is known.
    #[must_use]
    pub fn settled(&self) -> Timestamp {
        self.end.checked_add(SETTLES_AFTER).unwrap_or(Timestamp::MAX)
    }

    /// The record of a session that is held as planned.
    #[must_use]
    pub fn planned(session: &Session, topology: &Topology) -> Self {
        let mut record = Self {
            id: session.id.clone(),
            title: session.title.clone(),
            start: session.start,
            end: session.end,
            importance: session.importance,
            sites: Vec::new(),
            levels: BTreeMap::new(),
            names: BTreeMap::new(),
            closed: None,
        };
        record.enrol(session, topology, None);
        record
    }

    /// Takes over what the calendar says at `now`; whether that is news.
    ///
    /// 1. Title, times, delegates and names are those of the calendar.
    /// 2. Who is added before the start has been there from the start; who is added later joined
    ///    then. Who is taken out before the start never took part; who is taken out later left.
    /// 3. A session that goes on after it was closed is open again.
    pub fn follow(&mut self, session: &Session, topology: &Topology, now: Timestamp) -> bool {
        let before = self.clone();
        self.title.clone_from(&session.title);
        (self.start, self.end) = (session.start, session.end);
        self.importance = session.importance;
        let on = now > self.start;
        let takes_part = |site: &SiteId| {
            topology.find_site(site).is_some_and(|ix| session.sites.contains_key(&ix))
        };
        if on {
            for attendance in self.sites.iter_mut().filter(|it| !takes_part(&it.site)) {
                if let Some(stay) = attendance.stays.last_mut() {
                    stay.until.get_or_insert(now);
                }
            }
        } else {
            self.sites.retain(|it| takes_part(&it.site));
        }
        self.enrol(session, topology, on.then_some(now));
        if self.end > now {
            self.closed = None;
        }
        *self != before
    }

    /// The name of a site that the record knows, or its id.
    #[must_use]
    pub fn name_of<'a>(&'a self, site: &'a SiteId) -> &'a str {
        let attending = self.sites.iter().find(|it| it.site == *site).map(|it| &it.name);
        attending.or_else(|| self.names.get(site)).map_or(site.as_str(), String::as_str)
    }

    /// Delegates at all sites together.
    #[must_use]
    pub fn delegates(&self) -> u64 {
        self.sites.iter().map(|it| u64::from(it.delegates)).sum()
    }

    /// Writes down everybody who takes part; those who did not until now joined at `from`.
    fn enrol(&mut self, session: &Session, topology: &Topology, from: Option<Timestamp>) {
        for (ix, delegates) in &session.sites {
            let Some(site) = topology.sites.get(ix.ix()) else { continue };
            let level = topology.level_of(*ix);
            self.levels.insert(level.id.clone(), level.name.clone());
            let ancestors = topology.ancestors(*ix);
            for above in &ancestors {
                let above = topology.site(*above);
                self.names.insert(above.id.clone(), above.name.clone());
            }
            let attendance = match self.sites.iter_mut().find(|it| it.site == site.id) {
                Some(known) => known,
                None => {
                    self.sites.push(Attendance {
                        site: site.id.clone(),
                        name: String::new(),
                        level: level.id.clone(),
                        line: Vec::new(),
                        delegates: 0,
                        path: None,
                        stays: Vec::new(),
                    });
                    let Some(new) = self.sites.last_mut() else { continue };
                    new
                }
            };
            attendance.name.clone_from(&site.name);
            attendance.level = level.id.clone();
            attendance.line = ancestors.iter().map(|ix| topology.site(*ix).id.clone()).collect();
            attendance.delegates = *delegates;
            attendance.path = path(topology, *ix);
            if attendance.stays.last().is_none_or(|stay| stay.until.is_some()) {
                attendance.stays.push(Stay { from, until: None });
            }
        }
    }
}

/// The target whose echoes stand for the path to a site.
fn path(topology: &Topology, site: SiteIx) -> Option<(EndpointId, CheckId)> {
    let endpoints = &topology.site(site).endpoints;
    let behind = endpoints.iter().skip(1).chain(endpoints.first());
    behind.copied().find_map(|endpoint| {
        let endpoint = topology.endpoint(endpoint);
        let pinged = endpoint.targets.iter().map(|ix| topology.check_of(*ix));
        let check = pinged.into_iter().find(|check| matches!(check.kind, CheckKind::Icmp(_)))?;
        Some((endpoint.id.clone(), check.id.clone()))
    })
}
