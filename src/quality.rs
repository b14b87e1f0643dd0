//! How good a path is: loss, delay and jitter from echoes, and what they mean for a conversation.
//!
//! Pure arithmetic over what was measured. It knows neither sites nor incidents, so that reports
//! and the monitor judge by the same figures.

mod echoes;
mod emodel;
mod jitter;
mod loss;

pub use echoes::{Echoes, Figures, Limits};
pub use emodel::{CodecLoss, G711_PLC, delay_impairment, loss_impairment, mos, rating};
pub use jitter::Jitter;
pub use loss::{LossJudge, LossTest};
