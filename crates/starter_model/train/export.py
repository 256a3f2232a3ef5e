"""Export the trained parts as an SDXL folder that diffusers loads.

    python export.py --out ../weights

The whitening of the latents is folded into the VAE's quant_conv and
post_quant_conv, so the pipeline uses SDXL's own scaling factor; the compact
embedding rows are spread over CLIP's full vocabulary.  Also writes the preview
decoder (``taesd/``), ``latent2rgb.json`` and a slim ``resume.pt``.
"""
import argparse
import json
import os
import shutil
import zlib

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

import tokenizer as tk
from common import SCALING_FACTOR, TEXT_WIDTHS, make_preview_decoder, make_text, make_unet, make_vae, text_config


def full_text(model, cls, width, layers, act, pad, rows):
    """The text encoder with one embedding row per CLIP token."""
    full = cls(text_config(width, layers, act, 49408, tk.BOS, tk.EOS, pad))
    state = model.state_dict()
    key = next(k for k in state if k.endswith("token_embedding.weight"))
    table = state[key][0].repeat(49408, 1).clone()
    for token, row in rows.items():
        table[token] = state[key][row]
    state[key] = table
    full.load_state_dict(state)
    return full.eval()


def fold_whitening(vae, mean, std):
    """Makes ``encode * SCALING_FACTOR`` yield whitened latents, and decode take them back."""
    k = std * SCALING_FACTOR
    with torch.no_grad():
        q, p = vae.quant_conv, vae.post_quant_conv
        q.weight[:4] /= k[:, None, None, None]
        q.bias[:4] = (q.bias[:4] - mean) / k
        q.bias[4:] -= 2 * k.log()
        w = p.weight.clone()
        p.weight.copy_(w * k[None, :, None, None])
        p.bias += torch.einsum("oi,i->o", w[:, :, 0, 0], mean)
    vae.register_to_config(scaling_factor=SCALING_FACTOR, force_upcast=False)


def sizes(folder):
    raw = packed = 0
    lines = []
    for root, _, files in sorted(os.walk(folder)):
        for name in sorted(files):
            with open(os.path.join(root, name), "rb") as f:
                blob = f.read()
            z = len(zlib.compress(blob, 9))
            raw, packed = raw + len(blob), packed + z
            lines.append(f"{os.path.relpath(os.path.join(root, name), folder)}: {len(blob)} raw, {z} deflated")
    return raw, packed, lines


def name_first_encoder(out):
    """Real SDXL files name the first encoder's tensors "text_model.*"; newer transformers drop the prefix."""
    path = os.path.join(out, "text_encoder", "model.safetensors")
    state = load_file(path)
    if not all(k.startswith("text_model.") for k in state):
        save_file({k if k.startswith("text_model.") else "text_model." + k: v for k, v in state.items()}, path,
                  metadata={"format": "pt"})


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--vae", default="work/vae-tuned.pt")
    ap.add_argument("--unet", default="work/unet.pt")
    ap.add_argument("--latents", default="work/latents.pt")
    ap.add_argument("--preview", default="work/preview.pt")
    ap.add_argument("--out", default="../weights")
    ap.add_argument("--tokenizers", default="work")
    ap.add_argument("--resume", default="work/resume.pt")
    args = ap.parse_args()
    ck, lat = torch.load(args.unet), torch.load(args.latents, mmap=True)
    words = tk.Words(args.tokenizers, rows=ck["rows"])
    unet = make_unet()
    one, two = make_text(words.size, words.bos, words.eos, words.pad1, words.pad2)
    torch.nn.ModuleList([unet, one, two]).load_state_dict(ck["ema"])
    vae = make_vae()
    vae.load_state_dict(torch.load(args.vae)["vae"])
    fold_whitening(vae, ck["mean"], ck["std"])
    scheduler = EulerDiscreteScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="epsilon", timestep_spacing="leading", steps_offset=1, interpolation_type="linear",
        use_karras_sigmas=False, trained_betas=None)
    tok1, tok2 = tk.pair(args.tokenizers)
    pipe = StableDiffusionXLPipeline(
        vae=vae.eval(), unet=unet.eval(), scheduler=scheduler, tokenizer=tok1, tokenizer_2=tok2,
        text_encoder=full_text(one, CLIPTextModel, TEXT_WIDTHS[0], 2, "quick_gelu", tk.PAD1, ck["rows"]),
        text_encoder_2=full_text(two, CLIPTextModelWithProjection, TEXT_WIDTHS[1], 3, "gelu", tk.PAD2, ck["rows"]),
        force_zeros_for_empty_prompt=True, add_watermarker=False)
    pipe.to(torch.float16).save_pretrained(args.out, safe_serialization=True)
    name_first_encoder(args.out)
    # CLIP's tokenizer is built into the engine.
    for d in ("tokenizer", "tokenizer_2"):
        shutil.rmtree(os.path.join(args.out, d), ignore_errors=True)
    if os.path.exists(args.preview):
        tiny = make_preview_decoder()
        tiny.load_state_dict(torch.load(args.preview)["model"])
        shutil.rmtree(os.path.join(args.out, "taesd"), ignore_errors=True)
        tiny.half().save_pretrained(os.path.join(args.out, "taesd"))
    with open(os.path.join(args.out, "latent2rgb.json"), "w") as f:
        json.dump({
            "space": "pipeline latents: what the UNet denoises, i.e. vae.encode(x) * scaling_factor (0.13025), "
                     "before any division by the scaling factor",
            "output": "RGB in [-1, 1] at 1/8 resolution: rgb = latent @ matrix + bias",
            "matrix": lat["matrix"], "bias": lat["bias"], "r2": lat["r2"]}, f, indent=1)
    # resume.pt: averaged weights in f32, Adam's moments in bf16
    opt = ck["opt"]
    for state in opt["state"].values():
        for k in ("exp_avg", "exp_avg_sq"):
            state[k] = state[k].bfloat16()
    torch.save({"ema": ck["ema"], "opt": opt, "rows": ck["rows"], "step": ck["step"], "seen": ck["seen"],
                "mean": ck["mean"], "std": ck["std"], "vae": torch.load(args.vae)["vae"]}, args.resume)
    raw, packed, lines = sizes(args.out)
    print("\n".join(lines) + f"\ntotal: {raw} raw, {packed} deflated")


if __name__ == "__main__":
    main()
