//! Emberline's pages, components and server functions.

#[cfg(feature = "ssr")]
pub mod services;
