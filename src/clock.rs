//! The clocks: the one place that asks what time it is.
//!
//! Rooms with hands hold a [`Clock`] and hand its readings to the pure ones.

use std::time::Instant;

use jiff::Timestamp;

use crate::model::{Mono, Now};

/// A monotonic and a wall clock with a common origin. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The current moment on both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: Timestamp::now() }
    }

    /// The current moment on the monotonic clock.
    #[must_use]
    pub fn mono(&self) -> Mono {
        Mono::ZERO + self.origin.elapsed()
    }

    /// The instant of the operating system at monotonic time `mono`, for timers.
    #[must_use]
    pub fn instant(&self, mono: Mono) -> Instant {
        self.origin + (mono - Mono::ZERO)
    }
}
