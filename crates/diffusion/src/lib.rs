//! Noise, sigma schedules, prediction types, guidance and samplers for diffusion models
