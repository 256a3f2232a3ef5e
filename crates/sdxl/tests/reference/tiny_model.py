"""Tiny random models of the SDXL family, made with the classes of diffusers and transformers.

There are two: `tiny`, whose configuration can be derived from its tensors (so it can be a single file), and `odd`,
whose head and group counts are only in its config.json.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

MERGES = 62
VOCABULARY = 512 + MERGES + 2
SPECIAL = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}


@dataclass(frozen=True)
class Encoder:
    width: int
    inner: int
    layers: int
    heads: int


@dataclass(frozen=True)
class Shape:
    """The properties that vary between checkpoints."""

    seed: int
    widths: tuple
    depths: tuple
    heads: tuple
    groups: int
    layers: int
    time_ids_dim: int
    encoder: Encoder
    encoder_2: Encoder
    pooled: int
    vae_widths: tuple
    vae_groups: int
    vae_layers: int
    vae_scale: float
    scheduler: dict


# One head, and as many groups as the narrowest level has channels. This is what `heads = max(1, width / 64)` and
# `groups = min(32, narrowest width)` give.
TINY = Shape(
    seed=20240601,
    widths=(8, 16, 8),
    depths=(1, 1, 2),
    heads=(1, 1, 1),
    groups=8,
    layers=2,
    time_ids_dim=8,
    encoder=Encoder(16, 48, 2, 1),
    encoder_2=Encoder(24, 64, 3, 1),
    pooled=20,
    vae_widths=(8, 8, 16, 8),
    vae_groups=8,
    vae_layers=1,
    vae_scale=0.13025,
    scheduler={},
)

# Several heads, a different number at each level; other group counts, depths and scale; v-prediction.
ODD = Shape(
    seed=20240602,
    widths=(8, 12, 16),
    depths=(1, 2, 1),
    heads=(1, 3, 4),
    groups=4,
    layers=1,
    time_ids_dim=6,
    encoder=Encoder(12, 20, 3, 3),
    encoder_2=Encoder(16, 40, 2, 2),
    pooled=12,
    vae_widths=(4, 8, 8, 12),
    vae_groups=4,
    vae_layers=2,
    vae_scale=0.2,
    scheduler={"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
)


def cut_tokenizer(source: Path, target: Path):
    """CLIP's bytes and its first merges; start and end have the last two ids, as in CLIP."""
    target.mkdir(parents=True, exist_ok=True)
    lines = (source / "merges.txt").read_text(encoding="utf-8").split("\n")
    ids = json.loads((source / "vocab.json").read_text(encoding="utf-8"))
    words = sorted(ids, key=ids.get)[: 512 + MERGES] + [SPECIAL["bos_token"], SPECIAL["eos_token"]]
    (target / "merges.txt").write_text("\n".join(lines[: 1 + MERGES]) + "\n", encoding="utf-8")
    table = {word: index for index, word in enumerate(words)}
    (target / "vocab.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")


def write_tokenizer_config(folder: Path, pad: str):
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    config |= {"add_prefix_space": False, "errors": "replace", **SPECIAL, "pad_token": pad}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(SPECIAL | {"pad_token": pad}, indent=1) + "\n")


def text_config(encoder: Encoder, act: str, pad: int, projection: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=encoder.width,
        intermediate_size=encoder.inner,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        hidden_act=act,
        projection_dim=projection,
        bos_token_id=VOCABULARY - 2,
        eos_token_id=VOCABULARY - 1,
        pad_token_id=pad,
    )


def build_unet(shape: Shape, **layers) -> UNet2DConditionModel:
    """The UNet of this shape; `layers` replace its number of layers and transformer blocks."""
    layers = {"layers_per_block": shape.layers, "transformer_layers_per_block": list(shape.depths)} | layers
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=shape.widths,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        **layers,
        attention_head_dim=list(shape.heads),
        norm_num_groups=shape.groups,
        cross_attention_dim=shape.encoder.width + shape.encoder_2.width,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=shape.time_ids_dim,
        projection_class_embeddings_input_dim=shape.pooled + 6 * shape.time_ids_dim,
    )


def build_vae(shape: Shape) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=shape.vae_widths,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=shape.vae_layers,
        norm_num_groups=shape.vae_groups,
        latent_channels=4,
        sample_size=64,
        scaling_factor=shape.vae_scale,
        force_upcast=True,
    )


def build_taesd(seed: int) -> AutoencoderTiny:
    width = (8, 8, 8, 8)
    model = AutoencoderTiny(
        encoder_block_out_channels=width,
        decoder_block_out_channels=width,
        num_encoder_blocks=(1, 3, 3, 3),
        num_decoder_blocks=(3, 3, 3, 1),
    )
    enliven(model, seed, gain=1.3)
    return model.eval()


BRANCH_ENDS = ("conv2.weight", "to_out.0.weight", "ff.net.2.weight", "proj_out.weight")
SHARPER = ("to_q", "to_k", "q_proj", "k_proj")


def factor(name: str, unet: bool) -> float:
    """Scale factors that make attention sharper and the UNet's residual branches small compared to the main path.

    With all factors at 1, a difference of 1e-6 in the noise grew to 0.3 over 20 steps at guidance 5: rounding would
    decide the picture, and no two implementations could agree. With these factors it stays at 1e-6, and another
    prompt still changes the latents by a tenth.
    """
    if unet and name.endswith(BRANCH_ENDS):
        return 0.4
    if unet and name == "conv_out.weight":
        return 0.5
    return 1.7 if any(part in name for part in SHARPER) else 1.0


def random_value(name: str, shape, generator: torch.Generator, unet: bool, gain: float = 1.0) -> torch.Tensor:
    """A random parameter for which a layer's output is of order one and depends on its input."""
    noise = torch.randn(shape, generator=generator)
    if "token_embedding" in name:
        return noise
    if "position_embedding" in name:
        return noise.mul_(0.3)
    if len(shape) == 1:
        return noise.mul_(0.2).add_(1) if name.endswith("weight") else noise.mul_(0.1)
    fan_in = math.prod(shape[1:])
    return gain * factor(name, unet) * noise / fan_in**0.5


def enliven(model: torch.nn.Module, seed: int, gain: float = 1.0):
    """Sets random parameters in every layer.

    The classes' own initialisation leaves a random model's output near zero, where a wrong layer would hardly be
    noticed. Every value is representable in f16, so both dtypes contain the same parameters.
    """
    generator = torch.Generator().manual_seed(seed)
    unet = isinstance(model, UNet2DConditionModel)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(random_value(name, value.shape, generator, unet, gain).half().float())


def build_pipeline(shape: Shape, tokenizer: Path, tokenizer_2: Path) -> StableDiffusionXLPipeline:
    encoder = CLIPTextModel(text_config(shape.encoder, "quick_gelu", VOCABULARY - 1, shape.encoder.width))
    encoder_2 = CLIPTextModelWithProjection(text_config(shape.encoder_2, "gelu", 0, shape.pooled))
    unet = build_unet(shape)
    vae = build_vae(shape)
    for offset, part in enumerate((encoder, encoder_2, unet, vae)):
        enliven(part.eval(), shape.seed + 100 * offset)
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=encoder,
        text_encoder_2=encoder_2,
        tokenizer=CLIPTokenizer.from_pretrained(tokenizer),
        tokenizer_2=CLIPTokenizer.from_pretrained(tokenizer_2),
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            num_train_timesteps=1000,
            timestep_spacing="leading",
            steps_offset=1,
            **shape.scheduler,
        ),
        add_watermarker=False,
    )
