//! `vchealth hash-password`: what the web configuration file holds in place of a password or a
//! token.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use super::args::HashPassword;
use super::{Exit, Failed};

/// bcrypt takes in no more of a password than this, in bytes.
const LONGEST: usize = 72;
/// Bytes of randomness in a token: more than anybody can guess.
const TOKEN: usize = 32;

/// Prints a hash.
pub(super) fn run(asked: &HashPassword) -> Result<Exit, Failed> {
    if asked.token {
        return token();
    }
    let password = password()?;
    if password.is_empty() {
        return Err(Failed::Usage("an empty password is none".to_owned()));
    }
    if password.len() > LONGEST || password.contains('\0') {
        let text = format!("a password has at most {LONGEST} bytes; bcrypt would not see the rest");
        return Err(Failed::Usage(text));
    }
    let hash = bcrypt::hash(password, asked.cost)
        .map_err(|error| Failed::Other("cannot make the hash".to_owned(), Box::new(error)))?;
    println!("{hash}");
    Ok(Exit::Well)
}

/// A new token, to be kept by a program, and what stands in the file.
fn token() -> Result<Exit, Failed> {
    let mut bytes = [0; TOKEN];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failed::Other("there is no randomness".to_owned(), Box::new(error)))?;
    let token = hex(&bytes);
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    println!("token:  {token}");
    println!("sha256: {}", hex(digest.as_ref()));
    Ok(Exit::Well)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The password: typed twice and not shown, or the first line of what is piped in.
fn password() -> Result<String, Failed> {
    let stdin = io::stdin();
    let failed =
        |error: io::Error| Failed::Other("cannot read the password".to_owned(), error.into());
    if !stdin.is_terminal() {
        let mut line = String::new();
        stdin.lock().take(1 << 12).read_line(&mut line).map_err(failed)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let first = typed("Password: ").map_err(failed)?;
    if typed("Once more: ").map_err(failed)? != first {
        return Err(Failed::Usage("these are two different passwords".to_owned()));
    }
    Ok(first)
}

/// One line from the terminal, which shows nothing of it.
fn typed(prompt: &str) -> io::Result<String> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    write!(&terminal, "{prompt}")?;
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
    let mut line = String::new();
    let read = BufReader::new(&terminal).take(1 << 12).read_line(&mut line);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &before)?;
    writeln!(&terminal)?;
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
