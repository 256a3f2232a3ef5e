"""A tiny UNet of KOALA 700M's shape and diffusers' predictions with it: `python export_koala.py`.

One ResNet a level, no middle block, and depths that differ between the ways down and up, as in KOALA 700M (2 and 5 there).
It fits the text encoders and the VAE of `fixtures/tiny/diffusers`, which `export_tiny.py` made. Writes `fixtures/koala/unet`
(weights in f16; diffusers computes with exactly these numbers in f32) and `fixtures/reference/koala_stages.safetensors`.
"""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

import tiny_model
from references import seeded, write

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
SEED = 20240603
# Height and width of the latent, and the timestep. Odd sides: upsampling to sizes that halving rounded up.
CASES = {"a": (8, 8, 981.0), "b": (10, 7, 481.0), "c": (9, 6, 1.0)}


def build() -> UNet2DConditionModel:
    unet = tiny_model.build_unet(
        tiny_model.TINY,
        mid_block_type=None,
        layers_per_block=1,
        transformer_layers_per_block=[1, [2], [3]],
        reverse_transformer_layers_per_block=[[3, 3], [2, 2], 1],
    )
    tiny_model.enliven(unet, SEED)
    return unet.eval()


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    unet = build()
    width, pooled_width = unet.config.cross_attention_dim, tiny_model.TINY.pooled
    embeds = torch.randn((2, 77, width), generator=seeded(1))
    pooled = torch.randn((2, pooled_width), generator=seeded(2))
    time_ids = torch.tensor([[64.0, 96.0, 0.0, 0.0, 64.0, 96.0]] * 2)
    values = dict(prompt_embeds=embeds, pooled_prompt_embeds=pooled, time_ids=time_ids)
    for at, (case, (height, width, timestep)) in enumerate(CASES.items(), start=3):
        sample = torch.randn((2, 4, height, width), generator=seeded(at))
        added = {"text_embeds": pooled, "time_ids": time_ids}
        output = unet(sample, timestep, encoder_hidden_states=embeds, added_cond_kwargs=added).sample
        other = unet(sample, timestep, encoder_hidden_states=embeds.flip(0), added_cond_kwargs=added).sample
        # Otherwise a UNet that ignores the prompt would pass.
        print(f"{case}: std {output.std():.3f}, another prompt changes {(output - other).abs().max():.3f}")
        values |= {f"{case}.sample": sample, f"{case}.timestep": torch.tensor([timestep]), f"{case}.output": output}
    unet.half().save_pretrained(FIXTURES / "koala/unet")
    write(values, FIXTURES / "reference/koala_stages.safetensors")


if __name__ == "__main__":
    main()
