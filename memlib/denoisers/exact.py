"""Denoisers in closed form, for the tests and the landscapes page.

Data distributed as a Gaussian mixture p(x) = sum_k w_k N(x; m_k, S_k) stays one under noise, p(y;
sigma) = sum_k w_k N(y; m_k, S_k + sigma^2 I), so everything about it is a formula. With
responsibilities r_k(y) proportional to w_k N(y; m_k, S_k + sigma^2 I) and s_k = -(S_k + sigma^2
I)^-1 (y - m_k):

    score = sum_k r_k s_k
    D     = sum_k r_k (m_k + S_k (S_k + sigma^2 I)^-1 (y - m_k))
    H     = sum_k r_k (s_k s_k^T - (S_k + sigma^2 I)^-1) - score score^T        the Hessian of log p

Zero covariances give the ideal memoriser of a finite set of images. Everything is computed in
float64, whatever the precision of `y`.
"""

import hashlib
import math

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.seeds import generator


class GaussianMixture(Denoiser):
    """Exact denoiser of a Gaussian mixture.

    means (K, C, H, W); variances: a number, (K,), or full covariances (K, d, d); weights (K,),
    normalised here, equal by default. Accepts any sigma > 0; `sigma_min` and `sigma_max` (0.01,
    100) are only the ends of the default ladder. Raises ValueError for shapes that do not fit,
    negative or asymmetric variances, and weights that are not a distribution.
    """

    name = "Gaussian mixture"

    def __init__(
        self, means: Tensor, variances: float | Tensor, weights: Tensor | None = None
    ) -> None:
        if means.ndim != 4 or len(means) == 0:
            raise ValueError(
                f"means must have the shape (K, C, H, W) with K >= 1, not {tuple(means.shape)}"
            )
        if not torch.isfinite(means).all():
            raise ValueError("means contain NaN or infinite values")
        count, *shape = means.shape
        self.shape = (shape[0], shape[1], shape[2])
        self.sigma_min, self.sigma_max = 0.01, 100.0
        self.device = means.device
        self.means = means.double().flatten(1)  # (K, d)
        self.spectra, self.axes = _spectra(
            torch.as_tensor(variances, dtype=torch.float64, device=means.device),
            count,
            self.dimension,
        )
        weights = torch.ones(count) if weights is None else torch.as_tensor(weights)
        if (
            weights.shape != (count,)
            or not (weights >= 0).all()
            or not 0 < float(weights.sum()) < math.inf
        ):
            raise ValueError(
                f"weights must be {count} numbers >= 0 with a positive sum, not {weights.tolist()}"
            )
        self.weights = (weights.double() / weights.double().sum()).to(means.device)
        parts = (
            self.means,
            self.spectra,
            self.weights,
            *([] if self.axes is None else [self.axes]),
        )
        self.digest = hashlib.sha256(
            b"".join(part.cpu().numpy().tobytes() for part in parts)
        ).hexdigest()[:16]

    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        flat, noise = self._prepare(y, sigma)
        shares = self._responsibilities(flat, noise)
        if self.axes is None:  # m + v / (v + s^2) (y - m), summed without a (B, K, d) array
            kept = shares * self.spectra[:, 0] / (self.spectra[:, 0] + noise)
            mean = (shares - kept) @ self.means + kept.sum(1, keepdim=True) * flat
        else:
            scale = self.spectra / (self.spectra + noise[..., None])
            mean = torch.einsum("bk,bkd->bd", shares, self.means + self._apply(scale, flat))
        return mean.view(y.shape).to(y.dtype)

    def score(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        flat, noise = self._prepare(y, sigma)
        return self._score(flat, noise).view(y.shape).to(y.dtype)

    def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        flat, noise = self._prepare(y, sigma)
        return (-noise.sqrt() * self._score(flat, noise)).view(y.shape).to(y.dtype)

    def log_prob(self, y: Tensor, sigma: float | Tensor = 0.0) -> Tensor:
        """Return log p(y; sigma) in nats, shape (B,), float64."""
        return torch.logsumexp(self._log_joint(*self._prepare(y, sigma)), dim=1)

    def hessian(self, y: Tensor, sigma: float | Tensor = 0.0) -> Tensor:
        """Return the Hessian of log p(y; sigma) in y, shape (B, d, d), float64."""
        flat, noise = self._prepare(y, sigma)
        shares = self._responsibilities(flat, noise)
        parts = self._component_scores(flat, noise)
        score = torch.einsum("bk,bkd->bd", shares, parts)
        precision = 1 / (self.spectra + noise[..., None])  # (B, K, d)
        if self.axes is None:
            curvature = torch.diag_embed(
                (shares[..., None] * precision).sum(1).expand(-1, self.dimension)
            )
        else:
            curvature = torch.einsum("bk,bkj,kdj,kej->bde", shares, precision, self.axes, self.axes)
        spread = torch.einsum("bk,bkd,bke->bde", shares, parts, parts)
        return spread - curvature - score[:, :, None] * score[:, None, :]

    def p_laplacian(
        self, y: Tensor, sigma: float | Tensor = 0.0, p: float | Tensor = 1.0
    ) -> Tensor:
        """Return div(|s|^(p-2) s) of the score s, shape (B,), float64: |s|^(p-2) (tr H + (p - 2)
        s^T H s / |s|^2).

        Several p (P, 1) give (P, B). |s| is taken as sqrt(|s|^2 + 1e-24) throughout, so that the
        value at |s| = 0 is finite (and huge for p < 2).
        """
        flat, noise = self._prepare(y, sigma)
        score, hessian = self._score(flat, noise), self.hessian(y, sigma)
        square = (score**2).sum(1) + 1e-24
        along = torch.einsum("bd,bde,be->b", score, hessian, score) / square
        trace = hessian.diagonal(dim1=1, dim2=2).sum(1)
        return square ** ((p - 2) / 2) * (trace + (p - 2) * along)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw n independent samples, shape (n, C, H, W), float32; they depend on the seed and on
        n.
        """
        draw = generator(seed)
        chosen = torch.multinomial(self.weights.cpu(), n, replacement=True, generator=draw).to(
            self.device
        )
        normal = torch.randn(n, self.dimension, generator=draw, dtype=torch.float64).to(self.device)
        spread = self.spectra[chosen].sqrt() * normal
        if self.axes is not None:
            spread = torch.einsum("bde,be->bd", self.axes[chosen], spread)
        return (self.means[chosen] + spread).view(n, *self.shape).float()

    def _prepare(self, y: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return y as (B, d) float64 and sigma^2 as (B, 1)."""
        if tuple(y.shape[1:]) != self.shape:
            raise ValueError(
                f"{self.name} takes points of shape (B, {', '.join(map(str, self.shape))}), not "
                f"{tuple(y.shape)}"
            )
        square = (
            torch.as_tensor(sigma, dtype=torch.float64, device=y.device)
            .reshape(-1, 1)
            .expand(len(y), 1)
            ** 2
        )
        if not (square >= 0).all() or (float(self.spectra.min()) == 0 and not (square > 0).all()):
            raise ValueError(f"The noise level must be positive here, not {sigma}")
        return y.double().flatten(1), square

    def _log_joint(self, flat: Tensor, noise: Tensor) -> Tensor:
        """Return log w_k + log N(y; m_k, S_k + sigma^2 I), shape (B, K)."""
        total = (
            self.spectra + noise[..., None]
        )  # (B, K, d), or (B, K, 1) where a component is round
        if self.axes is None:
            square = (
                (flat**2).sum(1, keepdim=True) - 2 * flat @ self.means.T + (self.means**2).sum(1)
            )
            distance = square.clamp(min=0) / total[..., 0]
            log_det = self.dimension * total[..., 0].log()
        else:
            distance = (self._offsets(flat) ** 2 / total).sum(2)
            log_det = total.log().sum(2)
        return self.weights.log() - 0.5 * (
            distance + log_det + self.dimension * math.log(2 * math.pi)
        )

    def _responsibilities(self, flat: Tensor, noise: Tensor) -> Tensor:
        return torch.softmax(self._log_joint(flat, noise), dim=1)

    def _score(self, flat: Tensor, noise: Tensor) -> Tensor:
        shares = self._responsibilities(flat, noise)
        if self.axes is None:
            pull = shares / (self.spectra[:, 0] + noise)
            return pull @ self.means - pull.sum(1, keepdim=True) * flat
        return torch.einsum("bk,bkd->bd", shares, self._component_scores(flat, noise))

    def _component_scores(self, flat: Tensor, noise: Tensor) -> Tensor:
        """Return s_k, shape (B, K, d)."""
        return -self._apply(1 / (self.spectra + noise[..., None]), flat)

    def _offsets(self, flat: Tensor) -> Tensor:
        """Return y - m_k in the principal axes of component k, shape (B, K, d)."""
        offsets = flat[:, None] - self.means
        return offsets if self.axes is None else torch.einsum("kdj,bkd->bkj", self.axes, offsets)

    def _apply(self, scale: Tensor, flat: Tensor) -> Tensor:
        """U_k diag(scale) U_k^T (y - m_k), shape (B, K, d)."""
        scaled = scale * self._offsets(flat)
        return scaled if self.axes is None else torch.einsum("kdj,bkj->bkd", self.axes, scaled)


class FiniteDataset(GaussianMixture):
    """The ideal memoriser: the exact denoiser of a finite set of images (N, C, H, W), a mixture of
    zero width.

    D(y, sigma) = sum_i softmax_i(log w_i - |y - x_i|^2 / (2 sigma^2)) x_i. It can draw only its
    images.
    """

    name = "Finite data set"

    def __init__(self, images: Tensor, weights: Tensor | None = None) -> None:
        super().__init__(images, 0.0, weights)


def _spectra(variances: Tensor, count: int, dimension: int) -> tuple[Tensor, Tensor | None]:
    """Return eigenvalues (K, 1) or (K, d) and eigenvectors (None or (K, d, d)) of the
    covariances.
    """
    axes = None
    if variances.ndim == 0 or variances.shape == (count,):
        spectra = variances.expand(count)[:, None]
    elif variances.shape == (count, dimension, dimension):
        if not torch.allclose(variances, variances.mT):
            raise ValueError("covariances must be symmetric")
        spectra, axes = torch.linalg.eigh(variances)
        spectra = spectra.where(spectra.abs() > 1e-12 * spectra.abs().amax(1, keepdim=True), 0.0)
    else:
        raise ValueError(
            f"variances must be a number, ({count},) or ({count}, {dimension}, {dimension}), not "
            f"{tuple(variances.shape)}"
        )
    if not torch.isfinite(spectra).all() or (spectra < 0).any():
        raise ValueError("variances must be finite and not negative")
    return spectra, axes
