"""Token ids of unusual text with CLIP's real vocabulary: `python export_tokens.py --clip A --clip-2 B`.

`A` and `B` are an SDXL checkpoint's `tokenizer` and `tokenizer_2` folders. Writes `../fixtures/tokens.json`: for
each text the ids that transformers returns, with start and end, not padded and not truncated. The output is the same
in every run.
"""

import argparse
import json
import os
import unicodedata
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from transformers import CLIPTokenizer

HERE = Path(__file__).resolve().parent

TEXTS = [
    "",
    " ",
    "\n\t \r\n",
    "a red car on a yellow background",
    "A RED Car On A YELLOW Background",
    "8k!!",
    "8k!! masterpiece !!! best quality!",
    "!",
    "!!!!!!!!!!!!!!!!",
    "wow!a!b !c! d",
    "!\u0301 mark with an accent",
    "caf\u00e9 cr\u00e8me br\u00fbl\u00e9e na\u00efve \u00c5ngstr\u00f6m",
    unicodedata.normalize("NFD", "caf\u00e9 cr\u00e8me br\u00fbl\u00e9e na\u00efve \u00c5ngstr\u00f6m"),
    "\u1e9b\u0323 \ufb01ne \u2460 \uff21\uff22\uff23 \u00bd \u2122",
    "\u0130stanbul \u0131l\u0131k STRASSE stra\u00dfe \u1e9e",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03c3\u03c2\u03a3",
    "a cat \U0001f431 and a fox \U0001f98a\U0001f98a",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467 thumbs \U0001f44d\U0001f3fd flag \U0001f1e9\U0001f1ea heart \u2764\ufe0f",
    "\u732b\u304c\u597d\u304d\u3067\u3059\u3002\u65e5\u672c\u306e\u5bcc\u58eb\u5c71",
    "\u4e00\u53ea\u7ea2\u8272\u7684\u72d0\u72f8\uff0c\u5750\u5728\u96ea\u5730\u91cc",
    "\ud55c\uad6d\uc5b4 \uace0\uc591\uc774",
    unicodedata.normalize("NFD", "\ud55c\uad6d\uc5b4 \uace0\uc591\uc774"),
    "\u0642\u0637\u0629 \u062d\u0645\u0631\u0627\u0621 \u0639\u0644\u0649 \u0627\u0644\u0633\u0637\u062d",
    "\u05d7\u05ea\u05d5\u05dc \u05d0\u05d3\u05d5\u05dd \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",
    "\u202ereversed\u202c and \u200fmarks\u200e",
    "\u0e41\u0e21\u0e27\u0e2a\u0e35\u0e41\u0e14\u0e07 \u0939\u093f\u0928\u094d\u0926\u0940 \u0ba4\u0bae\u0bbf\u0bb4\u0bcd",
    "\u041a\u0440\u0430\u0441\u043d\u0430\u044f \u0448\u0430\u043f\u043a\u0430, \u0439\u0451\u0436",
    "Z\u0351\u036b\u0343\u036a\u0302a\u0334\u0321l\u0358\u035cg\u0340o\u0335",
    "donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft",
    "pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism",
    "a" * 120,
    "xqzjvkwpfgh" * 6,
    "(word:1.2), ((word)), [word], {word}, \\(literal\\)",
    "<lora:name:0.8> <b>bold</b>",
    "it's we're they've I'll I'm he'd don't can't 'S 'RE",
    "\u201ccurly\u201d \u2018quotes\u2019 it\u2019s \u00abguillemets\u00bb",
    "fish &amp; chips &lt;tag&gt; &#39;quoted&#39; &eacute;",
    "\u00c3\u00a9 mojibake \u00e2\u0080\u0099 stays",
    "tabs\tand\nnew\r\nlines   and     runs",
    "no\u00a0break \u2003em \u3000ideographic \u200bzero\u2009thin \u2028line \u2029para \u0085nel",
    "null\x00 bell\x07 esc\x1b[31m del\x7f unit\x1f sep\x1c",
    "\ufeffbom at the start",
    "\ufffd replacement \ue000 private \U0010ffff last",
    "soft\u00adhyphen word\u2060joiner",
    "1234567890 3.14159 1,000,000 2024-06-01 12:34:56",
    "\u0661\u0662\u0663 \u096a\u096b\u096c \u00b2\u00b3 \u2163 \u2168",
    "f/1.8, 35mm, iso100, 4k, 1920x1080, 50% #hashtag @someone $5 \u20ac10",
    "a-b_c/d\\e|f~g`h^i*j+k=l",
    "... --- ,,, ;;; ??? !?!? \u2026 \u2014 \u2013",
    ":) :-( ^_^ \u00af\\_(\u30c4)_/\u00af",
    "<|endoftext|>",
    "<|startoftext|>",
    "before <|endoftext|> after",
    "before<|startoftext|>after<|endoftext|><|endoftext|>",
    "<|ENDOFTEXT|> <|EndOfText|>",
    "< |endoftext| >",
    "a, b, c, d, e. f; g: h",
    " leading and trailing ",
    "https://example.com/a?b=c&d=e#f",
    "\u2580\u2584\u2588 \u2192\u2190\u2191\u2193 \u2200x\u2208\u211d: x\u00b2\u22650",
    "\U0001d54f\U0001d550 \U0001f170\ufe0f \U00020000\U0002a6d6",
    "\u01c5 \u01f2 \u1d00 \ua64b \u10d0 \u13a0 \uab70",
    "portrait of a woman, highly detailed, digital painting, artstation, concept art, smooth, sharp focus",
    ", ".join(f"the {n}th red fox in deep snow" for n in range(1, 31)),
    "!".join(["8k"] * 60),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--clip-2", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE.parent / "fixtures/tokens.json")
    options = parser.parse_args()
    first = CLIPTokenizer.from_pretrained(options.clip)
    second = CLIPTokenizer.from_pretrained(options.clip_2)
    if (first.pad_token_id, second.pad_token_id) != (49407, 0):
        raise SystemExit(f"pads are {first.pad_token_id} and {second.pad_token_id}, not SDXL's 49407 and 0")
    cases = []
    for text in TEXTS:
        ids_1, ids_2 = first(text).input_ids, second(text).input_ids
        case = {"text": text, "ids_1": ids_1}
        if ids_2 != ids_1:
            case["ids_2"] = ids_2
        cases.append(case)
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, separators=(",", ":")) for case in cases)
    note = "ids_2, the second tokenizer's, only where it differs; padding: 49407 and 0, to 77"
    options.out.write_text(f'{{"note":{json.dumps(note)},"cases":[\n{lines}\n]}}\n')
    print(f"{len(cases)} texts, {sum('ids_2' in c for c in cases)} on which the two differ")


if __name__ == "__main__":
    main()
