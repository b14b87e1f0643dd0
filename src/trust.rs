//! Whom this machine trusts to vouch for others.
//!
//! The authorities take milliseconds to read and a tenth of a MiB to keep, and a daemon may never
//! seal a connection. So they are read when the first is about to be sealed, and once for all.

use std::sync::{Arc, LazyLock};

use rustls::RootCertStore;

/// The authorities that this machine trusts. A province's own is added there once, for all
/// programs.
#[must_use]
pub fn authorities() -> Arc<RootCertStore> {
    static READ: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.roots.shrink_to_fit();
        Arc::new(roots)
    });
    Arc::clone(&READ)
}
