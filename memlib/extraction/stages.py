"""A whole attack: its settings and its stages. Model samples are drawn, a surrogate is fitted to
them, and it guides the drawing of further images.

Every stage is stored in a folder named after all it depends on, so that the same settings find
finished work again: the extraction page and `python -m memlib extract` share these folders.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from memlib.denoisers import Denoiser, NetworkDenoiser
from memlib.extraction.attack_settings import AttackSettings
from memlib.extraction.features.describe import describer, resolved
from memlib.extraction.generations import generate_run, read_generations
from memlib.extraction.plan import EVIDENCE, SAMPLES, Plan, plan_of
from memlib.extraction.saved import load_surrogate
from memlib.extraction.surrogate import Surrogate, fit_surrogate
from memlib.progress import Progress, Stages
from memlib.sources import Roots

FOLDER = Path(".afterimage") / "extraction"  # where runs are stored, below the working directory


def folder_of(plan: Plan, root: Path = FOLDER) -> Path:
    """Return the folder of a run with this plan."""
    known = asdict(plan)
    usual = {field.name: field.default for field in fields(Plan)}
    for name, value in usual.items():  # the folders of plain runs are older than these fields
        if known[name] == value:
            del known[name]
    return root / _key(known)


def attack_run(
    denoiser: NetworkDenoiser,
    settings: AttackSettings,
    root: Path = FOLDER,
    callback: Stages | None = None,
    *,
    reference: Denoiser | None = None,
    roots: Roots = None,
) -> Iterator[Path]:
    """Run an attack, skipping what is stored below `root`; yield the run's folder after every part.

    `callback(stage)` returns the progress callback of a stage, which counts images or updates; if
    it raises an exception, finished work is kept. With `roots`, a file of features must be below
    one of these folders. A contrast needs the `reference`. Raises ValueError for features that
    cannot be used and for a contrast without a reference.
    """
    settings = replace(settings, features=resolved(settings.features, roots))
    stages = callback or (lambda stage: lambda done, total: None)
    if not settings.guided:
        led = reference if settings.path.get("contrast", 1) != 1 else None
        drawing = stages("Drawing images")
        yield from _draw(denoiser, settings.count, settings, root, drawing, reference=led)
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
    reference: Denoiser | None = None,
) -> Iterator[Path]:
    strength, first = (settings.strength, settings.own) if surrogate else (0.0, 0)
    how = {
        "strength": strength,
        "steps": settings.steps,
        "seed": settings.seed,
        "first": first,
        **settings.path,
    }
    digest = reference.digest if reference else None
    folder = folder_of(plan_of(denoiser, surrogate, reference=digest, **how), root)
    for done, total in generate_run(
        folder,
        denoiser,
        n,
        surrogate=surrogate,
        reference=reference,
        purpose=purpose,
        progress=progress,
        **how,
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
