//! What hands need of the settings.

use crate::config::{IcmpSettings, ResolverSettings, Settings};

/// What hands need of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// Echo engine. Stays as it is over a reload.
    pub icmp: IcmpSettings,
    /// Name resolution.
    pub resolver: ResolverSettings,
    /// Probes other than echoes under way at once.
    pub in_flight: u32,
}

impl From<&Settings> for ProbeSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            icmp: settings.icmp.clone(),
            resolver: settings.resolver.clone(),
            in_flight: settings.budget.in_flight,
        }
    }
}
