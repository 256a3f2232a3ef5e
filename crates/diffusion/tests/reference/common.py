"""What the exporters of this folder share: number formats, the denoiser with a closed form, and torch's noise."""

import json
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
SDXL = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
CENTRE, MEAN, DEVIATION = 0.4, 1.2, 0.35
SHAPE = (1, 4, 3, 3)  # 36 numbers: not a multiple of 16
SEED = 20


def numbers(values):
    """float32 with nine digits, which is exact."""
    return [float(f"{v:.9g}") for v in np.asarray(values, dtype=np.float64).reshape(-1)]


def write(name, value):
    path = HERE / name
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(f"{name}: {path.stat().st_size} bytes")


def denoiser(x, sigma):
    """E[x0 | x] for x0 from an equal mixture of N(CENTRE +- MEAN, DEVIATION^2)."""
    s2, v = DEVIATION**2, DEVIATION**2 + sigma**2
    u = x - CENTRE
    return CENTRE + (s2 * u + sigma**2 * MEAN * torch.tanh(MEAN * u / v)) / v


class Noise:
    """torch's float32 stream, converted to float64."""

    def __init__(self, seed, shape):
        self.generator, self.shape = torch.Generator().manual_seed(seed), shape

    def __call__(self, *_):
        return torch.randn(self.shape, generator=self.generator).double()


def run(sampler, source, levels, step, scale=None):
    """One trajectory: `step(x, noise, record)` returns the result and records x at each step."""
    noise, xs = Noise(SEED, SHAPE), []
    x = noise() * (levels[0] if scale is None else scale)
    final = step(x, noise, lambda x: xs.append(numbers(x)))
    xs.append(numbers(final))
    assert all(np.isfinite(row).all() for row in xs), sampler
    return dict(sampler=sampler, source=source, seed=SEED, shape=SHAPE, sigmas=numbers(levels), x=xs)
