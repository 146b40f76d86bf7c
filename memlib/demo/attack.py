"""SIDE on the demo: the runs the extraction page opens with, and the curve over strength and
cohesion.
"""

from pathlib import Path

import pandas as pd

from memlib import load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.denoisers import Denoiser
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
from memlib.extraction.matches import CRITERIA
from memlib.extraction.stages import Tell
from memlib.neighbours import duplicates

UNGUIDED, OWN, GUIDED, SWEPT = 4096, 2048, 1024, 256  # images
CLUSTERS, COHESION, STRENGTH, UPDATES = 100, 0.95, 10.0, 1000
STRENGTHS, COHESIONS = (1.0, 3.0, 10.0, 30.0), (0.5, 0.95)
BITS = 5  # a channel, of the bundled images
BANDS = {
    "below .05": (0.0, 0.05),
    ".05 to .1": (0.05, 0.1),
    ".1 to .2": (0.1, 0.2),
}  # of AMS and UMS


def attack(target: Path, work: Path, tell: Tell) -> None:
    """Draw the unconditional run, SIDE and permuted labels, and pack them into `target`; finished
    parts in `work` are kept.
    """
    denoiser = load_denoiser("demo")
    draw(work / UNCONDITIONAL, denoiser, UNGUIDED, tell)
    for kind in ("side", "permuted"):
        guided = surrogate(denoiser, work, kind, COHESION, tell)
        draw(work / kind, denoiser, GUIDED, tell, guided, STRENGTH)
    for name in (UNCONDITIONAL, "side", "permuted"):
        pack(work / name, target / name, BITS)
    surrogate(denoiser, work, "side", COHESION, tell).save(target / "side", half=True)


def draw(
    folder: Path,
    denoiser: Denoiser,
    n: int,
    tell: Tell,
    guided: Surrogate | None = None,
    strength: float = 0.0,
) -> None:
    """A run of n images.

    Guided ones are numbered after the surrogate's own images: the same starting noise as
    unconditional images it has not seen.
    """
    for done, total in generate_run(
        folder, denoiser, n, surrogate=guided, strength=strength, first=OWN if guided else 0
    ):
        tell(done, total, f"{folder.name}, images")


def surrogate(denoiser: Denoiser, work: Path, kind: str, cohesion: float, tell: Tell) -> Surrogate:
    """Fitted to the first unconditional images, its weights rounded to half precision as they are
    bundled.
    """
    folder = work / f"surrogate-{kind}-{cohesion:g}"
    if not (folder / "surrogate.json").exists():
        own = denoiser.encode(read_generations(work / UNCONDITIONAL).images.batch(range(OWN)))

        def report(done: float, total: float) -> None:
            if done % 100 == 0:
                tell(done, total, f"{folder.name}, updates")

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


def sweep(target: Path, work: Path, tell: Tell) -> None:
    """The curve over strength, for the paper's cohesion threshold and a tighter one, from the same
    starting noise.
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
                tell,
                surrogate(denoiser, work, kind, cohesion, tell),
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
    """What came of the bundled runs: at equal generations from the same starting noise, at equal
    cost, in bands, over strength.
    """
    images = load_images("demo")
    training = training_set(images, duplicates(images))
    attacks, controls, bands = [], [], []
    for name in (UNCONDITIONAL, "permuted", "side"):
        found = read_generations(DEMO / "extraction" / name)
        table = match(found, training)
        copy = CRITERIA["ratio"].holds(table["ratio"].to_numpy())
        attacks.append(Attack.of(name, found, table, copy, training.groups))
        first = OWN if name == UNCONDITIONAL else 0
        same = table.iloc[first : first + GUIDED]
        chosen = Generations(found.images.subset(range(first, first + GUIDED)), None, {})
        held_out, equal = (
            CRITERIA["ratio"].holds(same[f"{kind}_ratio"].to_numpy()).mean()
            for kind in ("held_out", "equal")
        )
        line = (
            compared([Attack.of(name, chosen, same, copy[first : first + GUIDED], training.groups)])
            .iloc[0]
            .drop("network forwards")
            .to_dict()
        )
        line |= {
            "adaptive ratio at most 1": (same["adaptive"] <= 1).mean(),
            "distance below 0.1": (same["distance"] < 0.1).mean(),
        }
        controls.append(
            line | {"of held-out images": held_out, "of as many training images": equal}
        )
        for band, (low, high) in BANDS.items():
            scores = extraction_scores(
                similarities(chosen, training), -high, -low if low else float("inf")
            )
            lines = {
                "AMS": (scores.ams, scores.ams_interval),
                "UMS": (scores.ums, scores.ums_interval),
                "best match only": (scores.best, scores.best_interval),
            }
            bands.append(
                {"method": name, "distance": band}
                | {
                    score: "{:.3f} ({:.3f} to {:.3f})".format(value, *ends)
                    for score, (value, ends) in lines.items()
                }
            )
    budget = min(float(one.evaluations()[-1]) for one in attacks)
    accuracy = read_manifest(DEMO / "extraction" / "side")["surrogate"]
    return {
        f"The attack: {GUIDED} generations each from the same starting noise": pd.DataFrame(
            controls
        ),
        f"The attack at {budget:,.0f} network forwards each, everything counted": compared(
            attacks, forwards=budget
        ),
        "AMS and UMS of the same generations, by distance to the training image": pd.DataFrame(
            bands
        ),
        "SIDE over strength and cohesion, 0 being unconditional": pd.read_csv(
            DEMO / "extraction" / "strengths.csv"
        ),
        "Accuracy of SIDE's classifier by noise level, chance "
        f"{accuracy['chance']:.3f}": pd.DataFrame([accuracy["accuracy"]]),
    }
