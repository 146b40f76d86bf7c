"""Measuring image sets of any size into a run folder; an engine does the work."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.images import ImageSet
from memlib.measures import MEASURES, Row
from memlib.measures.conditional.scoring import PROMPTS
from memlib.progress import Progress
from memlib.runs.folder import Run
from memlib.runs.manifest import Listed, provenance
from memlib.runs.parts import META
from memlib.runs.results import CHUNK, Batch, measure_batch

FOLDER = Path(".afterimage") / "runs"  # below the working directory, where the app looks


class Engine(Protocol):
    """Measure batches of pictures or prompts and yield (number of the batch, its rows), in any
    order.

    `batches` yields (number, batch) and is read only as far as there are idle workers. The
    engine calls `tick` often, with the progress of the current batch (0 if unknown); an exception
    it raises ends the work.
    """

    def __call__(
        self,
        denoiser: Denoiser,
        measure: str,
        parameters: Mapping[str, Any],
        batches: Iterator[tuple[int, Batch]],
        tick: Progress,
    ) -> Iterator[tuple[int, list[Row]]]: ...


def in_this_process(
    denoiser: Denoiser,
    measure: str,
    parameters: Mapping[str, Any],
    batches: Iterator[tuple[int, Batch]],
    tick: Progress,
) -> Iterator[tuple[int, list[Row]]]:
    """Measure in this process: the default engine."""
    for number, batch in batches:
        yield number, measure_batch(denoiser, batch, measure, parameters, tick)


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
    places = distinct(images, run.manifest["selection"])

    def batch_of(positions: Sequence[int]) -> Tensor:
        return images.batch(places[position] for position in positions)

    def columns_of(positions: Sequence[int], rows: Sequence[Row]) -> dict[str, list[Any]]:
        own = [places[position] for position in positions]
        columns: dict[str, list[Any]] = {
            "index": own,
            "id": [images.ids[index] for index in own],
            "name": [images.names[index] for index in own],
        }
        return columns | {
            META + name: [values[index] for index in own]
            for name, values in images.metadata.items()
        }

    yield from fill_run(
        run,
        denoiser,
        images,
        batch_of,
        columns_of,
        engine=engine,
        progress=progress,
        threads=threads,
    )


def fill_run(
    run: Run,
    denoiser: Denoiser,
    listed: Listed,
    batch_of: Callable[[Sequence[int]], Batch],
    columns_of: Callable[[Sequence[int], Sequence[Row]], Mapping[str, Sequence[Any]]],
    *,
    engine: Engine = in_this_process,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Iterator[tuple[int, int]]:
    """Measure and store the missing chunks of a run of anything that is listed.

    `batch_of` returns what stands at some positions, `columns_of` the columns that identify it; it
    may change the rows. Otherwise as `measure_run`.
    """
    if (denoiser.digest, listed.digest) != (run.model, run.manifest["images"]["digest"]):
        raise ValueError(f"The run {run.folder.name!r} is of another model or other images.")
    with run.held():
        run = run.again()  # its state now that no other process writes
        run.tidy()
        pending, done = run.pending(), run.done
        if done and pending:
            run.resumed(denoiser, threads)

        def batches() -> Iterator[tuple[int, Batch]]:
            for chunk in pending:
                yield chunk, batch_of(run.places(chunk))

        def tick(part: float, whole: float) -> None:
            if progress:
                progress(min(run.count, done + part / whole * run.chunk), run.count)

        tick(0, 1)
        work = run.measure if run.measure == PROMPTS else run.measures[0].name
        for chunk, rows in engine(denoiser, work, run.parameters, batches(), tick):
            own = run.places(chunk)
            run.store(chunk, columns_of(own, rows), rows)
            done += len(own)
            yield done, run.count
            tick(0, 1)
