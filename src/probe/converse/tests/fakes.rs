//! Peers on loopback that do what a test tells them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

/// What a peer does with a connection once the question has come.
#[derive(Clone)]
pub(super) enum Habit {
    /// Says nothing, and keeps the connection.
    Silent,
    /// Says this and closes.
    Says(Vec<u8>),
    /// Says this and keeps the connection.
    Keeps(Vec<u8>),
    /// Says this, then that again and again without end.
    Endless(Vec<u8>, Vec<u8>),
    /// Says this and then one byte at a time, slowly, without end.
    Drips(Vec<u8>),
    /// Answers what was asked.
    Answers(fn(&str) -> Vec<u8>),
}

/// A port that takes one connection and hands back all that it heard.
pub(super) async fn listener() -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        heard
    });
    (at, heard)
}

/// A port where nobody listens.
pub(super) async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// A peer with a habit.
pub(super) async fn tcp(habit: Habit) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream, habit.clone()));
        }
    });
    at
}

/// Goes on until the other side has had enough.
pub(super) async fn behave(mut stream: impl AsyncRead + AsyncWrite + Unpin, habit: Habit) {
    let mut question = vec![0; 4096];
    let length = stream.read(&mut question).await.unwrap_or(0);
    let question = String::from_utf8_lossy(&question[..length]).into_owned();
    let _ = match habit {
        Habit::Silent => stream.read_u8().await.map(drop),
        Habit::Says(text) => stream.write_all(&text).await,
        Habit::Answers(answer) => stream.write_all(&answer(&question)).await,
        Habit::Keeps(text) => match stream.write_all(&text).await {
            Ok(()) => stream.read_u8().await.map(drop),
            error => error,
        },
        Habit::Endless(text, again) => {
            let _ = stream.write_all(&text).await;
            while stream.write_all(&again).await.is_ok() {}
            Ok(())
        }
        Habit::Drips(text) => {
            let _ = stream.write_all(&text).await;
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        }
    };
    let _ = stream.shutdown().await;
}

/// A peer that answers each datagram with what `answer` makes of it: it is given the datagram and
/// how many came before.
pub(super) async fn udp(
    answer: impl Fn(&str, usize) -> Vec<Vec<u8>> + Send + 'static,
) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        let mut before = 0;
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let question = String::from_utf8_lossy(&buffer[..length]).into_owned();
            for reply in answer(&question, before) {
                let _ = socket.send_to(&reply, from).await;
            }
            before += 1;
        }
    });
    at
}
