"""Captions as token numbers of a compact vocabulary: one row for each token that captions use, row 0 for any other."""
import random

import numpy as np

from second import dataset, scenes
from tokenizer import BOS, EOS, PAD1, PAD2, pair

LENGTH = 77


def vocabulary():
    """Every word and phrase that captions are made of."""
    words = ["a", "an", "and", "background", ",", *dataset.OBJECTS, *dataset.HUES, *dataset.NATURAL.values(),
             *dataset.SIZES, *dataset.PLACES.values(), *dataset.PREFIXES, *scenes.COLOURS, "on a", "on an"]
    return words + [phrase for phrases in dataset.SCENE_WORDS.values() for phrase in phrases]


class Words:
    def __init__(self, folder, rows=None):
        self.tok = pair(folder)[0]
        if rows is None:
            used = {i for text in vocabulary() for i in self.tok(text).input_ids} | {PAD2, BOS, EOS}
            used |= {i for word in dataset.OBJECTS for i in self.tok(word + ",").input_ids}
            rows = {token: k + 1 for k, token in enumerate(sorted(used))}
        self.rows, self.size = rows, len(rows) + 1
        self.bos, self.eos, self.pad1, self.pad2 = (rows[i] for i in (BOS, EOS, PAD1, PAD2))

    def ids(self, text):
        return [self.rows.get(i, 0) for i in self.tok(text).input_ids]

    def padded(self, ids):
        """(ids for the first encoder, ids for the second), LENGTH long each."""
        ids = ids if len(ids) <= LENGTH else ids[:LENGTH - 1] + [self.eos]
        rest = LENGTH - len(ids)
        return ids + [self.pad1] * rest, ids + [self.pad2] * rest

    def table(self, texts):
        """(N, 2, LENGTH) int64 for a list of prompts."""
        return np.array([self.padded(self.ids(t)) for t in texts])

    def captions(self, specs, each, seed):
        """(N, each, 2, LENGTH) int16: random captions of every spec; a tenth contains words that nobody taught."""
        rng, out, seen = random.Random(seed), np.empty((len(specs), each, 2, LENGTH), np.int16), {}
        for k, spec in enumerate(specs):
            for j in range(each):
                text = dataset.caption(spec, rng)
                if text not in seen:
                    seen[text] = self.ids(text)
                    if 0 in seen[text]:
                        raise ValueError(f"a word outside the vocabulary in {text!r}")
                ids = list(seen[text])
                if rng.random() < 0.1:
                    for _ in range(rng.randint(1, 4)):
                        ids.insert(rng.randint(1, len(ids) - 1), 0)
                out[k, j] = self.padded(ids)
        return out
