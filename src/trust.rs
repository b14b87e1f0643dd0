//! Whom this machine trusts to vouch for others.
//!
//! The authorities take milliseconds to read and a tenth of a MiB to keep, and a daemon may never
//! seal a connection. So they are read where somebody may have to be vouched for, and once for all
//! but mail, whose library reads them anew for each letter. One that is added to the machine counts
//! when the daemon starts the next time.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::RootCertStore;
use tracing::warn;

/// The authorities that this machine trusts. A province's own is added there once, for all
/// programs. The first time they are read from disk, which may take as long as the disk does. What
/// cannot be read is said in the log; where there is none at all, the next one to ask tries again.
#[must_use]
pub fn authorities() -> Arc<RootCertStore> {
    static READ: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);
    // It is set in one step, so a panic leaves it whole.
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(read) = &*read {
        return Arc::clone(read);
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!("some whom this machine trusts to vouch for others cannot be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots.roots.shrink_to_fit();
    let roots = Arc::new(roots);
    *read = (!roots.is_empty()).then(|| Arc::clone(&roots));
    roots
}
