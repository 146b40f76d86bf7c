"""A denoiser that is led towards what a model remembers, and away from what was found before."""

import torch
from torch import Tensor

from memlib.denoisers import Denoiser


class Steered(Denoiser):
    """The denoised image of a model, moved at the noise levels of a `band` [low, high]:

        C = D_ref + contrast (D - D_ref)
        D' = C + repulsion sum_f max(0, radius / |C - f| - 1) (C - f)

    The contrast with a `reference`, an earlier state of the model or one that was trained on other
    images, exaggerates what only the model knows (FineXtract, arXiv 2410.03039; with a weaker model
    Karras et al. 2024, arXiv 2406.02507). Repulsion pushes the denoised image out of a ball around
    every image f of `found` (F, C, H, W) (SPELL, arXiv 2410.06025); |.| is the root mean square.
    With contrast 1 and repulsion 0, and outside the band, it is the model itself.

    Raises ValueError for a reference of another shape, or for a contrast without one.
    """

    def __init__(
        self,
        model: Denoiser,
        *,
        reference: Denoiser | None = None,
        contrast: float = 1.0,
        repulsion: float = 0.0,
        radius: float = 0.1,
        band: tuple[float, float] = (0.0, float("inf")),
    ) -> None:
        if contrast != 1 and reference is None:
            raise ValueError(f"A contrast of {contrast:g} needs a reference model.")
        if reference is not None and reference.shape != model.shape:
            raise ValueError(
                f"The reference model draws images of shape {reference.shape}, the model of "
                f"{model.shape}."
            )
        self.model, self.reference, self.contrast = model, reference, contrast
        self.repulsion, self.radius, self.band = repulsion, radius, band
        self.found = torch.zeros(0, *model.shape)
        self.shape, self.device = model.shape, model.device
        self.sigma_min, self.sigma_max = model.sigma_min, model.sigma_max
        self.name, self.digest = model.name, model.digest
        self.batch = getattr(model, "batch", 64)

    @property
    def sigma_floor(self) -> float:
        return self.model.sigma_floor

    def forwards(self, sigmas: Tensor) -> int:
        """Return the network forwards of an image whose path leaves each of these levels once."""
        inside = sum(self._inside(float(sigma)) for sigma in sigmas)
        return len(sigmas) + (inside if self.contrast != 1 else 0)

    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        denoised = self.model(y, sigma)
        if not self._inside(float(torch.as_tensor(sigma).max())):
            return denoised
        if self.contrast != 1 and self.reference is not None:
            denoised = torch.lerp(self.reference(y, sigma), denoised, self.contrast)
        if self.repulsion and len(self.found):
            denoised = self._repelled(denoised)
        return denoised

    def _inside(self, sigma: float) -> bool:
        return self.band[0] <= sigma <= self.band[1]

    def _repelled(self, denoised: Tensor) -> Tensor:
        """Return the denoised images (B, C, H, W) pushed away from those found."""
        flat, found = denoised.flatten(1), self.found.to(denoised).flatten(1)
        distance = torch.cdist(flat, found) / flat.shape[1] ** 0.5
        push = (self.radius / distance.clamp(min=1e-6) - 1).clamp(min=0)
        away: Tensor = push.sum(1, keepdim=True) * flat - push @ found
        return denoised + self.repulsion * away.view_as(denoised)
