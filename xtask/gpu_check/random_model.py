"""An SDXL of the true size with random weights, as a diffusers folder: 7 GB in f16. The standard library alone.

Names and shapes come from `sdxl_names.txt`, the configs from `sdxl_*_config.json`: exported from diffusers' own
classes for the tests of the crate `checkpoint`. Every layer's output is of order one, and the UNet's residual branches
are small beside the stream that they join (the factors of `crates/sdxl/tests/reference/tiny_model.py`): otherwise
rounding would decide the picture, and no two implementations could agree.
"""

import json
import math
import random
import re
import struct
import zlib
from pathlib import Path

# A prime: rows of a tensor that is longer than this repeat no earlier row.
BLOCK = 1_000_003
WEIGHTS = {
    "unet": "diffusion_pytorch_model.fp16.safetensors",
    "vae": "diffusion_pytorch_model.fp16.safetensors",
    "text_encoder": "model.fp16.safetensors",
    "text_encoder_2": "model.fp16.safetensors",
}
CLASSES = {
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "tokenizer_2": ("transformers", "CLIPTokenizer"),
    "scheduler": ("diffusers", "EulerDiscreteScheduler"),
}
SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
BRANCH_ENDS = ("conv2.weight", "to_out.0.weight", "ff.net.2.weight", "proj_out.weight")
SHARPER = ("to_q", "to_k", "q_proj", "k_proj")


def tensors(folder: Path) -> dict:
    """Names and shapes by part. A line of the list may stand for a range of layers: `layers.{0..31}.`."""
    parts = {part: {} for part in WEIGHTS}
    for line in (folder / "sdxl_names.txt").read_text().splitlines():
        part, name, _, shape = line.split(" ")
        span = re.search(r"\{0\.\.(\d+)\}", name)
        names = [name.replace(span[0], str(i)) for i in range(int(span[1]) + 1)] if span else [name]
        parts[part] |= dict.fromkeys(names, json.loads(shape))
    return parts


def distribution(part: str, name: str, shape: list) -> tuple:
    """Mean and standard deviation of a tensor's numbers."""
    if "token_embedding" in name:
        return 0.0, 1.0
    if "position_embedding" in name:
        return 0.0, 0.3
    if len(shape) == 1:
        return (1.0, 0.2) if name.endswith("weight") else (0.0, 0.1)
    gain = 1.7 if any(word in name for word in SHARPER) else 1.0
    if part == "unet" and name.endswith(BRANCH_ENDS):
        gain = 0.4
    if part == "unet" and name == "conv_out.weight":
        gain = 0.5
    return 0.0, gain / math.sqrt(math.prod(shape[1:]))


class Numbers:
    """Normal numbers in f16. One block is drawn for each mean and deviation; each tensor starts elsewhere in it."""

    def __init__(self):
        normal = random.Random(0).gauss
        self.normal = [normal(0.0, 1.0) for _ in range(BLOCK)]
        self.blocks = {}

    def write(self, file, key: str, count: int, mean: float, deviation: float):
        block = self.blocks.get((mean, deviation))
        if block is None:
            block = struct.pack(f"<{BLOCK}e", *(mean + deviation * x for x in self.normal))
            self.blocks[mean, deviation] = block
        at, left = 2 * (zlib.crc32(key.encode()) % BLOCK), 2 * count
        while left > 0:
            piece = block[at : at + left]
            file.write(piece)
            at, left = 0, left - len(piece)


def write_part(folder: Path, part: str, shapes: dict, numbers: Numbers):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with (folder / WEIGHTS[part]).open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            numbers.write(file, f"{part}.{name}", math.prod(shape), *distribution(part, name, shape))


def write_tokenizers(out: Path, merges: Path):
    """CLIP's vocabulary follows from its merges: 256 bytes, the same at a word's end, the merges, start and end."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    symbols = [chr(byte) for byte in shown] + [chr(256 + i) for i in range(256 - len(shown))]
    pairs = merges.read_text(encoding="utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    words = symbols + [symbol + "</w>" for symbol in symbols] + ["".join(pair.split()) for pair in pairs]
    words += ["<|startoftext|>", "<|endoftext|>"]
    table = json.dumps({word: index for index, word in enumerate(words)}, ensure_ascii=False)
    for name, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
        config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special, "pad_token": pad}
        (folder / "vocab.json").write_text(table, encoding="utf-8")
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
        (folder / "special_tokens_map.json").write_text(json.dumps(special | {"pad_token": pad}, indent=1))


def build(out: Path, data: Path):
    """Writes the folder unless it is complete already; `data` holds the names, the configs and CLIP's merges."""
    index = out / "model_index.json"
    if index.exists():
        return
    numbers = Numbers()
    for part, shapes in tensors(data).items():
        folder = out / part
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text((data / f"sdxl_{part}_config.json").read_text())
        write_part(folder, part, shapes, numbers)
    write_tokenizers(out, data / "merges.txt")
    (out / "scheduler").mkdir(exist_ok=True)
    (out / "scheduler/scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=1))
    parts = {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True, **CLASSES}
    parts |= {"feature_extractor": [None, None], "image_encoder": [None, None]}
    index.write_text(json.dumps(parts, indent=1))
