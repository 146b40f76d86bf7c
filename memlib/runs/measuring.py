"""Measuring image sets of any size into a run folder; an engine does the work."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.images import ImageSet
from memlib.measures import MEASURES, Row
from memlib.progress import Progress
from memlib.runs.folder import Run
from memlib.runs.manifest import provenance
from memlib.runs.parts import META
from memlib.runs.results import CHUNK, measure_pictures

FOLDER = Path(".afterimage") / "runs"  # below the working directory, where the app looks


class Engine(Protocol):
    """Measure batches of pictures and yield (number of the batch, its rows), in any order.

    `batches` yields (number, pictures) and is read only as far as there are idle workers. The
    engine calls `tick` often, with the progress of the current batch (0 if unknown); an exception
    it raises ends the work.
    """

    def __call__(
        self,
        denoiser: Denoiser,
        measure: str,
        parameters: Mapping[str, Any],
        batches: Iterator[tuple[int, Tensor]],
        tick: Progress,
    ) -> Iterator[tuple[int, list[Row]]]: ...


def in_this_process(
    denoiser: Denoiser,
    measure: str,
    parameters: Mapping[str, Any],
    batches: Iterator[tuple[int, Tensor]],
    tick: Progress,
) -> Iterator[tuple[int, list[Row]]]:
    """Measure in this process: the default engine."""
    for number, pictures in batches:
        yield number, measure_pictures(denoiser, pictures, measure, parameters, tick)


def distinct(images: ImageSet, indices: Sequence[int] | None = None) -> list[int]:
    """Return the indices of the chosen images, or all, in order, equal images only once."""
    first: dict[str, int] = {}
    for index in range(len(images)) if indices is None else indices:
        first.setdefault(images.ids[index], index)
    return list(first.values())


def run_name(
    denoiser: Denoiser,
    images: ImageSet,
    measure: str,
    parameters: Mapping[str, Any],
    indices: Sequence[int] | None = None,
    arrays: bool = True,
    chunk: int = CHUNK,
) -> str:
    """Return the name of a run's folder below FOLDER: its measure, for people, and a hash of
    everything that identifies the run.
    """
    run, chosen = MEASURES[measure].run, None if indices is None else list(indices)
    key = json.dumps(
        [denoiser.digest, images.digest, run, parameters, chosen, arrays, chunk], sort_keys=True
    )
    return f"{run.replace('_', '-')}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def create_run(
    folder: Path,
    denoiser: Denoiser,
    images: ImageSet,
    measure: str,
    parameters: Mapping[str, Any],
    *,
    indices: Sequence[int] | None = None,
    arrays: bool = True,
    chunk: int = CHUNK,
    threads: int | None = None,
    sources: Mapping[str, Any] | None = None,
) -> Run:
    """Create a run folder for these images, or return the existing one. Raises ValueError if the
    folder contains another run.

    `indices` chooses some of the images. Without `arrays` only the numbers are stored. `sources`
    say how to load the model and the images again. `threads` are those of a worker if another
    process measures.
    """
    MEASURES[measure].read(parameters)
    details = provenance(denoiser, images, measure, parameters, threads=threads)
    selection = None if indices is None else list(indices)
    details |= {
        "chunk": chunk,
        "arrays": arrays,
        "selection": selection,
        "sources": None if sources is None else dict(sources),
    }
    return Run.create(folder, details, len(distinct(images, indices)))


def measure_run(
    run: Run,
    denoiser: Denoiser,
    images: ImageSet,
    *,
    engine: Engine = in_this_process,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Iterator[tuple[int, int]]:
    """Measure the missing images of a run; yield (done, total) after each stored chunk.

    Chunks have fixed ends, so a run that was stopped or killed ends like one without a break: no
    stored chunk is measured again. After an exception raised by `progress`, or a full disk, stored
    chunks are kept. Memory does not grow with the run. Raises ValueError if another process is
    working on the run, or if model or images are not those of the run.
    """
    if (denoiser.digest, images.digest) != (run.model, run.manifest["images"]["digest"]):
        raise ValueError(f"The run {run.folder.name!r} is of another model or other images.")
    places = distinct(images, run.manifest["selection"])
    with run.held():
        run = run.again()  # its state now that no other process writes
        run.tidy()
        pending, done = run.pending(), run.done
        if done and pending:
            run.resumed(denoiser, threads)

        def batches() -> Iterator[tuple[int, Tensor]]:
            for chunk in pending:
                yield chunk, images.batch(places[position] for position in run.places(chunk))

        def tick(part: float, whole: float) -> None:
            if progress:
                progress(min(run.count, done + part / whole * run.chunk), run.count)

        tick(0, 1)
        for chunk, rows in engine(denoiser, run.measures[0].name, run.parameters, batches(), tick):
            own = [places[position] for position in run.places(chunk)]
            columns: dict[str, list[Any]] = {
                "index": own,
                "id": [images.ids[index] for index in own],
                "name": [images.names[index] for index in own],
            }
            columns |= {
                META + name: [values[index] for index in own]
                for name, values in images.metadata.items()
            }
            run.store(chunk, columns, rows)
            done += len(own)
            yield done, run.count
            tick(0, 1)
