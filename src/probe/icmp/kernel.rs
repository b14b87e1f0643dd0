//! The echo engine of our own for Linux.

pub(super) mod sys;
