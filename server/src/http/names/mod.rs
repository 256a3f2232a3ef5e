//! Names that a generation can be asked for by.

pub mod samplers;
pub mod schedulers;
