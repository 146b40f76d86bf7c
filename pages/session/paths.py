"""Which files a page may read: only those inside the folders this app was given, whatever is typed
or linked.
"""

import os
import sys
from pathlib import Path

from memlib.bundled import BENCHMARK, DEMO, TEXT
from memlib.denoisers.loading import model_stamp
from memlib.sources import Source


def roots() -> list[Path]:
    """Return the folders that paths may point into: the working directory, those after `--` on the
    command line, and those listed in AFTERIMAGE_ROOTS.
    """
    listed = [
        Path(part) for part in os.environ.get("AFTERIMAGE_ROOTS", "").split(os.pathsep) if part
    ]
    named = [Path(part) for part in sys.argv[1:]] if Path(sys.argv[0]).name == "app.py" else []
    return [folder.resolve() for folder in (Path.cwd(), *named, *listed) if folder.is_dir()]


def readable(*more: Path) -> list[Path]:
    """Return the roots, the folders that ship with the project, and folders that the app itself
    writes.
    """
    return [*roots(), DEMO, TEXT, BENCHMARK, *more]


def confine(source: str) -> str:
    """Resolve `source` and check that it is inside a root; names of bundled sources and of the Hub
    pass unchanged.
    """
    return Source(source, roots()).place


def stamped(source: str) -> tuple[str, str]:
    """Return a confined source and a hash of its files' names, sizes and times, so that changed
    files are read again.

    Raises ValueError if a link in it leads out of the allowed folders.
    """
    found = Source(source, roots()).tree()
    return found.place, found.stamp


def model_stamped(source: str) -> tuple[str, str]:
    """Return the same for a model, whose files are not all inside its source: a hash of those it
    reads.
    """
    found = Source(source, roots())
    return found.place, model_stamp(found)
