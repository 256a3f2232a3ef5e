"""Tensor names of SDXL's single-file (LDM) layout from diffusers' names, and the few tensors that change.

Written from the architecture, independently of diffusers' converter, which `verify` in `layouts.py` uses as the
reference.
"""

import re

import torch

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def resnet(rest: str) -> str:
    part, leaf = rest.split(".", 1)
    return f"{RESNET[part]}.{leaf}"


def unet_name(name: str, layers: int, attention_levels: tuple) -> str:
    """`attention_levels[i]`: whether down level `i` has transformers."""
    stem, leaf = name.rsplit(".", 1)
    if stem in UNET_ENDS:
        return f"{UNET_ENDS[stem]}.{leaf}"
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name):
        kind, index, rest = match.groups()
        if kind == "attentions":
            return f"middle_block.1.{rest}"
        return f"middle_block.{2 * int(index)}.{resnet(rest)}"
    direction, level, kind, index, rest = re.fullmatch(
        r"(down|up)_blocks\.(\d)\.(\w+)\.(\d+)\.(.+)", name
    ).groups()
    level, index = int(level), int(index)
    if direction == "down":
        first = 1 + level * (layers + 1)
        if kind == "downsamplers":
            return f"input_blocks.{first + layers}.0.op.{rest.removeprefix('conv.')}"
        slot, rest = ("1", rest) if kind == "attentions" else ("0", resnet(rest))
        return f"input_blocks.{first + index}.{slot}.{rest}"
    first = level * (layers + 1)
    if kind == "upsamplers":
        slot = 2 if attention_levels[::-1][level] else 1
        return f"output_blocks.{first + layers}.{slot}.{rest}"
    slot, rest = ("1", rest) if kind == "attentions" else ("0", resnet(rest))
    return f"output_blocks.{first + index}.{slot}.{rest}"


def vae_name(name: str, levels: int = 4) -> str:
    if name.startswith(("quant_conv", "post_quant_conv")):
        return name
    side, rest = name.split(".", 1)
    rest = rest.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    if match := re.fullmatch(r"mid_block\.resnets\.(\d)\.(.+)", rest):
        return f"{side}.mid.block_{int(match[1]) + 1}.{match[2]}"
    if match := re.fullmatch(r"mid_block\.attentions\.0\.(\w+)\.(?:0\.)?(\w+)", rest):
        part = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}[match[1]]
        return f"{side}.mid.attn_1.{part}.{match[2]}"
    if match := re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.+)", rest):
        direction, level, kind, index, tail = match.groups()
        level = int(level) if direction == "down" else levels - 1 - int(level)
        if kind == "resnets":
            return f"{side}.{direction}.{level}.block.{index}.{tail}"
        return f"{side}.{direction}.{level}.{direction}sample.{tail}"
    return f"{side}.{rest}"


def vae_tensor(name: str, value: torch.Tensor) -> torch.Tensor:
    """The middle attention's linear layers are 1x1 convolutions in a single file."""
    if ".mid.attn_1." in name and value.dim() == 2:
        return value[:, :, None, None]
    return value


OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def open_clip(tensors: dict) -> dict:
    """transformers' `CLIPTextModelWithProjection` -> OpenCLIP's text tower."""
    out = {
        "token_embedding.weight": tensors["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": tensors["text_model.embeddings.position_embedding.weight"],
        "ln_final.weight": tensors["text_model.final_layer_norm.weight"],
        "ln_final.bias": tensors["text_model.final_layer_norm.bias"],
        "text_projection": tensors["text_projection.weight"].T,
    }
    layers = 1 + max(int(name.split(".")[3]) for name in tensors if ".encoder.layers." in name)
    for layer in range(layers):
        source, target = f"text_model.encoder.layers.{layer}.", f"transformer.resblocks.{layer}."
        for leaf in ("weight", "bias"):
            for ours, theirs in OPEN_CLIP.items():
                out[f"{target}{theirs}.{leaf}"] = tensors[f"{source}{ours}.{leaf}"]
            parts = [tensors[f"{source}self_attn.{part}_proj.{leaf}"] for part in "qkv"]
            out[f"{target}attn.in_proj_{leaf}"] = torch.cat(parts)
    return out


def single_file(unet: dict, vae: dict, encoder: dict, encoder_2: dict) -> dict:
    """All four parts, in diffusers' names with the `text_model.` prefix, as one single-file table."""
    layers = max(int(n.split(".")[3]) for n in unet if n.startswith("down_blocks.0.resnets.")) + 1
    levels = 1 + max(int(n.split(".")[1]) for n in unet if n.startswith("down_blocks."))
    attention = tuple(any(n.startswith(f"down_blocks.{i}.attentions.") for n in unet) for i in range(levels))
    out = {f"model.diffusion_model.{unet_name(n, layers, attention)}": v for n, v in unet.items()}
    for name, value in vae.items():
        target = vae_name(name)
        out[f"first_stage_model.{target}"] = vae_tensor(target, value)
    out |= {f"conditioner.embedders.0.transformer.{n}": v for n, v in encoder.items()}
    out |= {f"conditioner.embedders.1.model.{n}": v for n, v in open_clip(encoder_2).items()}
    return out
