//! Names become addresses in the background, so that no probe ever waits for DNS.
//!
//! 1. Every name is looked up at the start and then at a steady interval; one without an answer is
//!    tried again sooner.
//! 2. The last good answer stays for ever. A resolver that dies, or that forgets a name, stops
//!    nothing that once worked.
//! 3. Of several addresses the first is taken, and kept as long as it is among the answers: a name
//!    that rotates must not make a target wander.
//! 4. `/etc/hosts` comes before DNS. The system's configuration is read anew for every round, so
//!    edits are noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{TokioResolver, system_conf};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::notes::cut;
use crate::clock::Clock;
use crate::config::ResolverSettings;
use crate::model::{Host, LocalFailure, Mono, Now};

/// Look-ups under way at once.
const AT_ONCE: usize = 16;

/// A name without an answer is tried again after this long, or after the usual interval if that is
/// shorter.
const RETRY: Duration = Duration::from_secs(10);

/// Longest reason that is kept, in bytes.
const REASON_LIMIT: usize = 160;

/// Looks names up in the background until it is dropped.
#[derive(Debug)]
pub(super) struct Resolver {
    shared: Arc<Shared>,
    _stops_with_us: DropGuard,
}

/// How name resolution does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResolverHealth {
    /// Names that are looked up.
    pub names: usize,
    /// Names without any address so far.
    pub unresolved: usize,
    /// Names whose last look-up got no answer, though an old address may serve.
    pub failing: usize,
    /// Since when the longest of those fails.
    pub failing_since: Option<Now>,
    /// When a look-up last got an answer.
    pub last_success: Option<Now>,
    /// What went wrong last.
    pub reason: Option<String>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    table: Mutex<Table>,
    /// The table has other names, or a look-up ended.
    changed: Notify,
}

#[derive(Debug)]
struct Table {
    settings: ResolverSettings,
    names: BTreeMap<String, Entry>,
    last_success: Option<Now>,
    reason: Option<String>,
}

#[derive(Debug)]
struct Entry {
    address: Option<IpAddr>,
    /// Why there is no address, or why the last look-up failed.
    miss: Option<Miss>,
    failing_since: Option<Now>,
    /// When to look it up again; never while that goes on.
    due: Mono,
    tried: bool,
}

/// Why a look-up has no address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Miss {
    /// The resolver says that there is none.
    NoSuchName,
    /// The resolver does not say.
    NoAnswer(String),
}

/// Where answers come from: configuration and options, read anew for every round.
type Source = Box<dyn Fn() -> Result<(ResolverConfig, ResolverOpts), NetError> + Send + Sync>;

impl Resolver {
    /// Begins to look up nothing yet, the way this machine is set up to. Needs a tokio runtime.
    pub(super) fn start(clock: Clock, settings: ResolverSettings) -> Self {
        Self::start_with(clock, settings, Box::new(system_conf::read_system_conf))
    }

    fn start_with(clock: Clock, settings: ResolverSettings, source: Source) -> Self {
        let names = BTreeMap::new();
        let table = Table { settings, names, last_success: None, reason: None };
        let shared = Arc::new(Shared { clock, table: Mutex::new(table), changed: Notify::new() });
        let stop = CancellationToken::new();
        let work = Arc::clone(&shared);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            work.run(&source).await;
        }));
        Self { shared, _stops_with_us: stop.drop_guard() }
    }

    /// From now on looks up these names, and no others. Addresses of names that stay are kept.
    pub(super) fn watch(&self, names: BTreeSet<String>, settings: ResolverSettings) {
        let mut table = self.shared.table();
        table.settings = settings;
        let mut before = std::mem::take(&mut table.names);
        for name in names {
            let entry = before.remove(&name).unwrap_or(Entry {
                address: None,
                miss: None,
                failing_since: None,
                due: Mono::ZERO,
                tried: false,
            });
            table.names.insert(name, entry);
        }
        drop(table);
        self.shared.changed.notify_waiters();
    }

    /// The address of a host as far as it is known now. Never waits.
    pub(super) fn lookup(&self, host: &Host) -> Result<IpAddr, LocalFailure> {
        let name = match host {
            Host::Ip(address) => return Ok(*address),
            Host::Name(name) => name,
        };
        let table = self.shared.table();
        let entry = table.names.get(name);
        match entry.map(|entry| (entry.address, &entry.miss)) {
            Some((Some(address), _)) => Ok(address),
            Some((None, Some(Miss::NoSuchName))) => Err(LocalFailure::NoSuchName(name.clone())),
            Some((None, Some(Miss::NoAnswer(why)))) => {
                Err(LocalFailure::Unresolved(format!("{name}: {why}")))
            }
            Some((None, None)) | None => {
                Err(LocalFailure::Unresolved(format!("{name}: not looked up yet")))
            }
        }
    }

    /// Returns once every name was looked up at least once, with or without an answer.
    pub(super) async fn settled(&self) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.shared.table().names.values().all(|entry| entry.tried) {
                return;
            }
            changed.await;
        }
    }

    /// How it does.
    pub(super) fn health(&self) -> ResolverHealth {
        let table = self.shared.table();
        let entries = || table.names.values();
        ResolverHealth {
            names: table.names.len(),
            unresolved: entries().filter(|entry| entry.address.is_none()).count(),
            failing: entries().filter(|entry| entry.failing_since.is_some()).count(),
            failing_since: entries()
                .filter_map(|entry| entry.failing_since)
                .min_by_key(|since| since.mono),
            last_success: table.last_success,
            reason: table.reason.clone(),
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks names up as they fall due.
    async fn run(&self, source: &Source) {
        let mut under_way = JoinSet::new();
        let mut resolver = None;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if under_way.is_empty() {
                resolver = None;
            }
            let limit = self.table().settings.timeout;
            while under_way.len() < AT_ONCE
                && let Some(name) = self.take_due()
            {
                let resolver = resolver
                    .get_or_insert_with(|| source().and_then(|it| build(it, limit)).map_err(words))
                    .clone();
                under_way.spawn(async move {
                    let found = match resolver {
                        Ok(resolver) => look_up(&resolver, &name, limit).await,
                        Err(why) => Err(Miss::NoAnswer(why)),
                    };
                    (name, found)
                });
            }
            let full = under_way.len() >= AT_ONCE;
            let next = self.next_due();
            let waiting = async {
                match next {
                    Some(at) => tokio::time::sleep_until(self.clock.instant(at).into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(Ok((name, found))) = under_way.join_next() => self.learn(&name, found),
                () = waiting, if !full => {}
                () = changed => {}
            }
        }
    }

    /// The name that has been due for longest; it is not due again until its look-up has ended.
    fn take_due(&self) -> Option<String> {
        let now = self.clock.mono();
        let mut table = self.table();
        let (name, entry) = table.names.iter_mut().min_by_key(|(_, entry)| entry.due)?;
        if entry.due > now {
            return None;
        }
        entry.due = Mono::NEVER;
        Some(name.clone())
    }

    /// When the next name falls due.
    fn next_due(&self) -> Option<Mono> {
        let due = self.table().names.values().map(|entry| entry.due).min();
        due.filter(|due| *due != Mono::NEVER)
    }

    /// Writes down how a look-up ended.
    fn learn(&self, name: &str, found: Result<Vec<IpAddr>, Miss>) {
        let now = self.clock.now();
        let mut table = self.table();
        let refresh = table.settings.refresh;
        // A reload may have taken the name away meanwhile.
        let Some(entry) = table.names.get_mut(name) else { return };
        entry.tried = true;
        entry.due = now.mono + if found.is_ok() { refresh } else { refresh.min(RETRY) };
        let answered = !matches!(found, Err(Miss::NoAnswer(_)));
        let mut reason = None;
        match found {
            Ok(addresses) => {
                let kept = entry.address.filter(|address| addresses.contains(address));
                let address = kept.or(addresses.first().copied());
                if address != entry.address {
                    tracing::info!(name, address = ?address, before = ?entry.address, "resolved");
                }
                entry.address = address;
                entry.miss = None;
                entry.failing_since = None;
            }
            Err(miss) => {
                let why = match &miss {
                    Miss::NoSuchName => format!("{name}: there is no such name"),
                    Miss::NoAnswer(why) => format!("{name}: {why}"),
                };
                if entry.miss.is_none() {
                    tracing::warn!(name, address = ?entry.address, "not resolved: {why}");
                }
                reason = Some(why);
                entry.failing_since = (!answered).then(|| entry.failing_since.unwrap_or(now));
                entry.miss = Some(miss);
            }
        }
        if answered {
            table.last_success = Some(now);
        }
        if reason.is_some() {
            table.reason = reason;
        }
        drop(table);
        self.changed.notify_waiters();
    }
}

/// A resolver with time limits that fit into ours.
fn build(
    (config, mut options): (ResolverConfig, ResolverOpts),
    limit: Duration,
) -> Result<TokioResolver, NetError> {
    // Room for one repetition, should the first packet be lost.
    options.timeout = limit / 2;
    options.attempts = 1;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    options.use_hosts_file = ResolveHosts::Always;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build()
}

/// Looks one name up, within `limit`.
async fn look_up(
    resolver: &TokioResolver,
    name: &str,
    limit: Duration,
) -> Result<Vec<IpAddr>, Miss> {
    let Ok(found) = tokio::time::timeout(limit, resolver.lookup_ip(name)).await else {
        return Err(Miss::NoAnswer(format!("no answer within {limit:?}")));
    };
    match found {
        Ok(found) => {
            let addresses: Vec<IpAddr> = found.iter().collect();
            if addresses.is_empty() { Err(Miss::NoSuchName) } else { Ok(addresses) }
        }
        Err(error) if error.is_no_records_found() => Err(Miss::NoSuchName),
        Err(error) => Err(Miss::NoAnswer(words(error))),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn words(error: NetError) -> String {
    cut(&error.to_string(), REASON_LIMIT)
}

#[cfg(test)]
mod tests;
