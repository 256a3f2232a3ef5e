"""Writes the parameter names of SDXL base, in both layouts, from diffusers and transformers."""

import json
import re
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as judge
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "sdxl/tests/reference"))
from single_file import single_file  # noqa: E402

UNET = dict(
    addition_embed_type="text_time",
    addition_time_embed_dim=256,
    attention_head_dim=[5, 10, 20],
    block_out_channels=[320, 640, 1280],
    cross_attention_dim=2048,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    layers_per_block=2,
    projection_class_embeddings_input_dim=2816,
    sample_size=128,
    transformer_layers_per_block=[1, 2, 10],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    use_linear_projection=True,
)
VAE = dict(
    block_out_channels=[128, 256, 512, 512],
    down_block_types=["DownEncoderBlock2D"] * 4,
    force_upcast=True,
    layers_per_block=2,
    sample_size=1024,
    scaling_factor=0.13025,
    up_block_types=["UpDecoderBlock2D"] * 4,
)
TEXT = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
            hidden_act="quick_gelu", projection_dim=768)
TEXT_2 = dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
              hidden_act="gelu", projection_dim=1280)
PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "conditioner.embedders.0.transformer.",
    "text_encoder_2": "conditioner.embedders.1.model.",
}


def models():
    with torch.device("meta"):
        return {
            "unet": UNet2DConditionModel(**UNET),
            "vae": AutoencoderKL(**VAE),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**TEXT)),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**TEXT_2)),
        }


def prefixed(tensors):
    own = ("text_model.", "text_projection.")
    return {n if n.startswith(own) else f"text_model.{n}": v for n, v in tensors.items()}


def check(parts, table, nets):
    """Checks that diffusers' converters turn the single file's names into the models' names."""
    unet_config, vae_config = dict(nets["unet"].config), dict(nets["vae"].config)
    converted = {
        "unet": judge.convert_ldm_unet_checkpoint(dict(table), unet_config),
        "vae": judge.convert_ldm_vae_checkpoint(dict(table), vae_config),
        "text_encoder": judge.convert_ldm_clip_checkpoint(dict(table)),
        "text_encoder_2": judge.convert_open_clip_checkpoint(nets["text_encoder_2"], dict(table), PREFIXES["text_encoder_2"]),
    }
    for part, tensors in parts.items():
        ours = {n: tuple(v.shape) for n, v in tensors.items()}
        theirs = {n: tuple(v.shape) for n, v in converted[part].items()}
        if ours != theirs:
            raise SystemExit(f"{part}: {sorted(set(ours.items()) ^ set(theirs.items()))[:6]}")
        print(f"{part}: {len(ours)} parameters, diffusers' converter agrees")


def rows(parts):
    """(part, name, single file's name, shape). Each tensor gets a unique value, which identifies it."""
    marked, owner = {}, {}
    for part, tensors in parts.items():
        marked[part] = {}
        for name, value in tensors.items():
            number = len(owner) + 1
            owner[number] = (part, name, list(value.shape))
            marked[part][name] = torch.full([1] * value.dim(), number)
    table = single_file(*(marked[part] for part in ("unet", "vae", "text_encoder", "text_encoder_2")))
    found = {}
    for ldm, value in table.items():
        for number in value.flatten().tolist():
            found[number] = ldm
    assert len(found) == len(owner)
    return [(*owner[number][:2], found[number], owner[number][2]) for number in sorted(found)]


def fold(lines):
    """Merges lines of equal shape that differ only in one index."""
    counted = re.compile(r"(transformer_blocks|encoder\.layers|resblocks)\.(\d+)\.")
    groups, order = {}, []
    for part, name, ldm, shape in lines:
        match = counted.search(name)
        key = (part, counted.sub(r"\1.{}.", name), counted.sub(r"\1.{}.", ldm), str(shape))
        if key not in groups:
            order.append(key)
        groups.setdefault(key, []).append(int(match[2]) if match else None)
    for key in order:
        numbers = groups[key]
        if numbers == [None]:
            yield " ".join([key[0], key[1], key[2], key[3].replace(" ", "")])
        else:
            assert numbers == list(range(len(numbers)))
            span = "{0..%d}" % (len(numbers) - 1)
            yield " ".join([key[0], key[1].replace("{}", span), key[2].replace("{}", span), key[3].replace(" ", "")])


def main():
    nets = models()
    parts = {part: net.state_dict() for part, net in nets.items()}
    parts |= {part: prefixed(parts[part]) for part in ("text_encoder", "text_encoder_2")}
    table = single_file(*(parts[part] for part in ("unet", "vae", "text_encoder", "text_encoder_2")))
    check(parts, table, nets)
    out = HERE.parent / "fixtures"
    out.joinpath("sdxl_names.txt").write_text("\n".join(fold(rows(parts))) + "\n")
    for part, net in nets.items():
        with tempfile.TemporaryDirectory() as scratch:
            if part.startswith("text"):
                net.config.save_pretrained(scratch)
            else:
                net.save_config(scratch)
            config = json.loads(Path(scratch, "config.json").read_text())
        config = {k: v for k, v in config.items() if k not in ("_name_or_path", "dtype")}
        out.joinpath(f"sdxl_{part}_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
