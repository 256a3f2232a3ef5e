//! The published list of tensors that are ignored intentionally.

use crate::Part;
use serde::Serialize;

/// Tensors that are ignored intentionally.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// The name in the file; a `*` at either end matches anything.
    pub pattern: &'static str,
    /// If set, only this part's own file may contain it (in a diffusers folder). `None` means any file.
    pub part: Option<Part>,
    /// Why it can be ignored.
    pub reason: &'static str,
}

const SCHEDULE: &str = "a table that the training schedule gives";
const PREVIEWS: &str = "previews only decode";
const FIRST_POOLED: &str = "SDXL does not use the first encoder's pooled output";

/// All tensors that are ignored intentionally. A tensor that is neither listed here nor used is an error.
pub const IGNORED: &[Ignored] = &[
    anywhere("*position_ids", "the numbers 0 to 76, saved as a buffer"),
    anywhere("*logit_scale", "CLIP's training temperature"),
    anywhere("conditioner.embedders.1.model.attn_mask", "the causal mask, saved as a buffer"),
    anywhere("conditioner.embedders.0.transformer.text_projection*", FIRST_POOLED),
    anywhere("conditioner.embedders.0.transformer.text_model.text_projection*", FIRST_POOLED),
    anywhere("conditioner.embedders.0.text_projection", FIRST_POOLED),
    anywhere("model_ema.*", "a second, averaged copy of the UNet"),
    anywhere("v_pred", "a mark that says what the model predicts; it was read"),
    anywhere("ztsnr", "a mark that the betas are rescaled; it was read"),
    anywhere("edm_mean", "a mark of the model's sampling; it was read"),
    anywhere("edm_std", "a mark of the model's sampling; it was read"),
    anywhere("edm_vpred.sigma_max", "a mark of the model's sampling; it was read"),
    anywhere("edm_vpred.sigma_min", "a mark of the model's sampling; it was read"),
    anywhere("*scaled_fp8", "a mark that fp8 weights have factors; they are applied"),
    anywhere("*scale_input", "a factor for computing in fp8, which is not done here"),
    anywhere("*input_scale", "a factor for computing in fp8, which is not done here"),
    anywhere("first_stage_model.loss.*", "networks that only the VAE's training used"),
    anywhere("first_stage_model.model_ema.*", "a second, averaged copy of the VAE"),
    anywhere("global_step", "the training's step count"),
    anywhere("epoch", "the training's epoch count"),
    anywhere("betas", SCHEDULE),
    anywhere("alphas_cumprod", SCHEDULE),
    anywhere("alphas_cumprod_prev", SCHEDULE),
    anywhere("sqrt_alphas_cumprod", SCHEDULE),
    anywhere("sqrt_one_minus_alphas_cumprod", SCHEDULE),
    anywhere("log_one_minus_alphas_cumprod", SCHEDULE),
    anywhere("sqrt_recip_alphas_cumprod", SCHEDULE),
    anywhere("sqrt_recipm1_alphas_cumprod", SCHEDULE),
    anywhere("posterior_variance", SCHEDULE),
    anywhere("posterior_log_variance_clipped", SCHEDULE),
    anywhere("posterior_mean_coef1", SCHEDULE),
    anywhere("posterior_mean_coef2", SCHEDULE),
    anywhere("lvlb_weights", SCHEDULE),
    anywhere("logvar", SCHEDULE),
    anywhere("denoiser.sigmas", SCHEDULE),
    anywhere("denoiser.log_sigmas", SCHEDULE),
    within(Part::TextEncoder, "text_projection.weight", FIRST_POOLED),
    within(Part::Taesd, "encoder.*", PREVIEWS),
    within(Part::Taesd, "taesd_encoder.*", PREVIEWS),
];

const fn anywhere(pattern: &'static str, reason: &'static str) -> Ignored {
    Ignored { pattern, part: None, reason }
}

const fn within(part: Part, pattern: &'static str, reason: &'static str) -> Ignored {
    Ignored { pattern, part: Some(part), reason }
}

/// Tensors of LoRA files that are ignored intentionally. A tensor that is neither listed here nor used is an error.
pub const LORA_IGNORED: &[Ignored] = &[
    anywhere(
        "bundle_emb.*",
        "an embedding that OneTrainer stores in the LoRA's file; it is used by its name in a prompt",
    ),
    anywhere("*num_batches_tracked", "a counter of the training's batch norms"),
    anywhere("lora_te1_text_projection.*", FIRST_POOLED),
    anywhere("text_encoder.text_projection.*", FIRST_POOLED),
    anywhere("text_encoders.clip_l.transformer.text_projection.*", FIRST_POOLED),
];

/// The list entry that matches a tensor's full name. `part` is the part that the file belongs to, `None` for the file
/// of a whole checkpoint.
pub fn ignored(part: Option<Part>, name: &str) -> Option<&'static Ignored> {
    IGNORED.iter().find(|entry| (entry.part.is_none() || entry.part == part) && entry.matches(name))
}

/// The entry of [`LORA_IGNORED`] that matches a tensor's name in a LoRA file.
pub fn lora_ignored(name: &str) -> Option<&'static Ignored> {
    LORA_IGNORED.iter().find(|entry| entry.matches(name))
}

impl Ignored {
    fn matches(&self, name: &str) -> bool {
        match (self.pattern.strip_prefix('*'), self.pattern.strip_suffix('*')) {
            // "*position_ids" does not match "my_position_ids".
            (Some(end), _) => name.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('.')),
            (None, Some(start)) => name.starts_with(start),
            (None, None) => name == self.pattern,
        }
    }
}
