"""Compares the cost of a LoRA file in Emberline and diffusers: `python side_by_side_lora.py EXAMPLE MODEL ...`.

`EXAMPLE` is the built example `lora` (`cargo build --release -p sdxl --example lora`), `MODEL` a diffusers folder, for
example of `build_full_size.py`. Makes a random kohya file of `--rank` over the linears of the UNet's transformers (722 in SDXL)
beside the model, unless it exists. Then runs both programs alternately, one process at a time, in f32 on the CPU, and prints
medians: switching the file on, a step without and with it, and memory. diffusers is measured in two ways: `load_lora_weights`
alone, whose layers compute beside the base's, and with `fuse_lora`. This is a measurement, not a test.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path


def make_lora(model: Path, rank: int, file: Path):
    """A kohya file in f16 with LDM block numbers and alpha = rank / 2."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    from lora_files import ldm

    config = UNet2DConditionModel.load_config(model / "unet")
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for path, module in unet.named_modules():
        if isinstance(module, torch.nn.Linear) and ".attentions." in path:
            stem = "lora_unet_" + ldm(path, unet).replace(".", "_")
            down = torch.randn((rank, module.in_features), generator=generator) / module.in_features**0.5
            up = torch.randn((module.out_features, rank), generator=generator) * 0.02
            tensors[f"{stem}.lora_down.weight"] = down.half()
            tensors[f"{stem}.lora_up.weight"] = up.half()
            tensors[f"{stem}.alpha"] = torch.tensor(rank / 2)
    save_file(tensors, file)
    print(f"{file}: {len(tensors) // 3} layers, {file.stat().st_size / 1e6:.0f} MB", file=sys.stderr)


def resident(key: str = "VmRSS") -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[key].split()[0]) * 1024


def as_diffusers(options):
    """One process: a step without the file, loading it, a step, fusing it, a step."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    import torch
    from diffusers import StableDiffusionXLPipeline

    # `build_full_size.py` writes f16 files under their variant's names.
    variant = "fp16" if (options.model / "text_encoder" / "model.fp16.safetensors").exists() else None
    pipe = StableDiffusionXLPipeline.from_pretrained(
        options.model, torch_dtype=torch.float32, variant=variant, local_files_only=True, add_watermarker=False
    )
    pipe.set_progress_bar_config(disable=True)

    def step() -> float:
        marks = []

        def mark(*_):
            marks.append(time.monotonic())
            return {}

        pipe(
            "a red fox", width=options.width, height=options.width, num_inference_steps=options.steps, guidance_scale=5.0,
            generator=torch.Generator().manual_seed(1), output_type="latent", callback_on_step_end=mark,
        )
        return statistics.median([after - before for before, after in zip(marks, marks[1:])])

    report = {"resident_base": resident(), "base_step_s": step()}
    begun = time.monotonic()
    pipe.load_lora_weights(options.file.parent, weight_name=options.file.name, adapter_name="lora")
    pipe.set_adapters(["lora"], [0.7])
    report["load_lora_s"] = time.monotonic() - begun
    report["resident_with"] = resident()
    report["lora_step_s"] = step()
    begun = time.monotonic()
    pipe.fuse_lora(adapter_names=["lora"])
    report["fuse_s"] = time.monotonic() - begun
    report["fused_step_s"] = step()
    report["peak"] = resident("VmHWM")
    print(json.dumps(report))


def run(command: list) -> dict:
    answer = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("example", help="the built example `lora`")
    parser.add_argument("model", type=Path, help="a diffusers folder")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--file", type=Path, help="the LoRA file; made if it does not exist")
    parser.add_argument("--as-diffusers", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.file = options.file or options.model / f"random_rank_{options.rank}.safetensors"
    if options.as_diffusers:
        return as_diffusers(options)
    if not options.file.exists():
        make_lora(options.model, options.rank, options.file)
    ours, theirs = [], []
    for number in range(options.rounds):
        ours.append(run([options.example, options.model, options.file, options.width, options.steps]))
        theirs.append(run([sys.executable, __file__, *sys.argv[1:], "--as-diffusers"]))
        print(f"round {number + 1}: {ours[-1]} {theirs[-1]}", file=sys.stderr, flush=True)
    own = {key: statistics.median(run[key] for run in ours) for key in ours[0]}
    other = {key: statistics.median(run[key] for run in theirs) for key in theirs[0]}
    rows = [
        ("switching the file on", f"{own['switch_s']:.3f} s", f"{other['load_lora_s']:.3f} s", f"{other['load_lora_s'] + other['fuse_s']:.3f} s"),
        ("another weight", f"{own['other_weight_s']:.3f} s", "", ""),
        ("the same set again", f"{1000 * own['same_again_s']:.2f} ms", "", ""),
        ("a step without", f"{own['base_step_s']:.3f} s", f"{other['base_step_s']:.3f} s", f"{other['base_step_s']:.3f} s"),
        ("a step with", f"{own['lora_step_s']:.3f} s", f"{other['lora_step_s']:.3f} s", f"{other['fused_step_s']:.3f} s"),
        ("memory of the file", f"{own['set_bytes'] / 1e6:.0f} MB", f"{(other['resident_with'] - other['resident_base']) / 1e6:.0f} MB", ""),
    ]
    print(f"rank {options.rank}, {options.width} x {options.width}, guidance 5, {options.rounds} rounds")
    print("| | Emberline | diffusers, beside | diffusers, fused |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
