"""The reproduction rate: how often the model draws an image, even if sampling would hardly ever
show it.

With the stochastic sampler, sample(..., eta=1), y_0 the picture it ends at,

    R(x) = P[ rms(y_0 - x) < tolerance, and no other training image is nearer ].

Paths are led towards x and weighted by w = p / q, the density of the sampler over that of the led
paths (memlib.led_paths). At a level they are let go: the plain sampler continues to the end. For
any level,

    R(x) = E_q[ w 1{copy} ],

without bias. For the ideal memoriser w loses its variance as the steps become small, so a rate of
1e-6 needs no more paths than one of 1e-1, unlike counting. -E log w is the denoising loss of x
above the level, weighted, and E 1{copy} is the probability that x returns from it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import descending
from memlib.images import ImageSet
from memlib.importance import log10_mean
from memlib.led_paths import lead, let_go
from memlib.measures.measure import Measure
from memlib.measures.result import Result, Row
from memlib.measures.settings import Settings, noise_level
from memlib.neighbours import nearest
from memlib.options import option
from memlib.progress import Progress

PILOT = 16  # paths that only choose the level
REACH = 5.0  # nats: where log weights spread more, paths do not estimate a rate
STEADY = 2.5  # nats: where they spread less, they bound it


@dataclass(frozen=True, kw_only=True)
class RateSettings(Settings):
    """Settings of the reproduction rate."""

    tolerance: float = option(
        0.1,
        "Copy below",
        "Root mean square difference per value, in [-1, 1] units, below which a generated image "
        "is a copy.",
        low=1e-6,
        high=2.0,
        address="tolerance",
    )
    steps: int = option(
        50,
        "Steps",
        "Steps of the stochastic sampler. The rate depends on them.",
        low=2,
        high=1000,
        address="steps",
    )
    paths: int = option(
        64,
        "Paths",
        "Weighted paths per image. More give a narrower interval.",
        low=8,
        high=2**16,
        address="paths",
    )
    levels: tuple[float, ...] | None = noise_level(
        None,
        "Let go at σ",
        "Noise levels at which paths may be let go; pilot paths choose among them.",
        most=64,
        optional=True,
    )
    mirrored: bool = option(
        False,
        "Mirror images count",
        "For models trained with random flips: a copy of the mirror image is a copy.",
        implied=True,
    )

    def forwards(self, denoiser: Denoiser) -> int:
        return (PILOT + self.paths) * self.steps * (2 if self.mirrored else 1)

    @property
    def degrees(self) -> int:
        return self.paths - 1


@dataclass(frozen=True)
class ReproductionRate(Result):
    """Rates of B images: `value` is log10 of the rate, `stderr` its standard error in decades.

    `low` and `high` are the ends of its 95% interval. If `sign` is +1, the weights are too uneven:
    value and low are a lower limit at 95% by Markov's inequality, and high is 0, which gives no
    information. If it is -1, no path came back: value and high are an upper limit, low is NaN.
    `map` says which pixels make the image rare: it sums to `surprise`, not to the value.
    """

    low: Tensor  # (B,)
    high: Tensor  # (B,)
    sign: Tensor  # (B,) 0, +1 "at least", -1 "less than"
    released: Tensor  # (B,) the noise level at which the paths were let go
    khat: Tensor  # (B,) Pareto shape of the largest terms; NaN if they are equal
    copies: Tensor  # (B,) share of the paths that came back
    surprise: Tensor  # (B,) nats: the mean over paths of -log w, w of each path's own gain

    mapped: ClassVar[str] = "surprise"
    kept: ClassVar[tuple[str, ...]] = (
        "value",
        "stderr",
        "low",
        "high",
        "sign",
        "released",
        "khat",
        "copies",
        "surprise",
        "map",
    )

    @property
    def bound(self) -> list[str]:
        """How to read each value: "" for an estimate, "at least" or "less than" for a limit."""
        words = {0: "", 1: "at least", -1: "less than"}
        return [words[int(sign)] for sign in self.sign]

    @property
    def interval(self) -> tuple[Tensor, Tensor]:
        return self.low, self.high


@torch.no_grad()
def reproduction_rate(
    denoiser: Denoiser,
    images: Tensor,
    *,
    tolerance: float = RateSettings.tolerance,
    among: ImageSet | Tensor | None = None,
    steps: int = RateSettings.steps,
    paths: int = RateSettings.paths,
    levels: Sequence[float] | None = None,
    mirrored: bool = RateSettings.mirrored,
    seed: int = RateSettings.seed,
    callback: Progress | None = None,
) -> ReproductionRate:
    """Estimate log10 of the rate at which images (B, C, H, W) are reproduced, with (16 + paths) *
    steps forwards each.

    A generated image is a copy if its root mean square difference to the image is below
    `tolerance`; decoded pictures are compared if the denoiser works in a latent space. With
    `among`, the training images (N, C, H, W), it must also be the nearest of them, so that rates of
    different images can be added. The rate is that of `sample(denoiser, n, steps=steps, eta=1)` and
    of no other sampler. With `mirrored` a picture may also be a copy after a flip from left to
    right: paths are led to both, at twice the forwards, and a picture counts for the nearer one.

    16 pilot paths choose, for each image, the level at which the others are let go: of `levels`, or
    of all levels of the sampler, the one with the smallest predicted relative variance of w
    1{copy}, exp(var log w) over the share of paths whose D is within the tolerance. The interval is
    Hall's (1992) for the mean of a skewed sample. The noise of path i depends only on (seed, i), so
    it is shared by all images. `callback(done, total)` counts forwards of one path.

    Raises ValueError for settings that are not allowed and images that do not fit.
    """
    asked = RateSettings(
        tolerance=tolerance,
        steps=steps,
        paths=paths,
        levels=tuple(levels) if levels else None,
        mirrored=mirrored,
        seed=seed,
    )
    x, sigmas = denoiser.check(images), descending(denoiser, steps)
    ways = 2 if mirrored else 1
    total, done = len(x) * ways * 2 * steps, 0

    def tell() -> None:
        nonlocal done
        done += 1
        if callback:
            callback(min(done, total), total)

    rows = []
    for number, image in enumerate(x):
        flipped = image.flip(2)
        both: list[tuple[Tensor, Tensor | None]] = [(image, flipped), (flipped, image)]
        if not mirrored or torch.equal(image, flipped):
            both = [(image, None)]
        found = []
        for way, (target, other) in enumerate(both):
            done = 2 * steps * (ways * number + way)
            found.append(_terms(denoiser, target, other, sigmas, asked, among, tell))
        terms, weights = (
            torch.stack([getattr(one, name) for one in found]).logsumexp(0)
            for name in ("terms", "weights")
        )
        rows.append((*log10_mean(terms, weights), found[0].released, found[0].surprise))
    numbers = torch.tensor([row[:-1] for row in rows], dtype=torch.float64)
    value, stderr, low, high, sign, khat, copies, released = numbers.T.float()
    surprise = torch.stack([row[-1] for row in rows]).float().cpu()
    return ReproductionRate(
        value=value,
        stderr=stderr,
        map=surprise,
        draws=None,
        evaluations=asked.forwards(denoiser),
        low=low,
        high=high,
        sign=sign,
        released=released,
        khat=khat,
        copies=copies,
        surprise=surprise.sum((1, 2)),
    )


@dataclass(frozen=True)
class _Terms:
    """Log of w 1{copy} and of w of each path (P,), where they were let go, and the map."""

    terms: Tensor
    weights: Tensor
    released: float
    surprise: Tensor


def _terms(
    denoiser: Denoiser,
    image: Tensor,
    other: Tensor | None,
    sigmas: Tensor,
    asked: RateSettings,
    among: ImageSet | Tensor | None,
    tell: Callable[[], None],
) -> _Terms:
    """Lead paths to an image and let them go. A picture that is nearer to `other` is no copy."""
    pilot = []
    for led in lead(denoiser, image, sigmas, range(asked.paths, asked.paths + PILOT), asked.seed):
        near = _rms(led.denoised - image) < asked.tolerance
        pilot.append((led.log_weight, near.double().mean()))
        tell()
    level = _choose(pilot, sigmas, asked)
    for let in lead(denoiser, image, sigmas, range(asked.paths), asked.seed, until=level):
        led = let
        tell()
    ends = let_go(denoiser, led, sigmas, asked.seed, tell)
    copies = _copies(denoiser, ends, image, other, asked.tolerance, among)
    terms = torch.where(copies, led.log_weight, -torch.inf)
    return _Terms(terms, led.log_weight, float(sigmas[level]), led.surprise)


def _choose(pilot: Sequence[tuple[Tensor, Tensor]], sigmas: Tensor, asked: RateSettings) -> int:
    """Choose the level at which paths are let go, from the log weights of the pilot paths and the
    share of them whose D is a copy, level by level.

    If no level promises an estimate, the lowest one with even weights is chosen: if no path from
    there is a copy, that bounds the rate.
    """
    allowed = (
        range(len(pilot))
        if asked.levels is None
        else sorted({int((sigmas[:-1] - level).abs().argmin()) for level in asked.levels})
    )
    variance = {k: float(pilot[k][0].var()) for k in allowed}
    cost = {k: variance[k] - math.log(max(float(pilot[k][1]), 1e-300)) for k in allowed}
    best = min(allowed, key=lambda k: cost[k])
    if cost[best] < REACH**2:
        return best
    steady = [k for k in allowed if variance[k] < STEADY**2 and not pilot[k][1]]
    return steady[-1] if steady else best


def _copies(
    denoiser: Denoiser,
    ends: Tensor,
    image: Tensor,
    other: Tensor | None,
    tolerance: float,
    among: ImageSet | Tensor | None,
) -> Tensor:
    """Return which of the pictures (P, C, H, W) are copies of the image, (P,) bool on the CPU, and
    not nearer to `other`, its mirror image.
    """
    pictures, own = denoiser.decode(ends).cpu(), denoiser.decode(image[None]).cpu()
    distance = _rms(pictures - own)
    copy = distance < tolerance
    if other is not None:
        copy &= distance < _rms(pictures - denoiser.decode(other[None]).cpu())
    if among is not None and copy.any():
        closest = nearest(pictures[copy], among, 1, mirrored=other is not None).distance[:, 0]
        copy[copy.clone()] = distance[copy] <= closest + 1e-5
    return copy


def _rms(difference: Tensor) -> Tensor:
    return difference.square().mean((1, 2, 3)).sqrt()


def rate_in_words(row: Row) -> str:
    """Write a row's rate as one in how many pictures, with its interval; as a share if it
    is high.
    """
    if row["sign"] < 0 and row["value"] > -0.05:
        return "at a rate that these paths do not limit"
    if row["sign"]:
        word = "at least" if row["sign"] > 0 else "less than"
        return f"{word} once in {_pictures(row['value'])} pictures"
    if row["value"] > -1:
        value, low, high = (10 ** row[name] for name in ("value", "low", "high"))
        return f"in {value:.0%} of the pictures (95%: {low:.0%} to {high:.0%})"
    low, high = _pictures(row["high"]), _pictures(row["low"])
    return f"about once in {_pictures(row['value'])} pictures (95%: {low} to {high})"


def _pictures(log_rate: float) -> str:
    """Write how many pictures contain one copy on average, to two digits."""
    return f"{float(f'{10**-log_rate:.2g}'):,.0f}"


ENTRIES = (
    Measure(
        name="reproduction_rate",
        title="Reproduction rate",
        chosen=True,
        function=reproduction_rate,
        settings=RateSettings(),
        direction=+1,
        unit="log10 of copies per generated image",
        definition="How often the stochastic sampler draws a copy of the image. -5 means one in "
        "100,000 generated images. Paths are led towards the image, weighted to "
        "correct for that, and let go once the image is nearly certain.",
        formula=r"\log_{10} \operatorname{E}_q\left[\frac{p}{q}\, \mathbf{1}\{\operatorname{rms}"
        r"(y_0 - x) < 0.1\}\right]",
        limits="It is the rate of this sampler, with these steps and this criterion of a copy. "
        "If the weights are too uneven it is a limit, not an estimate; with images of thousands of "
        "values that is so for most.",
        citation="Afterimage; importance sampling of the reverse chain, intervals after Hall 1992, "
        "Pareto shape after Vehtari et al., arXiv 1507.02646",
    ),
)
