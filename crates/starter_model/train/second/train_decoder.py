"""Train a decoder on the cached latents; the encoder, and so the latent space, stays.

``vae`` continues the VAE's own decoder with losses that reward sharpness: the gradients, their local energy (a blurred
edge has too little), and a small discriminator of patches. ``preview`` trains the preview decoder from scratch.
Both see latents with a random amount of noise, and so draw clean edges from the UNet's slightly wrong latents.

    python -m second.train_decoder vae
    python -m second.train_decoder preview
"""
import argparse
import os

import torch
import torch.nn.functional as F

from common import cosine, descend, make_preview_decoder, set_lr
from second.cache_latents import load_vae, whitened
from second.models import Averaged
from second.pool import read
from second.runtime import Run, options
from second.train_vae import as_input, check, differences, picture_loss


class Discriminator(torch.nn.Module):
    """Says for overlapping patches of 22 pixels whether they are drawn or decoded."""

    def __init__(self):
        super().__init__()
        norm, layers, widths = torch.nn.utils.spectral_norm, [], (3, 32, 48, 64)
        for a, b in zip(widths, widths[1:]):
            layers += [norm(torch.nn.Conv2d(a, b, 4, 2, 1)), torch.nn.LeakyReLU(0.2)]
        self.body = torch.nn.Sequential(*layers, norm(torch.nn.Conv2d(64, 1, 1)))

    def forward(self, x):
        return self.body(x)


def energy_loss(y, x):
    """Mean difference of the gradients' root mean square in 8 px cells."""
    def local(z):
        dx, dy = differences(z)
        return (F.avg_pool2d(dx.square().sum(1, True)[..., :-1, :], 8)
                + F.avg_pool2d(dy.square().sum(1, True)[..., :-1], 8) + 1e-5).sqrt()
    return (local(y) - local(x)).abs().mean()


def sharp_loss(y, x):
    """(mean absolute error, loss) of the decoder's last phase, without the discriminator's part."""
    l1, loss = picture_loss(y, x)
    gradients = sum((a - b).abs().mean() for a, b in zip(differences(y), differences(x)))
    return l1, loss + 0.5 * gradients + 0.5 * energy_loss(y, x)


class Decoder:
    """The decoder that is trained, and how it decodes whitened latents."""

    def __init__(self, what, args, cache):
        self.tune, self.vae = what == "vae", load_vae(args.vae)
        self.mean, self.back = cache["mean"], torch.linalg.inv(cache["whiten"])
        self.whiten = cache["whiten"]
        if self.tune:
            self.module = torch.nn.ModuleList([self.vae.post_quant_conv, self.vae.decoder]).train()
        else:
            self.module = make_preview_decoder().decoder.to(memory_format=torch.channels_last)

    def __call__(self, z):
        if not self.tune:
            return self.module(z.contiguous(memory_format=torch.channels_last))
        z = torch.einsum("nchw,cd->ndhw", z, self.back) + self.mean.view(1, -1, 1, 1)
        return self.module[1](self.module[0](z.contiguous(memory_format=torch.channels_last)))

    @torch.no_grad()
    def check(self, x):
        """Figures of whole held-out pictures through encoder and decoder."""
        if self.tune:
            return check(self.vae, x)
        z = whitened(torch.cat([self.vae.encode(p).latent_dist.mean for p in x.split(8)]), self.mean, self.whiten)
        y = torch.cat([self(p) for p in z.split(8)]).clamp(-1, 1)
        return {"psnr": (10 * torch.log10(4 / (y - x).square().mean((1, 2, 3)))).mean().item()}


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=("vae", "preview"))
    options(ap, "", 0)
    ap.add_argument("--latents", default="work/second/latents.pt")
    ap.add_argument("--vae", default="work/second/vae.pt")
    ap.add_argument("--pool", default="work/second/pool-unet")
    ap.add_argument("--held", default="work/second/held")
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--lr", type=float, help="default: 6e-4 for vae, 3e-3 for preview")
    ap.add_argument("--noise", type=float, default=0.15, help="largest noise on the whitened latents")
    ap.add_argument("--adversarial", type=float, default=0.02, help="weight of the discriminator's part")
    ap.add_argument("--adversarial-from", type=float, default=0.25, help="share of the schedule before it begins")
    args = ap.parse_args()
    tune = args.what == "vae"
    args.out = args.out or f"work/second/{'vae-tuned' if tune else 'preview'}.pt"
    args.samples = args.samples or (16000 if tune else 30000)
    args.lr = args.lr or (6e-4 if tune else 3e-3)
    return args


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    cache, pool, held = torch.load(args.latents), read(args.pool)[0], as_input(read(args.held)[0][:96])
    decoder, judge = Decoder(args.what, args, cache), Discriminator()
    params = list(decoder.module.parameters())
    opt = torch.optim.AdamW(params, lr=args.lr, betas=(0.9, 0.98), weight_decay=1e-3)
    judge_opt = torch.optim.AdamW(judge.parameters(), lr=4e-4, betas=(0.5, 0.9))
    ck = torch.load(args.out) if os.path.exists(args.out) else None
    step, seen = (ck["step"], ck["seen"]) if ck else (0, 0)
    if ck:
        for module, key in ((decoder.module, "model"), (opt, "opt"), (judge, "judge"), (judge_opt, "judge_opt")):
            module.load_state_dict(ck[key])
    ema, run = Averaged(decoder.module, 0.998, ck and ck["ema"]), Run(args, ck and ck["used"])
    torch.manual_seed(args.seed * 1000 + 40 + step)
    print(f"{args.what} decoder {sum(p.numel() for p in params)} parameters, step {step}", flush=True)

    def save():
        state = {"model": decoder.module, "opt": opt, "ema": ema, "judge": judge, "judge_opt": judge_opt}
        run.save({"step": step, "seen": seen, **{
            k: v.state() if k == "ema" else v.state_dict() for k, v in state.items()}})
        ema.swap()
        run.note(step=step, seen=seen, held_out=decoder.check(held))
        ema.swap()

    tally = torch.zeros(3)
    while seen < args.samples:
        run.wait()
        at = seen / args.samples
        set_lr(opt, args.lr * min(1, (step + 1) / 100) * (0.01 + 0.99 * cosine(at)))
        pick = torch.randint(0, len(pool), (args.batch,)).sort().values
        x, z = as_input(pool[pick.numpy()]), cache["latents"][pick].float()
        z = z + args.noise * torch.rand(args.batch, 1, 1, 1) * torch.randn_like(z)
        y = decoder(z)
        l1, loss = sharp_loss(y, x)
        fooled = torch.zeros(())
        if decoder.tune and at >= args.adversarial_from:
            judge_loss = F.relu(1 - judge(x)).mean() + F.relu(1 + judge(y.detach())).mean()
            judge_opt.zero_grad(set_to_none=True)
            judge_loss.backward()
            judge_opt.step()
            fooled = -judge(y).mean()
            loss = loss + args.adversarial * fooled
        descend(loss, opt, params)
        ema.update()
        step, seen = step + 1, seen + args.batch
        tally += torch.tensor([l1.item(), fooled.item(), 1])
        if step % 200 == 0:
            run.note(step=step, seen=seen, l1=(tally[0] / tally[2]).item(), fooled=(tally[1] / tally[2]).item())
            tally.zero_()
        if run.due():
            save()
    save()


if __name__ == "__main__":
    main()
