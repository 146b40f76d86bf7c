"""Survey a model: draw pictures, measure images, find copies and estimate rates.

First every stage and its cost are said, then what is missing of them is done. Everything is stored
where the app looks for it. The same command continues where a stopped or killed one ended, and does
nothing twice.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from memlib.commands.inputs import (
    IMAGES,
    MODEL,
    device_arguments,
    load,
    sources_of,
    transform_arguments,
)
from memlib.commands.progress import Report
from memlib.runs import forward_seconds
from memlib.survey import PRESETS, Places, Survey

NAME = "survey"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=f"{MODEL}, or demo")
    parser.add_argument("images", help=f"{IMAGES}, or demo")
    device_arguments(parser)
    transform_arguments(parser)
    parser.add_argument(
        "--preset",
        default="quick",
        choices=list(PRESETS),
        help="how thorough (default: quick); "
        + " ".join(f"{name}: {preset.tells()}" for name, preset in PRESETS.items()),
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where results are stored (default: .afterimage, where the app finds them)",
    )
    parser.add_argument(
        "--plan", action="store_true", help="only say the stages and what is left of each"
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Say the stages and their costs, do what is missing, and say what came back."""
    loaded = load(sources_of(asked), asked.device, report, asked.limit)
    survey = Survey(
        loaded.denoiser,
        loaded.images,
        asked.preset,
        Places.below(asked.out) if asked.out else Places.of_the_app(),
        asdict(loaded.sources) | {"limit": asked.limit},
    )
    plan, forward = survey.stages(), forward_seconds(loaded.denoiser)
    for stage in plan:
        line = asdict(stage) | {"left": stage.left, "seconds": round(stage.seconds(forward))}
        said = f"{stage.done:,} of {stage.count:,} done, about {line['seconds']:,} s left"
        report.result(line, f"{stage.title}: {said}, {stage.left:,} network forwards")
    for title, why in survey.refused().items():
        report.result({"refused": title, "why": why}, f"{title}: not measured. {why}")
    seconds = sum(stage.seconds(forward) for stage in plan)
    left = sum(stage.left for stage in plan)
    report.result(
        {"left": left, "seconds": round(seconds)},
        f"In all about {seconds:,.0f} s, {left:,} network forwards. "
        f"{PRESETS[asked.preset].tells()}",
    )
    if asked.plan:
        return
    for _ in survey.run(report.stage):
        pass
    said = survey.remembered().sentence()
    report.result({"statement": said}, said)
