"""Writes the reference numbers that this crate's tests read, as JSON beside this file.

    pip install -r requirements.txt && python export.py

Sources: torch for noise; diffusers for the `leading` schedule, guidance rescaling and its samplers; k-diffusion for
its samplers, two schedules and the sigma-timestep conversions; scipy for beta quantiles. ComfyUI is not in a package
registry: its schedules are written out below from their definitions.

Samplers run in float64 on a denoiser with a closed form, so that the tests measure only the crate's own rounding.
Noise is torch's float32 stream, converted to float64.
"""

import math

import diffusers
import k_diffusion.sampling as kd
import numpy as np
import scipy.stats
import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import rescale_noise_cfg
from diffusers.schedulers import scheduling_ddpm, scheduling_lcm
from k_diffusion.external import DiscreteEpsDDPMDenoiser, DiscreteVDDPMDenoiser

from common import CENTRE, DEVIATION, MEAN, SDXL, Noise, denoiser, numbers, run, write

LEADING = dict(**SDXL, timestep_spacing="leading", steps_offset=1)


# --- noise ---------------------------------------------------------------------------------------------------

SEEDS = [0, 1, 2, 3, 7, 42, 99, 123, 1000, 1234, 5489, 65535, 987654, 2**31 - 1, 2**31, 2**32 - 1]
SEEDS += [2**32, 2**32 + 42, 2**40 + 9, 2**53 - 1]
SHAPES = [(7,), (1, 4, 2, 2), (1, 3, 5, 7), (1, 4, 32, 32), (1, 4, 128, 128)]


def drawn(values):
    """All numbers of a short draw; for a long one both ends, a few in between, and the sum."""
    flat = values.numpy().reshape(-1)
    n = len(flat)
    places = list(range(n)) if n < 1000 else [*range(8), *range(8, n - 20, n // 12), *range(n - 20, n)]
    return dict(count=n, places=places if n >= 1000 else None, values=numbers(flat[places]),
                sum=float(flat.astype(np.float64).sum()))


def export_noise():
    cases = []
    for seed in SEEDS:
        for shape in SHAPES:
            cases.append(dict(seed=seed, **drawn(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))))
    # One generator, several calls: the number kept by the scalar path survives the vectorised path.
    sequences = []
    for seed in [0, 42, 31337, 2**32 + 1]:
        g = torch.Generator().manual_seed(seed)
        calls = []
        for kind, n in [("randn", 5), ("randn", 3), ("randn", 20), ("rand", 3), ("randn", 4), ("randn", 16),
                        ("randn", 15), ("randn", 33), ("rand", 18), ("randn", 1), ("randn", 1)]:
            calls.append(dict(kind=kind, values=numbers(getattr(torch, kind)(n, generator=g))))
        sequences.append(dict(seed=seed, calls=calls))
    write("noise.json", dict(cases=cases, sequences=sequences))


# --- schedules -----------------------------------------------------------------------------------------------


def euler_scheduler(**more):
    return diffusers.EulerDiscreteScheduler(**LEADING, **more)


def table(zero_terminal_snr=False):
    """diffusers' sigmas of all training steps, increasing, float32."""
    return euler_scheduler(rescale_betas_zero_snr=zero_terminal_snr).sigmas.numpy()[:-1][::-1].copy()


def sigma_at(sigmas, t):
    """ComfyUI's `ModelSamplingDiscrete.sigma`: interpolates in log sigma between timesteps."""
    t = min(max(t, 0.0), len(sigmas) - 1.0)
    low, w = math.floor(t), t - math.floor(t)
    log = np.log(sigmas.astype(np.float64))
    return math.exp((1 - w) * log[low] + w * log[math.ceil(t)])


def comfy(name, sigmas, n):
    """The levels above 0 of one of ComfyUI's schedules."""
    lo, hi, last = float(sigmas[0]), float(sigmas[-1]), len(sigmas) - 1
    if name == "normal":
        return [sigma_at(sigmas, t) for t in np.linspace(last, 0, n)]
    if name == "sgm_uniform":
        return [sigma_at(sigmas, t) for t in np.linspace(last, 0, n + 1)[:-1]]
    if name == "karras":
        return kd.get_sigmas_karras(n, lo, hi)[:-1].tolist()
    if name == "exponential":
        return kd.get_sigmas_exponential(n, lo, hi)[:-1].tolist()
    if name == "simple":
        return [float(sigmas[-(1 + int(x * (len(sigmas) / n)))]) for x in range(n)]
    if name == "ddim_uniform":
        # Only for counts that divide the table: for others ComfyUI makes more steps than requested.
        assert len(sigmas) % n == 0 and n < len(sigmas)
        return [float(sigmas[x]) for x in range(1, len(sigmas), len(sigmas) // n)][::-1]
    if name == "beta":
        places = np.rint(scipy.stats.beta.ppf(1 - np.linspace(0, 1, n, endpoint=False), 0.6, 0.6) * last)
        assert len(set(places)) == n, "ComfyUI drops places that come twice"
        return [float(sigmas[int(p)]) for p in places]
    raise ValueError(name)


def export_schedules():
    sigmas = table()
    whole = []
    for n in [1, 2, 3, 4, 5, 8, 20, 25, 28, 30, 33, 50, 100, 600]:
        s = euler_scheduler()
        s.set_timesteps(n)
        whole.append(dict(schedule="leading", steps=n, sigmas=numbers(s.sigmas), timesteps=numbers(s.timesteps),
                          noise_scale=float(s.init_noise_sigma)))
    for name in ["normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform", "beta"]:
        for n in [1, 2, 4, 8, 10, 20, 25, 40, 50, 100] + ([] if name == "ddim_uniform" else [3, 7, 30, 33]):
            levels = comfy(name, sigmas, n)
            top = math.isclose(levels[0], float(sigmas[-1]), rel_tol=1e-5) or levels[0] > sigmas[-1]
            scale = math.sqrt(1 + levels[0] ** 2) if top else levels[0]
            whole.append(dict(schedule=name, steps=n, sigmas=numbers([*levels, 0]), noise_scale=scale))

    truncated = []
    for n, strength in [(30, 0.7), (20, 0.5), (10, 0.35), (50, 0.99), (4, 0.25), (25, 0.3)]:
        s = euler_scheduler()
        s.set_timesteps(n)
        start = max(n - min(int(n * strength), n), 0)  # StableDiffusionXLImg2ImgPipeline.get_timesteps
        truncated.append(dict(schedule="leading", steps=n, strength=strength, sigmas=numbers(s.sigmas[start:])))
        for name in ["normal", "karras", "exponential", "sgm_uniform", "simple", "beta"]:
            levels = comfy(name, sigmas, int(n / strength))  # KSampler.set_steps
            truncated.append(dict(schedule=name, steps=n, strength=strength, sigmas=numbers([*levels, 0][-(n + 1):])))

    alphas = euler_scheduler().alphas_cumprod.double()
    kd_table = DiscreteEpsDDPMDenoiser(None, alphas, quantize=False)
    probes = torch.tensor([0.01, 0.0292, 0.05, 0.3, 0.777, 1.0, 2.5, 7.0, 14.5, 14.6146, 20.0]).double()
    places = torch.tensor([0.0, 0.5, 1.0, 10.25, 333.3, 500.0, 750.75, 998.9, 999.0]).double()
    conversions = dict(sigmas=numbers(probes), timesteps_of_sigmas=numbers(kd_table.sigma_to_t(probes)),
                       timesteps=numbers(places), sigmas_of_timesteps=numbers(kd_table.t_to_sigma(places)))
    p = np.array([1e-9, 1e-4, 0.005, 0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.8, 0.95, 0.999, 1 - 1e-6])
    quantiles = dict(p=p.tolist(), x=scipy.stats.beta.ppf(p, 0.6, 0.6).tolist(),
                     x_skewed=scipy.stats.beta.ppf(p, 2.5, 0.8).tolist())
    write("schedules.json", dict(table=numbers(sigmas), table_zero_snr=numbers(table(True)), whole=whole,
                                 truncated=truncated, conversions=conversions, quantiles=quantiles))


# --- samplers ------------------------------------------------------------------------------------------------

def with_k_diffusion(sampler, levels):
    sigmas = torch.tensor(numbers(levels)).double()

    def step(x, noise, record):
        options = dict(noise_sampler=noise) if "ancestral" in sampler or "sde" in sampler else {}
        return getattr(kd, f"sample_{sampler}")(lambda x, s: denoiser(x, s.view(-1, 1, 1, 1)), x, sigmas,
                                                callback=lambda c: record(c["x"]), disable=True, **options)

    return run(sampler, "k-diffusion", levels, step)


def with_diffusers(sampler, scheduler, steps):
    """Runs a diffusers scheduler, which works on x / sqrt(sigma^2 + 1) and takes predictions of the noise."""
    for name in ["alphas_cumprod", "final_alpha_cumprod", "one"]:
        if hasattr(scheduler, name):
            setattr(scheduler, name, getattr(scheduler, name).double())
    scheduler.set_timesteps(steps)
    if sampler == "uni_pc":
        scheduler.sigmas = scheduler.sigmas.double()
        scheduler.set_begin_index(0)
        levels = scheduler.sigmas
    else:
        a = scheduler.alphas_cumprod[scheduler.timesteps]
        levels = torch.cat([((1 - a) / a).sqrt(), torch.zeros(1)])

    def step(x, noise, record):
        scheduling_ddpm.randn_tensor = scheduling_lcm.randn_tensor = lambda *_, **__: noise()
        for i, t in enumerate(scheduler.timesteps):
            sigma, scale = levels[i], (1 + levels[i] ** 2).sqrt()
            record(x)
            x0 = denoiser(x, sigma)
            if sampler == "uni_pc" and i == steps - 1:
                return x0  # bh1 times an infinite h is not a number
            x = scheduler.step((x - x0) / sigma, t, x / scale).prev_sample * (1 + levels[i + 1] ** 2).sqrt()
        return x

    return run(sampler, "diffusers", levels, step)


def export_trajectories():
    sigmas = table()
    leading = euler_scheduler()
    leading.set_timesteps(7)
    grids = [comfy("karras", sigmas, 12) + [0], leading.sigmas.tolist(), comfy("normal", sigmas, 2) + [0], [14.6, 0]]
    cases = []
    for sampler in ["euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms", "dpmpp_2s_ancestral",
                    "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "dpmpp_sde"]:
        for levels in grids:
            if len(levels) == 2 and sampler in ["dpmpp_2m_sde", "dpmpp_3m_sde"]:
                continue  # k-diffusion reads a step length before it is set
            cases.append(with_k_diffusion(sampler, levels))
    for steps in [1, 3, 10]:
        cases.append(with_diffusers("ddim", diffusers.DDIMScheduler(**LEADING, clip_sample=False), steps))
        cases.append(with_diffusers("ddpm", diffusers.DDPMScheduler(**LEADING, clip_sample=False), steps))
        # A large scaling brings LCM's boundary conditions to their limits, c_skip 0 and c_out 1.
        cases.append(with_diffusers("lcm", diffusers.LCMScheduler(**SDXL, timestep_scaling=1e9), steps))
    uni_pc = dict(solver_order=3, solver_type="bh1")
    for steps in [2, 3, 4, 12]:
        cases.append(with_diffusers("uni_pc", diffusers.UniPCMultistepScheduler(**LEADING, **uni_pc), steps))
    karras = diffusers.UniPCMultistepScheduler(**SDXL, **uni_pc, use_karras_sigmas=True)
    cases.append(with_diffusers("uni_pc", karras, 15))
    write("trajectories.json", dict(centre=CENTRE, mean=MEAN, deviation=DEVIATION, cases=cases))


def export_moments():
    """dpmpp_sde with k-diffusion's own Brownian tree: the distribution of the result from one starting point."""
    levels, start = [9.0, 4.0, 1.7, 0.6, 0.0], 2.0
    sigmas = torch.tensor(levels).double()

    def results(sampler):
        x = torch.full((1, 1, 256, 256), start).double()
        return kd.sample_dpmpp_sde(lambda x, s: denoiser(x, s.view(-1, 1, 1, 1)), x, sigmas, disable=True,
                                   noise_sampler=sampler)

    def tree(seed):
        return kd.BrownianTreeNoiseSampler(torch.zeros(1, 1, 256, 256).double(), 0.6, 9.0, seed=seed)

    x = torch.cat([results(tree(seed)) for seed in range(8)])
    independent = torch.cat([results(Noise(seed, (1, 1, 256, 256))) for seed in range(8)])
    write("moments.json", dict(sigmas=levels, start=start, count=x.numel(), moments=moments(x),
                               independent=moments(independent)))


def moments(x):
    return [float(x.mean()), float(x.var()), float((x - x.mean()).abs().mean())]


# --- prediction and guidance ---------------------------------------------------------------------------------


def export_guidance():
    g = torch.Generator().manual_seed(5)
    negative, positive, x = (torch.randn((2, 4, 3, 3), generator=g) for _ in range(3))
    scale, rescale = 7.5, 0.7
    guided = negative + scale * (positive - negative)
    alphas = euler_scheduler().alphas_cumprod.double()
    estimates = []
    for sigma in [0.0292, 0.7, 14.6]:
        s = torch.tensor(sigma).double()
        c_out, c_in = DiscreteEpsDDPMDenoiser(None, alphas, quantize=False).get_scalings(s)
        v_skip, v_out, _ = DiscreteVDDPMDenoiser(None, alphas, quantize=False).get_scalings(s)
        estimates.append(dict(sigma=sigma, input_scale=float(c_in), epsilon=numbers(x + c_out * positive),
                              v=numbers(v_skip * x + v_out * positive)))
    write("guidance.json", dict(shape=[2, 4, 3, 3], negative=numbers(negative), positive=numbers(positive),
                                x=numbers(x), scale=scale, rescale=rescale, guided=numbers(guided),
                                rescaled=numbers(rescale_noise_cfg(guided, positive, rescale)),
                                estimates=estimates))


if __name__ == "__main__":
    export_noise()
    export_schedules()
    export_trajectories()
    export_moments()
    export_guidance()
