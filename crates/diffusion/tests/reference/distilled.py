"""Writes `distilled.json`: diffusers' LCMScheduler and TCDScheduler with their default values.

    pip install diffusers==0.42.1 torch==2.15.0 numpy==1.26.4 && python distilled.py

`timesteps`: those of `set_timesteps(steps, strength=strength)`, which are equal in both classes. `cases`: x at each step of a run in
float64, in the form of `trajectories.json`. `scalings`: LCM's c_skip and c_out at the timesteps that a model is
distilled with.
"""

import diffusers
import numpy as np
import torch
from diffusers.schedulers import scheduling_lcm, scheduling_tcd

from common import SDXL, denoiser, numbers, run, write

LCM, TCD = diffusers.LCMScheduler, diffusers.TCDScheduler


def made(kind, **config):
    scheduler = kind(**SDXL, **config)
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    return scheduler


def sigmas(scheduler):
    a = scheduler.alphas_cumprod[scheduler.timesteps]
    return torch.cat([((1 - a) / a).sqrt(), torch.zeros(1)])


def timesteps():
    def case(steps, strength, **more):
        schedulers = [made(TCD)] if more else [made(LCM), made(TCD)]
        for scheduler in schedulers:
            scheduler.set_timesteps(steps, strength=strength, **more)
        assert all((scheduler.timesteps == schedulers[0].timesteps).all() for scheduler in schedulers)
        return dict(steps=steps, strength=strength, timesteps=numbers(schedulers[0].timesteps))

    whole = [(n, 1.0) for n in [1, 2, 3, 4, 5, 6, 7, 8, 12, 25, 33, 49, 50]]
    cut = [(4, 0.6), (8, 0.35), (3, 0.07), (1, 0.02), (25, 0.5), (20, 0.999)]
    many = [(51, 1.0), (100, 1.0), (999, 1.0), (1000, 1.0), (30, 0.5), (100, 0.25), (3, 0.03)]
    # More steps than LCMScheduler has: TCDScheduler chooses from all timesteps if it is given a number of them.
    return [case(*it) for it in whole + cut] + [case(*it, original_inference_steps=1000) for it in many]


def trajectory(sampler, kind, steps, **custom):
    scheduler = made(kind)
    scheduler.set_timesteps(**(custom or dict(num_inference_steps=steps)))
    levels = sigmas(scheduler)

    def step(x, noise, record):
        scheduling_lcm.randn_tensor = scheduling_tcd.randn_tensor = lambda *_, **__: noise()
        for i, t in enumerate(scheduler.timesteps):
            record(x)
            noise_predicted = (x - denoiser(x, levels[i])) / levels[i]
            sample = x / (1 + levels[i] ** 2).sqrt()
            x = scheduler.step(noise_predicted, t, sample).prev_sample * (1 + levels[i + 1] ** 2).sqrt()
        return x

    return run(sampler, "diffusers", levels, step)


def cases():
    for steps in [1, 2, 4, 8]:
        yield trajectory("lcm", LCM, steps)
        yield trajectory("tcd", TCD, steps)
    # DMD2's timesteps, which are `trailing`.
    yield trajectory("lcm", LCM, 4, timesteps=[999, 749, 499, 249])
    yield trajectory("tcd", TCD, 4, timesteps=[999, 749, 499, 249])


lcm = made(LCM)
scalings = [lcm.get_scalings_for_boundary_condition_discrete(t) for t in range(19, 1000, 20)]
write("distilled.json", dict(timesteps=timesteps(), cases=list(cases()),
                             scalings=[[float(np.float64(v)) for v in pair] for pair in scalings]))
