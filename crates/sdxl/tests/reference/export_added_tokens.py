"""Tokenizers with added tokens, and text encoders with rows for them: `python export_added_tokens.py`.

Writes `../fixtures/added_tokens.json` and `../fixtures/large_tables.json`. Needs only `../fixtures/tiny`. The output
is the same in every run.

added_tokens.json: tokenizer folders and the ids that transformers returns for some texts, with start and end, not
padded and not truncated. A folder is given by `base` (`vocab`: vocab.json and merges.txt of
tiny/diffusers/tokenizer; `json`: tokenizer.json of tiny/diffusers-fp16/tokenizer with the keys of `patch` replaced)
and `files`.

large_tables.json: pooled embeddings of the tiny model's second encoder with more rows in its token embedding than
CLIP has words. A new row `r` has the value ((31 r + 17 c) mod 257 - 128) / 64 in column `c`. `single`: 49,410 rows
and CLIP's own tokenizer, as for a single file. `folder`: 578 rows and the tiny tokenizer with two added tokens.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
NAMED = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}


def token(content, **flags):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False} | flags
    return {"content": content, **flags}


def listed(*tokens):
    """tokenizer.json's `added_tokens`: CLIP's two and the given ones."""
    own = [token("<|startoftext|>", special=True), token("<|endoftext|>", special=True)]
    return [{"id": 574 + i, **entry} for i, entry in enumerate([*own, *tokens])]


def decoder(*tokens, first=576):
    own = {"574": token("<|startoftext|>", special=True), "575": token("<|endoftext|>", special=True)}
    return own | {str(first + i): entry for i, entry in enumerate(tokens)}


TEXTS = [
    "a <cat-toy> on a <Fox>",
    "a <CAT-TOY>, <fox>",
    "a<cat-toy>b  <cat-toy>  c<Fox>d <Fox> e",
    "sks dog, asksb, SKS, sks.",
    "<cat-toy><cat-toy>",
    "caf\u00e9 cafe\u0301 na\u00efve",
    "8k!! wow! <|endoftext|> end",
    "<|ENDOFTEXT|> <|startoftext|>",
    "<red hat> and <red  hat>",
    " <cat-toy> ",
]
FLAGS = [
    token("<cat-toy>", lstrip=True),
    token("<Fox>", rstrip=True, normalized=True),
    token("sks", single_word=True, normalized=True),
    token("caf\u00e9", normalized=True),
    token("<red hat>", special=True),
]
OLD = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
FOLDERS = [
    ("legacy file", "vocab", {}, {
        "tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>"},
        "special_tokens_map.json": NAMED | {"pad_token": "<|endoftext|>"},
        "added_tokens.json": {"<Fox>": 577, "<cat-toy>": 576},
    }),
    ("legacy file of the second encoder", "vocab", {}, {
        "tokenizer_config.json": NAMED | {"pad_token": "!"},
        "special_tokens_map.json": NAMED | {"pad_token": "!", "additional_special_tokens": ["<Fox>"]},
        "added_tokens.json": {"<Fox>": 577, "<cat-toy>": 576},
    }),
    ("legacy file alone", "vocab", {}, {"added_tokens.json": {"<cat-toy>": 576, "sks": 577}}),
    ("legacy ids with a gap", "vocab", {}, {"added_tokens.json": {"<cat-toy>": 580, "<Fox>": 590}}),
    ("the old form of SDXL's own files", "vocab", {}, {
        "tokenizer_config.json": {key: OLD | {"content": value} for key, value in NAMED.items()} | {"pad_token": "!"},
        "special_tokens_map.json": {
            key: {"content": value, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
            for key, value in NAMED.items()
        } | {"pad_token": "!"},
    }),
    ("the map overrides the config", "vocab", {}, {
        "tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>"},
        "special_tokens_map.json": NAMED | {"pad_token": "!", "mask_token": "<cat-toy>"},
    }),
    ("flags in the config", "vocab", {}, {
        "tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>", "added_tokens_decoder": decoder(*FLAGS)},
    }),
    ("flags in the config of the second encoder", "vocab", {}, {
        "tokenizer_config.json": NAMED | {
            "pad_token": "!",
            "added_tokens_decoder": {"0": token("!", special=True)} | decoder(*FLAGS),
        },
    }),
    ("the config's table hides the other files", "vocab", {}, {
        "tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>", "added_tokens_decoder": decoder(FLAGS[0])},
        "special_tokens_map.json": NAMED | {"pad_token": "!"},
        "added_tokens.json": {"<Fox>": 576, "sks": 577},
    }),
    ("extra special tokens", "vocab", {}, {
        "tokenizer_config.json": NAMED | {"pad_token": "!", "additional_special_tokens": ["<cat-toy>", "sks"]},
    }),
    ("special tokens are split", "vocab", {}, {
        "tokenizer_config.json": NAMED | {
            "pad_token": "<|endoftext|>",
            "split_special_tokens": True,
            "additional_special_tokens": ["<red hat>"],
        },
        "added_tokens.json": {"<red hat>": 576, "<cat-toy>": 577},
    }),
    ("tokenizer.json", "json", {"added_tokens": listed(*FLAGS)}, {
        "tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>"},
    }),
    ("tokenizer.json of the second encoder", "json", {"added_tokens": listed(*FLAGS)}, {
        "tokenizer_config.json": NAMED | {"pad_token": "!"},
    }),
    ("tokenizer.json alone", "json", {"added_tokens": listed(FLAGS[2])}, {}),
    ("tokenizer.json with the legacy file", "json", {"added_tokens": listed(FLAGS[0])}, {
        "tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>"},
        "added_tokens.json": {"<cat-toy>": 576, "<Fox>": 577},
    }),
    ("the config's table hides tokenizer.json's", "json", {"added_tokens": listed(FLAGS[1], FLAGS[2])}, {
        "tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>", "added_tokens_decoder": decoder(FLAGS[0])},
    }),
    ("left truncated and padded by a training script", "json", {
        "added_tokens": listed(FLAGS[0]),
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 575, "pad_type_id": 0, "pad_token": "<|endoftext|>",
        },
    }, {"tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>"}}),
    ("another pipeline in the file", "json", {"added_tokens": listed(), "normalizer": None}, {
        "tokenizer_config.json": NAMED | {"pad_token": "<|endoftext|>"},
    }),
]


def make_folder(target: Path, base: str, patch: dict, files: dict):
    if base == "vocab":
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(FIXTURES / "tiny/diffusers/tokenizer" / name, target / name)
    else:
        text = (FIXTURES / "tiny/diffusers-fp16/tokenizer/tokenizer.json").read_text(encoding="utf-8")
        (target / "tokenizer.json").write_text(json.dumps(json.loads(text) | patch), encoding="utf-8")
    for name, content in files.items():
        (target / name).write_text(json.dumps(content), encoding="utf-8")


def tokenizers():
    for name, base, patch, files in FOLDERS:
        with tempfile.TemporaryDirectory() as folder:
            make_folder(Path(folder), base, patch, files)
            tokenizer = CLIPTokenizer.from_pretrained(folder)
            ids = [tokenizer(text).input_ids for text in TEXTS]
            yield {"name": name, "base": base, "patch": patch, "files": files, "pad": tokenizer.pad_token_id, "ids": ids}


def clip_tokenizer(target: Path):
    """CLIP's own tokenizer from the merges in Emberline's assets."""
    lines = (HERE.parents[1] / "assets/merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [line for line in lines if not line.startswith("#version")]
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    characters = [chr(byte) for byte in printable] + [chr(0x100 + n) for n in range(256 - len(printable))]
    words = characters + [c + "</w>" for c in characters] + [merge.replace(" ", "") for merge in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (target / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}), encoding="utf-8")
    (target / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    (target / "tokenizer_config.json").write_text(json.dumps(NAMED | {"pad_token": "!"}))


def encoder(rows: int, eos: int) -> CLIPTextModelWithProjection:
    """The tiny model's second encoder with `rows` rows in its token embedding."""
    source = FIXTURES / "tiny/diffusers/text_encoder_2"
    config = json.loads((source / "config.json").read_text()) | {"vocab_size": rows, "eos_token_id": eos}
    weights = load_file(source / "model.safetensors")
    (name,) = [name for name in weights if name.endswith("token_embedding.weight")]
    table = weights[name]
    r, c = torch.arange(len(table), rows)[:, None], torch.arange(table.shape[1])[None, :]
    weights[name] = torch.cat([table, ((31 * r + 17 * c) % 257 - 128) / 64])
    model = CLIPTextModelWithProjection(CLIPTextConfig(**config))
    plain = {key.removeprefix("text_model."): value for key, value in weights.items()}
    for prefix in ("", "text_model."):
        named = {key if key == "text_projection.weight" else prefix + key: value for key, value in plain.items()}
        if set(named) - {"text_model.embeddings.position_ids"} >= set(model.state_dict()):
            model.load_state_dict(named, strict=False)
            return model.eval()
    raise SystemExit(f"the model has {sorted(model.state_dict())[:3]}, the file {sorted(weights)[:3]}")


def pooled(model, tokenizer, text):
    ids = tokenizer(text, padding="max_length", max_length=77).input_ids
    with torch.no_grad():
        return ids, model(torch.tensor([ids])).text_embeds[0].tolist()


def large_tables():
    """With eos_token_id 2 transformers pools at the highest id, which is the end if a text has no added token."""
    with tempfile.TemporaryDirectory() as folder:
        clip_tokenizer(Path(folder))
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        texts = ["a red fox", "", "two cats !! in the rain", "a cat <|endoftext|> a dog"]
        models = [encoder(49410, eos) for eos in (2, 49407)]
        yield "single", list(cases(tokenizer, models, texts, ()))
    with tempfile.TemporaryDirectory() as folder:
        files = {"tokenizer_config.json": NAMED | {"pad_token": "!"}, "added_tokens.json": ADDED}
        make_folder(Path(folder), "vocab", {}, files)
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        models = [encoder(578, eos) for eos in (2, 575)]
        added = ["a <cat-toy> on a red mat", "<fox>"]
        yield "folder", list(cases(tokenizer, models, ["a red fox", "", *added], added))


ADDED = {"<cat-toy>": 576, "<fox>": 577}


def cases(tokenizer, models, texts, added):
    legacy, named = models
    for text in texts:
        ids, expected = pooled(named, tokenizer, text)
        if text in added:
            if not max(ids) > tokenizer.eos_token_id:
                raise SystemExit(f"{text!r} has no added token")
        elif pooled(legacy, tokenizer, text)[1] != expected:
            raise SystemExit(f"eos_token_id 2 pools {text!r} elsewhere")
        yield {"text": text, "ids": ids[: ids.index(tokenizer.eos_token_id) + 1], "pooled": expected}


def lines(values):
    return ",\n".join(json.dumps(value, ensure_ascii=True, separators=(",", ":")) for value in values)


def main():
    texts = json.dumps(TEXTS, ensure_ascii=True)
    folders = list(tokenizers())
    (FIXTURES / "added_tokens.json").write_text(f'{{"texts":{texts},"folders":[\n{lines(folders)}\n]}}\n')
    tables = ",\n".join(f'"{name}":[\n{lines(values)}\n]' for name, values in large_tables())
    (FIXTURES / "large_tables.json").write_text(f'{{"added":{json.dumps(ADDED)},\n{tables}}}\n')
    print(f"{len(folders)} folders, {len(TEXTS)} texts each")


if __name__ == "__main__":
    main()
