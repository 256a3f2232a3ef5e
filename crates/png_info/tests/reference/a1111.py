"""A1111's parser for its text, written from its published algorithm, and its results for our texts.

    python a1111.py > ../fixtures/a1111.json     # generates the fixture
    python a1111.py --compare BINARY [COUNT]     # compares Infotext::parse on random texts, using the example `infotext`

The algorithm (modules/infotext_utils.py, `parse_generation_parameters`, and `quote`/`unquote`): the text is stripped
and split at line breaks. The last line contains the parameters if the expression below finds at least three pairs in
it. The other lines are stripped; those from a line that starts with `Negative prompt:` on are the negative prompt.
Values in quotes are JSON. Every pair is then set in the result, so a pair may replace the prompts. A1111 raises an
error for pairs without a value; here they are omitted. A1111 splits sizes in two; here they stay one value.

Needs only Python 3.
"""

import json
import random
import re
import subprocess
import sys

PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
NEGATIVE = "Negative prompt:"


def unquote(value):
    if value[0] != '"' or value[-1] != '"':
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def read(text):
    lines = text.strip().split("\n")
    pairs = PAIR.findall(lines[-1])
    if len(pairs) < 3:
        pairs = []
    else:
        lines.pop()
    sides = {False: "", True: ""}
    is_negative = False
    for line in (line.strip() for line in lines):
        if line.startswith(NEGATIVE):
            is_negative, line = True, line[len(NEGATIVE) :].strip()
        sides[is_negative] += ("\n" if sides[is_negative] else "") + line
    found = {"Prompt": sides[False], "Negative prompt": sides[True]}
    kept = []
    for key, value in pairs:
        if value == "":
            continue
        value = unquote(value)
        if key in found:
            found[key] = value
        else:
            kept.append([key, value])
    return {"prompt": found["Prompt"], "negative_prompt": found["Negative prompt"], "pairs": kept}


PIECES = [
    "a red car", ", ", ",", ": ", ":", "\n", "\n\n", "\r\n", '"', '\\', '\\"', '\\n', "Steps: 20", "Seed: 7", "Size: 832x1216",
    "Negative prompt:", "Negative prompt: ", "\nNegative prompt: rain", "(blue:1.2)", " ", "  ", "\t", "Sampler: Euler a",
    'Hires prompt: "a blue car, Seed: 7, Steps: 99"', "CFG scale: 7", "Model: x", "Version: v1.10.1", "é", "日本語", "🐉",
    "\nSteps: 30, Sampler: DPM++ 2M, Seed: 1", "Prompt: ", "a", "b", "-", "/", "a b-c/d: ", "_x: ", '""', "x: y", "1", "\x1c", "\u00a0",
    'Lora hashes: "a: 1, b: 2"', "\u2028", "Model", "{", "[", "<lora:x:1>", "Model: \"x\"", "]", "}", "'",
]


def some_text(chance, most):
    return "".join(chance.choice(PIECES) for _ in range(chance.randrange(most)))


def fixture():
    chance = random.Random(1111)
    texts = [some_text(chance, 14) for _ in range(300)]
    prompts = ["", "a red car", "Negative prompt: is the prompt", "Steps: 20, Sampler: Euler, Seed: 5"]
    prompts += [some_text(chance, 6) for _ in range(60)]
    made = [[chance.choice(prompts), chance.choice(prompts)] for _ in range(120)]
    return {"texts": [{"text": text, "read": read(text)} for text in texts], "prompts": made}


def compare(binary, count):
    chance = random.Random()
    for start in range(0, count, 1000):
        texts = [some_text(chance, 30) for _ in range(min(1000, count - start))]
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        out = subprocess.run([binary, "parse"], input=lines, capture_output=True, text=True, check=True).stdout
        for text, ours in zip(texts, out.rstrip("\n").split("\n"), strict=True):
            if json.loads(ours) != read(text):
                sys.exit(f"differs for {text!r}:\n  ours   {ours}\n  theirs {json.dumps(read(text))}")
        prompts = [[some_text(chance, 12), some_text(chance, 12)] for _ in texts]
        lines = "".join(json.dumps(pair) + "\n" for pair in prompts)
        out = subprocess.run([binary, "write"], input=lines, capture_output=True, text=True, check=True).stdout
        for pair, text in zip(prompts, out.rstrip("\n").split("\n"), strict=True):
            found = read(json.loads(text))
            if [found["prompt"], found["negative_prompt"]] != pair:
                sys.exit(f"{pair!r} is read back as {found!r} from {text}")
    print(f"{count} texts read alike, {count} pairs of prompts written and read back")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compare"]:
        compare(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 10_000)
    else:
        json.dump(fixture(), sys.stdout, ensure_ascii=False, indent=0)
        print()
