"""How far f16 alone moves the estimate after the first step: `python f16_first_step.py`.

Computes the stages of the test `first_estimates_with_lora_files_in_f16_agree_with_the_cpu_in_f32` with diffusers, in f32 and with text
encoders and UNet in f16, on the CPU. The files are added to the weights in float64 before they are rounded to f16, so there is no
low-rank product that could be less exact. Prints the largest difference divided by the largest magnitude.
"""

import copy

import torch
from diffusers import StableDiffusionXLPipeline

from export_lora import FIXTURES, make_files, merged

SETS = {
    "no files": [],
    "files beside the weights": ["plain", "locon"],
    "files in the weights": ["loha", "dora_output", "full"],
    "both": ["plain", "lokr"],
}
SETTINGS = dict(width=112, height=72, num_inference_steps=4, guidance_scale=5.0, output_type="latent")


def first_estimate(pipe, dtype: torch.dtype) -> torch.Tensor:
    pipe = copy.deepcopy(pipe)
    for part in (pipe.unet, pipe.text_encoder, pipe.text_encoder_2):
        part.to(dtype)
    outputs = []
    pipe.unet.register_forward_hook(lambda _module, _inputs, output: outputs.append(output[0].float()))
    noise = torch.randn((1, 4, 9, 14), generator=torch.Generator().manual_seed(7))
    pipe("a small red fox", latents=noise.to(dtype), **SETTINGS)
    sigma = pipe.scheduler.sigmas[0].item()
    negative, positive = outputs[0].chunk(2)
    prediction = negative + SETTINGS["guidance_scale"] * (positive - negative)
    return noise * (sigma**2 + 1) ** 0.5 - sigma * prediction


def main():
    torch.set_num_threads(1)
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "tiny/diffusers", add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    files = make_files(pipe)
    for stage, names in SETS.items():
        changed = merged(pipe, [(files[name][0], 1.0, 1.0) for name in names]) if names else pipe
        expected, found = (first_estimate(changed, dtype) for dtype in (torch.float32, torch.float16))
        print(f"{stage}: {((found - expected).abs().max() / expected.abs().max()).item():.2e}")


if __name__ == "__main__":
    main()
