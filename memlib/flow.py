"""The probability-flow ODE, dy / d sigma = noise(y, sigma), up to the latent and down to an image.

Between two noise levels of ratio r = sigma_{k+1} / sigma_k the ODE is solved exactly if the
denoiser is constant: y' = r y + (1 - r) D, which is one step of DDIM. Following the line through
the last two denoised images instead,

    y' = r y + (1 - r) (D_k + (h_k / 2 h_{k-1}) (D_k - D_{k-1})), h_k = ln sigma_{k+1} - ln sigma_k,

costs no further network forwards and is second order in h (the multistep solver of Lu et al. 2022,
DPM-Solver++). Once the denoiser is known at the next level too, `corrected_step` takes the step
again with the denoised image on a straight line between both, which corrects the first step, where
only one denoised image is known (the corrector of Zhao et al. 2023, UniPC).
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.progress import Progress
from memlib.seeds import generator


def ladder(
    denoiser: Denoiser,
    steps: int,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    stretch: float = 1.0,
) -> Tensor:
    """Return steps + 1 ascending noise levels, float64, over the denoiser's own range by default.

    With stretch 1 they are evenly spaced in ln sigma. Otherwise ln sigma follows (stretch^u - 1) /
    (stretch - 1) over u in [0, 1]: the last steps are about `stretch` times the first ones.
    """
    low = denoiser.sigma_min if sigma_min is None else float(sigma_min)
    high = denoiser.sigma_max if sigma_max is None else float(sigma_max)
    if not 0 < low < high < math.inf:
        raise ValueError(
            f"The noise range must satisfy 0 < sigma_min < sigma_max, not {low:g} to {high:g}."
        )
    if steps < 1:
        raise ValueError(f"At least one step is needed, not {steps}.")
    u = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    if stretch != 1:
        u = (stretch**u - 1) / (stretch - 1)
    return (math.log(low) + math.log(high / low) * u).exp()


def quadrature(sigmas: Tensor) -> Tensor:
    """Return weights (T, T + 1) of values at T + 1 noise levels; row k gives the integral over ln
    sigma from sigmas[k] to sigmas[k + 1].

    Each interval uses the cubic through the four levels around it, or through as many as there are:
    exact for cubics in ln sigma, of fourth order, while the trapezoid rule is of second.
    """
    positions = sigmas.log()
    count = len(positions)
    width = min(4, count)
    weights = torch.zeros(count - 1, count, dtype=torch.float64)
    powers = torch.arange(1, width + 1, dtype=torch.float64)
    for k in range(count - 1):
        start = min(max(k - (width // 2 - 1), 0), count - width)
        gap = positions[k + 1] - positions[k]
        t = (positions[start : start + width] - positions[k]) / gap
        moments = torch.linalg.solve(torch.vander(t, increasing=True).T, 1 / powers)
        weights[k, start : start + width] = gap * moments
    return weights


def rounded_ends(denoiser: Denoiser) -> tuple[float, float]:
    """Return the ends of the default ladder to three digits, rounded inward, as numbers that can be
    shown, typed and compared.
    """

    def unit(sigma: float) -> float:
        return 10.0 ** (math.floor(math.log10(sigma)) - 2)

    low, high = denoiser.sigma_min, denoiser.sigma_max
    up, down = (
        math.ceil(round(low / unit(low), 6)) * unit(low),
        math.floor(round(high / unit(high), 6)) * unit(high),
    )
    return float(f"{up:.3g}"), float(f"{down:.3g}")


def ode_step(
    y: Tensor, denoised: Tensor, previous: Tensor | None, sigmas: Tensor, k: int
) -> Tensor:
    """Return y at sigmas[k + 1] from y at sigmas[k]; DDIM if `previous`, the denoised image one
    step back, is None.
    """
    ratio = float(sigmas[k + 1] / sigmas[k])
    return torch.lerp(ahead(denoised, previous, sigmas, k), y, ratio)


def ahead(denoised: Tensor, previous: Tensor | None, sigmas: Tensor, k: int) -> Tensor:
    """Return the denoised image in the middle of the step from sigmas[k] to sigmas[k + 1], on the
    line through the `previous` one and this one; `denoised` itself if `previous` is None.
    """
    if previous is None:
        return denoised
    step, last = (float(torch.log(sigmas[i + 1] / sigmas[i])) for i in (k, k - 1))
    return torch.lerp(previous, denoised, 1 + step / (2 * last))


def corrected_step(y: Tensor, denoised: Tensor, ahead: Tensor, sigmas: Tensor, k: int) -> Tensor:
    """Return y at sigmas[k + 1] from y at sigmas[k], for a denoised image that is linear in ln
    sigma from `denoised` at sigmas[k] to `ahead` at sigmas[k + 1].
    """
    step = math.log(float(sigmas[k + 1] / sigmas[k]))
    share = (math.expm1(step) - step) / (step * math.expm1(step))
    return torch.lerp(torch.lerp(denoised, ahead, share), y, math.exp(step))


def stochastic_step(
    y: Tensor, denoised: Tensor, sigma: float, lower: float, noise: Tensor, eta: float = 1.0
) -> Tensor:
    """Return y at the noise level `lower` from y at `sigma`, with fresh noise (Song et al. 2021,
    DDIM).

        y' = D + sqrt(lower^2 - s^2) (y - D) / sigma + s n,
        s = eta lower sqrt(1 - lower^2 / sigma^2)

    At eta = 1 this is the exact posterior N(D + r (y - D), lower^2 (1 - r)), r = lower^2 / sigma^2,
    of the noised image given the next noisier one, with D in place of the image.
    """
    fresh = eta * lower * math.sqrt(1 - (lower / sigma) ** 2)
    kept = math.sqrt(lower**2 - fresh**2) / sigma
    return torch.lerp(denoised, y, kept) + fresh * noise


@torch.no_grad()
def invert(
    denoiser: Denoiser,
    images: Tensor,
    *,
    steps: int = 50,
    sigmas: Tensor | None = None,
    callback: Progress | None = None,
) -> Tensor:
    """Carry images (B, C, H, W) along the ODE through ascending `sigmas`; return their latents at
    the last one.

    The image is taken as the state at sigmas[0]; no noise is added. `steps` network forwards,
    second order.
    """
    levels = ladder(denoiser, steps) if sigmas is None else _check(sigmas)
    y, previous = denoiser.check(images), None
    for k in range(len(levels) - 1):
        denoised = denoiser(y, float(levels[k]))
        y, previous = ode_step(y, denoised, previous, levels, k), denoised
        if callback:
            callback(k + 1, len(levels) - 1)
    return y


@torch.no_grad()
def generate(
    denoiser: Denoiser,
    latent: Tensor,
    *,
    steps: int = 50,
    sigmas: Tensor | None = None,
    second_order: bool = False,
) -> Tensor:
    """Carry latents at sigmas[0] down descending `sigmas` to images: DDIM (eta 0, unclipped), or
    second order.
    """
    levels = descending(denoiser, steps) if sigmas is None else _check(sigmas)
    y, previous = denoiser.check(latent), None
    for k in range(len(levels) - 1):
        denoised = denoiser(y, float(levels[k]))
        last_to_zero = float(levels[k + 1]) == 0
        y = ode_step(y, denoised, None if last_to_zero else previous, levels, k)
        previous = denoised if second_order else None
    return y


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    n: int,
    *,
    steps: int = 50,
    sigmas: Tensor | None = None,
    seed: int = 0,
    first: int = 0,
    eta: float = 0.0,
    second_order: bool = False,
    around: Tensor | None = None,
    guidance: Callable[[Tensor, float, Tensor], Tensor] | None = None,
    trace: Callable[[float, Tensor, Tensor], object] | None = None,
    ending: Callable[[float, Tensor, Tensor], Tensor] | None = None,
    callback: Progress | None = None,
) -> Tensor:
    """Draw n images (n, C, H, W) by DDIM, from N(0, sigma_max^2 I) down to sigma = 0, unclipped, on
    the CPU.

    `eta` is 0 for the deterministic sampler and 1 for the stochastic one, whose every step adds the
    posterior's noise (`stochastic_step`); the last step, to sigma = 0, adds none. With
    `second_order` all other steps but the first follow the line through the last two denoised
    images, for no more forwards. `sigmas` descend,
    0 may be the last; by default `steps` levels evenly spaced in ln sigma and then 0, which is
    `steps` network forwards an image. `guidance(y, sigma, index)` returns grad log p(c | y), its
    strength included, for the samples numbered `index` (B,); it is added to the score: D + sigma^2
    guidance. Image i depends only on (seed, i), and the numbers start at `first`, so a run can be
    drawn in parts. With `around` (n, C, H, W) image i starts at around[i] + sigmas[0] n instead: it
    is drawn again from there. `trace(sigma, y, denoised)` is called with the state of every step
    and its denoised image, guidance included. `ending(sigma, denoised, index)` says which paths end
    there (B,), with the denoised image as theirs. `callback(done, total)` counts steps over all
    chunks.
    """
    if n < 1 or first < 0:
        raise ValueError(
            f"At least one sample is needed, and numbers from 0, not {n} from {first}."
        )
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be between 0 and 1, not {eta}.")
    levels = descending(denoiser, steps) if sigmas is None else _check(sigmas)
    chunk = getattr(denoiser, "batch", 64)
    starts = range(0, n, chunk)
    images = []
    for part, start in enumerate(starts):
        index = first + torch.arange(start, min(n, start + chunk))
        draws = [generator(seed, int(i)) for i in index]
        y = _normal(denoiser, draws) * float(levels[0])
        if around is not None:
            y = y + around[start : start + chunk].to(y)
        image, place = torch.empty(y.shape, dtype=y.dtype), torch.arange(len(y))
        previous: Tensor | None = None
        for k in range(len(levels) - 1):
            sigma = float(levels[k])
            denoised = denoiser(y, sigma)
            if guidance is not None:
                denoised = denoised + sigma**2 * guidance(y, sigma, index)
            if trace is not None:
                trace(sigma, y, denoised)
            if ending is not None and (ended := ending(sigma, denoised, index)).any():
                image[place[ended]] = denoised.cpu()[ended]
                y, denoised = (one[~ended.to(one.device)] for one in (y, denoised))
                previous = None if previous is None else previous[~ended.to(y.device)]
                index, place = index[~ended], place[~ended]
                draws = [draw for draw, out in zip(draws, ended.tolist(), strict=True) if not out]
                if not draws:
                    break
            lower = float(levels[k + 1])
            if eta and lower:
                middle = ahead(denoised, previous, levels, k)
                y = stochastic_step(y, middle, sigma, lower, _normal(denoiser, draws), eta)
            else:
                y = ode_step(y, denoised, previous if lower else None, levels, k)
            previous = denoised if second_order else None
            if callback:
                callback(part * (len(levels) - 1) + k + 1, len(starts) * (len(levels) - 1))
        image[place] = y.cpu()
        images.append(image)
    return torch.cat(images)


def _normal(denoiser: Denoiser, draws: Sequence[torch.Generator]) -> Tensor:
    """Draw standard normal noise (len(draws), C, H, W), for each image from its own generator."""
    noise = [torch.randn(denoiser.shape, generator=draw) for draw in draws]
    return torch.stack(noise).to(denoiser.device)


def descending(
    denoiser: Denoiser, steps: int, high: float | None = None, low: float | None = None
) -> Tensor:
    """Return the sampler's noise levels (steps + 1,), float64: evenly spaced in ln sigma from
    `high` down to `low`, by default over all that the denoiser supports, then 0.
    """
    if steps < 1:
        raise ValueError(f"At least one step is needed, not {steps}.")
    top = denoiser.sigma_max if high is None else high
    rungs = (
        ladder(denoiser, steps - 1, denoiser.sigma_floor if low is None else low, top).flip(0)
        if steps > 1
        else torch.tensor([top], dtype=torch.float64)
    )
    return torch.cat([rungs, torch.zeros(1, dtype=torch.float64)])


def _check(sigmas: Tensor) -> Tensor:
    """Return a strictly monotone ladder in float64; only the last level may be 0."""
    levels = torch.as_tensor(sigmas, dtype=torch.float64).cpu()
    gaps = levels.diff()
    if (
        levels.ndim != 1
        or len(levels) < 2
        or not ((gaps > 0).all() or (gaps < 0).all())
        or not (levels[:-1] > 0).all()
        or levels[-1] < 0
    ):
        raise ValueError(
            "Noise levels must be at least two, strictly rising or falling, and positive (the "
            f"last may be 0), not {levels.tolist()}"
        )
    return levels
