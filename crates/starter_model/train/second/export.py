"""Export the second edition as an SDXL folder that diffusers loads, without tokenizers (CLIP is built into the engine).

The whitening of the latents is folded into the VAE's quant_conv and post_quant_conv, so that SDXL's own scaling factor
holds. The encoder's variance is fixed at nearly zero: a rotated diagonal is not diagonal.

    python -m second.export --out work/second/weights
"""
import argparse
import json
import os
import shutil

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from transformers import CLIPTextModel, CLIPTextModelWithProjection

import tokenizer as tk
from common import SCALING_FACTOR, TEXT_WIDTHS, make_preview_decoder
from export import full_text, name_first_encoder, sizes
from second.cache_latents import load_vae
from second.models import Averaged
from second.train_unet import build
from second.words import Words


@torch.no_grad()
def fold_whitening(vae, mean, matrix):
    """Makes ``encode * SCALING_FACTOR`` yield whitened latents, and decode take them back."""
    q, p = vae.quant_conv, vae.post_quant_conv
    to = matrix.T / SCALING_FACTOR
    q.weight[:4] = torch.einsum("oi,ihwk->ohwk", to, q.weight[:4])
    q.bias[:4] = to @ (q.bias[:4] - mean)
    q.weight[4:], q.bias[4:] = 0, -20
    back = torch.linalg.inv(matrix.T) * SCALING_FACTOR
    p.bias += p.weight[:, :, 0, 0] @ mean
    p.weight.copy_(torch.einsum("oihw,ij->ojhw", p.weight, back))
    vae.register_to_config(scaling_factor=SCALING_FACTOR, force_upcast=False)


def averaged(module, ck):
    """The module with a checkpoint's averaged weights."""
    module.load_state_dict(ck["model"])
    Averaged(module, 0, ck["ema"]).swap()
    return module.eval()


def assembled(args):
    """The pipeline in f16, and the UNet's checkpoint."""
    ck = torch.load(args.unet, mmap=True)
    words = Words(args.tokenizers, ck["rows"])
    unet, one, two = averaged(build(words), ck)
    vae = load_vae(args.vae)
    if os.path.exists(args.tuned):
        averaged(torch.nn.ModuleList([vae.post_quant_conv, vae.decoder]), torch.load(args.tuned))
    fold_whitening(vae, ck["mean"], ck["whiten"])
    scheduler = EulerDiscreteScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="epsilon", timestep_spacing="leading", steps_offset=1, interpolation_type="linear",
        use_karras_sigmas=False, trained_betas=None)
    tok1, tok2 = tk.pair(args.tokenizers)
    return StableDiffusionXLPipeline(
        vae=vae.eval(), unet=unet, scheduler=scheduler, tokenizer=tok1, tokenizer_2=tok2,
        text_encoder=full_text(one, CLIPTextModel, TEXT_WIDTHS[0], 2, "quick_gelu", tk.PAD1, ck["rows"]),
        text_encoder_2=full_text(two, CLIPTextModelWithProjection, TEXT_WIDTHS[1], 3, "gelu", tk.PAD2, ck["rows"]),
        force_zeros_for_empty_prompt=True, add_watermarker=False).to(torch.float16)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--vae", default="work/second/vae.pt")
    ap.add_argument("--tuned", default="work/second/vae-tuned.pt", help="the decoder's last phase, if it has run")
    ap.add_argument("--unet", default="work/second/unet.pt")
    ap.add_argument("--latents", default="work/second/latents.pt")
    ap.add_argument("--preview", default="work/second/preview.pt")
    ap.add_argument("--tokenizers", default="work")
    ap.add_argument("--out", default="work/second/weights")
    args = ap.parse_args()
    assembled(args).save_pretrained(args.out, safe_serialization=True)
    name_first_encoder(args.out)
    for d in ("tokenizer", "tokenizer_2"):
        shutil.rmtree(os.path.join(args.out, d), ignore_errors=True)
    if os.path.exists(args.preview):
        tiny = make_preview_decoder()
        averaged(tiny.decoder, torch.load(args.preview))
        tiny.half().save_pretrained(os.path.join(args.out, "taesd"))
    cache = torch.load(args.latents, mmap=True)
    with open(os.path.join(args.out, "latent2rgb.json"), "w") as f:
        json.dump({
            "space": "pipeline latents: what the UNet denoises, i.e. vae.encode(x) * scaling_factor (0.13025), "
                     "before any division by the scaling factor",
            "output": "RGB in [-1, 1] at 1/8 resolution: rgb = latent @ matrix + bias",
            "matrix": cache["matrix"], "bias": cache["bias"], "r2": cache["r2"]}, f, indent=1)
    raw, packed, lines = sizes(args.out)
    print("\n".join(lines) + f"\ntotal: {raw} raw, {packed} deflated")


if __name__ == "__main__":
    main()
