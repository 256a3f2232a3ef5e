"""Measure the exported model and draw its contact sheets.

* a small classifier of the objects is trained on composites (never on
  generated pictures) and judges the generated ones;
* the background is the median colour of the picture's border, and counts as
  obeyed when its nearest named background is the one asked for;
* VAE PSNR and UNet loss on composites of held-out (object, background) pairs.

    python evaluate.py classifier
    python evaluate.py losses
    torchrun --nproc_per_node 2 evaluate.py generate
    python evaluate.py sheets
    python evaluate.py metrics
"""
import argparse
import json
import os
import random
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from PIL import Image, ImageDraw

from common import alphas_cumprod, setup
from dataset import BACKGROUNDS, HUES, RECOLORABLE, Data, Spec, held_out, prompt
from pipeline import load_pipe


class Classifier(torch.nn.Module):
    """Objects from 64 px pictures, blind to colour balance thanks to its augmentation."""

    def __init__(self, classes):
        super().__init__()
        widths, layers = (3, 24, 32, 48, 64), []
        for a, b in zip(widths, widths[1:]):
            layers += [torch.nn.Conv2d(a, b, 3, 2, 1), torch.nn.BatchNorm2d(b), torch.nn.ReLU()]
        self.body = torch.nn.Sequential(*layers)
        self.head = torch.nn.Linear(64 * 16, classes)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


def small(images):
    """uint8 (N, 128, 128, 3) -> (N, 3, 64, 64) in [-1, 1]."""
    x = torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return F.avg_pool2d(x, 2)


def train_classifier(args):
    data, rng = Data(args.sprites), random.Random(args.seed)
    torch.manual_seed(args.seed)
    model = Classifier(len(data.objects))
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3)

    def batch(n, held):
        specs = [data.random_spec(rng, held) for _ in range(n)]
        return small(np.stack([data.compose(s, rng) for s in specs])), torch.tensor(
            [data.objects.index(s.obj) for s in specs])

    pool, labels = batch(args.pool, False)
    for step in range(args.steps):
        opt.param_groups[0]["lr"] = 2e-3 * (1 - step / args.steps)
        pick = torch.randint(0, len(pool), (48,))
        x = pool[pick]
        if step % 2:  # blur, as generated pictures are softer than the artwork
            x = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
        x = x + 0.1 * torch.randn(48, 3, 1, 1) + 0.05 * torch.randn_like(x)
        loss = F.cross_entropy(model(x), labels[pick])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 200 == 0:
            print(f"{step} loss {loss.item():.3f}", flush=True)
    model.eval()
    x, y = batch(300, True)
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean().item()
    print(f"accuracy on real held-out composites {accuracy:.3f}")
    torch.save({"model": model.state_dict(), "objects": data.objects, "accuracy": accuracy}, args.classifier)


def pictures(pipe, texts, seeds, steps, cfg):
    out = []
    for at in range(0, len(texts), 8):
        gen = [torch.Generator().manual_seed(s) for s in seeds[at:at + 8]]
        out += pipe(texts[at:at + 8], num_inference_steps=steps, guidance_scale=cfg, height=128, width=128,
                    generator=gen, output_type="np").images.tolist()
    return (np.array(out) * 255).round().astype(np.uint8)


def border_color(image):
    b = np.concatenate([image[:6].reshape(-1, 3), image[-6:].reshape(-1, 3),
                        image[:, :6].reshape(-1, 3), image[:, -6:].reshape(-1, 3)])
    return np.median(b, 0)


def nearest(color):
    return min(BACKGROUNDS, key=lambda k: float(((np.array(BACKGROUNDS[k]) - color) ** 2).sum()))


def suite(objects, seed):
    """(split, spec) list: 96 trained pairs, every held-out pair three times, recolours."""
    rng, out = random.Random(seed), []
    pairs = [(o, b) for o in objects for b in BACKGROUNDS]
    trained = [p for p in pairs if not held_out(*p)]
    out += [("trained", Spec(o, None, b)) for o, b in rng.sample(trained, 96)]
    out += [("held_out", Spec(o, None, b)) for o, b in pairs if held_out(o, b)] * 3
    recolors = [Spec(o, c, b) for o in RECOLORABLE if o in objects for c in HUES for b in BACKGROUNDS
                if c != b and not held_out(o, b)]
    out += [("recolour", s) for s in rng.sample(recolors, min(48, len(recolors)))]
    return out


# what a recoloured object mostly looks like
OBJECT_COLORS = {"red": (222, 60, 55), "yellow": (250, 205, 60), "green": (50, 190, 80), "blue": (50, 130, 230),
                 "purple": (140, 60, 200), "pink": (250, 135, 195)}


def object_hue_ok(image, color):
    """Whether the most saturated share of the middle of the picture has the named hue."""
    mid = image[32:96, 32:96].reshape(-1, 3).astype(float)
    bg = border_color(image)
    mid = mid[((mid - bg) ** 2).sum(1) > 60 ** 2]
    if len(mid) < 200:
        return False
    names = list(OBJECT_COLORS)
    d = ((mid[:, None] - np.array([OBJECT_COLORS[n] for n in names], float)[None]) ** 2).sum(-1)
    near = d.min(1) < 90 ** 2
    if near.sum() < 100:
        return False
    return names[np.bincount(d[near].argmin(1), minlength=6).argmax()] == color


def generate(args):
    rank, world = setup()
    ck = torch.load(args.classifier)
    model = Classifier(len(ck["objects"]))
    model.load_state_dict(ck["model"])
    model.eval()
    objects = args.objects or ck["objects"]
    tests = list(enumerate(suite(objects, args.seed)))[:args.limit or None][rank::world]
    pipe, start, rows = load_pipe(args), time.time(), []
    images = pictures(pipe, [prompt(s) for _, (_, s) in tests], [1000 + i for i, _ in tests], args.inference_steps,
                      args.cfg)
    with torch.no_grad():
        guess = model(small(images)).argmax(1).tolist()
    for (_, (split, spec)), image, g in zip(tests, images, guess):
        rows.append({"split": split, "prompt": prompt(spec), "bg_ok": nearest(border_color(image)) == spec.bg,
                     "object_ok": ck["objects"][g] == spec.obj, "guess": ck["objects"][g],
                     "color_ok": object_hue_ok(image, spec.color) if spec.color else None})
    parts = [rows]
    if world > 1:
        parts = [None] * world
        dist.all_gather_object(parts, rows)
    if rank:
        return
    rows = sum(parts, [])
    summary = {"steps": args.inference_steps, "cfg": args.cfg, "sampler": "EulerDiscrete (leading)",
               "seconds": round(time.time() - start, 1)}
    for split in ("trained", "held_out", "recolour"):
        mine = [r for r in rows if r["split"] == split]
        if not mine:
            continue
        summary[split] = {"n": len(mine)}
        for k in ("bg_ok", "object_ok", "color_ok"):
            known = [r[k] for r in mine if r[k] is not None]
            if known:
                summary[split][k] = round(float(np.mean(known)), 3)
        summary[split]["both_ok"] = round(float(np.mean([r["bg_ok"] and r["object_ok"] for r in mine])), 3)
    per = {}
    for r, (_, (_, s)) in zip(rows, [t for p in range(world) for t in list(enumerate(suite(objects, args.seed)))
                                     [:args.limit or None][p::world]]):
        per.setdefault(s.obj, []).append(r["object_ok"])
    summary["object_accuracy_by_object"] = {k: round(float(np.mean(v)), 2) for k, v in sorted(per.items())}
    print(json.dumps(summary, indent=1))
    with open(args.report, "w") as f:
        json.dump({"summary": summary, "rows": rows}, f, indent=1)


SHEET = [("an apple on a blue background", None), ("a banana on a purple background", None),
         ("a strawberry on a white background", None), ("grapes on a pink background", None),
         ("a hamburger on a red background", None), ("a mushroom on a green background", None),
         ("a star on a black background", None), ("a sunflower on a purple background", None),
         ("a cactus on a yellow background", None), ("a tree on a pink background", None),
         ("a dog on a green background", None), ("a cat", None),
         ("a car on a white background", None), ("a rocket on a purple background", None),
         ("a house on a yellow background", None), ("a robot", None),
         ("a green car on a yellow background", "recolour"), ("a blue heart on a pink background", "recolour"),
         ("a purple star on a white background", "recolour"), ("a yellow balloon on a blue background", "recolour"),
         ("a red fish on a green background", "recolour"), ("a pink butterfly on a green background", "recolour"),
         ("a green heart on a black background", "recolour"), ("a purple car on a white background", "recolour"),
         ("a cat on a blue background", "held out"), ("a house on a blue background", "held out"),
         ("a rocket on a red background", "held out"), ("a banana on a black background", "held out"),
         ("a sunflower on a blue background", "held out"), ("a penguin on a black background", "held out"),
         ("a strawberry on a yellow background", "held out"), ("a frog on a purple background", "held out")]


def sheets(args):
    torch.set_num_threads(2)
    pipe = load_pipe(args)
    columns, cell, tall = 8, 132, 158
    rows = [pictures(pipe, [t for t, _ in SHEET], [seed * 100 + i for i in range(len(SHEET))], args.inference_steps,
                     args.cfg) for seed in (1, 2)]
    blocks = -(-len(SHEET) // columns)
    sheet = Image.new("RGB", (cell * columns, (tall + cell) * blocks), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (text, mark) in enumerate(SHEET):
        x, y = i % columns * cell, i // columns * (tall + cell)
        sheet.paste(Image.fromarray(rows[0][i]), (x, y))
        sheet.paste(Image.fromarray(rows[1][i]), (x, y + cell))
        words = text.replace(" background", " bg").split(" on ")
        draw.text((x + 2, y + 2 * cell - 2), words[0], fill="black")
        tail = ("on " + words[1] if len(words) > 1 else "") + (f" [{mark}]" if mark else "")
        draw.text((x + 2, y + 2 * cell + 9), tail, fill="crimson" if mark == "held out" else "black")
    sheet.save(args.samples)
    # the three decoders over the steps
    tiny = AutoencoderTiny.from_pretrained(os.path.join(args.weights, "taesd"), torch_dtype=torch.float32)
    with open(os.path.join(args.weights, "latent2rgb.json")) as f:
        l2r = json.load(f)
    matrix, bias = torch.tensor(l2r["matrix"]), torch.tensor(l2r["bias"])
    blocks, steps = [], args.inference_steps
    shown = [0, 1, 2, 4, 6, 9, 12, 15, steps - 1]

    def to_image(x):
        return ((x.clamp(-1, 1) + 1) * 127.5).byte()[0].permute(1, 2, 0).numpy()

    for k, text in enumerate(("an apple on a blue background", "a green car on a yellow background",
                              "a house on a blue background")):
        estimates = []
        original = pipe.scheduler.step

        def step(noise, t, sample, *a, original=original, **kw):
            out = original(noise, t, sample, *a, **{**kw, "return_dict": True})
            estimates.append(out.pred_original_sample.clone())
            return (out.prev_sample,) if kw.get("return_dict") is False else out

        pipe.scheduler.step = step
        pipe(text, num_inference_steps=steps, guidance_scale=args.cfg, height=128, width=128,
             generator=torch.Generator().manual_seed(100 + k), output_type="latent")
        pipe.scheduler.step = original
        columns_ = []
        with torch.no_grad():
            for i in [s for s in shown if s < len(estimates)]:
                z = estimates[i]
                flat = torch.einsum("bchw,cd->bdhw", z, matrix) + bias.view(1, 3, 1, 1)
                flat = np.asarray(Image.fromarray(to_image(flat)).resize((128, 128), Image.BICUBIC))
                columns_.append(np.concatenate([flat, to_image(tiny.decode(z).sample),
                                                to_image(pipe.vae.decode(z / pipe.vae.config.scaling_factor).sample)]))
        blocks.append(np.concatenate(columns_, 1))
    Image.fromarray(np.concatenate(blocks)).save(args.previews)


@torch.no_grad()
def losses(args):
    """VAE and preview decoder PSNR, and the UNet's epsilon loss, on held-out and trained pairs."""
    torch.set_num_threads(2)
    data, rng = Data(args.sprites), random.Random(args.seed + 77)
    torch.manual_seed(args.seed + 77)
    pipe = load_pipe(args)
    tiny = AutoencoderTiny.from_pretrained(os.path.join(args.weights, "taesd"), torch_dtype=torch.float32)
    ab, report = alphas_cumprod(), {}

    def psnr(y, x):
        return (10 * torch.log10(4 / (y.clamp(-1, 1) - x).square().mean((1, 2, 3)))).tolist()

    for split in ("held_out", "trained"):
        full, quick, outs, mse, weighted = [], [], [], [], []
        specs = [data.random_spec(rng, split == "held_out") for _ in range(48)]
        images = np.stack([data.compose(s, rng) for s in specs])
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
        for at in range(0, 48, 8):
            part = x[at:at + 8]
            z = pipe.vae.encode(part).latent_dist.mean * pipe.vae.config.scaling_factor
            y = pipe.vae.decode(z / pipe.vae.config.scaling_factor).sample
            outs.append(y.clamp(-1, 1))
            full += psnr(y, part)
            quick += psnr(tiny.decode(z).sample, part)
            ctx, _, pooled, _ = pipe.encode_prompt([prompt(s) for s in specs[at:at + 8]],
                                                   do_classifier_free_guidance=False)
            for k in range(4):  # stratified timesteps
                t = ((torch.arange(8) * 4 + k + torch.rand(8)) * 1000 / 32).long()
                a, e = ab[t].view(-1, 1, 1, 1), torch.randn_like(z)
                out = pipe.unet(a.sqrt() * z + (1 - a).sqrt() * e, t, ctx, added_cond_kwargs={
                    "text_embeds": pooled, "time_ids": torch.tensor([[128.0, 128, 0, 0, 128, 128]] * 8)}).sample
                err, snr = (out - e).square().mean((1, 2, 3)), (a / (1 - a)).view(-1)
                mse += err.tolist()
                weighted += (err * snr.clamp(max=5) / snr).tolist()
        if split == "held_out":
            y = ((torch.cat(outs)[:10] + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
            Image.fromarray(np.concatenate([np.concatenate(list(images[:10]), 1), np.concatenate(list(y), 1)])).save(
                args.recon)
        report[split] = {"vae_psnr_db": round(float(np.mean(full)), 2),
                         "preview_decoder_psnr_db": round(float(np.mean(quick)), 2),
                         "unet_epsilon_mse": round(float(np.mean(mse)), 5),
                         "unet_min_snr5_loss": round(float(np.mean(weighted)), 5)}
    with open(os.path.join(args.weights, "latent2rgb.json")) as f:
        report["latent2rgb_r2"] = [round(v, 5) for v in json.load(f)["r2"]]
    print(json.dumps(report, indent=1))
    with open(args.losses, "w") as f:
        json.dump(report, f, indent=1)


def metrics(args):
    """Collects the reports into metrics.json."""
    with open(args.losses) as f:
        out = {"reconstruction_and_loss": json.load(f)}
    with open(args.report) as f:
        out["prompt_obedience"] = json.load(f)["summary"]
    out["classifier_accuracy_on_real_held_out_composites"] = round(torch.load(args.classifier)["accuracy"], 3)
    ck = torch.load(args.resume, mmap=True)
    out["unet_training"] = {"steps": ck["step"], "samples": ck["seen"]}
    with open(args.metrics, "w") as f:
        json.dump(out, f, indent=1)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=("classifier", "losses", "generate", "sheets", "metrics"))
    ap.add_argument("--sprites", default="work/sprites.npz")
    ap.add_argument("--weights", default="../weights")
    ap.add_argument("--tokenizers", default="work")
    ap.add_argument("--classifier", default="work/classifier.pt")
    ap.add_argument("--report", default="work/obedience.json")
    ap.add_argument("--losses", default="work/losses.json")
    ap.add_argument("--resume", default="work/resume.pt")
    ap.add_argument("--metrics", default="../evaluation/diffusers.json")
    ap.add_argument("--samples", default="work/samples.png")
    ap.add_argument("--previews", default="work/previews.png")
    ap.add_argument("--recon", default="work/recon.png")
    ap.add_argument("--objects", nargs="*")
    ap.add_argument("--inference-steps", type=int, default=20)
    ap.add_argument("--cfg", type=float, default=4.0)
    ap.add_argument("--limit", type=int, default=0, help="only the first N pictures of the suite")
    ap.add_argument("--pool", type=int, default=2500)
    ap.add_argument("--steps", type=int, default=800)
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    {"classifier": train_classifier, "generate": generate, "losses": losses, "sheets": sheets,
     "metrics": metrics}[args.what](args)


if __name__ == "__main__":
    main()
