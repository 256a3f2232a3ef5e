"""Writes the fixtures of `tests/parity.rs`: `python export.py`, with torch, spandrel, safetensors and numpy.

Small networks in each name set: their tensors' names and shapes (`networks.json`), and what spandrel's classes make of a
small picture. The weights are pseudo-random numbers of each tensor's name and shape ([`numbers`]), which the test makes too:
spandrel's ESRGAN cannot be smaller than 1.8 MB. And what spandrel makes of the picture with the network inside the program.
Pictures and results are f32, `[3, h, w]`.
"""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from spandrel import ModelLoader
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "fixtures"
WEIGHTS = HERE.parent.parent / "weights/realesr-animevideov3.safetensors"


def numbers(name: str, count: int) -> np.ndarray:
    """Uniform numbers from -1 to 1: the upper 24 bits of SplitMix64, seeded with the FNV-1a hash of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    z = np.uint64(seed) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0).astype(np.float32)


def values(name: str, shape: torch.Size) -> torch.Tensor:
    """A tensor that keeps the signal's size: times `1.5 / sqrt(inputs of an output)`, or a quarter for biases and slopes."""
    inputs = torch.Size(shape[1:]).numel() if len(shape) > 1 else 36
    scale = np.float32(1.5 / inputs**0.5)
    return torch.from_numpy(numbers(name, shape.numel()) * scale).reshape(shape)


def renamed(state: dict, new: bool) -> dict:
    """The names of Real-ESRGAN, or of BSRGAN, for those of ESRGAN."""
    numbers = sorted({int(name.split(".")[1]) for name in state})
    ups, (hr, last) = numbers[2:-2], numbers[-2:]
    trunk = max(int(name.split(".")[3]) for name in state if name.startswith("model.1.sub."))
    names = {0: "conv_first", hr: "HRconv", last: "conv_last"} | {up: f"upconv{n + 1}" for n, up in enumerate(ups)}
    if new:
        names |= {hr: "conv_hr"} | {up: f"conv_up{n + 1}" for n, up in enumerate(ups)}
    out = {}
    for name in state:
        parts = name.split(".")
        if parts[1] != "1":
            out[name] = f"{names[int(parts[1])]}.{parts[-1]}"
        elif int(parts[3]) == trunk and len(parts) == 5:
            out[name] = f"{'conv_body' if new else 'trunk_conv'}.{parts[-1]}"
        else:
            dense = parts[4].lower() if new else parts[4]
            out[name] = f"{'body' if new else 'RRDB_trunk'}.{parts[3]}.{dense}.{parts[5]}.{parts[-1]}"
    return out


@torch.no_grad()
def write(name: str, network: torch.nn.Module, names: dict, picture: torch.Tensor) -> dict:
    """Gives the network's tensors the values of the names in the file, and writes its result. Returns names and shapes."""
    state = network.state_dict()
    for key, tensor in state.items():
        tensor.copy_(values(names.get(key, key), tensor.shape))
    result = network.eval()(picture[None])[0]
    # spandrel's loader must read the file as the same network: the names are then those that programs write.
    file = {names.get(key, key): tensor.clone() for key, tensor in state.items()}
    loaded = ModelLoader().load_from_state_dict(dict(file)).model.eval()
    assert torch.allclose(loaded(picture[None])[0], result, atol=1e-6), name
    save_file({"result": result.contiguous()}, OUT / f"{name}.result.safetensors")
    return {key: list(tensor.shape) for key, tensor in file.items()}


@torch.no_grad()
def main() -> None:
    OUT.mkdir(exist_ok=True)
    torch.manual_seed(0)
    # Sides that are no multiples of 4: the channel shuffle needs reflection.
    picture = torch.rand(3, 11, 14)
    save_file({"picture": picture}, OUT / "picture.safetensors")

    tiny = {"num_filters": 8, "num_blocks": 2}
    esrgan = {
        "esrgan-old-4x": (ESRGAN(scale=4, **tiny), None),
        "esrgan-old-2x": (ESRGAN(scale=2, **tiny), None),
        "esrgan-old-1x": (ESRGAN(scale=1, **tiny), None),
        "esrgan-bsrgan-4x": (ESRGAN(scale=4, **tiny), False),
        "esrgan-new-4x": (ESRGAN(scale=4, **tiny), True),
        "esrgan-new-2x": (ESRGAN(in_nc=12, scale=4, shuffle_factor=2, **tiny), True),
        "esrgan-new-1x": (ESRGAN(in_nc=48, scale=4, shuffle_factor=4, **tiny), True),
    }
    networks = {}
    for name, (network, new) in esrgan.items():
        names = {} if new is None else renamed(network.state_dict(), new)
        networks[name] = write(name, network, names, picture)

    compact = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    networks["compact-2x"] = write("compact-2x", compact, {}, picture)
    for norm in (True, False):
        # `eval_conv` has values of its own, as after an earlier state of the training: it must not be used.
        span = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=3, norm=norm)
        name = f"span-3x{'' if norm else '-no-norm'}"
        networks[name] = write(name, span, {}, picture)
    (OUT / "networks.json").write_text(json.dumps(networks, indent=0) + "\n")

    # As torch.save writes them: averaged weights beside the last ones, and an f16 file with numbers beside the tensors.
    ordered = OrderedDict(compact.state_dict())
    torch.save({"params": {k: torch.zeros_like(v) for k, v in ordered.items()}, "params_ema": ordered}, OUT / "compact-2x.pth")
    halves = OrderedDict((key, tensor.half()) for key, tensor in ordered.items())
    torch.save({"state_dict": halves, "epoch": 7, "loss": 0.5, "names": ["a", "b"]}, OUT / "compact-2x-f16.pth")
    widened = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2).eval()
    widened.load_state_dict({key: tensor.float() for key, tensor in halves.items()})
    save_file({"result": widened(picture[None])[0].contiguous()}, OUT / "compact-2x-f16.result.safetensors")
    torch.save(ordered, OUT / "compact-2x-old.pth", _use_new_zipfile_serialization=False)

    real = ModelLoader().load_from_state_dict({k: v.float() for k, v in load_file(WEIGHTS).items()}).model.eval()
    save_file({"result": real(picture[None])[0].contiguous()}, OUT / "realesr-animevideov3.result.safetensors")


if __name__ == "__main__":
    main()
