"""Where pictures come from: a folder, a zip or a tar. Names are read once, pictures when they are
asked for; nothing is unpacked by name.

Limits hold whatever a file claims about itself: an archive may unpack to `RATIO` times its size and
no more, links out of a folder are left out, and paths in archives are names to show, never places
to write to.
"""

import csv
import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from memlib.images.decode import LARGEST_FILE, SUFFIXES, decode
from memlib.images.transform import Pixels

RATIO, ALLOWANCE = (
    200,
    64 * 2**20,
)  # an archive may unpack to RATIO times its size plus so many bytes
MOST_PICTURES = 5_000_000
LONGEST_NAME = 300
TABLE = "metadata.csv"
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zlib.error,
    OverflowError,
)


class Source(Protocol):
    """Pictures by number: their names, what is known of each (column: values), and how to read one,
    (C, H, W).

    `stamp` changes whenever the files do. A picture that cannot be read is a ValueError, as a
    phrase about it.
    """

    names: list[str]
    metadata: dict[str, list[str]]
    stamp: str

    def read(self, index: int) -> Pixels: ...


class Files:
    """Encoded pictures, each loaded by its key; `table` is the content of a metadata.csv."""

    def __init__(
        self, keys: Sequence[str], load: Callable[[str], bytes], table: bytes | None, stamp: str
    ) -> None:
        self._keys, self._load = keys, load
        self.names = [printable(key) for key in keys]
        self.metadata = _metadata(table, keys) if table else {}
        self.stamp = stamp

    def read(self, index: int) -> Pixels:
        try:
            return decode(self._load(self._keys[index]))
        except DAMAGE as error:
            raise ValueError("cannot be read") from error


def printable(name: str) -> str:
    """A file name as text that can be shown: without control characters and broken unicode, not
    endless.
    """
    text = "".join(
        letter if letter.isprintable() else "?"
        for letter in name.encode("utf-8", "replace").decode()
    )
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def stamp_of(entries: Sequence[tuple[str, int, int]]) -> str:
    """A hash of files' names, sizes and times of change."""
    total = hashlib.sha256()
    for entry in entries:
        total.update(f"{entry}".encode(errors="replace"))
    return total.hexdigest()[:16]


def stamp_file(path: Path) -> str:
    details = path.stat()
    return stamp_of([(path.name, details.st_size, details.st_mtime_ns)])


def check_unpacked(size: int, packed: int, name: str) -> None:
    """Refuse what unpacks to far more than pictures do."""
    if size > RATIO * packed + ALLOWANCE:
        raise ValueError(
            f"{name!r} would unpack to {size / 2**20:,.0f} MB, more than {RATIO} times its own "
            "size; pictures do not pack so well."
        )


def open_folder(folder: Path) -> Files:
    """All pictures below a folder.

    Links to files elsewhere are kept as names that cannot be read.
    """
    inside = folder.resolve()
    entries: list[tuple[str, int, int]] = []
    escaped: set[str] = set()
    for place, folders, files in os.walk(inside):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            if Path(file).suffix.lower() in SUFFIXES and not file.startswith("."):
                path = Path(place, file)
                name = path.relative_to(inside).as_posix()
                if path.is_symlink() and not path.resolve().is_relative_to(inside):
                    escaped.add(name)
                    entries.append((name, 0, 0))
                elif path.is_file():
                    details = path.stat()
                    entries.append((name, details.st_size, details.st_mtime_ns))
        if len(entries) > MOST_PICTURES:
            raise ValueError(
                f"The folder {printable(folder.name)!r} holds more than {MOST_PICTURES:,} pictures."
            )
    if not entries:
        raise ValueError(f"The folder {printable(folder.name)!r} holds no picture files.")
    entries.sort()

    def load(name: str) -> bytes:
        if name in escaped:
            raise ValueError("is a link that leads out of the folder")
        if (inside / name).stat().st_size > LARGEST_FILE:
            raise ValueError(f"is larger than {LARGEST_FILE >> 20} MB")
        return (inside / name).read_bytes()

    table = inside / TABLE
    safe = table.is_file() and not table.is_symlink() and table.stat().st_size <= LARGEST_FILE
    changed = [(TABLE, table.stat().st_size, table.stat().st_mtime_ns)] if safe else []
    return Files(
        [name for name, _, _ in entries],
        load,
        table.read_bytes() if safe else None,
        stamp_of([*entries, *changed]),
    )


def open_zip(path: Path) -> Files:
    """All pictures in a zip, stored or deflated."""
    try:
        archive = zipfile.ZipFile(path)
        members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    except (*DAMAGE, ValueError) as error:
        raise ValueError(f"{path.name!r} is damaged or no zip file.") from error
    names = sorted(name for name in members if _shown(name))
    if not names:
        raise ValueError(f"The zip file {path.name!r} holds no picture files.")
    check_unpacked(sum(members[name].file_size for name in names), path.stat().st_size, path.name)

    def load(name: str) -> bytes:
        info = members[name]
        if info.file_size > LARGEST_FILE:
            raise ValueError(f"is larger than {LARGEST_FILE >> 20} MB")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("is packed in a way that is not supported")
        return archive.read(info)

    try:
        table = load(TABLE) if TABLE in members else None
    except (*DAMAGE, ValueError):
        table = None
    return Files(names, load, table, stamp_file(path))


def open_tar(path: Path) -> Files:
    """All pictures in a tar; a compressed one is unpacked, as one file, to a temporary place first."""
    unpacked = _Unpacked(path) if path.name.lower().endswith(("gz", "tgz")) else None
    stream = unpacked.stream if unpacked else path.open("rb")
    members: dict[str, tuple[int, int]] = {}
    reading = threading.Lock()
    try:
        last = -1
        with tarfile.open(fileobj=_Bounded(stream), mode="r:") as archive:  # type: ignore[call-overload]
            for member in archive:
                if (
                    member.size < 0 or member.offset <= last
                ):  # such a header can send a reader round in circles
                    raise tarfile.ReadError("going backwards")
                last = member.offset
                if (
                    member.isreg()
                    and member.sparse is None
                    and (_shown(member.name) or member.name.removeprefix("./") == TABLE)
                ):
                    members[member.name.removeprefix("./")] = (member.offset_data, member.size)
                if len(members) > MOST_PICTURES:
                    raise ValueError(f"{path.name!r} holds more than {MOST_PICTURES:,} pictures.")
                archive.members = []  # tarfile would remember every one
    except (*DAMAGE, IndexError, KeyError, TypeError, AttributeError, UnicodeError) as error:
        raise ValueError(f"{path.name!r} is damaged or no tar file.") from error
    except ValueError as error:
        raise (
            error
            if str(error).startswith(repr(path.name))
            else ValueError(f"{path.name!r} is damaged or no tar file.")
        ) from error

    def load(name: str) -> bytes:
        start, size = members[name]
        if size > LARGEST_FILE:
            raise ValueError(f"is larger than {LARGEST_FILE >> 20} MB")
        with reading:  # sessions share the file
            stream.seek(start)
            data = stream.read(size)
        if len(data) < size:
            raise ValueError("is cut off")
        return data

    names = sorted(name for name in members if name != TABLE)
    if not names:
        raise ValueError(f"The tar file {path.name!r} holds no picture files.")
    try:
        table = load(TABLE) if TABLE in members else None
    except (*DAMAGE, ValueError):
        table = None
    files = Files(names, load, table, stamp_file(path))
    files.kept = unpacked  # type: ignore[attr-defined]  # the temporary file goes when the pictures do
    return files


class _Unpacked:
    """The content of a gzip file in a temporary file."""

    def __init__(self, path: Path) -> None:
        self.stream: BinaryIO = tempfile.TemporaryFile(prefix="afterimage-")  # noqa: SIM115 - lives as long as this does
        packed, size = path.stat().st_size, 0
        try:
            with gzip.open(path) as source:
                while block := source.read(2**20):
                    size += len(block)
                    check_unpacked(size, packed, path.name)
                    self.stream.write(block)
        except DAMAGE as error:
            raise ValueError(f"{path.name!r} is damaged or no tar file.") from error
        self.stream.seek(0)


class _Bounded:
    """A file that hands out no more at once than the largest picture, whatever a header asks for."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell, self.close = stream.seek, stream.tell, lambda: None

    def read(self, size: int) -> bytes:
        if not 0 <= size <= LARGEST_FILE:
            raise tarfile.ReadError("a header of impossible length")
        return self._stream.read(size)


def _shown(name: str) -> bool:
    return (
        Path(name).suffix.lower() in SUFFIXES
        and not name.startswith(("__MACOSX/", ".git/"))
        and not Path(name).name.startswith(".")
    )


def _metadata(table: bytes, keys: Sequence[str]) -> dict[str, list[str]]:
    """The columns of a metadata.csv in the order of the pictures, by its column file_name."""
    try:
        rows = list(
            csv.DictReader(io.StringIO(table.decode("utf-8-sig", errors="replace"), newline=""))
        )
    except csv.Error:
        return {}  # the pictures are usable without their table
    columns = [column for column in (rows[0] if rows else {}) if column and column != "file_name"]
    found = {str(row.get("file_name")): row for row in rows}
    empty: dict[str, str] = {}
    return {
        printable(column): [printable(str(found.get(key, empty).get(column) or "")) for key in keys]
        for column in columns
    }
