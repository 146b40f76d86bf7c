"""How many copies it takes: what the benchmark's model draws, and which measure sees it."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from memlib import ImageSet, load_denoiser, load_images
from memlib.bundled import BENCHMARK
from memlib.demo.build import measured
from memlib.evidence import auc_text, clusters, match_samples, reproductions, share
from memlib.evidence.masks import true_masks
from memlib.extraction import generate_run, read_generations
from memlib.images.imageset import HELD_OUT
from memlib.measures import MEASURES
from memlib.measures.differences.subtraction import score_apart
from memlib.progress import Stages
from memlib.runs import read_run

DRAWN = 1024
TOLERANCE = 0.1  # root mean square difference below which a part was drawn
RUNS = {
    "integrated-loss": ("benchmark", "integrated_loss"),
    "integrated-loss-reference": ("benchmark-reference", "integrated_loss"),
    "noised-growth": ("benchmark", "noised_growth"),
    "noised-growth-reference": ("benchmark-reference", "noised_growth"),
    "redraw-precision": ("benchmark", "redraw_precision"),
    "denoising-loss": ("benchmark", "denoising_loss"),
    "flipd": ("benchmark", "flipd"),
    "volume-growth": ("benchmark", "volume_growth"),
}
PAIRS = ("integrated-loss", "noised-growth")  # runs of which a reference is subtracted


def kinds_of(images: ImageSet) -> np.ndarray:
    """Return group and dose of each image: "copied x4", "partial x4", "single x1", "held-out"."""
    shown = []
    for group, copies, shared in zip(
        *(images.metadata[name] for name in ("group", "copies", "shared")), strict=True
    ):
        dose = shared or copies
        shown.append(group if group == HELD_OUT else f"{group} x{dose}")
    return np.array(shown)


def in_order(kinds: np.ndarray) -> list[str]:
    """Return the different kinds of images, by group and dose."""
    order = ("single", "copied", "partial", HELD_OUT)
    return sorted(
        set(kinds.tolist()),
        key=lambda kind: (
            (order.index(kind.split(" ")[0]), int(kind.rpartition("x")[2] or 0))
            if " x" in kind
            else (order.index(kind), 0)
        ),
    )


def draw(target: Path, work: Path, stages: Stages) -> None:
    """Draw DRAWN images (DDIM, 50 steps) and write how often each image came back, and how often
    the part that it shares with others did.
    """
    denoiser, images = load_denoiser("benchmark"), load_images("benchmark")
    with torch.autocast("cpu", torch.bfloat16):  # half the time; as the demo's stochastic draws
        for done, total in generate_run(work, denoiser, DRAWN):
            stages("drawing images")(done, total)
    drawn = read_generations(work).images
    samples = drawn.batch(range(len(drawn)))
    whole = reproductions(match_samples(drawn, images), len(images))
    parts = np.zeros(len(images), int)
    for mask in true_masks(images):
        truth = torch.from_numpy(mask.truth)
        apart = (samples - images[mask.place])[..., truth].square().mean((1, 2)).sqrt()
        parts[mask.place] = int((apart < TOLERANCE).sum())
    table = pd.DataFrame({"file_name": images.names, "whole": whole, "part": parts})
    table.to_csv(target, index=False)


def measure(folder: Path, stages: Stages) -> None:
    """Make those of the runs that do not exist yet: numbers only."""
    images = load_images("benchmark")
    for name, (model, one) in RUNS.items():
        measured(folder / name, stages, load_denoiser(model), images, one, arrays=False)


def write_measures(target: Path, stages: Stages) -> None:
    """Write the value of every measure for every image, signed so that bigger is more memorised."""
    images = load_images("benchmark")
    table = {"file_name": images.names}
    table |= {name: images.metadata[name] for name in ("group", "copies", "shared")}
    values: dict[str, np.ndarray] = {}
    for run, (_, name) in RUNS.items():
        _, rows = read_run(BENCHMARK / "runs" / run)
        sign = MEASURES[name].direction
        values[run] = np.array([sign * rows[image]["value"] for image in images.ids])
    for run in PAIRS:
        values[f"{run} minus reference"] = values[run] - values.pop(f"{run}-reference")
    pair = load_denoiser("benchmark"), load_denoiser("benchmark-reference")
    apart = []
    for start in range(0, len(images), 64):
        batch = images.batch(range(start, min(start + 64, len(images))))
        apart.append(score_apart(*pair, batch).value.numpy())
        stages("score difference")(start + len(batch), len(images))
    values["score-difference"] = np.concatenate(apart)
    pd.DataFrame(table | values).to_csv(target, index=False, float_format="%.6g")


def drawn_table(source: Path) -> pd.DataFrame:
    """Make a line for each group and dose: images, how many were drawn, and how many parts."""
    images, found = load_images("benchmark"), pd.read_csv(source)
    kinds, families = kinds_of(images), np.array(images.metadata["family"])
    lines = []
    for kind in in_order(kinds):
        own = kinds == kind
        line: dict[str, object] = {"images": kind, "n": int(own.sum())}
        line["came back"] = int((found["whole"][own] > 0).sum())
        line["share of draws"] = share(int(found["whole"][own].sum()), DRAWN)
        shared = sorted(set(families[own]) - {""})
        line |= {"parts": "", "parts that came back": ""}
        if shared:
            most = [int(found["part"][families == name].max()) for name in shared]
            line["parts"] = len(shared)
            line["parts that came back"] = sum(count > 0 for count in most)
        lines.append(line)
    return pd.DataFrame(lines)


def dose_table(source: Path) -> pd.DataFrame:
    """Make the AUC of the images of each dose against held-out images, a line for each measure."""
    images, found = load_images("benchmark"), pd.read_csv(source, keep_default_na=False)
    kinds, labels = kinds_of(images), clusters(images, None)
    names = [
        one for one in map(str, found) if one not in ("file_name", "group", "copies", "shared")
    ]
    lines = []
    for name in names:
        values = found[name].to_numpy(float)
        line: dict[str, object] = {"measure": name.replace("-", " ")}
        for kind in in_order(kinds):
            if kind != HELD_OUT:
                line[kind] = auc_text(values, kinds == kind, images.held_out, labels)
        lines.append(line)
    return pd.DataFrame(lines)
