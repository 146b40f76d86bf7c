"""A whole attack, stage by stage: the model's own images, the surrogate fitted to them, guided
images.

Every stage is kept in a folder named by all it depends on, so that the same settings find again
what was finished, whoever asks: the extraction page and `python -m memlib extract` share these
folders.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from memlib.denoisers import NetworkDenoiser
from memlib.extraction.attack_settings import AttackSettings
from memlib.extraction.describe import describer, resolved
from memlib.extraction.generations import Plan, generate_run, plan_of, read_generations
from memlib.extraction.surrogate import Surrogate, fit_surrogate, load_surrogate
from memlib.progress import Progress, Stages
from memlib.sources import Roots

FOLDER = Path(".afterimage") / "extraction"  # below the working directory: where runs are drawn


def folder_of(plan: Plan, root: Path = FOLDER) -> Path:
    """Where a run of this plan is kept."""
    return root / _key(asdict(plan))


def attack_run(
    denoiser: NetworkDenoiser,
    settings: AttackSettings,
    root: Path = FOLDER,
    callback: Stages | None = None,
    *,
    roots: Roots = None,
) -> Iterator[Path]:
    """Do an attack, what is stored below `root` being left out; yields the folder it grows in,
    after every part.

    `callback(stage)` returns what counts the images or updates of a stage; an exception that raises
    keeps what is finished. With `roots` a file of features must be below one of these folders.
    Raises ValueError for features that cannot be used.
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
        describer(settings.features, denoiser)  # what is not there is said before anything is drawn
        drawing = stages("Drawing the model's own images")
        yield from _draw(denoiser, settings.own, settings, root, drawing)
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
        progress=progress,
    ):
        progress(done, total)
        yield folder


def _surrogate(
    denoiser: NetworkDenoiser, settings: AttackSettings, root: Path, stored: Path, stages: Stages
) -> Surrogate:
    """The surrogate of these settings, from the disk where it was fitted before."""
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
