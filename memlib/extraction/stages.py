"""A whole attack, stage by stage: the model's own images, the surrogate fitted to them, guided
images.

Every stage is kept in a folder named by all it depends on, so that the same settings find again
what was finished, whoever asks: the extraction page and `python -m memlib extract` share these
folders.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from memlib.denoisers import NetworkDenoiser
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.describe import describer, resolved
from memlib.extraction.generations import (
    UNCONDITIONAL,
    Plan,
    generate_run,
    plan_of,
    read_generations,
)
from memlib.extraction.saved import load_surrogate
from memlib.extraction.surrogate import KINDS, Surrogate, fit_surrogate
from memlib.extraction.training import BATCH
from memlib.sources import Roots

FOLDER = Path(".afterimage") / "extraction"  # below the working directory: where runs are drawn
METHODS = {UNCONDITIONAL: "A baseline: images drawn from the model as it is."} | KINDS
GRADIENT = 0.2  # cost of a guidance step, and
# of one image in an update of the narrow classifier, about, in network forwards: for estimates of
# time alone
UPDATE = 0.25

Tell = Callable[[float, float, str], object]


@dataclass(frozen=True)
class Settings:
    """What an attack is asked to do; all but `n`, `steps` and `seed` is of guided methods alone."""

    method: str = "side"
    n: int = 256
    strength: float = 1.0
    steps: int = 50
    seed: int = 0
    # the model's own images the surrogate is fitted to; guided images are numbered from there on
    own: int = 1024
    clusters: int = 100
    cohesion: float = 0.9
    features: str = "denoiser"
    layout: str = "narrow"
    updates: int = 1000

    @property
    def guided(self) -> bool:
        return self.method != UNCONDITIONAL

    @property
    def surrogate(self) -> dict[str, Any]:
        names = ("clusters", "cohesion", "features", "layout", "updates", "seed")
        return {name: getattr(self, name) for name in names} | {"kind": self.method}

    @property
    def forwards(self) -> int:
        """About how many network forwards all stages take."""
        drawn = self.n * self.steps
        if not self.guided:
            return drawn
        trainings = 2 if self.method == "distilled" else 1
        return int(
            drawn * (1 + GRADIENT)
            + self.own * (self.steps + 1)
            + self.updates * BATCH * UPDATE * trainings
        )

    def check(self) -> None:
        """ValueError, before anything is drawn, for what cannot be done."""
        if self.method not in METHODS:
            raise ValueError(f"The method is one of {', '.join(METHODS)}, not {self.method!r}.")
        for name, value in {"images": self.n, "steps": self.steps, "updates": self.updates}.items():
            if value < 1:
                raise ValueError(f"The number of {name} must be at least 1, not {value}.")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"The seed is a number from 0 to {2**31 - 1}, not {self.seed}.")
        if not self.guided:
            return
        if not 0 <= self.strength < math.inf:
            raise ValueError(
                f"The strength must not be negative or infinite, not {self.strength:g}."
            )
        if not -1 <= self.cohesion <= 1:
            raise ValueError(f"The cohesion is a cosine, from -1 to 1, not {self.cohesion:g}.")
        if not 2 <= self.clusters <= self.own:
            raise ValueError(
                f"There must be 2 to {self.own} clusters, as many as the model's own images, not "
                f"{self.clusters}."
            )
        if self.layout not in TimeResNet.LAYOUTS:
            raise ValueError(
                f"The classifier's layout is one of {', '.join(TimeResNet.LAYOUTS)}, not "
                f"{self.layout!r}."
            )


def folder_of(plan: Plan, root: Path = FOLDER) -> Path:
    """Where a run of this plan is kept."""
    return root / _key(asdict(plan))


def attack_run(
    denoiser: NetworkDenoiser,
    settings: Settings,
    root: Path = FOLDER,
    callback: Tell | None = None,
    *,
    roots: Roots = None,
) -> Iterator[Path]:
    """Do an attack, what is stored below `root` being left out; yields the folder it grows in,
    after every part.

    `callback(done, total, stage)` counts the images or updates of a stage; an exception it raises
    keeps what is finished. With `roots` a file of features must be below one of these folders.
    Raises ValueError for settings that cannot be used.
    """
    settings.check()
    settings = replace(settings, features=resolved(settings.features, roots))
    tell = callback or (lambda done, total, stage: None)
    if not settings.guided:
        yield from _draw(denoiser, settings.n, settings, root, tell, "Drawing images")
        return
    stored = (
        root
        / f"surrogate-{_key([denoiser.digest, settings.steps, settings.own, settings.surrogate])}"
    )
    if not (stored / "surrogate.json").exists():
        describer(settings.features, denoiser)  # what is not there is said before anything is drawn
        yield from _draw(
            denoiser, settings.own, settings, root, tell, "Drawing the model's own images"
        )
    surrogate = _surrogate(denoiser, settings, root, stored, tell)
    yield from _draw(denoiser, settings.n, settings, root, tell, "Drawing guided images", surrogate)


def _draw(
    denoiser: NetworkDenoiser,
    n: int,
    settings: Settings,
    root: Path,
    tell: Tell,
    stage: str,
    surrogate: Surrogate | None = None,
) -> Iterator[Path]:
    strength, first = (settings.strength, settings.own) if surrogate else (0.0, 0)
    folder = folder_of(
        plan_of(denoiser, surrogate, strength, settings.steps, settings.seed, first), root
    )
    for done, total in generate_run(
        folder,
        denoiser,
        n,
        surrogate=surrogate,
        strength=strength,
        steps=settings.steps,
        seed=settings.seed,
        first=first,
        progress=lambda share: tell(share * n, n, stage),
    ):
        tell(done, total, stage)
        yield folder


def _surrogate(
    denoiser: NetworkDenoiser, settings: Settings, root: Path, stored: Path, tell: Tell
) -> Surrogate:
    """The surrogate of these settings, from the disk where it was fitted before."""
    if (stored / "surrogate.json").exists():
        return load_surrogate(stored, denoiser)

    def report(done: float, total: float) -> None:
        if done % 10 == 0:
            tell(done, total, "Training the classifier")

    own = read_generations(
        folder_of(plan_of(denoiser, steps=settings.steps, seed=settings.seed), root)
    ).images
    generated = denoiser.encode(own.batch(range(settings.own)))
    tell(0, 1, "Describing and clustering the images")
    surrogate = fit_surrogate(
        denoiser, generated, **settings.surrogate, folder=stored, callback=report
    )
    surrogate.save(stored)
    return surrogate


def _key(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
