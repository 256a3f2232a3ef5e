"""Builds an SDXL model of the real size with random weights: `python build_full_size.py OUT --tokenizers FOLDER`.

Writes `OUT/diffusers` (the UNet in two shards) and `OUT/single.safetensors` with the same parameters: 7 GB each in
f16, 14 GB in f32; also `OUT/taesd`, a preview decoder of taesdxl's shape. Tensors are generated and written one by
one, so that memory stays under 2 GB. Every value depends only on its part and name; f32 files contain the f16
values. `FOLDER` contains `tokenizer` and `tokenizer_2`, as in any SDXL checkpoint.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler
from transformers import CLIPTextModel, CLIPTextModelWithProjection

import layouts
import single_file
import tiny_model
from tiny_model import Encoder, Shape, random_value

PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "conditioner.embedders.0.transformer.",
    "text_encoder_2": "conditioner.embedders.1.model.",
}
NAMES = {torch.float16: "F16", torch.float32: "F32"}


def shape_of(scale: int) -> Shape:
    """SDXL's own shape, or a smaller one that also has 64 channels per head and 32 groups."""

    def width(full: int, step: int = 64) -> int:
        return max(step, full // scale // step * step)

    def encoder(full: int, layers: int) -> Encoder:
        return Encoder(width(full), 4 * width(full), max(2, layers // scale), width(full) // 64)

    widths = tuple(width(full) for full in (320, 640, 1280))
    return Shape(
        seed=0,
        widths=widths,
        depths=(1, 2, max(3, 10 // scale)),
        heads=tuple(w // 64 for w in widths),
        groups=32,
        layers=2,
        time_ids_dim=max(32, 256 // scale),
        encoder=encoder(768, 12),
        encoder_2=encoder(1280, 32),
        pooled=width(1280),
        vae_widths=tuple(width(full, 32) for full in (128, 256, 512, 512)),
        vae_groups=32,
        vae_layers=2,
        vae_scale=0.13025,
        scheduler={},
    )


def models_on_meta(shape: Shape) -> dict:
    """The four parts without storage: their configs, names and shapes."""
    tiny_model.VOCABULARY = 49408
    with torch.device("meta"):
        return {
            "text_encoder": CLIPTextModel(
                tiny_model.text_config(shape.encoder, "quick_gelu", 49407, shape.encoder.width)
            ),
            "text_encoder_2": CLIPTextModelWithProjection(
                tiny_model.text_config(shape.encoder_2, "gelu", 0, shape.pooled)
            ),
            "unet": tiny_model.build_unet(shape),
            "vae": tiny_model.build_vae(shape),
        }


def published_shapes(model, part: str) -> dict:
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if part == "text_encoder":
        shapes = {f"text_model.{name.removeprefix('text_model.')}": s for name, s in shapes.items()}
    return shapes


def draw(part: str, name: str, shape: tuple) -> torch.Tensor:
    digest = hashlib.sha256(f"{part}.{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
    return random_value(name, shape, generator, part == "unet").half()


class Drawn(dict):
    """A table of shapes that generates a tensor on access."""

    def __init__(self, part: str, shapes: dict):
        super().__init__(shapes)
        self.part = part

    def __getitem__(self, name: str) -> torch.Tensor:
        return draw(self.part, name, super().__getitem__(name))


def write_stream(path: Path, shapes: dict, tensor_of, dtype: torch.dtype):
    """Writes a safetensors file tensor by tensor; `tensor_of(name)` is called in the table's order."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            value = tensor_of(name)
            if tuple(value.shape) != tuple(shape):
                raise SystemExit(f"{name}: drawn as {tuple(value.shape)}, declared as {tuple(shape)}")
            file.write(value.to(dtype).contiguous().numpy().data)


def write_diffusers(models: dict, out: Path, dtype: torch.dtype, tokenizers: Path):
    variant = ".fp16" if dtype == torch.float16 else ""
    index = {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1"}
    index |= {"force_zeros_for_empty_prompt": True, "feature_extractor": [None, None], "image_encoder": [None, None]}
    for part, model in models.items():
        kind, text = type(model).__name__, part.startswith("text")
        index[part] = ["transformers" if text else "diffusers", kind]
        config = model.config.to_dict() if text else dict(model.config)
        config |= {"architectures": [kind]} if text else {"_class_name": kind}
        layouts.write_json(config, out / part / "config.json")
        shapes = Drawn(part, published_shapes(model, part))
        names = list(shapes)
        if part != "unet":
            file = out / part / layouts.weight_file(part, variant)
            write_stream(file, dict(shapes.items()), shapes.__getitem__, dtype)
            continue
        places, half = {}, len(names) // 2
        for number, names_here in enumerate((names[:half], names[half:]), 1):
            file = f"diffusion_pytorch_model{variant}-{number:05}-of-00002.safetensors"
            wanted = set(names_here)
            table = {name: shape for name, shape in shapes.items() if name in wanted}
            write_stream(out / part / file, table, shapes.__getitem__, dtype)
            places |= dict.fromkeys(names_here, file)
        size = sum(math.prod(shape) for shape in shapes.values()) * dtype.itemsize
        text = {"metadata": {"total_size": size}, "weight_map": places}
        layouts.write_json(text, out / part / f"diffusion_pytorch_model.safetensors.index{variant}.json")
    for name in ("tokenizer", "tokenizer_2"):
        index[name] = ["transformers", "CLIPTokenizer"]
        shutil.copytree(tokenizers / name, out / name, dirs_exist_ok=True, copy_function=shutil.copyfile)
    index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    scheduler = dict(EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1, **betas).config)
    scheduler |= {"_class_name": "EulerDiscreteScheduler"}
    layouts.write_json(scheduler, out / "scheduler/scheduler_config.json")
    layouts.write_json(index, out / "model_index.json")


def write_taesd(out: Path, dtype: torch.dtype):
    """taesdxl's shape is AutoencoderTiny's default."""
    with torch.device("meta"):
        model = AutoencoderTiny()
    shapes = Drawn("taesd", published_shapes(model, "taesd"))
    layouts.write_json(dict(model.config) | {"_class_name": "AutoencoderTiny"}, out / "config.json")
    write_stream(out / "diffusion_pytorch_model.safetensors", dict(shapes.items()), shapes.__getitem__, dtype)


def write_single(models: dict, path: Path, dtype: torch.dtype):
    parts = {part: published_shapes(model, part) for part, model in models.items()}
    layers = len(models["unet"].down_blocks[0].resnets)
    attention = tuple(hasattr(block, "attentions") for block in models["unet"].down_blocks)
    rename = {
        "unet": lambda name: single_file.unet_name(name, layers, attention),
        "vae": single_file.vae_name,
        "text_encoder": lambda name: name,
    }
    shapes, sources = {}, {}
    for part, function in rename.items():
        for name, shape in parts[part].items():
            target = PREFIXES[part] + function(name)
            empty = torch.empty(shape, device="meta")
            shapes[target] = tuple(single_file.vae_tensor(target, empty).shape) if part == "vae" else shape
            sources[target] = (part, name, shape)
    # The second encoder's fused and transposed tensors: the whole tower is in memory at once, 1.4 GB.
    meta = {name: torch.empty(shape, device="meta") for name, shape in parts["text_encoder_2"].items()}
    tower = {PREFIXES["text_encoder_2"] + n: tuple(v.shape) for n, v in single_file.open_clip(meta).items()}
    drawn = {}

    def tensor_of(target: str) -> torch.Tensor:
        if target in sources:
            value = draw(*sources[target])
            return single_file.vae_tensor(target, value)
        if not drawn:
            drawn.update(single_file.open_clip(Drawn("text_encoder_2", parts["text_encoder_2"])))
        return drawn[target.removeprefix(PREFIXES["text_encoder_2"])]

    write_stream(path, shapes | tower, tensor_of, dtype)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizers", type=Path, required=True)
    parser.add_argument("--dtype", choices=("f16", "f32"), default="f16")
    parser.add_argument("--layout", choices=("both", "diffusers", "single"), default="both")
    parser.add_argument("--scale", type=int, default=1, help="divide widths and depths: 5 to try the script")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dtype = {"f16": torch.float16, "f32": torch.float32}[options.dtype]
    models = models_on_meta(shape_of(options.scale))
    for part, model in models.items():
        count = sum(math.prod(shape) for shape in published_shapes(model, part).values())
        print(f"{part}: {count / 1e6:.1f} million parameters")
    started = time.monotonic()
    write_taesd(options.out / "taesd", dtype)
    if options.layout != "single":
        write_diffusers(models, options.out / "diffusers", dtype, options.tokenizers)
        print(f"diffusers folder written after {time.monotonic() - started:.0f} s")
    if options.layout != "diffusers":
        write_single(models, options.out / "single.safetensors", dtype)
        print(f"single file written after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
