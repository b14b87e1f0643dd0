//! An engine with everything it answered.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vchealth::clock::Clock;
use vchealth::config::{IcmpEngine, IcmpSettings};
use vchealth::probe::icmp::{EchoParams, PingDone, PingJob, Pinger, start};

/// What the usual ping sends.
pub(crate) const PLAIN: EchoParams = EchoParams {
    count: 1,
    spacing: Duration::from_millis(20),
    size: 56,
    dscp: 0,
    dont_fragment: false,
    planned: false,
};

/// An engine under test.
pub(crate) struct Engine {
    pub(crate) clock: Clock,
    pub(crate) pinger: Arc<dyn Pinger>,
    results: Mutex<Receiver<Vec<PingDone>>>,
}

impl Engine {
    /// Starts an engine in the namespace of the calling thread.
    ///
    /// # Panics
    /// When it does not start.
    pub(crate) fn start(engine: IcmpEngine) -> Self {
        Self::start_with(engine, 4 << 20)
    }

    /// The same with another receive buffer.
    ///
    /// # Panics
    /// When it does not start.
    pub(crate) fn start_with(engine: IcmpEngine, receive_buffer: u32) -> Self {
        let clock = Clock::start();
        let (sender, results) = channel();
        let settings = IcmpSettings { engine, receive_buffer };
        let sink = Box::new(move |batch: Vec<PingDone>| {
            assert!(!batch.is_empty());
            sender.send(batch).ok();
        });
        let pinger = start(&settings, clock, sink).expect("this test has the permission");
        Self { clock, pinger, results: Mutex::new(results) }
    }

    /// Submits `jobs` and waits for exactly one result for each, by token.
    ///
    /// # Panics
    /// When a result is missing for a minute, comes twice or was never asked for.
    pub(crate) fn run(&self, jobs: Vec<PingJob>) -> BTreeMap<u64, PingDone> {
        self.run_beside(jobs, Vec::new())
    }

    /// The same when others have submitted jobs with the tokens `theirs`, which is waited for too.
    ///
    /// # Panics
    /// When a result is missing for a minute, comes twice or was never asked for.
    pub(crate) fn run_beside(
        &self,
        jobs: Vec<PingJob>,
        theirs: Vec<u64>,
    ) -> BTreeMap<u64, PingDone> {
        let mut open = theirs;
        open.extend(jobs.iter().map(|job| job.token));
        open.sort_unstable();
        self.pinger.submit(jobs);
        let mut done = BTreeMap::new();
        let results = self.results.lock().unwrap();
        while done.len() < open.len() {
            let batch =
                results.recv_timeout(Duration::from_secs(60)).expect("every job is answered");
            for result in batch {
                assert!(open.binary_search(&result.token).is_ok(), "never asked: {result:?}");
                let again = done.insert(result.token, result);
                assert!(again.is_none(), "answered twice: {again:?}");
            }
        }
        done
    }

    /// Ends the engine and gives what it answered then.
    ///
    /// # Panics
    /// When it does not end.
    pub(crate) fn stop(self) -> Vec<PingDone> {
        let Self { pinger, results, .. } = self;
        drop(pinger);
        results.into_inner().unwrap().iter().flatten().collect()
    }

    /// Asks `address` once.
    pub(crate) fn ask(&self, address: impl Into<IpAddr>, check: EchoParams) -> PingDone {
        let job = PingJob {
            token: 77,
            address: address.into(),
            check,
            // However busy this machine is.
            timeout: Duration::from_secs(50),
            due: self.clock.mono(),
        };
        self.run(vec![job]).remove(&77).unwrap()
    }
}
