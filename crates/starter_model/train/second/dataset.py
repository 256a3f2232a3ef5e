"""The second edition's pictures and prompts: one or two things, with a place and a size, on a colour or in a scene.

A picture is described by ``Spec(things, place, size, bg)``: ``things`` is one or two ``(object, colour)`` pairs, where
the colour is ``None`` for the artwork's own; ``place`` and ``size`` are words of the prompt, or ``None`` where the
prompt does not say and the picture is free. About a ninth of the (object, background) pairs, of the (object, place)
pairs and of the ordered pairs of two things are never shown in training; they measure composition.
"""
import hashlib
from collections import namedtuple

import numpy as np
from PIL import Image, ImageDraw

from dataset import HUES, recolor  # the first edition's colours
from second.pen import FULL, OVER, SIZE
from second.scenes import COLOURS, GROUND, SCENES, draw

# word of the prompt -> icon in the package
OBJECTS = {
    "apple": "red-apple", "banana": "banana", "strawberry": "strawberry", "grapes": "grapes", "mushroom": "mushroom",
    "hamburger": "hamburger", "heart": "red-heart", "star": "star", "sunflower": "sunflower", "tulip": "tulip",
    "cactus": "cactus", "tree": "evergreen-tree", "cat": "cat", "dog": "dog", "frog": "frog", "penguin": "penguin",
    "fish": "tropical-fish", "butterfly": "butterfly", "car": "automobile", "rocket": "rocket", "house": "house",
    "balloon": "balloon", "crown": "crown", "robot": "robot",
    "rabbit": "rabbit", "fox": "fox", "panda": "panda", "owl": "owl", "pig": "pig", "elephant": "elephant",
    "turtle": "turtle", "snail": "snail", "ladybug": "lady-beetle", "whale": "spouting-whale", "octopus": "octopus",
    "dinosaur": "sauropod", "cake": "birthday-cake", "pumpkin": "jack-o-lantern", "boat": "sailboat", "bus": "bus",
    "airplane": "airplane", "ghost": "ghost", "snowman": "snowman-without-snow", "umbrella": "umbrella",
}
RECOLORABLE = ("heart", "star", "car", "balloon", "fish", "butterfly", "rocket", "umbrella")
NATURAL = {"apple": "red", "banana": "yellow", "strawberry": "red", "grapes": "purple", "cactus": "green",
           "tree": "green", "frog": "green", "crown": "yellow", "pumpkin": "orange"}
PAIRED = ("cat", "dog", "frog", "penguin", "rabbit", "fish", "butterfly", "car", "house", "tree", "robot", "balloon",
          "apple", "star", "ghost", "snowman")
FLYING = ("butterfly", "rocket", "balloon", "heart", "star", "ladybug", "airplane", "ghost", "umbrella", "crown", "owl")
UPRIGHT = ("house", "car", "bus", "tree", "snowman", "boat")  # turned less
UNCOUNTED = ("grapes",)
PLACES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom",
          "middle": "in the middle"}
SIZES = {"small": (34, 44), "big": (82, 98)}  # pixels, the longer side
FREE = (44, 92)
SCENE_WORDS = {"meadow": ("in a meadow", "on a meadow", "in the meadow"), "beach": ("on a beach", "at the beach"),
               "night sky": ("in the night sky", "at night"), "city": ("in a city", "in the city"),
               "snow": ("in the snow", "in snow"), "desert": ("in a desert", "in the desert"),
               "forest": ("in a forest", "in the forest"), "under water": ("under water", "underwater")}
PREFIXES = ("a picture of ", "a drawing of ", "an image of ")
Spec = namedtuple("Spec", "things place size bg")
Placed = namedtuple("Placed", "x y side turn mirror")  # centre and longer side in pixels of the finished picture


def _ninth(text):
    return int(hashlib.md5(text.encode()).hexdigest(), 16) % 9 == 0


def held_out(spec):
    """Why the spec is kept out of training (``background``, ``place``, ``two``), or None."""
    names = [name for name, _ in spec.things]
    if len(names) == 2:
        return "two" if _ninth("|".join(names)) else None
    if spec.bg != "white" and _ninth(f"{names[0]}|{spec.bg}"):
        return "background"
    return "place" if spec.place and _ninth(f"{names[0]}|{spec.place}") else None


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def phrase(thing, size=None, natural=False):
    """'a small green car', 'grapes', 'an apple'."""
    name, colour = thing
    colour = colour or (NATURAL.get(name) if natural else None)
    words = " ".join(w for w in (size, colour, name) if w)
    return words if name in UNCOUNTED else article(words)


def background(bg):
    return SCENE_WORDS[bg][0] if bg in SCENES else f"on {article(bg)} background"


def prompt(spec):
    """The canonical prompt of a spec: 'a small red car on the left in a meadow'."""
    words = [" and ".join(phrase(t, spec.size) for t in spec.things)]
    if spec.place:
        words.append(PLACES[spec.place])
    return " ".join([*words, background(spec.bg)])


def caption(spec, rng):
    """A random training caption; without a background phrase the picture is on white."""
    words = " and ".join(phrase(t, spec.size, rng.random() < 0.15) for t in spec.things)
    if rng.random() < 0.1:
        words = rng.choice(PREFIXES) + words
    place = PLACES.get(spec.place)
    if spec.bg in SCENES:
        where = rng.choice((SCENE_WORDS[spec.bg][0], *SCENE_WORDS[spec.bg]))
    else:
        where = f"on {article(spec.bg)} background"
        where = rng.choice((where, where, f"{spec.bg} background"))
        if spec.bg == "white" and rng.random() < 0.4:
            return f"{words} {place}" if place else words
    joint = ", " if where.endswith(" background") and not where.startswith("on") else rng.choice((" ", " ", " ", ", "))
    if not place:
        return words + joint + where
    order = rng.random()
    if order < 0.6:
        return f"{words} {place}{joint}{where}"
    if order < 0.85 or joint == ", ":
        return f"{words}{joint}{where}, {place}"
    return f"{where}, {words} {place}"


def between(rng, low, high):
    """A number between the two, or their mean where they are the wrong way round."""
    return rng.uniform(low, high) if low < high else (low + high) / 2


class Data:
    """Composes pictures from the sprites; everything is driven by the given rng."""

    def __init__(self, path):
        z = np.load(path)
        self.sprites = {n: a for n, a in zip(z["name"].tolist(), z["rgba"])}
        self.objects = list(self.sprites)
        self._cache = {}

    def sprite(self, name, colour=None):
        """The object's sprite, (160, 160, 4) uint8, recoloured if asked for."""
        if colour is None:
            return self.sprites[name]
        if (name, colour) not in self._cache:
            self._cache[name, colour] = recolor(self.sprites[name], colour)
        return self._cache[name, colour]

    def area(self, name):
        """Share of the sprite's square that the object covers."""
        return float((self.sprites[name][..., 3] / 255).mean())

    def random_spec(self, rng, held=False):
        """A spec of the training split, or of the held-out one."""
        while True:
            bg = rng.choice(list(SCENES)) if rng.random() < 0.6 else rng.choice(list(COLOURS))
            two = rng.random() < 0.15
            names = rng.sample(PAIRED, 2) if two else [rng.choice(self.objects)]
            things = tuple((n, rng.choice([c for c in HUES if c != bg]) if n in RECOLORABLE and rng.random() < (
                0.25 if two else 0.65) else None) for n in names)
            place = rng.choice(list(PLACES)) if not two and rng.random() < 0.55 else None
            size = rng.choice(list(SIZES)) if not two and rng.random() < 0.45 else None
            spec = Spec(things, place, size, bg)
            if bool(held_out(spec)) == held:
                return spec

    def place(self, spec, rng):
        """Where each thing is put: a list of Placed."""
        out = []
        low, high = SIZES[spec.size] if spec.size else (42, 58) if len(spec.things) == 2 else FREE
        for k, (name, _) in enumerate(spec.things):
            side = rng.uniform(low, high)
            alpha = self.sprites[name][..., 3] > 127
            rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
            half_w = side * (columns[-1] - columns[0]) / 2 / alpha.shape[0]
            half_h = side * (rows[-1] - rows[0]) / 2 / alpha.shape[0]
            x, y = self._centre(spec, name, k, half_w, half_h, rng)
            turn = rng.uniform(-4, 4) if name in UPRIGHT else rng.uniform(-9, 9)
            out.append(Placed(x, y, side, turn, rng.random() < 0.5))
        return out

    @staticmethod
    def _centre(spec, name, k, half_w, half_h, rng):
        edge_x, edge_y = half_w + 1, half_h + 1  # all of it is in the picture
        inside = (between(rng, edge_x, SIZE - edge_x), between(rng, edge_y, SIZE - edge_y))
        side = ("left", "right")[k] if len(spec.things) == 2 else spec.place
        if side == "middle":
            return rng.uniform(0.46, 0.54) * SIZE, rng.uniform(0.46, 0.54) * SIZE
        x = inside[0]
        if side in ("left", "right"):
            x = max(rng.uniform(0.2, 0.3) * SIZE, edge_x)
            x = SIZE - x if side == "right" else x
        elif side in ("top", "bottom"):
            x = rng.uniform(0.38, 0.62) * SIZE
        if side == "top":
            return x, max(rng.uniform(0.2, 0.3) * SIZE, edge_y)
        if side == "bottom":
            return x, SIZE - max(rng.uniform(0.2, 0.3) * SIZE, edge_y)
        if spec.bg in GROUND and name not in FLYING:
            return x, rng.uniform(*GROUND[spec.bg]) * SIZE - half_h
        if side is None:
            return x, inside[1]
        return x, min(max(rng.uniform(0.4, 0.6) * SIZE, edge_y), SIZE - edge_y)

    def compose(self, spec, rng, labels=False):
        """RGB uint8 (128, 128, 3); with labels also int64 (32, 32): object number, or -1 for background."""
        image = draw(spec.bg, rng)
        label = np.full((32, 32), -1)
        for (name, colour), at in zip(spec.things, self.place(spec, rng)):
            sprite = self._transformed(self.sprite(name, colour), at)
            corner = (round(at.x * OVER - sprite.width / 2), round(at.y * OVER - sprite.height / 2))
            if spec.bg in GROUND and name not in FLYING and spec.place not in ("top", "middle"):
                _shadow(image, sprite, corner)
            image.paste(sprite, corner, sprite)
            if labels:
                mask = Image.new("L", image.size)
                mask.paste(sprite.getchannel("A"), corner)
                label[np.asarray(mask.resize((32, 32), Image.BOX)) > 127] = self.objects.index(name)
        image = np.asarray(image.resize((SIZE, SIZE), Image.BOX))
        return (image, label) if labels else image

    @staticmethod
    def _transformed(rgba, at):
        image = Image.fromarray(rgba)
        if at.mirror:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
        image = image.rotate(at.turn, Image.BICUBIC, expand=True)
        n = at.side * OVER / rgba.shape[0]
        return image.resize((round(image.width * n), round(image.height * n)), Image.LANCZOS)


def _shadow(image, sprite, corner):
    """A soft flat shadow under the thing's feet."""
    x0, _, x1, y1 = sprite.getchannel("A").getbbox()
    wide, foot = x1 - x0, corner[1] + y1
    veil = Image.new("L", (FULL, FULL))
    middle, tall = corner[0] + (x0 + x1) / 2, max(6, wide * 0.07)
    box = (middle - wide * 0.46, foot - tall * 1.5, middle + wide * 0.46, foot + tall * 0.5)
    ImageDraw.Draw(veil).ellipse(box, fill=60)
    image.paste(Image.new("RGB", image.size, (20, 30, 50)), (0, 0), veil)
