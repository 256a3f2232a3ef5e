"""Compares `emberline generate --dump` with diffusers: `python compare_dump.py MODEL DUMP --prompt TEXT ...`.

`MODEL` is a diffusers folder, or a single file with `--config FOLDER`. Pass the options that the dump was made with;
only sampler `euler` and scheduler `leading` are supported. diffusers starts from the dump's own `initial_noise` and
runs in f32 on the CPU, text encoders and UNet one after the other. Prints the deviation of each stage: the largest
absolute difference divided by the largest absolute value. Exits with status 1 if one exceeds `--limit`.
"""

import argparse
import gc
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file

TEXT_PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
MODEL_PARTS = ("unet", "vae")


def load(model: Path, config: Path | None, without: tuple):
    common = {"torch_dtype": torch.float32, "local_files_only": True, "add_watermarker": False}
    common |= dict.fromkeys(without)
    if model.is_file():
        return StableDiffusionXLPipeline.from_single_file(str(model), config=str(config), **common)
    # Try both variants: a folder may contain only fp16 files.
    plain = any(p for p in (model / "unet").glob("*.safetensors") if ".fp16" not in p.name)
    return StableDiffusionXLPipeline.from_pretrained(model, variant=None if plain else "fp16", **common)


def deviation(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    if ours.shape != theirs.shape:
        raise SystemExit(f"shapes differ: {tuple(ours.shape)} in the dump, {tuple(theirs.shape)} here")
    return ((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-12)).item()


def encode(options) -> dict:
    pipe = load(options.model, options.config, MODEL_PARTS)
    guided = options.cfg_scale > 1
    embeds, no_embeds, pooled, no_pooled = pipe.encode_prompt(
        options.prompt, negative_prompt=options.negative_prompt or None, do_classifier_free_guidance=guided
    )
    out = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}
    if guided:
        out |= {"negative_prompt_embeds": no_embeds, "negative_pooled_prompt_embeds": no_pooled}
    return out


def sample(options, embeds: dict, noise: torch.Tensor) -> dict:
    pipe = load(options.model, options.config, TEXT_PARTS)
    pipe.set_progress_bar_config(disable=True)
    height, width = noise.shape[2] * 8, noise.shape[3] * 8
    marks = [time.monotonic()]

    def mark(_pipe, index, _t, _values):
        marks.append(time.monotonic())
        print(f"step {index + 1}: {marks[-1] - marks[-2]:.2f} s", flush=True)
        return {}

    latents = pipe(
        **embeds,
        latents=noise,
        height=height,
        width=width,
        num_inference_steps=options.steps,
        guidance_scale=options.cfg_scale,
        output_type="latent",
        callback_on_step_end=mark,
    ).images
    decoded = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    picture = ((decoded[0] + 1) / 2).clamp(0, 1).permute(1, 2, 0)
    return {"sigmas": pipe.scheduler.sigmas, "latents": latents, "image": picture}


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("dump", type=Path)
    parser.add_argument("--config", type=Path, help="diffusers folder that describes a single file")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--negative-prompt", default="")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--cfg-scale", type=float, required=True)
    parser.add_argument("--seed", type=int, help="also compare the noise with torch's for this seed")
    parser.add_argument("--threads", type=int, help="torch's threads; 1 on a busy machine")
    parser.add_argument("--limit", type=float, default=1e-3)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    dump = load_file(options.dump)
    noise = dump["initial_noise"]
    theirs = {}
    if options.seed is not None:
        generator = torch.Generator().manual_seed(options.seed & 0xFFFFFFFF)
        theirs["initial_noise"] = torch.randn(noise.shape, generator=generator)
    embeds = encode(options)
    gc.collect()
    theirs |= embeds | sample(options, embeds, noise)
    worst = 0.0
    for name, value in theirs.items():
        if name not in dump:
            print(f"{name:28} not in the dump")
            continue
        found = deviation(dump[name], value)
        worst = max(worst, found)
        print(f"{name:28} {found:.2e}   (largest {value.abs().max():.3f}, std {value.std():.3f})")
    print(f"largest deviation {worst:.2e}, limit {options.limit:.0e}")
    sys.exit(int(worst > options.limit))


if __name__ == "__main__":
    main()
