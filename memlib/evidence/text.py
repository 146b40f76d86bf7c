"""What was found, in sentences and in tables of text."""

import numpy as np
import pandas as pd

from memlib.evidence.reproduction import at_most


def interval(value: float, low: float, high: float) -> str:
    """ ".994 (.978 to 1)"."""
    return f"{short(value)} ({short(low)} to {short(high)})" if low < high else short(value)


def short(value: float) -> str:
    """Three digits after the point, without the 0 before it."""
    return "1" if value >= 0.9995 else f"{value:.3f}".removeprefix("0")


def statement(samples: int, counts: np.ndarray, criterion: str, threshold: float) -> str:
    """What came back, in one sentence."""
    total = int(counts.sum())
    rule = f"{criterion} below {threshold:.3g}"
    if not total:
        return (
            f"0 of {samples:,} pictures drawn are copies by {rule}: at most "
            f"{at_most(samples):.2%} of what the model draws, with 95% confidence."
        )
    return (
        f"{total:,} of {samples:,} pictures drawn are copies by {rule} (at most "
        f"{at_most(samples, total):.1%} of what the model draws, with 95% confidence), "
        f"of {int((counts > 0).sum()):,} different images."
    )


def table_line(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a table of this module as text, AUC and its interval in one cell."""
    if "AUC" not in table:
        return list(map(str, table)), [[str(cell) for cell in line] for line in table.to_numpy()]
    heads = ["measure", "AUC (95% interval)", "TPR at 1% FPR", "images", "others", "forwards"]
    cells = [
        [
            line["title"],
            interval(line["AUC"], line["low"], line["high"]),
            short(line["TPR at 1% FPR"]),
            str(line["above"]),
            str(line["below"]),
            f"{line['forwards']:,}",
        ]
        for line in table.to_dict("records")
    ]
    return heads, cells
