"""Render the flat emoji artwork to RGBA sprites.

Input: the npm package ``@iconify-json/fluent-emoji-flat`` (Microsoft Fluent Emoji, MIT licence), installed with
``npm install`` in this folder. Output: ``sprites.npz`` with ``rgba`` (N, 160, 160, 4) and ``name`` (N,), each sprite
cut to its own outline and centred.

    python -m second.prepare_data
"""
import argparse
import io
import json
import os

import numpy as np
import resvg_py
from PIL import Image

from second.dataset import OBJECTS

SIDE = 160


def render(icon, pack):
    """The icon as RGBA, its longer side SIDE pixels, centred."""
    w, h = icon.get("width", pack.get("width", 32)), icon.get("height", pack.get("height", 32))
    svg = ('<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
           f'width="640" height="640" viewBox="0 0 {w} {h}">{icon["body"]}</svg>')
    image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
    image = image.crop(image.getchannel("A").getbbox())
    scale = SIDE / max(image.size)
    size = [max(1, round(v * scale)) for v in image.size]
    out = Image.new("RGBA", (SIDE, SIDE))
    out.paste(image.resize(size, Image.LANCZOS), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--icons", default="second/node_modules/@iconify-json/fluent-emoji-flat/icons.json")
    ap.add_argument("--out", default="work/second/sprites.npz")
    args = ap.parse_args()
    with open(args.icons) as f:
        pack = json.load(f)
    os.makedirs(os.path.dirname(args.out), exist_ok=True)
    rgba = np.stack([render(pack["icons"][slug], pack) for slug in OBJECTS.values()])
    np.savez_compressed(args.out, rgba=rgba, name=np.array(list(OBJECTS)))
    print(f"{len(rgba)} sprites -> {args.out}")


if __name__ == "__main__":
    main()
