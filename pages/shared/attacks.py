"""The runs an extraction page can show, what was found in them, and drawing new ones."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from memlib.denoisers.unet import DEMO
from memlib.extraction import (
    CRITERIA,
    KINDS,
    UNCONDITIONAL,
    Generations,
    Plan,
    Surrogate,
    fit_surrogate,
    generate_run,
    imported,
    load_surrogate,
    match,
    plan_of,
    read_generations,
    read_manifest,
    training_set,
)  # fmt: skip
from memlib.extraction.describe import describer
from memlib.extraction.matches import TrainingSet
from memlib.images import to_pixels
from memlib.measures import MEASURES
from memlib.neighbours import duplicates, unrelated_threshold
from memlib.runs import result_keys
from memlib.workspace import Workspace
from pages.shared import workspace

FOLDER = Path(".afterimage") / "extraction"  # below the working directory: what visitors draw
BUNDLED_RUNS = DEMO / "extraction"
TITLES = {
    UNCONDITIONAL: "Unconditional",
    "side": "SIDE",
    "distilled": "SIDE, distilled",
    "time-independent": "Time-independent",
    "permuted": "Permuted labels",
}
MEASURED = {"growth": "volume_growth", "K_1": "k_1_at_0.5"}  # of the generated images


@dataclass(frozen=True)
class Settings:
    """What a new attack is asked to do."""

    method: str
    n: int
    strength: float
    steps: int
    seed: int
    own: int  # the model's own images the surrogate is fitted to; guided images are numbered from there on
    clusters: int
    cohesion: float
    features: str
    layout: str
    updates: int

    @property
    def surrogate(self) -> dict[str, Any]:
        names = ("clusters", "cohesion", "features", "layout", "updates", "seed")
        return {name: getattr(self, name) for name in names} | {"kind": self.method}

    @property
    def first(self) -> int:
        return 0 if self.method == UNCONDITIONAL else self.own


def title(manifest: dict[str, Any], count: int | None = None) -> str:
    """SIDE, strength 2, cohesion 0.9: what a run is, for people."""
    plan, surrogate = manifest["plan"], manifest.get("surrogate")
    parts = [TITLES.get(plan["method"], plan["method"])]
    if surrogate:
        parts += [f"strength {plan['strength']:g}", f"cohesion {surrogate['settings']['cohesion']:g}"]
    parts += [f"{plan['steps']} steps"] if plan["steps"] != 50 else []
    parts += [f"seed {plan['seed']}"] if plan["seed"] else []
    return ", ".join(parts) + (f" ({count:,})" if count else "")


def stored_runs(loaded: Workspace) -> dict[str, Path]:
    """Folders of the runs of the loaded model, bundled ones first, by a name that can stand in an address."""
    places = [*(BUNDLED_RUNS.glob("*/manifest.json") if loaded.sources.model == "demo" else ()), *sorted(FOLDER.glob("*/manifest.json"))]
    found = {}
    for place in places:
        try:
            if read_manifest(place.parent)["plan"]["model"] == loaded.denoiser.digest:
                found[place.parent.name] = place.parent
        except ValueError:
            continue  # another program's folder, or one of a later version
    order = {name: place for place, name in enumerate(("side", UNCONDITIONAL, "permuted"))}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], 9)))


def stamp(folder: Path) -> str:
    """Changes when a run grows."""
    files = sorted(folder.glob("*.npz"))
    return f"{len(files)} {max((file.stat().st_mtime_ns for file in files), default=0)}"


@st.cache_resource(max_entries=8, show_spinner="Reading the generated images")
def generations_of(folder: str, _stamp: str) -> Generations:
    return read_generations(Path(folder))


@st.cache_resource(max_entries=4, show_spinner="Reading the generated images")
def imported_of(source: str, _stamp: str, digest: str, _like: Any) -> Generations:
    return imported(source, _like)


@st.cache_data(max_entries=8, show_spinner="Looking for near-duplicates among the training images")
def groups_of(digest: str, threshold: float, mirrored: bool, _images: Any) -> Tensor:
    return duplicates(_images, threshold, mirrored)


@st.cache_data(max_entries=8, show_spinner=False)
def suggested(digest: str, threshold: float, mirrored: bool, _training: TrainingSet) -> float:
    """The distance at which 1% of the training images have an unrelated one."""
    members = _training.members
    return unrelated_threshold(_training.subset(members), _training.groups[members])


@st.cache_data(max_entries=32, show_spinner="Comparing with the training images")
def _matches(
    run: str, images: str, threshold: float, mirrored: bool, sscd: str, _found: Generations, _training: TrainingSet, _sscd: Any
) -> pd.DataFrame:
    return match(_found, _training, mirrored=mirrored, sscd=_sscd)


def training_of(loaded: Workspace, threshold: float, mirrored: bool) -> TrainingSet:
    return training_set(loaded.images, groups_of(loaded.images.digest, threshold, mirrored, loaded.images))


def matches(loaded: Workspace, found: Generations, training: TrainingSet, threshold: float, mirrored: bool, sscd: str) -> pd.DataFrame:
    """The table of a run, with growth and K_1 of the generated images where they are known, and each one's group."""
    describe = describer(sscd, loaded.denoiser)[0] if sscd else None
    table = _matches(f"{found.images.digest} {json.dumps(found.manifest.get('plan'))}", loaded.images.digest, threshold, mirrored, sscd, found, training, describe)  # fmt: skip
    table = table.assign(nearest_name=[loaded.images.names[place] for place in table["nearest"]])
    for column in ("group", "copies"):
        if column in loaded.images.metadata:
            table[column] = [loaded.images.metadata[column][place] for place in table["nearest"]]
    results = workspace.results()
    for column, name in MEASURED.items():
        measure = MEASURES[name]
        keys = result_keys(loaded.denoiser.digest, table["id"], measure.run, measure.defaults(loaded.denoiser))
        table[column] = [results[keys[image]][measure.column] if keys[image] in results else np.nan for image in table["id"]]
    return table


def available_criteria(table: pd.DataFrame) -> list[str]:
    return [name for name in CRITERIA if name in table]


def false_positives(table: pd.DataFrame, criterion: str, threshold: float) -> dict[str, np.ndarray]:
    """Which generations the criterion calls copies of held-out images, and of as many training images."""
    kinds = {"held-out": f"held_out_{criterion}", "equal": f"equal_{criterion}"}
    return {name: CRITERIA[criterion].holds(table[column].to_numpy(), threshold) for name, column in kinds.items() if column in table}


def cost(loaded: Workspace, settings: Settings) -> float:
    """About how many seconds a new attack takes; what is already stored is not taken off."""
    forwards = settings.n * settings.steps * (1.2 if settings.method != UNCONDITIONAL else 1.0)
    if settings.method != UNCONDITIONAL:
        forwards += settings.own * (settings.steps + 1) + settings.updates * 64 * 0.25 * (2 if settings.method == "distilled" else 1)
    return workspace.seconds(loaded.denoiser, int(forwards))


def folder_of(plan: Plan) -> Path:
    return FOLDER / hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode()).hexdigest()[:12]


def attack(
    loaded: Workspace, settings: Settings, say: Callable[[float, str], object], drawn: Callable[[np.ndarray], object]
) -> Iterator[Path]:
    """Do a new attack stage by stage, what is stored being left out; yields the folder it grows in, at the end of every part.

    `say(share, text)` is told the progress of the stage, `drawn` is shown the pictures (n, H, W, 3) so far.
    """
    denoiser, surrogate = loaded.denoiser, None
    if settings.method != UNCONDITIONAL:
        own = folder_of(plan_of(denoiser, steps=settings.steps, seed=settings.seed))
        yield from _draw(own, loaded, settings.own, settings, "Drawing the model's own images", say, drawn)
        generated = denoiser.encode(read_generations(own).images.batch(range(settings.own)))
        surrogate = _surrogate(loaded, generated, settings, say)
    plan = plan_of(denoiser, surrogate, settings.strength if surrogate else 0.0, settings.steps, settings.seed, settings.first)
    yield from _draw(
        folder_of(plan), loaded, settings.n, settings, "Drawing guided images" if surrogate else "Drawing images", say, drawn, surrogate
    )


def _draw(
    folder: Path, loaded: Workspace, n: int, settings: Settings, stage: str, say: Callable[[float, str], object],
    drawn: Callable[[np.ndarray], object], surrogate: Surrogate | None = None,
) -> Iterator[Path]:  # fmt: skip
    run = generate_run(
        folder,
        loaded.denoiser,
        n,
        surrogate=surrogate,
        strength=settings.strength if surrogate else 0.0,
        steps=settings.steps,
        seed=settings.seed,
        first=settings.first if surrogate else 0,
        progress=lambda share: say(share, f"{stage}, {share:.0%}"),
    )
    for done, total in run:
        say(done / total, f"{stage}: {done:,} of {total:,}")
        found = read_generations(folder)
        drawn(to_pixels(found.images.batch(range(max(0, done - 256), done))))
        yield folder


def _surrogate(loaded: Workspace, generated: Tensor, settings: Settings, say: Callable[[float, str], object]) -> Surrogate:
    """The surrogate of these settings, from the disk where it was fitted before."""
    key = json.dumps([loaded.denoiser.digest, settings.steps, settings.own, settings.surrogate], sort_keys=True)
    folder = FOLDER / f"surrogate-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if (folder / "surrogate.json").exists():
        return load_surrogate(folder, loaded.denoiser)

    def report(done: int, total: int) -> None:
        if done % 10 == 0:
            say(done / total, f"Training the classifier: {done:,} of {total:,} updates")

    say(0.0, "Describing and clustering the images")
    surrogate = fit_surrogate(
        loaded.denoiser,
        generated,
        **settings.surrogate,
        folder=folder,
        callback=report,
    )
    surrogate.save(folder)
    return surrogate


def surrogate_of(loaded: Workspace, manifest: dict[str, Any]) -> Surrogate | None:
    """The surrogate a run was guided by, if it is stored."""
    wanted = manifest.get("surrogate", {}).get("digest")
    if wanted is None:
        return None
    for place in [*BUNDLED_RUNS.glob("*/surrogate.json"), *FOLDER.glob("surrogate-*/surrogate.json")]:
        try:
            if json.loads(place.read_text())["digest"] == wanted:
                return load_surrogate(place.parent, loaded.denoiser)
        except (ValueError, KeyError):
            continue
    return None


def copies_of(loaded: Workspace) -> Tensor | None:
    """How often each image stands in the training set: the column `copies`, else how often it is in the image set."""
    column = loaded.images.metadata.get("copies")
    if column is not None and all(value.isdecimal() for value in column):
        return torch.tensor([max(1, int(value)) for value in column], dtype=torch.float64)
    counts = pd.Series(loaded.images.ids).value_counts()
    return torch.tensor([float(counts[image]) for image in loaded.images.ids], dtype=torch.float64)


METHODS = {UNCONDITIONAL: "A baseline: images drawn from the model as it is."} | KINDS
