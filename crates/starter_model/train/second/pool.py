"""Draw a pool of pictures once, so that training spends no time on drawing.

Writes ``NAME.npy``, (N, 128, 128, 3) uint8, and ``NAME.json`` with the specs.

    python -m second.pool --count 20000 --out work/second/pool
    python -m second.pool --count 192 --held-out --out work/second/held
"""
import argparse
import json
import multiprocessing
import random

import numpy as np

from second.dataset import Data, Spec
from second.runtime import wait_while


def drawn(job):
    """Pictures number first..last of the pool; each has its own seed."""
    args, first, last = job
    data, specs = Data(args.sprites), []
    pictures = np.lib.format.open_memmap(args.out + ".npy", "r+")
    for k in range(first, last):
        wait_while(args.pause_file)
        rng = random.Random(f"{args.seed} {args.held_out} {k}")
        spec = data.random_spec(rng, args.held_out)
        pictures[k] = data.compose(spec, rng)
        specs.append(spec)
    return specs


def read(path):
    """(pictures, specs) of a pool; the pictures stay on the disk until they are used."""
    with open(path + ".json") as f:
        specs = [Spec(tuple(tuple(t) for t in things), *rest) for things, *rest in json.load(f)]
    return np.load(path + ".npy", mmap_mode="r"), specs


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sprites", default="work/second/sprites.npz")
    ap.add_argument("--out", default="work/second/pool")
    ap.add_argument("--count", type=int, default=20000)
    ap.add_argument("--held-out", action="store_true", help="draw specs that training never sees")
    ap.add_argument("--pause-file")
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    np.lib.format.open_memmap(args.out + ".npy", "w+", np.uint8, (args.count, 128, 128, 3)).flush()
    cuts = list(range(0, args.count, 500)) + [args.count]
    with multiprocessing.Pool(2) as workers:
        parts = workers.map(drawn, [(args, a, b) for a, b in zip(cuts, cuts[1:])], chunksize=1)
    with open(args.out + ".json", "w") as f:
        json.dump(sum(parts, []), f)
    print(f"{args.count} pictures -> {args.out}.npy")


if __name__ == "__main__":
    main()
