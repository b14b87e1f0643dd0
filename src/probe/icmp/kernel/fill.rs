//! How full a receive buffer may have been: whether a packet that the kernel dropped can have been
//! one too many.
//!
//! A raw IPv6 socket also counts packets with a wrong checksum among those it dropped, whoever sent
//! them. If those made silence prove nothing, one device that damages packets would blind us.

/// Most of a socket's receive buffer that was taken since the last look.
#[derive(Debug, Default)]
pub(super) struct Fill {
    fetched: usize,
}

impl Fill {
    /// Most that a packet takes of the buffer besides [`Self::SHARE`] times its bytes: interface
    /// drivers give even a small one a page and the kernel's bookkeeping.
    const PACKET: usize = 4_608;

    /// What the bytes of one that came in pieces take, each piece with a page of its own.
    const SHARE: usize = 3;

    /// A message of this many bytes was read.
    pub(super) const fn fetched(&mut self, bytes: usize) {
        self.fetched =
            self.fetched.saturating_add(Self::PACKET).saturating_add(bytes * Self::SHARE);
    }

    /// Whether a buffer of `room` bytes, of which `held` are taken now, can have been full at any
    /// moment since the last look. Whatever was in it at that moment has been read since or is in
    /// it still.
    pub(super) fn was_full(&mut self, held: u32, room: u32) -> bool {
        let fetched = std::mem::take(&mut self.fetched);
        fetched.saturating_add(held as usize) >= room as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_was_full_only_if_what_was_read_and_what_waits_would_fill_it() {
        let mut fill = Fill::default();
        assert!(!fill.was_full(900, 1_000));
        assert!(fill.was_full(1_000, 1_000));
        for _ in 0..20 {
            fill.fetched(84);
        }
        assert!(!fill.was_full(0, 1 << 20));
        for _ in 0..300 {
            fill.fetched(84);
        }
        assert!(fill.was_full(0, 1 << 20));
        assert!(!fill.was_full(0, 1 << 20), "the next look begins anew");
    }
}
