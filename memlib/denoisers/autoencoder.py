"""The latent space of an autoencoder: pictures to latents and back.

A latent diffusion model denoises z = (E(x) - shift) * scale, E the encoder of a VQ-VAE (before
quantisation) or the mean of a KL autoencoder; x = G(z / scale + shift). Everything measured on such
a model, sigma too, is in units of z.
"""

from typing import Any, Self

import torch
from torch import Tensor

KINDS = ("VQModel", "AutoencoderKL")


class Autoencoder:
    """A diffusers VQModel or AutoencoderKL."""

    def __init__(self, network: Any) -> None:
        config = network.config
        self.network = network.eval().requires_grad_(False)
        self.scale, self.shift = (
            float(config.scaling_factor),
            float(config.get("shift_factor") or 0.0),
        )
        self.channels, self.factor = (
            int(config.in_channels),
            2 ** (len(config.block_out_channels) - 1),
        )
        self.parameters = sum(weight.numel() for weight in network.parameters())

    def to(self, device: torch.device) -> Self:
        self.network.to(device)
        return self

    def picture_shape(self, latent: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape of a picture whose latent has this shape."""
        return self.channels, latent[1] * self.factor, latent[2] * self.factor

    def encode(self, pictures: Tensor) -> Tensor:
        """Return latents (B, c, h, w) of pictures (B, C, H, W) in [-1, 1]."""
        found = self.network.encode(pictures)
        latents = found.latents if hasattr(found, "latents") else found.latent_dist.mode()
        scaled: Tensor = (latents - self.shift) * self.scale
        return scaled

    def decode(self, latents: Tensor) -> Tensor:
        """Return pictures (B, C, H, W) of latents (B, c, h, w); not clipped."""
        pictures: Tensor = self.network.decode(latents / self.scale + self.shift).sample
        return pictures
