"""The exported model as diffusers loads it."""
import torch
from diffusers import StableDiffusionXLPipeline

from tokenizer import pair


def load_pipe(args):
    """The pipeline of ``args.weights`` in f32, with the tokenizers of ``args.tokenizers``."""
    one, two = pair(args.tokenizers)
    pipe = StableDiffusionXLPipeline.from_pretrained(
        args.weights, torch_dtype=torch.float32, tokenizer=one, tokenizer_2=two, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe
