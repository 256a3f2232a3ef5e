"""diffusers' results with the weights in this crate: `python export.py`.

Three prompts with the settings of `card.json`, without a negative prompt, in f32. Writes
`../fixtures/reference.safetensors`: the final latents of each and, for the first, the unit noise, the embeddings,
the picture and TAESD's in 256 levels. With the versions of `train/requirements.txt` the output is the same in every
run.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from diffusers import AutoencoderTiny, StableDiffusionXLPipeline
from safetensors.torch import save_file

CRATE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CRATE / "train"))
from tokenizer import pair

CASES = [
    (1, "a red car on a yellow background"),
    (2, "a blue heart on a white background"),
    (3, "a penguin on a green background"),
]


def levels(x):
    """Converts [1, 3, h, w] in -1..1 to [h, w, 3] in 256 levels."""
    return (((x[0] + 1) / 2).clamp(0, 1).permute(1, 2, 0) * 255).round().to(torch.uint8)


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    card = json.loads((CRATE / "card.json").read_text())["recommended"]
    assert (card["sampler"], card["scheduler"]) == ("euler", "leading"), "the pipeline's own scheduler"
    with tempfile.TemporaryDirectory() as folder:
        tokenizer, tokenizer_2 = pair(folder)
    pipe = StableDiffusionXLPipeline.from_pretrained(
        CRATE / "weights", torch_dtype=torch.float32, local_files_only=True, add_watermarker=False,
        tokenizer=tokenizer, tokenizer_2=tokenizer_2,
    )
    taesd = AutoencoderTiny.from_pretrained(CRATE / "weights/taesd", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    settings = {"num_inference_steps": card["steps"], "guidance_scale": card["cfg_scale"]}
    settings |= {"width": card["width"], "height": card["height"]}
    out = {}
    for seed, prompt in CASES:
        generator = torch.Generator().manual_seed(seed)
        latents = pipe(prompt, generator=generator, output_type="latent", **settings).images
        out[f"{seed}.latents"] = latents
        print(f"{seed} {prompt}: latents of std {latents.std():.3f}")
        if seed == 1:
            embeds, _, pooled, _ = pipe.encode_prompt(prompt, do_classifier_free_guidance=False)
            out["1.initial_noise"] = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
            out["1.prompt_embeds"], out["1.pooled_prompt_embeds"] = embeds, pooled
            out["1.image_u8"] = levels(pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample)
            out["1.taesd_u8"] = levels(taesd.decode(latents).sample)
    notes = {"cases": json.dumps(CASES)}
    path = CRATE / "tests/fixtures/reference.safetensors"
    save_file({name: x.detach().contiguous() for name, x in out.items()}, path, metadata=notes)
    path.chmod(0o644)


if __name__ == "__main__":
    main()
