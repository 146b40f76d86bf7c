"""Shared by the commands that match generated images with the training images."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from memlib.bundled import DEMO
from memlib.evidence import match_samples, reproductions, statement
from memlib.extraction import CRITERIA, Generations, imported, read_generations
from memlib.images import ImageSet
from memlib.sources import inherited


def copies_arguments(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """Declare where the generated images are (`otherwise` describes the default), and what counts
    as a copy.
    """
    parser.add_argument(
        "--samples",
        type=Path,
        help=f"generated images: a run folder of an attack, or an image set (default: {otherwise})",
    )
    parser.add_argument(
        "--criterion",
        default="ratio",
        choices=["ratio", "distance"],
        help="the criterion of a copy: nearest over second nearest distance, or the distance "
        "(default: ratio)",
    )
    parser.add_argument(
        "--threshold", type=float, help="copies are below it (default: the criterion's own)"
    )


def samples_of(asked: argparse.Namespace) -> Path | None:
    """Return where the generated images are: those asked for, or those of the demo."""
    demo = asked.model == "demo" and asked.images == "demo"
    found: Path | None = asked.samples
    return found or (DEMO / "extraction" / "unconditional" if demo else None)


def read_drawn(source: Path, images: ImageSet) -> Generations:
    """Return generated images, from a run or another program, in the shape of the training
    images.
    """
    if (source / "manifest.json").exists():
        return read_generations(source, roots=inherited())
    return imported(source, images, roots=inherited())


def read_samples(source: Path, images: ImageSet) -> ImageSet:
    """Return the images of `read_drawn`."""
    return read_drawn(source, images).images


def matched(
    samples: ImageSet, images: ImageSet, groups: Tensor, criterion: str, threshold: float | None
) -> tuple[pd.DataFrame, np.ndarray, str]:
    """Match each generated image, count the copies of each training image, and summarise in one
    sentence; `groups` are `duplicates(images)`.
    """
    matches = match_samples(samples, images, groups)
    counts = reproductions(matches, len(images), criterion, threshold)
    title, usual = CRITERIA[criterion].title.lower(), CRITERIA[criterion].threshold
    cut = usual if threshold is None else threshold
    return matches, counts, statement(len(samples), counts, title, cut, groups)
