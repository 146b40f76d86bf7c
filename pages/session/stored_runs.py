"""The runs of extraction that can be shown, and their copies."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from torch import Tensor

from memlib.bundled import BENCHMARK, DEMO
from memlib.denoisers.weights import read_json
from memlib.evidence import stored_matches
from memlib.evidence.stored_matches import stored_groups
from memlib.extraction import (
    CRITERIA,
    UNCONDITIONAL,
    Generations,
    Surrogate,
    imported,
    load_surrogate,
    match,
    read_generations,
    read_manifest,
    stages,
    training_set,
)
from memlib.extraction.attack_settings import AttackSettings
from memlib.extraction.control import SameTest, same_test
from memlib.extraction.features.describe import describer
from memlib.extraction.matches import TrainingSet
from memlib.extraction.plan import SAMPLES, SEEK, purpose_of
from memlib.measures import MEASURES
from memlib.neighbours import NEAR_DUPLICATE, duplicates, unrelated_threshold
from memlib.workspace import Workspace
from pages.session import results as computed
from pages.session.paths import readable, roots

BUNDLED_RUNS = DEMO / "extraction"
TITLES = {
    UNCONDITIONAL: "Unconditional",
    SEEK: "Different images",
    "side": "SIDE",
    "distilled": "SIDE, distilled",
    "time-independent": "Time-independent",
    "permuted": "Permuted labels",
}
MEASURED = {"growth": "volume_growth", "K_1": "k_1_at_0.5"}  # of the generated images


def title(manifest: dict[str, Any], count: int | None = None) -> str:
    """Return a run's title, such as "SIDE, strength 2, cohesion 0.9"."""
    plan, surrogate = manifest["plan"], manifest.get("surrogate")
    samples = purpose_of(manifest) == SAMPLES
    parts = [
        "Model samples of an attack" if samples else TITLES.get(plan["method"], plan["method"])
    ]
    if surrogate:
        parts += [
            f"strength {plan['strength']:g}",
            f"cohesion {surrogate['settings']['cohesion']:g}",
        ]
    parts += ["stochastic sampler"] if plan.get("eta") else []
    parts += [f"{plan['steps']} steps"] if plan["steps"] != 50 else []
    ends = {"high": "from noise level", "low": "to noise level", "repulsion": "repulsion"}
    parts += [f"{words} {plan[name]:g}" for name, words in ends.items() if plan.get(name)]
    parts += [f"contrast {plan['contrast']:g}"] if plan.get("reference") else []
    parts += [f"seed {plan['seed']}"] if plan["seed"] else []
    return ", ".join(parts) + (f" ({count:,})" if count else "")


def stored_runs(loaded: Workspace) -> dict[str, Path]:
    """Return the folders of the loaded model's runs, bundled ones first, by a name that can stand
    in an address.
    """
    places = [
        *BUNDLED_RUNS.glob("*/manifest.json"),
        *BENCHMARK.glob("extraction/*/manifest.json"),
        *sorted(stages.FOLDER.glob("*/manifest.json")),
    ]
    found = {}
    for place in places:
        try:
            manifest = read_manifest(place.parent, roots=readable(stages.FOLDER))
            if manifest["plan"]["model"] == loaded.denoiser.digest:
                found[place.parent.name] = place.parent
        except ValueError:
            continue  # the folder of another program or of a later version
    order = {name: place for place, name in enumerate(("side", UNCONDITIONAL, "permuted"))}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], 9)))


def stamp(folder: Path) -> str:
    """Return a text that changes when a run grows."""
    files = sorted(folder.glob("*.npz"))
    return f"{len(files)} {max((file.stat().st_mtime_ns for file in files), default=0)}"


@st.cache_resource(max_entries=8, show_spinner="Reading the generated images")
def generations_of(folder: str, changed: str) -> Generations:
    return read_generations(Path(folder), roots=readable(stages.FOLDER))


@st.cache_resource(max_entries=4, show_spinner="Reading the generated images")
def imported_of(source: str, changed: str, digest: str, _like: Any) -> Generations:
    return imported(source, _like, roots=roots())


@st.cache_data(max_entries=8, show_spinner="Looking for near-duplicates among the training images")
def groups_of(digest: str, threshold: float, mirrored: bool, _images: Any) -> Tensor:
    usual = threshold == NEAR_DUPLICATE and not mirrored
    stored = stored_groups(_images, stored_matches.FOLDER) if usual else None
    return duplicates(_images, threshold, mirrored) if stored is None else stored


@st.cache_data(max_entries=8, show_spinner=False)
def suggested(training: str, threshold: float, mirrored: bool, _training: TrainingSet) -> float:
    """Return the distance within which 1% of the training images have an unrelated one."""
    members = _training.members
    return unrelated_threshold(_training.subset(members), _training.groups[members])


@st.cache_data(max_entries=32, show_spinner="Comparing with the training images")
def _matches(
    run: str,
    training: str,
    threshold: float,
    mirrored: bool,
    sscd: str,
    _found: Generations,
    _training: TrainingSet,
    _sscd: Any,
) -> pd.DataFrame:
    return match(_found, _training, mirrored=mirrored, sscd=_sscd)


def training_of(loaded: Workspace, threshold: float, mirrored: bool) -> TrainingSet:
    return training_set(
        loaded.images, groups_of(loaded.images.digest, threshold, mirrored, loaded.images)
    )


def matches(
    loaded: Workspace,
    found: Generations,
    training: TrainingSet,
    threshold: float,
    mirrored: bool,
    sscd: str,
) -> pd.DataFrame:
    """Return the table of a run, with growth and K_1 of the generated images if known, and the
    group of each nearest training image.
    """
    describe = describer(sscd, loaded.denoiser, roots=roots())[0] if sscd else None
    table = _matches(
        f"{found.images.digest} {json.dumps(found.manifest.get('plan'))}",
        training.digest,
        threshold,
        mirrored,
        sscd,
        found,
        training,
        describe,
    )
    table = table.assign(nearest_name=[loaded.images.names[place] for place in table["nearest"]])
    for column in ("group", "copies"):
        if column in loaded.images.metadata:
            table[column] = [loaded.images.metadata[column][place] for place in table["nearest"]]
    results = computed.results()
    for column, name in MEASURED.items():
        measure = MEASURES[name]
        rows = results.rows(loaded.denoiser.digest, measure.run, measure.defaults(loaded.denoiser))
        table[column] = [
            rows[image][measure.column] if image in rows else np.nan for image in table["id"]
        ]
    return table


def available_criteria(table: pd.DataFrame) -> list[str]:
    return [name for name in CRITERIA if name in table]


def false_positives(table: pd.DataFrame, criterion: str, threshold: float) -> np.ndarray | None:
    """Return which generated images the criterion calls copies of held-out images, (N,) bool; None
    if no images are held out.
    """
    column = f"held_out_{criterion}"
    if column not in table:
        return None
    return CRITERIA[criterion].holds(table[column].to_numpy(), threshold)


def same_test_on_training(
    found: Generations, training: TrainingSet, mirrored: bool
) -> SameTest | None:
    """Prepare the test on as many training images as are held out."""
    return _same_test(found.images.digest, training.digest, mirrored, found, training)


@st.cache_data(max_entries=8, show_spinner="Testing against random choices of training images")
def _same_test(
    run: str, training: str, mirrored: bool, _found: Generations, _training: TrainingSet
) -> SameTest | None:
    return same_test(_found.images, _training, mirrored)


def cost(loaded: Workspace, settings: AttackSettings) -> float:
    """Return about how many seconds a new attack takes, as if nothing of it were stored."""
    return computed.seconds(loaded.denoiser, settings.forwards)


def surrogate_of(loaded: Workspace, manifest: dict[str, Any]) -> Surrogate | None:
    """Return the surrogate that guided a run, None if it is not stored."""
    wanted = manifest.get("surrogate", {}).get("digest")
    if wanted is None:
        return None
    for place in [
        *BUNDLED_RUNS.glob("*/surrogate.json"),
        *stages.FOLDER.glob("surrogate-*/surrogate.json"),
    ]:
        try:
            if read_json(place).get("digest") == wanted:
                return load_surrogate(place.parent, loaded.denoiser, roots=readable(stages.FOLDER))
        except ValueError:
            continue
    return None
