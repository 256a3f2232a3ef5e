"""Encode a pool of pictures with the trained VAE, and tokenise their captions.

The latents are whitened: zero mean and unit variance, without correlation between the channels. That is the space in
which the UNet works; the whitening is folded into the exported VAE. Also fits the matrix of the latent-to-RGB preview.

    python -m second.cache_latents
"""
import argparse

import torch
import torch.nn.functional as F

from common import save_atomic
from second.models import Averaged, make_vae
from second.pool import read
from second.runtime import wait_while
from second.train_vae import as_input
from second.words import Words


def load_vae(path):
    """The averaged VAE of a checkpoint."""
    ck = torch.load(path, mmap=True)
    vae = make_vae()
    vae.load_state_dict(ck["vae"])
    Averaged(vae, 0, ck["ema"]).swap()
    return vae.to(memory_format=torch.channels_last).eval()


@torch.no_grad()
def encode(vae, pictures, pause_file=None):
    """(N, 4, 16, 16) posterior means of uint8 pictures, and their pictures at 1/8 of the size."""
    latents, small = [], []
    for at in range(0, len(pictures), 32):
        wait_while(pause_file)
        x = as_input(pictures[at:at + 32])
        latents.append(vae.encode(x).latent_dist.mean.contiguous())
        small.append(F.avg_pool2d(x, 8).contiguous())
    return torch.cat(latents), torch.cat(small)


def whitening(latents):
    """(mean, matrix): (z - mean) @ matrix has unit covariance; the matrix is the symmetric root (ZCA)."""
    flat = latents.permute(0, 2, 3, 1).reshape(-1, 4).double()
    mean = flat.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(flat.T))
    return mean.float(), (vectors @ torch.diag(values.rsqrt()) @ vectors.T).float()


def whitened(latents, mean, matrix):
    return torch.einsum("nchw,cd->ndhw", latents - mean.view(1, -1, 1, 1), matrix)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pool", default="work/second/pool-unet")
    ap.add_argument("--vae", default="work/second/vae.pt")
    ap.add_argument("--tokenizers", default="work")
    ap.add_argument("--out", default="work/second/latents.pt")
    ap.add_argument("--captions", type=int, default=4, help="captions of each picture")
    ap.add_argument("--pause-file")
    ap.add_argument("--threads", type=int, default=2)
    args = ap.parse_args()
    torch.set_num_threads(args.threads)
    (pictures, specs), words = read(args.pool), Words(args.tokenizers)
    latents, small = encode(load_vae(args.vae), pictures, args.pause_file)
    mean, matrix = whitening(latents)
    latents = whitened(latents, mean, matrix)
    a = latents.permute(0, 2, 3, 1).reshape(-1, 4)
    a = torch.cat([a, torch.ones(len(a), 1)], 1)
    y = small.permute(0, 2, 3, 1).reshape(-1, 3)
    solution = torch.linalg.lstsq(a, y).solution
    r2 = (1 - (y - a @ solution).var(0) / y.var(0)).tolist()
    captions = torch.from_numpy(words.captions(specs, args.captions, 0))
    save_atomic({"latents": latents.half(), "captions": captions, "rows": words.rows, "mean": mean, "whiten": matrix,
                 "matrix": solution[:4].tolist(), "bias": solution[4].tolist(), "r2": r2}, args.out)
    print(f"{len(latents)} latents, mean {mean.tolist()}, whitening {matrix.tolist()}, rgb R2 {r2}")


if __name__ == "__main__":
    main()
