"""A run of prompts: a run folder (memlib.runs.folder) whose rows are prompts, and two more kinds
of files.

    prompts.jsonl        the list
    seeds-00000012.png   the pictures that prompt 12 gives, seeds side by side

A chunk is one prompt, and its picture is written first, so that every stored row has its picture.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from memlib.denoisers import NetworkDenoiser
from memlib.images import ImageSet, Transform, load_images, to_unit
from memlib.images.pictures import decode_one
from memlib.measures import Row
from memlib.measures.conditional.scoring import PICTURES, PROMPTS, Prompted, PromptSettings
from memlib.neighbours import nearest
from memlib.progress import Progress
from memlib.prompts.prompt_list import PromptList, read_list
from memlib.quoting import quoted
from memlib.runs import Run, in_this_process, provenance
from memlib.runs.measuring import Engine, fill_run
from memlib.runs.parts import META
from memlib.sources import Roots, Source

LIST = "prompts.jsonl"
PICTURE = "seeds-{:08d}"  # of a prompt, by its position
KINDS = (".png", ".webp")  # of the pictures; a bundled run has the smaller kind
ORIGINAL_DISTANCE = "original_distance"
LARGEST = 64 * 2**20  # bytes of a picture


class _Named:
    """A list as a run identifies it: with the originals that its pictures are compared with."""

    def __init__(self, prompts: PromptList, originals: ImageSet | None) -> None:
        self.prompts, self.name = prompts, prompts.name
        told = [prompts.digest, originals.digest if originals else None]
        self.digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.prompts)


def prompt_run_name(
    model: NetworkDenoiser,
    prompts: PromptList,
    settings: PromptSettings,
    originals: ImageSet | None = None,
) -> str:
    """Return the name of a run's folder: a hash of everything that identifies the run."""
    told = [model.null.digest, _Named(prompts, originals).digest, settings.parameters]
    key = json.dumps(told, sort_keys=True)
    return f"{PROMPTS}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def create_prompt_run(
    folder: Path,
    model: NetworkDenoiser,
    prompts: PromptList,
    settings: PromptSettings,
    originals: ImageSet | None = None,
    *,
    sources: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> Run:
    """Create the folder of a run with its list, or return the existing one.

    `sources` say how to load `model` and `originals` again. Raises ValueError for a model without
    prompts, for originals of another shape, and if the folder contains another run.
    """
    if model.texts is None:
        raise ValueError(f"{model.name} takes no prompt; a list of prompts needs a model of text.")
    if originals is not None and originals.shape != model.picture_shape:
        raise ValueError(
            f"The originals are of shape {originals.shape}, the pictures {model.picture_shape}."
        )
    details = provenance(
        model.null, _Named(prompts, originals), PROMPTS, settings.parameters, threads=threads
    )
    details |= {
        "chunk": 1,
        "arrays": True,
        "selection": None,
        "sources": None if sources is None else dict(sources),
        "originals": originals.name if originals else None,
    }
    run = Run.create(folder, details, len(prompts))
    if not (folder / LIST).exists():
        _write(folder / LIST, prompts.jsonl().encode())
    return run


def prompts_of_run(run: Run) -> PromptList:
    """Read the list of a run. Raises ValueError if it is damaged."""
    found = read_list(run.folder / LIST, roots=run.roots)
    if len(found) != run.count:
        raise ValueError(
            f"The list of the run {run.folder.name!r} has {len(found):,} prompts, not "
            f"{run.count:,}."
        )
    return replace(found, name=str(run.manifest["images"]["name"]))


def originals_of(source: str, model: NetworkDenoiser, *, roots: Roots = None) -> ImageSet:
    """Open a folder of originals at the size of the model's pictures."""
    channels, height, width = model.picture_shape
    size = width if height == width else None
    return load_images(source, size, channels, roots=roots)


def measure_prompts(
    run: Run,
    model: NetworkDenoiser,
    originals: ImageSet | None = None,
    *,
    engine: Engine = in_this_process,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Iterator[tuple[int, int]]:
    """Measure the missing prompts of a run and draw from them; yield (done, total) after each.

    A run that was stopped or killed ends like one without a break. With originals, the row of a
    prompt has `original_distance`: of the generated picture that is nearest to the file of the
    prompt, or, without a file, to any original; the root mean square in image units.
    """
    prompts = prompts_of_run(run)
    listed, known, texts = _Named(prompts, originals), _places(originals), model.texts
    assert texts is not None

    def batch_of(positions: Sequence[int]) -> list[Prompted]:
        chosen = [prompts.prompts[position].prompt for position in positions]
        return [Prompted(prompt, texts.condition(prompt)) for prompt in chosen]

    def columns_of(positions: Sequence[int], rows: Sequence[Row]) -> dict[str, list[Any]]:
        own = [prompts.prompts[position] for position in positions]
        files, nearest_ones = [one.file for one in own], [""] * len(own)
        for place, (position, row) in enumerate(zip(positions, rows, strict=True)):
            pixels = row.pop(PICTURES, None)
            if pixels is not None:
                _write(run.folder / f"{PICTURE.format(position)}.png", _png(pixels))
            if originals is not None and pixels is not None:
                at = known.get(files[place])
                compared, distances = _compared(pixels, originals, at)
                (nearest_ones if at is None else files)[place] = compared
                row[ORIGINAL_DISTANCE] = float(distances.min())
        columns: dict[str, list[Any]] = {
            "index": [*positions],
            "id": [one.id for one in own],
            "name": [one.prompt for one in own],
            META + "label": [one.label for one in own],
            META + "kind": [one.kind for one in own],
            META + "original": files,
            META + "nearest": nearest_ones,  # original, where the prompt's own is not known
            META + "family": [one.family for one in own],
        }
        return columns | {META + "reading": [texts.reading(one.prompt).sentence for one in own]}

    yield from fill_run(
        run,
        model.null,
        listed,
        batch_of,
        columns_of,
        engine=engine,
        progress=progress,
        threads=threads,
    )


def pictures_of(run: Run, position: int) -> np.ndarray | None:
    """Return the pictures (n, H, W, 3) uint8 of the prompt at a position, one a seed; None if none
    were drawn. Raises ValueError if they are damaged.
    """
    source = Source(run.folder, run.roots)
    seeds = int(run.parameters.get("seeds", 1))
    for kind in KINDS:
        file = run.folder / f"{PICTURE.format(position)}{kind}"
        if not source.has(file):
            continue
        path = source.file(file)
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{file.name} of the run {run.folder.name!r} is too large.")
        try:
            pixels = decode_one(path.read_bytes(), Transform(channels=3))
        except ValueError as error:
            raise ValueError(
                f"{file.name} of the run {run.folder.name!r} {error}; delete it and the run to "
                "draw it again."
            ) from error
        if pixels.shape[2] % seeds or pixels.dtype != np.uint8:
            raise ValueError(
                f"{file.name} of the run {run.folder.name!r} is not {quoted(seeds)} pictures."
            )
        return np.stack(np.split(pixels.transpose(1, 2, 0), seeds, axis=1))
    return None


def _places(originals: ImageSet | None) -> dict[str, int]:
    """Return where originals are, by their names and by the last parts of these."""
    names = originals.names if originals else []
    last = {name.rsplit("/", 1)[-1]: place for place, name in enumerate(names)}
    return last | {name: place for place, name in enumerate(names)}


def _compared(
    pixels: np.ndarray, originals: ImageSet, place: int | None
) -> tuple[str, torch.Tensor]:
    """Return the name of the original with which pictures (n, H, W, C) are compared, and their
    distances to it (n,).
    """
    pictures = to_unit(pixels.transpose(0, 3, 1, 2))
    if place is not None:
        apart = pictures - originals[place]
        return originals.names[place], apart.square().mean((1, 2, 3)).sqrt()
    found = nearest(pictures, originals, 1)
    best = int(found.distance[:, 0].argmin())
    return originals.names[int(found.index[best, 0])], found.distance[:, 0]


def _png(pixels: np.ndarray) -> bytes:
    """Encode pictures (n, H, W, C) uint8 side by side."""
    whole = np.concatenate(list(pixels), axis=1)
    stream = io.BytesIO()
    Image.fromarray(whole[..., 0] if whole.shape[-1] == 1 else whole).save(stream, "PNG")
    return stream.getvalue()


def _write(file: Path, data: bytes) -> None:
    """Write a file in one atomic move once its bytes are on the disk."""
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
