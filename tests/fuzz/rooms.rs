//! The room that is fuzzed with what it stands on, and without the rest of the house: that would
//! take minutes to compile under the sanitizers.

#[path = "../../src/model"]
pub mod model {
    mod check;
    mod id;
    mod outcome;
    mod session;
    mod time;

    pub use self::{check::*, id::*, outcome::*, session::*, time::*};
}

#[path = "../../src/wire"]
pub mod wire {
    pub mod date;
    pub mod icmp;
    pub mod sip;
}
