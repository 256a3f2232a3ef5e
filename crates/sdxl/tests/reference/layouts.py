"""Writes one pipeline in every layout and dtype, and checks each with the libraries' own loaders."""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

from single_file import single_file

PARTS = ("text_encoder", "text_encoder_2", "unet", "vae")
LOCAL = {"_name_or_path", "_use_default_values", "dtype", "torch_dtype"}


def tensors_of(pipe, part: str) -> dict:
    """A part's parameters under the names used in published checkpoints."""
    tensors = {n: v.detach().clone() for n, v in getattr(pipe, part).state_dict().items()}
    if part.startswith("text_encoder"):
        # transformers 5 omits this prefix for CLIPTextModel; every published file has it.
        own = ("text_model.", "text_projection.")
        tensors = {n if n.startswith(own) else f"text_model.{n}": v for n, v in tensors.items()}
    return tensors


def save(tensors: dict, path: Path, dtype: torch.dtype):
    path.parent.mkdir(parents=True, exist_ok=True)
    cast = {n: (v.to(dtype) if v.is_floating_point() else v).contiguous() for n, v in tensors.items()}
    save_file(cast, path, metadata={"format": "pt"})
    path.chmod(0o644)


def write_json(value: dict, path: Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    value = {k: v for k, v in value.items() if k not in LOCAL}
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_configs(pipe, folder: Path):
    with tempfile.TemporaryDirectory() as scratch:
        pipe.save_pretrained(scratch)
        for source in sorted(Path(scratch).rglob("*config.json")) + [Path(scratch) / "model_index.json"]:
            if not source.parent.name.startswith("tokenizer"):
                write_json(json.loads(source.read_text()), folder / source.relative_to(scratch))


def weight_file(part: str, variant: str = "") -> str:
    stem = "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"
    return f"{stem}{variant}.safetensors"


def write_diffusers(pipe, folder: Path, dtype: torch.dtype, tokenizers: Path, sharded: bool = False):
    """A diffusers folder: f32 under the plain names, f16 as the `.fp16.` variant."""
    variant = ".fp16" if dtype == torch.float16 else ""
    write_configs(pipe, folder)
    for part in PARTS:
        tensors = tensors_of(pipe, part)
        if part == "text_encoder" and dtype == torch.float32:
            # Files written before transformers 4.31 contain this buffer.
            tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        if part == "unet" and sharded:
            write_shards(tensors, folder / part, dtype, variant)
        else:
            save(tensors, folder / part / weight_file(part, variant), dtype)
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(tokenizers / name, folder / name, dirs_exist_ok=True)


def write_shards(tensors: dict, folder: Path, dtype: torch.dtype, variant: str):
    """Two shards and their index, with diffusers' file names."""
    names = sorted(tensors)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    places = {}
    for number, half in enumerate(halves, 1):
        file = f"diffusion_pytorch_model{variant}-{number:05}-of-00002.safetensors"
        save({n: tensors[n] for n in half}, folder / file, dtype)
        places |= dict.fromkeys(half, file)
    size = sum(v.numel() * dtype.itemsize for v in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    write_json(index, folder / f"diffusion_pytorch_model.safetensors.index{variant}.json")


def write_single(pipe, path: Path, dtype: torch.dtype):
    table = single_file(*(tensors_of(pipe, part) for part in ("unet", "vae", "text_encoder", "text_encoder_2")))
    # Published single files contain these two besides the parameters.
    table["conditioner.embedders.0.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    table["conditioner.embedders.1.model.logit_scale"] = torch.tensor(4.6055)
    save(table, path, dtype)


def compare(pipe, other, what: str):
    for part in PARTS:
        ours, theirs = getattr(pipe, part).state_dict(), getattr(other, part).state_dict()
        if set(ours) != set(theirs):
            raise SystemExit(f"{what}: {part}: names differ: {sorted(set(ours) ^ set(theirs))[:4]}")
        for name, value in ours.items():
            if not torch.equal(value.float(), theirs[name].float()):
                raise SystemExit(f"{what}: {part}.{name} differs")
    print(f"{what}: every parameter equal")


PLAIN = {"torch_dtype": torch.float32, "local_files_only": True}


def verify_variant(pipe, folder: Path):
    other = StableDiffusionXLPipeline.from_pretrained(folder, variant="fp16", **PLAIN)
    compare(pipe, other, f"{folder.parent.name}/{folder.name}")


def verify(pipe, folder: Path, singles: list):
    compare(pipe, StableDiffusionXLPipeline.from_pretrained(folder, **PLAIN), folder.name)
    for single in singles:
        other = StableDiffusionXLPipeline.from_single_file(str(single), config=str(folder), **PLAIN)
        compare(pipe, other, single.name)


def write_taesd(model, folder: Path):
    """AutoencoderTiny as written by diffusers, and as the original pair of files with their own numbering."""
    tensors = {n: v.detach() for n, v in model.state_dict().items()}
    write_json(dict(model.config) | {"_class_name": "AutoencoderTiny"}, folder / "config.json")
    save(tensors, folder / weight_file("taesd"), torch.float32)
    # The original decoder starts with a clamp layer without parameters, so all indices shift by one.
    encoder = {n.removeprefix("encoder.layers."): v for n, v in tensors.items() if n.startswith("encoder.")}
    decoder = {n.removeprefix("decoder.layers."): v for n, v in tensors.items() if n.startswith("decoder.")}
    shifted = {}
    for name, value in decoder.items():
        index, rest = name.split(".", 1)
        shifted[f"{int(index) + 1}.{rest}"] = value
    save(encoder, folder.parent / "taesdxl_encoder.safetensors", torch.float16)
    save(shifted, folder.parent / "taesdxl_decoder.safetensors", torch.float16)
    return load_file(folder / weight_file("taesd"))
