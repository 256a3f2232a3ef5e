"""Reference values of every stage and of whole pictures for the tiny models."""

import copy
import json
from pathlib import Path

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline
from PIL import Image
from safetensors.torch import save_file

PROMPTS = [
    "a small red fox, sitting in the snow",
    "",
    "8k!! ultra-detailed (photo) of the caf\u00e9 \u2014 \u732b \U0001f98a, 35mm",
    " ".join(["the hat on an orange tree,"] * 9),
]
# (name, latent height, latent width, timestep): sides that are not multiples of 4 test the upsamplers' size rule.
UNET_CASES = [("a", 8, 8, 951.0), ("b", 12, 10, 481.0), ("c", 7, 9, 1.0), ("d", 8, 12, 250.5)]

# Pictures. All use 20 Euler steps over diffusers' `leading` timesteps unless given otherwise.
PICTURES = {
    "tiny": {
        "cfg5": {"seed": 1, "cfg_scale": 5.0, "width": 96, "height": 64, "keep_image": True},
        "cfg1": {"seed": 2, "cfg_scale": 1.0, "width": 64, "height": 64},
        "negative": {"seed": 3, "cfg_scale": 7.5, "width": 72, "height": 88, "negative_prompt": "blurry, the dog"}
        | {"keep_image": True},
        "v_ztsnr": {"seed": 4, "cfg_scale": 5.0, "width": 64, "height": 64, "guidance_rescale": 0.7}
        | {"scheduler": {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}},
        "v_ztsnr_trailing": {"seed": 4, "cfg_scale": 5.0, "width": 64, "height": 64, "guidance_rescale": 0.7}
        | {"scheduler": {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}}
        | {"timestep_spacing": "trailing"},
        "img2img": {"seed": 5, "cfg_scale": 5.0, "width": 96, "height": 64, "strength": 0.6}
        | {"posterior": "sample", "keep_image": True},
        "img2img_mean": {"seed": 5, "cfg_scale": 5.0, "width": 96, "height": 64, "strength": 0.6}
        | {"posterior": "mean"},
    },
    "odd": {"cfg5": {"seed": 6, "cfg_scale": 5.0, "width": 64, "height": 80, "keep_image": True}},
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def write(tensors: dict, path: Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({n: v.detach().clone().contiguous() for n, v in tensors.items()}, path)
    path.chmod(0o644)


def smooth_picture(height: int, width: int) -> torch.Tensor:
    """A coloured picture [1, 3, height, width] in -1..1; every value is one of 256 levels."""
    y = torch.linspace(0, 1, height)[:, None]
    x = torch.linspace(0, 1, width)[None, :]
    rgb = torch.stack([torch.sin(7 * x + 2 * y), torch.cos(5 * y - 3 * x), torch.sin(11 * x * y)])
    levels = ((rgb + 1) * 127.5).round()
    return (levels / 127.5 - 1)[None]


def text_stage(pipe) -> dict:
    out = {}
    for number, tokenizer, encoder in (
        (1, pipe.tokenizer, pipe.text_encoder),
        (2, pipe.tokenizer_2, pipe.text_encoder_2),
    ):
        ids = tokenizer(PROMPTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
        result = encoder(ids, output_hidden_states=True)
        out[f"text_{number}.ids"] = ids
        out[f"text_{number}.penultimate"] = result.hidden_states[-2]
        out[f"text_{number}.last"] = result.last_hidden_state
        if number == 2:
            out["text_2.pooled"] = result.text_embeds
    return out


def long_prompt_stage(pipe, prompt: str) -> dict:
    """Chunks of 75 tokens, each with start and end; embeddings concatenated, pooled from the first chunk."""
    parts = []
    for tokenizer, encoder in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)):
        words = tokenizer(prompt, add_special_tokens=False).input_ids
        start, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        chunks = []
        for first in range(0, len(words), 75):
            chunk = [start, *words[first : first + 75], end]
            chunks.append(chunk + [pad] * (77 - len(chunk)))
        result = encoder(torch.tensor(chunks), output_hidden_states=True)
        parts.append((torch.tensor(chunks), result))
    (ids_1, first), (ids_2, second) = parts
    embeds = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    return {
        "long.ids_1": ids_1,
        "long.ids_2": ids_2,
        "long.prompt_embeds": embeds.reshape(1, -1, embeds.shape[-1]),
        "long.pooled_prompt_embeds": second.text_embeds[:1],
    }


def unet_stage(pipe, seed: int) -> dict:
    unet, generator = pipe.unet, seeded(seed)
    embeds, _, pooled, _ = pipe.encode_prompt(PROMPTS[:2], do_classifier_free_guidance=False)
    time_ids = torch.tensor([[64.0, 96.0, 0.0, 0.0, 64.0, 96.0], [1024.0, 768.0, 8.0, 16.0, 512.0, 640.0]])
    out = {"unet.prompt_embeds": embeds, "unet.pooled_prompt_embeds": pooled, "unet.time_ids": time_ids}
    for name, height, width, timestep in UNET_CASES:
        sample = torch.randn((2, 4, height, width), generator=generator)
        t = torch.tensor(timestep)
        conditions = {"text_embeds": pooled, "time_ids": time_ids}
        out[f"unet.{name}.sample"] = sample
        out[f"unet.{name}.timestep"] = t[None]
        out[f"unet.{name}.time_sines"] = unet.time_proj(t.expand(2))
        out[f"unet.{name}.time_embedding"] = unet.time_embedding(unet.time_proj(t.expand(2)))
        out[f"unet.{name}.output"] = unet(sample, t, encoder_hidden_states=embeds, added_cond_kwargs=conditions).sample
    sines = unet.add_time_proj(time_ids.flatten()).reshape(2, -1)
    added = torch.cat([pooled, sines], dim=-1)
    out["unet.time_ids_sines"] = sines
    out["unet.added_input"] = added
    out["unet.added_embedding"] = unet.add_embedding(added)
    return out


def vae_stage(vae, seed: int) -> dict:
    out = {}
    for name, height, width in (("a", 32, 48), ("b", 24, 40)):
        picture = smooth_picture(height, width)
        moments = vae.encode(picture).latent_dist
        latents = torch.randn((1, 4, height // 8, width // 8), generator=seeded(seed))
        out[f"vae.{name}.image"] = picture
        out[f"vae.{name}.mean"] = moments.mean
        out[f"vae.{name}.logvar"] = moments.logvar
        out[f"vae.{name}.latents"] = latents
        out[f"vae.{name}.decoded"] = vae.decode(latents / vae.config.scaling_factor).sample
    return out


def taesd_stage(taesd, seed: int) -> dict:
    latents = 2 * torch.randn((1, 4, 5, 9), generator=seeded(seed))
    picture = smooth_picture(40, 72)
    return {
        "taesd.latents": latents,
        "taesd.decoded": taesd.decode(latents).sample,
        "taesd.image": picture,
        "taesd.encoded": taesd.encode(picture).latents,
    }


def scheduler_for(pipe, spec: dict) -> EulerDiscreteScheduler:
    changes = dict(spec.get("scheduler", {}))
    if "timestep_spacing" in spec:
        changes["timestep_spacing"] = spec["timestep_spacing"]
    return EulerDiscreteScheduler.from_config(pipe.scheduler.config, **changes)


def picture(pipe, spec: dict, image_path: Path) -> dict:
    """One whole picture under the keys of `--dump`, with the latents of every step as `trajectory`."""
    pipe = copy.copy(pipe)
    pipe.scheduler = scheduler_for(pipe, spec)
    negative = spec.get("negative_prompt")
    guided = spec["cfg_scale"] > 1
    embeds, no_embeds, pooled, no_pooled = pipe.encode_prompt(
        PROMPTS[0], negative_prompt=negative, do_classifier_free_guidance=guided
    )
    out = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}
    if guided:
        out |= {"negative_prompt_embeds": no_embeds, "negative_pooled_prompt_embeds": no_pooled}
    generator = seeded(spec["seed"])
    latent_shape = (1, 4, spec["height"] // 8, spec["width"] // 8)
    trajectory = []

    def keep(_pipe, _index, _t, values):
        trajectory.append(values["latents"].clone())
        return {}

    shared = {
        "prompt": PROMPTS[0],
        "negative_prompt": negative,
        "num_inference_steps": 20,
        "guidance_scale": spec["cfg_scale"],
        "guidance_rescale": spec.get("guidance_rescale", 0.0),
        "generator": generator,
        "output_type": "pt",
        "callback_on_step_end": keep,
    }
    first = 0
    if "strength" in spec:
        start = smooth_picture(spec["height"], spec["width"])
        levels = ((start[0] + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)
        Image.fromarray(levels.numpy()).save(image_path)
        image_path.chmod(0o644)
        draws = seeded(spec["seed"])
        moments = pipe.vae.encode(start).latent_dist
        if spec["posterior"] == "sample":
            out["posterior_noise"] = torch.randn(latent_shape, generator=draws)
            image, init = (start + 1) / 2, moments.mean + moments.std * out["posterior_noise"]
        else:
            init = moments.mean
            image = init * pipe.vae.config.scaling_factor
        out["init_latents"] = init * pipe.vae.config.scaling_factor
        out["initial_noise"] = torch.randn(latent_shape, generator=draws)
        parts = {k: v for k, v in pipe.components.items()}
        other = StableDiffusionXLImg2ImgPipeline(**parts, add_watermarker=False)
        other.set_progress_bar_config(disable=True)
        result = other(image=image, strength=spec["strength"], **shared)
        first = 20 - int(20 * spec["strength"])
    else:
        out["initial_noise"] = torch.randn(latent_shape, generator=seeded(spec["seed"]))
        result = pipe(width=spec["width"], height=spec["height"], **shared)
    out["sigmas"] = pipe.scheduler.sigmas[first:].float()
    out["timesteps"] = pipe.scheduler.timesteps[first:].float()
    out["trajectory"] = torch.stack(trajectory)
    out["latents"] = trajectory[-1]
    if spec.get("keep_image"):
        out["image"] = result.images[0].permute(1, 2, 0)
    assert len(trajectory) + 1 == len(out["sigmas"])
    return out


@torch.no_grad()
def write_all(tiny, taesd, odd, out: Path):
    stages = text_stage(tiny) | long_prompt_stage(tiny, PROMPTS[3]) | unet_stage(tiny, 11)
    stages |= vae_stage(tiny.vae, 12) | taesd_stage(taesd, 13)
    write(stages, out / "reference/tiny_stages.safetensors")
    stages = text_stage(odd) | unet_stage(odd, 21) | vae_stage(odd.vae, 22)
    write(stages, out / "reference/odd_stages.safetensors")
    for model, pipe in (("tiny", tiny), ("odd", odd)):
        for name, spec in PICTURES[model].items():
            values = picture(pipe, spec, out / "reference/init_image.png")
            write(values, out / f"reference/{model}_picture_{name}.safetensors")
            print(f"{model} {name}: latents of std {values['latents'].std():.3f}")
    notes = {"prompts": PROMPTS, "prompt": PROMPTS[0], "steps": 20, "pictures": PICTURES}
    text = json.dumps(notes, indent=1, ensure_ascii=True)
    (out / "reference/reference.json").write_text(text + "\n")
