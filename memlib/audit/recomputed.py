"""What of a report is computed again from the model and the images, in about a minute: their
digests, measures of a few images, near-duplicates and matches of a few pictures drawn.

Which images and pictures follows from a seed. The reader may choose another one each time, so that
whoever made up a table cannot know which lines are looked at.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
import torch

from memlib.audit.record import KNOWN, Record, draws_table
from memlib.audit.verification import plain
from memlib.denoisers import Denoiser
from memlib.evidence import measure_table
from memlib.extraction import Generations
from memlib.images import ImageSet
from memlib.measures import MEASURES, Measure
from memlib.neighbours import duplicates
from memlib.progress import Progress
from memlib.quoting import quoted
from memlib.runs import Results, forward_seconds, measure_images

IMAGES, DRAWS = 3, 32  # so many are looked at
SECONDS = 45.0  # for measures, the cheapest first
FEW = 5000  # images whose near-duplicates are found again
TOLERANCE = 1e-3  # of the value or of the column's spread: other processors compute otherwise


@dataclass
class Recomputed:
    """What was computed again, what was not and why, and what differs from the report."""

    seed: int
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def compare(self, what: str, stated: object, found: object) -> bool:
        """Note a difference between what the report states and what is found."""
        if stated != found:
            self.differences.append(
                f"{what} is {quoted(found, 60)}, in the report {quoted(stated, 60)}"
            )
        return stated == found


def recompute(
    record: Record,
    denoiser: Denoiser,
    images: ImageSet,
    drawn: Generations | None = None,
    *,
    seed: int = 0,
    seconds: float = SECONDS,
    callback: Progress | None = None,
) -> Recomputed:
    """Compute parts of a report again from the model, the images and the pictures drawn; `seconds`
    is the time for measures.

    Measures have their default settings, as those of a report do. Where digests or ids differ,
    nothing else is compared.
    """
    found = Recomputed(seed)
    facts, table = record.facts, record.images
    same = found.compare("the digest of the model", facts["model"]["digest"], denoiser.digest)
    same &= found.compare("the digest of the images", facts["images"]["digest"], images.digest)
    found.done.append("the digests of the model and of the images")
    if same:
        found.differences += _other_lines(table, images)
        found.done.append("ids of the images, and which are held out")
    if found.differences:
        found.left.append("everything else, because these differ")
        return found
    chance = np.random.default_rng(seed)
    _near_duplicates(found, table, images)
    _draws(found, record, images, drawn, chance)
    _measures(found, table, denoiser, images, chance, seconds, callback)
    return found


def _other_lines(table: pd.DataFrame, images: ImageSet) -> list[str]:
    """Say where the table of images lists others, or other images held out."""
    if table["id"].tolist() != images.ids:
        return ["the table of images lists other ids than the images have"]
    other = np.flatnonzero(table["held_out"].to_numpy(bool) != images.held_out)
    if not len(other):
        return []
    named = ", ".join(quoted(images.names[place], 60) for place in other[:3])
    return [f"{len(other):,} images are held out in one of the two only, such as {named}"]


def _near_duplicates(found: Recomputed, table: pd.DataFrame, images: ImageSet) -> None:
    if len(images) > FEW:
        found.left.append(f"near-duplicates, of more than {FEW:,} images")
        return
    other = np.flatnonzero(table["near_duplicates"].to_numpy() != duplicates(images).numpy())
    found.done.append(f"near-duplicates of {len(images):,} images")
    found.differences += [
        f"the near-duplicates of {quoted(images.names[place], 60)} are others" for place in other
    ]


def _draws(
    found: Recomputed,
    record: Record,
    images: ImageSet,
    drawn: Generations | None,
    chance: np.random.Generator,
) -> None:
    """Compare how the pictures were drawn, and match a few of them again."""
    draws = record.draws
    if draws.empty:
        return
    if drawn is None:
        found.left.append("matches of the pictures drawn, which were not given")
        return
    samples, facts = drawn.images, record.facts["draws"]
    stated, plan = facts.get("plan") or {}, plain(asdict(drawn.plan)) if drawn.plan else {}
    for name in [name for name in stated if name in plan]:
        found.compare(f"{name} of the pictures drawn", stated[name], plan[name])
    if not found.compare("the digest of the pictures drawn", facts["digest"], samples.digest):
        return
    if not found.compare("the number of pictures drawn", len(draws), len(samples)):
        return
    chosen = np.sort(chance.choice(len(draws), min(DRAWS, len(draws)), replace=False))
    groups = torch.tensor(record.images["near_duplicates"].to_numpy())
    again = draws_table(samples.subset(chosen.tolist()), images, groups)
    found.compare("the columns of the draws", list(draws), list(again))
    for column in [str(name) for name in draws if name in again]:
        one, other = (part[column].to_numpy(float) for part in (draws.iloc[chosen], again))
        wrong = np.abs(one - other) > TOLERANCE
        if column.endswith("nearest"):  # two images as near as each other are one as good as other
            wrong &= again[column.removesuffix("nearest") + "ratio"].to_numpy() < 1 - TOLERANCE
        found.differences += [
            f"{column} of picture {chosen[place]} is {other[place]:.6g}, in the report "
            f"{one[place]:.6g}"
            for place in np.flatnonzero(wrong)
        ]
    if plan:
        found.done.append("the settings of the sampler, which the run states")
    found.done.append(f"matches of {len(chosen):,} of {len(draws):,} pictures drawn")


def _measures(
    found: Recomputed,
    table: pd.DataFrame,
    denoiser: Denoiser,
    images: ImageSet,
    chance: np.random.Generator,
    seconds: float,
    callback: Progress | None,
) -> None:
    """Measure a few images again, by as many measures as there is time for."""
    known = [str(name) for name in table if name not in KNOWN]
    usual = [name for name in known if not MEASURES[name].chosen]
    if len(usual) < len(known):
        titles = [MEASURES[name].title for name in known if name not in usual]
        found.left.append(f"{', '.join(titles)}, which is measured of chosen images only")
    whole = np.flatnonzero(table[usual].notna().any(axis=1)) if usual else np.zeros(0, int)
    if not len(whole):
        return
    chosen = np.sort(chance.choice(whole, min(IMAGES, len(whole)), replace=False)).tolist()
    results, pace, spent, late, checked = Results(), forward_seconds(denoiser), 0.0, [], []
    series = list(_series(usual, denoiser))
    for done, (names, measure, forwards) in enumerate(series):
        spent += forwards * len(chosen) * pace
        if spent > seconds or measure.refusal(denoiser):
            late += names
            continue
        parameters = measure.defaults(denoiser)
        for _ in measure_images(denoiser, images, chosen, measure.name, parameters, results):
            if callback:
                callback(done + 1, len(series))
        checked += names
    again, _ = measure_table(denoiser, images.subset(chosen), results)
    count = 0
    for name in checked:
        spread = float(table[name].astype(float).std(ddof=0))
        for place, value in zip(chosen, again[name], strict=True):
            stated = float(table[name][place])
            if np.isnan(stated):
                continue
            count += 1
            if not abs(value - stated) <= TOLERANCE * max(abs(stated), spread):
                found.differences.append(
                    f"{MEASURES[name].title} of {quoted(images.names[place], 60)} is {value:.6g}, "
                    f"in the report {stated:.6g}"
                )
    found.done.append(
        f"{count:,} values of {len(checked)} measures of {len(chosen)} of {len(whole):,} images"
    )
    if late:
        short = ", ".join(MEASURES[name].title for name in late)
        found.left.append(f"{short}, for which the time was too short")


def _series(names: list[str], denoiser: Denoiser) -> Iterator[tuple[list[str], Measure, int]]:
    """Yield the measures that one computation gives, the cheapest first, with its forwards."""
    alike: dict[str, list[str]] = {}
    for name in names:
        measure = MEASURES[name]
        key = json.dumps([measure.run, measure.defaults(denoiser)], sort_keys=True)
        alike.setdefault(key, []).append(name)
    ordered = sorted(alike.values(), key=lambda one: MEASURES[one[0]].forwards(denoiser))
    for alike_names in ordered:
        measure = MEASURES[alike_names[0]]
        yield alike_names, measure, measure.forwards(denoiser)
