"""The backgrounds: eight plain colours, and eight scenes drawn in the artwork's flat style.

``draw(name, rng)`` returns an RGB picture of ``FULL`` pixels a side; no two calls give the same one. ``GROUND``
holds, for a scene with a floor, the range of heights at which an object can have its feet (0 is the top, 1 the bottom).
"""
import math

from PIL import Image, ImageDraw

from second.pen import FULL, Pen, gradient, mix, tone

COLOURS = {
    "white": (250, 250, 250), "black": (20, 20, 24), "red": (222, 45, 45), "yellow": (252, 214, 60),
    "green": (60, 175, 85), "blue": (45, 120, 235), "purple": (145, 60, 195), "pink": (250, 145, 195),
}
GROUND = {"meadow": (0.74, 0.93), "beach": (0.80, 0.94), "city": (0.84, 0.93), "snow": (0.76, 0.93),
          "desert": (0.76, 0.93), "forest": (0.82, 0.93)}


def meadow(rng):
    sky = tone(rng, (118, 196, 245))
    pen = Pen(gradient(sky, tone(rng, (214, 240, 252))), rng)
    if rng.random() < 0.75:
        pen.sun(rng.uniform(0.06, 0.085), (255, 216, 74), mix(sky, (255, 240, 180), 0.55))
    pen.clouds(3, 0.12, 0.32, (255, 255, 255))
    pen.curve(rng.uniform(0.5, 0.58), 0.045, tone(rng, (150, 208, 108)))
    pen.curve(rng.uniform(0.60, 0.66), 0.035, tone(rng, (112, 188, 84)))
    line = pen.curve(rng.uniform(0.72, 0.77), 0.02, tone(rng, (84, 164, 70)))
    petals = ((255, 255, 255), (255, 222, 84), (250, 150, 186), (240, 110, 110))
    for _ in range(rng.randint(5, 11)):
        x = rng.uniform(0.03, 0.97)
        y = rng.uniform(line(x) + 0.03, 0.97)
        colour, r = rng.choice(petals), rng.uniform(0.012, 0.017)
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            pen.disc(x + dx * r, y + dy * r, r * 0.85, colour)
        pen.disc(x, y, r * 0.7, (255, 196, 60) if colour[2] != 84 else (240, 150, 50))
    return pen.image


def palm(pen, x, foot, height, lean):
    bark, leaf = tone(pen.rng, (150, 104, 66)), tone(pen.rng, (52, 152, 84))
    top = (x + lean, foot - height)
    mid = (x + lean * 0.3, foot - height * 0.5)
    pen.shape([(x - 0.022, foot), (mid[0] - 0.016, mid[1]), (top[0] - 0.011, top[1]), (top[0] + 0.011, top[1]),
               (mid[0] + 0.016, mid[1]), (x + 0.022, foot)], bark)
    for angle in (-155, -115, -65, -25, 10, 170):
        a = math.radians(angle)
        tip = (top[0] + 0.19 * math.cos(a), top[1] + 0.12 * math.sin(a) + 0.06)
        bend = (top[0] + 0.10 * math.cos(a), top[1] + 0.11 * math.sin(a) - 0.035)
        low = (top[0] + 0.09 * math.cos(a), top[1] + 0.09 * math.sin(a) + 0.018)
        pen.shape([top, bend, tip, low], leaf)


def beach(rng):
    sky = tone(rng, (122, 206, 246))
    pen = Pen(gradient(sky, tone(rng, (226, 246, 252))), rng)
    if rng.random() < 0.8:
        pen.sun(rng.uniform(0.06, 0.085), (255, 214, 70), mix(sky, (255, 240, 180), 0.55), 0.1, 0.26)
    pen.clouds(2, 0.1, 0.28, (255, 255, 255))
    horizon = rng.uniform(0.44, 0.52)
    sea = tone(rng, (38, 150, 200))
    pen.box(0, horizon, 1, 1, sea)
    pen.box(0, horizon + (0.78 - horizon) * 0.5, 1, 1, mix(sea, (120, 220, 225), 0.45))
    for _ in range(rng.randint(3, 6)):
        x, y, w = rng.uniform(0.02, 0.85), rng.uniform(horizon + 0.03, 0.68), rng.uniform(0.07, 0.14)
        pen.box(x, y, x + w, y + 0.011, mix(sea, (255, 255, 255), 0.6))
    state = rng.getstate()
    edge = rng.uniform(0.74, 0.79)
    pen.curve(edge - 0.028, 0.018, (250, 252, 250))
    rng.setstate(state)  # the same wave again for the sand
    rng.uniform(0, 1)
    line = pen.curve(edge, 0.018, tone(rng, (246, 220, 160), 4))
    for _ in range(rng.randint(3, 7)):
        x = rng.uniform(0.03, 0.97)
        pen.disc(x, rng.uniform(line(x) + 0.03, 0.98), 0.011, (222, 186, 122), 0.7)
    if rng.random() < 0.5:
        side = rng.choice((-1, 1))
        palm(pen, 0.5 + side * rng.uniform(0.38, 0.46), rng.uniform(0.84, 0.92), rng.uniform(0.42, 0.54), -side * 0.07)
    return pen.image


def night(rng):
    top, low = tone(rng, (20, 24, 66)), tone(rng, (62, 66, 138))
    pen = Pen(gradient(top, low), rng)
    for _ in range(rng.randint(16, 28)):
        r = rng.choice((0.006, 0.008, 0.011))
        pen.disc(rng.uniform(0.02, 0.98), rng.uniform(0.03, 0.82), r, rng.choice(((255, 255, 255), (255, 240, 190))))
    if rng.random() < 0.8:
        x, y, r = rng.uniform(0.14, 0.86), rng.uniform(0.14, 0.3), rng.uniform(0.08, 0.1)
        pen.disc(x, y, r, (252, 238, 180))
        if rng.random() < 0.6:
            pen.disc(x + r * 0.5, y - r * 0.25, r * 0.88, mix(top, low, y))
        else:
            for dx, dy, s in ((-0.35, -0.2, 0.22), (0.3, 0.3, 0.28), (0.25, -0.45, 0.15)):
                pen.disc(x + dx * r, y + dy * r, s * r, (232, 212, 146))
    pen.curve(rng.uniform(0.85, 0.89), 0.03, tone(rng, (32, 36, 88), 4))
    pen.curve(rng.uniform(0.92, 0.95), 0.02, tone(rng, (20, 24, 62), 3))
    return pen.image


def skyline(pen, base, low, high, wide, colour, window):
    rng = pen.rng
    x = -rng.uniform(0, wide[0] / 2)
    while x < 1:
        w, top = rng.uniform(*wide), base - rng.uniform(low, high)
        pen.box(x, top, x + w, base, colour)
        if rng.random() < 0.2:
            pen.box(x + w / 2 - 0.006, top - 0.06, x + w / 2 + 0.006, top, colour)
        if window:
            columns = max(2, int(w / 0.062))
            gap = w / columns
            for row in range(int((base - top - 0.03) / 0.075)):
                for k in range(columns):
                    if rng.random() < 0.7:
                        a, b = x + gap * (k + 0.28), top + 0.03 + row * 0.075
                        pen.box(a, b, a + gap * 0.42, b + 0.036, window)
        x += w + rng.uniform(0.0, 0.02)


SKIES = (((255, 196, 150), (255, 232, 196)), ((170, 206, 244), (228, 240, 250)), ((186, 160, 226), (250, 206, 214)))


def city(rng):
    top, low = rng.choice(SKIES)
    top = tone(rng, top)
    pen = Pen(gradient(top, tone(rng, low)), rng)
    if rng.random() < 0.4:
        pen.sun(0.07, (255, 226, 120), mix(top, (255, 244, 200), 0.5), 0.12, 0.25)
    pen.clouds(2, 0.1, 0.22, mix(top, (255, 255, 255), 0.75))
    skyline(pen, 0.82, 0.34, 0.56, (0.12, 0.2), mix(top, (110, 116, 160), 0.5), None)
    house = tone(rng, rng.choice(((92, 100, 140), (112, 96, 134), (84, 116, 138))))
    skyline(pen, 0.82, 0.18, 0.38, (0.15, 0.23), house, (255, 226, 140))
    pen.box(0, 0.80, 1, 0.85, tone(rng, (186, 186, 192), 4))
    pen.box(0, 0.85, 1, 1, tone(rng, (86, 90, 102), 4))
    x = rng.uniform(-0.15, 0)
    while x < 1:
        pen.box(x, 0.918, x + 0.1, 0.936, (244, 240, 226))
        x += 0.19
    return pen.image


def fir(pen, x, foot, h):
    green = tone(pen.rng, (64, 122, 116))
    pen.box(x - h * 0.05, foot - h * 0.15, x + h * 0.05, foot, (122, 92, 74))
    for k, (w, y) in enumerate(((0.34, 0.12), (0.28, 0.38), (0.2, 0.62))):
        pen.shape([(x - w * h, foot - y * h), (x, foot - (y + 0.4) * h), (x + w * h, foot - y * h)], green)
        pen.shape([(x - w * h * 0.4, foot - (y + 0.24) * h), (x, foot - (y + 0.4) * h),
                   (x + w * h * 0.4, foot - (y + 0.24) * h)], (250, 252, 255))


def snow(rng):
    pen = Pen(gradient(tone(rng, (156, 194, 232)), tone(rng, (222, 234, 246))), rng)
    line = pen.curve(rng.uniform(0.52, 0.6), 0.05, tone(rng, (212, 226, 242), 4))
    for x in sorted((rng.uniform(0.04, 0.96) for _ in range(rng.randint(2, 5))), key=line):
        fir(pen, x, line(x) + 0.04, rng.uniform(0.16, 0.27))
    pen.curve(rng.uniform(0.68, 0.73), 0.03, tone(rng, (232, 240, 250), 3))
    pen.curve(rng.uniform(0.82, 0.88), 0.02, (250, 252, 255))
    for _ in range(rng.randint(12, 22)):
        pen.disc(rng.random(), rng.uniform(0.02, 0.72), rng.choice((0.009, 0.012)), (255, 255, 255))
    return pen.image


def desert(rng):
    top = tone(rng, rng.choice(((255, 178, 112), (122, 196, 236), (250, 150, 120))))
    pen = Pen(gradient(top, tone(rng, (255, 236, 196))), rng)
    pen.sun(rng.uniform(0.075, 0.1), (255, 238, 150), mix(top, (255, 240, 190), 0.5), 0.14, 0.32)
    for _ in range(rng.randint(0, 2)):
        x, w, h = rng.uniform(0.05, 0.8), rng.uniform(0.08, 0.15), rng.uniform(0.1, 0.2)
        rock = tone(rng, (200, 108, 74))
        pen.shape([(x - 0.04, 0.64), (x, 0.58 - h), (x + w, 0.58 - h), (x + w + 0.04, 0.64)], rock)
        pen.shape([(x - 0.012, 0.62 - h * 0.55), (x - 0.008, 0.62 - h * 0.75), (x + w + 0.008, 0.62 - h * 0.75),
                   (x + w + 0.012, 0.62 - h * 0.55)], mix(rock, (120, 56, 44), 0.35))
    pen.curve(rng.uniform(0.56, 0.62), 0.04, tone(rng, (240, 192, 116)))
    pen.curve(rng.uniform(0.66, 0.71), 0.04, tone(rng, (230, 174, 98)))
    line = pen.curve(rng.uniform(0.78, 0.84), 0.03, tone(rng, (216, 156, 84)))
    for _ in range(rng.randint(2, 5)):
        x = rng.uniform(0.04, 0.96)
        pen.disc(x, rng.uniform(line(x) + 0.03, 0.97), rng.uniform(0.012, 0.022), (176, 118, 70), 0.6)
    return pen.image


def forest(rng):
    light = tone(rng, (206, 232, 170))
    pen = Pen(gradient(light, tone(rng, (150, 204, 132))), rng)
    far = mix(light, (60, 128, 84), 0.45)
    for k in range(7):
        x = k / 6 + rng.uniform(-0.05, 0.05)
        pen.box(x - 0.012, 0.3, x + 0.012, 0.85, mix(far, (90, 70, 60), 0.3))
        pen.disc(x, rng.uniform(0.26, 0.36), rng.uniform(0.1, 0.14), far)
    pen.curve(rng.uniform(0.72, 0.76), 0.02, mix(light, (60, 128, 84), 0.7))
    near, bark = tone(rng, (46, 118, 70)), tone(rng, (104, 74, 56))
    slots = rng.sample((0.06, 0.27, 0.5, 0.73, 0.94), rng.randint(3, 4))
    for x in slots:
        x, w = x + rng.uniform(-0.05, 0.05), rng.uniform(0.02, 0.03)
        pen.shape([(x - w * 1.5, 0.86), (x - w, 0.1), (x + w, 0.1), (x + w * 1.5, 0.86)], bark)
    for k in range(6):
        pen.disc(k / 5 + rng.uniform(-0.06, 0.06), rng.uniform(0.0, 0.09), rng.uniform(0.13, 0.18),
                 mix(near, (110, 180, 90), rng.uniform(0, 0.3)))
    pen.curve(rng.uniform(0.81, 0.85), 0.015, mix(near, (70, 140, 70), 0.5))
    for _ in range(rng.randint(3, 6)):
        x, y, h = rng.uniform(0.03, 0.97), rng.uniform(0.88, 1.0), rng.uniform(0.05, 0.08)
        for lean in (-0.7, 0, 0.7):
            pen.shape([(x - 0.012, y), (x + lean * h, y - h), (x + 0.012, y)], mix(near, (150, 210, 100), 0.45))
    return pen.image


def under_water(rng):
    top = tone(rng, (92, 204, 224))
    pen = Pen(gradient(top, tone(rng, (24, 92, 164))), rng)
    veil = Image.new("L", pen.image.size, 0)
    rays = ImageDraw.Draw(veil)
    for _ in range(rng.randint(2, 4)):
        x, w, lean = rng.uniform(0, 1), rng.uniform(0.05, 0.1), rng.uniform(0.1, 0.3)
        rays.polygon([(FULL * a, FULL * b) for a, b in ((x, 0), (x + w, 0), (x + w * 2 - lean, 0.8), (x - lean, 0.8))],
                     fill=38)
    pen.image.paste(Image.new("RGB", pen.image.size, (255, 255, 255)), (0, 0), veil)
    line = pen.curve(rng.uniform(0.86, 0.9), 0.02, tone(rng, (232, 206, 150), 5))
    weed = tone(rng, (40, 150, 110))
    for _ in range(rng.randint(2, 5)):
        x = rng.choice((rng.uniform(0.02, 0.3), rng.uniform(0.7, 0.98)))
        h, p = rng.uniform(0.16, 0.34), rng.random() * 6
        ys = [i / 10 for i in range(11)]
        left = [(x + 0.022 * math.sin(p + 7 * t) - 0.018 * (1 - t), line(x) + 0.03 - h * t) for t in ys]
        right = [(a + 0.036 * (1 - t) + 0.004, b) for (a, b), t in zip(left, ys)]
        pen.shape(left + right[::-1], mix(weed, (20, 90, 120), rng.uniform(0, 0.35)))
    if rng.random() < 0.6:
        x, colour = rng.uniform(0.1, 0.9), tone(rng, (246, 128, 138))
        for dx, h in ((-0.05, 0.07), (0, 0.11), (0.05, 0.08)):
            pen.shape([(x - 0.014, line(x) + 0.03), (x + dx - 0.012, line(x) - h), (x + dx + 0.012, line(x) - h),
                       (x + 0.014, line(x) + 0.03)], colour)
            pen.disc(x + dx, line(x) - h, 0.02, colour)
    for _ in range(rng.randint(4, 9)):
        x, y, r = rng.random(), rng.uniform(0.06, 0.8), rng.uniform(0.012, 0.024)
        pen.disc(x, y, r, mix(top, (255, 255, 255), 0.55))
        pen.disc(x, y, r * 0.6, mix(top, (40, 130, 190), y))
    return pen.image


SCENES = {"meadow": meadow, "beach": beach, "night sky": night, "city": city, "snow": snow, "desert": desert,
          "forest": forest, "under water": under_water}
NAMES = (*COLOURS, *SCENES)


def draw(name, rng):
    """A new picture of this background, (FULL, FULL) RGB."""
    if name in SCENES:
        return SCENES[name](rng)
    return Image.new("RGB", (FULL, FULL), tone(rng, COLOURS[name], 5))
