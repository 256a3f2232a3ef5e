"""Exports what A1111's own prompt parser makes of 200 prompts.

    pip install lark==1.3.1
    python export_a1111.py PATH_TO_A_COPY_OF_A1111/modules > a1111.json

It runs `prompt_parser.py` of AUTOMATIC1111/stable-diffusion-webui (1.10; Forge's is the same) and repeats the rules of
`extra_networks.py` and `extra_networks_lora.py`, which cannot be imported alone. Only values are stored.

Left out: brackets followed by brackets that match nothing (see src/schedule.rs), and `BREAK` in brackets (see
src/emphasis.rs). In both, Emberline differs on purpose.
"""

import json
import random
import re
import sys
import types

sys.modules.setdefault("torch", types.ModuleType("torch"))
sys.path.insert(0, sys.argv[1])
import prompt_parser  # noqa: E402

WRITTEN = [
    # The docstring of A1111's get_learned_conditioning_prompt_schedules.
    "test", "a [b:3]", "a [b: 3]", "a [[[b]]:2]", "[(a:2):3]", "a [b : c : 1] d", "a[b:[c:d:2]:1]e", "a [unbalanced",
    "a [b:.5] c", "a [{b|d{:.5] c", "((a][:b:c [d:3]", "[a|(b:1.1)]", "[fe|]male", "[fe|||]male", "a [b:1.5] c",
    "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6]"
    "[ in background:0.25] [shoddy:masterful:0.5]",
    # Numbers.
    "[a:b:0.0]", "[a:b:0]", "[a:b:1]", "[a:b:1.0]", "[a:b:0.99]", "[a:b:0.29]", "[a:b:-1]", "[a:b:-0.5]", "[a:b:+2]",
    "[a:b:1e1]", "[a:b:5e-1]", "[a:b:2.5e-1]", "[a:b:7.]", "[a:b:.25]", "[a:b:100]", "[a:b:19]", "[a:b:20]",
    "[a:b:0.5 ]", "[a:b: 0.5 ]", "[a:b:\n5\t]", "[a:b:5x]", "[a:b:x5]", "[a:b:]", "[a:b:1.2.3]", "[a:b:- 5]",
    # Forms.
    "[a:0.5]", "[a::0.5]", "[:a:0.5]", "[::5]", "[:5]", "[:0.5]", "[a:b]", "[a:b:c]", "[a:b:c:5]", "[a: b c]",
    "(a:b:0.5)", "(a|b)", "a|b", "a:b:0.5", "[a]", "[[a]]", "(a)", "(a:1.2)", "[(word:1.3)]", "[a (b:0.5] c)",
    "[x [a:b] y:5]", "[10:30]", "[16:9]", "[a clock at 10:30]", "[2024:10]", "[]", "[|]", "[||]", "[a|]", "[|a]",
    "[a|b|c|d]", "[a|b:0.5]", "[a:b|c:0.5]", "[[a|b]:c:0.5]", "[[a:b:5]|c]", "[a|[b|c]]", "[[a|b]|[c|d|e]]",
    "([a:b:5]:1.2)", "[(a:1.1)|(b:0.9)]", "[a:(b:1.5):0.5]", "[a:[b:[c:d:15]:10]:5]", "[[[a:b:3]:c:6]:d:9]",
    "[a:b:5][c:d:10]", "[a|b][c|d|e]", "[a:b:5] [c|d]", "a [b|c] d [e:f:0.25] g",
    # Escapes.
    r"\[a:b:0.5\]", r"\[a|b\]", r"[a\:0.5]", r"[a\|b]", r"[a\]:b:5]", r"[a\[:b:5]", r"(a\):1.2)", r"a\\ [b:5]", "a\\",
    "[a:5] \\\nb", r"\(literal\)", r"\d [a:5]",
    # AND.
    "a AND b", "a AND b :0.5", "a:1.2 AND b AND c:2.2", "a :1.2 AND b:-0.5", "a AND", "AND a", "AND", "a ANDb", "BAND",
    "a AND AND b", "a\nAND\nb :2.\n", "a AND a", "a:1 AND a:2", "[a AND b:5]", "(a AND b:1.2)", "a AND b:+.5  ",
    "a cat :1.2", "12:30", "a:1:2", "a: :3", ":0.5", "a:1e3", "a:0.5.1", "a:5)", "a :", "and And", "_AND_ AND1",
    "[cat|dog] AND [sun:moon:0.5] :0.8", "a AND\tb : 0.25",
    # Emphasis.
    "an (important) word", "(unbalanced", r"\(literal\]", "(unnecessary)(parens)",
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", "a) b] c", "(a:b)", "(a: -1.5 )", r"back\slash \\", "()",
    "((a:1.1) b:1.2)", "[[a] b]", "(a:0)", "(a:.5)", "(a:1.)", "([a])", "",
    # BREAK.
    "a BREAK b", "a,BREAK,b", "BREAK", "a BREAK BREAK b", "BREAKFAST _BREAK", "[a:b:5] BREAK c", "a BREAK b AND c",
    # Tags.
    "<lora:x>", "<lora:x:0.8>", "<lora:x:0.8:0.5>", "a <lora:x:te=0.5> b", "<lora:x:unet=0.7>", "<lora:x:0.9:unet=0.1>",
    "<lora:x:te=0.3:unet=0.6>", "(a <lora:x:1>:1.2)", "<lora:a:1> <lora:b:-0.5>", "<lyco:y:0.4>", "<hypernet:z:0.5> a",
    "<segm:x> a", "<lora:two words:1>", "<b>bold</b>", "1 < 2 : 3 > 2", "<lora:x", "<lora:>", "[a:<lora:x:1>b:5]",
    "[<lora:x:1>:5]", "a <lora:x:1> AND b :0.5", "龍 [火|水] <lora:龍:0.5>",
]

WORDS = ["cat", "red dog", "a ", " b", "1girl", "龍", "x, y", "8k!!", "BREAK ", "it's", "\n"]


def balanced(rng, depth):
    """A random text in which every bracket is matched."""
    kind = rng.randrange(8) if depth else 0
    inner = lambda: balanced(rng, depth - 1)
    when = rng.choice(["3", "0.5", " 7", "0.25 ", "12", ".8", "-1", "1."])
    bracket = {
        2: lambda: f"[{inner()}:{inner()}:{when}]", 3: lambda: f"[{inner()}:{when}]", 4: lambda: f"[{inner()}::{when}]",
        5: lambda: "[" + "|".join(inner() for _ in range(rng.randint(2, 4))) + "]", 6: lambda: f"({inner()}:1.3)",
        7: lambda: rng.choice([f"({inner()})", f"[{inner()}]"]),
    }.get(kind, lambda: rng.choice([word for word in WORDS if depth == 3 or "BREAK" not in word]))()
    return bracket + (balanced(rng, depth - 1) if depth and rng.random() < 0.6 else "")


def networks(prompt):
    """extra_networks.parse_prompt, and ExtraNetworkLora.activate for tags of LoRA files."""
    loras = []

    def found(match):
        kind, items = match.group(1), match.group(2).split(":")
        if kind in ("lora", "lyco"):
            named = dict(item.split("=", 2) for item in items if item.count("=") == 1)
            positional = [item for item in items if item.count("=") != 1]
            te = float(positional[1]) if len(positional) > 1 else 1.0
            te = float(named.get("te", te))
            unet = float(positional[2]) if len(positional) > 2 else te
            loras.append([positional[0], te, float(named.get("unet", unet))])
        return ""

    return re.sub(r"<(\w+):([^>]+)>", found, prompt), loras


def case(prompt, steps):
    text, loras = networks(prompt)
    indexes, flat, _ = prompt_parser.get_multicond_prompt_list([text])
    schedules = prompt_parser.get_learned_conditioning_prompt_schedules(flat, steps)
    texts = dict.fromkeys(text for schedule in schedules for _, text in schedule)
    attention = prompt_parser.parse_prompt_attention
    return {
        "prompt": prompt, "steps": steps, "loras": loras,
        "parts": [[weight, schedules[index]] for index, weight in indexes[0]],
        "emphasis": [[text, attention(text)] for text in list(texts)[:2] if not re.search(r"[\[(].*\bBREAK", text, re.S)],
    }


def main():
    rng, prompts = random.Random(1), list(WRITTEN)
    while len(prompts) < 200 + 20:
        prompt = balanced(rng, 3)
        if 8 < len(prompt) < 120 and prompt not in prompts:
            prompts.append(prompt)
    json.dump([case(prompt, 20 if len(prompt) < 40 else 7) for prompt in prompts], sys.stdout, ensure_ascii=False,
              separators=(",", ":"))
    print(f"{len(prompts)} prompts", file=sys.stderr)


main()
