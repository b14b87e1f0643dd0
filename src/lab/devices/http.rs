//! The web page of a device, or what a broken one serves instead.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::sip::date;
use super::{Behaviour, now};
use crate::lab::SERVER;
use crate::lab::world::HttpState;

/// Longest request that is read.
const LONGEST: usize = 16_384;
/// What an endless answer is made of.
const CHUNK: [u8; 8192] = [b'.'; 8192];

/// Answers one request after the other until the connection is closed.
pub(super) async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    behaviour: &Behaviour,
) -> io::Result<()> {
    let mut heard = Vec::new();
    loop {
        let mut buffer = [0; 2048];
        let length = stream.read(&mut buffer).await?;
        if length == 0 || heard.len() > LONGEST {
            return stream.shutdown().await;
        }
        heard.extend_from_slice(&buffer[..length]);
        let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head_only = heard.starts_with(b"HEAD ");
        heard.drain(..end + 4);
        let service = now(behaviour);
        let date = date(&service);
        match service.http {
            HttpState::Hung | HttpState::Closed => {}
            HttpState::Endless => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nDate: {date}\r\nServer: {SERVER}\r\nContent-Type: \
                     text/plain\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await?;
                loop {
                    stream.write_all(&CHUNK).await?;
                    // Endless, but not as fast as the machine can.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            HttpState::Answers(status) => {
                let body = page(status);
                let shown = if head_only { "" } else { body.as_str() };
                let answer = format!(
                    "HTTP/1.1 {status} {}\r\nDate: {date}\r\nServer: {SERVER}\r\nContent-Type: \
                     text/html; charset=utf-8\r\nContent-Length: {}\r\n\r\n{shown}",
                    phrase(status),
                    body.len(),
                );
                stream.write_all(answer.as_bytes()).await?;
                stream.flush().await?;
            }
        }
    }
}

fn page(status: u16) -> String {
    let phrase = phrase(status);
    format!("<!doctype html><title>{SERVER}</title><h1>{status} {phrase}</h1>\n")
}

/// The usual phrase of a status (RFC 9110 §15).
const fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Answer",
    }
}
