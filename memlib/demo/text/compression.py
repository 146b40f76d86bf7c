"""The text demo's autoencoder: 64 x 64 pixels to 16 x 16 latents of four channels."""

import math
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from memlib.demo.states import State
from memlib.progress import Stages

STEPS = 2_500
BATCH = 8
LEARNING_RATE = 2e-3
KL = 1e-5  # the weight of the divergence from a standard normal, by latent value


def new_autoencoder() -> AutoencoderKL:
    """Make the autoencoder: 0.7 million parameters, without attention."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
        mid_block_add_attention=False,
    )


def train_autoencoder(
    pictures: Tensor, state_file: Path, stages: Stages, steps: int = STEPS, seed: int = 0
) -> AutoencoderKL:
    """Train on the pictures uint8 (N, 3, H, W), each as often as the others; training resumes from
    `state_file`.

    The loss is the mean squared difference, a tenth of the absolute one, and the divergence. The
    scaling factor is one over the standard deviation of the latents.
    """
    torch.manual_seed(seed)
    network = new_autoencoder()
    state = State(list(network.parameters()), LEARNING_RATE)
    for step in range(state.load(state_file), steps):
        draw = torch.Generator().manual_seed(seed * 10_000_000 + step)
        x = pictures[torch.randint(len(pictures), (BATCH,), generator=draw)].float() / 127.5 - 1
        with torch.autocast("cpu", torch.bfloat16):
            moments = network.quant_conv(network.encoder(x)).float()
            mean, log_variance = moments.chunk(2, 1)
            log_variance = log_variance.clamp(-30, 20)
            noise = torch.randn(mean.shape, generator=draw)
            drawn = network.decode(mean + (0.5 * log_variance).exp() * noise).sample.float()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        difference = drawn - x
        loss = difference.square().mean() + 0.1 * difference.abs().mean() + KL * kl
        rate = min((step + 1) / 100, 0.5 * (1 + math.cos(math.pi * step / steps)))
        state.step(loss, max(1e-5, LEARNING_RATE * rate))
        state.report(state_file, stages("training the autoencoder"), step + 1, steps)
    network.eval().register_to_config(scaling_factor=1 / latents(network, pictures).std().item())
    return network


@torch.no_grad()
def latents(network: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Return the means of the latents, unscaled, (N, 4, h, w)."""
    return torch.cat(
        [
            network.encode(block.float() / 127.5 - 1).latent_dist.mean
            for block in torch.split(pictures, 64)
        ]
    )
