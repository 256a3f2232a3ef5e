"""Compares the speed of Emberline and diffusers on the same weights and settings: `python side_by_side.py BIN MODEL
...`.

They run alternately, one process at a time, in f32 on the CPU with each one's default number of threads (the number
of cores). Each process loads the model, encodes the prompts, samples with Euler over the `leading` schedule and
decodes. Prints for each stage both medians, the median of the ratios of each round, and their spread; below 1
Emberline is faster. Then prints the cost of a preview with each method, from the end of the step to its file, as a
share of a step. This is a measurement, not a test: it never fails for being slow.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STAGES = ("load", "text encoding", "a step", "decode", "all", "peak memory")


def generate(options, folder: str, *more) -> dict:
    """Runs `emberline generate --json` and returns its report."""
    command = [options.binary, "--log", "error", "generate", "--model", options.model, "--device", "cpu", "--json"]
    command += ["--sampler", "euler", "--scheduler", "leading", "--seed", "1", "--prompt", options.prompt]
    command += ["--width", options.width, "--height", options.height or options.width, "--steps", options.steps]
    command += ["--cfg-scale", options.cfg_scale, "--out", f"{folder}/picture.png", *more]
    answer = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    return json.loads(answer)


def usual(seconds: list) -> float:
    """The median without the first step, which allocates memory that later steps reuse, also in diffusers."""
    return statistics.median(seconds[1:] or seconds)


def emberline(options, folder: str) -> dict:
    report = generate(options, folder)
    times = report["timings"]
    return {
        "load": times["load_s"],
        "text encoding": times["text_encode_s"],
        "a step": usual(times["steps_s"]),
        "decode": times["decode_s"],
        "all": times["total_s"],
        "peak memory": report["peak_rss_bytes"] / 1e9,
    }


def preview_costs(options, folder: str):
    """Prints the cost of each preview method that the model has."""
    methods = {"latent2rgb": []}
    if options.taesd or (Path(options.model) / "taesd").is_dir():
        methods["taesd"] = ["--taesd", options.taesd] if options.taesd else []
    for method, more in methods.items():
        times = generate(options, folder, "--preview", method, "--preview-dir", f"{folder}/{method}", *more)["timings"]
        preview, step = usual(times["preview_s"]), usual(times["steps_s"])
        print(f"a preview by {method}: {1000 * preview:.1f} ms, {100 * preview / step:.2f} % of a step")


def diffusers(options) -> dict:
    command = [sys.executable, __file__, *sys.argv[1:], "--as-diffusers"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def as_diffusers(options):
    """The diffusers process: the same stages, timed at the same points."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    import torch
    from diffusers import StableDiffusionXLPipeline

    from compare_dump import load

    folder = Path(options.model)
    begun = time.monotonic()
    if (folder / "tokenizer").exists() or folder.is_file():
        pipe = load(folder, None, ())
    else:
        sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "starter_model/train"))
        from tokenizer import pair

        with tempfile.TemporaryDirectory() as tokenizers:
            tokenizer, tokenizer_2 = pair(tokenizers)
        pipe = StableDiffusionXLPipeline.from_pretrained(
            folder, torch_dtype=torch.float32, local_files_only=True, add_watermarker=False,
            tokenizer=tokenizer, tokenizer_2=tokenizer_2,
        )
    pipe.set_progress_bar_config(disable=True)
    marks = [time.monotonic()]

    def mark(*_):
        marks.append(time.monotonic())
        return {}

    with torch.no_grad():
        embeds, no_embeds, pooled, no_pooled = pipe.encode_prompt(
            options.prompt, do_classifier_free_guidance=options.cfg_scale > 1
        )
        encoded = time.monotonic()
        mark()
        latents = pipe(
            prompt_embeds=embeds, negative_prompt_embeds=no_embeds,
            pooled_prompt_embeds=pooled, negative_pooled_prompt_embeds=no_pooled,
            generator=torch.Generator().manual_seed(1), width=options.width, height=options.height or options.width,
            num_inference_steps=options.steps, guidance_scale=options.cfg_scale, output_type="latent",
            callback_on_step_end=mark,
        ).images
        sampled = time.monotonic()
        pipe.vae.decode(latents / pipe.vae.config.scaling_factor)
        decoded = time.monotonic()
    steps = [after - before for before, after in zip(marks[1:], marks[2:])]
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps({
        "load": marks[0] - begun,
        "text encoding": encoded - marks[0],
        "a step": usual(steps),
        "decode": decoded - sampled,
        "all": decoded - begun,
        "peak memory": int(status["VmHWM"].split()[0]) * 1024 / 1e9,
    }))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="the release binary")
    parser.add_argument("model", help="a diffusers folder")
    parser.add_argument("--taesd", help="a preview decoder, where the model brings none")
    parser.add_argument("--prompt", default="a red car on a yellow background")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--height", type=int, default=0, help="as the width unless given")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg-scale", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--as-diffusers", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_diffusers:
        return as_diffusers(options)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            ours.append(emberline(options, folder))
            theirs.append(diffusers(options))
            steps = ours[-1]["a step"], theirs[-1]["a step"]
            print(f"round {number + 1}: {steps[0]:.3f} s a step, diffusers {steps[1]:.3f}", file=sys.stderr, flush=True)
    height = options.height or options.width
    print(f"{options.width} x {height}, {options.steps} steps, guidance {options.cfg_scale}, {options.rounds} rounds")
    print("| | Emberline | diffusers | ratio | from | to |\n|---|---|---|---|---|---|")
    for stage in STAGES:
        ratios = sorted(a[stage] / b[stage] for a, b in zip(ours, theirs))
        own, other = (statistics.median(run[stage] for run in runs) for runs in (ours, theirs))
        unit = "GB" if stage == "peak memory" else "s"
        print(f"| {stage} | {own:.3f} {unit} | {other:.3f} {unit} | {statistics.median(ratios):.2f} "
              f"| {ratios[0]:.2f} | {ratios[-1]:.2f} |")
    print(flush=True)
    with tempfile.TemporaryDirectory() as folder:
        preview_costs(options, folder)


if __name__ == "__main__":
    main()
