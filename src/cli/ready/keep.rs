//! Where a run that a person made is kept: in the store if no daemon holds it, else with the
//! daemon that does, through its API.

use serde_json::{Value, json};

use crate::cli::Failed;
use crate::cli::args::Credentials;
use crate::cli::remote::Remote;
use crate::clock::Clock;
use crate::config::Settings;
use crate::model::{Batch, Change, Confirmation, ReadinessRun, chain, encoded};
use crate::store::{Store, StoreError};

/// Keeps what is found.
pub(super) struct Keeper<'a> {
    pub(super) settings: &'a Settings,
    /// As whom a daemon is asked.
    pub(super) whom: &'a Credentials,
}

impl Keeper<'_> {
    /// Keeps a run.
    ///
    /// # Errors
    /// Why neither the store nor a daemon took it.
    pub(super) fn run(&self, run: ReadinessRun) -> Result<(), Failed> {
        let path = format!("/api/v1/sessions/{}/readiness", encoded(run.session.as_str()));
        let body = serde_json::to_value(&run)
            .map_err(|error| Failed::Other("the run cannot be told".to_owned(), error.into()))?;
        self.keep(vec![Change::Readiness(Box::new(run))], &[(path, body)])
    }

    /// Keeps what people confirmed.
    ///
    /// # Errors
    /// Why neither the store nor a daemon took it.
    pub(super) fn confirmations(&self, said: Vec<Confirmation>) -> Result<(), Failed> {
        let post = |it: &Confirmation| {
            let path = format!("/api/v1/sessions/{}/confirmations", encoded(it.session.as_str()));
            let body = json!({
                "site": it.site, "picture": it.picture, "sound": it.sound,
                "by": it.by, "note": it.note,
            });
            (path, body)
        };
        let posts: Vec<(String, Value)> = said.iter().map(post).collect();
        let changes = said.into_iter().map(|it| Change::Confirm(Box::new(it))).collect();
        self.keep(changes, &posts)
    }

    fn keep(&self, changes: Vec<Change>, posts: &[(String, Value)]) -> Result<(), Failed> {
        let now = Clock::start().now().wall;
        let failed =
            |error: StoreError| Failed::Other("cannot write to the store".to_owned(), error.into());
        match Store::open(&self.settings.state_dir, now) {
            Ok((mut store, _)) => store.commit(&[Batch { changes }], &[], now).map_err(failed),
            // The daemon has it: let it write. So it may have where we may not even look.
            Err(error @ (StoreError::InUse { .. } | StoreError::File { .. })) => {
                let told = Remote::local(self.settings, self.whom).and_then(|daemon| {
                    posts.iter().try_for_each(|(path, body)| daemon.post(path, body))
                });
                told.map_err(|why| Failed::Other(chain(&error), why.into()))
            }
            Err(error) => Err(failed(error)),
        }
    }
}
