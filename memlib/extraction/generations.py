"""Generations on disk: drawn part by part, each stored before the next is begun, so that a run can
be stopped and resumed.

A folder holds `manifest.json`, which says what is drawn and with what, and parts of 64 images
(`part-000000.npz`). A finished run may be packed into one `images.npz`.
"""

import datetime
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.denoisers.weights import read_json
from memlib.extraction.attack import draw_clusters, extract
from memlib.extraction.saved import check_details
from memlib.extraction.surrogate import Surrogate
from memlib.flow import sample
from memlib.images import ImageSet, load_images, of_pixels, to_pixels
from memlib.images.arrays import Array
from memlib.progress import Progress, part
from memlib.quoting import first_line, quoted
from memlib.sources import Roots, Source

FORMAT = 1
PART = 64
LARGEST = 2**32  # bytes of the images of a run
UNCONDITIONAL = "unconditional"


@dataclass(frozen=True)
class Plan:
    """What a run draws; two runs with equal plans are the same images."""

    model: str  # digest
    method: str  # UNCONDITIONAL, or the surrogate's kind
    surrogate: str | None  # digest
    strength: float
    steps: int
    seed: int
    first: int  # number of the first image
    eta: float = 0.0  # 1 for the stochastic sampler


@dataclass(frozen=True)
class Generations:
    """Images that came from somewhere, and what is known of how: `clusters` (n,) and `manifest`,
    empty for images generated elsewhere.
    """

    images: ImageSet
    clusters: Tensor | None
    manifest: dict[str, Any]

    @property
    def plan(self) -> Plan | None:
        return Plan(**self.manifest["plan"]) if "plan" in self.manifest else None

    @property
    def method(self) -> str:
        return str(self.manifest.get("plan", {}).get("method", "imported"))

    def __len__(self) -> int:
        return len(self.images)


def plan_of(
    denoiser: Denoiser,
    surrogate: Surrogate | None = None,
    strength: float = 0.0,
    steps: int = 50,
    seed: int = 0,
    first: int = 0,
    eta: float = 0.0,
) -> Plan:
    return Plan(
        denoiser.digest,
        surrogate.kind if surrogate else UNCONDITIONAL,
        surrogate.digest if surrogate else None,
        strength,
        steps,
        seed,
        first,
        eta,
    )


def generate_run(
    folder: Path,
    denoiser: Denoiser,
    n: int,
    *,
    surrogate: Surrogate | None = None,
    strength: float = 0.0,
    steps: int = 50,
    seed: int = 0,
    first: int = 0,
    eta: float = 0.0,
    progress: Progress | None = None,
) -> Iterator[tuple[int, int]]:
    """Draw images `first` to first + n - 1 into a folder, parts that are there left out; yields
    (done, total) after each part.

    Parts have fixed ends, so a run that was stopped, or is made longer, is bit for bit the run
    without a break. `progress(done, total)` counts images, and fractions of them; an exception it
    raises keeps the finished parts. Raises ValueError where the folder holds a run of another plan.
    `eta` is that of `sample`, and only unguided images are drawn with it.
    """
    if surrogate is not None and eta:
        raise ValueError("Guided images are drawn by the deterministic sampler; eta must be 0.")
    plan = plan_of(denoiser, surrogate, strength, steps, seed, first, eta)
    manifest = folder / "manifest.json"
    if manifest.exists():
        if Plan(**read_manifest(folder)["plan"]) != plan:
            raise ValueError(
                f"The folder {folder.name!r} holds a run of another model or with other settings."
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        details: dict[str, Any] = {
            "format": FORMAT,
            "plan": asdict(plan),
            "model": {"name": denoiser.name, "digest": denoiser.digest},
        }
        if surrogate is not None:
            details["surrogate"] = surrogate.details()
        details |= {
            "chunk": PART,
            "threads": torch.get_num_threads(),
            "device": str(denoiser.device),
            "torch": torch.__version__,
        }
        write_json(
            manifest,
            details | {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")},
        )
    for start in range(0, n, PART):
        file, count = folder / f"part-{start // PART:06d}.npz", min(PART, n - start)
        if not file.exists() or _length(file) < count:
            told = part(progress, start, count, n)
            if surrogate is None:
                images = sample(
                    denoiser,
                    count,
                    steps=steps,
                    seed=seed,
                    first=first + start,
                    eta=eta,
                    callback=told,
                )
            else:
                images = extract(
                    denoiser,
                    surrogate,
                    count,
                    strength=strength,
                    steps=steps,
                    seed=seed,
                    first=first + start,
                    callback=told,
                ).images
            _write(file, to_pixels(denoiser.decode(images)), zipfile.ZIP_DEFLATED)
        yield start + count, n


def read_generations(folder: Path, *, roots: Roots = None) -> Generations:
    """Open the images a run has finished. With `roots` no file outside of these folders is read.

    Raises ValueError where the run is damaged, empty or of another format.
    """
    source = Source(folder, roots)
    manifest = read_manifest(folder, roots=roots)
    if source.has(folder / "images.npz"):
        images = load_images(folder / "images.npz", roots=roots)
    else:
        images = of_pixels(str(manifest.get("name", folder.name)), _parts(source, folder))
    clusters = None
    if "surrogate" in manifest:
        plan = Plan(**manifest["plan"])
        clusters = draw_clusters(
            len(manifest["surrogate"]["kept"]), len(images), plan.seed, plan.first
        )
    return Generations(images, clusters, manifest)


def _parts(source: Source, folder: Path) -> np.ndarray:
    """The pixels (N, H, W, C) of the parts of a run up to the first that is not full."""
    parts: list[np.ndarray] = []
    size = 0
    for place, file in enumerate(source.listed(folder, ".npz")):
        if file.name != f"part-{place:06d}.npz":
            break
        try:
            found = Array(source.file(file))
            if len(found.names) > PART or (parts and found.shape[1:] != parts[0].shape[1:]):
                raise ValueError
            size += found.bytes
            if size > LARGEST:
                raise ValueError
            parts.append(found.pixels())
        except (OSError, ValueError) as error:
            raise ValueError(
                f"The part {file.name} of the run {folder.name!r} is damaged; delete it to draw it "
                "again."
            ) from error
        if len(parts[-1]) < PART:
            break
    if not parts:
        raise ValueError(f"The run {folder.name!r} has no images yet.")
    return np.concatenate(parts)


def imported(source: str | Path, like: ImageSet, *, roots: Roots = None) -> Generations:
    """Images generated elsewhere, brought to the shape of the training images."""
    channels, height, width = like.shape
    size = width if height == width else None
    images = load_images(source, size=size, channels=channels, roots=roots)
    if images.shape != like.shape:
        raise ValueError(
            f"The generated images are {images.shape}, the training images {like.shape}."
        )
    return Generations(images, None, {})


def _check_plan(plan: Plan) -> None:
    """Raise ValueError where a plan that was read holds another kind of value than it should."""
    number, count = (int, float), (int,)
    kinds = {"strength": number, "eta": number, "steps": count, "seed": count, "first": count}
    for name, value in asdict(plan).items():
        known = (str, type(None)) if name == "surrogate" else kinds.get(name, (str,))
        if type(value) not in known or (type(value) in (int, float) and not 0 <= value < 2**63):
            raise ValueError(f"{name} is {quoted(value, 60)}")


def read_manifest(folder: Path, *, roots: Roots = None) -> dict[str, Any]:
    """Read what a run draws. Raises ValueError where its manifest is missing or damaged."""
    file = Source(folder, roots).file(folder / "manifest.json")
    try:
        manifest = read_json(file)
        if manifest.get("format") != FORMAT:
            raise ValueError(
                f"its format is {quoted(manifest.get('format'), 40)} instead of {FORMAT}"
            )
        _check_plan(Plan(**manifest["plan"]))
        if "surrogate" in manifest:
            check_details(manifest["surrogate"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The run in {folder.name!r} cannot be read: {first_line(error, 100)}."
        ) from error
    return manifest


def pack(folder: Path, target: Path, bits: int = 8) -> None:
    """The finished images of a run in one file, rounded to `bits` a channel so that a bundled run
    stays small, and its manifest.
    """
    found = read_generations(folder)
    pixels = to_pixels(found.images.batch(range(len(found))))
    steps = 2**bits - 1
    target.mkdir(parents=True, exist_ok=True)
    _write(
        target / "images.npz",
        (np.round(np.round(pixels / 255 * steps) / steps * 255)).astype(np.uint8),
        zipfile.ZIP_LZMA,
    )
    write_json(target / "manifest.json", found.manifest | {"bits": bits, "name": target.name})


def _write(file: Path, pixels: np.ndarray, compression: int) -> None:
    """An .npz with `images`, in one atomic move and without the time of writing, so that equal
    images make equal files.
    """
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    content = io.BytesIO()
    np.lib.format.write_array(content, np.ascontiguousarray(pixels), allow_pickle=False)
    with zipfile.ZipFile(partial, "w", compression) as archive:
        archive.writestr(zipfile.ZipInfo("images.npy"), content.getvalue(), compression)
    partial.replace(file)


def _length(file: Path) -> int:
    try:
        return len(Array(file).names)
    except (OSError, ValueError):
        return 0  # damaged: drawn again


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    partial.write_text(
        re.sub(r"(?<=[\d.]),\s+(?=[\d-])", ", ", json.dumps(value, indent=1)) + "\n"
    )  # lists of numbers on one line
    partial.replace(file)
