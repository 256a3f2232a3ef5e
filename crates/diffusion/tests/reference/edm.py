"""Writes `edm.json`: diffusers' EDMEulerScheduler and EDMDPMSolverMultistepScheduler around a fixed network.

    pip install diffusers==0.42.1 torch==2.15.0 numpy==1.26.4 && python edm.py

The network is `tanh(0.9 * input + 0.5 * timestep)`, with the scheduler's own scaling of the input and its own timestep.
Each case has x at each step, in float64, and what the network received as its timestep. `table` is ComfyUI's
`ModelSamplingContinuousEDM.sigmas`, from its definition.
"""

import math

import diffusers
import torch

from common import SEED, SHAPE, Noise, numbers, write

PLAYGROUND = dict(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, prediction_type="epsilon")
COSXL = dict(sigma_min=0.002, sigma_max=120.0, sigma_data=1.0, prediction_type="v_prediction")
EULER, DPM = diffusers.EDMEulerScheduler, diffusers.EDMDPMSolverMultistepScheduler


def case(sampler, kind, schedule, model, steps):
    scheduler = kind(**model, sigma_schedule=schedule)
    scheduler.set_timesteps(steps)
    noise = Noise(SEED, SHAPE)
    x = noise() * scheduler.init_noise_sigma
    xs, timesteps = [], []
    for t in scheduler.timesteps:
        xs.append(numbers(x))
        timesteps.append(float(t))
        output = torch.tanh(0.9 * scheduler.scale_model_input(x, t) + 0.5 * t.double())
        x = scheduler.step(output, t, x).prev_sample
        x = x.double()
    xs.append(numbers(x))
    return dict(sampler=sampler, schedule=schedule, seed=SEED, shape=SHAPE, **model, sigmas=numbers(scheduler.sigmas),
                timesteps=numbers(timesteps), noise_scale=float(scheduler.init_noise_sigma), x=xs)


cases = [case(sampler, kind, schedule, model, steps)
         for sampler, kind in [("euler", EULER), ("dpmpp_2m", DPM)]
         for schedule, model in [("karras", PLAYGROUND), ("exponential", COSXL), ("karras", COSXL)]
         for steps in [2, 3, 12]]
table = torch.linspace(math.log(0.002), math.log(120.0), 1000).exp()
write("edm.json", dict(cases=cases, table=numbers(table[::37])))
