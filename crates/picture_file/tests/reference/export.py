#!/usr/bin/env python3
"""Pictures with colour profiles, and their conversion by littlecms: `python export.py`, with Pillow 11 or newer.

Writes ../fixtures: 64 patches of 8 x 8 pixels per picture, and patches.json with the sRGB colours in the middle of
each, computed by littlecms (Pillow's ImageCms). The profiles are generated here from published numbers, so that they
are free of copyrights.
"""

import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

OUT = Path(__file__).resolve().parent.parent / "fixtures"
SRGB = ImageCms.createProfile("sRGB")
D50 = (0.9642, 1.0, 0.8249)
# Colorants adapted to D50 with Bradford's transform, as in the profiles of Adobe, Apple and ROMM.
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]
PROPHOTO = [(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03135, 0.00008, 0.82513)]
SRGB_CURVE = struct.pack(">4sIHH5i", b"para", 0, 3, 0, *(round(v * 65536) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))


def gamma(exponent):
    return struct.pack(">4sIIH", b"curv", 0, 1, round(exponent * 256))


def xyz(value):
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(v * 65536) for v in value))


def text(kind, words):
    words = words.encode()
    if kind == b"desc":
        return struct.pack(">4sII", b"desc", 0, len(words) + 1) + words + b"\0" + bytes(4 + 4 + 2 + 1 + 67)
    return struct.pack(">4sI", b"text", 0) + words + b"\0"


def profile(kind, space, pcs, tags, version=0x02400000):
    tags = {b"desc": text(b"desc", "test"), b"cprt": text(b"text", "none"), b"wtpt": xyz(D50), **tags}
    body, table, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", version, kind, space, pcs)
    head += struct.pack(">6H4s4sIIIII3i", 2026, 1, 1, 0, 0, 0, b"acsp", b"\0\0\0\0", 0, 0, 0, 0, 0, *(round(v * 65536) for v in D50))
    head += bytes(128 - len(head))
    return head + struct.pack(">I", len(tags)) + table + body


def rgb_profile(colorants, curve):
    tags = {name: xyz(value) for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants)}
    tags |= {name: curve for name in (b"rTRC", b"gTRC", b"bTRC")}
    return profile(b"mntr", b"RGB ", b"XYZ ", tags, 0x04300000 if curve == SRGB_CURVE else 0x02400000)


def grey_profile(exponent):
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": gamma(exponent)})


def lab(value):
    def f(t):
        return t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116

    x, y, z = (f(v / w) for v, w in zip(value, D50))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def inks_profile():
    """Four inks by Neugebauer's equations from the light that each transmits; a table with 5 values per ink."""
    through = np.array([(0.16, 0.24, 0.62), (0.33, 0.17, 0.19), (0.75, 0.80, 0.07), (0.02, 0.021, 0.018)])
    paper = np.array(D50)
    steps = np.linspace(0, 1, 5)
    table = []
    for c in steps:
        for m in steps:
            for y in steps:
                for k in steps:
                    light = paper.copy()
                    for amount, ink in zip((c, m, y, k), through):
                        light = light * (1 - amount + amount * ink / paper if amount else 1)
                    lightness, a, b = lab(light)
                    table += [round(lightness * 652.8), round((a + 128) * 256), round((b + 128) * 256)]
    ramp = [0, 65535]
    lut = struct.pack(">4sI4B9iHH", b"mft2", 0, 4, 3, 5, 0, *(round(65536 * v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)), 2, 2)
    lut += struct.pack(f">{8}H", *(ramp * 4)) + struct.pack(f">{len(table)}H", *table) + struct.pack(">6H", *(ramp * 3))
    return profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})


def patches(channels, seed):
    """64 colours: a few fixed ones, then some inside sRGB, greys, and some outside sRGB."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (64, channels))
    if channels == 3:
        colours[:6] = [(90, 200, 60), (0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (0, 255, 0)]
    if channels == 4:
        colours[:6] = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (128, 64, 32, 16)]
    picture = colours.reshape(8, 8, channels).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    return picture[:, :, 0] if channels == 1 else picture


def middles(picture):
    return np.asarray(picture.convert("RGB"))[4::8, 4::8].reshape(-1, 3).tolist()


def converted(picture, icc):
    from_profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return ImageCms.profileToProfile(picture, from_profile, SRGB, ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB")


def main():
    OUT.mkdir(exist_ok=True)
    expected = {}

    def keep(name, picture, icc, **how):
        picture.save(OUT / name, icc_profile=icc, **how)
        expected[name] = middles(converted(Image.open(OUT / name), icc))

    colours = Image.fromarray(patches(3, 1))
    adobe = rgb_profile(ADOBE, gamma(563 / 256))
    lossless = {"png": {}, "webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}
    for ending, how in lossless.items():
        keep(f"adobe_rgb.{ending}", colours, adobe, **how)
    keep("display_p3.png", colours, rgb_profile(P3, SRGB_CURVE))
    keep("display_p3.webp", colours, rgb_profile(P3, SRGB_CURVE), lossless=True)
    keep("prophoto.png", colours, rgb_profile(PROPHOTO, gamma(1.8)))
    grey = Image.fromarray(patches(1, 2), "L")
    keep("grey_18.png", grey, grey_profile(1.8))
    keep("grey_18.jpg", grey, grey_profile(1.8), quality=100)
    inks = Image.fromarray(255 - patches(4, 3), "CMYK")
    keep("inks.jpg", inks, inks_profile(), quality=100, subsampling=0)
    (OUT / "srgb.icc").write_bytes(ImageCms.ImageCmsProfile(SRGB).tobytes())
    (OUT / "prophoto.icc").write_bytes(rgb_profile(PROPHOTO, gamma(1.8)))
    (OUT / "patches.json").write_text(json.dumps(expected, separators=(",", ":")).replace('],"', '],\n"') + "\n")

    # A picture with detail everywhere, for truncated files.
    x, y = np.meshgrid(np.arange(320), np.arange(200))
    noise = np.random.default_rng(4).normal(0, 12, (200, 320, 3))
    scene = np.stack([x * 0.7, y * 1.1, 128 + 90 * np.sin(x / 17) * np.cos(y / 23)], 2) + noise
    scene = Image.fromarray(scene.clip(0, 255).astype(np.uint8))
    scene.save(OUT / "baseline.jpg", quality=60)
    scene.save(OUT / "restarts.jpg", quality=60, restart_marker_rows=1)
    scene.save(OUT / "progressive.jpg", quality=60, progressive=True)
    scene.convert("L").save(OUT / "grey.jpg", quality=60)
    scene.save(OUT / "lossy.webp", quality=50)
    scene.resize((160, 104)).save(OUT / "scene.png")
    moving = [scene.resize((80, 64)), scene.rotate(180).resize((80, 64))]
    for ending in ("png", "webp"):
        moving[0].save(OUT / f"moving.{ending}", save_all=True, append_images=moving[1:], duration=100)
    flat = Image.new("RGB", (16, 512), (200, 30, 30))
    flat.save(OUT / "narrow.jpg", optimize=True)


main()
