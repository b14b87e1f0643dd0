//! The way to a mail server that has several addresses, of which some may be dead.
//!
//! A dead address is silent for as long as anybody waits for it, and a name may have one first: an
//! IPv6 address where the way there is broken, or a server of a pair that is switched off. So the
//! next one is tried while the one before is still waited for, and who answers first is taken
//! ("happy eyeballs", RFC 8305 §5).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an address is ahead of the next (RFC 8305 §8, Connection Attempt Delay).
const AHEAD: Duration = Duration::from_millis(250);
/// Most addresses of a name that are tried.
const MOST: usize = 8;

/// A connection to whichever address of the server answers first.
///
/// # Errors
/// When none does, or not within `limit`.
pub(super) async fn connect(server: (&str, u16), limit: Duration) -> io::Result<TcpStream> {
    let connected = async { first_of(addresses(server).await?).await };
    timeout(limit, connected).await.unwrap_or_else(|late| Err(late.into()))
}

/// The address of the server that answers first, for whoever has to connect by themselves. An only
/// one is not asked.
///
/// # Errors
/// When none does, or not within `limit`.
pub(super) async fn answering(server: (&str, u16), limit: Duration) -> io::Result<SocketAddr> {
    let found = async {
        match addresses(server).await?.as_slice() {
            [only] => Ok(*only),
            several => first_of(several.to_vec()).await?.peer_addr(),
        }
    };
    timeout(limit, found).await.unwrap_or_else(|late| Err(late.into()))
}

async fn addresses(server: (&str, u16)) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host(server).await?.take(MOST).collect())
}

/// The first that connects; what is still under way then is dropped.
async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let (mut tries, mut left) = (JoinSet::new(), addresses.into_iter());
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    loop {
        if let Some(address) = left.next() {
            tries.spawn(TcpStream::connect(address));
        }
        let ended = match left.len() {
            0 => tries.join_next().await,
            _ => match timeout(AHEAD, tries.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => failed = error,
            Some(Err(gone)) => failed = gone.into(),
            None if left.len() == 0 => return Err(failed),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// Longer than any test waits: what is asked for has to come by itself.
    const LIMIT: Duration = Duration::from_secs(60);

    /// An address that does not answer: its queue of connections is full, and nobody takes any.
    async fn dead() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = timeout(AHEAD, TcpStream::connect(address)).await {
            queue.push(stream.unwrap());
        }
        (address, listener, queue)
    }

    async fn alive() -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (listener.local_addr().unwrap(), listener)
    }

    #[tokio::test]
    async fn dead_addresses_before_one_that_answers_take_nobodys_time() {
        let (silent, _one, _in_one) = dead().await;
        let (silent_too, _two, _in_two) = dead().await;
        let (alive, _listener) = alive().await;
        let refuses = "127.0.0.1:1".parse().unwrap();
        let addresses = vec![silent, refuses, silent_too, alive];
        let stream = timeout(LIMIT, first_of(addresses)).await.expect("in time").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
    }

    #[tokio::test]
    async fn one_that_answers_late_is_taken_where_the_next_refuses() {
        let (silent, listener, queue) = dead().await;
        let freed = tokio::spawn(async move {
            drop(queue);
            loop {
                listener.accept().await.unwrap();
            }
        });
        let addresses = vec![silent, "127.0.0.1:1".parse().unwrap()];
        let stream = timeout(LIMIT, first_of(addresses)).await.expect("in time").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), silent);
        freed.abort();
    }

    #[tokio::test]
    async fn where_nobody_answers_the_reason_is_said() {
        let refuses: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let error = first_of(vec![refuses, refuses]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first_of(Vec::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "its name has no address");
    }

    #[tokio::test]
    async fn a_name_with_one_address_is_not_knocked_at_before() {
        let refuses = ("127.0.0.1", 1);
        let address = answering(refuses, LIMIT).await.unwrap();
        assert_eq!(address, "127.0.0.1:1".parse().unwrap());
        assert!(connect(refuses, LIMIT).await.is_err());
    }
}
