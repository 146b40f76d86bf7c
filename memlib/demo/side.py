"""SIDE on the demo: the runs the extraction page opens with, and the curve over strength and
cohesion.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from memlib import load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.denoisers import Denoiser
from memlib.evidence import interval, share
from memlib.extraction import (
    UNCONDITIONAL,
    Attack,
    Generations,
    Surrogate,
    compared,
    extraction_scores,
    fit_surrogate,
    generate_run,
    load_surrogate,
    match,
    pack,
    read_generations,
    read_manifest,
    similarities,
    training_set,
)
from memlib.extraction.control import same_test
from memlib.extraction.cost import fitting_cost, guidance_cost
from memlib.extraction.matches import CRITERIA, TrainingSet
from memlib.neighbours import duplicates
from memlib.progress import Stages

UNGUIDED, OWN, GUIDED, SWEPT = 4096, 2048, 1024, 256  # images
CLUSTERS, COHESION, STRENGTH, UPDATES = 100, 0.95, 10.0, 1000
STRENGTHS, COHESIONS = (1.0, 3.0, 10.0, 30.0), (0.5, 0.95)
BITS = 5  # bits per channel of the bundled images
BANDS = {
    "below .05": (0.0, 0.05),
    ".05 to .1": (0.05, 0.1),
    ".1 to .2": (0.1, 0.2),
}  # of AMS and UMS


def attack(target: Path, work: Path, stages: Stages) -> None:
    """Draw the unconditional run, SIDE and permuted labels, and pack them into `target`; finished
    parts in `work` are kept.
    """
    denoiser = load_denoiser("demo")
    draw(work / UNCONDITIONAL, denoiser, UNGUIDED, stages)
    for kind in ("side", "permuted"):
        guided = surrogate(denoiser, work, kind, COHESION, stages)
        draw(work / kind, denoiser, GUIDED, stages, guided, STRENGTH)
    for name in (UNCONDITIONAL, "side", "permuted"):
        pack(work / name, target / name, BITS)
    surrogate(denoiser, work, "side", COHESION, stages).save(target / "side", half=True)


def draw(
    folder: Path,
    denoiser: Denoiser,
    n: int,
    stages: Stages,
    guided: Surrogate | None = None,
    strength: float = 0.0,
) -> None:
    """Draw a run of n images.

    Guided images are numbered after the model samples of the surrogate, so that they share the
    starting noise of unconditional images it has not seen.
    """
    for done, total in generate_run(
        folder, denoiser, n, surrogate=guided, strength=strength, first=OWN if guided else 0
    ):
        stages(f"{folder.name}, images")(done, total)


def surrogate(
    denoiser: Denoiser, work: Path, kind: str, cohesion: float, stages: Stages
) -> Surrogate:
    """Fit the surrogate to the first unconditional images, with weights rounded to half precision
    as they are bundled.
    """
    folder = work / f"surrogate-{kind}-{cohesion:g}"
    if not (folder / "surrogate.json").exists():
        own = denoiser.encode(read_generations(work / UNCONDITIONAL).images.batch(range(OWN)))

        def report(done: float, total: float) -> None:
            if done % 100 == 0:
                stages(f"{folder.name}, updates")(done, total)

        fit_surrogate(
            denoiser,
            own,
            clusters=CLUSTERS,
            cohesion=cohesion,
            kind=kind,
            updates=UPDATES,
            folder=folder,
            callback=report,
        ).save(folder, half=True)
    return load_surrogate(folder, denoiser)


def sweep(target: Path, work: Path, stages: Stages) -> None:
    """Compute the curve over strength, for the paper's cohesion threshold and a tighter one, from
    the same starting noise.
    """
    denoiser, images = load_denoiser("demo"), load_images("demo")
    training = training_set(images, duplicates(images))
    plan = [("side", cohesion, strength) for cohesion in COHESIONS for strength in STRENGTHS]
    runs = {("side", cohesion, 0.0): work / UNCONDITIONAL for cohesion in COHESIONS}
    for kind, cohesion, strength in plan:
        folder = work / f"sweep-{kind}-{cohesion:g}-{strength:g}"
        if (cohesion, strength) == (COHESION, STRENGTH):
            folder = work / kind  # the bundled run begins with the same images
        else:
            draw(
                folder,
                denoiser,
                SWEPT,
                stages,
                surrogate(denoiser, work, kind, cohesion, stages),
                strength,
            )
        runs[kind, cohesion, strength] = folder
    lines = []
    for (kind, cohesion, strength), folder in runs.items():
        found = read_generations(folder)
        first = OWN if strength == 0 else 0
        table = match(found, training).iloc[first : first + SWEPT]
        copy = CRITERIA["ratio"].holds(table["ratio"].to_numpy())
        one = (
            compared([Attack.of(kind, found, table, copy, training.groups)], n=SWEPT)
            .iloc[0]
            .drop("network forwards")
        )
        lines.append({"cohesion": cohesion, "strength": strength, **one})
    target.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(lines).sort_values(["method", "cohesion", "strength"]).to_csv(
        target / "strengths.csv", index=False, float_format="%.4g"
    )


def attack_tables() -> dict[str, pd.DataFrame]:
    """Make the tables of the bundled runs: at equal generations from the same starting noise, at
    equal cost, in bands, over strength.
    """
    images, denoiser = load_images("demo"), load_denoiser("demo")
    training = training_set(images, duplicates(images))
    attacks, controls, bands = [], [], []
    own: Tensor | None = None
    for name in (UNCONDITIONAL, "permuted", "side"):
        found = read_generations(DEMO / "extraction" / name)
        table = match(found, training)
        copy = CRITERIA["ratio"].holds(table["ratio"].to_numpy())
        guided = found.manifest.get("surrogate")
        timed = (guidance_cost(denoiser, guided), fitting_cost(denoiser, guided)) if guided else ()
        attack = Attack.of(name, found, table, copy, training.groups, own, *timed)
        if name == UNCONDITIONAL:
            own = attack.image[:OWN]
        attacks.append(attack)
        part = slice(OWN, OWN + GUIDED) if name == UNCONDITIONAL else slice(0, GUIDED)
        same = table.iloc[part]
        chosen = Generations(found.images.subset(range(part.start, part.stop)), None, {})
        controls.append(_at_equal_generations(name, chosen, same, copy[part], training))
        bands += [_in_band(name, band, chosen, training) for band in BANDS]
    budget = min(float(one.evaluations()[-1]) for one in attacks)
    accuracy = read_manifest(DEMO / "extraction" / "side")["surrogate"]
    equal = f"The attack: {GUIDED} generations each from the same starting noise"
    chance = f"Accuracy of SIDE's classifier by noise level, chance {accuracy['chance']:.3f}"
    return {
        equal: pd.DataFrame(controls),
        f"The attack at {budget:,.0f} network forwards each": compared(attacks, forwards=budget),
        "AMS and UMS of the same generations, by distance to the training image": pd.DataFrame(
            bands
        ),
        "SIDE over strength and cohesion, 0 being unconditional": pd.read_csv(
            DEMO / "extraction" / "strengths.csv"
        ),
        chance: pd.DataFrame([accuracy["accuracy"]]),
    }


def _at_equal_generations(
    name: str,
    chosen: Generations,
    table: pd.DataFrame,
    copy: np.ndarray,
    training: TrainingSet,
) -> dict[str, object]:
    """Make the line of one method: copies, different images, and the same test on other images."""
    line = compared([Attack.of(name, chosen, table, copy, training.groups)]).iloc[0]
    wrong = CRITERIA["ratio"].holds(table["held_out_ratio"].to_numpy())
    control = same_test(chosen.images, training)
    assert control is not None  # the demo has held-out images
    known = control.copies("ratio", CRITERIA["ratio"].threshold).mean()
    found = {str(column): value for column, value in line.drop("network forwards").items()}
    return found | {
        "adaptive ratio at most 1": (table["adaptive"] <= 1).mean(),
        "distance below 0.1": (table["distance"] < 0.1).mean(),
        "same test on held-out images": share(int(wrong.sum()), len(wrong)),
        "same test on training images": f"{known:.1%}",
    }


def _in_band(name: str, band: str, chosen: Generations, training: TrainingSet) -> dict[str, object]:
    """Make the line of one method and band: AMS and UMS with their intervals."""
    low, high = BANDS[band]
    found = extraction_scores(similarities(chosen, training), -high, -low if low else float("inf"))
    scores = {
        "AMS": (found.ams, *found.ams_interval),
        "UMS": (found.ums, *found.ums_interval),
        "best match only": (found.best, *found.best_interval),
    }
    line = {score: interval(*numbers) for score, numbers in scores.items()}
    return {"method": name, "distance": band, **line}
