"""The denoiser: every method of this library is a function of it.

In noise-level coordinates an image x0 is seen through noise of standard deviation sigma,

    y = x0 + sigma * n,   n ~ N(0, I),

and a denoiser gives the posterior mean D(y, sigma) = E[x0 | y]. By Tweedie's formula the predicted
noise and the score of the noised data follow from it:

    noise(y, sigma) = (y - D) / sigma  score(y, sigma) = grad log p(y; sigma) = (D - y) / sigma^2

The probability-flow ODE is then dy / d sigma = noise(y, sigma) (Song et al. 2021; Karras et al.
2022).
"""

import torch
from torch import Tensor


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to compute on: the one asked for, else CUDA, else Apple's MPS, else the
    CPU.
    """
    if device is not None:
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class Denoiser:
    """Base class: E[x0 | y] with the score and the noise derived from it.

    A subclass implements `__call__`, and also `noise` and `score` if it can compute them more
    exactly: the difference y - D loses all precision in float32 at small sigma.

    Attributes: `shape` (C, H, W); `sigma_min`, `sigma_max`, the ends of the default noise ladder in
    image units; `sigma_floor`, from which sampling takes its last step to 0; `digest`, a hash that
    changes whenever the function does; `name`, for people; `device`.
    """

    shape: tuple[int, int, int]
    sigma_min: float
    sigma_max: float
    digest: str
    name: str
    device: torch.device

    @property
    def sigma_floor(self) -> float:
        """The smallest noise level the denoiser supports; `sigma_min` unless a subclass supports a
        smaller one.
        """
        return self.sigma_min

    @property
    def dimension(self) -> int:
        """d = C * H * W."""
        channels, height, width = self.shape
        return channels * height * width

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """The shape of the pictures behind the images; it differs from `shape` if the denoiser
        works in a latent space.
        """
        return self.shape

    def encode(self, pictures: Tensor) -> Tensor:
        """Return pictures (B, *picture_shape) in [-1, 1] as the images (B, *shape) of this
        denoiser: unchanged, or their latents.
        """
        return pictures

    def decode(self, images: Tensor) -> Tensor:
        """Return the pictures of images (B, *shape): the approximate inverse of `encode`."""
        return images

    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return E[x0 | y], of the shape of `y` (B, C, H, W); `sigma` is a float or a
        tensor (B,).
        """
        raise NotImplementedError(
            f"{type(self).__name__} is a denoiser without a denoising function"
        )

    def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return (y - D(y, sigma)) / sigma, the expected noise n, in units of sigma."""
        return (y - self(y, sigma)) / expand(sigma, y)

    def score(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return grad log p(y; sigma) = -noise(y, sigma) / sigma."""
        return -self.noise(y, sigma) / expand(sigma, y)

    def check(self, images: Tensor) -> Tensor:
        """Return images of this denoiser's shape on its device. Raises ValueError for images of
        another shape or with NaN or infinite values.
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
    """Return `sigma` in a form that multiplies `y`: a float, or (B,) reshaped to (B, 1, 1, 1)."""
    if not isinstance(sigma, Tensor) or sigma.ndim == 0:
        return sigma
    return sigma.to(y).reshape(-1, *[1] * (y.ndim - 1))
