"""What the demo reproduces, and which measure predicts it."""

import numpy as np
import pandas as pd

from memlib import ImageSet, load_images
from memlib.bundled import DEMO
from memlib.demo.emoji import COPIES
from memlib.demo.rates import copies_of_both, rate_quality, rate_table
from memlib.demo.side import attack_tables
from memlib.evidence import auc_text, clusters, ladder, match_samples, reproductions, rungs
from memlib.evidence.masks import family_aucs
from memlib.extraction import UNCONDITIONAL, read_generations
from memlib.measures import LEVELS, POWERS
from memlib.measures.result import Row
from memlib.neighbours import duplicates
from memlib.runs import read_run


def run_of(name: str, images: ImageSet) -> list[Row]:
    """Read the rows of one of the demo's runs, in the order of the images."""
    _, rows = read_run(DEMO / "runs" / name)
    return [rows[image] for image in images.ids]


def p_laplace_table(images: ImageSet) -> pd.DataFrame:
    """Make the AUC of the images of each number of copies, and of all images repeated 16 times or
    more, against held-out ones: p-Laplace and loss, with 95% intervals over clusters.
    """
    kinds, labels = rungs(images), clusters(images, duplicates(images))
    often = np.array([int(copies) >= 16 for copies in images.metadata["copies"]])
    chosen = {f"x{copies}": kinds == f"copied x{copies}" for copies in COPIES} | {
        "x16 and more": often
    }
    lines = []
    for sigma in LEVELS:
        rows = run_of(f"p-laplace-{sigma:g}", images)
        for name, places in chosen.items():
            line: dict[str, object] = {"sigma": sigma, "copied": name}
            for column, sign in [*((f"K_{p:g}", 1) for p in POWERS), ("loss", -1)]:
                values = sign * np.array([row[column] for row in rows])
                line[column] = auc_text(values, places, images.held_out, labels)
            lines.append(line)
    return pd.DataFrame(lines)


def family_table(images: ImageSet) -> pd.DataFrame:
    """Pixel AUC of the growth maps, smoothed over 3 x 3, against what the six variants of a family
    share.
    """
    own, reference = (
        {image: row["map"] for image, row in read_run(DEMO / "runs" / name)[1].items()}
        for name in ("volume-growth", "volume-growth-reference")
    )
    table = family_aucs(
        images,
        {
            "growth": own,
            "growth minus reference": {image: own[image] - reference[image] for image in own},
        },
    )
    assert table is not None
    return table


def tables() -> dict[str, pd.DataFrame]:
    """Make all tables of the demo, by title."""
    images = load_images("demo")
    growth, reference = run_of("volume-growth", images), run_of("volume-growth-reference", images)
    values = {
        "growth": [row["value"] for row in growth],
        "minus reference": [
            row["value"] - other["value"] for row, other in zip(growth, reference, strict=True)
        ],
        "K_1 at 0.5": [row["K_1"] for row in run_of("p-laplace-0.5", images)],
    }
    samples = read_generations(DEMO / "extraction" / UNCONDITIONAL).images
    return {
        "Copies among the samples, and AUC against held-out images": ladder(
            images, reproductions(match_samples(samples, images), len(images)), values
        ),
        f"Estimated reproduction rates beside counts; {copies_of_both(images)}": rate_table(),
        "AUC of the rate and of other measures on that sample, weighted by what it stands for": (
            rate_quality()
        ),
        **attack_tables(),
        "AUC of p-Laplace and of the denoising loss against held-out images": p_laplace_table(
            images
        ),
        "Pixel AUC against what the variants of a family share": family_table(images),
        "Rank correlation of short runs of volume growth with a long one": pd.read_csv(
            DEMO / "frontier.csv"
        ),
    }
