//! The WASM entry of Emberline's page
