"""The manifest of a run: everything its numbers depend on, and checks of its content.

It may come from anywhere, so types and limits of everything a page or command relies on are checked
before anything else is read.
"""

import datetime
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import diffusers
import numpy as np
import torch

from memlib.denoisers import Denoiser
from memlib.measures import MEASURES, Measure
from memlib.measures.conditional.scoring import PROMPTS, PromptSettings
from memlib.quoting import first_line, quoted
from memlib.runs.results import CHUNK

FORMAT = 2
PART = 256  # chunks that are merged into one part
LARGEST, LARGEST_CHUNK = 10**9, 2**16  # a manifest with more is damaged or malicious
LONGEST = 2**26  # largest size of a manifest in bytes: it lists the chosen images


class Listed(Protocol):
    """An image set or another list of what can be measured."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    def __len__(self) -> int: ...


def provenance(
    denoiser: Denoiser,
    images: Listed,
    measure: str,
    parameters: Mapping[str, Any],
    *,
    threads: int | None = None,
) -> dict[str, Any]:
    """Return the provenance of a table of results of a measure, or of PROMPTS."""
    return {
        "format": FORMAT,
        "measure": measure if measure == PROMPTS else MEASURES[measure].run,
        "parameters": dict(parameters),
        "model": {"name": denoiser.name, "digest": denoiser.digest},
        "images": {"name": images.name, "digest": images.digest, "count": len(images)},
        "chunk": CHUNK,
        **circumstances(denoiser, threads),
    }


def circumstances(denoiser: Denoiser, threads: int | None) -> dict[str, Any]:
    """Return where and when numbers are made."""
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "numpy": np.__version__,
    }
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "threads": threads or torch.get_num_threads(),
        "device": str(denoiser.device),
        "versions": versions,
        "date": date,
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a run folder. Raises ValueError if it is damaged, missing or of another
    version.
    """
    file = folder / "manifest.json"
    try:
        if file.stat().st_size > LONGEST:
            raise ValueError("it is too long")
        manifest = json.loads(file.read_text())
        found = manifest["format"]
        if found == FORMAT:
            _check(manifest)
    except FileNotFoundError:
        raise ValueError(f"{folder.name!r} is not a run folder: it has no manifest.json.") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"The run {folder.name!r} cannot be read: its manifest.json is damaged "
            f"({first_line(error, 100)})."
        ) from error
    if found != FORMAT:
        newer = isinstance(found, int) and found > FORMAT
        raise ValueError(
            f"The run {folder.name!r} cannot be read: it is of format {quoted(found, 20)}, this "
            f"version reads {FORMAT}.{' Update Afterimage.' if newer else ''}"
        )
    return dict(manifest)


def _check(manifest: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError if a manifest is not what this version writes."""
    for name in ("count", "chunk", "part"):
        if not isinstance(manifest[name], int) or isinstance(manifest[name], bool):
            raise ValueError(f"{name} is {quoted(manifest[name], 40)}")
    count, chunk, part = manifest["count"], manifest["chunk"], manifest["part"]
    if (
        not (0 < count <= LARGEST and 0 < chunk <= LARGEST_CHUNK and 0 < part <= LARGEST_CHUNK)
        or count > LARGEST_CHUNK * chunk * part
    ):
        raise ValueError(f"{count} images in chunks of {chunk}, {part} a part")
    model, images = manifest["model"], manifest["images"]
    for told in (
        manifest["measure"],
        manifest["date"],
        manifest["device"],
        model["name"],
        model["digest"],
        images["name"],
        images["digest"],
    ):
        if not isinstance(told, str):
            raise ValueError(f"{quoted(told, 40)} is not text")
    if not isinstance(manifest["selection"], list | None) or not isinstance(
        manifest["sources"], dict | None
    ):
        raise ValueError("selection or sources")
    parameters = dict(manifest["parameters"])
    measures = measures_of(manifest["measure"], parameters)
    if not measures:
        raise ValueError(f"no measure here is called {quoted(manifest['measure'], 40)}")
    if manifest["measure"] != PROMPTS:
        measures[0].read(parameters)


def measures_of(run: str, parameters: Mapping[str, Any]) -> list[Measure]:
    """Return the measures whose numbers a run contains; of a run of prompts, those it asks for.

    Raises ValueError for settings of a run of prompts that are not allowed.
    """
    if run == PROMPTS:
        return [*PromptSettings.read(parameters).columns]
    return [measure for measure in MEASURES.values() if measure.run == run]


def check_same(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise ValueError if the run in a folder is not the requested one."""
    for name, what in {
        "measure": "measure",
        "parameters": "settings",
        "model": "model",
        "images": "images",
        "count": "number of images",
        "selection": "chosen images",
        "chunk": "chunk",
        "arrays": "choice of what to keep",
    }.items():
        one, other = there.get(name), here.get(name)
        if name in ("model", "images"):
            one, other = there[name]["digest"], here[name]["digest"]
        if one != other:
            raise ValueError(
                f"The folder {folder.name!r} contains a run with another {what}: "
                f"{quoted(one, 80)} instead of {quoted(other, 80)}. Choose another folder."
            )
