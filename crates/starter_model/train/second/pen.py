"""Flat drawing in fractions of the picture's side, with colours that vary a little."""
import math

import numpy as np
from PIL import Image, ImageDraw

SIZE, OVER = 128, 2  # pictures are drawn at twice their size, then reduced
FULL = SIZE * OVER


def tone(rng, colour, spread=7):
    """The colour, a little lighter or darker and a little shifted."""
    shift = rng.uniform(-spread, spread)
    return tuple(int(min(255, max(0, c + shift + rng.uniform(-spread / 2, spread / 2)))) for c in colour)


def mix(a, b, share):
    return tuple(int(round(x + (y - x) * share)) for x, y in zip(a, b))


def gradient(top, bottom):
    """A picture that changes from one colour at the top to the other at the bottom."""
    rows = np.linspace(np.array(top, float), np.array(bottom, float), FULL)
    return Image.fromarray(np.repeat(rows[:, None], FULL, 1).round().astype(np.uint8), "RGB")


class Pen:
    """Drawing in fractions of the picture's side."""

    def __init__(self, image, rng):
        self.image, self.draw, self.rng = image, ImageDraw.Draw(image), rng

    def disc(self, x, y, r, colour, squash=1.0):
        x, y, r = x * FULL, y * FULL, r * FULL
        self.draw.ellipse((x - r, y - r * squash, x + r, y + r * squash), fill=colour)

    def box(self, x0, y0, x1, y1, colour):
        if x1 > x0 and y1 > y0:
            self.draw.rectangle((x0 * FULL, y0 * FULL, x1 * FULL, y1 * FULL), fill=colour)

    def shape(self, points, colour):
        self.draw.polygon([(x * FULL, y * FULL) for x, y in points], fill=colour)

    def curve(self, y, swing, colour):
        """Everything under a line of two waves; returns the line as a function of x."""
        rng = self.rng
        a, b, p, q = rng.uniform(0.5, 1.1), rng.uniform(1.2, 2.2), rng.uniform(0, 6.3), rng.uniform(0, 6.3)

        def line(x):
            return y + swing * (0.7 * math.sin(6.283 * a * x + p) + 0.3 * math.sin(6.283 * b * x + q))

        xs = [i / 32 for i in range(33)]
        self.shape([(0, 1.01), *((x, line(x)) for x in xs), (1.01, 1.01)], colour)
        return line

    def cloud(self, x, y, s, colour):
        for dx, dy, r in ((-0.95, 0, 0.5), (-0.3, -0.3, 0.72), (0.45, -0.18, 0.6), (1.0, 0.05, 0.42)):
            self.disc(x + dx * s, y + dy * s, r * s, colour)
        self.box(x - 0.95 * s, y, x + 1.0 * s, y + 0.47 * s, colour)

    def clouds(self, most, top, bottom, colour):
        for k in range(self.rng.randint(0, most)):
            x = self.rng.uniform(0.05, 0.95)
            self.cloud(x, self.rng.uniform(top, bottom), self.rng.uniform(0.055, 0.085), colour)

    def sun(self, r, colour, halo, top=0.12, bottom=0.3):
        x, y = self.rng.uniform(0.1, 0.9), self.rng.uniform(top, bottom)
        self.disc(x, y, r * 1.35, halo)
        self.disc(x, y, r, colour)
