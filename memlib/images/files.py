"""Folders, zips and tars of encoded pictures. Links out of a folder are left out."""

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from memlib.confined import Tick
from memlib.images.archives import MOST_PICTURES, Member, check_member
from memlib.images.columns import LARGEST_TABLE, TABLE, printable
from memlib.images.decode import LARGEST_FILE, SUFFIXES
from memlib.images.pictures import (
    Encoded,
    ask_about,
    columns_of,
    read_at,
    stamp_of,
    whole,
    words,
    write_temporary,
)

LOCAL_HEADER, SIGNATURE = 30, b"PK\x03\x04"  # bytes of the local header of a zip's member
LENGTHS = struct.Struct("<HH")  # the position of the lengths of its name and extra field


def open_file(path: Path) -> BinaryIO:
    """Open an ordinary file. Raises ValueError, with a phrase, for anything else."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise ValueError("is not a file")
    return file


def stamp_file(path: Path) -> str:
    """Return a hash of a file's name, size and time of change."""
    details = path.stat()
    return stamp_of([(path.name, details.st_size, details.st_mtime_ns)])


class Folder(Encoded):
    """All pictures below a folder; links out of it are listed but cannot be read."""

    def __init__(self, folder: Path, tick: Tick | None = None) -> None:
        self._root = Path(os.path.realpath(folder))
        entries = sorted(self._entries(folder.name))
        if not entries:
            raise ValueError(f"The folder {printable(folder.name)!r} contains no picture files.")
        self._keys = [name for name, _, _ in entries]
        self.names = [printable(key) for key in self._keys]
        table = self._root / TABLE
        known: dict[str, list[str]] = {}
        if table.is_file() and not table.is_symlink():
            details = table.stat()
            entries.append((TABLE, details.st_size, details.st_mtime_ns))
            if details.st_size > LARGEST_TABLE:
                raise ValueError(f"{TABLE!r} is larger than {LARGEST_TABLE >> 20} MB.")
            known = columns_of(*whole(table.read_bytes()), self._keys, tick)
        self.metadata = known
        self.stamp = stamp_of(entries)

    def packed(self, place: int) -> tuple[Member, bytes]:
        path = self._root / self._keys[place]
        if not self._inside(path):
            raise ValueError("is a link that leads out of the folder")
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            return whole(file.read(min(size, LARGEST_FILE + 1)))

    def _inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def _entries(self, title: str) -> list[tuple[str, int, int]]:
        entries: list[tuple[str, int, int]] = []
        for place, folders, files in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for file in files:
                if Path(file).suffix.lower() in SUFFIXES and not file.startswith("."):
                    path = Path(place, file)
                    name = path.relative_to(self._root).as_posix()
                    if path.is_symlink() and not self._inside(path):
                        entries.append((name, 0, 0))
                    elif path.is_file():  # not a link in a circle or a pipe
                        details = path.stat()
                        entries.append((name, details.st_size, details.st_mtime_ns))
            if len(entries) > MOST_PICTURES:
                raise ValueError(
                    f"The folder {printable(title)!r} contains more than {MOST_PICTURES:,} "
                    "pictures."
                )
        return entries


class Archive(Encoded):
    """All pictures in a zip, stored or deflated, or in a tar. A compressed tar is first unpacked,
    as one file, to a temporary file.
    """

    def __init__(self, path: Path, tick: Tick | None = None) -> None:
        name = path.name.lower()
        kind = "zip" if name.endswith(".zip") else "tar"
        title = printable(path.name)
        self.stamp = stamp_file(path)
        self._file = open_file(path)
        if name.endswith(("gz", "tgz")):
            self._file = write_temporary(ask_about("unpack", title, [self._file], tick, kind="gz"))
        self._behind = LOCAL_HEADER if kind == "zip" else 0
        self._size = os.fstat(self._file.fileno()).st_size
        keys: list[str] = []
        tables = [np.zeros((0, len(Member._fields)), np.int64)]
        for found, data in ask_about("list", title, [self._file], tick, kind=kind):
            keys += words(found.get("names"))
            tables.append(np.frombuffer(data, np.int64).reshape(-1, len(Member._fields)))
        self._members = np.concatenate(tables)
        if len(self._members) != len(keys):
            raise ValueError(f"{title!r} is damaged.")
        has_table = bool(keys) and keys[-1] == TABLE
        keys = keys[: len(keys) - has_table]
        if not keys:
            raise ValueError(f"The {kind} file {title!r} contains no picture files.")
        self.names = [printable(key) for key in keys]
        self.metadata = self._columns(keys, tick) if has_table else {}

    def packed(self, place: int) -> tuple[Member, bytes]:
        member = Member(*self._members[place].tolist())
        check_member(member)
        start = member.offset
        if not 0 <= start <= self._size or member.packed < 0:
            raise ValueError("is cut off")
        if self._behind:  # the local header of a zip: skip its name and extra field
            header = read_at(self._file, start, LOCAL_HEADER)
            if header[:4] != SIGNATURE:
                raise ValueError("cannot be read")
            start += LOCAL_HEADER + sum(LENGTHS.unpack(header[-LENGTHS.size :]))
        return member, read_at(self._file, start, member.packed)

    def _columns(self, keys: list[str], tick: Tick | None) -> dict[str, list[str]]:
        try:
            member, data = self.packed(len(keys))
        except (ValueError, OSError):
            return {}  # the pictures are usable without their table
        return columns_of(member, data, keys, tick)
