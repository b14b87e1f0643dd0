//! A scenario and a configuration put together: what a run needs, virtual or real.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Problems, Scenario, Script};
use crate::config::Config;

impl Scenario {
    /// The configuration that a run starting at `start` has, and its script.
    ///
    /// 1. Settings are those of `base`.
    /// 2. The province is the drawn one, or that of `base` if the scenario plays in the sample.
    /// 3. The calendar is the scenario's. A scenario without sessions has none: those of `base`
    ///    belong to other days.
    /// 4. Nobody looks for readiness by itself: what a scenario expects is what incidents say.
    ///
    /// # Errors
    /// Every site, level, label and endpoint that the province does not have.
    pub fn stage(&self, base: &Config, start: Timestamp) -> Result<(Config, Script), Problems> {
        let topology = match self.topology() {
            Some(drawn) => Arc::new(drawn),
            None => Arc::clone(&base.topology),
        };
        let calendar = self.sessions(&topology, start);
        let script = self.script(&topology);
        match (calendar, script) {
            (Ok(mut calendar), Ok(script)) => {
                calendar.sort_by_key(|session| session.start);
                let sessions = calendar.into_iter().map(Arc::new).collect();
                let mut settings = base.settings.clone();
                settings.readiness.at.clear();
                Ok((Config { settings, topology, sessions, templates: Vec::new() }, script))
            }
            (Err(mut problems), Err(more)) => {
                problems.list.extend(more.list);
                problems.list.sort();
                Err(problems)
            }
            (Err(problems), Ok(_)) | (Ok(_), Err(problems)) => Err(problems),
        }
    }
}
