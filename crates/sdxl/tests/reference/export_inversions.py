"""Reference embeddings of prompts with textual inversions: `python export_inversions.py`.

It loads the tiny model of `../fixtures` with diffusers, adds random vectors to both encoders with
`load_textual_inversion`, and encodes prompts with their names: one vector, and three.
"""

import json
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
NAMES = {"fenn": 1, "marl-style": 3}
# Prompt, and the same for diffusers: its tokens are split off before everything else, so they need spaces around them.
PROMPTS = {
    "one": "a red fenn, in the snow",
    "three": "a fox in marl-style",
    "both": "fenn marl-style of a dog and fenn",
    "none": "a red fox",
}


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "tiny/diffusers", add_watermarker=False)
    generator = torch.Generator().manual_seed(5)
    out = {}
    encoders = ((pipe.tokenizer, pipe.text_encoder, "clip_l"), (pipe.tokenizer_2, pipe.text_encoder_2, "clip_g"))
    for name, count in NAMES.items():
        for tokenizer, encoder, key in encoders:
            width = encoder.config.hidden_size
            vectors = torch.randn((count, width), generator=generator)
            out[f"{name}.{key}"] = vectors
            pipe.load_textual_inversion(vectors, token=name, tokenizer=tokenizer, text_encoder=encoder)
    for name, prompt in PROMPTS.items():
        embeds, _, pooled, _ = pipe.encode_prompt(prompt, do_classifier_free_guidance=False)
        out[f"{name}.prompt_embeds"], out[f"{name}.pooled_prompt_embeds"] = embeds, pooled
    save_file({key: value.contiguous() for key, value in out.items()}, FIXTURES / "reference/inversions.safetensors")
    notes = json.dumps({"names": NAMES, "prompts": PROMPTS}, indent=1)
    (FIXTURES / "reference/inversions.json").write_text(notes + "\n")


main()
