//! Stable Diffusion XL in burn
