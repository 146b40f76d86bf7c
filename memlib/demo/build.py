"""Build the demo stage by stage, skipping what exists."""

from collections.abc import Sequence
from pathlib import Path

from memlib import MEASURES, Denoiser, load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.demo.emoji import build_images
from memlib.demo.frontier import write_frontier
from memlib.demo.model import train
from memlib.demo.rates import FOLDER, RUN, count_draws, rate_sample
from memlib.demo.side import attack, sweep
from memlib.extraction import read_generations
from memlib.images import ImageSet
from memlib.measures import LEVELS
from memlib.progress import Stages
from memlib.runs import create_run, held_out_sample, measure_run


def measure(
    folder: Path,
    stages: Stages,
    model: str,
    measure: str = "volume_growth",
    indices: Sequence[int] | None = None,
) -> None:
    """Measure one measure at its default settings, for all images or the chosen ones."""
    measured(folder, stages, load_denoiser(model), load_images("demo"), measure, indices)


def measured(
    folder: Path,
    stages: Stages,
    denoiser: Denoiser,
    images: ImageSet,
    measure: str,
    indices: Sequence[int] | None = None,
    arrays: bool = True,
) -> None:
    run = create_run(
        folder,
        denoiser,
        images,
        measure,
        MEASURES[measure].defaults(denoiser),
        indices=indices,
        arrays=arrays,
    )
    for done, total in measure_run(run, denoiser, images):
        stages(folder.name)(done, total)


def measure_all(folder: Path, stages: Stages) -> None:
    """Make those of the runs the app opens with that do not exist yet."""
    held_out = held_out_sample(load_images("demo"))
    plan: dict[str, tuple] = {
        "volume-growth": ("demo",),
        "volume-growth-reference": ("demo-reference",),
    }
    for checkpoint in ("early", "middle"):
        plan[f"volume-growth-{checkpoint}"] = (f"demo-{checkpoint}", "volume_growth", held_out)
    plan["redraw"] = ("demo", "redraw", held_out)
    plan["flipd"] = ("demo", "flipd")
    plan["denoising-loss"] = ("demo", "denoising_loss")
    plan["integrated-loss"] = ("demo", "integrated_loss")
    for sigma in LEVELS:
        plan[f"p-laplace-{sigma:g}"] = ("demo", f"k_1_at_{sigma:g}")
        plan[f"p-laplace-{sigma:g}-reference"] = ("demo-reference", f"k_1_at_{sigma:g}")
    plan[RUN.name] = ("demo", "reproduction_rate", rate_sample(load_images("demo"))[0])
    for name, arguments in plan.items():
        measure(folder / name, stages, *arguments)


def measure_generated(folder: Path, stages: Stages) -> None:
    """Measure growth and K_1 of the generated images, only the numbers: maps of thousands of images
    would be too large.
    """
    denoiser = load_denoiser("demo")
    for method in ("side", "permuted"):
        images = read_generations(DEMO / "extraction" / method).images
        for name, measure in {
            "volume-growth": "volume_growth",
            "p-laplace-0.5": "k_1_at_0.5",
        }.items():
            measured(folder / f"{name}-{method}", stages, denoiser, images, measure, arrays=False)


def build(work: Path, stages: Stages) -> None:
    """Build everything below assets/demo; long stages keep their state in `work`.

    `stages(stage)` returns the progress callback of a stage.
    """
    if not (DEMO / "images.zip").exists():
        build_images(DEMO / "images.zip")
    if not (DEMO / "model").exists():
        train(DEMO / "images.zip", DEMO, work, stages)
    if not (DEMO / "extraction" / "strengths.csv").exists():
        attack(DEMO / "extraction", work / "extraction", stages)
        sweep(DEMO / "extraction", work / "extraction", stages)
    if not (FOLDER / "manifest.json").exists():
        count_draws(FOLDER, work / "extraction" / "stochastic", stages)
    measure_all(DEMO / "runs", stages)
    measure_generated(DEMO / "runs", stages)
    if not (DEMO / "frontier.csv").exists():
        write_frontier(DEMO / "frontier.csv", work, stages)
