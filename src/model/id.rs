//! Names and places: textual ids that people write and that outlive a restart, and indices that
//! make a lookup one array access within one topology.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A textual id, cheap to clone. `K` keeps a site's id from being passed as an endpoint's.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id<K> {
    text: Arc<str>,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// An id with this text. The configuration has checked its form.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), kind: PhantomData }
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self { text: Arc::clone(&self.text), kind: PhantomData }
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A position in one [`Topology`](super::Topology). Meaningless in another.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ix<K> {
    at: u32,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> Ix<K> {
    /// The position `at`.
    ///
    /// # Panics
    /// When `at` does not fit 32 bits; the configuration bounds every list far below that.
    #[must_use]
    pub fn new(at: usize) -> Self {
        let at = u32::try_from(at).expect("lists are bounded by the configuration");
        Self { at, kind: PhantomData }
    }

    /// The position as an array index.
    #[must_use]
    pub const fn ix(self) -> usize {
        self.at as usize
    }
}

impl<K> Clone for Ix<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Ix<K> {}

impl<K> fmt::Debug for Ix<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.at)
    }
}

/// What each id and index names.
pub(super) mod kind {
    /// A place that joins sessions.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Site {}
    /// A level of sites.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Level {}
    /// What a kind of site has.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Class {}
    /// A device at a site.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Endpoint {}
    /// How to probe.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Check {}
    /// Endpoint × check.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Target {}
    /// A session.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Session {}
    /// One cause with all it explains.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Incident {}
    /// One message to one channel.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Notification {}
    /// A way to reach people.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Channel {}
    /// A period in which something is not told.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Silence {}
    /// Somebody who is told.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Person {}
    /// Who is on duty when.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Rota {}
}

/// Textual id of a site, such as `tan-lap`.
pub type SiteId = Id<kind::Site>;
/// Textual id of a level, such as `commune`.
pub type LevelId = Id<kind::Level>;
/// Textual id of a class of site.
pub type ClassId = Id<kind::Class>;
/// Textual id of an endpoint, unique within its site: `router`, `codec`.
pub type EndpointId = Id<kind::Endpoint>;
/// Textual id of a check: `ping`, `sip`.
pub type CheckId = Id<kind::Check>;
/// Textual id of a session.
pub type SessionId = Id<kind::Session>;
/// Textual id of an incident; sorts by opening time within a site.
pub type IncidentId = Id<kind::Incident>;
/// Textual id of a notification, the same at every repeat of its delivery.
pub type NotificationId = Id<kind::Notification>;
/// Textual id of a channel.
pub type ChannelId = Id<kind::Channel>;
/// Textual id of a silence or maintenance window.
pub type SilenceId = Id<kind::Silence>;
/// Textual id of a person who is told.
pub type PersonId = Id<kind::Person>;
/// Textual id of a rota.
pub type RotaId = Id<kind::Rota>;

/// Position of a site in the topology.
pub type SiteIx = Ix<kind::Site>;
/// Position of a level in the topology.
pub type LevelIx = Ix<kind::Level>;
/// Position of an endpoint in the topology.
pub type EndpointIx = Ix<kind::Endpoint>;
/// Position of a target in the topology.
pub type TargetIx = Ix<kind::Target>;

/// The durable name of a target, an endpoint or a site: what state is kept under.
///
/// A site has neither endpoint nor check, an endpoint has no check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetKey {
    /// The site.
    pub site: SiteId,
    /// The endpoint, unless the site as a whole is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointId>,
    /// The check, unless the endpoint as a whole is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckId>,
}

impl fmt::Display for TargetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.site)?;
        if let Some(endpoint) = &self.endpoint {
            write!(f, "/{endpoint}")?;
        }
        if let Some(check) = &self.check {
            write!(f, "/{check}")?;
        }
        Ok(())
    }
}
