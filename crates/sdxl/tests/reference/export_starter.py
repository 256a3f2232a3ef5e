"""What diffusers makes of the starter model: `python export_starter.py --model FOLDER`.

Three prompts at 128x128, 20 Euler steps over `leading` timesteps, guidance 4, no negative prompt, f32.
Writes `../fixtures/starter_reference.safetensors` with the final latents of each and, for the first,
the picture in 256 levels and the embeddings. Run twice, it writes the same bytes.
"""

import argparse
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from diffusers import StableDiffusionXLPipeline

from references import seeded, write

HERE = Path(__file__).resolve().parent

CASES = [
    (1, "a red car on a yellow background"),
    (2, "a blue heart on a white background"),
    (3, "a penguin on a green background"),
]


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE.parent / "fixtures/starter_reference.safetensors")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    pipe = StableDiffusionXLPipeline.from_pretrained(
        options.model, torch_dtype=torch.float32, local_files_only=True, add_watermarker=False
    )
    pipe.set_progress_bar_config(disable=True)
    out = {}
    for seed, prompt in CASES:
        shared = {"num_inference_steps": 20, "guidance_scale": 4.0, "width": 128, "height": 128}
        latents = pipe(prompt, generator=seeded(seed), output_type="latent", **shared).images
        out[f"seed_{seed}.latents"] = latents
        print(f"{seed} {prompt}: latents of std {latents.std():.3f}")
        if seed > 1:
            continue
        decoded = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
        picture = ((decoded[0] + 1) / 2).clamp(0, 1).permute(1, 2, 0)
        out[f"seed_{seed}.image_u8"] = (picture * 255).round().to(torch.uint8)
    embeds, _, pooled, _ = pipe.encode_prompt(CASES[0][1], do_classifier_free_guidance=False)
    out["seed_1.prompt_embeds"], out["seed_1.pooled_prompt_embeds"] = embeds, pooled
    write(out, options.out)


if __name__ == "__main__":
    main()
