"""Results in sentences and in tables of text."""

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from torch import Tensor

from memlib.evidence.draws import OFTEN
from memlib.evidence.reproduction import at_most, bounds, different
from memlib.statistics import FEWEST


def interval(value: float, low: float, high: float) -> str:
    """Write a value with its interval: ".994 (.978 to .999)"."""
    return f"{short(value)} ({short(low)} to {short(high)})"


def short(value: float) -> str:
    """Write three digits after the point without the 0 before it, four if three would round
    to 1.
    """
    if abs(value) < 0.0005:
        return "0"
    if abs(value) >= 0.99995:
        return f"{value:.0f}"
    digits = 4 if abs(value) >= 0.9995 else 3
    return f"{value:.{digits}f}".replace("0.", ".", 1)


def share(count: int, of: int) -> str:
    """Write a rate in percent; beside a rate of 0 its upper bound (`at_most`: 95%, one-sided):
    "0 (at most 0.29%)".
    """
    return f"{count / of:.1%}" if count else f"0 (at most {100 * at_most(of):.2g}%)"


def statement(
    samples: int,
    counts: np.ndarray,
    criterion: str,
    threshold: float,
    groups: Tensor | np.ndarray | None = None,
) -> str:
    """Write in one sentence what was reproduced; with near-duplicate `groups` (N,) images of one
    group count once.
    """
    total = int(counts.sum())
    rule = f"{criterion} below {threshold:.3g}"
    if not total:
        return (
            f"0 of {samples:,} generated images are copies by {rule}: at most "
            f"{at_most(samples):.2%} of what the model draws, with 95% confidence."
        )
    groups = np.arange(len(counts)) if groups is None else groups
    return (
        f"{total:,} of {samples:,} generated images are copies by {rule}, {total / samples:.1%} "
        f"({bounds(total, samples)}), of {different(groups, counts > 0):,} different images."
    )


def best_of(table: pd.DataFrame) -> str:
    """Say what the first line of `quality` is worth: which measures the best may be; of those that
    are known for all the images compared. Of fewer than OFTEN images nothing is said.
    """
    many = int((~table["fewer"]).sum())
    possible = table[table["may be best"]]
    first, last = table.iloc[0], possible.iloc[-1]
    auc = interval(first["AUC"], first["low"], first["high"])
    said = f"{first['title']} has the highest AUC of {many:,} measures on these images, {auc}"
    if many == 1:
        return f"{said}."
    fewest = int(first[["clusters above", "clusters below"]].min())
    if fewest < OFTEN:
        return f"{said}; {fewest:,} different on one side are too few to say which is best."
    if len(possible) == 1:
        return f"{said}, and with 95% confidence no other is better."
    auc = interval(last["AUC"], last["low"], last["high"])
    return (
        f"{said}, which may be luck: with 95% confidence the best measure is one of "
        f"{len(possible):,}, the last of them {last['title']} with {auc}."
    )


def table_line(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return the headings and cells of a table of this package, with values and intervals in one
    cell.
    """
    if "AUC" not in table:
        return list(map(str, table)), [[str(cell) for cell in line] for line in table.to_numpy()]
    heads = [
        "measure",
        "AUC (95% interval)",
        "difference from the first",
        "TPR at 1% FPR",
        "images (clusters)",
        "others (clusters)",
        "forwards",
    ]
    cells = [
        [
            line["title"],
            interval(line["AUC"], line["low"], line["high"]),
            apart_text(line) if place else "",
            rate_text(line),
            f"{line['above']:,} ({line['clusters above']:,})",
            f"{line['below']:,} ({line['clusters below']:,})",
            f"{line['forwards']:,}",
        ]
        for place, line in enumerate(table.to_dict("records"))
    ]
    return heads, cells


def apart_text(line: Mapping[Hashable, float]) -> str:
    """Write the difference of a line of `quality` from the first, or why it is not given."""
    if line["fewer"]:
        return f"only {line['above'] + line['below']:,} images"
    return interval(*(line[name] for name in ("difference", "difference low", "difference high")))


def rate_text(line: Mapping[Hashable, float]) -> str:
    """Write the true positive rate of a line of `quality`, or why it is missing."""
    rate, low, high = (line[name] for name in ("TPR at 1% FPR", "TPR low", "TPR high"))
    return f"under {FEWEST} others" if np.isnan(rate) else interval(rate, low, high)
