"""Train the second edition's VAE: 64 px crops, then whole pictures; encoder and decoder together.

An auxiliary linear head maps the latents to the 8x downsampled picture. It speeds up the start. Its weight then falls
to a twentieth. At full weight, as in the first edition, the latents hold that small picture and nothing else: latents
predicted from it alone decode to 27.1 dB, the encoder's own to 27.3 dB, and latents fitted to the picture to 30.0 dB
(12 pictures of trained pairs; on held-out pairs the first two are 25.5 and 25.8 dB).

    python -m second.train_vae
"""
import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

from common import cosine, descend, set_lr, vae_in_training
from second.models import Averaged, make_vae
from second.pool import read
from second.runtime import Run, options


def differences(x):
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def picture_loss(y, x):
    """(mean absolute error, loss): with the squared error, the gradients' error and the small picture's."""
    l1 = (y - x).abs().mean()
    gradients = sum((a - b).abs().mean() for a, b in zip(differences(y), differences(x)))
    low = (F.avg_pool2d(y, 4) - F.avg_pool2d(x, 4)).abs().mean()
    return l1, l1 + 2 * (y - x).square().mean() + 0.5 * gradients + 0.5 * low


def as_input(pictures):
    """uint8 (N, H, W, 3) -> (N, 3, H, W) in [-1, 1], channels last in memory."""
    return (torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(
        memory_format=torch.channels_last)


@torch.no_grad()
def check(vae, x):
    """PSNR in dB (values in [-1, 1] span 2), and the share of the gradients' energy, over whole pictures."""
    psnr, energy = [], [0.0, 0.0]
    for part in x.split(8):
        y = vae.decode(vae.encode(part).latent_dist.mean).sample.clamp(-1, 1)
        psnr += (10 * torch.log10(4 / (y - part).square().mean((1, 2, 3)))).tolist()
        for k, z in enumerate((y, part)):
            energy[k] += sum(d.square().sum().item() for d in differences(z))
    return {"psnr": round(sum(psnr) / len(psnr), 3), "gradient_energy": round(energy[0] / energy[1], 3)}


def batch(pool, n, crops):
    """n random pictures, or 64 px crops, half of the batches mirrored."""
    x = pool[torch.randint(0, len(pool), (n,)).sort().values.numpy()]
    if crops:
        corners = torch.randint(0, 65, (n, 2)).tolist()
        x = np.stack([p[a:a + 64, b:b + 64] for p, (a, b) in zip(x, corners)])
    x = as_input(x)
    return x.flip(-1) if torch.rand(()) < 0.5 else x


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options(ap, "work/second/vae.pt", 60000)
    ap.add_argument("--pool", default="work/second/pool")
    ap.add_argument("--held", default="work/second/held")
    ap.add_argument("--crops-until", type=float, default=0.4, help="share of the schedule on crops (4 count as 1)")
    ap.add_argument("--aux-until", type=float, default=0.1, help="share of the schedule over which its weight falls")
    ap.add_argument("--crop-batch", type=int, default=8)
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--kl", type=float, default=1e-4)
    return ap.parse_args()


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    vae, head, params, opt = vae_in_training(make_vae(), args.lr)
    ck = torch.load(args.out) if os.path.exists(args.out) else None
    step, seen = (ck["step"], ck["seen"]) if ck else (0, 0.0)
    if ck:
        vae.load_state_dict(ck["vae"])
        head.load_state_dict(ck["head"])
        opt.load_state_dict(ck["opt"])
    ema = Averaged(vae, 0.998, ck and ck["ema"])
    run = Run(args, ck and ck["used"])
    pool, held = read(args.pool)[0], as_input(read(args.held)[0][:96])
    torch.manual_seed(args.seed * 1000 + 1 + step)
    print(f"{sum(p.numel() for p in vae.parameters())} parameters, {len(pool)} pictures, step {step}", flush=True)

    def save():
        run.save({"vae": vae.state_dict(), "head": head.state_dict(), "opt": opt.state_dict(), "ema": ema.state(),
                  "step": step, "seen": seen})
        ema.swap()
        run.note(step=step, seen=seen, held_out=check(vae, held))
        ema.swap()

    tally, since = torch.zeros(4), (seen, run.used()["seconds"])
    while seen < args.samples:
        run.wait()
        at = seen / args.samples
        set_lr(opt, args.lr * min(1, (step + 1) / 200) * (0.01 + 0.99 * cosine(at)))
        crops = at < args.crops_until
        n = args.crop_batch if crops else args.batch
        x = batch(pool, n, crops)
        post = vae.encode(x).latent_dist
        z = post.sample()
        l1, loss = picture_loss(vae.decode(z).sample, x)
        kl = 0.5 * (post.mean.square() + post.var - 1 - post.logvar).mean()
        aux = (head(z) - F.avg_pool2d(x, 8)).abs().mean()
        loss = loss + args.kl * kl + max(0.05, 1 - at / args.aux_until) * aux
        descend(loss, opt, params)
        ema.update()
        step += 1
        seen += n / 4 if crops else n
        tally += torch.tensor([l1.item(), aux.item(), kl.item(), 1])
        if step % 200 == 0:
            mean = (tally / tally[3]).tolist()
            now = run.used()["seconds"]
            run.note(step=step, seen=seen, crops=crops, l1=mean[0], aux=mean[1], kl=mean[2],
                     rate=(seen - since[0]) / (now - since[1]))
            tally, since = torch.zeros(4), (seen, now)
        if run.due():
            save()
    save()


if __name__ == "__main__":
    main()
