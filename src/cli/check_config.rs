//! `vchealth check-config`: says everything that is wrong, or what the configuration amounts to.

use std::path::Path;

use super::{Exit, Failed};
use crate::config::{Config, LineCost};
use crate::daemon::Source;
use crate::model::{Phase, SiteIx};

/// Checks the files of a directory.
pub(super) fn run(dir: &Path) -> Result<Exit, Failed> {
    let config = Source::directory(dir).load()?;
    print!("{}", describe(&config));
    Ok(Exit::Well)
}

/// What a sound configuration amounts to, and what its probes cost.
fn describe(config: &Config) -> String {
    let topology = &config.topology;
    let mut text = format!(
        "sound: {} sites, {} endpoints, {} targets, {} sessions, {} channels\n\n",
        topology.sites.len(),
        topology.endpoints.len(),
        topology.targets.len(),
        config.sessions.len(),
        config.settings.channels.len(),
    );
    text += "Costliest line of a site's own by level, kbit/s to and from the site:\n";
    text += &format!("  {:<12} {:>5}", "level", "sites");
    for phase in Phase::ALL {
        text += &format!(" {:>13}", phase.word());
    }
    text += "\n";
    for ix in topology.level_ixs() {
        let sites: Vec<SiteIx> =
            topology.site_ixs().filter(|site| topology.site(*site).level == ix).collect();
        text += &format!("  {:<12} {:>5}", topology.levels[ix.ix()].id, sites.len());
        for phase in Phase::ALL {
            let costs = sites.iter().map(|site| LineCost::of_site(topology, *site, phase));
            let worst = costs.max_by(|a, b| busier(a).total_cmp(&busier(b))).unwrap_or_default();
            text += &format!(" {:>6.1} {:>6.1}", worst.to_site, worst.from_site);
        }
        text += "\n";
    }
    text += &format!("The budget of a line is {} kbit/s.\n", config.settings.budget.line_kbit_s);
    text
}

/// The busier direction, which the budget is about.
const fn busier(cost: &LineCost) -> f64 {
    cost.to_site.max(cost.from_site)
}
