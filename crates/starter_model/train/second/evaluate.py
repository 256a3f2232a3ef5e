"""Measure the exported second edition with the form's settings, and draw its contact sheet.

    python -m second.judges
    python -m second.evaluate pictures    # the suite: object, background, colour, place, size, two things
    python -m second.evaluate controls    # the same pictures judged against wrong prompts, and as blobs
    python -m second.evaluate variety     # how much pictures of one prompt differ
    python -m second.evaluate vae         # reconstruction of held-out pictures
    python -m second.evaluate sheet

Each command adds its figures to ``--report``.
"""
import argparse
import itertools
import json
import os
import random

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny

from pipeline import load_pipe
from second import judges as j
from second.dataset import HUES, PAIRED, PLACES, RECOLORABLE, SIZES, Data, Spec, held_out, prompt
from second.pool import read
from second.runtime import wait_while
from second.scenes import COLOURS, NAMES, SCENES
from second.sheet import grid
from second.train_unet import SHEET
from second.train_vae import as_input, check, differences


def suite(objects, seed):
    """(split, spec) list. ``held out`` are combinations that training never shows."""
    rng, out = random.Random(seed), []

    def one(name, bg, place=None, size=None, colour=None):
        return Spec(((name, colour),), place, size, bg)

    def some(count, specs, split):
        specs = [s for s in specs if bool(held_out(s)) == (split == "held out")]
        out.extend((split, s) for s in rng.sample(specs, min(count, len(specs))))

    for split in ("trained", "held out"):
        some(96, [one(o, b) for o in objects for b in NAMES], split)
        for place in PLACES:
            some(12, [one(o, b, place) for o in objects for b in NAMES], split)
        pairs = [Spec(((a, None), (b, None)), None, None, bg) for a, b in itertools.permutations(PAIRED, 2)
                 for bg in NAMES]
        some(32, pairs, split)
    for size in SIZES:
        some(24, [one(o, b, None, size) for o in objects for b in NAMES], "trained")
        some(12, [one(o, b, place, size) for o in objects for b in NAMES for place in PLACES], "trained")
    some(48, [one(o, b, None, None, c) for o in RECOLORABLE for b in NAMES for c in HUES if c != b], "trained")
    return out


def drawn(pipe, texts, seeds, args):
    """The prompts' pictures with the form's settings, uint8 (N, 128, 128, 3)."""
    out = []
    for at in range(0, len(texts), 8):
        wait_while(args.pause_file)
        generators = [torch.Generator().manual_seed(s) for s in seeds[at:at + 8]]
        out.append(pipe(texts[at:at + 8], num_inference_steps=args.steps, guidance_scale=args.cfg, height=128,
                        width=128, generator=generators, output_type="np").images)
    return (np.concatenate(out) * 255).round().astype(np.uint8)


def report(args, **figures):
    """Adds figures to the report, and prints them."""
    known = {}
    if os.path.exists(args.report):
        with open(args.report) as f:
            known = json.load(f)
    known.update(figures)
    with open(args.report, "w") as f:
        json.dump(known, f, indent=1)
    print(json.dumps(figures, indent=1))


def energy(pictures, masks):
    """Mean squared gradient in the cells of the objects."""
    total = count = 0.0
    for picture, mask in zip(as_input(pictures), masks):
        dx, dy = differences(picture)
        cells = torch.from_numpy(np.kron(mask, np.ones((4, 4), bool)))[:-1, :-1]
        both = dx.square().mean(0)[:-1] + dy.square().mean(0)[:, :-1]
        total, count = total + both[cells].sum().item(), count + cells.sum().item()
    return total / max(count, 1)


def pictures(args):
    """Draws the suite, judges it by split, and compares the objects' sharpness with the artwork's."""
    data = Data(args.sprites)
    tests = suite(data.objects, args.seed)[:args.limit]
    both = j.load(args.judges, data)
    images = drawn(load_pipe(args), [prompt(s) for _, s in tests], [1000 + k for k in range(len(tests))], args)
    np.save(args.pictures, images)
    verdicts = j.judged(both, data, [s for _, s in tests], images)
    rng = random.Random(args.seed)
    real = np.stack([data.compose(s, rng) for _, s in tests])
    sharp = [energy(p, [seen.mask for seen in j.look(both[0], data, p)]) for p in (images, real)]
    misses = [f"{split}: {prompt(s)}: {', '.join(k for k, ok in v.items() if not ok)}"
              for (split, s), v in zip(tests, verdicts) if not all(v.values())]
    splits = {split: j.tally([v for (s, _), v in zip(tests, verdicts) if s == split])
              for split in ("trained", "held out")}
    report(args, settings={"steps": args.steps, "cfg": args.cfg, "sampler": "Euler, leading", "pictures": len(tests)},
           judges_on_artwork=torch.load(args.judges)["on_artwork"],
           sharpness_of_objects=round(sharp[0] / sharp[1], 3), misses=misses, **splits)


def controls(args):
    """The figures must fall when the prompts are wrong, and when pictures are blobs or have no object."""
    data = Data(args.sprites)
    specs, images = [s for _, s in suite(data.objects, args.seed)[:args.limit]], np.load(args.pictures)
    both = j.load(args.judges, data)
    one = [k for k, s in enumerate(specs) if len(s.things) == 1]
    shift = 37 % len(specs)
    wrong = specs[shift:] + specs[:shift]
    small = F.adaptive_avg_pool2d(torch.from_numpy(images).permute(0, 3, 1, 2).float(), 8)
    blobs = F.interpolate(small, size=128, mode="bicubic").clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    rng = random.Random(args.seed)
    empty = np.stack([data.compose(Spec((), None, None, specs[k].bg), rng) for k in one])
    report(args, wrong_prompts=j.tally(j.judged(both, data, wrong, images)),
           blobs=j.tally(j.judged(both, data, specs, blobs)),
           without_object=j.tally(j.judged(both, data, [specs[k] for k in one], empty)))


def variety(args):
    """Mean absolute difference, of 255, between pictures of one prompt with different seeds."""
    data, rng = Data(args.sprites), random.Random(args.seed)
    specs = [Spec(((rng.choice(data.objects), None),), None, None, bg) for bg in NAMES for _ in range(2)]
    texts = [prompt(s) for s in specs for _ in range(4)]
    images = {"drawn": drawn(load_pipe(args), texts, list(range(len(texts))), args),
              "artwork": np.stack([data.compose(s, rng) for s in specs for _ in range(4)])}
    out = {}
    for key, value in images.items():
        for kind, group in (("colours", COLOURS), ("scenes", SCENES)):
            each = [np.abs(a.astype(int) - b).mean() for k, s in enumerate(specs) if s.bg in group
                    for a, b in itertools.combinations(value[4 * k:4 * k + 4], 2)]
            out[f"{key}, {kind}"] = round(float(np.mean(each)), 1)
    report(args, difference_of_seeds=out)


@torch.no_grad()
def vae(args):
    """PSNR and gradient energy of whole held-out pictures through the exported VAE; PSNR of the preview decoder."""
    pipe, x = load_pipe(args), as_input(read(args.held)[0])
    figures = check(pipe.vae, x)
    tiny = AutoencoderTiny.from_pretrained(os.path.join(args.weights, "taesd"), torch_dtype=torch.float32)
    factor, psnr = pipe.vae.config.scaling_factor, []
    for part in x.split(8):
        y = tiny.decode(pipe.vae.encode(part).latent_dist.mean * factor).sample.clamp(-1, 1)
        psnr += (10 * torch.log10(4 / (y - part).square().mean((1, 2, 3)))).tolist()
    report(args, vae_held_out=figures, preview_psnr=round(float(np.mean(psnr)), 2))


def sheet(args):
    """48 prompts, the first of them the progress sheet's."""
    data, rng = Data(args.sprites), random.Random(args.seed + 4)
    texts = SHEET + [prompt(s) for s in (data.random_spec(rng, k % 4 == 3) for k in range(32))]
    grid(list(drawn(load_pipe(args), texts, list(range(len(texts))), args)), 8, texts).save(args.sheet)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=("pictures", "controls", "variety", "vae", "sheet"))
    for name, path in (("sprites", "sprites.npz"), ("judges", "judges.pt"), ("held", "held"), ("weights", "weights"),
                       ("pictures", "suite.npy"), ("report", "figures.json"), ("sheet", "samples.png")):
        ap.add_argument(f"--{name}", default=f"work/second/{path}")
    ap.add_argument("--tokenizers", default="work")
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--cfg", type=float, default=4.0)
    ap.add_argument("--limit", type=int, help="only the first pictures of the suite")
    ap.add_argument("--pause-file")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    torch.set_num_threads(args.threads)
    {"pictures": pictures, "controls": controls, "variety": variety, "vae": vae, "sheet": sheet}[args.what](args)


if __name__ == "__main__":
    main()
