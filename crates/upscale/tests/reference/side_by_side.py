"""Times `emberline upscale` beside spandrel's networks in PyTorch: `python side_by_side.py BINARY [MODEL ...] [--rounds N]`.

Each round runs both on one picture of 512 x 512 pixels, in tiles of 256, each in a process of its own; the order alternates.
Prints the medians of the seconds (without loading), the median of the ratios (below 1 Emberline is faster), and the peak
memory of each. MODEL is a file that both read; without one, the network inside the program. Needs torch and spandrel. This is
a measurement, not a test.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

INSIDE = Path(__file__).resolve().parents[2] / "weights/realesr-animevideov3.safetensors"
TILE, OVERLAP = 256, 18


def with_pytorch(model: str, picture: str) -> dict:
    """Run by this script in a process of its own."""
    import resource
    import time

    import numpy as np
    import torch
    from PIL import Image
    from spandrel import ModelLoader

    network = ModelLoader().load_from_file(model)
    scale, network = network.scale, network.model.float().eval()
    x = torch.from_numpy(np.asarray(Image.open(picture))).permute(2, 0, 1)[None].float() / 255
    _, _, height, width = x.shape
    started = time.perf_counter()
    out = torch.empty(1, 3, scale * height, scale * width)
    with torch.no_grad():
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                y, x0 = max(top - OVERLAP, 0), max(left - OVERLAP, 0)
                part = network(x[:, :, y : top + TILE + OVERLAP, x0 : left + TILE + OVERLAP])
                kept = part[:, :, scale * (top - y) :, scale * (left - x0) :][:, :, : scale * TILE, : scale * TILE]
                out[:, :, scale * top :, scale * left :][:, :, : scale * TILE, : scale * TILE] = kept
    (out.clamp(0, 1) * 255).round().byte()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def with_emberline(binary: str, model: str, picture: str, out: str) -> dict:
    command = [binary, "upscale", picture, out, "--device", "cpu", "--json"]
    command += [] if model == str(INSIDE) else ["--model", model]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"seconds": report["upscale_s"], "peak_mb": report["peak_rss_bytes"] / 2**20}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models", nargs="*", default=[str(INSIDE)])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    import numpy as np
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        picture, out = f"{folder}/in.png", f"{folder}/out.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)).save(picture)
        theirs = lambda model: json.loads(
            subprocess.run(
                [sys.executable, __file__, "--theirs", model, picture], check=True, capture_output=True, text=True
            ).stdout
        )
        print("| network | Emberline s | PyTorch s | ratio | Emberline MB | PyTorch MB |\n|---|---|---|---|---|---|")
        for model in arguments.models:
            rounds = []
            for n in range(arguments.rounds):
                both = [lambda: with_emberline(arguments.binary, model, picture, out), lambda: theirs(model)]
                results = [run() for run in (both if n % 2 == 0 else both[::-1])]
                rounds.append(results if n % 2 == 0 else results[::-1])
            ratios = [ours["seconds"] / their["seconds"] for ours, their in rounds]
            seconds = [statistics.median(r[i]["seconds"] for r in rounds) for i in (0, 1)]
            memory = [max(r[i]["peak_mb"] for r in rounds) for i in (0, 1)]
            print(
                f"| {Path(model).stem} | {seconds[0]:.2f} | {seconds[1]:.2f} | {statistics.median(ratios):.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f}) | {memory[0]:.0f} | {memory[1]:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--theirs"]:
        print(json.dumps(with_pytorch(*sys.argv[2:])))
    else:
        main()
