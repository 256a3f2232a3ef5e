//! The published list of tensors that are left out on purpose.

use serde::Serialize;

/// Tensors that are left out on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// Their name in the file; a `*` at either end stands for anything.
    pub pattern: &'static str,
    /// Why nothing is lost.
    pub reason: &'static str,
}

const SCHEDULE: &str = "a table that the training schedule gives";
const FIRST_POOLED: &str = "SDXL does not use the first encoder's pooled output";

/// Every tensor that is left out on purpose. A tensor that is neither in here nor applied is an error.
pub const IGNORED: &[Ignored] = &[
    Ignored { pattern: "*position_ids", reason: "the numbers 0 to 76, saved as a buffer" },
    Ignored { pattern: "*logit_scale", reason: "CLIP's training temperature" },
    Ignored { pattern: "conditioner.embedders.1.model.attn_mask", reason: "the causal mask, saved as a buffer" },
    Ignored { pattern: "conditioner.embedders.0.transformer.text_projection*", reason: FIRST_POOLED },
    Ignored { pattern: "conditioner.embedders.0.text_projection", reason: FIRST_POOLED },
    Ignored { pattern: "model_ema.*", reason: "a second, averaged copy of the UNet" },
    Ignored { pattern: "v_pred", reason: "a mark that says what the model predicts; it was read" },
    Ignored { pattern: "ztsnr", reason: "a mark that the betas are rescaled; it was read" },
    Ignored { pattern: "first_stage_model.loss.*", reason: "networks that only the VAE's training used" },
    Ignored { pattern: "first_stage_model.model_ema.*", reason: "a second, averaged copy of the VAE" },
    Ignored { pattern: "global_step", reason: "the training's step count" },
    Ignored { pattern: "epoch", reason: "the training's epoch count" },
    Ignored { pattern: "betas", reason: SCHEDULE },
    Ignored { pattern: "alphas_cumprod", reason: SCHEDULE },
    Ignored { pattern: "alphas_cumprod_prev", reason: SCHEDULE },
    Ignored { pattern: "sqrt_alphas_cumprod", reason: SCHEDULE },
    Ignored { pattern: "sqrt_one_minus_alphas_cumprod", reason: SCHEDULE },
    Ignored { pattern: "log_one_minus_alphas_cumprod", reason: SCHEDULE },
    Ignored { pattern: "sqrt_recip_alphas_cumprod", reason: SCHEDULE },
    Ignored { pattern: "sqrt_recipm1_alphas_cumprod", reason: SCHEDULE },
    Ignored { pattern: "posterior_variance", reason: SCHEDULE },
    Ignored { pattern: "posterior_log_variance_clipped", reason: SCHEDULE },
    Ignored { pattern: "posterior_mean_coef1", reason: SCHEDULE },
    Ignored { pattern: "posterior_mean_coef2", reason: SCHEDULE },
    Ignored { pattern: "lvlb_weights", reason: SCHEDULE },
    Ignored { pattern: "logvar", reason: SCHEDULE },
    Ignored { pattern: "denoiser.sigmas", reason: SCHEDULE },
    Ignored { pattern: "denoiser.log_sigmas", reason: SCHEDULE },
];

/// Left out beside them when the part is TAESD: only its decoder is loaded.
pub(super) const TAESD_ENCODER: [&str; 2] = ["encoder.", "taesd_encoder."];

/// The entry of the published list that a tensor of this full name falls under.
pub fn ignored(name: &str) -> Option<&'static Ignored> {
    IGNORED.iter().find(|entry| match (entry.pattern.strip_prefix('*'), entry.pattern.strip_suffix('*')) {
        (Some(end), _) => name.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('.')),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == entry.pattern,
    })
}
