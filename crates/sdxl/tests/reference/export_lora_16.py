"""Writes weights in 16 bits with LoRA files merged into them: `python export_lora_16.py`, after `export_lora.py`.

The weights of the UNet of `tiny` are rounded to f16 or bf16. The deltas are added in float64, and the sum is rounded to f16
once: merged weights are kept in f16 in both cases. For DoRA, peft's own `merge` in float32 must give the same numbers.
Stored are the first 48 values of every other merged weight.
"""

import copy
from pathlib import Path

import peft
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_file

import export_lora
from lora_files import module_of

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
STORED = 48
PICTURES = ["locon_mid 0.7", "loha 1.0", "lokr -0.5", "full 0.7", "dora_output 1.0", "dora_input 0.7", "two kinds", "three kinds"]


def narrow(pipe, dtype: torch.dtype):
    """A pipeline whose weights of the UNet have numbers of this type. Biases and norms keep theirs."""
    pipe = copy.deepcopy(pipe)
    for module in pipe.unet.modules():
        if isinstance(module, (export_lora.LINEAR, export_lora.CONV)):
            module.weight.data = module.weight.data.to(dtype).float()
    return pipe


def by_peft(pipe, lora) -> dict:
    """The weights of the UNet after peft's own merge, in float32."""
    unet = copy.deepcopy(pipe.unet)
    own = {path: tensors for (of, path), tensors in lora.tensors.items() if of == "unet"}
    config = peft.LoraConfig(r=2, lora_alpha=4, use_dora=True, target_modules=list(own))
    peft.inject_adapter_in_model(config, unet, adapter_name="dora")
    layers = dict(unet.named_modules())
    for path, tensors in own.items():
        layer = layers[path]
        layer.lora_A["dora"].weight.data = tensors["lora_down.weight"].clone()
        layer.lora_B["dora"].weight.data = tensors["lora_up.weight"].clone()
        vector = layer.lora_magnitude_vector["dora"]
        vector.weight.data = tensors["lora_magnitude_vector"].reshape(vector.weight.shape).clone()
        layer.merge()
    return {path: layers[path].base_layer.weight.data for path in own}


@torch.no_grad()
def main():
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "tiny/diffusers", add_watermarker=False)
    files, pictures, values = export_lora.make_files(pipe), export_lora.pictures(), {}
    plain = files["plain"][0]
    for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
        base = narrow(pipe, dtype)
        for picture in PICTURES:
            uses = [(files[file][0], *weights) for file, *weights in pictures[picture]]
            merged = export_lora.merged(base, uses, torch.float64)
            # A layer with plain files only is not merged.
            changed = {path for lora, *_ in uses if lora is not plain for part, path in lora.deltas if part == "unet"}
            for path in sorted(changed)[::2]:
                weight, before = module_of(merged, "unet", path).weight.data, module_of(base, "unet", path).weight.data
                if weight.dim() < 2:
                    continue
                assert weight.abs().max() < 65504 and (weight.half() != before.half()).float().mean() > 0.3, path
                values[f"{name}/{picture}/{path}"] = weight.half().flatten()[:STORED].clone()
            if picture == "dora_output 1.0":
                own = by_peft(base, files["dora_output"][0])
                found = torch.cat([weight.half().flatten() for weight in own.values()])
                expected = torch.cat([module_of(merged, "unet", path).weight.data.half().flatten() for path in own])
                # In float32 a few sums are rounded to the neighbouring number.
                steps = (found.view(torch.int16).int() - expected.view(torch.int16).int()).abs()
                assert steps.max() <= 1 and (steps == 0).float().mean() > 0.999, steps.float().mean()
    save_file(values, FIXTURES / "lora/merged_16.safetensors")
    (FIXTURES / "lora/merged_16.safetensors").chmod(0o644)
    print(f"{len(values)} weights")


if __name__ == "__main__":
    main()
