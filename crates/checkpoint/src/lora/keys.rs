//! The ends of tensor names: which role a tensor has in its layer's formula.

use crate::Part;

/// A tensor's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Down,
    Up,
    Mid,
    HadaW1A,
    HadaW1B,
    HadaW2A,
    HadaW2B,
    HadaT1,
    HadaT2,
    LokrW1,
    LokrW1A,
    LokrW1B,
    LokrW2,
    LokrW2A,
    LokrW2B,
    LokrT2,
    Diff,
    DiffBias,
    /// LyCORIS' and kohya's `dora_scale`: its shape gives the axis.
    DoraScale,
    /// peft's `lora_magnitude_vector`: always one value for each output.
    Magnitude,
    Alpha,
    Scale,
}

/// The kind of change that a role belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    LowRank,
    Hadamard,
    Kronecker,
    Full,
}

/// All spellings of each role. A base never contains any of them.
const SUFFIXES: &[(&str, Role)] = &[
    // kohya, LyCORIS.
    (".lora_down.weight", Role::Down),
    (".lora_up.weight", Role::Up),
    (".lora_mid.weight", Role::Mid),
    // peft, and ComfyUI's short form.
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora_A", Role::Down),
    (".lora_B", Role::Up),
    // Older diffusers.
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    (".hada_w1_a", Role::HadaW1A),
    (".hada_w1_b", Role::HadaW1B),
    (".hada_w2_a", Role::HadaW2A),
    (".hada_w2_b", Role::HadaW2B),
    (".hada_t1", Role::HadaT1),
    (".hada_t2", Role::HadaT2),
    (".lokr_w1", Role::LokrW1),
    (".lokr_w1_a", Role::LokrW1A),
    (".lokr_w1_b", Role::LokrW1B),
    (".lokr_w2", Role::LokrW2),
    (".lokr_w2_a", Role::LokrW2A),
    (".lokr_w2_b", Role::LokrW2B),
    (".lokr_t2", Role::LokrT2),
    (".diff", Role::Diff),
    (".w_norm", Role::Diff),
    (".diff_b", Role::DiffBias),
    (".b_norm", Role::DiffBias),
    (".dora_scale", Role::DoraScale),
    (".lora_magnitude_vector", Role::Magnitude),
    (".lora_magnitude_vector.weight", Role::Magnitude),
    (".lora.alpha", Role::Alpha),
    (".lora_linear_layer.alpha", Role::Alpha),
    (".alpha", Role::Alpha),
    (".scale", Role::Scale),
];

/// peft's own save puts the adapter's name after these.
const BEFORE_ADAPTER: &[(&str, Role)] =
    &[(".lora_A", Role::Down), (".lora_B", Role::Up), (".lora_magnitude_vector", Role::Magnitude)];

/// Parts of names that only an unsupported kind of change has.
const UNSUPPORTED: &[(&str, &str)] = &[
    (".a1.weight", "a GLoRA"),
    (".a2.weight", "a GLoRA"),
    (".b1.weight", "a GLoRA"),
    (".b2.weight", "a GLoRA"),
    (".oft_", "an OFT or BOFT"),
    (".boft_", "an OFT or BOFT"),
    (".on_input", "an (IA)^3"),
    (".ia3_", "an (IA)^3"),
    (".vera_", "a VeRA"),
    (".set_weight", "replaced weights"),
    (".reshape_weight", "a change of a weight's shape"),
    (".bias_indices", "LyCORIS' sparse biases"),
    (".bias_values", "LyCORIS' sparse biases"),
    (".lora_embedding_", "a LoRA of the token embedding"),
    (".lora_B.bias", "a LoRA with biases"),
    ("lora_controlnet", "a Control-LoRA"),
];

/// The layer's name in the file, and the tensor's role. `None` if this is not a tensor of a LoRA.
pub(super) fn split(name: &str) -> Option<(&str, Role)> {
    let exact = SUFFIXES.iter().find_map(|&(suffix, role)| Some((name.strip_suffix(suffix)?, role)));
    exact.or_else(|| {
        let name = name.strip_suffix(".weight").unwrap_or(name);
        let (before, adapter) = name.rsplit_once('.')?;
        let role = BEFORE_ADAPTER.iter().find_map(|&(suffix, role)| Some((before.strip_suffix(suffix)?, role)));
        role.filter(|_| !adapter.is_empty() && adapter != "bias")
    })
}

/// The beginnings of layers' names in each network.
const PARTS: [(Part, &[&str]); 3] = [
    (Part::TextEncoder2, &["lora_te2_", "lycoris_text_encoder_2_", "text_encoder_2.", "text_encoders.clip_g."]),
    (
        Part::TextEncoder,
        &["lora_te1_", "lycoris_text_encoder_", "lycoris_text_model_", "text_encoder.", "text_encoders.clip_l."],
    ),
    (
        Part::Unet,
        &[
            "lora_unet_",
            "lycoris_",
            "unet.",
            "diffusion_model.",
            "model.diffusion_model.",
            "down_",
            "mid_",
            "up_",
            "conv_",
        ],
    ),
];

/// The network that a layer with this name belongs to, from the beginning of the name. `None` for other models' names.
pub(super) fn part_of(base: &str) -> Option<Part> {
    let base = base.strip_prefix("base_model.model.").unwrap_or(base);
    let is_of = |(_, starts): &&(Part, &[&str])| starts.iter().any(|start| base.starts_with(start));
    PARTS.iter().find(is_of).map(|(part, _)| *part)
}

/// The unsupported kind of change that this tensor belongs to.
pub(super) fn unsupported(name: &str) -> Option<&'static str> {
    UNSUPPORTED.iter().find(|(mark, _)| name.contains(mark)).map(|&(_, kind)| kind)
}

impl Role {
    /// The kind of change that only this role's tensors make.
    pub(super) fn kind(self) -> Option<Kind> {
        match self {
            Self::Down | Self::Up | Self::Mid => Some(Kind::LowRank),
            Self::HadaW1A | Self::HadaW1B | Self::HadaW2A | Self::HadaW2B | Self::HadaT1 | Self::HadaT2 => {
                Some(Kind::Hadamard)
            }
            Self::LokrW1
            | Self::LokrW1A
            | Self::LokrW1B
            | Self::LokrW2
            | Self::LokrW2A
            | Self::LokrW2B
            | Self::LokrT2 => Some(Kind::Kronecker),
            Self::Diff => Some(Kind::Full),
            Self::DiffBias | Self::DoraScale | Self::Magnitude | Self::Alpha | Self::Scale => None,
        }
    }

    /// The usual end of its name, for messages.
    pub(super) fn suffix(self) -> &'static str {
        let suffix = SUFFIXES.iter().find(|(_, role)| *role == self).map_or("", |(suffix, _)| suffix);
        suffix.trim_start_matches('.')
    }
}
