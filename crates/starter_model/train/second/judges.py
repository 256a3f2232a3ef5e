"""Two judges of pictures, trained on the artwork alone and never on drawn pictures.

A judge names, for each of 32 x 32 cells, the object or the background in it. From that follow the objects of a picture,
its background, the object's centre of mass and its area. ``colour`` sees colours; ``shape`` sees grayscale pictures of
random polarity, and so cannot tell an object by its colour.

    python -m second.judges
"""
import argparse
import random
from collections import namedtuple

import numpy as np
import torch
import torch.nn.functional as F

from common import save_atomic
from evaluate import OBJECT_COLORS
from second.dataset import Data
from second.runtime import wait_while
from second.scenes import NAMES
from second.train_vae import as_input

CELLS, LEAST = 32, 6  # cells a side; an object with fewer cells is not there
MIDDLE, SIDE = 0.12, 0.08  # how far from the middle a centre may be, and how far it must be
SMALL, BIG = 54, 70  # pixels: largest side of a small thing, smallest of a big one


class Judge(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.a, self.b, self.c = self.block(3, 24, 2), self.block(24, 48, 2), self.block(48, 64)
        self.d, self.e = self.block(64, 96, 2), self.block(96, 96)
        self.f, self.g = self.block(96, 128, 2), self.block(128, 128)
        self.h, self.i = self.block(224, 96), self.block(160, 64)
        self.head = torch.nn.Conv2d(64, classes, 1)

    @staticmethod
    def block(a, b, stride=1):
        return torch.nn.Sequential(torch.nn.Conv2d(a, b, 3, stride, 1), torch.nn.BatchNorm2d(b), torch.nn.ReLU())

    def forward(self, x):
        fine = self.c(self.b(self.a(x)))
        middle = self.e(self.d(fine))
        coarse = self.g(self.f(middle))
        middle = self.h(torch.cat([middle, F.interpolate(coarse, scale_factor=2)], 1))
        return self.head(self.i(torch.cat([fine, F.interpolate(middle, scale_factor=2)], 1)))


def gray(x, augment=False):
    g = x.mean(1, keepdim=True)
    g = (g - g.mean((1, 2, 3), keepdim=True)) / (g.std((1, 2, 3), keepdim=True) + 0.05)
    if augment:
        g = g * torch.where(torch.rand(len(g), 1, 1, 1) < 0.5, -1.0, 1.0)
    return g.expand(-1, 3, -1, -1)


def softened(x):
    """Half of the batch a little blurred, all of it noisy and tinted, as drawn pictures are."""
    blurred = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    share = torch.rand(len(x), 1, 1, 1) * (torch.rand(len(x), 1, 1, 1) < 0.5)
    x = x + share * (blurred - x)
    return x + 0.08 * torch.randn(len(x), 3, 1, 1) + 0.05 * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x)


def artwork(data, count, held, seed):
    """(pictures uint8, cell labels, specs) drawn from the artwork; background cells hold their background's number."""
    rng, pictures, labels, specs = random.Random(seed), [], [], []
    for _ in range(count):
        spec = data.random_spec(rng, held)
        picture, label = data.compose(spec, rng, labels=True)
        pictures.append(picture)
        labels.append(np.where(label < 0, len(data.objects) + NAMES.index(spec.bg), label))
        specs.append(spec)
    return np.stack(pictures), torch.from_numpy(np.stack(labels)), specs


def train(data, shape, args):
    torch.manual_seed(args.seed)
    pictures, labels, _ = artwork(data, args.pool, False, args.seed + 10)
    judge = Judge(len(data.objects) + len(NAMES)).to(memory_format=torch.channels_last)
    opt = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-3)
    for step in range(args.steps):
        wait_while(args.pause_file)
        opt.param_groups[0]["lr"] = 2e-3 * (1 - step / args.steps)
        pick = torch.randint(0, len(pictures), (32,))
        x = softened(as_input(pictures[pick.numpy()]))
        loss = F.cross_entropy(judge(gray(x, True) if shape else x), labels[pick])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 200 == 0:
            print(f"{'shape' if shape else 'colour'} {step} loss {loss.item():.3f}", flush=True)
    return judge.eval()


# objects: {number: (cells, x, y)}, the centre in shares of the side; mask: the cells that are not background
Seen = namedtuple("Seen", "background objects mask")


@torch.no_grad()
def look(judge, data, pictures, shape=False):
    """What the judge sees in uint8 pictures: a list of Seen."""
    out, n = [], len(data.objects)
    steps = (torch.arange(CELLS) + 0.5) / CELLS
    for at in range(0, len(pictures), 32):
        x = as_input(pictures[at:at + 32])
        logits = judge(gray(x) if shape else x)
        names, grounds = logits.argmax(1), logits[:, n:].softmax(1).mean((2, 3)).argmax(1)
        for cells, ground in zip(names, grounds):
            found = {}
            for k in cells[cells < n].unique().tolist():
                mask = (cells == k).float()
                count = mask.sum().item()
                if count >= LEAST:
                    found[k] = (count, (mask.sum(0) * steps).sum().item() / count,
                                (mask.sum(1) * steps).sum().item() / count)
            out.append(Seen(NAMES[ground], found, (cells < n).numpy()))
    return out


def largest(seen):
    """Number of the object with the most cells, or None."""
    return max(seen.objects, key=lambda k: seen.objects[k][0], default=None)


def extent(seen):
    """(cells, x, y) of all that is not background: the object's place and size, whatever it was taken for."""
    total = sum(cells for cells, _, _ in seen.objects.values())
    if not total:
        return 0, 0.5, 0.5
    return total, *(sum(row[0] * row[k] for row in seen.objects.values()) / total for k in (1, 2))


def placed(seen, place):
    _, x, y = extent(seen)
    if not seen.objects:
        return False
    if place == "middle":
        return max(abs(x - 0.5), abs(y - 0.5)) <= MIDDLE
    return {"left": x <= 0.5 - SIDE, "right": x >= 0.5 + SIDE, "top": y <= 0.5 - SIDE, "bottom": y >= 0.5 + SIDE}[place]


def sized(seen, size, share):
    """Whether the thing is as large as asked; ``share`` is the part of its own square that the object covers."""
    side = (extent(seen)[0] * (128 / CELLS) ** 2 / share) ** 0.5
    return bool(seen.objects) and (side <= SMALL if size == "small" else side >= BIG)


def coloured(picture, mask, colour):
    """Whether most of the object's pixels that are near one of the six colours are near this one."""
    pixels = picture[np.kron(mask, np.ones((4, 4), bool))].astype(float)
    distance = ((pixels[:, None] - np.array(list(OBJECT_COLORS.values()), float)) ** 2).sum(-1)
    near = distance.min(1, initial=1e9) < 90 ** 2
    if near.sum() < 60:
        return False
    return list(OBJECT_COLORS)[np.bincount(distance[near].argmin(1), minlength=6).argmax()] == colour


def verdict(data, spec, picture, colour, shape):
    """Which of the spec's words a picture obeys, by what both judges saw; absent words are left out."""
    names = [data.objects.index(name) for name, _ in spec.things]
    out = {"background": colour.background == spec.bg}
    if len(names) == 2:
        for key, seen in (("two", colour), ("two_by_shape", shape)):
            out[key] = all(k in seen.objects for k in names)
        if out["two"]:
            out["two_in_order"] = colour.objects[names[0]][1] < colour.objects[names[1]][1]
        return out
    out["object"], out["object_by_shape"] = largest(colour) == names[0], largest(shape) == names[0]
    if spec.place:
        out["place"] = placed(colour, spec.place)
    if spec.things[0][1]:
        out["colour"] = coloured(picture, colour.mask, spec.things[0][1])
    if spec.size:
        out["size"] = sized(colour, spec.size, data.area(spec.things[0][0]))
    return out


def tally(verdicts):
    """Share of each word that was obeyed, and how many pictures had it."""
    out = {}
    for key in sorted({k for v in verdicts for k in v}):
        flags = [v[key] for v in verdicts if key in v]
        out[key] = {"share": round(float(np.mean(flags)), 3), "n": len(flags)}
    return out


def load(path, data):
    """(colour, shape) judges."""
    ck, judges = torch.load(path), []
    for key in ("colour", "shape"):
        judge = Judge(len(data.objects) + len(NAMES)).to(memory_format=torch.channels_last)
        judge.load_state_dict(ck[key])
        judges.append(judge.eval())
    return judges


def judged(judges, data, specs, pictures):
    """The verdict on each picture."""
    seen = [look(judge, data, pictures, k == 1) for k, judge in enumerate(judges)]
    return [verdict(data, *row) for row in zip(specs, pictures, *seen)]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sprites", default="work/second/sprites.npz")
    ap.add_argument("--out", default="work/second/judges.pt")
    ap.add_argument("--pool", type=int, default=8000)
    ap.add_argument("--steps", type=int, default=2500)
    ap.add_argument("--check", type=int, default=600, help="held-out pictures of the artwork to try them on")
    ap.add_argument("--pause-file")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    torch.set_num_threads(args.threads)
    data = Data(args.sprites)
    judges = [train(data, shape, args) for shape in (False, True)]
    pictures, _, specs = artwork(data, args.check, True, args.seed + 20)
    figures = tally(judged(judges, data, specs, pictures))
    save_atomic({"colour": judges[0].state_dict(), "shape": judges[1].state_dict(), "on_artwork": figures}, args.out)
    print(figures)


if __name__ == "__main__":
    main()
