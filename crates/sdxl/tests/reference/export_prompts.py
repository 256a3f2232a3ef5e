"""Reference latents of prompts that change over the steps, and of prompts with AND: `python export_prompts.py`.

It loads the tiny model of `../fixtures` with diffusers and encodes each text by itself. The texts and their last steps are
those of A1111's parser (`crates/prompt/tests/reference`); an evaluation of the model, counted from 0, takes the first text
whose last step is not below it (`reconstruct_cond_batch` in A1111's `modules/prompt_parser.py`). A sampler that evaluates
the model twice in a step has a schedule over twice as many steps (`second_order`). Parts with weights are added to the
negative prediction (`combine_denoised` in A1111's `modules/sd_samplers_cfg_denoiser.py`).
"""

import json
from pathlib import Path

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
STEPS, SIDE, SEED = 8, 64, 11
CASES = {
    "editing": {
        "prompt": "a red [fox:dog:0.5] in the snow", "negative": "the [hat:3]", "cfg_scale": 5.0,
        "parts": [[1.0, [[4, "a red fox in the snow"], [8, "a red dog in the snow"]]]],
        "negative_texts": [[3, "the "], [8, "the hat"]],
    },
    "alternating": {
        "prompt": "a [fox|dog|cat] in the snow", "negative": "", "cfg_scale": 5.0,
        "parts": [[1.0, [[step, f"a {('fox', 'dog', 'cat')[(step - 1) % 3]} in the snow"] for step in range(1, 9)]]],
        "negative_texts": [[8, ""]],
    },
    "unguided": {
        "prompt": "a [fox:dog:2]", "negative": "", "cfg_scale": 1.0,
        "parts": [[1.0, [[2, "a fox"], [8, "a dog"]]]], "negative_texts": [[8, ""]],
    },
    "and": {
        "prompt": "the fox AND [snow|rain] :0.5 AND a dog:-0.4", "negative": "blurry", "cfg_scale": 5.0,
        "parts": [
            [1.0, [[8, "the fox"]]],
            [0.5, [[step, (" snow", " rain")[(step - 1) % 2]] for step in range(1, 9)]],
            [-0.4, [[8, " a dog"]]],
        ],
        "negative_texts": [[8, "blurry"]],
    },
    "and_unguided": {
        "prompt": "the fox AND a dog :0.5", "negative": "blurry", "cfg_scale": 1.0,
        "parts": [[1.0, [[8, "the fox"]]], [0.5, [[8, " a dog"]]]], "negative_texts": [[8, "blurry"]],
    },
    "weight": {
        "prompt": "the fox :1.4", "negative": "blurry", "cfg_scale": 5.0,
        "parts": [[1.4, [[8, "the fox"]]]], "negative_texts": [[8, "blurry"]],
    },
    # 16 evaluations are planned, of which Heun's method makes 15.
    "heun": {
        "prompt": "a [fox:dog:0.5] in [snow|rain]", "negative": "blurry", "cfg_scale": 5.0, "sampler": "heun",
        "parts": [[1.0, [[step, f"a {'fox' if step <= 8 else 'dog'} in {('snow', 'rain')[(step - 1) % 2]}"]
                         for step in range(1, 17)]]],
        "negative_texts": [[16, "blurry"]],
    },
}


class Denoiser:
    """The estimate of the finished latents, with the texts of the current evaluation."""

    def __init__(self, pipe, case):
        self.pipe, self.case, self.evaluation = pipe, case, 0
        self.time_ids = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]], dtype=torch.float32)

    def encode(self, text):
        embeds, _, pooled, _ = self.pipe.encode_prompt(text, do_classifier_free_guidance=False)
        return embeds, pooled

    def noise(self, x, t, embeds, pooled):
        conditions = {"text_embeds": pooled, "time_ids": self.time_ids}
        return self.pipe.unet(x, t, encoder_hidden_states=embeds, added_cond_kwargs=conditions).sample

    def __call__(self, x, sigma, t):
        at = lambda entries: next(text for until, text in entries if self.evaluation <= until)
        scaled = x / (sigma**2 + 1) ** 0.5
        parts = [(weight, self.encode(at(entries))) for weight, entries in self.case["parts"]]
        text, scale = at(self.case["negative_texts"]), self.case["cfg_scale"]
        negative = self.encode(text)
        if self.case["negative"] == "":
            negative = tuple(torch.zeros_like(value) for value in negative)
        self.evaluation += 1
        base = self.noise(scaled, t, *negative)
        sum_ = base.clone()
        for weight, encoded in parts:
            sum_ += (self.noise(scaled, t, *encoded) - base) * (weight * scale)
        return x - sigma * sum_


def sample(pipe, case):
    scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(STEPS)
    sigmas, timesteps = scheduler.sigmas, scheduler.timesteps
    generator = torch.Generator().manual_seed(SEED)
    x = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=generator) * scheduler.init_noise_sigma
    denoise = Denoiser(pipe, case)
    for i, (sigma, following) in enumerate(zip(sigmas, sigmas[1:])):
        slope = (x - denoise(x, sigma, timesteps[i])) / sigma
        predicted = x + slope * (following - sigma)
        if case.get("sampler") == "heun" and following > 0:
            second = (predicted - denoise(predicted, following, timesteps[i + 1])) / following
            predicted = x + (slope + second) / 2 * (following - sigma)
        x = predicted
    return x


def by_callback(pipe, case):
    """The same through diffusers' own pipeline, whose callback replaces the embeddings after a step."""
    denoiser = Denoiser(pipe, case)

    def both(evaluation):
        at = lambda entries: next(text for until, text in entries if evaluation <= until)
        embeds, pooled = denoiser.encode(at(case["parts"][0][1]))
        if case["cfg_scale"] <= 1:
            return embeds, pooled
        no_embeds, no_pooled = denoiser.encode(at(case["negative_texts"]))
        if case["negative"] == "":
            no_embeds, no_pooled = torch.zeros_like(embeds), torch.zeros_like(pooled)
        return torch.cat([no_embeds, embeds]), torch.cat([no_pooled, pooled])

    def replace(_pipe, index, _t, _values):
        embeds, pooled = both(min(index + 1, STEPS - 1))
        return {"prompt_embeds": embeds, "add_text_embeds": pooled}

    guided = case["cfg_scale"] > 1
    embeds, pooled = both(0)
    first = {"prompt_embeds": embeds[-1:], "pooled_prompt_embeds": pooled[-1:]}
    if guided:
        first |= {"negative_prompt_embeds": embeds[:1], "negative_pooled_prompt_embeds": pooled[:1]}
    return pipe(
        **first, num_inference_steps=STEPS, guidance_scale=case["cfg_scale"], height=SIDE, width=SIDE,
        generator=torch.Generator().manual_seed(SEED), output_type="latent", callback_on_step_end=replace,
        callback_on_step_end_tensor_inputs=["prompt_embeds", "add_text_embeds"],
    ).images


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "tiny/diffusers", add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    latents = {}
    for name, case in CASES.items():
        latents[name] = sample(pipe, case).contiguous()
        if name in ("editing", "alternating", "unguided"):
            error = (by_callback(pipe, case) - latents[name]).abs().max() / latents[name].std()
            assert error < 1e-4, (name, error)
            print(f"{name}: diffusers' pipeline differs by {error:.1e}")
    save_file(latents, FIXTURES / "reference/prompts.safetensors")
    keys = ("prompt", "negative", "cfg_scale", "sampler")
    notes = {"steps": STEPS, "side": SIDE, "seed": SEED}
    notes["cases"] = {name: {key: case[key] for key in keys if key in case} for name, case in CASES.items()}
    (FIXTURES / "reference/prompts.json").write_text(json.dumps(notes, indent=1) + "\n")


main()
