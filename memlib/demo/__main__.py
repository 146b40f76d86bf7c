"""Build the demo, stage by stage, and say what came of it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from memlib import MEASURES, Denoiser, load_denoiser, load_images
from memlib.demo.attack import attack, sweep
from memlib.demo.frontier import write_frontier
from memlib.demo.pictures import build_images
from memlib.demo.report import report
from memlib.demo.training import train
from memlib.denoisers.unet import DEMO
from memlib.extraction import read_generations
from memlib.images import ImageSet
from memlib.measures import LEVELS
from memlib.runs import create_run, held_out_sample, measure_run


def measure(folder: Path, model: str, measure: str = "volume_growth", indices: Sequence[int] | None = None) -> None:
    """A run of one measure at its default settings, over all images or the chosen ones."""
    measured(folder, load_denoiser(model), load_images("demo"), measure, indices)


def measured(
    folder: Path, denoiser: Denoiser, images: ImageSet, measure: str, indices: Sequence[int] | None = None, arrays: bool = True
) -> None:
    run = create_run(folder, denoiser, images, measure, MEASURES[measure].defaults(denoiser), indices=indices, arrays=arrays)
    for done, total in measure_run(run, denoiser, images):
        say(f"{folder.name}: {done} of {total}", done == total)


def measure_all(folder: Path) -> None:
    """The runs the app opens with, those that are not there yet."""
    held_out = held_out_sample(load_images("demo"))
    plan: dict[str, tuple] = {"volume-growth": ("demo",), "volume-growth-reference": ("demo-reference",)}
    for checkpoint in ("early", "middle"):
        plan[f"volume-growth-{checkpoint}"] = (f"demo-{checkpoint}", "volume_growth", held_out)
    plan["redraw"] = ("demo", "redraw", held_out)
    plan["flipd"] = ("demo", "flipd")
    plan["denoising-loss"] = ("demo", "denoising_loss")
    for sigma in LEVELS:
        plan[f"p-laplace-{sigma:g}"] = ("demo", f"k_1_at_{sigma:g}")
        plan[f"p-laplace-{sigma:g}-reference"] = ("demo-reference", f"k_1_at_{sigma:g}")
    for name, arguments in plan.items():
        measure(folder / name, *arguments)


def measure_generated(folder: Path) -> None:
    """Growth and K_1 of the generated images, their numbers alone: maps of thousands of images would not stay small."""
    denoiser = load_denoiser("demo")
    for method in ("side", "permuted"):
        images = read_generations(DEMO / "extraction" / method).images
        for name, measure in {"volume-growth": "volume_growth", "p-laplace-0.5": "k_1_at_0.5"}.items():
            measured(folder / f"{name}-{method}", denoiser, images, measure, arrays=False)


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
    if not (DEMO / "extraction" / "strengths.csv").exists():
        attack(DEMO / "extraction", work / "extraction", lambda text: say(text, False))
        sweep(DEMO / "extraction", work / "extraction", lambda text: say(text, False))
    measure_all(DEMO / "runs")
    measure_generated(DEMO / "runs")
    if not (DEMO / "frontier.csv").exists():
        write_frontier(DEMO / "frontier.csv", work)
    say(report())
    return 0


if __name__ == "__main__":
    sys.exit(main())
