//! Sampling methods.

use crate::names::named;

named! {
    /// Sampling method, with ComfyUI's names; `tcd` is that of the node ComfyUI-TCD. Implemented in the crate `diffusion`.
    Sampler, "sampler":
    /// Euler's method (k-diffusion's `sample_euler`).
    Euler = "euler",
    /// Euler's method with ancestral noise.
    EulerAncestral = "euler_ancestral",
    /// Heun's method: two model calls a step.
    Heun = "heun",
    /// DPM-Solver-2: two model calls a step.
    Dpm2 = "dpm_2",
    /// DPM-Solver-2 with ancestral noise.
    Dpm2Ancestral = "dpm_2_ancestral",
    /// Linear multistep of order 4.
    Lms = "lms",
    /// DPM-Solver++ (2S) with ancestral noise: two model calls a step.
    Dpmpp2sAncestral = "dpmpp_2s_ancestral",
    /// DPM-Solver++ (2M).
    Dpmpp2m = "dpmpp_2m",
    /// DPM-Solver++ (2M) SDE.
    Dpmpp2mSde = "dpmpp_2m_sde",
    /// DPM-Solver++ (3M) SDE.
    Dpmpp3mSde = "dpmpp_3m_sde",
    /// DPM-Solver++ (stochastic): two model calls a step.
    DpmppSde = "dpmpp_sde",
    /// DDIM.
    Ddim = "ddim",
    /// UniPC (bh1).
    UniPc = "uni_pc",
    /// Latent consistency sampling.
    Lcm = "lcm",
    /// Trajectory consistency sampling: part of each step's noise is new (diffusers' `eta`, 0.3).
    Tcd = "tcd",
    /// DDPM.
    Ddpm = "ddpm",
}

impl Sampler {
    /// Model calls per step: 2 for single-step samplers of second order, otherwise 1.
    pub fn calls_per_step(self) -> u32 {
        match self {
            Self::Heun | Self::Dpm2 | Self::Dpm2Ancestral | Self::Dpmpp2sAncestral | Self::DpmppSde => 2,
            _ => 1,
        }
    }

    /// A1111's name in its `parameters` text; `None` if A1111 does not have the sampler.
    pub fn a1111_name(self) -> Option<&'static str> {
        Some(match self {
            Self::Euler => "Euler",
            Self::EulerAncestral => "Euler a",
            Self::Heun => "Heun",
            Self::Dpm2 => "DPM2",
            Self::Dpm2Ancestral => "DPM2 a",
            Self::Lms => "LMS",
            Self::Dpmpp2sAncestral => "DPM++ 2S a",
            Self::Dpmpp2m => "DPM++ 2M",
            Self::Dpmpp2mSde => "DPM++ 2M SDE",
            Self::Dpmpp3mSde => "DPM++ 3M SDE",
            Self::DpmppSde => "DPM++ SDE",
            Self::Ddim => "DDIM",
            Self::UniPc => "UniPC",
            Self::Lcm => "LCM",
            Self::Tcd | Self::Ddpm => return None,
        })
    }
}
