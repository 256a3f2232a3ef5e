//! What an attempt samples with.

use crate::traces::Begun;
use protocol::Track;
use sdxl::{Networks, Params, Pipeline};
use std::sync::Arc;

/// The loaded inputs of an attempt.
pub(crate) struct Inputs {
    pub(crate) params: Params,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) networks: Arc<Networks>,
    /// What the trace is of.
    pub(crate) header: trace::Header,
    /// What changes between its steps.
    pub(crate) track: Track,
    /// What it goes on from; none if it starts with the first step.
    pub(crate) begun: Option<Begun>,
}
