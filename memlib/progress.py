"""How long work tells how far it is."""

from collections.abc import Callable

# (done, total), in whatever is counted, perhaps a fraction; an exception it raises stops the work
Progress = Callable[[float, float], object]
# the progress of each stage of the work, by what the stage is called
Stages = Callable[[str], Progress]


def part(progress: Progress | None, start: float, size: float, total: float) -> Progress:
    """Return the progress of a part of the work: `size` of `total`, after `start` of it."""

    def report(done: float, whole: float) -> None:
        if progress:
            progress(start + size * done / whole, total)

    return report
