"""Compares each kernel with PyTorch's, alternating: `python crates/kernels/benches/beside_pytorch.py --rounds 5`.

Runs `cargo bench --package kernels -- --json`, then the same operations at the same sizes in PyTorch (f32, the same
number of threads), in rounds, each in a separate process. Prints both medians and the median of the ratios, with
their spread; below 1 Emberline is faster. Needs torch. This is a measurement, not a test.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BATCH = 2
MEANINGS = {
    "conv": "convolution 3 x 3, {0} channels at {1} x {1}",
    "conv_f16": "the same with weights kept in f16",
    "linear": "linear layer, {0} x {1} to {2}",
    "linear_f16": "the same with weights kept in f16",
    "attention": "attention, {2} heads, {0} to {1}",
    "group_norm_silu": "group norm and SiLU, {0} channels, {1} pixels",
    "layer_norm": "layer norm, {0} rows of {1}",
    "geglu": "GEGLU, {0} rows to {1}",
}


def operation(kernel: str, sizes: list):
    """The operation as a function without arguments."""
    import torch
    import torch.nn.functional as F

    match kernel, sizes:
        # PyTorch's weights are f32 in both cases.
        case "conv" | "conv_f16", (c, side):
            conv, x = torch.nn.Conv2d(c, c, 3, padding=1), torch.randn(BATCH, c, side, side)
            return lambda: conv(x)
        case "linear" | "linear_f16", (rows, d_in, d_out):
            linear, x = torch.nn.Linear(d_in, d_out), torch.randn(rows, d_in)
            return lambda: linear(x)
        case "attention", (n, m, heads):
            # As diffusers calls it: rows are split into heads, and joined again.
            q, k = torch.randn(BATCH, n, heads * 64), torch.randn(BATCH, m, heads * 64)

            def attention():
                split = [x.view(BATCH, -1, heads, 64).transpose(1, 2) for x in (q, k, k)]
                return F.scaled_dot_product_attention(*split).transpose(1, 2).reshape(BATCH, n, heads * 64)

            return attention
        case "group_norm_silu", (c, pixels):
            norm, x = torch.nn.GroupNorm(32, c), torch.randn(BATCH, c, pixels)
            return lambda: F.silu(norm(x))
        case "layer_norm", (rows, width):
            norm, x = torch.nn.LayerNorm(width), torch.randn(rows, width)
            return lambda: norm(x)
        case "geglu", (rows, inner):
            x = torch.randn(rows, 2 * inner)

            def geglu():
                value, gate = x.chunk(2, dim=-1)
                return value * F.gelu(gate)

            return geglu
    raise SystemExit(f"there is no operation {kernel} {sizes} here")


def as_pytorch(operations: list):
    """The PyTorch process: the fastest run within a fixed time, as in the bench."""
    import torch

    with torch.no_grad():
        for row in operations:
            run, best, begun = operation(row["kernel"], row["sizes"]), float("inf"), time.perf_counter()
            while time.perf_counter() - begun < 0.7:
                started = time.perf_counter()
                run()
                best = min(best, time.perf_counter() - started)
            print(json.dumps(row | {"ms": 1000 * best}))


def rows_of(command: list, text: str | None = None) -> list:
    answer = subprocess.run(command, check=True, capture_output=True, text=True, input=text, cwd=ROOT).stdout
    return [json.loads(line) for line in answer.splitlines() if line.startswith("{")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--as-pytorch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_pytorch:
        return as_pytorch(json.load(sys.stdin))
    bench = ["cargo", "bench", "--quiet", "--package", "kernels", "--bench", "kernels", "--", "--json"]
    ours, theirs = [], []
    for number in range(options.rounds):
        ours.append(rows_of(bench))
        theirs.append(rows_of([sys.executable, __file__, "--as-pytorch"], json.dumps(ours[-1])))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    print("| | Emberline | PyTorch | ratio | from | to |\n|---|---|---|---|---|---|")
    for runs in zip(*ours, *theirs):
        own, other = runs[: options.rounds], runs[options.rounds :]
        ratios = sorted(a["ms"] / b["ms"] for a, b in zip(own, other))
        a, b = (statistics.median(run["ms"] for run in side) for side in (own, other))
        what = MEANINGS[own[0]["kernel"]].format(*own[0]["sizes"])
        print(f"| {what} | {a:.2f} ms | {b:.2f} ms | {statistics.median(ratios):.2f} | {ratios[0]:.2f} "
              f"| {ratios[-1]:.2f} |")


if __name__ == "__main__":
    main()
