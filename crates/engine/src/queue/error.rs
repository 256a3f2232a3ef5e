//! Why an attempt fails.

use crate::{NoPipeline, retry, traces::NotShared};
use std::io;
use store::StoreError;

/// Why an attempt failed. The messages are shown to users.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenerationError {
    #[error(transparent)]
    Model(#[from] NoPipeline),
    #[error("a LoRA file cannot be used: {0}")]
    Lora(String),
    #[error("an embedding cannot be used: {0}")]
    Embedding(checkpoint::Error),
    #[error("the first steps cannot be taken from the other take: {0}")]
    Branch(#[from] NotShared),
    #[error("the picture to start from is not there any more")]
    NoInitImage,
    #[error("the picture to start from cannot be read: {0}")]
    InitImage(io::Error),
    #[error("the picture to start from cannot be looked up: {0}")]
    Database(StoreError),
    #[error("a change could not be recorded in the database: {0}")]
    Unrecorded(StoreError),
    #[error("no thread for previews could be started: {0}")]
    Thread(io::Error),
    #[error("the steps that are done cannot be read from the device: {0}")]
    State(String),
    #[error("the generation failed: {0}")]
    Sampling(#[from] sdxl::Error),
    #[error("the picture could not be encoded: {0}")]
    Png(#[from] png_info::Error),
}

impl GenerationError {
    /// What a retry has to wait for, if the error is temporary. Always none after the first sampling step.
    pub(crate) fn waits_for(&self) -> Option<&'static str> {
        match self {
            Self::Model(error) => error.waits_for,
            Self::InitImage(error) | Self::Thread(error) => retry::io_waits_for(error),
            Self::Database(error) => error.waits_for(),
            Self::Branch(NotShared::Trace(trace::Error::Io(error))) => retry::io_waits_for(error),
            Self::NoInitImage
            | Self::Lora(_)
            | Self::Embedding(_)
            | Self::Branch(_)
            | Self::State(_)
            | Self::Unrecorded(_)
            | Self::Sampling(_)
            | Self::Png(_) => None,
        }
    }

    /// Whether the device may be lost. Then the model is loaded again for the next task.
    pub(crate) fn is_of_device(&self) -> bool {
        matches!(self, Self::Sampling(sdxl::Error::Device(_)))
    }
}
