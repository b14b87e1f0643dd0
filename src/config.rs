//! What people wrote, checked: texts in, a [`Config`] or every problem at once out.
//!
//! This room reads no files. It is handed their texts, so that a test or a web form can hand it
//! others.

mod settings;

pub use settings::{
    Budget, Channel, ChannelKind, Config, CorrelationSettings, FlappingSettings, HygieneSettings,
    Hysteresis, IcmpEngine, IcmpSettings, PhaseSettings, QualitySettings, ResolverSettings,
    Settings, WebhookSettings,
};
