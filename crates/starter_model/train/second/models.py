"""The second edition's networks; the text encoders' shape is the first edition's (``common.make_text``)."""
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from common import TEXT_WIDTHS

VAE_WIDTHS = (32, 48, 80, 96)
UNET_WIDTHS = (64, 112, 144)
UNET_HEADS = (2, 4, 4)


def make_vae():
    """SDXL's AutoencoderKL at f = 8 with 4 channels, 2.1 M parameters."""
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, sample_size=128, norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=VAE_WIDTHS, layers_per_block=1, scaling_factor=1.0)


class Averaged:
    """An exponential moving average of a model's parameters, kept in f32."""

    def __init__(self, model, decay, state=None):
        self.params = list(model.parameters())
        self.names = [name for name, _ in model.named_parameters()]
        self.decay, self.step = decay, state["step"] if state else 0
        self.mean = [state["mean"][n].clone() for n in self.names] if state else [
            p.detach().clone() for p in self.params]

    @torch.no_grad()
    def update(self):
        """After an optimizer step; the average starts short and grows to its full length."""
        self.step += 1
        torch._foreach_lerp_(self.mean, self.params, 1 - min(self.decay, (1 + self.step) / (10 + self.step)))

    def state(self):
        return {"step": self.step, "mean": dict(zip(self.names, self.mean))}

    @torch.no_grad()
    def swap(self):
        """Exchanges the average and the present parameters; a second call takes it back."""
        for mean, p in zip(self.mean, self.params):
            held = p.detach().clone()
            p.copy_(mean)
            mean.copy_(held)


def make_unet():
    """SDXL's UNet2DConditionModel, 7.1 M parameters."""
    return UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=UNET_WIDTHS, layers_per_block=1, transformer_layers_per_block=(1, 1, 1),
        attention_head_dim=UNET_HEADS, cross_attention_dim=sum(TEXT_WIDTHS), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=TEXT_WIDTHS[1] + 6 * 32, norm_num_groups=16)
