"""Options shared by several commands: which model, which images, which device."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from memlib.bundled import BUNDLED
from memlib.commands.progress import Report
from memlib.denoisers import NetworkDenoiser, load_denoiser
from memlib.images import ImageSet, load_images
from memlib.images.transform import FITS
from memlib.options import Options
from memlib.quoting import first_line, quoted
from memlib.sources import inherited, named_array
from memlib.workspace import Sources, Workspace, open_workspace

S = TypeVar("S", bound=Options)
MODEL = "a diffusers folder, a .safetensors file, a Hub id"
IMAGES = "a folder, archive, array, table or Hub data set of images"


def model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="demo", help=f"{MODEL}, or demo (default)")
    device_arguments(parser)


def device_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--label", type=int, help="the class of a class-conditional model")
    parser.add_argument("--prompt", default="", help="the prompt of a model of text")
    parser.add_argument(
        "--guidance_scale",
        "--guidance-scale",
        type=float,
        metavar="W",
        help="leads towards the prompt (default: none)",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best available)")


def image_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", default="demo", help=f"{IMAGES}, or demo (default)")
    transform_arguments(parser)


def runs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs",
        type=Path,
        help="a folder of run folders with measured values (default: those of the demo)",
    )


def transform_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, help="resize the images to this many pixels per side")
    parser.add_argument(
        "--channels", type=int, choices=[1, 3], help="convert the images to grey (1) or colour (3)"
    )
    parser.add_argument(
        "--fit",
        default="crop",
        choices=list(FITS),
        help="how they are resized (default: crop)",
    )
    parser.add_argument("--mirror", action="store_true", help="flip them left to right")
    parser.add_argument("--limit", type=int, help="use only the first so many images")
    parser.add_argument(
        "--held-out", default="", help="a second source: images the model was not trained on"
    )
    parser.add_argument(
        "--group", default="", help='the column the images are grouped by, or "folder"'
    )


SHORT = {"count": "-n"}  # options that also have a short form


def settings_arguments(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, usual: Options, names: Sequence[str]
) -> None:
    """Add an option for each named setting, as its class declares it; `usual` has the defaults."""
    for name in names:
        known, default = usual.options()[name], getattr(usual, name)
        about = known.help[:1].lower() + known.help[1:].rstrip(".")
        shown = f"{default:g}" if isinstance(default, float) else default
        parser.add_argument(
            *[flag for flag in (SHORT.get(name), f"--{name}") if flag],
            type=known.kind,
            default=default,
            choices=known.choices or None,
            metavar=None if known.choices else name.upper(),
            help=f"{about} (default: {shown})",
        )


def settings_of(asked: argparse.Namespace, usual: S, names: Sequence[str]) -> S:
    """Return the usual settings with the given options. Raises ValueError for values that are not
    allowed.
    """
    return usual.changed({name: getattr(asked, name) for name in names})


def load_model(model: str, label: int | None, device: str | None) -> NetworkDenoiser:
    """Load the model on a device. Raises ValueError for a device that is not available."""
    try:
        return load_denoiser(
            model, torch.device(device) if device else None, label=label, roots=inherited()
        )
    except (
        RuntimeError,
        AssertionError,
    ) as error:  # torch raises these for a device it does not know or have
        raise ValueError(
            f"The device {quoted(device)} cannot be used: {first_line(error)}."
        ) from error


def sources_of(asked: argparse.Namespace) -> Sources:
    """Return the sources as they are written to a run's manifest: with absolute paths, so that they
    can be found from other directories.
    """
    model, images, held_out = (
        absolute(source) if source else source
        for source in (asked.model, asked.images, asked.held_out)
    )
    return Sources(
        model=model,
        images=images,
        reference="",
        size=asked.size,
        channels=asked.channels,
        label=asked.label,
        fit=asked.fit,
        mirror=asked.mirror,
        held_out=held_out,
        group=asked.group,
        prompt=asked.prompt,
        guidance_scale=asked.guidance_scale,
    )


def absolute(source: str) -> str:
    """Return the source with an absolute path, if it is on this machine and has no name of ours."""
    if source in BUNDLED:
        return source
    file, array = named_array(source)
    if not Path(file).exists():
        return source
    return f"{Path(file).resolve()}:{array}" if array else str(Path(file).resolve())


def load(
    sources: Sources, device: str | None, report: Report, limit: int | None = None
) -> Workspace:
    """Load the model and the images, without the reference; reading many images reports its
    progress.
    """

    def read(of: Sources, source: str) -> ImageSet:
        return load_images(
            source,
            of.size,
            of.channels,
            limit,
            fit=of.fit,
            mirror=of.mirror,
            roots=inherited(),
            callback=report.stage("Reading images"),
        )

    return open_workspace(
        replace(sources, reference=""), lambda model, label: load_model(model, label, device), read
    )
