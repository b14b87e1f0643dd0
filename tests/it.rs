//! The integration tests, one binary so that linking happens once.

#[path = "it/rooms.rs"]
mod rooms;
