"""The denoiser: the one object every method of this library is a function of.

In noise-level coordinates an image x0 is seen through noise of standard deviation sigma,

    y = x0 + sigma * n,   n ~ N(0, I),

and a denoiser knows the posterior mean D(y, sigma) = E[x0 | y]. Tweedie's formula turns it into the
other two names of the same thing, the predicted noise and the score of the noised data:

    noise(y, sigma) = (y - D) / sigma  score(y, sigma) = grad log p(y; sigma) = (D - y) / sigma^2

The probability-flow ODE is then dy / d sigma = noise(y, sigma) (Song et al. 2021; Karras et al.
2022).
"""

import torch
from torch import Tensor


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """The device to compute on: the one asked for, else CUDA, else Apple's MPS, else the CPU."""
    if device is not None:
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class Denoiser:
    """Base class: E[x0 | y] with the score and the noise derived from it.

    A subclass implements `__call__`, or overrides `noise` and `score` too where it knows them more
    exactly: the difference y - D loses every digit in float32 at small sigma.

    Attributes: `shape` (C, H, W); `sigma_min`, `sigma_max`, the ends of the default noise ladder in
    image units; `sigma_floor`, where sampling takes its last step to 0; `digest`, which changes
    whenever the function does; `name`, for people; `device`.
    """

    shape: tuple[int, int, int]
    sigma_min: float
    sigma_max: float
    digest: str
    name: str
    device: torch.device

    @property
    def sigma_floor(self) -> float:
        """The smallest noise level worth asking for; `sigma_min` unless a subclass knows a smaller
        one.
        """
        return self.sigma_min

    @property
    def dimension(self) -> int:
        """d = C * H * W."""
        channels, height, width = self.shape
        return channels * height * width

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """The shape of the pictures behind the images; another than `shape` where the denoiser
        lives in a latent space.
        """
        return self.shape

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures (B, *picture_shape) in [-1, 1] as the images (B, *shape) this denoiser knows:
        themselves, or their latents.
        """
        return pictures

    def decode(self, images: Tensor) -> Tensor:
        """The pictures of images (B, *shape); the way back from `encode`, as near as it goes."""
        return images

    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """E[x0 | y], the shape of `y` (B, C, H, W); `sigma` is a float or a tensor (B,)."""
        raise NotImplementedError(
            f"{type(self).__name__} is a denoiser without a denoising function"
        )

    def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """(y - D(y, sigma)) / sigma, the expected noise n, in units of sigma."""
        return (y - self(y, sigma)) / expand(sigma, y)

    def score(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """grad log p(y; sigma) = -noise(y, sigma) / sigma."""
        return -self.noise(y, sigma) / expand(sigma, y)

    def check(self, images: Tensor) -> Tensor:
        """Images of this denoiser's shape on its device, or a ValueError that says what is wrong
        with them.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != tuple(self.shape):
            raise ValueError(
                f"{self.name} takes images of shape (B, {', '.join(map(str, self.shape))}), not "
                f"{tuple(images.shape)}"
            )
        if not torch.isfinite(images).all():
            raise ValueError("The images contain NaN or infinite values.")
        return images.to(self.device)


def expand(sigma: float | Tensor, y: Tensor) -> float | Tensor:
    """`sigma` so that it multiplies `y`: a float, or (B,) reshaped to (B, 1, 1, 1)."""
    if not isinstance(sigma, Tensor) or sigma.ndim == 0:
        return sigma
    return sigma.to(y).reshape(-1, *[1] * (y.ndim - 1))
