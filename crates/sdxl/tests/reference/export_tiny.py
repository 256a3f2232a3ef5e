"""Makes the tiny models and all reference values: `python export_tiny.py --clip FOLDER [--out FOLDER]`.

The output is the same in every run. See README.md.
"""

import argparse
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch

import layouts
import references
import tiny_model

HERE = Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, required=True, help="folder with CLIP's vocab.json and merges.txt")
    parser.add_argument("--out", type=Path, default=HERE.parent / "fixtures")
    return parser.parse_args()


def write_tokenizers(clip: Path, folder: Path, fast: bool):
    """Both tokenizers: as vocab.json and merges.txt, or (`fast`) as the single file that transformers 5 writes."""
    for name, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        tiny_model.cut_tokenizer(clip, folder / name)
        tiny_model.write_tokenizer_config(folder / name, pad)
        if fast:
            tokenizer = tiny_model.CLIPTokenizer.from_pretrained(folder / name)
            shutil.rmtree(folder / name)
            tokenizer.save_pretrained(folder / name)


def make(shape, clip: Path, scratch: Path):
    slow, fast = scratch / "slow", scratch / "fast"
    write_tokenizers(clip, slow, fast=False)
    write_tokenizers(clip, fast, fast=True)
    pipe = tiny_model.build_pipeline(shape, slow / "tokenizer", slow / "tokenizer_2")
    pipe.set_progress_bar_config(disable=True)
    return pipe, slow, fast


def main():
    options = arguments()
    # One thread: sums are always taken in the same order, and other load on the machine does not slow the small layers.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = options.out
    scratch = out / ".scratch"
    for name in ("tiny", "odd", "reference", ".scratch"):
        shutil.rmtree(out / name, ignore_errors=True)

    tiny, slow, fast = make(tiny_model.TINY, options.clip, scratch)
    folder, fp16 = out / "tiny/diffusers", out / "tiny/diffusers-fp16"
    singles = [out / "tiny/single-f32.safetensors", out / "tiny/single-f16.safetensors"]
    layouts.write_diffusers(tiny, folder, torch.float32, slow)
    layouts.write_diffusers(tiny, fp16, torch.float16, fast, sharded=True)
    layouts.write_single(tiny, singles[0], torch.float32)
    layouts.write_single(tiny, singles[1], torch.float16)
    layouts.verify(tiny, folder, singles)
    layouts.verify_variant(tiny, fp16)
    taesd = tiny_model.build_taesd(tiny_model.TINY.seed + 900)
    layouts.write_taesd(taesd, out / "tiny/taesd")

    odd, _, fast = make(tiny_model.ODD, options.clip, scratch)
    layouts.write_diffusers(odd, out / "odd/diffusers-fp16", torch.float16, fast)
    layouts.verify_variant(odd, out / "odd/diffusers-fp16")
    shutil.rmtree(scratch)

    references.write_all(tiny, taesd, odd, out)


if __name__ == "__main__":
    main()
