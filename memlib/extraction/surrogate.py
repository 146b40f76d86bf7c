"""The surrogate condition of SIDE: clusters of model samples, and a classifier that recognises them
under noise.

Chen et al., arXiv 2410.02467: compute features of images drawn from the model, cluster them, keep
the tight clusters, and train a classifier p(c | y, sigma) on the noised images. Its gradient then
guides sampling towards one cluster, as if the model had been trained with labels. No training image
of the model is used.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.flop_counter import FlopCounterMode

from memlib.denoisers import Denoiser
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.features.describe import describe_all, describer
from memlib.extraction.training import BATCH, Training
from memlib.progress import Progress
from memlib.quoting import quoted
from memlib.seeds import generator

KINDS = {
    "side": "Clusters of the model's own images, and a classifier that was trained under noise "
    "(the paper's attack).",
    "distilled": "The early version: the soft labels of a classifier of clean images, distilled "
    "into one that was trained under noise.",
    "time-independent": "A baseline: guidance by a classifier trained on clean images only.",
    "permuted": "A control: the same classifier trained on shuffled labels. It shows what "
    "guidance finds without information on clusters.",
}
LEVELS = (
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    50.0,
    100.0,
)  # noise levels at which accuracy is reported


@dataclass(frozen=True)
class Clusters:
    """K-means of N described images: which clusters are tight enough, and each image's nearest
    tight cluster.

    `cohesion` (K,) is the mean cosine of a cluster's members to its centroid, `sizes` (K,) their
    number, `kept` (K',) the clusters at or above the threshold, `labels` (N,) each image's nearest
    kept cluster, 0 to K' - 1.
    """

    cohesion: Tensor
    sizes: Tensor
    kept: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Surrogate:
    """A classifier of clusters with its history; `guidance` is what sampling uses.

    `accuracy` maps a noise level to the share of left-out generated images whose cluster is
    recognised, `chance` is the share of the largest cluster. `evaluations` is its whole cost beyond
    drawing the images, in network forwards of one image; `step_cost` is that of one guidance step
    (arithmetic operations relative to the network's).
    """

    classifier: TimeResNet
    clusters: Clusters
    kind: str
    settings: dict[str, Any]
    accuracy: dict[float, float]
    chance: float
    evaluations: float
    step_cost: float
    digest: str

    def __len__(self) -> int:
        return len(self.clusters.kept)

    def details(self) -> dict[str, Any]:
        """Everything about it except its weights, as JSON values."""
        return {
            "kind": self.kind,
            "digest": self.digest,
            "settings": self.settings,
            "accuracy": {f"{level:g}": value for level, value in self.accuracy.items()},
            "chance": self.chance,
            "evaluations": self.evaluations,
            "step_cost": self.step_cost,
            "cohesion": [round(float(value), 4) for value in self.clusters.cohesion],
            "sizes": self.clusters.sizes.tolist(),
            "kept": self.clusters.kept.tolist(),
            "labels": self.clusters.labels.tolist(),
        }

    def save(self, folder: Path, half: bool = False) -> None:
        """Write it to a folder, with weights rounded to half precision if asked: that is another
        surrogate, with its own digest.
        """
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            name: (value.half() if half and value.is_floating_point() else value).cpu().contiguous()
            for name, value in self.classifier.state_dict().items()
        }
        partial = folder / f"classifier.{os.getpid()}.partial"
        save_file(weights, partial)
        partial.replace(folder / "classifier.safetensors")
        partial = folder / f"surrogate.{os.getpid()}.partial"
        partial.write_text(json.dumps(self.details()) + "\n")
        partial.replace(folder / "surrogate.json")

    def guidance(
        self, clusters: Tensor, strength: float
    ) -> Callable[[Tensor, float, Tensor], Tensor]:
        """Return strength * grad log p(c | y, sigma) for `memlib.sample`; image i is guided towards
        clusters[i].
        """

        def guide(y: Tensor, sigma: float, index: Tensor) -> Tensor:
            return strength * self.log_probability(y, sigma, clusters[index])[1]

        return guide

    def log_probability(self, y: Tensor, sigma: float, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(c | y, sigma), (B,), and its gradient in y, (B, C, H, W)."""
        with torch.enable_grad():
            x = y.detach().to(self.classifier.head.weight.dtype).requires_grad_()
            logs = (
                self.classifier(x, sigma)
                .log_softmax(1)
                .gather(1, wanted.to(y.device)[:, None])[:, 0]
            )
            (slope,) = torch.autograd.grad(logs.sum(), x)
        return logs.detach(), slope.to(y.dtype)


def cluster(features: Tensor, clusters: int, cohesion: float, seed: int = 0) -> Clusters:
    """Cluster features (N, F) by k-means, drop clusters below the cohesion threshold and assign
    their images to the others.

    Clusters of one image are dropped as well: their cohesion is always 1. Raises ValueError if
    fewer than two remain.
    """
    if not 2 <= clusters <= len(features):
        most = len(features)
        raise ValueError(f"There must be 2 to {most} clusters, as many as images, not {clusters}.")
    from sklearn.cluster import KMeans  # takes seconds, so only when needed

    found = KMeans(clusters, n_init=4, algorithm="elkan", random_state=seed).fit(features.numpy())
    centroids, labels = (
        torch.from_numpy(found.cluster_centers_).float(),
        torch.from_numpy(found.labels_).long(),
    )
    sizes = torch.bincount(labels, minlength=clusters)
    cosines = (normalize(features, dim=1) * normalize(centroids, dim=1)[labels]).sum(1)
    mean = torch.zeros(clusters).index_add_(0, labels, cosines) / sizes.clamp(min=1)
    kept = torch.nonzero((mean >= cohesion) & (sizes > 1))[:, 0]
    if len(kept) < 2:
        raise ValueError(
            f"Only {len(kept)} of {clusters} clusters are as tight as {cohesion:g}; lower the "
            "cohesion threshold or ask for fewer clusters."
        )
    return Clusters(mean, sizes, kept, torch.cdist(features, centroids[kept]).argmin(1))


def fit_surrogate(
    denoiser: Denoiser,
    generated: Tensor,
    *,
    clusters: int = 100,
    cohesion: float = 0.5,
    features: str = "denoiser",
    kind: str = "side",
    layout: str = "narrow",
    updates: int = 2000,
    rate: float = 2e-3,
    seed: int = 0,
    folder: Path | None = None,
    callback: Progress | None = None,
) -> Surrogate:
    """Fit a surrogate to images (N, C, H, W) drawn from the model itself.

    The `features` of the images (see `describer`) are clustered by k-means into `clusters`; those
    with a mean cosine to their centroid of at least `cohesion` are kept, and every image is
    assigned to the nearest of them. Then

        min E_{sigma, n} CE(p(. | x + sigma n, sigma), c),  ln sigma uniform over its range,

    by AdamW with warm-up and a cosine to zero, 64 images an update. `kind` is one of KINDS;
    "distilled" minimises KL(teacher || p) to a classifier of the clean images instead. `layout` is
    "narrow" or the paper's "resnet34". Every tenth image is left out of training; accuracy at each
    noise level is measured on these.

    With a `folder` training is saved there every 100 updates and when it is interrupted, and
    resumed from there, with the same result as without a break. `callback(done, total)` counts
    updates. Raises ValueError for settings that cannot be used.
    """
    if kind not in KINDS:
        raise ValueError(f"The surrogate is one of {', '.join(KINDS)}, not {quoted(kind)}.")
    if layout not in TimeResNet.LAYOUTS:
        raise ValueError(
            f"The classifier's layout is one of {', '.join(TimeResNet.LAYOUTS)}, not "
            f"{quoted(layout)}."
        )
    if updates < 1:
        raise ValueError(f"The classifier needs at least one update, not {updates}.")
    settings = {
        "clusters": clusters,
        "cohesion": cohesion,
        "features": features,
        "kind": kind,
        "layout": layout,
        "updates": updates,
    }
    settings |= {"rate": rate, "seed": seed, "generated": len(generated)}
    images = denoiser.check(generated).float()
    describe, centred = describer(features, denoiser)
    described = describe_all(
        describe, images if features == "denoiser" else denoiser.decode(images)
    )
    found = cluster(
        described - described.mean(0) if centred else described, clusters, cohesion, seed
    )
    labels = found.labels
    if kind == "permuted":
        labels = labels[torch.randperm(len(labels), generator=generator(seed, 0, 7))]
    training = Training(denoiser, images, labels, len(found.kept), settings, folder)
    chunks = updates * (2 if kind == "distilled" else 1)
    spent = len(images) * (1.0 if features == "denoiser" else 0.0)
    teacher = None
    if kind == "distilled":
        teacher = training.run(
            "teacher", False, None, lambda done: callback(done, chunks) if callback else None
        )
    before = chunks - updates
    classifier = training.run(
        "student",
        kind != "time-independent",
        teacher,
        lambda done: callback(before + done, chunks) if callback else None,
    )
    own = _operations(lambda: denoiser(images[:1], denoiser.sigma_max))
    probe = images[:2].clone()
    step = _operations(lambda: _gradient(classifier, probe)) / 2
    learn = _operations(lambda: _learn(classifier, probe)) / 2
    spent += chunks * BATCH * learn / own
    if teacher is not None:
        spent += updates * BATCH * _operations(lambda: teacher(probe, 1.0)) / 2 / own
    held_out = torch.arange(len(images)) % 10 == 9
    return Surrogate(
        classifier=classifier,
        clusters=found,
        kind=kind,
        settings=settings,
        accuracy=_accuracy(denoiser, classifier, images[held_out], labels[held_out], seed),
        chance=float(torch.bincount(labels).max() / len(labels)),
        evaluations=spent,
        step_cost=step / own,
        digest=digest_of(classifier, settings),
    )


@torch.no_grad()
def _accuracy(
    denoiser: Denoiser, classifier: TimeResNet, images: Tensor, labels: Tensor, seed: int
) -> dict[float, float]:
    """Return the share of images whose cluster is recognised, by noise level."""
    if not len(images):
        return {}
    noise = torch.randn(images.shape, generator=generator(seed, 0, 3)).to(images.device)
    levels = [level for level in LEVELS if denoiser.sigma_floor <= level <= denoiser.sigma_max]
    return {
        level: float(
            (classifier(images + level * noise, level).argmax(1) == labels.to(images.device))
            .float()
            .mean()
        )
        for level in levels
    }


def _operations(work: Callable[[], object]) -> float:
    """Count the floating-point operations of `work`, at least 1 so that ratios exist."""
    with FlopCounterMode(display=False) as counter:
        work()
    return max(1.0, float(counter.get_total_flops()))


def _gradient(classifier: TimeResNet, y: Tensor) -> None:
    with torch.enable_grad():
        x = y.requires_grad_()
        # the counter cannot follow gradients to a module's own input
        torch.autograd.grad(classifier(1 * x, 1.0).sum(), x)


def _learn(classifier: TimeResNet, y: Tensor) -> None:
    with torch.enable_grad():
        weights = [weight.requires_grad_() for weight in classifier.parameters()]
        torch.autograd.grad(classifier(y.detach(), 1.0).sum(), weights, allow_unused=True)
    classifier.requires_grad_(False)


def digest_of(classifier: TimeResNet, settings: dict[str, Any]) -> str:
    total = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, value in sorted(classifier.state_dict().items()):
        total.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]
