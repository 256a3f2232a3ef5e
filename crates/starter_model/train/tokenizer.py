"""CLIP's byte-pair tokenizer files, and the compact vocabulary used in training.

The merges are those that the engine has built in (``crates/sdxl/assets``).  Captions
use some sixty tokens; training keeps one embedding row for each of them and one row
for everything else, and the export spreads the rows over the full 49408.
"""
import json
import os
import random

from transformers import CLIPTokenizer

from dataset import Data, caption

MERGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../sdxl/assets/merges.txt")
BOS, EOS, PAD1, PAD2 = 49406, 49407, 49407, 0  # tokenizer 1 pads with EOS, tokenizer 2 with "!"


def _byte_symbols():
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    symbols, extra = {b: chr(b) for b in shown}, 0
    for b in range(256):
        if b not in symbols:
            symbols[b], extra = chr(256 + extra), extra + 1
    return list(symbols.values())


def write_files(folder):
    """Writes ``tokenizer`` and ``tokenizer_2`` under the folder."""
    with open(MERGES, encoding="utf-8") as f:
        merges = f.read().split("\n")[1:49152 - 256 - 2 + 1]
    base = _byte_symbols()
    vocab = base + [s + "</w>" for s in base] + ["".join(m.split()) for m in merges]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    assert len(vocab) == 49408
    for name, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        out = os.path.join(folder, name)
        os.makedirs(out, exist_ok=True)
        special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
                   "pad_token": pad}
        config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True,
                  "add_prefix_space": False, "errors": "replace", **special}
        with open(os.path.join(out, "vocab.json"), "w") as f:
            json.dump({t: i for i, t in enumerate(vocab)}, f, ensure_ascii=False)
        with open(os.path.join(out, "merges.txt"), "w") as f:
            f.write("#version: 0.2\n" + "\n".join(merges) + "\n")
        for file, content in (("tokenizer_config.json", config), ("special_tokens_map.json", special)):
            with open(os.path.join(out, file), "w") as f:
                json.dump(content, f, indent=1)


def pair(folder):
    """SDXL's two tokenizers, which the shipped weights leave out; written under the folder if need be."""
    if not os.path.exists(os.path.join(folder, "tokenizer", "vocab.json")):
        write_files(folder)
    return [CLIPTokenizer.from_pretrained(os.path.join(folder, name)) for name in ("tokenizer", "tokenizer_2")]


class Words:
    """Captions -> padded id tensors in the compact vocabulary (row 0: any other token)."""

    def __init__(self, folder, sprites=None, rows=None):
        self.tok = pair(folder)[0]
        self._cache = {}
        if rows is None:
            data, rng = Data(sprites), random.Random(0)
            texts = {caption(s, rng) for s in data.specs() + data.specs(True) for _ in range(30)}
            used = sorted({i for t in texts for i in self.tok(t).input_ids} | {PAD2, BOS, EOS})
            rows = {token: k + 1 for k, token in enumerate(used)}
        self.rows = rows
        self.size = len(rows) + 1
        self.bos, self.eos, self.pad1, self.pad2 = (rows[i] for i in (BOS, EOS, PAD1, PAD2))

    def ids(self, text):
        if text not in self._cache:
            self._cache[text] = [self.rows.get(i, 0) for i in self.tok(text).input_ids]
        return list(self._cache[text])

    def pad(self, ids, pad):
        ids = ids if len(ids) <= 77 else ids[:76] + [self.eos]
        return ids + [pad] * (77 - len(ids))
