"""Writes `spacings.json`: the schedules that diffusers' scheduler classes make from a scheduler_config.json.

    pip install diffusers==0.42.1 torch==2.15.0 numpy==1.26.4 scipy==1.17.1 && python spacings.py

For each class its default values (`defaults`), and for each config the sigmas, timesteps and noise scale for some
step counts (`cases`). `schedule` is the name under which Emberline has the same levels. `near` instead of it means
that Emberline has no equal schedule, and names the closest one. The crate `checkpoint` reads the same file to test
that a config maps to that name.
"""

import json
from pathlib import Path

import diffusers
import numpy as np

HERE = Path(__file__).parent
BETAS = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
STEPS = [1, 2, 3, 4, 7, 8, 20, 25, 30, 33, 50, 100, 600]
SOME = [1, 3, 8, 20, 33]
FEW = [1, 4, 20]

# Sampler names are ComfyUI's; the pairs come from diffusers' own table of its schedulers.
POINTS = dict(EulerDiscreteScheduler="euler", EulerAncestralDiscreteScheduler="euler_ancestral",
              HeunDiscreteScheduler="heun", KDPM2DiscreteScheduler="dpm_2",
              KDPM2AncestralDiscreteScheduler="dpm_2_ancestral", LMSDiscreteScheduler="lms")
MULTISTEP = dict(DPMSolverMultistepScheduler="dpmpp_2m", UniPCMultistepScheduler="uni_pc")
WHOLE = dict(DDIMScheduler="ddim", DDPMScheduler="ddpm")
# Schedulers without a matching sampler in Emberline; their defaults are still read.
OTHERS = ["DPMSolverSDEScheduler", "DPMSolverSinglestepScheduler", "DEISMultistepScheduler", "LCMScheduler",
          "PNDMScheduler", "TCDScheduler"]


def numbers(values):
    """float32 with nine digits, which is exact."""
    return [float(f"{v:.9g}") for v in np.asarray(values, dtype=np.float64).reshape(-1)]


def case(name, sampler, steps, config, **said):
    scheduler = getattr(diffusers, name)(**BETAS, **config)
    scheduler.set_timesteps(steps)
    timesteps = numbers(scheduler.timesteps)
    if hasattr(scheduler, "sigmas"):
        sigmas = scheduler.sigmas.numpy()
        # Schedulers with two evaluations per step list each level but the first twice.
        if name == "HeunDiscreteScheduler" or name.startswith("KDPM2"):
            sigmas, timesteps = [sigmas[0], *sigmas[1 : 2 * steps : 2]], timesteps[::2]
    else:
        alphas = scheduler.alphas_cumprod.numpy()[np.array(timesteps, dtype=int)]
        sigmas = np.append(((1 - alphas) / alphas) ** 0.5, 0)
    assert len(sigmas) == steps + 1, (name, config, steps, len(sigmas))
    # For a scheduler that scales its input by alpha, noise of deviation 1 corresponds to sqrt(sigma^2 + 1) here.
    scale = float(scheduler.init_noise_sigma)
    return dict(config=dict(_class_name=name, **BETAS, **config), sampler=sampler, steps=steps, **said,
                sigmas=numbers(sigmas), timesteps=timesteps, noise_scale=scale if scale != 1 else None)


def cases():
    made = []

    def add(name, sampler, steps, config, **said):
        made.extend(case(name, sampler, n, config, **said) for n in steps)

    for name, sampler in POINTS.items():
        many = STEPS if name == "EulerDiscreteScheduler" else FEW
        add(name, sampler, many, dict(timestep_spacing="trailing", steps_offset=1), schedule="trailing")
        add(name, sampler, [n for n in many if n > 1], dict(timestep_spacing="linspace"), schedule="linspace")
        add(name, sampler, [n for n in FEW if n > 1], {}, schedule="linspace")
        for offset in [0, 1, 3]:
            add(name, sampler, many, dict(timestep_spacing="leading", steps_offset=offset), schedule="leading")
    # With one step NumPy's linspace returns only its first end: 0, the level of a finished picture.
    add("EulerDiscreteScheduler", "euler", [1], dict(timestep_spacing="linspace"), schedule="linspace")
    for name, sampler in POINTS.items():
        if "Ancestral" in name and name.startswith("Euler"):
            continue
        add(name, sampler, [4, 20], dict(use_karras_sigmas=True), schedule="karras")
        add(name, sampler, [4, 20], dict(use_exponential_sigmas=True), schedule="exponential")
        add(name, sampler, [20], dict(use_beta_sigmas=True), near="beta")
        add(name, sampler, [20], dict(use_karras_sigmas=True, timestep_spacing="leading", steps_offset=1), near="karras")
    add("EulerDiscreteScheduler", "euler", SOME, dict(timestep_spacing="trailing", rescale_betas_zero_snr=True),
        schedule="trailing")
    add("EulerDiscreteScheduler", "euler", [20], dict(timestep_spacing="leading", steps_offset=1,
                                                      rescale_betas_zero_snr=True), schedule="leading")

    for name, sampler in MULTISTEP.items():
        add(name, sampler, SOME, dict(timestep_spacing="trailing", steps_offset=1), schedule="trailing")
        for spacing in ["linspace", "leading", "trailing"]:
            add(name, sampler, FEW[1:], dict(use_karras_sigmas=True, timestep_spacing=spacing), schedule="karras")
            add(name, sampler, FEW[1:], dict(use_exponential_sigmas=True, timestep_spacing=spacing),
                schedule="exponential")
        add(name, sampler, FEW, dict(timestep_spacing="linspace"), near="sgm_uniform")
        add(name, sampler, FEW, dict(timestep_spacing="leading", steps_offset=1), near="leading")
    sde = dict(algorithm_type="sde-dpmsolver++", use_karras_sigmas=True)
    add("DPMSolverMultistepScheduler", "dpmpp_2m_sde", FEW[1:], sde, schedule="karras")

    for name, sampler in WHOLE.items():
        add(name, sampler, SOME, dict(timestep_spacing="trailing"), schedule="trailing")
        add(name, sampler, SOME, dict(timestep_spacing="leading", steps_offset=1), schedule="leading")
        add(name, sampler, FEW, {}, schedule="leading")
        add(name, sampler, [4, 20], dict(timestep_spacing="linspace"), near="linspace")
    add("LCMScheduler", "lcm", [1, 2, 4, 5, 8, 10, 25, 50], {}, schedule="lcm")
    add("TCDScheduler", "tcd", [1, 4, 8], {}, schedule="lcm")
    return made


def defaults():
    keys = ["beta_start", "beta_end", "beta_schedule", "timestep_spacing", "steps_offset"]
    names = [*POINTS, *MULTISTEP, *WHOLE, *OTHERS]
    return {name: {key: getattr(diffusers, name)().config.get(key) for key in keys} for name in names}


path = HERE / "spacings.json"
path.write_text(json.dumps(dict(defaults=defaults(), cases=cases()), separators=(",", ":")) + "\n")
print(f"{path.name}: {path.stat().st_size} bytes")
