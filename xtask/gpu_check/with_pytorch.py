"""diffusers on the same weights: `python with_pytorch.py MODEL SETTINGS.json`; prints one JSON object.

Run by `gpu_check.py`, where PyTorch and diffusers are installed. SETTINGS holds `dump` (what `emberline generate --dump`
wrote; its `initial_noise` is the start), `prompt, steps, cfg_scale, width, height, dtype, device`. The answer has the
largest deviation of each stage from the dump (largest absolute difference over largest absolute value), the seconds of
each step, and the largest amount of memory that PyTorch reserved.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file


def deviation(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    theirs = theirs.float().cpu()
    if ours.shape != theirs.shape:
        raise SystemExit(f"shapes differ: {tuple(ours.shape)} in the dump, {tuple(theirs.shape)} in diffusers")
    return ((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-12)).item()


@torch.no_grad()
def main():
    model, settings = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device, dtype = torch.device(settings["device"]), getattr(torch, settings["dtype"])
    plain = any(path for path in (model / "unet").glob("*.safetensors") if ".fp16" not in path.name)
    options = {"torch_dtype": dtype, "local_files_only": True, "add_watermarker": False}
    pipe = StableDiffusionXLPipeline.from_pretrained(model, variant=None if plain else "fp16", **options).to(device)
    pipe.set_progress_bar_config(disable=True)
    # SDXL's VAE overflows in f16; Emberline's is f32 always.
    pipe.vae.to(torch.float32)

    def finish():
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.monotonic()

    embeds, no_embeds, pooled, no_pooled = pipe.encode_prompt(settings["prompt"], do_classifier_free_guidance=True)
    dump = load_file(settings["dump"])
    marks = []

    def mark(*_):
        marks.append(finish())
        return {}

    mark()
    latents = pipe(
        prompt_embeds=embeds, negative_prompt_embeds=no_embeds, pooled_prompt_embeds=pooled,
        negative_pooled_prompt_embeds=no_pooled, latents=dump["initial_noise"].to(device, dtype),
        width=settings["width"], height=settings["height"], num_inference_steps=settings["steps"],
        guidance_scale=settings["cfg_scale"], output_type="latent", callback_on_step_end=mark,
    ).images
    started = finish()
    decoded = pipe.vae.decode(latents.float() / pipe.vae.config.scaling_factor).sample
    decode_s = finish() - started
    picture = ((decoded[0] + 1) / 2).clamp(0, 1).permute(1, 2, 0)
    found = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled, "latents": latents, "image": picture}
    print(json.dumps({
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "versions": {"torch": torch.__version__},
        "deviations": {name: deviation(dump[name], value) for name, value in found.items()},
        "steps_s": [after - before for before, after in zip(marks, marks[1:])],
        "decode_s": decode_s,
        "reserved_bytes": torch.cuda.max_memory_reserved() if device.type == "cuda" else None,
    }))


if __name__ == "__main__":
    main()
