"""Measure images, any number of them.

Measures every image, or the chosen ones, and stores the results in a run folder, chunk by chunk.
The same command continues where a stopped or killed one ended, and measures nothing twice; so does
--resume FOLDER. The app shows runs below .afterimage/runs, and any other run folder it may read.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from memlib.commands.inputs import image_arguments, load, model_arguments, sources_of
from memlib.commands.progress import Report
from memlib.images import ImageSet
from memlib.measures import MEASURES, Settings
from memlib.quoting import quoted
from memlib.runs import (
    CHUNK,
    FOLDER,
    OnRay,
    Run,
    create_run,
    in_this_process,
    measure_run,
    run_name,
)
from memlib.runs.measuring import Engine
from memlib.sources import inherited
from memlib.workspace import Sources, Workspace


def arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser)
    image_arguments(parser)
    parser.add_argument(
        "--measure",
        default="volume_growth",
        choices=list(MEASURES),
        metavar="NAME",
        help=f"one of {', '.join(MEASURES)} (default: volume_growth)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the measure, as --set steps=24 --set seed=1; VALUE is JSON",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--sample",
        type=int,
        metavar="N",
        help="measure a random sample of N images, drawn with the measure's seed",
    )
    chosen.add_argument(
        "--only",
        type=Path,
        metavar="FILE",
        help="measure the images whose names or ids are listed in a file, one per line",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help=f"the run folder (default: one below {FOLDER}, named after all of the above)",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="continue these runs; all options that say what to measure are read from them",
    )
    parser.add_argument(
        "--no-maps",
        action="store_true",
        help="store only the numbers, without maps and other arrays",
    )
    parser.add_argument(
        "--chunk", type=int, default=CHUNK, help=f"images measured together (default: {CHUNK})"
    )
    parser.add_argument(
        "--threads",
        type=int,
        help="CPU threads of this process, or of each "
        "worker (default: torch's own; one for a "
        "worker)",
    )
    parser.add_argument(
        "--engine",
        default="local",
        choices=["local", "ray"],
        help="local: this process (default); ray: a Ray cluster, or all "
        "GPUs or cores of this machine",
    )
    parser.add_argument(
        "--address", help="the address of a running Ray cluster, or auto (default: start one here)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        help="the largest number of Ray workers (default: one per GPU, or as many as the CPUs "
        "allow)",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    for name in ("chunk", "threads", "workers", "sample"):
        if getattr(asked, name) is not None and getattr(asked, name) < 1:
            raise ValueError(f"--{name} must be at least 1, not {getattr(asked, name)}.")
    if asked.threads and asked.engine == "local":
        torch.set_num_threads(asked.threads)
    on_ray = asked.engine == "ray"
    if not on_ray and (asked.address or asked.workers):
        raise ValueError("--address and --workers need --engine ray.")
    if on_ray and asked.device:
        raise ValueError(
            "--device needs --engine local: Ray's workers use the GPUs, or else the CPUs, of "
            "the cluster."
        )
    engine = OnRay(asked.address, asked.workers, asked.threads or 1) if on_ray else in_this_process
    threads = (asked.threads or 1) if on_ray else None
    device = "cpu" if on_ray else asked.device  # the model is sent to the workers
    for folder in asked.resume or [None]:
        if folder is None:
            loaded = load(sources_of(asked), device, report, asked.limit)
            one = _new(asked, loaded, threads)
        else:
            one = Run(folder, roots=inherited())
            loaded = _again(one, device, report)
        _measure(one, loaded, engine, threads, report)


def _new(asked: argparse.Namespace, loaded: Workspace, threads: int | None) -> Run:
    """Return the requested run, new or already begun."""
    settings = _settings(asked.set, MEASURES[asked.measure].asked(loaded.denoiser))
    parameters = settings.parameters
    indices = None
    if asked.sample:
        count = min(asked.sample, len(loaded.images))
        indices = sorted(random.Random(settings.seed).sample(range(len(loaded.images)), count))
    elif asked.only:
        indices = _listed(asked.only, loaded.images)
    sources = asdict(loaded.sources) | {"limit": asked.limit}
    folder = asked.output or FOLDER / run_name(
        loaded.denoiser,
        loaded.images,
        asked.measure,
        parameters,
        indices,
        not asked.no_maps,
        asked.chunk,
    )
    return create_run(
        folder,
        loaded.denoiser,
        loaded.images,
        asked.measure,
        parameters,
        indices=indices,
        arrays=not asked.no_maps,
        chunk=asked.chunk,
        threads=threads,
        sources=sources,
    )


def _again(one: Run, device: str | None, report: Report) -> Workspace:
    """Load the model and images of a run that was begun."""
    found = one.manifest.get("sources")
    if not found:
        raise ValueError(
            f"The run {one.folder.name!r} does not say where its model and images come from; "
            "only the program that began it can continue it."
        )
    limit = found.get("limit")
    if limit is not None and type(limit) is not int:
        raise ValueError(f"The sources of this run cannot be read: limit is {quoted(limit, 40)}.")
    loaded = load(Sources.read(found), device, report, limit)
    for what, there, here in (
        ("model", one.model, loaded.denoiser.digest),
        ("images", one.manifest["images"]["digest"], loaded.images.digest),
    ):
        if there != here:
            raise ValueError(
                f"The {what} changed since the run {one.folder.name!r} was begun; its results "
                "would not fit together."
            )
    return loaded


def _measure(
    one: Run, loaded: Workspace, engine: Engine, threads: int | None, report: Report
) -> None:
    title = one.measures[0].title.split(" at ")[0]
    for _ in measure_run(
        one,
        loaded.denoiser,
        loaded.images,
        engine=engine,
        threads=threads,
        progress=report.stage(title),
    ):
        pass
    done = one.again().done
    report.progress(done, one.count, title)
    report.result(
        {"run": str(one.folder), "images": done, "measure": one.measure},
        f"{done:,} images measured, in {one.folder}",
    )


def _settings(given: Sequence[str], usual: Settings) -> Settings:
    """Return the usual settings with the changes of --set NAME=VALUE. Raises ValueError for changes
    that are not allowed.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return usual.changed(found)


def _listed(file: Path, images: ImageSet) -> list[int]:
    """Return the indices of the images whose names or ids are listed in a file."""
    try:
        wanted = {line.strip() for line in file.read_text().splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{quoted(str(file))} cannot be read: {error}") from error
    unknown = wanted - set(images.names) - set(images.ids)
    if unknown or not wanted:
        raise ValueError(
            f"Not in this image set: {', '.join(sorted(unknown)[:5])}."
            if unknown
            else f"{quoted(str(file))} does not name any image."
        )
    return [
        index
        for index, (name, image) in enumerate(zip(images.names, images.ids, strict=True))
        if {name, image} & wanted
    ]
