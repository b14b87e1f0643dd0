//! Who asks, and whether they may.
//!
//! 1. Where the web configuration names users, tokens or asks for certificates, everything needs a
//!    log-in but the pages behind signed links and the paths it excepts. So has Prometheus it, and
//!    `/metrics`, `/-/healthy` and `/-/ready` are no exception.
//!    Whoever gives a good name and password where none is needed is known all the same.
//! 2. Where it does not, everybody who reaches the server may look, and only programs of this
//!    machine may change anything. A request that a proxy passes on is not of this machine, as far
//!    as it can be told from one: by the headers that proxies add, and by HTTP/1.0, which nginx
//!    speaks unless told otherwise and no program of today does. What a
//!    browser of this machine was led here for by a name of somebody else's is not answered where
//!    only this machine reaches the server.
//! 3. Whatever is no GET, HEAD or OPTIONS needs the role of an operator. That is decided here, by
//!    the method, for every route there is or will be; handlers ask for [`Operator`] to learn who
//!    it is.
//! 4. A wrong password or token costs whoever sent it, never others: see [`Passwords`].
//!
//! [`Passwords`]: passwords::Passwords

mod meter;
mod passwords;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use crate::config::{Access, Limit, Role};
use crate::model::Mono;

use super::app::problem;
use super::guard;
pub(super) use meter::{Address, Meter};
use passwords::{Checked, Passwords, WRONG};

/// How fast one address may change things. The list of confirmations after a trial call with every
/// site goes through at once.
const CHANGES: Limit = Limit { interval: Duration::from_millis(50), burst: 512 };

/// Where a request comes from.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// The name in the certificate that it showed, if that was verified.
    pub(super) certificate: Option<Arc<str>>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The user, token or certificate; none where nobody has to say.
    pub(super) name: Option<Arc<str>>,
    pub(super) role: Role,
    pub(super) address: IpAddr,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// Somebody who may change things. A handler that changes something takes this, and cannot be
/// reached without.
#[derive(Debug, Clone)]
pub(super) struct Operator(pub(super) Caller);

/// For handlers that show who has logged in, or only what they may do.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Refusal::LogIn { bearer: false }.into_response())
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.role {
            Role::Operator => Ok(Self(caller)),
            Role::Viewer => Err(Refusal::Role(caller).into_response()),
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not known who it is.
    LogIn {
        /// Whether a token would do.
        bearer: bool,
    },
    /// They may look and change nothing.
    Role(Caller),
    /// A page of another site made a browser ask.
    Foreign(&'static str),
    /// That was too much; the next is looked at after this long.
    TooMany(Duration),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogIn { .. } => f.write_str("log in with a name and a password, or with a token"),
            Self::Role(Caller { name: Some(name), .. }) => write!(
                f,
                "{name} may look and change nothing; `roles` in the web configuration file says who \
                 is an operator"
            ),
            Self::Role(Caller { name: None, .. }) => f.write_str(
                "without users only this machine may change anything; name users and operators in \
                 the web configuration file (`web.config_file`), or ask on the machine itself",
            ),
            Self::Foreign(why) => f.write_str(why),
            Self::TooMany(_) => f.write_str("too many requests from this address; wait a little"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::LogIn { .. } => StatusCode::UNAUTHORIZED,
            Self::Role(_) | Self::Foreign(_) => StatusCode::FORBIDDEN,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        let mut response = problem(status, self.to_string());
        let headers = response.headers_mut();
        match self {
            Self::LogIn { bearer } => {
                headers.append(header::WWW_AUTHENTICATE, PASSWORD);
                if bearer {
                    let bearer = HeaderValue::from_static("Bearer realm=\"vchealth\"");
                    headers.append(header::WWW_AUTHENTICATE, bearer);
                }
            }
            Self::TooMany(wait) => {
                let seconds = wait.as_secs().saturating_add(1);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::Role(_) | Self::Foreign(_) => {}
        }
        response
    }
}

/// How a browser is told to ask for a name and a password.
const PASSWORD: HeaderValue =
    HeaderValue::from_static("Basic realm=\"vchealth\", charset=\"UTF-8\"");

/// Has a browser ask whoever has logged in for another name and password.
pub(super) fn ask_for_a_password(mut response: Response) -> Response {
    response.headers_mut().append(header::WWW_AUTHENTICATE, PASSWORD);
    response
}

/// The gate: what it remembers from one request to the next.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Whether only this machine reaches the listener.
    loopback: bool,
    /// The address that it listens on, where that is one of this machine's in a network: who asks
    /// from there is on this machine.
    own: Option<IpAddr>,
    passwords: Passwords,
    /// Tokens that nobody has.
    tokens: Meter,
    changes: Meter,
    requests: Meter,
}

impl Gate {
    /// A gate before a listener at this address.
    pub(super) fn new(listen: IpAddr) -> Self {
        let listen = listen.to_canonical();
        let (loopback, anywhere) = (listen.is_loopback(), listen.is_unspecified());
        let own = (!loopback && !anywhere).then_some(listen);
        Self { loopback, own, ..Self::default() }
    }

    /// Lets a request in and says who it is, or says why not.
    ///
    /// # Errors
    /// What to answer.
    pub(super) async fn admit(
        &self,
        access: &Access,
        peer: &Peer,
        asked: Asked<'_>,
        now: Mono,
    ) -> Result<Caller, Refusal> {
        let Asked { method, path, headers, public, .. } = asked;
        let from = Address::of(peer.address);
        if let Some(limit) = access.rate_limit {
            self.requests.take(limit, from, now).map_err(Refusal::TooMany)?;
        }
        let changes = !method.is_safe();
        // A name that was pointed here by somebody else comes without a password.
        let only_here = self.loopback && !access.asks_who() && access.tls.is_none();
        if only_here && let Some(why) = guard::misled(headers, public) {
            return Err(Refusal::Foreign(why));
        }
        // Where being on this machine is enough, a browser on it must not be sent here by a name
        // that somebody else pointed to it.
        let place = peer.address.to_canonical();
        let here = place.is_loopback() || self.own == Some(place);
        let by_place = here && !access.asks_who();
        if changes && let Some(why) = guard::refusal(headers, by_place, self.own) {
            return Err(Refusal::Foreign(why));
        }
        let nobody =
            Caller { name: None, role: Role::Viewer, address: peer.address.to_canonical() };
        if !changes && access.excluded.iter().any(|excluded| excluded == path) {
            let known = self.known(access, peer, headers, now).await;
            return Ok(known.unwrap_or(nobody));
        }
        let caller = if access.asks_who() {
            self.known(access, peer, headers, now).await?
        } else {
            let itself = here && !asked.is_passed_on();
            Caller { role: if itself { Role::Operator } else { Role::Viewer }, ..nobody }
        };
        if changes {
            if caller.role != Role::Operator {
                return Err(Refusal::Role(caller));
            }
            self.changes.take(CHANGES, from, now).map_err(Refusal::TooMany)?;
        }
        Ok(caller)
    }

    /// Who it is, by password, token or certificate.
    async fn known(
        &self,
        access: &Access,
        peer: &Peer,
        headers: &HeaderMap,
        now: Mono,
    ) -> Result<Caller, Refusal> {
        let as_caller = |name: &str, role| Caller {
            name: Some(name.into()),
            role,
            address: peer.address.to_canonical(),
        };
        let log_in = || Refusal::LogIn { bearer: !access.tokens.is_empty() };
        if access.users.is_empty() && access.tokens.is_empty() {
            // The handshake has let in nobody without a good certificate.
            let name = peer.certificate.as_deref().ok_or_else(log_in)?;
            let role = access.certificates.iter().find(|(known, _)| known == name);
            return Ok(as_caller(name, role.map_or(Role::Viewer, |(_, role)| *role)));
        }
        match Credentials::of(headers).ok_or_else(log_in)? {
            Credentials::Password { user, password } => {
                let from = Address::of(peer.address);
                match self.passwords.check(access, &user, &password, from, now).await {
                    Checked::Right(role) => Ok(as_caller(&user, role)),
                    Checked::Wrong => {
                        // What is typed where the name belongs may be the password.
                        let known = access.users.iter().any(|known| known.name == user);
                        let user = if known { user.as_str() } else { "-" };
                        tracing::warn!(user, address = %peer.address, "wrong name or password");
                        Err(log_in())
                    }
                    Checked::TooMany(wait) => Err(Refusal::TooMany(wait)),
                }
            }
            Credentials::Token(token) => {
                let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
                // All are compared, so that time does not tell which one was nearly right.
                let mut found = None;
                for known in &access.tokens {
                    if bool::from(known.digest.ct_eq(digest.as_ref())) {
                        found = Some(known);
                    }
                }
                match found {
                    Some(known) => Ok(as_caller(&known.name, known.role)),
                    None => {
                        let from = Address::of(peer.address);
                        self.tokens.take(WRONG, from, now).map_err(Refusal::TooMany)?;
                        tracing::warn!(address = %peer.address, "an unknown token");
                        Err(log_in())
                    }
                }
            }
        }
    }
}

/// What is asked for, as far as the gate cares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) version: Version,
    pub(super) headers: &'a HeaderMap,
    /// Where people reach the server, if that is said.
    pub(super) public: Option<&'a str>,
}

impl Asked<'_> {
    /// Whether a proxy has passed it on, so that its address says nothing about who asks.
    fn is_passed_on(&self) -> bool {
        let added = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
        self.version < Version::HTTP_11 || added.iter().any(|name| self.headers.contains_key(*name))
    }
}

/// What somebody says to be known by (RFC 9110 §11.6.2).
enum Credentials {
    /// RFC 7617.
    Password { user: String, password: String },
    /// RFC 6750.
    Token(String),
}

impl Credentials {
    /// None when there are none, or none that can be understood.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        let value = all.next()?.to_str().ok()?;
        if all.next().is_some() {
            return None;
        }
        let (scheme, rest) = value.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Token(rest.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some(Self::Password { user: user.to_owned(), password: password.to_owned() })
    }
}

#[cfg(test)]
mod tests;
