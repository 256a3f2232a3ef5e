"""Train the second edition's UNet and text encoders on the cached latents.

    python -m second.train_unet
"""
import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

from common import alphas_cumprod, cosine, descend, encode_text, make_text, set_lr
from second.cache_latents import load_vae
from second.models import Averaged, make_unet
from second.runtime import Run, options
from second.sheet import grid
from second.words import Words
from train_unet import euler

SHEET = ["a red car on the left in a meadow", "a red car on the right in a meadow", "a cat in a forest",
         "a fish under water", "a rocket in the night sky", "a penguin in the snow", "a big apple on a blue background",
         "a small apple on a blue background", "a cat and a dog in a meadow", "a house at the bottom in a desert",
         "a boat on a beach", "a bus in a city", "a star at the top on a black background",
         "a frog in the middle on a pink background", "a green balloon on the right in a city", "an owl in a forest"]
SIZE_AND_CROP = torch.tensor([[128.0, 128, 0, 0, 128, 128]])


def build(words):
    """ModuleList of UNet and both text encoders."""
    text = make_text(words.size, words.bos, words.eos, words.pad1, words.pad2)
    return torch.nn.ModuleList([make_unet().to(memory_format=torch.channels_last), *text])


def conditioning(model, ids):
    """(context, pooled) of ids (N, 2, 77)."""
    return encode_text(model[1], model[2], ids[:, 0], ids[:, 1])


@torch.no_grad()
def sample(model, words, texts, seeds, steps=20, cfg=4.0):
    """Whitened latents of the prompts, with the form's settings."""
    context, pooled = conditioning(model, torch.from_numpy(words.table(texts)))
    return euler(model[0], context, pooled, seeds, steps, cfg)


@torch.no_grad()
def decode(vae, latents, mean, matrix):
    """Whitened latents -> uint8 (N, 128, 128, 3)."""
    z = torch.einsum("nchw,cd->ndhw", latents, torch.linalg.inv(matrix)) + mean.view(1, -1, 1, 1)
    y = torch.cat([vae.decode(part).sample for part in z.split(8)])
    return ((y.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def error(model, ids, keep, x0, args, ab):
    """(loss, min-SNR loss) of one batch at random timesteps."""
    n = len(x0)
    context, pooled = conditioning(model, ids)
    context, pooled = context * keep[:, None, None], pooled * keep[:, None]
    t = (1000 * torch.rand(n) ** 0.8).long().clamp(0, 999)
    noise = torch.randn_like(x0) + args.offset * torch.randn(n, 4, 1, 1)
    a = ab[t].view(-1, 1, 1, 1)
    noisy = (a.sqrt() * x0 + (1 - a).sqrt() * noise).contiguous(memory_format=torch.channels_last)
    out = model[0](noisy, t, context,
                   added_cond_kwargs={"text_embeds": pooled, "time_ids": SIZE_AND_CROP.expand(n, 6)}).sample
    snr = (a / (1 - a)).view(-1)
    mse = (out - noise).square().mean((1, 2, 3))
    low = F.avg_pool2d(out - noise, 8).square().mean((1, 2, 3))
    loss = (snr.clamp(args.floor, args.gamma) / snr * (mse + args.low * low)).mean()
    return loss, (mse * snr.clamp(max=5) / snr).mean()


@torch.no_grad()
def check(model, ids, latents, args, ab):
    """The min-SNR loss of pictures with fixed noise."""
    state = torch.get_rng_state()
    torch.manual_seed(5)
    parts = [error(model, i.long(), torch.ones(len(i)), x.float(), args, ab)[1]
             for i, x in zip(ids.split(64), latents.split(64))]
    torch.set_rng_state(state)
    return torch.stack(parts).mean().item()


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options(ap, "work/second/unet.pt", 1_000_000)
    ap.add_argument("--latents", default="work/second/latents.pt")
    ap.add_argument("--vae", default="work/second/vae.pt", help="for the progress sheets")
    ap.add_argument("--tokenizers", default="work")
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--lr", type=float, default=1.5e-3)
    ap.add_argument("--ema", type=float, default=0.9995)
    ap.add_argument("--gamma", type=float, default=5.0, help="min-SNR")
    ap.add_argument("--floor", type=float, default=0.1, help="least weight of the error in x0")
    ap.add_argument("--low", type=float, default=1.0, help="weight of the low-frequency term")
    ap.add_argument("--offset", type=float, default=0.1, help="offset noise")
    ap.add_argument("--sheet-samples", type=int, default=50_000, help="pictures between progress sheets")
    return ap.parse_args()


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    ck = torch.load(args.out) if os.path.exists(args.out) else None
    data = torch.load(args.latents)
    words = Words(args.tokenizers, data["rows"])
    latents, captions = data["latents"], data["captions"]
    last = torch.arange(len(latents)) % 64 == 0  # pictures of trained specs that are kept for the check
    kept, trained = torch.nonzero(last).squeeze(1)[:512], torch.nonzero(~last).squeeze(1)
    empty = torch.from_numpy(words.table([""]))[0].to(captions.dtype)
    model = build(words)
    params = list(model.parameters())
    opt = torch.optim.AdamW(params, lr=args.lr, betas=(0.9, 0.98), weight_decay=1e-3, fused=True)
    if ck:
        model.load_state_dict(ck["model"])
        opt.load_state_dict(ck["opt"])
    step, seen = (ck["step"], ck["seen"]) if ck else (0, 0)
    ema, run, ab = Averaged(model, args.ema, ck and ck["ema"]), Run(args, ck and ck["used"]), alphas_cumprod()
    torch.manual_seed(args.seed * 1000 + 7 + step)
    sizes = [sum(p.numel() for p in part.parameters()) for part in model]
    print(f"parameters of unet and text encoders {sizes}, {words.size} words, {len(trained)} latents, step {step}",
          flush=True)

    def save(sheet=False):
        run.save({"model": model.state_dict(), "opt": opt.state_dict(), "ema": ema.state(), "rows": words.rows,
                  "mean": data["mean"], "whiten": data["whiten"], "step": step, "seen": seen})
        ema.swap()
        run.note(step=step, seen=seen, kept=check(model, captions[kept, 0], latents[kept], args, ab))
        if sheet:
            z = sample(model, words, SHEET, range(len(SHEET)))
            pictures = decode(load_vae(args.vae), z, data["mean"], data["whiten"])
            grid(list(pictures), 8, SHEET).save(f"{os.path.splitext(args.out)[0]}-{seen // 1000:05}k.png")
        ema.swap()

    tally, since, next_sheet = np.zeros(3), (seen, run.used()["seconds"]), seen + args.sheet_samples
    while seen < args.samples:
        run.wait()
        set_lr(opt, args.lr * min(1, (step + 1) / 200) * (0.01 + 0.99 * cosine(seen / args.samples)))
        pick = trained[torch.randint(0, len(trained), (args.batch,))]
        ids = captions[pick, torch.randint(0, captions.shape[1], (args.batch,))]
        drop = torch.rand(args.batch)
        ids[drop < 0.1] = empty
        loss, weighted = error(model, ids.long(), (drop >= 0.07).float(), latents[pick].float(), args, ab)
        descend(loss, opt, params)
        ema.update()
        step, seen = step + 1, seen + args.batch
        tally += (loss.item(), weighted.item(), 1)
        if step % 200 == 0:
            now = run.used()["seconds"]
            run.note(step=step, seen=seen, loss=tally[0] / tally[2], min_snr=tally[1] / tally[2],
                     rate=(seen - since[0]) / (now - since[1]))
            tally, since = np.zeros(3), (seen, now)
        if run.due():
            save(seen >= next_sheet)
            next_sheet += args.sheet_samples if seen >= next_sheet else 0
    save(True)


if __name__ == "__main__":
    main()
