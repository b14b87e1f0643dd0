//! How far a run is: a bar on a terminal, a few plain lines anywhere else.

use std::io::{IsTerminal, Write};

use crate::probe::Progress;

/// Characters of the bar.
const WIDTH: usize = 32;

/// How far a run is.
pub(super) struct Bar {
    terminal: bool,
    /// Quarters that were told.
    told: usize,
}

impl Bar {
    /// Says what is about to happen.
    pub(super) fn start(title: &str, sites: usize) -> Self {
        eprintln!("{title}: {sites} sites …");
        let mut bar = Self { terminal: std::io::stderr().is_terminal(), told: 0 };
        bar.show(Progress { done: 0, of: sites });
        bar
    }

    /// Says how far it is.
    pub(super) fn show(&mut self, Progress { done, of }: Progress) {
        if self.terminal {
            let full = (done * WIDTH).checked_div(of).unwrap_or(WIDTH);
            let (full, rest) = ("█".repeat(full), "░".repeat(WIDTH - full));
            let mut out = std::io::stderr();
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(out, "\r\x1b[K{full}{rest} {done}/{of}").and_then(|()| out.flush());
            return;
        }
        let quarter = (done * 4).checked_div(of).unwrap_or(4);
        if quarter > self.told {
            self.told = quarter;
            eprintln!("{done}/{of}");
        }
    }

    /// Clears the line for what follows.
    pub(super) fn end(self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
