"""Tiny LoRA files of every kind for the model `tiny`, and what each adds to a weight in float64.

Every tensor has values other than zero: a freshly made LoRA has zeros in one factor, and a test with it would pass with
the LoRA switched off.
"""

import json
import math
from pathlib import Path

import torch
from lycoris.functional import locon, loha, lokr
from safetensors.torch import save_file

import single_file

PARTS = {"unet": "unet", "text_encoder": "te1", "text_encoder_2": "te2"}
NORM = (torch.nn.GroupNorm, torch.nn.LayerNorm)


def module_of(pipe, part: str, path: str) -> torch.nn.Module:
    """The module of a path with `text_model.`, which transformers 5 omits for one of the encoders."""
    model = getattr(pipe, part)
    names = dict(model.named_modules())
    return names[path] if path in names else names[path.removeprefix("text_model.")]


def modules(pipe, kinds) -> list:
    """All (part, path, module) of these classes, with the paths of published checkpoints."""
    found = []
    for part in PARTS:
        for path, module in getattr(pipe, part).named_modules():
            if isinstance(module, kinds):
                own = part == "unet" or path.startswith(("text_model.", "text_projection"))
                found.append((part, path if own else f"text_model.{path}", module))
    return found


def ldm(path: str, unet) -> str:
    """The path of a UNet's module in the single-file layout."""
    attention = tuple("CrossAttn" in kind for kind in unet.config.down_block_types)
    return single_file.unet_name(f"{path}.weight", unet.config.layers_per_block, attention).removesuffix(".weight")


class Values:
    """Random values that f16 can represent."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape, scale: float = 1.0) -> torch.Tensor:
        values = torch.randn(shape, generator=self.generator) * scale
        # A value that f16 rounds to zero would switch a factor off.
        return torch.where(values.abs() < 1e-3, torch.full_like(values, 1e-2), values).half().float()


def fan_in(module) -> int:
    return math.prod(module.weight.shape[1:])


# Each kind makes the tensors of one module by their suffixes, and the delta of its weight in float64.


def low_rank(module, values: Values, rank: int, alpha: float) -> tuple:
    out, inputs, *kernel = module.weight.shape
    ones = [1] * len(kernel)
    down = values(rank, inputs, *kernel, scale=fan_in(module) ** -0.5)
    up = values(out, rank, *ones, scale=0.15 * rank**-0.5)
    delta = locon.diff_weight(down.double(), up.double(), None, gamma=alpha / rank)
    return {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(alpha)}, delta


def tucker(module, values: Values, rank: int, alpha: float) -> tuple:
    out, inputs, *kernel = module.weight.shape
    down = values(rank, inputs, 1, 1, scale=inputs**-0.5)
    up = values(out, rank, 1, 1, scale=0.15 * rank**-0.5)
    mid = values(rank, rank, *kernel, scale=(rank * math.prod(kernel)) ** -0.5)
    delta = locon.diff_weight(down.double(), up.double(), mid.double(), gamma=alpha / rank)
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "lora_mid.weight": mid, "alpha": torch.tensor(alpha)}
    return tensors, delta


def hadamard(module, values: Values, rank: int, alpha: float) -> tuple:
    out, inputs, *kernel = module.weight.shape
    if kernel and kernel[0] > 1:
        # LyCORIS' `use_tucker`: the output factors are stored as [rank, out].
        w1a, w2a = values(rank, out, scale=0.5), values(rank, out)
        w1b, w2b = values(rank, inputs, scale=fan_in(module) ** -0.5), values(rank, inputs)
        t1, t2 = values(rank, rank, *kernel), values(rank, rank, *kernel, scale=0.5)
        more = {"hada_t1": t1, "hada_t2": t2}
    else:
        w1a, w2a = values(out, rank, scale=0.5), values(out, rank)
        w1b, w2b = values(rank, fan_in(module), scale=fan_in(module) ** -0.5), values(rank, fan_in(module))
        t1 = t2 = None
        more = {}
    doubles = [None if x is None else x.double() for x in (w1b, w1a, w2b, w2a, t1, t2)]
    delta = loha.diff_weight(*doubles, gamma=alpha / rank).reshape(module.weight.shape)
    tensors = {"hada_w1_a": w1a, "hada_w1_b": w1b, "hada_w2_a": w2a, "hada_w2_b": w2b, **more}
    return tensors | {"alpha": torch.tensor(alpha)}, delta


def kronecker(module, values: Values, rank: int, alpha: float, variant: str) -> tuple:
    """`variant`: which factors are decomposed."""
    out, inputs, *kernel = module.weight.shape
    w1 = w1a = w1b = w2 = w2a = w2b = t2 = None
    if "w1" in variant:
        w1a, w1b = values(2, rank), values(rank, 2)
    else:
        w1 = values(2, 2)
    rest = out // 2, inputs // 2
    scale = 0.5 * fan_in(module) ** -0.5
    if "w2" not in variant:
        w2 = values(*rest, *kernel, scale=scale)
    elif kernel and kernel[0] > 1:
        w2a, w2b, t2 = values(rank, rest[0]), values(rank, rest[1]), values(rank, rank, *kernel, scale=scale)
    else:
        w2a, w2b = values(rest[0], rank, scale=scale), values(rank, rest[1] * math.prod(kernel))
    tensors = {"lokr_w1": w1, "lokr_w1_a": w1a, "lokr_w1_b": w1b}
    tensors |= {"lokr_w2": w2, "lokr_w2_a": w2a, "lokr_w2_b": w2b, "lokr_t2": t2}
    double = [None if x is None else x.double() for x in (w1, w1a, w1b, w2, w2a, w2b, None, t2)]
    # The factor counts only if something is decomposed.
    gamma = 1.0 if variant == "whole" else alpha / rank
    delta = kronecker_delta(*double[:6], double[7]) * gamma
    tensors = {name: x for name, x in tensors.items() if x is not None} | {"alpha": torch.tensor(alpha)}
    return tensors, delta.reshape(module.weight.shape)


def kronecker_delta(w1, w1a, w1b, w2, w2a, w2b, t2) -> torch.Tensor:
    w1 = w1a @ w1b if w1 is None else w1
    if w2 is None:
        w2 = w2a @ w2b if t2 is None else lokr.rebuild_tucker(t2, w2a, w2b)
    return lokr.make_kron(w1, w2, 1.0)


def full(module, values: Values) -> tuple:
    """Differences of the weight and the bias."""
    is_norm = isinstance(module, NORM)
    delta = values(*module.weight.shape, scale=0.2 if is_norm else 0.5 * fan_in(module) ** -0.5)
    tensors = {"w_norm" if is_norm else "diff": delta}
    bias = None
    if module.bias is not None:
        bias = values(*module.bias.shape, scale=0.2)
        tensors["b_norm" if is_norm else "diff_b"] = bias
    return tensors, delta.double(), None if bias is None else bias.double()


class Lora:
    """A file: tensors by (part, path) and suffix, and what they do."""

    def __init__(self):
        self.tensors, self.deltas, self.biases, self.magnitudes = {}, {}, {}, {}

    def add(self, part: str, path: str, made: tuple):
        tensors, delta, *bias = made
        self.tensors[part, path], self.deltas[part, path] = tensors, delta
        if bias and bias[0] is not None:
            self.biases[part, path] = bias[0]

    def add_dora(self, part: str, path: str, module, made: tuple, values: Values, axis: str, key: str):
        """Magnitudes near the norms of the weight, per output or per input."""
        self.add(part, path, made)
        norm = norm_of(module.weight.detach().double(), axis)
        magnitudes = (norm * (1 + 0.4 * values(*norm.shape).clamp(-2, 2))).half().float()
        self.magnitudes[part, path] = (magnitudes.double(), axis)
        if key == "lora_magnitude_vector":
            magnitudes = magnitudes if magnitudes.dim() == 4 else magnitudes.flatten()
        self.tensors[part, path][key] = magnitudes

    def write(self, pipe, file: Path, layout: str, metadata: dict | None = None):
        named = {}
        for (part, path), tensors in self.tensors.items():
            for name, value in LAYOUTS[layout](pipe, part, path, tensors).items():
                assert value.abs().min() > 0, name
                named[name] = value.contiguous().half() if value.dim() else value
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(named, file, metadata=metadata)
        file.chmod(0o644)


def norm_of(weight: torch.Tensor, axis: str) -> torch.Tensor:
    """Norms over all axes but one, with that axis kept: [out, 1, ..] or [1, in, ..]."""
    kept = 0 if axis == "output" else 1
    others = [at for at in range(weight.dim()) if at != kept]
    return weight.square().sum(dim=others, keepdim=True).sqrt()


def kohya(pipe, part: str, path: str, tensors: dict, name=None) -> dict:
    stem = f"lora_{PARTS[part]}_{(name or path).replace('.', '_')}"
    return {f"{stem}.{suffix}": value for suffix, value in tensors.items()}


def kohya_ldm(pipe, part: str, path: str, tensors: dict) -> dict:
    return kohya(pipe, part, path, tensors, ldm(path, pipe.unet) if part == "unet" else path)


def folded(tensors: dict) -> tuple:
    """Both factors, with alpha in the second one. The factor is a power of two, so that this is exact in f16."""
    down, up = tensors["lora_down.weight"], tensors["lora_up.weight"]
    factor = tensors["alpha"].item() / down.shape[0]
    assert math.log2(factor).is_integer()
    return down, up * factor


def peft(pipe, part: str, path: str, tensors: dict) -> dict:
    down, up = folded(tensors)
    return {f"{part}.{path}.lora_A.weight": down, f"{part}.{path}.lora_B.weight": up}


def peft_metadata(pipe, part: str, path: str, tensors: dict) -> dict:
    """Alpha is in the file's metadata."""
    down, up = tensors["lora_down.weight"], tensors["lora_up.weight"]
    return {f"{part}.{path}.lora_A.weight": down, f"{part}.{path}.lora_B.weight": up}


def peft_own(pipe, part: str, path: str, tensors: dict) -> dict:
    """The names of peft's own save."""
    return {f"base_model.model.{name}": value for name, value in peft(pipe, part, path, tensors).items()}


def old_diffusers(pipe, part: str, path: str, tensors: dict) -> dict:
    down, up = folded(tensors)
    parent, leaf = path.rsplit(".", 1)
    if part != "unet":
        return {f"{part}.{path}.lora_linear_layer.{d}.weight": v for d, v in (("down", down), ("up", up))}
    if ".attn" in path:
        parent = path.split(".to_")[0]
        leaf = "to_out" if ".to_out." in path else leaf
        return {f"unet.{parent}.processor.{leaf}_lora.{d}.weight": v for d, v in (("down", down), ("up", up))}
    return {f"unet.{path}.lora.{d}.weight": v for d, v in (("down", down), ("up", up))}


def generic(pipe, part: str, path: str, tensors: dict) -> dict:
    """Dotted LDM names, as ComfyUI's own trainer writes them."""
    text = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
    stem = f"diffusion_model.{ldm(path, pipe.unet)}" if part == "unet" else f"text_encoders.{text[part]}.transformer.{path}"
    return {f"{stem}.{suffix}": value for suffix, value in tensors.items()}


def peft_dora(pipe, part: str, path: str, tensors: dict) -> dict:
    named = peft(pipe, part, path, tensors)
    return named | {f"{part}.{path}.lora_magnitude_vector": tensors["lora_magnitude_vector"]}


LAYOUTS = {
    "kohya_ldm": kohya_ldm,
    "kohya_diffusers": kohya,
    "peft": peft,
    "peft_metadata": peft_metadata,
    "peft_own": peft_own,
    "old_diffusers": old_diffusers,
    "generic": generic,
    "peft_dora": peft_dora,
}


def metadata(lora: Lora, rank: int, alpha: float) -> dict:
    """diffusers' `lora_adapter_metadata`."""
    config = {}
    for part in PARTS:
        paths = [path if part == "unet" else path.rsplit(".", 1)[1] for of, path in lora.tensors if of == part]
        own = {"r": rank, "lora_alpha": alpha, "target_modules": sorted(set(paths))}
        config |= {f"{part}.{key}": value for key, value in own.items()}
    return {"format": "pt", "lora_adapter_metadata": json.dumps(config, sort_keys=True)}
