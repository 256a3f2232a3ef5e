"""Compares `huge_pages` with mimalloc, jemalloc and the system's allocator, alternating.

    python crates/huge_pages/beside_allocators.py --model CHECKPOINT --side 512 --steps 4 --rounds 5

Builds `emberline generate` once with each allocator (server/examples/allocators.rs), runs them in turn, each in a process of
its own, and prints a table in Markdown: seconds of a step (the median of all steps but the first), its ratio to
`huge_pages`, seconds of the VAE, and the peak memory. Medians of all rounds. Without --model it is the built-in model.
This is a measurement, not a test.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALLOCATORS = {
    "huge_pages": [],
    "mimalloc": ["--features", "server/measure-mimalloc"],
    "jemalloc": ["--features", "server/measure-jemalloc"],
    "system": ["--features", "server/measure-system"],
}


def build(name: str, folder: Path) -> Path:
    """The program with this allocator. The whole workspace is named, so that dependencies are not built again."""
    whole = ["cargo", "build", "--release", "--locked", "--workspace", "--exclude", "xtask", "--example", "allocators"]
    subprocess.run(whole + ALLOCATORS[name], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    copy = folder / name
    shutil.copy2(target / "release/examples/allocators", copy)
    return copy


def run(program: Path, folder: Path, options: argparse.Namespace) -> dict:
    """Step and VAE in seconds, peak memory in MiB."""
    command = [program, "generate", "--json", "--device", "cpu", "--prompt", "a red fox", "--seed", "1"]
    command += ["--width", str(options.side), "--height", str(options.side), "--steps", str(options.steps)]
    command += ["--out", folder / "out.png"] + (["--model", options.model] if options.model else [])
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    timings = report["timings"]
    steps = timings["steps_s"][1:] or timings["steps_s"]
    return {
        "step": statistics.median(steps),
        "vae": timings["decode_s"],
        "peak": report["peak_rss_bytes"] / 2**20,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a checkpoint; by default the built-in model")
    parser.add_argument("--side", type=int, default=128, help="width and height in pixels")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        programs = {name: build(name, folder) for name in ALLOCATORS}
        found = {name: [] for name in ALLOCATORS}
        for _ in range(options.rounds):
            for name, program in programs.items():
                found[name].append(run(program, folder, options))
    median = lambda name, what: statistics.median(one[what] for one in found[name])
    # The ratio within a round: both ran under the same conditions.
    pairs = lambda name: [one["step"] / ours["step"] for one, ours in zip(found[name], found["huge_pages"])]
    print("| allocator | step | ratio | from | to | VAE | peak memory |\n|---|---|---|---|---|---|---|")
    for name in ALLOCATORS:
        ratios = pairs(name)
        print(
            f"| {name} | {1000 * median(name, 'step'):.1f} ms | {statistics.median(ratios):.2f} | {min(ratios):.2f} | "
            f"{max(ratios):.2f} | {1000 * median(name, 'vae'):.0f} ms | {median(name, 'peak'):.0f} MiB |"
        )


if __name__ == "__main__":
    main()
