"""Reference values of whole pictures with other schedulers: `python export_families.py`.

Loads the tiny model of `fixtures/tiny/diffusers`, which `export_tiny.py` made. For each entry of PICTURES it replaces the
scheduler, and the VAE's statistics, in the same way as the test `families.rs` changes the JSON files of the folder.
Writes `fixtures/reference/family_NAME.safetensors` and `families.json`.
"""

import json
from pathlib import Path

import diffusers
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from references import PROMPTS, seeded, smooth_picture, write

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000)
# Playground 2.5's own values.
STATISTICS = dict(latents_mean=[-1.6574, 1.886, -1.383, 2.5155], latents_std=[8.4927, 5.9022, 6.5498, 5.2299],
                  scaling_factor=0.5)
PLAYGROUND = dict(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, prediction_type="epsilon", sigma_schedule="karras")
COSXL = dict(sigma_min=0.002, sigma_max=120.0, sigma_data=1.0, prediction_type="v_prediction",
             sigma_schedule="exponential")
PICTURES = {
    "playground": dict(scheduler="EDMEulerScheduler", config=PLAYGROUND, vae=STATISTICS, cfg_scale=3.0, steps=12,
                       whole=True),
    "playground_dpm": dict(scheduler="EDMDPMSolverMultistepScheduler", config=PLAYGROUND, vae=STATISTICS, cfg_scale=3.0,
                           steps=12),
    "cosxl": dict(scheduler="EDMEulerScheduler", config=COSXL, vae={}, cfg_scale=4.0, steps=12),
    "lcm": dict(scheduler="LCMScheduler", config=BETAS, vae={}, cfg_scale=1.0, steps=4),
    "lcm_off": dict(scheduler="LCMScheduler", config=BETAS, vae={}, cfg_scale=0.0, steps=4),
    "tcd": dict(scheduler="TCDScheduler", config=BETAS, vae={}, cfg_scale=1.0, steps=4),
}


@torch.no_grad()
def picture(spec, seed):
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "tiny/diffusers", add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = getattr(diffusers, spec["scheduler"])(**spec["config"])
    pipe.vae.register_to_config(**spec["vae"])
    steps = []

    def keep(_pipe, _index, _t, values):
        steps.append(values["latents"].clone())
        return {}

    # The pipeline's own default of eta is 0; TCDScheduler's is 0.3. The other schedulers ignore it.
    result = pipe(prompt=PROMPTS[0], eta=0.3, num_inference_steps=spec["steps"], guidance_scale=spec["cfg_scale"], width=64,
                  height=64, generator=seeded(seed), output_type="pt", callback_on_step_end=keep)
    out = dict(latents=steps[-1])
    if spec.get("whole"):
        out["image"] = result.images[0].permute(1, 2, 0).float()
        image = smooth_picture(64, 64)
        other = StableDiffusionXLImg2ImgPipeline(**pipe.components, add_watermarker=False)
        out["encoded"] = other.prepare_latents(image, None, 1, 1, torch.float32, "cpu", seeded(seed),
                                               add_noise=False)
        out["picture"] = image
        out["posterior_noise"] = torch.randn((1, 4, 8, 8), generator=seeded(seed))
        # As SDXL's sampler would have them: what TAESD and the linear map expect.
        mean, std = (torch.tensor(spec["vae"][key]).view(1, 4, 1, 1) for key in ["latents_mean", "latents_std"])
        out["in_sdxls_scale"] = (out["latents"] * std / spec["vae"]["scaling_factor"] + mean) * 0.13025
    return out


def main():
    torch.set_num_threads(1)
    for seed, (name, spec) in enumerate(PICTURES.items(), start=31):
        spec["seed"] = seed
        values = picture(spec, seed)
        write(values, FIXTURES / f"reference/family_{name}.safetensors")
        print(f"{name}: latents of std {values['latents'].std():.3f}")
    notes = dict(prompt=PROMPTS[0], pictures=PICTURES)
    (FIXTURES / "reference/families.json").write_text(json.dumps(notes, indent=1) + "\n")


if __name__ == "__main__":
    main()
