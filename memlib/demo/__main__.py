"""Build the demo, stage by stage, and say what came of it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from memlib import MEASURES, ImageSet, load_denoiser, load_images, match_ratio, nearest, sample
from memlib.demo.frontier import write_frontier
from memlib.demo.pictures import build_images
from memlib.demo.training import train
from memlib.denoisers.unet import DEMO
from memlib.images import to_pixels
from memlib.measures import LEVELS, Row
from memlib.runs import Results, measure_images, provenance, read_run, result_key, write_run

SAMPLES = 2048
BAND = 8  # every eighth held-out image stands for them where measuring all would take too long
COPY_RATIO = 1 / 3  # nearest over second nearest distinct training image


def draw_samples(target: Path) -> None:
    """Unconditional samples of the model as uint8, which `load_images` reads."""
    images = sample(
        load_denoiser("demo"), SAMPLES, steps=50, seed=0, callback=lambda done, total: say(f"sampling {done / total:.0%}", done == total)
    )
    np.savez_compressed(target, images=to_pixels(images))


def measure(folder: Path, model: str, measure: str = "volume_growth", indices: Sequence[int] | None = None) -> None:
    """A run of one measure at its default settings, over all images or the chosen ones."""
    denoiser, images, results = load_denoiser(model), load_images("demo"), Results()
    chosen = range(len(images)) if indices is None else indices
    parameters = MEASURES[measure].defaults(denoiser)
    for done, total in measure_images(denoiser, images, chosen, measure, parameters, results):
        say(f"{folder.name}: {done} of {total}", done == total)
    rows: dict[str, Row] = {
        images.ids[index]: results[result_key(denoiser.digest, images.ids[index], MEASURES[measure].run, parameters)] for index in chosen
    }
    write_run(folder, provenance(denoiser, images, measure, parameters), rows)


def measure_all(folder: Path) -> None:
    """The runs the app opens with, those that are not there yet."""
    held_out = [index for index, group in enumerate(load_images("demo").metadata["group"]) if group == "held-out"]
    plan: dict[str, tuple] = {"volume-growth": ("demo",), "volume-growth-reference": ("demo-reference",)}
    for checkpoint in ("early", "middle"):
        plan[f"volume-growth-{checkpoint}"] = (f"demo-{checkpoint}", "volume_growth", held_out[::BAND])
    plan["redraw"] = ("demo", "redraw", held_out[::BAND])
    plan["flipd"] = ("demo", "flipd")
    plan["denoising-loss"] = ("demo", "denoising_loss")
    for sigma in LEVELS:
        plan[f"p-laplace-{sigma:g}"] = ("demo", f"k_1_at_{sigma:g}")
        plan[f"p-laplace-{sigma:g}-reference"] = ("demo-reference", f"k_1_at_{sigma:g}")
    for name, arguments in plan.items():
        if not (folder / name / "manifest.json").exists():
            measure(folder / name, *arguments)


def reproductions(images: ImageSet, samples: ImageSet) -> np.ndarray:
    """How many samples are copies of each image: nearest of the distinct training images, at a ratio below 1/3."""
    trained = torch.tensor([index for index, copies in enumerate(images.metadata["copies"]) if copies != "0"])
    found = nearest(samples.batch(range(len(samples))), images.batch(trained.tolist()))
    copies = trained[found.index[match_ratio(found) < COPY_RATIO, 0]]
    return np.bincount(copies.numpy(), minlength=len(images))


def report(images: ImageSet, hits: np.ndarray, values: np.ndarray) -> str:
    """A line for each group and number of copies: images reproduced, share of the samples, AUC against held-out images."""
    groups = np.array([f"{group} x{copies}" for group, copies in zip(images.metadata["group"], images.metadata["copies"], strict=True)])
    held_out = values[groups == "held-out x0"]
    lines = [f"{'group':>14} {'images':>7} {'reproduced':>11} {'samples':>8} {'AUC of growth':>14}"]
    for group in sorted(set(groups), key=lambda name: (name.split(" x")[0], int(name.split(" x")[1]))):
        chosen = groups == group
        labels = np.concatenate([np.ones(chosen.sum()), np.zeros(len(held_out))])
        auc = roc_auc_score(labels, np.concatenate([values[chosen], held_out]))
        lines.append(f"{group:>14} {chosen.sum():>7} {(hits[chosen] > 0).sum():>11} {hits[chosen].sum():>8} {auc:>14.3f}")
    return "\n".join(lines)


def say(text: str, last: bool = True) -> None:
    print(text, end="\n" if last else "\r", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m memlib.demo", description="Build the demo from nothing; finished stages are kept.")
    parser.add_argument("--work", type=Path, default=Path("build/demo"), help="where training keeps its state, so that it can be resumed")
    work = parser.parse_args().work
    if not (DEMO / "images.zip").exists():
        build_images(DEMO / "images.zip")
    if not (DEMO / "model").exists():
        train(DEMO / "images.zip", DEMO, work, say)
    if not (DEMO / "samples.npz").exists():
        draw_samples(DEMO / "samples.npz")
    measure_all(DEMO / "runs")
    if not (DEMO / "frontier.csv").exists():
        write_frontier(DEMO / "frontier.csv", work / "frontier.npy")
    images = load_images("demo")
    _, rows = read_run(DEMO / "runs" / "volume-growth")
    say(report(images, reproductions(images, load_images(DEMO / "samples.npz")), np.array([rows[image]["value"] for image in images.ids])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
