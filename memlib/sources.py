"""The places from which files may be read. A source is resolved once, and a loader opens all its
files through it: files beside it, links, and files that its data name.

A `Source` knows its roots, the folders it may read below. A file that resolves to a place outside
of them is refused. The source remembers which files were opened and which were missing, so that a
cache can detect any change.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from memlib.bundled import BENCHMARK, BUNDLED, DEMO, TEXT
from memlib.quoting import quoted

# a model or a data set of the Hugging Face Hub, "owner/name/config@revision:split"
HUB_NAME = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96})(@(?P<revision>[\w./-]{1,100}))?"
)
DATA_SET = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96})(/(?P<config>[\w.-]{1,96}))?(@(?P<revision>[\w./-]{1,100}))?(:(?P<split>[\w.-]{1,60}))?"
)
# an array of an .npz file
ARRAY = re.compile(r"(?P<file>.+\.npz):(?P<array>[\w. -]{1,100})", re.IGNORECASE)

Roots = Sequence[Path] | None  # None allows every folder
CONFINED = "AFTERIMAGE_CONFINED"  # the roots that a process passes to a command it starts
Found = tuple[int, int] | None  # time of change (ns) and size of a file; None for no file


def inherited() -> Roots:
    """Return the roots passed by the process that started this one; None if it passed none."""
    listed = os.environ.get(CONFINED)
    return None if listed is None else [Path(root) for root in listed.split(os.pathsep) if root]


def on_hub(source: str) -> bool:
    """Return whether a source is a name on the Hub, and no file on this machine has that name."""
    if (
        source in BUNDLED
        or named_array(source)[1]
        or not (HUB_NAME.fullmatch(source) or DATA_SET.fullmatch(source))
    ):
        return False
    return not os.path.lexists(source)


def named_array(source: str) -> tuple[str, str]:
    """Return the file and the array that "file.npz:array" names; the source and "" if it names
    none.
    """
    found = None if os.path.lexists(source) else ARRAY.fullmatch(source)
    return (found["file"], found["array"]) if found else (source, "")


class Source:
    """A file or folder, a bundled name, or a name of the Hub, with the folders it may read below.

    `place` is a text from which the source can be resolved again in any directory. `path` is its
    path; None for a name of the Hub, whose downloaded files get their own source from `at`. `array`
    is the array that "file.npz:array" names.
    """

    def __init__(self, typed: str | Path, roots: Roots = None) -> None:
        """Resolve `typed`, with links followed.

        Raises ValueError if that is not a path, or is outside the roots.
        """
        self.typed = str(typed)
        self.roots = None if roots is None else [_resolved(root, str(root)) for root in roots]
        self._found: dict[str, Found] = {}
        self.array = ""  # of an .npz
        self.place, self.path = self.typed, BUNDLED.get(self.typed)
        if self.path is not None:
            self.roots = [_resolved(folder, str(folder)) for folder in (DEMO, TEXT, BENCHMARK)]
        elif not on_hub(self.typed):
            file, self.array = named_array(self.typed)
            self.path = _resolved(file, self.typed)
            self.place = f"{self.path}:{self.array}" if self.array else str(self.path)
            if not self.allows(self.path):
                raise ValueError(
                    f"{quoted(self.typed)} is outside the folders this app may read. Start it with "
                    "a folder above it: afterimage app /a/folder, or make app FOLDERS=/a/folder"
                )

    @classmethod
    def of(cls, source: "str | Path | Source", roots: Roots = None) -> "Source":
        """Return the source itself if it is already resolved."""
        return source if isinstance(source, Source) else cls(source, roots)

    @classmethod
    def at(cls, folder: Path, root: Path) -> "Source":
        """Return the source of a downloaded folder, whose files may link to places below `root`."""
        return cls(folder, [root])

    def allows(self, path: Path) -> bool:
        return self.roots is None or any(path.is_relative_to(root) for root in self.roots)

    def file(self, path: Path) -> Path:
        """Return the file to open for `path`, with links followed.

        Raises ValueError if it is outside the roots.
        """
        found = _resolved(path, path.name)
        if not self.allows(found):
            raise ValueError(
                f"{quoted(path.name, 100)} in {quoted(self.typed)} is a link that leads out of the "
                "folders this app may read."
            )
        try:
            details = found.stat()
            self._found[str(path)] = (details.st_mtime_ns, details.st_size)
        except OSError:
            self._found[str(path)] = None
        return found

    def has(self, path: Path) -> bool:
        """Return whether `path` is a file; places above the roots are not accessed."""
        return self.allows(Path(os.path.normpath(Path.cwd() / path))) and self.file(path).is_file()

    def listed(self, folder: Path, suffix: str) -> list[Path]:
        """List the files of a folder with this ending, in order."""
        found = self.file(folder)
        try:
            names = sorted(file.name for file in found.iterdir() if file.name.endswith(suffix))
        except OSError:
            names = []
        return [path for path in (folder / name for name in names) if self.has(path)]

    def tree(self) -> "Source":
        """Record every file below the source, so that `stamp` changes when any of them does."""
        if self.path is not None and not self.path.is_dir():
            self.file(self.path)
        for place, folders, files in os.walk(self.path or ""):
            links = [name for name in folders if Path(place, name).is_symlink()]
            for name in (*files, *links):
                self.file(Path(place, name))
        return self

    @property
    def stamp(self) -> str:
        """Return a hash of the recorded files: names, times of change and sizes."""
        total = hashlib.sha256()
        for entry in sorted(self._found.items(), key=lambda item: item[0]):
            total.update(f"{entry}".encode(errors="replace"))
        return total.hexdigest()

    @property
    def opened(self) -> Iterable[str]:
        """List the recorded files that existed."""
        return [name for name, found in self._found.items() if found is not None]


def _resolved(path: str | Path, typed: str) -> Path:
    try:
        found = Path(os.path.realpath(Path(path).expanduser()))
        found.is_file()  # raises the errors that later use would raise
    except (OSError, RuntimeError, ValueError) as error:  # no such user, too long, a zero byte
        raise ValueError(
            f"There is no file or folder {quoted(typed)}: it cannot be used as a path."
        ) from error
    return found
