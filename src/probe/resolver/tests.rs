//! Against a name server of our own on loopback, which can be told to die.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
use tokio::net::UdpSocket;

use super::*;

/// What the name server does with a question.
#[derive(Clone)]
enum Answer {
    Addresses(Vec<Ipv4Addr>),
    NoSuchName,
    Silence,
}

/// A name server that gives every question the same answer.
struct NameServer {
    at: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

impl NameServer {
    async fn start(answer: Answer) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(answer));
        let asked = Arc::new(AtomicUsize::new(0));
        let (mine, counter) = (Arc::clone(&answer), Arc::clone(&asked));
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                counter.fetch_add(1, Ordering::SeqCst);
                let answer = mine.lock().unwrap().clone();
                if let Some(reply) = reply(&buffer[..length], &answer) {
                    socket.send_to(&reply, from).await.unwrap();
                }
            }
        });
        Self { at, answer, asked }
    }

    fn now_says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn source(&self) -> Source {
        let at = self.at;
        Box::new(move || {
            let mut udp = ConnectionConfig::udp();
            udp.port = at.port();
            let server = NameServerConfig::new(at.ip(), true, vec![udp]);
            Ok((ResolverConfig::from_name_servers(vec![server]), ResolverOpts::default()))
        })
    }
}

/// A reply in DNS format (RFC 1035 §4.1): the question repeated, address records behind it.
fn reply(question: &[u8], answer: &Answer) -> Option<Vec<u8>> {
    let name_end = 12 + question[12..].iter().position(|byte| *byte == 0)? + 1;
    let is_a = question[name_end..name_end + 2] == [0, 1];
    let mut reply = question[..name_end + 4].to_vec();
    let (code, addresses) = match answer {
        Answer::Addresses(addresses) => (0, addresses.as_slice()),
        Answer::NoSuchName => (3, &[][..]),
        Answer::Silence => return None,
    };
    let addresses = if is_a { addresses } else { &[] };
    reply[2] = 0x81;
    reply[3] = 0x80 | code;
    reply[6..12].fill(0);
    reply[7] = u8::try_from(addresses.len()).ok()?;
    for address in addresses {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}

const NAME: &str = "codec.tan-lap.example.";

fn settings() -> ResolverSettings {
    ResolverSettings { refresh: Duration::from_millis(20), timeout: Duration::from_millis(200) }
}

async fn watching(server: &NameServer) -> Resolver {
    let resolver = Resolver::start_with(Clock::start(), settings(), server.source());
    resolver.watch(BTreeSet::from([NAME.to_owned()]), settings());
    resolver.settled().await;
    resolver
}

fn look(resolver: &Resolver) -> Result<IpAddr, LocalFailure> {
    resolver.lookup(&Host::Name(NAME.to_owned()))
}

async fn until(mut condition: impl FnMut() -> bool) {
    let polling = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), polling).await.expect("it comes true");
}

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);

#[tokio::test]
async fn a_literal_address_needs_no_look_up() {
    let server = NameServer::start(Answer::Silence).await;
    let resolver = Resolver::start_with(Clock::start(), settings(), server.source());
    assert_eq!(resolver.lookup(&Host::Ip(FIRST.into())), Ok(FIRST.into()));
}

#[tokio::test]
async fn a_name_is_resolved_and_a_new_answer_is_noticed() {
    let server = NameServer::start(Answer::Addresses(vec![FIRST])).await;
    let resolver = watching(&server).await;
    assert_eq!(look(&resolver), Ok(FIRST.into()));
    assert_eq!(resolver.health().failing_since, None);
    server.now_says(Answer::Addresses(vec![SECOND]));
    until(|| look(&resolver) == Ok(SECOND.into())).await;
}

#[tokio::test]
async fn an_address_is_kept_while_it_is_among_the_answers() {
    let server = NameServer::start(Answer::Addresses(vec![FIRST])).await;
    let resolver = watching(&server).await;
    server.now_says(Answer::Addresses(vec![SECOND, FIRST]));
    let asked = server.asked.load(Ordering::SeqCst);
    until(|| server.asked.load(Ordering::SeqCst) > asked + 2).await;
    assert_eq!(look(&resolver), Ok(FIRST.into()));
}

#[tokio::test]
async fn a_dead_server_takes_no_address_away_and_shows_in_the_health() {
    let server = NameServer::start(Answer::Addresses(vec![FIRST])).await;
    let resolver = watching(&server).await;
    server.now_says(Answer::Silence);
    until(|| resolver.health().failing_since.is_some()).await;
    assert_eq!(look(&resolver), Ok(FIRST.into()));
    let health = resolver.health();
    assert_eq!((health.names, health.unresolved, health.failing), (1, 0, 1));
    assert!(health.last_success.is_some());
    assert!(health.reason.unwrap().contains(NAME));
    server.now_says(Answer::Addresses(vec![SECOND]));
    until(|| resolver.health().failing_since.is_none()).await;
    assert_eq!(look(&resolver), Ok(SECOND.into()));
}

#[tokio::test]
async fn a_name_that_vanishes_keeps_its_last_address() {
    let server = NameServer::start(Answer::Addresses(vec![FIRST])).await;
    let resolver = watching(&server).await;
    server.now_says(Answer::NoSuchName);
    until(|| resolver.health().reason.is_some()).await;
    assert_eq!(look(&resolver), Ok(FIRST.into()));
    assert_eq!(resolver.health().failing_since, None, "the server answers");
}

#[tokio::test]
async fn a_name_that_never_was_is_told_from_a_server_that_never_answered() {
    let server = NameServer::start(Answer::NoSuchName).await;
    let resolver = watching(&server).await;
    assert_eq!(look(&resolver), Err(LocalFailure::NoSuchName(NAME.to_owned())));

    let server = NameServer::start(Answer::Silence).await;
    let resolver = Resolver::start_with(Clock::start(), settings(), server.source());
    resolver.watch(BTreeSet::from([NAME.to_owned()]), settings());
    assert!(
        matches!(look(&resolver), Err(LocalFailure::Unresolved(_))),
        "known before the first look-up has ended"
    );
    resolver.settled().await;
    assert!(matches!(look(&resolver), Err(LocalFailure::Unresolved(_))));
}

#[tokio::test]
async fn names_that_are_watched_no_longer_are_forgotten_and_the_others_stay() {
    let server = NameServer::start(Answer::Addresses(vec![FIRST])).await;
    let resolver = watching(&server).await;
    server.now_says(Answer::Silence);
    let other = "router.tan-lap.example.".to_owned();
    resolver.watch(BTreeSet::from([NAME.to_owned(), other]), settings());
    assert_eq!(look(&resolver), Ok(FIRST.into()));
    resolver.watch(BTreeSet::new(), settings());
    assert!(matches!(look(&resolver), Err(LocalFailure::Unresolved(_))));
    assert_eq!(resolver.health().names, 0);
}

#[tokio::test]
async fn a_hundred_names_are_looked_up_side_by_side() {
    let server = NameServer::start(Answer::Silence).await;
    let resolver = Resolver::start_with(Clock::start(), settings(), server.source());
    let names: BTreeSet<String> = (0..100).map(|n| format!("codec-{n}.example.")).collect();
    resolver.watch(names, settings());
    let settled = tokio::time::timeout(Duration::from_secs(20), resolver.settled());
    settled.await.expect("one after the other would take longer");
    assert_eq!(resolver.health().failing, 100);
}

#[tokio::test]
async fn the_hosts_file_answers_without_a_server() {
    let server = NameServer::start(Answer::Silence).await;
    let resolver = Resolver::start_with(Clock::start(), settings(), server.source());
    resolver.watch(BTreeSet::from(["localhost".to_owned()]), settings());
    resolver.settled().await;
    let found = resolver.lookup(&Host::Name("localhost".to_owned()));
    assert_eq!(found, Ok(IpAddr::from([127, 0, 0, 1])));
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
}
