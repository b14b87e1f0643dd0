//! The one place with unsafe code: the socket of surge-ping, for options that it does not set.

#![allow(unsafe_code, reason = "surge-ping hands out its socket only as a number")]

use std::os::fd::{BorrowedFd, RawFd};

/// Runs `with` on the socket of which surge-ping tells only the number, for the options that it
/// has no setting for.
///
/// `client` is what keeps that socket open.
pub(super) fn with_socket_of<T>(
    client: &surge_ping::Client,
    with: impl FnOnce(BorrowedFd<'_>) -> T,
) -> T {
    let number: RawFd = client.get_socket().get_native_sock();
    // SAFETY: the number belongs to the socket that `client` owns. `client` is borrowed until
    // after `with` has returned, `with` cannot keep the borrow it is given beyond that, and
    // nothing closes the socket of a client before its last clone is dropped.
    with(unsafe { BorrowedFd::borrow_raw(number) })
}
