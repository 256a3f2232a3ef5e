"""Checks that the obedience figures can fail, and a harder, shape-only judge.

* the same judge on the generated pictures against the wrong prompts, and on
  plain backgrounds without an object: both should score near chance;
* a second classifier that sees grayscale pictures of random polarity, so that
  an object's colour gives nothing away.

    python controls.py
"""
import argparse
import json
import random

import numpy as np
import torch
import torch.nn.functional as F

from dataset import BACKGROUNDS, Data, prompt
from evaluate import Classifier, border_color, nearest, pictures, small, suite
from pipeline import load_pipe


def gray(x, augment=False):
    g = x.mean(1, keepdim=True)
    g = (g - g.mean((1, 2, 3), keepdim=True)) / (g.std((1, 2, 3), keepdim=True) + 0.05)
    if augment:
        g = g * torch.where(torch.rand(len(g), 1, 1, 1) < 0.5, -1.0, 1.0) + 0.1 * torch.randn_like(g)
    return g.repeat(1, 3, 1, 1)


def shape_judge(data, seed, steps=700, pool=2000):
    rng = random.Random(seed)
    torch.manual_seed(seed)

    def batch(n, held):
        specs = [data.random_spec(rng, held) for _ in range(n)]
        return small(np.stack([data.compose(s, rng) for s in specs])), torch.tensor(
            [data.objects.index(s.obj) for s in specs])

    x, y = batch(pool, False)
    model = Classifier(len(data.objects))
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(steps):
        opt.param_groups[0]["lr"] = 2e-3 * (1 - step / steps)
        pick = torch.randint(0, pool, (48,))
        part = x[pick]
        if step % 2:
            part = F.interpolate(F.avg_pool2d(part, 2), scale_factor=2, mode="bilinear")
        loss = F.cross_entropy(model(gray(part, True)), y[pick])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        x, y = batch(200, True)
        return model, (model(gray(x)).argmax(1) == y).float().mean().item()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sprites", default="work/sprites.npz")
    ap.add_argument("--weights", default="../weights")
    ap.add_argument("--tokenizers", default="work")
    ap.add_argument("--classifier", default="work/classifier.pt")
    ap.add_argument("--metrics", default="../evaluation/diffusers.json")
    ap.add_argument("--trained", type=int, default=48)
    ap.add_argument("--held-out", type=int, default=48)
    ap.add_argument("--seed", type=int, default=3)
    args = ap.parse_args()
    torch.set_num_threads(2)
    data = Data(args.sprites)
    ck = torch.load(args.classifier)
    color = Classifier(len(ck["objects"]))
    color.load_state_dict(ck["model"])
    color.eval()
    tests = suite(data.objects, 0)
    specs = [s for k, s in tests if k == "trained"][:args.trained]
    specs += [s for k, s in tests if k == "held_out"][:args.held_out]
    images = pictures(load_pipe(args), [prompt(s) for s in specs], range(7000, 7000 + len(specs)), 20, 4.0)
    shape, real = shape_judge(data, args.seed)
    plain = np.stack([np.broadcast_to(np.array(BACKGROUNDS[s.bg], np.uint8), (128, 128, 3)) for s in specs])
    with torch.no_grad():
        seen = [data.objects[i] for i in color(small(images)).argmax(1)]
        empty = [data.objects[i] for i in color(small(plain)).argmax(1)]
        form = [data.objects[i] for i in shape(gray(small(images))).argmax(1)]
    wrong = specs[7:] + specs[:7]

    def share(flags):
        return round(float(np.mean(list(flags))), 3)

    n = args.trained
    report = {
        "n": len(specs),
        "shape_judge_on_real_held_out_composites": round(real, 3),
        "shape_judge_trained": share(f == s.obj for f, s in zip(form[:n], specs[:n])),
        "shape_judge_held_out": share(f == s.obj for f, s in zip(form[n:], specs[n:])),
        "wrong_prompt_bg_ok": share(nearest(border_color(i)) == s.bg for i, s in zip(images, wrong)),
        "wrong_prompt_object_ok": share(g == s.obj for g, s in zip(seen, wrong)),
        "no_object_object_ok": share(g == s.obj for g, s in zip(empty, specs)),
    }
    print(json.dumps(report, indent=1))
    with open(args.metrics) as f:
        metrics = json.load(f)
    metrics["controls"] = {**metrics.get("controls", {}), **report}
    with open(args.metrics, "w") as f:
        json.dump(metrics, f, indent=1)


if __name__ == "__main__":
    main()
