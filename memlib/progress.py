"""How long work reports its progress."""

from collections.abc import Callable

# (done, total), in any unit, possibly fractional; an exception it raises stops the work
Progress = Callable[[float, float], object]
# the progress callback of each stage of the work, by the name of the stage
Stages = Callable[[str], Progress]


def part(progress: Progress | None, start: float, size: float, total: float) -> Progress:
    """Return the progress of a part of the work: `size` of `total`, after `start` of it."""

    def report(done: float, whole: float) -> None:
        if progress:
            progress(start + size * done / whole, total)

    return report
