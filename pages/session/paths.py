"""Which files a page may read: those below the folders this app was given, whatever is typed or
linked.
"""

import hashlib
import os
import sys
from pathlib import Path

from memlib.bundled import BUNDLED
from memlib.workspace import on_hub


def roots() -> list[Path]:
    """Folders that paths may point into: here, those behind `--` on the command line, and those
    listed in AFTERIMAGE_ROOTS.
    """
    listed = [
        Path(part) for part in os.environ.get("AFTERIMAGE_ROOTS", "").split(os.pathsep) if part
    ]
    named = [Path(part) for part in sys.argv[1:]] if Path(sys.argv[0]).name == "app.py" else []
    return [folder.resolve() for folder in (Path.cwd(), *named, *listed) if folder.is_dir()]


def confine(source: str) -> str:
    """`source` with a path resolved and found below a root; names of bundled things and of the Hub
    pass.
    """
    if source in BUNDLED or on_hub(source):
        return source
    try:
        path = Path(source).expanduser().resolve()
        path.exists()  # raises what later use would
    except (
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # no such user, a name too long, a zero byte
        raise ValueError(f"{source[:200]!r} is no usable path.") from error
    if not _allowed(path):
        raise ValueError(
            f"{source[:200]!r} is outside the folders this app may read. Start it with a folder "
            "above it: make app FOLDERS=/a/folder"
        )
    return str(path)


def stamped(source: str) -> tuple[str, str]:
    """A confined source and a hash of its files' names, sizes and times, so that what changed on
    disk is read again.

    Links below it that lead out of the allowed folders are a ValueError.
    """
    place = confine(source)
    total = hashlib.sha256()
    for file in _files(Path(place)):
        if file.is_symlink() and not _allowed(file.resolve()):
            raise ValueError(
                f"{file.name!r} in {source[:200]!r} is a link that leads out of the folders this "
                "app may read."
            )
        details = file.lstat()
        total.update(f"{file}{details.st_size}{details.st_mtime_ns}".encode(errors="replace"))
    return place, total.hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.exists() else []
    return sorted(
        Path(place, name)
        for place, folders, files in os.walk(path)
        for name in (*files, *folders)
        if name in files or Path(place, name).is_symlink()
    )


def _allowed(path: Path) -> bool:
    return any(path.is_relative_to(root) for root in roots())
