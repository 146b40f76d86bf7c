"""Draw images from a model, led to what it has memorised (SIDE) or by itself.

An attack needs no training image: draw images from the model, cluster them, and lead the sampling
to one cluster after another. Runs are kept in folders named by their settings, those of the
extraction page, which shows them when it is opened in the same directory. The same command goes on
where it stopped; a larger number of images makes a run longer.
"""

import argparse
from dataclasses import fields
from pathlib import Path

from memlib.commands.inputs import load_model, model_arguments
from memlib.commands.progress import Report
from memlib.extraction import read_generations
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.stages import FOLDER, METHODS, Settings, attack_run
from memlib.sources import inherited

NAME = "extract"


def arguments(parser: argparse.ArgumentParser) -> None:
    usual = Settings()
    model_arguments(parser)
    parser.add_argument(
        "--method",
        default=usual.method,
        choices=list(METHODS),
        help="how images are drawn; only unconditional needs no "
        f"classifier (default: {usual.method})",
    )
    parser.add_argument(
        "-n",
        "--count",
        dest="n",
        type=int,
        default=usual.n,
        metavar="COUNT",
        help=f"images to draw (default: {usual.n})",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=usual.steps,
        help=f"network forwards an image, DDIM (default: {usual.steps})",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=usual.seed,
        help=f"image i depends on the seed and on i alone (default: {usual.seed})",
    )
    guided = parser.add_argument_group("guided methods")
    guided.add_argument(
        "--strength",
        type=float,
        default=usual.strength,
        help=f"multiplies the classifier's gradient (default: {usual.strength:g})",
    )
    guided.add_argument(
        "--own",
        type=int,
        default=usual.own,
        help=f"images drawn from the model for the classifier (default: {usual.own})",
    )
    guided.add_argument(
        "--clusters",
        type=int,
        default=usual.clusters,
        help=f"clusters of those images (default: {usual.clusters})",
    )
    guided.add_argument(
        "--cohesion",
        type=float,
        default=usual.cohesion,
        help="mean cosine to its centre below which a cluster is dropped "
        f"(default: {usual.cohesion:g})",
    )
    guided.add_argument(
        "--features",
        default=usual.features,
        help="what describes the images: "
        "denoiser, pixels, sscd, "
        "sscd:FILE or timm:MODEL (default: "
        f"{usual.features})",
    )
    guided.add_argument(
        "--layout",
        default=usual.layout,
        choices=list(TimeResNet.LAYOUTS),
        help="of the classifier; resnet34 is the paper's, narrow is for a "
        f"CPU (default: {usual.layout})",
    )
    guided.add_argument(
        "--updates",
        type=int,
        default=usual.updates,
        help=f"of the classifier, 64 images each (default: {usual.updates})",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help=f"where runs are kept, one folder each (default: {FOLDER})",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Draw what is missing of the run and name its folder."""
    settings = Settings(**{field.name: getattr(asked, field.name) for field in fields(Settings)})
    settings.check()  # before the model is read
    denoiser = load_model(asked.model, asked.label, asked.device)
    *_, folder = attack_run(denoiser, settings, asked.output, report.progress, roots=inherited())
    images = len(read_generations(folder))
    report.result(
        {"folder": str(folder), "images": images, "method": settings.method},
        f"{folder}: {images:,} images, {settings.method}",
    )
