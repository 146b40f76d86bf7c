"""What a report is made from: facts, and tables with a line for each image, each picture drawn and
each entry of the verdicts. Everything else follows from them (memlib.audit.derived).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.evidence import clusters, drawn_how, match_samples
from memlib.extraction import Generations
from memlib.extraction.matches import training_set
from memlib.extraction.plan import SEEK, UNCONDITIONAL
from memlib.images import ImageSet
from memlib.measures import MEASURES
from memlib.neighbours import match_ratio, nearest
from memlib.runs.manifest import circumstances

KNOWN = ("id", "name", "near_duplicates", "cluster", "held_out")  # columns beside the measures


@dataclass(frozen=True)
class Record:
    """`facts` are those of `facts_of`. `images` has the columns KNOWN and one for each measure.
    `draws` has, for each picture, nearest, distance and ratio, and the same against the held-out
    images. `verdicts` is a history, `actions` says what to do with which image.
    """

    facts: Mapping[str, Any]
    images: pd.DataFrame
    draws: pd.DataFrame = field(default_factory=pd.DataFrame)
    verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)
    actions: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        return {name: getattr(self, name) for name in ("images", "draws", "verdicts", "actions")}


def images_table(images: ImageSet, values: pd.DataFrame, groups: Tensor) -> pd.DataFrame:
    """Return the table of images: who they are, which count as one, and their measures that are
    known; `groups` are `duplicates(images)`.
    """
    known = {
        "id": images.ids,
        "name": images.names,
        "near_duplicates": groups.numpy(),
        "cluster": clusters(images, groups),
        "held_out": images.held_out,
    }
    measured = {name: values[name] for name in values if values[name].notna().any()}
    return pd.DataFrame(known | {name: one.to_numpy() for name, one in measured.items()})


def draws_table(samples: ImageSet, images: ImageSet, groups: Tensor) -> pd.DataFrame:
    """Return the table of draws: `match_samples`, and the same test on the held-out images."""
    found = match_samples(samples, images, groups)[["nearest", "distance", "ratio"]]
    training = training_set(images, groups)
    own = groups[training.others]
    if len(torch.unique(own)) > 1:
        queries = samples.batch(range(len(samples)))
        other = nearest(queries, training.subset(training.others), 2, groups=own)
        found["held_out_nearest"] = training.others[other.index[:, 0]].numpy()
        found["held_out_distance"] = other.distance[:, 0].numpy()
        found["held_out_ratio"] = match_ratio(other).numpy()
    return found


def facts_of(
    denoiser: Denoiser,
    images: ImageSet,
    drawn: Generations | None,
    table: pd.DataFrame,
    criterion: tuple[str, float],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the facts of a record; `table` is that of the images, `drawn` the pictures."""
    known = [str(name) for name in table if name not in KNOWN]
    out = table["held_out"].to_numpy(bool)
    plan, tried, how = drawn and drawn.plan, {}, {}
    if drawn is not None:
        kind = "stochastic draws" if plan and plan.eta else "deterministic draws"
        if not plan or plan.method != UNCONDITIONAL:
            kind = "other draws" if not plan else "search" if plan.method == SEEK else "SIDE"
        tried[kind] = f"{len(drawn):,} pictures"
        how = {
            "digest": drawn.images.digest,
            "how": f"drawn {drawn_how(plan)}" if plan else "drawn by another program",
            "guided": not plan or plan.method != UNCONDITIONAL,
            "plan": asdict(plan) if plan else None,
        }
    if "reproduction_rate" in known:
        tried["led paths"] = f"{int(table['reproduction_rate'].notna().sum()):,} images"
    if known and out.any() and not out.all():
        tried["membership inference"] = f"by {len(known)} measures, {int(out.sum()):,} held out"
    name, threshold = criterion
    return {
        "model": {"name": denoiser.name, "digest": denoiser.digest},
        "images": {"name": images.name, "digest": images.digest, "count": len(images)},
        "draws": how,
        "criterion": {"name": name, "threshold": threshold},
        "executed": tried,
        "notes": list(notes),
        "definitions": definitions(known),
        **circumstances(denoiser, None),
    }


def definitions(names: list[str]) -> list[list[str]]:
    """Say what each measure means, those of one definition once."""
    told = {MEASURES[name].definition: MEASURES[name] for name in reversed(names)}
    return [
        [
            one.title,
            f"{one.definition} {'Bigger' if one.direction > 0 else 'Smaller'} means more "
            f"memorised. {one.limits} {one.citation}.",
        ]
        for one in reversed(told.values())
    ]
