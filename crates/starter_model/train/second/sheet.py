"""A contact sheet of the training data, to look at.

    python -m second.sheet --out work/second/sheet.png
"""
import argparse
import random

import numpy as np
from PIL import Image, ImageDraw

from second.dataset import Data, Spec, prompt
from second.scenes import NAMES


def grid(images, columns, texts=None):
    """The pictures in rows, each with its text under it."""
    tall = 128 + (24 if texts else 4)
    sheet = Image.new("RGB", (132 * columns, tall * -(-len(images) // columns)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, image in enumerate(images):
        x, y = k % columns * 132, k // columns * tall
        sheet.paste(Image.fromarray(image), (x, y))
        if texts:
            words = texts[k].split()
            half = next(i for i in range(1, len(words) + 1) if i == len(words) or len(" ".join(words[:i + 1])) > 21)
            pen.text((x + 1, y + 127), " ".join(words[:half]), fill="black")
            pen.text((x + 1, y + 137), " ".join(words[half:]), fill="black")
    return sheet


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sprites", default="work/second/sprites.npz")
    ap.add_argument("--out", default="work/second/sheet.png")
    ap.add_argument("--objects", action="store_true", help="every object once, on white")
    ap.add_argument("--columns", type=int, default=12)
    ap.add_argument("--rows", type=int, default=8)
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    data, rng = Data(args.sprites), random.Random(args.seed)
    if args.objects:
        specs = [Spec(((name, None),), "middle", "big", "white") for name in data.objects]
    else:
        specs = [data.random_spec(rng) for _ in range(args.columns * args.rows)]
        for k in range(min(len(specs), args.columns * 2)):  # the first two rows show every background
            specs[k] = specs[k]._replace(bg=NAMES[k % len(NAMES)])
    grid([np.array(data.compose(s, rng)) for s in specs], args.columns, [prompt(s) for s in specs]).save(args.out)


if __name__ == "__main__":
    main()
