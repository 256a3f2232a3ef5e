"""Makes tiny LoRA files of every kind and layout for the model `tiny`, and the latents that they give: `python
export_lora.py [--out FOLDER]`.

The latents are those of diffusers' `load_lora_weights` and `set_adapters` where diffusers can load the file, of peft's
`LoraConfig(use_dora=True)` for DoRA, and otherwise of diffusers' pipeline with weights to which LyCORIS' deltas were added in
float64. Where two of these can be computed, they must agree to 1e-5. See README.md.
"""

import argparse
import copy
import json
import os
import shutil
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import peft
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

import lora_files
from lora_files import Lora, Values, module_of, modules, norm_of

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
SETTINGS = {
    "prompt": "a small red fox, sitting in the snow",
    "negative_prompt": "blurry, the dog",
    "width": 64,
    "height": 64,
    "num_inference_steps": 8,
    "guidance_scale": 5.0,
}
SEED = 7
LINEAR, CONV = torch.nn.Linear, torch.nn.Conv2d
# The two ways to compute a reference must agree this closely (largest difference over standard deviation).
AGREE = 1e-5


def latents(pipe) -> torch.Tensor:
    return pipe(**SETTINGS, generator=torch.Generator().manual_seed(SEED), output_type="latent").images


def deviation(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).abs().max() / expected.std()).item()


def trained(pipe, module_list: list) -> list:
    """The linears that kohya trains: those of the transformers and of the encoders' layers, and the last projection."""
    return [m for m in module_list if ".attentions." in m[1] or m[0] != "unet"]


def make_files(pipe) -> dict:
    """All files by name: what they hold, the layouts they are written in, and their metadata."""
    linears, convs = trained(pipe, modules(pipe, LINEAR)), modules(pipe, CONV)
    norms = modules(pipe, lora_files.NORM)
    unet_linears = [m for m in modules(pipe, LINEAR) if m[0] == "unet" and ".attentions." not in m[1]]
    # diffusers recognises an encoder's names only with one of `out_proj`.
    some = [m for m in linears if m[0] == "unet"][::9] + [m for m in linears if "layers.1.self_attn" in m[1]]
    files = {}

    plain, values = Lora(), Values(1)
    for part, path, module in linears:
        plain.add(part, path, lora_files.low_rank(module, values, 2, 3.0))
    files["plain"] = plain, ["kohya_ldm"]

    # Ranks and alphas that differ from layer to layer. diffusers 0.42.1 with peft 0.21 loses such alphas ("keys did not
    # match any targeted module"), so this file has no result by diffusers.
    ranks, values = Lora(), Values(10)
    for at, (part, path, module) in enumerate(linears[::7]):
        ranks.add(part, path, lora_files.low_rank(module, values, 1 + at % 3, (1.0, 3.0, 4.0)[at % 3]))
    files["ranks"] = ranks, ["kohya_ldm"]

    few, values = Lora(), Values(2)
    for part, path, module in some:
        few.add(part, path, lora_files.low_rank(module, values, 2, 4.0))
    files["some"] = few, ["kohya_ldm", "kohya_diffusers", "peft", "peft_metadata", "peft_own", "old_diffusers", "generic"]

    # 3x3, 1x1 and stride 2, the time embedding's and the ResNets' linears.
    conv, values = Lora(), Values(3)
    for part, path, module in convs[::3] + [m for m in convs if "downsamplers" in m[1]][:1] + unet_linears[::3]:
        conv.add(part, path, lora_files.low_rank(module, values, 2, 2.0))
    files["locon"] = conv, ["kohya_ldm"]

    mid, values = Lora(), Values(4)
    for part, path, module in [m for m in convs if m[2].kernel_size[0] == 3][::4]:
        mid.add(part, path, lora_files.tucker(module, values, 2, 2.0))
    files["locon_mid"] = mid, ["kohya_ldm"]

    hada, values = Lora(), Values(5)
    for part, path, module in linears[::11] + convs[::5]:
        hada.add(part, path, lora_files.hadamard(module, values, 2, 1.0))
    files["loha"] = hada, ["kohya_ldm"]

    kron, values = Lora(), Values(6)
    even = [m for m in linears + convs if m[2].weight.shape[0] % 2 == 0 and m[2].weight.shape[1] % 2 == 0]
    for at, (part, path, module) in enumerate(even[::8]):
        variant = ("whole", "w1", "w2", "w1 w2")[at % 4]
        kron.add(part, path, lora_files.kronecker(module, values, 2, 1.0, variant))
    files["lokr"] = kron, ["kohya_ldm"]

    diff, values = Lora(), Values(7)
    for part, path, module in linears[::17] + convs[::9] + norms[::7]:
        diff.add(part, path, lora_files.full(module, values))
    files["full"] = diff, ["kohya_ldm"]

    for axis, layout, key in (("output", "peft_dora", "lora_magnitude_vector"), ("input", "kohya_ldm", "dora_scale")):
        dora, values = Lora(), Values(8 if axis == "output" else 9)
        for part, path, module in linears[::10] + convs[1::6]:
            made = lora_files.low_rank(module, values, 2, 4.0)
            dora.add_dora(part, path, module, made, values, axis, key)
        files[f"dora_{axis}"] = dora, [layout]
    return files


def merged(pipe, uses: list, dtype: torch.dtype = torch.float32):
    """A pipeline with the deltas in its weights: sums in float64, rounded to `dtype`; DoRA after everything that adds up."""
    pipe = copy.deepcopy(pipe)
    sums, biases, doras = {}, {}, {}
    for lora, unet_weight, text_weight in uses:
        for at, delta in lora.deltas.items():
            weight = unet_weight if at[0] == "unet" else text_weight
            if weight == 0:
                continue
            if at in lora.magnitudes:
                assert at not in doras, "two DoRAs"
                doras[at] = delta, *lora.magnitudes[at], weight
            else:
                sums[at] = sums.get(at, 0) + weight * delta
            if at in lora.biases:
                biases[at] = biases.get(at, 0) + weight * lora.biases[at]
    for at in {**sums, **doras}:
        module = module_of(pipe, *at)
        weight = module.weight.data.double() + sums.get(at, 0)
        if at in doras:
            delta, magnitudes, axis, strength = doras[at]
            target = weight + delta
            target = magnitudes * target / norm_of(target, axis)
            weight = weight + strength * (target - weight)
        module.weight.data = weight.to(dtype)
        if at in biases:
            module.bias.data = (module.bias.data.double() + biases[at]).float()
    return pipe


def by_diffusers(pipe, folder: Path, uses: list) -> torch.Tensor:
    """diffusers' own loader. The weight of an adapter is one number for all parts."""
    pipe = copy.deepcopy(pipe)
    names = []
    for number, (file, weight) in enumerate(uses):
        names.append(f"lora_{number}")
        pipe.load_lora_weights(folder, weight_name=file, adapter_name=names[-1])
    pipe.set_adapters(names, [weight for _, weight in uses])
    return latents(pipe)


def by_peft(pipe, lora: Lora) -> torch.Tensor:
    """peft's DoRA layers with the file's values."""
    pipe = copy.deepcopy(pipe)
    for part in lora_files.PARTS:
        own = {path: tensors for (of, path), tensors in lora.tensors.items() if of == part}
        model = getattr(pipe, part)
        present = dict(model.named_modules())
        local = {path: path if path in present else path.removeprefix("text_model.") for path in own}
        config = peft.LoraConfig(r=2, lora_alpha=4, use_dora=True, target_modules=list(local.values()))
        peft.inject_adapter_in_model(config, model, adapter_name="dora")
        layers = dict(model.named_modules())
        for path, tensors in own.items():
            layer = layers[local[path]]
            layer.lora_A["dora"].weight.data = tensors["lora_down.weight"].clone()
            layer.lora_B["dora"].weight.data = tensors["lora_up.weight"].clone()
            vector = layer.lora_magnitude_vector["dora"]
            vector.weight.data = tensors["lora_magnitude_vector"].reshape(vector.weight.shape).clone()
        model.eval()
    return latents(pipe)


def file_of(name: str, layout: str, layouts: list) -> str:
    return f"{name}.safetensors" if len(layouts) == 1 else f"{name}_{layout}.safetensors"


def pictures() -> dict:
    """Uses of each picture: the file's name, its weight for the UNet, its weight for the text encoders."""
    uses = {"none": []}
    for weight in (1.0, 0.7, -0.5):
        uses[f"plain {weight}"] = [["plain", weight, weight]]
    uses["plain 0"] = [["plain", 0.0, 0.0]]
    uses["plain unet"] = [["plain", 0.7, 0.0]]
    uses["plain text"] = [["plain", 0.0, 1.0]]
    uses["plain apart"] = [["plain", 0.7, -0.5]]
    uses["some 0.7"] = [["some", 0.7, 0.7]]
    for kind in ("ranks", "locon", "locon_mid", "loha", "lokr", "full", "dora_output", "dora_input"):
        for weight in (1.0, 0.7, -0.5):
            uses[f"{kind} {weight}"] = [[kind, weight, weight]]
    uses["two plain"] = [["plain", 0.7, 0.7], ["locon", -0.5, -0.5]]
    uses["three plain"] = [["plain", 0.7, 0.7], ["some", 1.0, 1.0], ["locon", 0.5, 0.5]]
    uses["two kinds"] = [["plain", 0.7, 0.7], ["loha", 0.5, 0.5]]
    uses["three kinds"] = [["plain", 0.5, 0.5], ["full", 0.7, 0.3], ["dora_output", 0.7, 0.7]]
    return uses


@torch.no_grad()
def main():
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FIXTURES / "lora")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "tiny/diffusers", add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    shutil.rmtree(out, ignore_errors=True)
    files = make_files(pipe)
    written = {}
    for name, (lora, layouts) in files.items():
        written[name] = {}
        for layout in layouts:
            file = file_of(name, layout, layouts)
            extra = lora_files.metadata(lora, 2, 4.0) if layout == "peft_metadata" else None
            lora.write(pipe, out / file, layout, extra)
            written[name][layout] = file

    values, base = {}, latents(pipe)
    loads = {("plain", "kohya_ldm"), ("locon", "kohya_ldm")}
    loads |= {("some", layout) for layout in ("kohya_ldm", "kohya_diffusers", "peft", "peft_metadata")}
    for title, uses in pictures().items():
        result = latents(merged(pipe, [(files[name][0], *weights) for name, *weights in uses]))
        own = result
        same = all(unet == text for _, unet, text in uses)
        for layout in {layout for _, layout in loads}:
            if uses and same and all((name, layout if name == "some" else "kohya_ldm") in loads for name, *_ in uses):
                by_name = lambda name: written[name][layout if name == "some" else "kohya_ldm"]
                result = by_diffusers(pipe, out, [(by_name(name), unet) for name, unet, _ in uses])
                assert deviation(result, own) < AGREE, (title, layout, deviation(result, own))
        if title == "dora_output 1.0":
            result = by_peft(pipe, files["dora_output"][0])
            assert deviation(result, own) < AGREE, (title, deviation(result, own))
        values[title] = result
        print(f"{title}: {deviation(result, base):.3f} from the base")
    save_file(values, out / "latents.safetensors")
    (out / "latents.safetensors").chmod(0o644)
    notes = {"settings": SETTINGS, "seed": SEED, "files": written, "pictures": pictures()}
    (out / "reference.json").write_text(json.dumps(notes, indent=1) + "\n")


if __name__ == "__main__":
    main()
