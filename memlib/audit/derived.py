"""What follows from the tables of a report, and from nothing else: its numbers, its findings and
its sentences. They are computed when a report is written, and again when it is verified.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from memlib.audit.record import KNOWN, Record
from memlib.audit.report import Audit
from memlib.audit.review import agreements, outcomes
from memlib.evidence import (
    REPRODUCED,
    TRAINED,
    Remembered,
    at_most,
    copied,
    copy_rule,
    counted_rate,
    signed,
)
from memlib.measures import MEASURES
from memlib.statistics import FEWEST, auc_interval

TITLE = "Audit of what a diffusion model remembers"
LATER = (
    "An image that did not come back here may still come back later, and what was not tried is not "
    "excluded."
)
# What can be tried on a model, for the table of what was not; see EDPB Opinion 28/2024, 3.2
ATTACKS = {
    "deterministic draws": "any training image, by drawing without guidance, deterministic sampler",
    "stochastic draws": "any training image, by drawing without guidance, stochastic sampler",
    "SIDE": "any training image, by drawing guided towards clusters of the model's own images",
    "other draws": "any training image, in pictures that another program drew",
    "led paths": "a chosen image, by estimating how often the sampler draws it",
    "completion": "a chosen image, by completing a part of it",
    "membership inference": "whether a chosen image was trained on",
    "attribute inference": "what else the model says about a person in a training image",
    "weights": "training images, by an attack on the weights themselves",
}


def numbers(record: Record) -> dict[str, Any]:
    """Return every number of a report, from its tables."""
    return {
        "draws": _drawn(record),
        "false hits": _false_hits(record),
        "rates": _rates(record),
        "came back": _came_back(record),
        "measures": _measures(record),
        "verdicts": _verdicts(record.verdicts),
    }


def _times(record: Record) -> np.ndarray:
    """Count the copies of each image, (N,)."""
    rule = record.facts["criterion"]
    found = copied(record.draws, rule["name"], rule["threshold"])
    return np.bincount(found[found >= 0], minlength=len(record.images))


def _drawn(record: Record) -> dict[str, Any]:
    """What the draws give away: n, share and interval of the copies, and of how many images."""
    images, draws = record.images, len(record.draws)
    if not draws:
        return {"pictures": 0, "said": "No pictures were drawn for this report."}
    groups = torch.tensor(images["near_duplicates"].to_numpy())
    guided = bool(record.facts["draws"].get("guided"))
    found = Remembered(draws, _times(record), groups, ~images["held_out"].to_numpy(bool), guided)
    share = counted_rate(found.copies, draws)
    return {
        "pictures": draws,
        "copies": found.copies,
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "different images": found.counts.seen,
        "of": found.counts.images,
        "said": found.sentence(),
    }


def _false_hits(record: Record) -> dict[str, Any]:
    """The share of held-out images that the same test calls copied; with fewer than FEWEST of them
    no rate is stated.
    """
    images, rule = record.images, record.facts["criterion"]
    groups = images["near_duplicates"].to_numpy()
    count = len(np.unique(groups[images["held_out"].to_numpy(bool)]))
    stated: dict[str, Any] = {"held-out images": count}
    if count < FEWEST or "held_out_nearest" not in record.draws:
        why = f"{count:,} different images are held out, fewer than {FEWEST}"
        if count >= FEWEST:
            why = "no pictures were matched with the held-out images"
        return stated | {"said": f"No rate of false hits is stated: {why}."}
    names = ("nearest", "distance", "ratio")
    held = record.draws[[f"held_out_{name}" for name in names]].set_axis(list(names), axis=1)
    found = copied(held, rule["name"], rule["threshold"])
    hit = len(np.unique(groups[found[found >= 0]]))
    rate = counted_rate(hit, count)
    high = rate.high if hit else at_most(count)
    said = f"{rate.low:.2%} to {high:.2%}" if hit else f"at most {high:.2%}"
    return stated | {
        "called copied": hit,
        "pictures called copies": int((found >= 0).sum()),
        "share": rate.value,
        "low": rate.low,
        "high": high,
        "said": f"The same test calls {hit:,} of {count:,} different held-out images copied "
        f"({rate.value:.2%}; 95%: {said}), in {int((found >= 0).sum()):,} of "
        f"{len(record.draws):,} pictures. It compares with fewer images than it does for the "
        "training images.",
    }


def _rates(record: Record) -> list[dict[str, Any]]:
    """A line for each image that came back, the most often first: copies, rate and interval."""
    if record.draws.empty:
        return []
    times, draws = _times(record), len(record.draws)
    lines = []
    for place in np.lexsort((np.arange(len(times)), -times))[: int((times > 0).sum())]:
        rate = counted_rate(int(times[place]), draws)
        image = record.images.iloc[place]
        lines.append(
            {
                "id": image["id"],
                "image": image["name"],
                "copies": int(times[place]),
                "rate": rate.value,
                "low": rate.low,
                "high": rate.high,
            }
        )
    return lines


def _came_back(record: Record) -> list[dict[str, Any]]:
    """A line for each image that came back, near-duplicates together, the most often first: named
    after the one that was copied most.
    """
    if record.draws.empty:
        return []
    times, draws = _times(record), len(record.draws)
    groups = record.images["near_duplicates"].to_numpy()
    ids, names = (record.images[column].to_numpy() for column in ("id", "name"))
    decided = outcomes(record.verdicts) if len(record.verdicts) else None
    said = {} if decided is None else dict(zip(decided["image"], decided["verdict"], strict=True))
    lines = []
    for group in np.unique(groups[times > 0]):
        alike = np.flatnonzero(groups == group)
        first, copies = alike[times[alike].argmax()], int(times[alike].sum())
        rate = counted_rate(copies, draws)
        others = [str(ids[place]) for place in alike if place != first]
        told = dict.fromkeys(said[image] for image in ids[alike] if image in said)
        lines.append(
            {
                "name": names[first],
                "id": ids[first],
                "copies": copies,
                "draws": draws,
                "rate": rate.value,
                "low": rate.low,
                "high": rate.high,
                "near-duplicates": len(others),
                "their ids": " ".join(others),
                "verdict": ", ".join(told),
            }
        )
    return sorted(lines, key=lambda line: -int(line["copies"]))


def _measures(record: Record) -> list[dict[str, Any]]:
    """How well each measure ranks: the AUC with its interval over clusters, of each comparison."""
    images = record.images
    out, labels = images["held_out"].to_numpy(bool), images["cluster"].to_numpy()
    sides = {TRAINED: (~out, out)}
    if not record.draws.empty:
        groups, came = images["near_duplicates"].to_numpy(), ~out & (_times(record) > 0)
        sides = {REPRODUCED: (came, ~out & ~np.isin(groups, groups[came]))} | sides
    lines = []
    for name in (name for name in images if name not in KNOWN):
        value = signed(images[[name]])[name].to_numpy(float)
        for title, pair in sides.items():
            one, other = (side & ~np.isnan(value) for side in pair)
            if not one.any() or not other.any() or MEASURES[str(name)].chosen:
                continue
            area, low, high = auc_interval(value[one], value[other], (labels[one], labels[other]))
            counts = (one.sum(), other.sum(), *(len(np.unique(labels[k])) for k in (one, other)))
            sizes = ("images above", "images below", "clusters above", "clusters below")
            lines.append(
                {"measure": MEASURES[str(name)].title, "comparison": title}
                | dict(zip(sizes, map(int, counts), strict=True))
                | {"AUC": area, "low": low, "high": high}
            )
    return lines


def _verdicts(history: pd.DataFrame) -> dict[str, Any]:
    """How many images got which verdict, and how far reviewers agree on blind verdicts."""
    if history.empty:
        return {"images": {}, "agreement": []}
    counts = outcomes(history)["verdict"].value_counts()
    pairs = [
        {
            "reviewers": " and ".join(pair.reviewers),
            "images": len(pair.table),
            "same verdict": pair.share,
            "Cohen's kappa": pair.kappa if pair.kappa == pair.kappa else None,
        }
        for pair in agreements(history)
    ]
    return {"images": {str(name): int(count) for name, count in counts.items()}, "agreement": pairs}


def findings(record: Record, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List what was found, in the form of SARIF's results: copied images, and verdicts."""
    draws = found["draws"]["pictures"]
    said = [
        (
            "copied",
            "error",
            f"{line['copies']:,} of {draws:,} pictures are copies ({line['rate']:.3%}, 95%: "
            f"{line['low']:.3%} to {line['high']:.3%}).",
            line["id"],
        )
        for line in found["rates"]
    ]
    decided = outcomes(record.verdicts).to_dict("records") if len(record.verdicts) else []
    said += [
        (
            "verdict",
            "warning",
            f"Called {line['verdict']} by {line['reviewers']}: {line['action']}.",
            line["image"],
        )
        for line in decided
        if line["action"] != "keep"
    ]
    return [
        {
            "ruleId": rule,
            "level": level,
            "message": {"text": text},
            "locations": [{"logicalLocations": [{"name": image, "kind": "image"}]}],
        }
        for rule, level, text, image in said
    ]


def audit_of(record: Record, found: Mapping[str, Any]) -> Audit:
    """Return what the report says besides its images."""
    facts, executed = record.facts, record.facts["executed"]
    rule = facts["criterion"]
    attacks = [
        {"attack": name, "aims at": aim, "tried": executed.get(name, "no")}
        for name, aim in ATTACKS.items()
    ]
    verdicts = found["verdicts"]
    counted = [{"verdict": name, "images": count} for name, count in verdicts["images"].items()]
    tables = {
        "What was tried, and what was not": pd.DataFrame(attacks),
        "Images that came back": pd.DataFrame(found["rates"]),
        "How well measures rank": pd.DataFrame(found["measures"]),
        "Verdicts": pd.DataFrame(counted),
        "Agreement on blind verdicts": pd.DataFrame(verdicts["agreement"]),
        "Images to remove, modify, settle or look at": record.actions,
    }
    return Audit(
        TITLE,
        [
            found["draws"]["said"],
            f"A picture is called a copy by {copy_rule(rule['name'], rule['threshold'])}. "
            "Near-duplicates count as one image. Intervals are of 95%; those of measures count "
            "clusters of similar images, not images.",
            found["false hits"]["said"],
            *facts["notes"],
            LATER,
        ],
        {
            "Model": f"{facts['model']['name']} ({facts['model']['digest']})",
            "Images": f"{facts['images']['name']} ({facts['images']['digest']}), "
            f"{facts['images']['count']:,}",
            "Pictures": f"{found['draws']['pictures']:,}, {facts['draws'].get('how', 'none')} "
            f"({facts['draws'].get('digest', 'none')})",
            "Made": facts["date"],
            "Versions": ", ".join(f"{name} {at}" for name, at in facts["versions"].items()),
        },
        {title: table for title, table in tables.items() if len(table)},
        [(title, text) for title, text in facts["definitions"]],
    )
