//! The checked web configuration: who is let in, as whom, and how fast.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything, change nothing.
    Viewer,
    /// Change what can be changed while the daemon runs.
    Operator,
}

impl Role {
    /// Both, the lesser first.
    pub const ALL: [Self; 2] = [Self::Viewer, Self::Operator];

    /// The word in files and messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// Who may reach the web server, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// What connections are encrypted with, if they are.
    pub tls: Option<TlsServer>,
    /// Headers of every answer, in place of our own of the same name.
    pub headers: Vec<(String, String)>,
    /// Who logs in with a password.
    pub users: Vec<WebUser>,
    /// Which programs log in with a token.
    pub tokens: Vec<WebToken>,
    /// Names of client certificates and what they may do; others are viewers.
    pub certificates: Vec<(String, Role)>,
    /// How fast one address may ask; none when as fast as it likes.
    pub rate_limit: Option<Limit>,
    /// Paths that are answered without a log-in.
    pub excluded: Vec<String>,
}

impl Access {
    /// Whether somebody has to say who they are.
    #[must_use]
    pub fn asks_who(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty() || self.certifies()
    }

    /// Whether nobody comes in without a certificate of theirs.
    #[must_use]
    pub fn certifies(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.required)
    }

    /// Whether anybody may change anything.
    #[must_use]
    pub fn has_operator(&self) -> bool {
        let users = self.users.iter().map(|user| user.role);
        let tokens = self.tokens.iter().map(|token| token.role);
        let certificates = self.certificates.iter().map(|(_, role)| *role);
        users.chain(tokens).chain(certificates).any(|role| role == Role::Operator)
    }
}

/// What connections are encrypted with.
#[derive(Clone)]
pub struct TlsServer {
    /// Certificate, key, versions and whom clients have to be vouched for by, ready to use.
    pub config: Arc<ServerConfig>,
    /// Whether a client needs a certificate.
    pub required: bool,
    /// Names of which a client's certificate has to hold one; any when empty.
    pub allowed: Vec<ClientName>,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").field("required", &self.required).finish_non_exhaustive()
    }
}

/// Two are the same when they are one: what a key is made of is not looked at again.
impl PartialEq for TlsServer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }
}

/// A name in a client's certificate: DNS, e-mail, URI or IP address, as text.
pub type ClientName = String;

/// Who logs in with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUser {
    /// The name.
    pub name: String,
    /// What the password is checked against.
    pub hash: PasswordHash,
    /// What they may do.
    pub role: Role,
}

/// A bcrypt hash. It is not the password, and yet nobody is shown it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The hash, for the one place that checks passwords.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A program that logs in with a token.
#[derive(Clone, PartialEq, Eq)]
pub struct WebToken {
    /// The name.
    pub name: String,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What it may do.
    pub role: Role,
}

impl fmt::Debug for WebToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, digest: _, role } = self;
        f.debug_struct("WebToken").field("name", name).field("role", role).finish_non_exhaustive()
    }
}

/// How fast something may happen: at once `burst` times, then once every `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Time after which one more is allowed.
    pub interval: Duration,
    /// How many may come at once, at least 1.
    pub burst: u32,
}
