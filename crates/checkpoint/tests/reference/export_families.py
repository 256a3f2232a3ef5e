"""Writes what diffusers makes of the smaller SDXL UNets' configs: their size, and digests of all names and shapes."""

import hashlib
import json
import tempfile
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders import single_file_utils as judge

from export_names import HERE, UNET
from single_file import unet_name

def config(down, up, mid="UNetMidBlock2DCrossAttn", layers=2):
    return UNET | dict(
        transformer_layers_per_block=down,
        reverse_transformer_layers_per_block=up,
        layers_per_block=layers,
        mid_block_type=mid,
    )


# The tables of ComfyUI's comfy/model_detection.py and of the models' own unet/config.json. The first level has no attention.
FAMILIES = {
    "SSD-1B": config([1, [2, 2], [4, 4]], [[4, 4, 10], [2, 1, 1], 1], mid="UNetMidBlock2D"),
    "Vega": config([1, [1, 1], [2, 2]], [[2, 2, 2], [1, 1, 1], 1], mid="UNetMidBlock2D"),
    "KOALA 700M": config([1, [2], [5]], [[5, 5], [2, 2], 1], mid=None, layers=1),
    "KOALA 1B": config([1, [2], [6]], [[6, 6], [2, 2], 1], layers=1),
}


def digest(tensors):
    text = "".join(f"{name} {list(shape)}\n" for name, shape in sorted(tensors.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def main():
    out = {}
    for name, unet_config in FAMILIES.items():
        with torch.device("meta"):
            net = UNet2DConditionModel(**unet_config)
        tensors = {k: v for k, v in net.state_dict().items()}
        layers = unet_config["layers_per_block"]
        table = {unet_name(k, layers, (False, True, True)): v for k, v in tensors.items()}
        prefixed = {f"model.diffusion_model.{k}": v for k, v in table.items()}
        back = judge.convert_ldm_unet_checkpoint(prefixed, dict(net.config))
        if {k: v.shape for k, v in back.items()} != {k: v.shape for k, v in tensors.items()}:
            difference = set(back) ^ set(tensors)
            raise SystemExit(f"{name}: diffusers' converter differs: {sorted(difference)[:4]}")
        with tempfile.TemporaryDirectory() as scratch:
            net.save_config(scratch)
            saved = json.loads(Path(scratch, "config.json").read_text())
        out[name] = {
            "config": {k: v for k, v in saved.items() if not k.startswith("_name")},
            "parameters": sum(v.numel() for v in tensors.values()),
            "diffusers": digest({k: v.shape for k, v in tensors.items()}),
            "ldm": digest({k: v.shape for k, v in table.items()}),
        }
        print(name, out[name]["parameters"])
    HERE.parent.joinpath("fixtures/families.json").write_text(json.dumps(out, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
